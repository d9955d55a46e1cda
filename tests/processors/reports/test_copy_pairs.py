"""Near duplicates side by side with the kept samples that they repeat, and the draw."""

from collections import Counter

from processors.reports.copy_pairs import FoundCopies, Pair
from processors.reports.reservoir import Reservoir
from schemas import Decision, Prompt, Sample
from tests.processors.scored import scored, unit


def copy(number: int, of: str, nearest: float) -> Sample:
    decision = Decision(
        outcome="rejected", reason="near_duplicate", rule="r", input_offset=number, nearest=nearest, duplicate_of=of
    )
    return scored(number, unit(1, 0), decision=decision, prompt=Prompt(instruction=f"copy\n{number}"))


def test_a_drawn_copy_stands_beside_its_kept_sample() -> None:
    original, other = scored(1, unit(1, 0), prompt=Prompt(instruction="the original " * 100)), scored(2, unit(1, 0))
    found = FoundCopies()
    for sample in (copy(3, original.sample_id, 0.93), copy(4, original.sample_id, 1.0), copy(5, "", 0.95), other):
        found.draw(sample)
    for kept in (other, original):
        found.meet(kept)
    expected = ("the original " * 100)[:300]
    assert found.pairs() == [
        Pair(sample_id=f"{3:032x}", of=original.sample_id, cosine=0.93, text="copy 3", kept_text=expected)
    ]
    assert found.same_text == 1


def test_no_more_than_three_are_shown() -> None:
    found = FoundCopies()
    for number in range(50):
        found.draw(copy(number, "a", 0.93))
    assert len({pair.sample_id for pair in found.pairs()}) == 3


def test_every_item_is_equally_likely_and_the_draw_is_fixed() -> None:
    def drawn(shift: int) -> list[int]:
        reservoir: Reservoir[int] = Reservoir(20)
        for item in range(1000):
            reservoir.offer((item + shift) % 1000)
        assert reservoir.offered == 1000
        return reservoir.items

    assert drawn(0) == drawn(0)
    assert len(set(drawn(0))) == 20
    # Shifted through all places, every item takes each place of the stream once.
    counts = Counter(item // 100 for shift in range(0, 1000, 10) for item in drawn(shift))
    assert all(150 < counts[tenth] < 250 for tenth in range(10))
    few: Reservoir[int] = Reservoir(20)
    few.offer(7)
    assert few.items == [7]
