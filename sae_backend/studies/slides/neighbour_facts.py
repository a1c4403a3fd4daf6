"""What slides that look alike have in common: the site, the scanner, the group, or no more than by chance."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Progress

_EXCHANGES: Final = 999


def shared_facts(
    inputs: StudyInput, alike: npt.NDArray[np.float64], seed: int, progress: Progress
) -> tuple[list[str], dict[str, npt.NDArray[Any]]]:
    """How often the nearest slide of another patient shares each column of the slide table, and by chance.

    Parameters
    ----------
    inputs
        The slides.
    alike
        Similarity of all slides (S, S), NaN for slides without a profile.
    seed
        Decides the exchanges of patients.
    progress
        Takes (stage, done, total) and may raise to cancel.

    Returns
    -------
    tuple
        The columns (M,) that can be shared: two values or more, none of a patient's own. And arrays: `nearest` (S,)
        number of the nearest slide of another patient, -1 for none; `shared` (M,), `shared_chance` (M,) the mean and
        `shared_high` (M,) the 95 % quantile over exchanges of the patients' values, `shared_p` (M,), and of how many slides
        and units the share is: `shared_n` (M, 2).
    """
    units = np.array([slide.unit for slide in inputs.slides])
    other = alike.copy()
    other[units[:, None] == units[None, :]] = np.nan
    has = np.isfinite(other).any(axis=1)
    nearest = np.full(len(units), -1)
    nearest[has] = np.nanargmax(other[has], axis=1)
    columns = _columns(inputs)
    out = np.full((4, len(columns)), np.nan)
    judged = np.zeros((len(columns), 2), np.int64)
    rng = np.random.default_rng([seed, 0xFAC7])
    for m, key in enumerate(columns):
        progress("what alike slides share", m, len(columns))
        texts = np.array(inputs.fact(key))
        seen = _share(texts, nearest)
        mine = _judged(texts, nearest)
        judged[m] = mine.size, len(set(units[mine].tolist()))
        # A patient's slides go together: what is exchanged is whose values they have, slide by slide in turn.
        drawn = np.array([_share(_exchanged(texts, units, rng), nearest) for _ in range(_EXCHANGES)])
        if not np.isfinite(seen):
            continue
        out[:, m] = (
            seen,
            np.nanmean(drawn),
            np.nanquantile(drawn, 0.95),
            (1 + (drawn >= seen).sum()) / (1 + _EXCHANGES),
        )
    progress("what alike slides share", len(columns), len(columns))
    found = dict(zip(("shared", "shared_chance", "shared_high", "shared_p"), out, strict=True))
    return columns, {"nearest": nearest, "shared_n": judged, **found}


def _columns(inputs: StudyInput) -> list[str]:
    """Columns with two values or more, at least one of which patients share."""
    found = []
    for key in dict.fromkeys(key for slide in inputs.slides for key in slide.facts):
        texts = inputs.fact(key)
        owners: dict[str, set[str]] = {}
        for slide, text in zip(inputs.slides, texts, strict=True):
            if text:
                owners.setdefault(text, set()).add(slide.unit)
        if len(owners) > 1 and max(map(len, owners.values())) > 1:
            found.append(key)
    return found


def _judged(texts: npt.NDArray[Any], nearest: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Slides that have a value and whose nearest slide has one."""
    mine = np.flatnonzero((nearest >= 0) & (texts != ""))
    return mine[texts[nearest[mine]] != ""]


def _share(texts: npt.NDArray[Any], nearest: npt.NDArray[np.int64]) -> float:
    """Share of these slides whose value is that of the nearest."""
    mine = _judged(texts, nearest)
    return float((texts[mine] == texts[nearest[mine]]).mean()) if mine.size else float("nan")


def _exchanged(
    texts: npt.NDArray[Any], units: npt.NDArray[Any], rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Every patient's slides get the values of another patient's, repeated or cut where that one has fewer or more."""
    names = list(dict.fromkeys(units.tolist()))
    order = rng.permutation(len(names))
    own = [np.flatnonzero(units == name) for name in names]
    out = texts.copy()
    for mine, other in zip(own, order, strict=True):
        out[mine] = np.resize(texts[own[other]], mine.size)
    return out
