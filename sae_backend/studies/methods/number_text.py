"""Numbers of studies in words, and the pieces that several studies show alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.result import Arrays

Floats = npt.NDArray[np.float64]

BASELINE_TITLES: Final = {
    "raw": "raw dimensions",
    "pca": "principal components",
    "random": "random SAE",
}


def number(value: float, digits: int = 2) -> str:
    """A number, or what stands for one that is not defined."""
    return f"{value:.{digits}f}" if np.isfinite(value) else "not defined"


def interval(low: float, high: float, digits: int = 2) -> str:
    """An interval in words, empty where there is none."""
    return f"{low:.{digits}f} to {high:.{digits}f}" if np.isfinite(low) and np.isfinite(high) else ""


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """A number and its interval in brackets."""
    ends = interval(low, high, digits)
    return f"{number(value, digits)} ({ends})" if ends else number(value, digits)


def count(n: int, singular: str, plural: str = "") -> str:
    """A number of things."""
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def listed(words: Sequence[str]) -> str:
    """Words with commas, and an `and` before the last."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def mean_of(values: Floats) -> float:
    """Mean of what is finite, NaN without."""
    fine = values[np.isfinite(values)]
    return float(fine.mean()) if fine.size else float("nan")


def oriented(value: Floats, choose: Floats) -> Floats:
    """R of columns with the sign turned where the half that chose them saw a negative one."""
    return np.asarray(value * np.where(choose < 0, -1.0, 1.0), np.float64)


def row_means(values: Floats) -> Floats:
    """Mean of each row (B, C) over what is finite in it."""
    return np.array([mean_of(row) for row in values], np.float64)


def missing_baselines(arrays: Arrays, titles: Sequence[str]) -> list[str]:
    """Sentences on baselines of a set that have no value though its features do."""
    texts = []
    for k, title in enumerate(titles):
        if not np.isfinite(arrays["sae/value"][k]).any():
            continue
        lacking = [
            words
            for name, words in BASELINE_TITLES.items()
            if not np.isfinite(arrays[f"{name}/value"][k]).any()
        ]
        if lacking:
            texts.append(
                f"{title} has no value for {listed(lacking)}: its embeddings are missing, or no column differs from 0 in enough "
                "tiles (a random SAE fires as rarely as the features do on average)."
            )
    return texts
