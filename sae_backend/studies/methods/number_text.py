"""Numbers of studies in words, and the pieces that several studies show alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sae_backend.studies.methods.cell_types.best_columns import CellColumns


def interval(low: float, high: float, digits: int = 2) -> str:
    """An interval in words, empty where there is none."""
    return f"{low:.{digits}f} to {high:.{digits}f}" if np.isfinite(low) and np.isfinite(high) else ""


def listed(words: Sequence[str]) -> str:
    """Words with commas, and an `and` before the last."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def missing_baselines(cells: CellColumns, titles: Sequence[str]) -> list[str]:
    """Sentences on baselines of a set that have no value though its features do."""
    return [
        f"{title} has no value for {listed(lacking)}: its embeddings are missing, or no column differs from 0 in enough tiles "
        "(a random SAE fires as rarely as the features do on average)."
        for k, title in enumerate(titles)
        if (lacking := cells.without_baseline(k))
    ]
