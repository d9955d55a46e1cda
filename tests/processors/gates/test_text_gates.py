"""Each gate that reads the text alone fires on real defects, and spares sound texts that look odd."""

import pytest

from processors.gates.base import GateName
from processors.gates.config import GatesConfig
from processors.gates.registry import GATES, text_signals
from schemas import Answer, Prompt, Sample

POEM = (
    "Row, row, row your boat,\nGently down the stream.\nMerrily, merrily, merrily, merrily,\nLife is but a dream.\n\n"
    "Row, row, row your boat,\nGently down the stream.\nMerrily, merrily, merrily, merrily,\nLife is but a dream."
)
BROKEN_PYTHON = "def add(a, b:\n    return a + b\n\nprint(add(1, 2))"

DEFECTS: list[tuple[GateName, str, str, str]] = [
    ("repetition", "Tell me about whales.", "", "Whales sing. " + "They sing in the deep sea. " * 9),
    ("repetition", "介绍一下长城。", "", "长城很长。" + "它是中国古代的伟大工程之一。" * 9),
    ("repetition", "Print the numbers.", "", "for i in range(3):\n" + "    print(i)  # next\n" * 12),
    ("refusal", "Translate the poem.", "", "I'm sorry, but I cannot help with that request."),
    ("refusal", "写一首诗。", "", "很抱歉，我无法完成这个任务。"),
    ("refusal", "Write a SQL query.", "", "As an AI language model, I don't have access to your database."),
    (
        "language_mismatch",
        "Why is the sky blue?",
        "",
        "因为空气分子更容易散射波长较短的蓝光，所以天空看起来是蓝色的，特别是在晴天。",
    ),
    (
        "language_mismatch",
        "天空为什么是蓝色的？",
        "",
        "Because molecules of the air scatter blue light more than red light.",
    ),
    (
        "language_mismatch",
        "Why is the sky blue?",
        "",
        "Weil die Moleküle der Luft blaues Licht stärker streuen als rotes.",
    ),
    ("echo", "Name three rivers in Europe.", "", "Name three rivers in Europe."),
    ("echo", "Sort the list.", "[3, 1, 2]", "Sort the list.\n[3, 1, 2]"),
    ("echo", "写一句表达感激之情的诗句。", "", "写一句表达感激之情的诗句。"),
    ("echo", "Explain how a transformer differs from a recurrent network.", "", "Explain how a transformer differs"),
    ("broken_text", "Describe a café.", "", "The cafÃ© is small, and itâ€™s cosy on rainy days."),
    ("broken_text", "介绍北京。", "", "北京是中国的首都。".encode().decode("latin-1")),
    ("broken_text", "介绍北京。", "", "北京是中国的首都，历史悠久。".encode().decode("gbk", "replace")),
    ("broken_text", "Describe the sea.", "", "It\u9225\u6a9a wide, and the waves never rest on its shore."),
    ("broken_text", "Describe the sea.", "", "The s\ufffda is wide and the waves never rest."),
    ("html_debris", "Describe the sea.", "", "<p>The sea is wide.</p><p>It is deep.&nbsp;</p>"),
    ("html_debris", "描述大海。", "", "大海很宽。<br />它很深。"),
    ("html_debris", "Sum two numbers in Python.", "", "def add(a, b):<br>    return a &lt; b"),
    ("broken_code", "Write a Python function that adds two numbers.", "", BROKEN_PYTHON),
    ("broken_code", "用 Python 写一个加法函数。", "", f"代码如下：\n\n```python\n{BROKEN_PYTHON}\n```"),
    ("broken_code", "Add two numbers.", "", f"Here it is:\n```python\n{BROKEN_PYTHON}\n```\nIt adds."),
]

