"""One picture of a run: the outcomes of its samples, the distribution of IFD, and the kept ones on a plane."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.space import Space
from processors.embedding.vectors import vector_of
from schemas import Sample

CURATED, REJECTED = "#1b7f5c", "#c9c4bb"


def draw(samples: Sequence[Sample], dead: int, space: Space, path: Path) -> None:
    """Draw the decided `samples`, their places in `space`, and the number of dead letters to a PNG at `path`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (ends, spread, places) = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    _draw_ends(ends, samples, dead)
    _draw_spread(spread, samples)
    _draw_places(places, samples, space)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _kept(sample: Sample) -> bool:
    return sample.decision is not None and sample.decision.outcome == "curated"


def _draw_ends(axes: Any, samples: Sequence[Sample], dead: int) -> None:
    reasons = Counter(s.decision.reason for s in samples if s.decision and not _kept(s))
    rows = [("curated", sum(map(_kept, samples))), *reasons.most_common(), *([("dead letter", dead)] if dead else [])]
    names, counts = [name for name, _ in rows], [count for _, count in rows]
    bars = axes.barh(names, counts, color=[CURATED] + [REJECTED] * (len(rows) - 1))
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.set_title(f"{len(samples) + dead} samples by outcome")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_spread(axes: Any, samples: Sequence[Sample]) -> None:
    every = [s.score.ifd for s in samples if s.score and s.score.ifd is not None]
    kept = [s.score.ifd for s in samples if _kept(s) and s.score and s.score.ifd is not None]
    edges = np.linspace(0.0, 1.5, 31)
    axes.hist(np.clip(every, 0.0, 1.5), edges, color=REJECTED, label="all")
    axes.hist(np.clip(kept, 0.0, 1.5), edges, color=CURATED, label="curated")
    axes.axvline(1.0, color="black", linewidth=0.8, linestyle=":")
    axes.set_title("IFD: at 1 or more the instruction does not help")
    axes.set_xlabel("IFD (1.5: that much or more)")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_places(axes: Any, samples: Sequence[Sample], space: Space) -> None:
    placed = [s for s in samples if s.embedding]
    if len(placed) >= 2:
        points = _plane(np.stack([space.place(vector_of(s.embedding), s.language) for s in placed if s.embedding]))
        for keep, colour, label in ((False, REJECTED, "rejected"), (True, CURATED, "curated")):
            chosen = points[[_kept(s) is keep for s in placed]]
            axes.scatter(chosen[:, 0], chosen[:, 1], s=18, color=colour, label=label)
        axes.legend(frameon=False)
    axes.set_title("Instructions by meaning (two principal axes)")
    axes.set_xticks([])
    axes.set_yticks([])


def _plane(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project the vectors (N, D) on their first two principal components, (N, 2)."""
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    plane: NDArray[np.float32] = centred @ axes[:2].T
    return plane
