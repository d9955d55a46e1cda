"""The loader of the skill library, and the library that ships: readable, complete, without accidental repetition."""

import json
import re
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from processors.skills import LIBRARY, MIN_SEEDS, Seed, SkillError, load_skills, seed_rows

SHIPPED = load_skills(LIBRARY)
SEEDS = {f"{name}/{n}": seed for name, task in SHIPPED.items() for n, seed in enumerate(task.seeds, start=1)}
NOTE = re.compile(r"near duplicate of (\w+/\d+)")


def write(folder: Path, name: str, *, head: str = "", seed: str = "", seeds: int = MIN_SEEDS, title: str = "T") -> Path:
    """Write a task type file; `head` and `seed` are lines added to the head and to every seed."""
    lines = [
        f'name = "{name}"',
        f'title = "{title}"',
        'description = "D."',
        'output = "text"',
        'verification = ""',
        head,
    ]
    for number in range(seeds):
        lines += ["[[seeds]]", 'language = "en"', f'instruction = "Do {number}."', f'answer = "Done {number}."', seed]
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.toml"
    file.write_text("\n".join(lines), "utf-8")
    return file


def faults(*folders: Path) -> list[str]:
    with pytest.raises(SkillError) as caught:
        load_skills(*folders)
    return str(caught.value).splitlines()


def test_a_later_folder_adds_and_replaces_by_name(tmp_path: Path) -> None:
    write(tmp_path / "one", "b", title="old")
    write(tmp_path / "one", "c")
    write(tmp_path / "two", "a")
    write(tmp_path / "two", "b", title="new", seeds=6)
    task_types = load_skills(tmp_path / "one", tmp_path / "two")
    assert list(task_types) == ["a", "b", "c"]
    assert (task_types["b"].title, len(task_types["b"].seeds)) == ("new", 6)


def test_line_breaks_around_a_text_go_and_indentation_stays(tmp_path: Path) -> None:
    write(tmp_path, "a", seed='input = """\n\n    indented\n\nend  \n"""')
    assert load_skills(tmp_path)["a"].seeds[0].input == "    indented\n\nend"