SOUND: list[tuple[str, str, str]] = [
    ("Write a song for children.", "", POEM),
    ("What is the capital of France?", "", "Paris"),
    ("首都是哪里？", "", "北京"),
    ("What is 2 + 2?", "", "4"),
    ("List three fruits.", "", "- apples\n- pears\n- plums"),
    ("Correct the sentence: she go to school.", "", "She goes to school."),
    ("Correct this sentence.", "She go to school every day.", "She goes to school every day."),
    ("Is this sentence correct? If so, repeat it.", "She goes to school every day.", "She goes to school every day."),
    ("Rewrite in the passive voice.", "The dog chased the cat.", "The cat was chased by the dog."),
    ("Translate into Chinese.", "The sea is wide and deep.", "大海又宽又深，海浪从不停歇，拍打着礁石和沙滩。"),
    ("把下面的句子翻译成英文。", "大海又宽又深。", "The sea is wide and deep, and its waves never rest."),
    ("What does 你好 mean in English?", "", "It means hello, and is the most common greeting in Mandarin."),
    ("Write a Python function that adds two numbers.", "", "def add(a, b):\n    return a + b"),
    ("Show a Python session.", "", ">>> 1 + 1\n2\n>>> print('x')\nx"),
    ("Print a text in Python 2.", "", 'print "hello"'),
    ("Show the body of the loop in Python.", "", "    for x in xs:\n        print(x // 2)  // halves"),
    ("Add two numbers in JavaScript.", "", "function add(a, b) {\n  return a + b;\n}"),
    ("Make a class for a triangle.", "", "class Triangle {\n  constructor(a) {\n    this.a = a\n  }\n}"),
    ("Show the error in this Python code.", "print('x'", "The closing bracket is missing: print('x')"),
    (
        "Write the user Ada, who is 36 and has the tags a and b, as JSON.",
        "",
        '{"name": "Ada", "age": 36, "tags": ["a", "b"]}',
    ),
    ("Write a web page with a heading.", "", "<h1>Hello</h1><p>A page.</p>"),
    ("Is it true that a < b and b > a?", "", "Yes: if a < b, then b > a. Both say the same."),
    ("Use generics in Java.", "", "List<String> names = new ArrayList<>();"),
    ("Wie heißt die Straße?", "", "Sie heißt „Große Straße“, und daneben ist das Café „Zum Bären“."),
    ("What is naïve?", "", "A naïve person, such as a protégé at a soirée, trusts easily – too easily…"),
    ("广播是什么意思？", "", "广播(广播)指的是向多个接收器发送信号。"),
    ("Write an apology to a customer.", "", "I'm sorry that your parcel was late. We have sent you a new one today."),
    (
        "Remind a customer that invoice 2207 is overdue.",
        "",
        "Dear Mr. Haas,\n\nInvoice 2207 has not been paid yet. Please transfer the sum by Friday.\n\n"
        "Kind regards,\nSofia Lind, Accounts",
    ),
    (
        "给物业写一封投诉邮件。",
        "",
        "物业负责人：\n\n二号楼电梯本月三次停运，请贵公司在七个工作日内书面答复。\n\n二号楼业主 周宁",
    ),
    (
        "Give me four unusual uses for empty wine corks.",
        "",
        "- Glue slices under chair legs, so that they stop scratching.\n"
        "- Thread keys on one: they float if they fall off the boat.",
    ),
    ("Why?", "", "Really? Why not? See http://example.com/?q=a?b=c for the answer."),
]


def sample(instruction: str, text: str, answer: str) -> Sample:
    return Sample(sample_id="x", prompt=Prompt(instruction=instruction, input=text), answer=Answer(text=answer))


def failing(instruction: str, text: str, answer: str) -> list[str]:
    """Return the gates that the text alone fails, by the default thresholds."""
    signals, config = text_signals(sample(instruction, text, answer), answer), GatesConfig()
    return [name for name in GATES if name in signals and config.fails(name, signals[name])]


@pytest.mark.parametrize(("gate", "instruction", "text", "answer"), DEFECTS)
def test_a_defect_fails_its_gate(gate: GateName, instruction: str, text: str, answer: str) -> None:
    assert gate in failing(instruction, text, answer)


@pytest.mark.parametrize(("instruction", "text", "answer"), SOUND)
def test_a_sound_answer_that_looks_odd_passes(instruction: str, text: str, answer: str) -> None:
    assert failing(instruction, text, answer) == []


def test_a_signature_and_another_language_are_no_broken_python() -> None:
    assert failing("Write the signature of a function for the greatest common divisor.", "", "def gcd(x, y):") == []
    swift = "import UIKit\n\nclass Controller: UIViewController {\n    var x = 1\n}"
    assert failing("Make a view controller.", "", swift) == []


def test_every_gate_that_reads_text_is_tried_in_three_kinds_of_text() -> None:
    tried = [gate for gate, *_ in DEFECTS]
    assert {name for name, gate in GATES.items() if gate.measure} == set(tried)
    assert all(tried.count(gate) >= 3 for gate in set(tried))


def test_a_long_answer_is_read_in_bounded_time() -> None:
    """The worst texts for a regular expression or a parser; a hang would fail the test by its time limit."""
    for unit in ("a", "?", "<p", "```python\n(", "\u9225", "def f(:\n\n", "&amp", "(", "你"):
        assert text_signals(sample("Go on.", "", ""), unit * 200_000)
