"""`diversity report` and `diversity replay --rule` for a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from processors.reports.copy_pairs import Pair
from processors.reports.coverage import ClusterRow
from processors.reports.gate_recall import CONFIDENCE, Recall
from processors.reports.languages import LanguageRow
from streams.cli.output import clipped, console, say, table
from streams.inspection.diversity_report import DiversityReport
from streams.inspection.rule_comparison import RuleComparison

_SHOWN = 30
_TEXT = 70


def show_report(report: DiversityReport) -> None:
    """Print the tables, the counts and the recall."""
    _show_clusters(report.clusters)
    _show_languages(report.languages)
    _show_summary(report.coverage.summary())
    _show_gate(report)
    if report.foreign:
        console.print(
            f"{report.foreign} decisions were on vectors of another embedding model: "
            "they are left out of clusters, variety and recall"
        )
    if report.calibrated:
        found = ", ".join(f"{name} {value:.2f}" for name, value in report.calibrated.items())
        console.print(f"for this embedding model the skill library suggests {found}")


def _show_clusters(rows: Sequence[ClusterRow]) -> None:
    shown = table("Clusters", "#no.", "like", "#arrived", "#kept", "#mean IFD", "example")
    for row in rows[:_SHOWN]:
        ifd = "" if row.mean_ifd is None else f"{row.mean_ifd:.3f}"
        shown.add_row(
            str(row.cluster), row.label, str(row.arrivals), str(row.kept), ifd, escape(clipped(row.example, 60))
        )
    console.print(shown)
    _show_rest(len(rows))


def _show_languages(rows: Sequence[LanguageRow]) -> None:
    figures = ("#arrived", "#kept", "#near duplicates", "#effective clusters", "#unreadable")
    shown = table("Languages", "language", *figures)
    for row in rows[:_SHOWN]:
        shares = (f"{row.near_duplicates:.1%}", f"{row.effective_clusters:.1f}", f"{row.unreadable:.1%}")
        shown.add_row(escape(row.language), str(row.arrivals), str(row.kept), *shares)
    console.print("", shown)
    _show_rest(len(rows))
    console.print()


def _show_rest(rows: int) -> None:
    if rows > _SHOWN:
        console.print(f"and {rows - _SHOWN} smaller ones (all with --json)")


def _show_summary(summary: dict[str, Any]) -> None:
    console.print(f"decided {summary['decided']}, curated {summary['curated']}")
    for reason, count in summary["rejected"].items():
        console.print(f"rejected {count:>6}  {reason}", markup=False)
    console.print(f"near-duplicate rate    {summary['near_duplicate_rate']:.1%}")
    console.print(f"effective clusters     {summary['effective_clusters']:.1f} of {summary['clusters']}")
    console.print(f"Vendi score            {summary['vendi']:.1f}")


def _show_gate(report: DiversityReport) -> None:
    console.print(f"near-duplicate recall  {_recall(report.recall)}")
    if report.same_text:
        console.print(f"{report.same_text} of the near duplicates found have the text of a kept sample")
    _show_pairs("Near duplicates that the gate found", report.found)
    _show_pairs("Near duplicates that the gate missed", report.recall.examples)


def _recall(recall: Recall) -> str:
    """Say the recall and how it was computed, in one line."""
    if recall.estimate is None or recall.at_least is None:
        return "unknown: there is no near duplicate"
    exact = recall.searched == recall.passed
    bound = "" if exact else f", at least {_share(recall.at_least)} with {CONFIDENCE:.0%} confidence"
    drawn = f"all {recall.passed}" if exact else f"{recall.searched} of {recall.passed}"
    return (
        f"{_share(recall.estimate)}{bound}: {recall.found} found; exact search finds {recall.missed} more "
        f"among {drawn} samples let through"
    )


def _share(share: float) -> str:
    """Round down, since a bound must not be rounded up, and 1 is said only of 1."""
    return f"{int(share * 1000) / 1000:.3f}"


def _show_pairs(title: str, pairs: Sequence[Pair]) -> None:
    if not pairs:
        return
    shown = table(title, "#cosine", "rejected" if "found" in title else "let through", "kept before")
    for pair in pairs:
        cosine = "" if pair.cosine is None else f"{pair.cosine:.3f}"
        shown.add_row(cosine, *(escape(clipped(text, _TEXT)) for text in (pair.text, pair.kept_text)))
    console.print("", shown, "")


def show_comparison(found: RuleComparison) -> None:
    """Print what the two rules keep, and the other rule's reasons."""
    data = found.data()
    shown = table(f"Kept of {found.decided} samples", "by", "#samples", "#median IFD", "#median tokens", "languages")
    names = {"both": "both", "only_standing": f"only {found.rule}", "only_other": f"only {found.other}"}
    for key, name in names.items():
        row = data[key]
        ifd = "" if row["ifd"] is None else f"{row['ifd']:.3f}"
        tokens = "" if row["answer_tokens"] is None else f"{row['answer_tokens']:.0f}"
        languages = ", ".join(f"{language or 'unknown'} {count}" for language, count in row["languages"].items())
        shown.add_row(name, str(row["count"]), ifd, tokens, languages)
    console.print(shown)
    reasons = ", ".join(f"{reason} {count}" for reason, count in data["reasons"].items())
    say(f"decisions of {found.other}: {reasons}")
