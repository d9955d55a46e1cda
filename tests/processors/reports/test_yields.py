"""The yield per model, from lineages."""

from processors.reports.yields import ModelYield, by_model
from schemas import Decision, Prompt, Sample, Step


def decided(number: int, outcome: str, *steps: Step) -> Sample:
    decision = Decision(outcome=outcome, reason="gain", rule="streaming_gain", input_offset=number)  # type: ignore[arg-type]
    return Sample(sample_id=str(number), prompt=Prompt(instruction="?"), lineage=steps, decision=decision)


def step(stage: str, model: str, tokens_in: int, tokens_out: int, usd: float = 0.0) -> Step:
    return Step(stage=stage, at="", model=model, tokens_in=tokens_in, tokens_out=tokens_out, cost_usd=usd)


def test_every_model_has_a_row_for_each_stage_that_it_writes_in() -> None:
    rows = by_model(
        [
            decided(1, "curated", step("synthesis", "gpt", 100, 10, 0.5), step("answering", "qwen", 20, 30)),
            decided(2, "rejected", step("synthesis", "gpt", 100, 20, 0.25)),
            decided(3, "curated", step("answering", "gpt", 5, 45, 0.125), step("scoring", "smollm2", 99, 0)),
        ]
    )
    assert rows == [
        ModelYield(stage="synthesis", model="gpt", samples=2, curated=1, tokens_in=200, tokens_out=30, cost_usd=0.75),
        ModelYield(stage="answering", model="gpt", samples=1, curated=1, tokens_in=5, tokens_out=45, cost_usd=0.125),
        ModelYield(stage="answering", model="qwen", samples=1, curated=1, tokens_in=20, tokens_out=30),
    ]
    assert (rows[0].share, rows[1].curated_per_1k_tokens, rows[2].curated_per_1k_tokens) == (0.5, 20.0, 20.0)


def test_what_is_not_decided_and_what_no_model_wrote_counts_not() -> None:
    waiting = Sample(sample_id="4", prompt=Prompt(instruction="?"), lineage=(step("answering", "gpt", 1, 1),))
    assert by_model([waiting, decided(5, "curated", step("ingest", "", 0, 0))]) == []
    assert by_model([decided(6, "curated", step("answering", "gpt", 0, 0))])[0].curated_per_1k_tokens is None
