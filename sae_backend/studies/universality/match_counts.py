"""Which features of a set come back in another, by their states and a least r that a reader may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.result import StudyResult

Bools = npt.NDArray[np.bool_]


def prefix_of(comparison: Mapping[str, Any]) -> str:
    """Under which name the arrays of a comparison are kept: `k` for the first set with set k, else `r-k`."""
    of, number = int(comparison["of"]), int(comparison["set"])
    return str(number) if of == 0 else f"{of}-{number}"


def is_matched(result: StudyResult, number: int | str, least: float) -> Bools:
    """Which features have a partner above both chances and of this r at least (F,).

    `number` is that of the set that the first one is matched with, or the name of a comparison (`prefix_of`).
    """
    return _is(result, number, least, ("matched",))


def comes_back(result: StudyResult, number: int | str, least: float) -> Bools:
    """The same, with those that random directions come as close to (F,)."""
    return _is(result, number, least, ("matched", "as random directions"))


def _is(result: StudyResult, number: int | str, least: float, names: Sequence[str]) -> Bools:
    state, r = result.arrays[f"{number}/state"], result.arrays[f"{number}/r_report"]
    wanted = [result.meta["states"].index(name) for name in names]
    return np.asarray(np.isin(state, wanted) & (r >= least), np.bool_)


def is_judged(comparison: Mapping[str, Any]) -> bool:
    """Whether anything can be said of chance, and there are features to say it of."""
    return bool(comparison["n_live"][0] and (comparison["n_exchanged"] or comparison["n_random"]))