@pytest.mark.parametrize(
    ("head", "seed", "fault"),
    [
        ("verfication = 1", "", "verfication: unknown key; did you mean verification?"),
        ("", 'inptu = ""', "seeds 1.inptu: unknown key; did you mean input?"),
        ("", "zzz = 1", "seeds 1.zzz: unknown key; did you mean language or instruction or answer"),
        ("code = 1", "", "code: Input should be a valid boolean"),
        ("", "weak_answer = 7", "seeds 1.weak_answer: Input should be a valid string"),
    ],
)
def test_a_fault_names_file_and_key(tmp_path: Path, head: str, seed: str, fault: str) -> None:
    file = write(tmp_path, "a", head=head, seed=seed)
    assert any(line.startswith(f"{file}: {fault}") for line in faults(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"Done 2."', '" \\n"', "seeds 3.answer: is empty"),
        ('"Do 4."', '""', "seeds 5.instruction: is empty"),
        ('language = "en"', 'language = "qq"', "seeds 1.language: is not an ISO 639-1 code, such as en or zh"),
        ('output = "text"', 'output = "poem"', "output: Input should be 'text', 'code', 'json', 'list' or 'label'"),
        ('name = "a"', 'name = "b"', "name: 'b' is not the name of the file, 'a'"),
        ('title = "T"', "", "title: Field required"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, old: str, new: str, fault: str) -> None:
    file = write(tmp_path, "a")
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")
    assert f"{file}: {fault}" in faults(tmp_path)


def test_four_seeds_are_too_few(tmp_path: Path) -> None:
    file = write(tmp_path, "a", seeds=MIN_SEEDS - 1)
    assert faults(tmp_path) == [f"{file}: seeds: fewer than {MIN_SEEDS}"]


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a", head="codee = true", seeds=1)
    (tmp_path / "b.toml").write_text("name = ", "utf-8")
    (tmp_path / "c.toml").write_bytes(b'name = "\xff"')
    write(tmp_path, "d")
    told = faults(tmp_path, tmp_path / "nowhere")
    starts = ["a.toml: seeds", "a.toml: codee", "b.toml: not TOML", "c.toml: not TOML", "nowhere: no such folder"]
    assert [any(start in line for line in told) for start in starts] == [True] * 5
    assert not any("d.toml" in line for line in told)


def test_the_library_has_sixteen_task_types_in_two_languages() -> None:
    assert len(SHIPPED) >= 16
    for task_type in SHIPPED.values():
        languages = Counter(seed.language for seed in task_type.seeds)
        assert languages["en"] >= 3, task_type.name
        assert languages["zh"] >= 2, task_type.name


def test_the_language_of_a_seed_is_that_of_its_instruction() -> None:
    for place, seed in SEEDS.items():
        chinese = len(re.findall(r"[\u4e00-\u9fff]", seed.instruction)) > 5
        assert chinese == (seed.language == "zh"), place


def test_about_half_of_the_seeds_have_a_weak_answer() -> None:
    assert 0.4 <= sum(bool(seed.weak_answer) for seed in SEEDS.values()) / len(SEEDS) <= 0.65
    assert all(seed.weak_answer != seed.answer for seed in SEEDS.values())


def test_some_weak_answers_fit_any_question() -> None:
    repeated = [n for text, n in Counter(seed.weak_answer for seed in SEEDS.values()).items() if text and n > 1]
    assert len(repeated) >= 2


def test_no_request_and_no_good_answer_stands_twice() -> None:
    for texts in (Counter((s.instruction, s.input) for s in SEEDS.values()), Counter(s.answer for s in SEEDS.values())):
        assert texts.most_common(1)[0][1] == 1


def words(seed: Seed) -> set[str]:
    """Return the words of a request; Chinese, which has no spaces, is split by character."""
    return set(re.findall(r"[a-z0-9']+|[\u4e00-\u9fff]", f"{seed.instruction} {seed.input}".lower()))


def test_near_duplicates_stand_only_where_they_are_marked() -> None:
    alike = {
        frozenset((one, other))
        for one, other in combinations(SEEDS, 2)
        if len(words(SEEDS[one]) & words(SEEDS[other])) > 0.5 * len(words(SEEDS[one]) | words(SEEDS[other]))
    }
    marked = {
        frozenset((place, match[1]))
        for place, seed in SEEDS.items()
        if (match := NOTE.fullmatch(seed.note)) is not None
    }
    assert alike == marked
    assert len(marked) >= 4
    assert sum(bool(seed.note) for seed in SEEDS.values()) == len(marked)


def test_no_placeholder_is_left() -> None:
    placeholder = re.compile(r"lorem ipsum|\bTODO\b|\bTBD\b|\bFIXME\b|\bxxx+\b|<[a-z_ ]+>|\ufffd", re.IGNORECASE)
    for place, seed in SEEDS.items():
        for text in (seed.instruction, seed.input, seed.answer, seed.weak_answer):
            assert not placeholder.search(text), place


def test_json_answers_of_extraction_parse() -> None:
    answers = [seed.answer for seed in SHIPPED["extraction"].seeds if "JSON" in seed.instruction]
    assert len(answers) >= 2
    assert all(isinstance(json.loads(answer), dict) for answer in answers)


CODE = [(place, seed) for place, seed in SEEDS.items() if SHIPPED[place.split("/")[0]].code]


@pytest.mark.parametrize("seed", [seed for _, seed in CODE], ids=[place for place, _ in CODE])
def test_good_code_runs_and_its_asserts_hold(seed: Seed) -> None:
    blocks = re.findall(r"```python\n(.*?)```", seed.answer, re.DOTALL)
    assert "assert " in blocks[-1]
    run = subprocess.run([sys.executable, "-I", "-c", blocks[-1]], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def test_rows_hold_every_seed_once_with_one_of_its_answers() -> None:
    rows = list(seed_rows(SHIPPED))
    assert sorted(row["seed"] for row in rows) == sorted(SEEDS)
    for row in rows:
        seed = SEEDS[row["seed"]]
        assert row["output"] == (seed.weak_answer if row["quality"] == "weak" else seed.answer)
    assert all(SEEDS[row["seed"]].instruction == row["instruction"] for row in rows)
    keys = {"instruction", "input", "output", "task_type", "language", "quality", "seed"}
    assert all(row.keys() == keys for row in rows)


def test_rows_are_well_mixed_and_always_in_the_same_order() -> None:
    rows = list(seed_rows(SHIPPED))
    assert rows == list(seed_rows(load_skills(LIBRARY)))
    assert {row["task_type"] for row in rows[: len(SHIPPED)]} == set(SHIPPED)
    for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
        assert 0.2 < sum(row["quality"] == "weak" for row in half) / len(half) < 0.5
        assert 0.3 < sum(row["language"] == "zh" for row in half) / len(half) < 0.6
