"""`siftstream diversity`: the report, its picture, and the replay's exit code."""

import asyncio
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from schemas import Prompt, Sample
from streams.cli import main
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.settings import Settings
from streams.stages.diversity import load_seeds
from tests.processors.scored import embedding, scored, topic_stream, unit
from tests.streams.deciding import decide, deciding_settings
from tests.streams.history import decided
from tests.streams.staged_work import arrived, feed, make_topics

pytestmark = pytest.mark.models

TOPICS, SAMPLES = topic_stream(120, topics=10, dims=384)


def with_minilm(settings: Settings) -> Settings:
    """Return the settings with the embedder of the samples."""
    return replace(settings, scoring=replace(settings.scoring, embedder="minilm"))


async def call(connection: Connection, prefix: str, directory: Path, *words: str, embedder: str = "minilm") -> Result:
    options = ["--dir", str(directory), "--broker", connection.bootstrap, "--prefix", prefix, "diversity"]
    words = (*options, *words)
    return await asyncio.to_thread(CliRunner().invoke, main, words, env={"SIFT_SCORING_EMBEDDER": embedder})


def in_cluster(cluster: int, sample: Sample) -> Sample:
    kept = decided(sample)
    assert kept.decision is not None
    return replace(kept, decision=replace(kept.decision, cluster=cluster))


