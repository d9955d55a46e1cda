import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.export.formats import FORMATS, Inexpressible, metadata, to_alpaca, to_messages, to_sharegpt
from processors.ingestion.shapes import read_shape
from schemas import Answer, Decision, Message, Prompt, Sample, Score
from schemas.prompt import Role

TEXT = st.text(max_size=20)
SAID = TEXT.filter(str.strip)
ROLES: list[Role] = ["system", "user", "assistant", "tool"]
HISTORY = st.lists(st.builds(Message, role=st.sampled_from(ROLES), content=TEXT), max_size=4).map(tuple)
PAIR = st.builds(
    lambda question, answer: (Message(role="user", content=question), Message(role="assistant", content=answer)),
    TEXT,
    TEXT,
)
PAIRS = st.lists(PAIR, max_size=3).map(lambda pairs: tuple(turn for pair in pairs for turn in pair))
ANSWER = st.none() | st.builds(Answer, text=SAID)


def sample(prompt: Prompt, answer: Answer | None = None) -> Sample:
    return Sample(sample_id="0", prompt=prompt, answer=answer)


@settings(deadline=None)
@given(st.builds(Prompt, instruction=SAID, input=TEXT, system=TEXT, history=PAIRS), ANSWER)
def test_alpaca_row_reads_as_the_same_sample(prompt: Prompt, answer: Answer | None) -> None:
    assert read_shape(to_alpaca(sample(prompt, answer)), {}) == (prompt, answer)


# A history that begins with a system turn comes from a row that has a system prompt too (conversations.py).
CHAT = st.builds(Prompt, instruction=SAID, system=TEXT, history=HISTORY).filter(
    lambda prompt: bool(prompt.system) or prompt.history[:1] == () or prompt.history[0].role != "system"
)


@pytest.mark.parametrize("shape", ["sharegpt", "messages"])
@settings(deadline=None)
@given(prompt=CHAT, answer=ANSWER)
def test_conversation_row_reads_as_the_same_sample(shape: str, prompt: Prompt, answer: Answer | None) -> None:
    assert read_shape(FORMATS[shape](sample(prompt, answer)), {}) == (prompt, answer)


@pytest.mark.parametrize("shape", ["sharegpt", "messages"])
def test_conversation_row_joins_the_input_to_the_users_turn(shape: str) -> None:
    prompt = Prompt(instruction="Sort these.", input="b, a")
    read, _ = read_shape(FORMATS[shape](sample(prompt)), {})
    assert read == Prompt(instruction="Sort these.\nb, a")
    assert read.messages() == prompt.messages()


def test_rows_are_what_trainers_read() -> None:
    history = (Message(role="user", content="hi"), Message(role="assistant", content="hello"))
    told = sample(Prompt(instruction="Go.", system="Be brief.", history=history), Answer(text="Gone."))
    assert to_alpaca(told) == {
        "instruction": "Go.",
        "input": "",
        "output": "Gone.",
        "system": "Be brief.",
        "history": [["hi", "hello"]],
    }
    assert to_sharegpt(told) == {
        "conversations": [
            {"from": "human", "value": "hi"},
            {"from": "gpt", "value": "hello"},
            {"from": "human", "value": "Go."},
            {"from": "gpt", "value": "Gone."},
        ],
        "system": "Be brief.",
    }
    assert [turn["role"] for turn in to_messages(told)["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert to_alpaca(sample(Prompt(instruction="Go."))) == {"instruction": "Go.", "input": "", "output": ""}


@pytest.mark.parametrize("roles", [["user"], ["assistant", "user"], ["user", "tool"]])
def test_alpaca_refuses_a_history_that_is_not_pairs(roles: list[Role]) -> None:
    history = tuple(Message(role=role, content="x") for role in roles)
    with pytest.raises(Inexpressible, match="not pairs"):
        to_alpaca(sample(Prompt(instruction="Go.", history=history)))


def test_metadata_tells_what_is_known_and_has_every_column_always() -> None:
    bare = metadata(sample(Prompt(instruction="Go.")))
    score = Score(
        ifd=0.5,
        nll_cond=1.0,
        nll_uncond=2.0,
        n_cond=3,
        n_uncond=3,
        convention="c",
        template="t",
        model="m",
        model_hash="h",
        dtype="f32",
    )
    full = metadata(
        Sample(
            sample_id="1",
            prompt=Prompt(instruction="Go."),
            answer=Answer(text="x", model="gpt"),
            task_type="qa",
            language="en",
            labels={"b": "2", "a": "1"},
            score=score,
            decision=Decision(outcome="curated", reason="gain", rule="streaming-gain", input_offset=0, cluster=4),
        )
    )
    assert full == {
        "sample_id": "1",
        "task_type": "qa",
        "language": "en",
        "ifd": 0.5,
        "cluster": 4,
        "reason": "gain",
        "model": "gpt",
        "labels": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}],
    }
    assert bare.keys() == full.keys()
