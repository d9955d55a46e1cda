"""The picture of a proof: every arm's difference from random draws, with its interval."""

from pathlib import Path

from processors.proof.arms import BASE
from processors.proof.verdict import Verdict
from processors.reports.picture import CURATED, REJECTED


def draw_verdict(verdict: Verdict, path: Path) -> None:
    """Draw a PNG at `path`; the untrained model is left out, because it is far from all."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = [row for row in reversed(verdict.rows) if row.versus_random is not None and row.arm != BASE]
    figure, axes = plt.subplots(figsize=(8, 1.5 + 0.4 * len(rows)), layout="constrained")
    for place, row in enumerate(rows):
        found = row.versus_random
        assert found is not None
        colour = CURATED if row.arm == "curated" else REJECTED
        axes.plot([found.low, found.high], [place, place], color=colour, linewidth=3)
        axes.plot([found.mean], [place], "o", color=colour)
    axes.axvline(0.0, color="#444444", linewidth=1)
    axes.set_yticks(range(len(rows)), [row.arm for row in rows])
    axes.set_xlabel("nats per answer token against random draws, 95 % interval; left is better")
    axes.set_title("\n".join(verdict.sentences[-1:]), fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
