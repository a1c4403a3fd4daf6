"""Are the neighbours of a tile those of its class, or those of its scanner? In the manner of PathoROB.

The index is SO / (SO + OS): of the nearest tiles, SO are of the Same class and Other scanner, OS of the Other class and
Same scanner (Nature Communications 2026). Tiles of the same patient are never neighbours here. Classes and scanners
are as frequent as they are, so 0.5 is not what chance gives; the share among all allowed pairs is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVEL: Final = 0.95
MIN_UNITS: Final = 5
_ROWS: Final = 256


@dataclass(frozen=True)
class NeighbourIndex:
    """The index with the ends of its 95 % interval, drawn by patient; `chance` is that of random neighbours.

    `n_same_class`, `n_same_scanner` are SO and OS over all tiles; `reason` says why there is no value.
    """

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    chance: float = np.nan
    n_same_class: int = 0
    n_same_scanner: int = 0
    reason: str = ""


def robustness_index(
    rows: sparse.csr_array | npt.NDArray[Any],
    tiles: tuple[Ints, Ints, Ints],
    k: int,
    draws: tuple[int, int],
    step: Callable[[int, int], None],
) -> NeighbourIndex:
    """Find the k nearest tiles of other patients by the cosine, and count.

    Parameters
    ----------
    rows
        (N, W); tiles whose row is 0 have no direction, and take no part.
    tiles
        Class, scanner and patient of each tile, int64 (N,) each.
    k
        Number of neighbours.
    draws
        Number of draws of patients, and the seed.
    step
        Takes (done, total); may raise to end the work.
    """
    unit = _unit_rows(rows)
    squares: Any = unit * unit
    length = np.asarray(squares.sum(axis=1)).ravel()
    keep = np.flatnonzero(length > 0)
    unit = unit[keep]
    kind, scanner, patient = (each[keep] for each in tiles)
    names, patient = np.unique(patient, return_inverse=True)
    counted, chance = np.zeros((2, 2, len(names)))
    for a in range(0, keep.size, _ROWS):
        step(a, keep.size)
        some = slice(a, min(a + _ROWS, keep.size))
        alike = unit[some] @ unit.T
        near = np.asarray(alike.toarray() if sparse.issparse(alike) else alike, np.float64)
        allowed = patient[some][:, None] != patient[None, :]
        near[~allowed] = -np.inf
        same_kind = kind[some][:, None] == kind[None, :]
        same_place = scanner[some][:, None] == scanner[None, :]
        groups = (same_kind & ~same_place & allowed, ~same_kind & same_place & allowed)
        taken = min(k, keep.size - 1)
        closest = np.argpartition(-near, taken - 1, axis=1)[:, :taken]
        for i, group in enumerate(groups):
            inside = np.take_along_axis(group, closest, axis=1).sum(axis=1)
            np.add.at(counted[i], patient[some], inside)
            np.add.at(chance[i], patient[some], group.sum(axis=1))
    step(keep.size, keep.size)
    return _index(counted, chance, draws)


def _unit_rows(rows: sparse.csr_array | npt.NDArray[Any]) -> sparse.csr_array | npt.NDArray[np.float64]:
    if isinstance(rows, np.ndarray):
        length = np.linalg.norm(rows.astype(np.float64), axis=1)
        return np.asarray(rows / np.where(length > 0, length, 1)[:, None], np.float64)
    values = sparse.csr_array(rows).astype(np.float64)
    length = np.sqrt(np.asarray((values * values).sum(axis=1)).ravel())
    return sparse.csr_array(sparse.diags_array(1 / np.where(length > 0, length, 1)) @ values)


def _index(counted: Floats, chance: Floats, draws: tuple[int, int]) -> NeighbourIndex:
    same_class, same_scanner = (int(n) for n in counted.sum(axis=1))
    if not all(chance.sum(axis=1)):
        what = (
            "the other class under the same scanner"
            if chance[0].sum()
            else "the same class under another scanner"
        )
        return NeighbourIndex(reason=f"no tile of another patient is of {what}")
    expected = float(chance[0].sum() / chance.sum())
    if same_class + same_scanner == 0:
        return NeighbourIndex(chance=expected, reason="no neighbour separates class from scanner")
    value = same_class / (same_class + same_scanner)
    low = high = np.nan
    n = counted.shape[1]
    if n >= MIN_UNITS:
        rng = np.random.default_rng([draws[1], 0x1DE])
        weights = rng.multinomial(n, np.full(n, 1 / n), draws[0])
        first, second = (weights @ counted.T).T
        with np.errstate(invalid="ignore"):
            drawn = first / (first + second)
        drawn = drawn[np.isfinite(drawn)]
        low, high = (float(end) for end in np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    return NeighbourIndex(float(value), low, high, expected, same_class, same_scanner)
