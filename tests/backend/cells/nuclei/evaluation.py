"""How well detected nuclei fit reference nuclei: one-to-one matches, and counts by type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse, spatial

from sae_backend.errors import UserInputError

if TYPE_CHECKING:
    from sae_backend.cells.table import CellTable

MATCH_UM: Final = 4.0
"""Centres of one nucleus lie at most this far (um) apart."""

Centres = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Match:
    """Pairs of detected and reference nuclei.

    `detected` and `reference` are int64 (P,), the numbers of the two partners; `distance_um` is
    float64 (P,); the rest counts all nuclei, paired or not.
    """

    detected: npt.NDArray[np.int64]
    reference: npt.NDArray[np.int64]
    distance_um: npt.NDArray[np.float64]
    n_detected: int
    n_reference: int

    @property
    def n_pairs(self) -> int:
        """Number of pairs, P."""
        return int(self.detected.size)

    @property
    def precision(self) -> float:
        """Share of the detected nuclei that have a partner; NaN where there are none."""
        return self.n_pairs / self.n_detected if self.n_detected else float("nan")

    @property
    def recall(self) -> float:
        """Share of the reference nuclei that have a partner; NaN where there are none."""
        return self.n_pairs / self.n_reference if self.n_reference else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN where there are no nuclei at all."""
        total = self.n_detected + self.n_reference
        return 2 * self.n_pairs / total if total else float("nan")


@dataclass(frozen=True)
class TypeCount:
    """How many nuclei of a type were detected and how many there are.

    `error` is (detected - reference) / reference: 0.1 is ten in a hundred too many; NaN where the
    reference has none.
    """

    name: str
    n_detected: int
    n_reference: int

    @property
    def error(self) -> float:
        """Relative error of the count."""
        if self.n_reference == 0:
            return float("nan")
        return (self.n_detected - self.n_reference) / self.n_reference


def match_nuclei(detected_um: Centres, reference_um: Centres, radius_um: float = MATCH_UM) -> Match:
    """Pair nuclei one to one: as many pairs as possible, and among those the smallest sum of distances.

    Parameters
    ----------
    detected_um, reference_um
        Centres (n, 2) and (m, 2) in um.
    radius_um
        Partners lie at most this far apart.

    Raises
    ------
    UserInputError
        When the radius is not positive.
    """
    if not radius_um > 0:
        raise UserInputError(f"A matching radius of {radius_um} um is not possible.", "Use 4, for example.")
    n, m = len(detected_um), len(reference_um)
    none = np.empty(0, np.int64)
    if n == 0 or m == 0:
        return Match(none, none, np.empty(0), n, m)
    near = spatial.KDTree(detected_um).sparse_distance_matrix(
        spatial.KDTree(reference_um), radius_um, output_type="coo_matrix"
    )
    rows, cols, distance = near.row.astype(np.int64), near.col.astype(np.int64), near.data
    # Every nucleus may stay alone at a price that no sum of distances reaches, so pairs come first.
    # The solver takes a zero for "no edge", hence the 1.
    alone = radius_um * (min(n, m) + 1) + 1.0
    numbers = np.arange(n)
    cost = sparse.csr_array(
        (
            np.concatenate([distance + 1.0, np.full(n, alone)]),
            (np.concatenate([rows, numbers]), np.concatenate([cols, m + numbers])),
        ),
        shape=(n, m + n),
    )
    row, col = sparse.csgraph.min_weight_full_bipartite_matching(cost)
    paired = col < m
    detected, reference = row[paired].astype(np.int64), col[paired].astype(np.int64)
    apart = np.linalg.norm(detected_um[detected] - reference_um[reference], axis=1)
    return Match(detected, reference, apart, n, m)


def score_nuclei(detected: CellTable, reference: CellTable, mpp: float, radius_um: float = MATCH_UM) -> Match:
    """Match the centres of two tables of one slide of `mpp` um per level-0 px, whatever their types."""
    centres = [np.stack([table.y_l0, table.x_l0], axis=1) * mpp for table in (detected, reference)]
    return match_nuclei(centres[0], centres[1], radius_um)


def count_errors(detected: CellTable, reference: CellTable) -> tuple[TypeCount, ...]:
    """Compare the number of cells of each type of the reference, in its order, then of types it lacks."""
    n_detected, n_reference = _counts(detected), _counts(reference)
    names = [*n_reference, *(name for name in n_detected if name not in n_reference)]
    return tuple(TypeCount(name, n_detected.get(name, 0), n_reference.get(name, 0)) for name in names)


def _counts(table: CellTable) -> dict[str, int]:
    counts = np.bincount(table.type_index, minlength=len(table.type_names))
    return {name: int(count) for name, count in zip(table.type_names, counts, strict=True)}
