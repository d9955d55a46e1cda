"""The data card, README.md of an export: it tells people about the data, and `datasets` how to load it."""

import json
from collections.abc import Mapping
from typing import Any

from processors.export.manifest import OTHER, UNKNOWN
from processors.export.tables import features

CARD = "README.md"

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))
_SHOWN = 20


def data_card(manifest: Mapping[str, Any], schema: Any) -> str:
    """Write the card for an export with this manifest and rows of this Arrow schema.

    It is Markdown with the YAML front matter that Hugging Face defines (any JSON in it is YAML too).
    """
    return "\n\n".join(
        [
            _front_matter(manifest, schema),
            "# Curated instruction data",
            _summary(manifest),
            "## How it was made",
            _making(manifest),
            "## What is in it",
            _table("Task type", manifest["counts"]["task_type"]),
            _table("Language", manifest["counts"]["language"]),
            "## Sources and licences",
            _sources(manifest),
            "## Loading it",
            _loading(),
            "",
        ]
    )


def _front_matter(manifest: Mapping[str, Any], schema: Any) -> str:
    samples = manifest["samples"]
    size = next((name for limit, name in _SIZES if samples < limit), "n>10M")
    languages = sorted(code for code in manifest["counts"]["language"] if len(code) == 2 and code.isalpha())
    lines = [
        "---",
        "license: unknown",
        *(["language:", *(f"- {json.dumps(code)}" for code in languages)] if languages else []),
        "task_categories:",
        "- text-generation",
        "size_categories:",
        f'- "{size}"',
        "tags:",
        "- instruction-tuning",
        "- siftstream",
        "dataset_info:",
        "  features:",
        *(f"  - {json.dumps(feature)}" for feature in features(schema)),
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path:",
        *(f"    - {json.dumps(file['name'])}" for file in manifest["files"]),
        "---",
    ]
    return "\n".join(lines)


def _summary(manifest: Mapping[str, Any]) -> str:
    text = (
        f"{manifest['samples']:,} samples for instruction tuning, curated by Siftstream and written on "
        f"{manifest['created_at'][:10]}: each passed a check of how much its instruction helps to predict its answer "
        "(IFD, arXiv 2308.12032 and 2402.00530) and a check that it is not too similar to a sample kept before."
    )
    left_out = sum(manifest["left_out"].values())
    return text + (f" {left_out:,} more could not be written in this format: see `manifest.json`." if left_out else "")


def _making(manifest: Mapping[str, Any]) -> str:
    counts, ifd = manifest["counts"], manifest["ifd"]
    lines = [
        f"- Answers by: {_names(counts['answer_model'], 'the data itself')}",
        f"- Scored by: {_names(counts['score_model'], 'nothing')}",
        f"- Kept by the rule: {_names(counts['rule'], 'none')}",
    ]
    if ifd["scored"]:
        quantiles = ", ".join(f"{name} {ifd[name]:.3f}" for name in ("p10", "p50", "p90"))
        lines.append(f"- IFD: {quantiles}{'' if ifd['exact'] else ' (from a random sample)'}")
    lines += [f"- {name}: `{json.dumps(value, ensure_ascii=False)}`" for name, value in manifest["settings"].items()]
    return "\n".join(lines)


def _names(counts: Mapping[str, int], nameless: str) -> str:
    shown = [f"{nameless if name == UNKNOWN else _cell(name)} ({count:,})" for name, count in _largest(counts)]
    return ", ".join(shown) or nameless


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the largest counts in order; those after the first `_SHOWN` are added up to one."""
    ordered = sorted(counts.items(), key=lambda item: (item[0] == OTHER, -item[1], item[0]))
    rest = sum(count for _, count in ordered[_SHOWN:])
    return ordered[:_SHOWN] + ([("(all others)", rest)] if rest else [])


def _table(title: str, counts: Mapping[str, int]) -> str:
    rows = [f"| {_cell(name)} | {count:,} |" for name, count in _largest(counts)]
    return "\n".join([f"| {title} | Samples |", "| --- | ---: |", *rows])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _sources(manifest: Mapping[str, Any]) -> str:
    note = (
        "The rights in each sample are those of its source, and the terms of the model that answered it. The licences "
        "below are those that the sources' own rows name; if a row names none, ask the source."
    )
    counts = manifest["counts"]
    return "\n\n".join([note, _table("Source", counts["source"]), _table("Licence", counts["licence"])])


def _loading() -> str:
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        'rows = load_dataset("path/to/this/folder", split="train")\n```\n\n'
        "`manifest.json` holds every file's SHA-256."
    )