async def test_the_report_counts_what_was_decided(
    embedded: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIFT_SCORING_EMBEDDER", "minilm")  # the figures below are measured for it
    await make_topics(embedded, prefix)
    settings = with_minilm(deciding_settings(tmp_path, prefix))
    await decide(embedded, settings, SAMPLES, load_seeds(settings.scoring.embedder, settings.cache))
    done = await call(embedded, prefix, tmp_path, "report", "--json", "--picture", str(tmp_path / "map.png"))
    assert done.exit_code == 0, done.output
    report = orjson.loads(done.stdout)
    assert report["decided"] == len(SAMPLES) == report["curated"] + sum(report["rejected"].values())
    assert sum(row["kept"] for row in report["table"]) == report["curated"]
    assert 1 < report["effective_clusters"] <= report["clusters"] == len(report["table"])
    assert report["vendi"] > 1
    assert report["calibrated"] == {"new_cluster_distance": 0.5, "near_duplicate": 0.9}
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")

    shown = await call(embedded, prefix, tmp_path, "report")
    assert "effective clusters" in shown.output
    assert "suggests new_cluster_distance 0.50, near_duplicate 0.90" in " ".join(shown.output.split())
    assert f"curated {report['curated']}" in shown.output


async def test_the_report_shows_languages_and_the_copies_that_the_gate_missed(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    await make_topics(embedded, prefix)
    settings = with_minilm(deciding_settings(tmp_path, prefix))
    spoken = [replace(sample, language=language) for sample, language in zip(SAMPLES, cycle(["en", "zh", ""]))]
    await decide(embedded, settings, spoken, load_seeds(settings.scoring.embedder, settings.cache))
    before = orjson.loads((await call(embedded, prefix, tmp_path, "report", "--json")).stdout)
    gate, curated = before["gate"], before["curated"]
    assert gate["found"] == before["rejected"]["near_duplicate"] > 0
    assert gate["searched"] == gate["let_through"] == curated + before["rejected"].get("below_threshold", 0)
    assert (gate["missed"], gate["recall"], gate["recall_at_least"]) == (0, 1.0, 1.0)
    assert len(gate["found_pairs"]) == 3
    assert all(pair["text"] and pair["kept_text"] and pair["cosine"] >= 0.9 for pair in gate["found_pairs"])
    assert {row["language"] for row in before["languages"]} == {"en", "zh", "unknown"}
    assert sum(row["kept"] for row in before["languages"]) == curated
    assert sum(row["arrivals"] for row in before["languages"]) == len(SAMPLES)

    async with KafkaClient(embedded) as client:
        kept = next(
            s for s in await arrived(client, prefix, "curated") if s.decision and s.decision.cluster is not None
        )
    assert kept.decision is not None
    twin = replace(kept, sample_id="f" * 32, decision=replace(kept.decision, input_offset=len(SAMPLES)))
    await feed(embedded, prefix, [twin], "curated")  # as a gate with a hole would have left it
    missed = orjson.loads((await call(embedded, prefix, tmp_path, "report", "--json")).stdout)["gate"]
    assert (missed["missed"], missed["recall"]) == (1, gate["found"] / (gate["found"] + 1))
    assert [(pair["sample_id"], pair["of"]) for pair in missed["missed_pairs"]] == [(twin.sample_id, kept.sample_id)]
    shown = " ".join((await call(embedded, prefix, tmp_path, "report")).output.split())
    searched = f"1 more among all {gate['let_through'] + 1} samples let through"
    assert f"{gate['found']} found; exact search finds {searched}" in shown
    assert "Near duplicates that the gate missed" in shown
    assert "Near duplicates that the gate found" in shown


async def test_the_report_shows_what_was_learnt_from_ratings(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    await make_topics(embedded, prefix)
    settings = with_minilm(deciding_settings(tmp_path, prefix))
    await decide(embedded, settings, SAMPLES[:30])
    early = " ".join((await call(embedded, prefix, tmp_path, "report")).output.split())
    assert "learnt from ratings rating 0 keep 0 drop, verification 0 keep 0 drop, up to offset 30" in early
    assert "counts in the rule not yet: 0 of 50 labels" in early
    ratings = [replace(each, rating="keep" if TOPICS[place] else "drop") for place, each in enumerate(SAMPLES[:80])]
    await decide(embedded, settings, [*SAMPLES[30:], *ratings])
    head = orjson.loads((await call(embedded, prefix, tmp_path, "report", "--json")).stdout)["head"]
    assert head["counts"]
    assert sum(head["labels"]["rating"].values()) == head["judged"] == sum(row["count"] for row in head["calibration"])
    assert head["judged"] >= 50
    assert head["auc"] > 0.7
    shown = " ".join((await call(embedded, prefix, tmp_path, "report")).output.split())
    assert f"rating {head['labels']['rating']['keep']} keep {head['labels']['rating']['drop']} drop" in shown
    assert f"AUC before learning {head['auc']:.2f}, on the last {head['judged']} labelled samples" in shown
    assert "counts in the rule yes" in shown
    assert "Predictions and what people said" in shown


async def test_vectors_of_another_model_are_counted_and_not_measured(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    await make_topics(embedded, prefix)
    shorter = [scored(1000 + n, unit(1, n), embedding=embedding(unit(1, n), "old")) for n in range(3)]
    await feed(embedded, prefix, [in_cluster(0, sample) for sample in shorter], "curated")  # from before a rebuild
    await feed(embedded, prefix, [in_cluster(0, sample) for sample in SAMPLES[:20]], "curated")
    report = orjson.loads((await call(embedded, prefix, tmp_path, "report", "--json")).stdout)
    assert (report["of_another_embedder"], report["curated"]) == (3, 23)
    assert [row["kept"] for row in report["table"]] == [20]
    assert "3 decisions were on vectors of another" in (await call(embedded, prefix, tmp_path, "report")).output
    other = orjson.loads(
        (await call(embedded, prefix, tmp_path, "report", "--json", embedder="multilingual-e5-small")).stdout
    )
    assert (other["of_another_embedder"], other["curated"], other["table"]) == (23, 23, [])


async def test_the_trace_of_a_near_duplicate_names_the_kept_sample(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    await make_topics(embedded, prefix)
    north = [1.0] + [0.0] * 7
    first, again = (scored(n, north, prompt=Prompt(instruction=text)) for n, text in enumerate(("Sing!", "sing")))
    await decide(embedded, deciding_settings(tmp_path, prefix), [first, again])
    options = ["--dir", str(tmp_path), "--broker", embedded.bootstrap, "--prefix", prefix]
    shown = await asyncio.to_thread(CliRunner().invoke, main, [*options, "trace", again.sample_id])
    assert f"rejected: near_duplicate of {first.sample_id}" in shown.output
    assert "like     'Sing!'" in shown.output
    other = await asyncio.to_thread(CliRunner().invoke, main, [*options, "trace", first.sample_id])
    assert "like  " not in other.output


async def test_the_replay_ends_with_1_where_a_decision_differs(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    await make_topics(embedded, prefix)
    # Decided without the library's seeds, which the command begins with: the same samples, other clusters.
    await decide(embedded, deciding_settings(tmp_path, prefix), SAMPLES)
    done = await call(embedded, prefix, tmp_path, "replay", "--json")
    assert done.exit_code == 1
    assert orjson.loads(done.stdout)["different"]
    nothing = await call(embedded, prefix, tmp_path, "replay", "--from-offset", "1000")
    assert nothing.exit_code == 0, nothing.output


async def test_replay_shows_what_another_rule_would_have_kept(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    await make_topics(embedded, prefix)
    settings = with_minilm(deciding_settings(tmp_path, prefix))
    await decide(embedded, settings, SAMPLES, load_seeds(settings.scoring.embedder, settings.cache))
    done = await call(embedded, prefix, tmp_path, "replay", "--rule", "ifd_threshold", "--json")
    assert done.exit_code == 0, done.output
    found = orjson.loads(done.stdout)
    assert (found["rule"], found["other"], found["decided"]) == ("band", "ifd_threshold", len(SAMPLES))
    assert found["only_other"]["count"] > 0
    shown = " ".join((await call(embedded, prefix, tmp_path, "replay", "--rule", "ifd_threshold")).output.split())
    assert f"Kept of {len(SAMPLES)} samples" in shown
    assert f"only ifd_threshold {found['only_other']['count']}" in shown
