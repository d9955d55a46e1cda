"""The quality gates on real rows with planted defects: recall, precision, false alarms; in English, Chinese and code.

    python benchmarks/gates.py --json                 240 rows per language: a quarter of an hour the first time
    python benchmarks/gates.py --show zh unrelated    also print the sound rows of a language that a gate rejects
    python benchmarks/gates.py --choose               the first half of the rows, on which thresholds are chosen

Data come from `--data`, a folder with `alpaca_en_1k.json`, `alpaca_zh_1k.json` and `code_alpaca_2k.json`. Scores are
computed once and kept in `--cache`. benchmarks/README.md explains each figure.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.defects import DEFECTS, FORESEEN, UNFORESEEN
from benchmarks.diversity_data import Cache
from benchmarks.gates_rows import FILES, SOUND, Case, cases, load_scorer, scored
from processors.diversity.gates import failed_gate
from processors.gates.config import GatesConfig
from processors.gates.registry import GATES, suspicions
from processors.models.files import EMBEDDER_DEFAULT
from tests.paths import DATA

Figures = dict[str, Any]
PLANTED = (0.1, 0.3, 0.5)
MADE_FOR: Mapping[str, str] = {
    "swapped": "unrelated",
    "cut_token": "cut_off",
    "cut_sentence": "cut_off",
    "loop": "repetition",
    "refusal": "refusal",
    "wrong_language": "language_mismatch",
    "echo": "echo",
    "mojibake": "broken_text",
    "html": "html_debris",
    "broken_code": "broken_code",
    "shuffled": "garbled",
}
"""The gate that was made for each foreseen kind of defect."""
CONFIG = GatesConfig()


def fails(case: Case, gate: str) -> bool:
    """Return whether the case fails this gate, whichever gates come before it."""
    score = case.sample.score
    assert score is not None
    if gate == "ifd_not_below_one":
        return score.ifd is None or score.ifd >= 1.0
    value = suspicions(score).get(gate)  # type: ignore[call-overload]
    return value is not None and CONFIG.fails(gate, value)  # type: ignore[arg-type]


def rejected(case: Case) -> bool:
    """Return whether any gate of the diversity stage rejects the case."""
    assert case.sample.score is not None
    return failed_gate(case.sample.score, None, CONFIG) is not None


def share(cases_of: Iterable[Case], gate: str = "") -> float:
    """Return the share of the cases that fail `gate`, or any gate."""
    return fmean(fails(each, gate) if gate else rejected(each) for each in cases_of)


def language_figures(rows: Sequence[Case], language: str) -> Figures:
    """Return the figures of one language."""
    by_kind = {kind: [each for each in rows if each.kind == kind] for kind in (SOUND, *DEFECTS)}
    by_kind = {kind: found for kind, found in by_kind.items() if found}
    found: Figures = {f"cases_{kind}_{language}": len(of) for kind, of in by_kind.items()}
    found[f"sound_kept_{language}"] = 1.0 - share(by_kind[SOUND])
    for kind, of in by_kind.items():
        if kind != SOUND:
            found[f"recall_{kind}_{language}"] = share(of)
    for gate in (*GATES, "ifd_not_below_one"):
        found |= gate_figures(gate, by_kind, language)
    return found | passing(found, language)


def gate_figures(gate: str, by_kind: Mapping[str, Sequence[Case]], language: str) -> Figures:
    """Return false alarms and precision of a gate, and its recall of the kinds that it was made for."""
    alarms = share(by_kind[SOUND], gate)
    of_defects = fmean(share(of, gate) for kind, of in by_kind.items() if kind != SOUND)
    found: Figures = {f"false_alarms_{gate}_{language}": alarms}
    if of_defects or alarms:
        found[f"precision_{gate}_{language}"] = 0.3 * of_defects / (0.3 * of_defects + 0.7 * alarms)
    for kind, of in by_kind.items():
        if MADE_FOR.get(kind) == gate:
            found[f"own_recall_{kind}_{language}"] = share(of, gate)
    return found


def passing(found: Mapping[str, Any], language: str) -> Figures:
    """Return the share of defects among what passes, if all kinds are planted alike; for three shares planted."""
    figures: Figures = {}
    for name, kinds in (("all", DEFECTS), ("foreseen", FORESEEN), ("unforeseen", UNFORESEEN)):
        missed = 1.0 - fmean(found[key] for kind in kinds if (key := f"recall_{kind}_{language}") in found)
        for planted in PLANTED:
            defects, sound = planted * missed, (1.0 - planted) * found[f"sound_kept_{language}"]
            figures[f"defects_among_passed_{name}_{int(100 * planted)}_{language}"] = defects / (defects + sound)
    return figures


def show(rows: Sequence[Case], language: str, gate: str) -> None:
    """Print the sound rows that a gate rejects, and the planted ones that all gates let through."""
    for each in rows:
        if each.language == language and each.kind == SOUND and fails(each, gate) and each.sample.answer:
            print(f"{each.sample.prompt.text()[:200]!r}\n    {each.sample.answer.text[:300]!r}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as one line")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "siftstream-benchmark")
    parser.add_argument("--rows", type=int, default=240, help="rows of each language [240]")
    parser.add_argument("--kinds", type=int, default=4, help="defects planted into every second row [4]")
    parser.add_argument("--choose", action="store_true", help="the first half of the rows, not the second")
    parser.add_argument("--show", nargs=2, metavar=("LANGUAGE", "GATE"))
    options = parser.parse_args()
    planted = cases(options.data, options.rows, options.kinds, Cache(options.cache, EMBEDDER_DEFAULT))
    everything = scored(planted, load_scorer(options.cache), options.cache / "gates.jsonl")
    rows = [each for each in everything if each.first_half == options.choose]
    figures: Figures = {}
    for language in FILES:
        figures |= language_figures([each for each in rows if each.language == language], language)
    if options.show:
        show(rows, *options.show)
    print(json.dumps(figures) if options.json else "\n".join(f"{name} {value:.3f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
