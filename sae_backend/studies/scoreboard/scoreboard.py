"""The scoreboard: does the best single feature follow what is known to be there, better than its baselines?

Columns are chosen on one half of the slides and reported on the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

_LEVEL: Final = 0.95
_MIN_SLIDES: Final = 5


@dataclass(frozen=True)
class Tiles:
    """Tiles of several slides with what is known of each.

    Attributes
    ----------
    slide
        (N,) int, number of the slide of each tile.
    choosing
        (N,) bool, True on the slides where columns are chosen; the others report.
    targets
        (N, T) float64: cells of a type, share covered by an artefact, or 1 on one scanner's slides.
    target_names
        Names of the T targets.
    target_kinds
        `cell type`, `other cell`, `artefact` or `scanner`, one a target.
    """

    slide: npt.NDArray[np.int64]
    choosing: npt.NDArray[np.bool_]
    targets: Floats
    target_names: tuple[str, ...]
    target_kinds: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """The best single column of one representation for one target.

    Attributes
    ----------
    target, kind, representation
        What was looked for, and in what.
    column
        Name of the column chosen, "" where no column varies.
    n_columns
        Number of columns it was chosen from.
    r_choosing, r
        Pearson r on the slides where it was chosen, and on the held-out slides (both with the sign
        turned so that the former is positive); None where the target or the column does not vary.
    ci_low, ci_high
        95 % percentile interval of `r`, from drawing held-out slides with replacement; None with
        fewer than five.
    n_tiles, n_slides
        Held out.
    confused_with, confused_r
        The other target of the same kind (any cell, for a cell) that the column follows most on the held-out slides.
    """

    target: str
    kind: str
    representation: str
    column: str
    n_columns: int
    r_choosing: float | None
    r: float | None
    ci_low: float | None
    ci_high: float | None
    n_tiles: int
    n_slides: int
    confused_with: str
    confused_r: float | None


@dataclass(frozen=True)
class Representation:
    """Vectors to choose a single column from: `values` (N, F) float32 and what a column is called."""

    name: str
    values: Single
    column_names: Sequence[str]


def principal_components(values: Single, choosing: npt.NDArray[np.bool_], n_components: int) -> Single:
    """Project on the principal components of the choosing tiles, (N, n_components) float32."""
    chosen = values[choosing].astype(np.float64)
    mean = chosen.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((chosen - mean).T))
    return np.asarray((values - mean) @ axes[:, ::-1][:, :n_components], np.float32)


def correlations(x: Single | Floats, y: Floats) -> Floats:
    """Pearson r (F, T) of the columns of `x` (n, F) with those of `y` (n, T); NaN where one is constant."""
    x_centred = x - x.mean(axis=0, dtype=np.float64)
    y_centred = y - y.mean(axis=0)
    x_norm = np.sqrt((x_centred**2).sum(axis=0))
    y_norm = np.sqrt((y_centred**2).sum(axis=0))
    # Rounding leaves a constant column with a spread of about 1e-7 of its size.
    flat_x = x_norm <= 1e-6 * (1e-30 + np.abs(x).max(axis=0, initial=0.0)) * np.sqrt(len(x))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (x_centred.T @ y_centred) / np.outer(x_norm, y_norm)
    r[flat_x] = np.nan
    r[:, y_norm == 0] = np.nan
    return np.asarray(np.clip(r, -1, 1), np.float64)


def score(tiles: Tiles, found: Representation, n_bootstrap: int = 2000, seed: int = 0) -> list[Score]:
    """Score one representation against every target.

    Parameters
    ----------
    tiles
        What is known of each tile.
    found
        The columns to choose from, in the same order of tiles.
    n_bootstrap, seed
        Draws of held-out slides, and what decides them.
    """
    held = ~tiles.choosing
    chosen_r = correlations(found.values[tiles.choosing], tiles.targets[tiles.choosing])
    n_tiles, slides = int(held.sum()), np.unique(tiles.slide[held])
    rows = []
    for t, (target, kind) in enumerate(zip(tiles.target_names, tiles.target_kinds, strict=True)):
        fixed = (target, kind, found.name)
        size = np.where(np.isnan(chosen_r[:, t]), -1.0, np.abs(chosen_r[:, t]))
        best = int(size.argmax())
        if size[best] < 0:
            rows.append(
                Score(
                    *fixed, "", found.values.shape[1], None, None, None, None, n_tiles, len(slides), "", None
                )
            )
            continue
        sign = 1.0 if chosen_r[best, t] >= 0 else -1.0
        column = sign * found.values[held, best].astype(np.float64)
        r_all = correlations(column[:, None], tiles.targets[held])[0]
        low, high = slide_interval(column, tiles.targets[held, t], tiles.slide[held], n_bootstrap, seed)
        other, other_r = _most_confused(r_all, t, tiles)
        rows.append(
            Score(
                *fixed, str(found.column_names[best]), found.values.shape[1], float(size[best]),
                _or_none(r_all[t]), low, high, n_tiles, len(slides), other, other_r,
            )
        )  # fmt: skip
    return rows


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _family(kind: str) -> str:
    """What can be mistaken for each other: cells for cells, artefacts for artefacts."""
    return "cell" if kind in ("cell type", "other cell") else kind


def _most_confused(r: Floats, target: int, tiles: Tiles) -> tuple[str, float | None]:
    same = [
        k
        for k, kind in enumerate(tiles.target_kinds)
        if _family(kind) == _family(tiles.target_kinds[target]) and k != target
    ]
    same = [k for k in same if np.isfinite(r[k])]
    if not same:
        return "", None
    worst = max(same, key=lambda k: r[k])
    return tiles.target_names[worst], float(r[worst])


def slide_interval(
    x: Floats, y: Floats, slide: npt.NDArray[np.int64], n_bootstrap: int, seed: int
) -> tuple[float | None, float | None]:
    """95 % percentile interval of Pearson r from drawing whole slides with replacement.

    Parameters
    ----------
    x, y
        (n,) values of the tiles.
    slide
        (n,) number of each tile's slide.
    n_bootstrap, seed
        Draws, and what decides them.

    Returns
    -------
    tuple
        Lower and upper end; None each with fewer than five slides, or when more than a tenth of the
        draws have no r.
    """
    _, place = np.unique(slide, return_inverse=True)
    n_slides = int(place.max()) + 1 if len(place) else 0
    if n_slides < _MIN_SLIDES:
        return None, None
    x, y = x - x.mean(), y - y.mean()
    sums = np.stack(
        [np.bincount(place, weights, n_slides) for weights in (np.ones_like(x), x, y, x * x, y * y, x * y)]
    )
    rng = np.random.Generator(np.random.Philox([seed, 0x5C0]))
    draws = rng.multinomial(n_slides, np.full(n_slides, 1 / n_slides), n_bootstrap).astype(np.float64)
    n, sx, sy, sxx, syy, sxy = (draws @ sums.T).T
    varies = np.maximum(sxx - sx**2 / n, 0) * np.maximum(syy - sy**2 / n, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (sxy - sx * sy / n) / np.sqrt(varies)
    r = r[np.isfinite(r)]
    if len(r) < 0.9 * n_bootstrap:
        return None, None
    low, high = np.quantile(r, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def table(scores: Sequence[Score]) -> dict[str, list[object]]:
    """Scores as columns, for CSV and Parquet."""
    names = Score.__dataclass_fields__
    return {name: [getattr(row, name) for row in scores] for name in names}


def margins(scores: Sequence[Score], ours: str, control: str) -> Mapping[str, float | None]:
    """How far `ours` is above `control` in held-out r, by target."""
    by = {(row.target, row.representation): row.r for row in scores}
    found: dict[str, float | None] = {}
    for target in dict.fromkeys(row.target for row in scores):
        first, second = by.get((target, ours)), by.get((target, control))
        found[target] = None if first is None or second is None else first - second
    return found
