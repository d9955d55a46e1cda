"""The head of the keep rule for a terminal: labels, AUC, and how often its predictions come true."""

from streams.cli.output import console, say, table
from streams.inspection.head_report import CurrentHead


def show_head(found: CurrentHead) -> None:
    """Print the labels by source, the calibration, and whether the head counts."""
    report = found.report
    labels = ", ".join(f"{name} {n['keep']} keep {n['drop']} drop" for name, n in report.labels.items())
    say(f"\nlearnt from ratings    {labels}, up to offset {found.end} of `scored`")
    auc = "unknown" if report.auc is None else f"{report.auc:.2f}"
    say(f"AUC before learning    {auc}, on the last {report.judged} labelled samples")
    say(f"counts in the rule     {f'not yet: {report.missing}' if report.missing else 'yes'}")
    if report.calibration:
        shown = table("Predictions and what people said", "predicted", "#samples", "#mean", "#kept")
        for row in report.calibration:
            values = (f"{row.low:.1f} to {row.high:.1f}", str(row.count), f"{row.predicted:.2f}", f"{row.kept:.2f}")
            shown.add_row(*values)
        console.print("", shown)
