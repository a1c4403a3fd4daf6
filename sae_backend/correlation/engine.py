"""Which features follow which cell types: every feature against every type, with its uncertainty.

Tiles of a slide are not independent, so intervals and p come from whole patients or slides, or from
blocks of tiles and shifted maps where these are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial as bind

import numpy as np
import numpy.typing as npt

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.cells.counts import CellCounts
from sae_backend.correlation.cautions import cautions, method_text
from sae_backend.correlation.result import STATISTICS, CorrelationResult, CorrelationSpec, PairStatistics
from sae_backend.correlation.target_groups import TargetGroup, n_steps
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.statistics.covariates import CELLULARITY
from sae_backend.statistics.parallel import ChunkWork, Progress
from sae_backend.statistics.permutation.null_distribution import family_p, pooled_p
from sae_backend.statistics.slide_parts import SlidePart, assemble

__all__ = [
    "STATISTICS",
    "CorrelationResult",
    "CorrelationSpec",
    "PairStatistics",
    "SlidePart",
    "correlate",
    "slide_part",
]

Floats = npt.NDArray[np.float64]


def correlate(
    parts: Sequence[SlidePart],
    type_names: Sequence[str],
    spec: CorrelationSpec,
    progress: Progress | None = None,
    is_count: npt.NDArray[np.bool_] | None = None,
    *,
    values_only: bool = False,
) -> CorrelationResult:
    """Correlate all features with all cell types, or with other numbers of the tiles.

    Parameters
    ----------
    parts
        The slides; all with the same features and types.
    type_names
        Names of the columns of the counts.
    spec
        How to resample.
    progress
        Called with the work done and the work in all; what it raises ends the run.
    is_count
        Which columns are counts of cells (C,); None for all. A number that is no count may be
        missing (NaN) in some tiles, which then do not take part for it.
    values_only
        Neither intervals nor p, which take most of the time.

    Raises
    ------
    MismatchError
        If the parts do not belong together.
    UserInputError
        If there are no parts, or a covariate is not there.
    """
    counted = np.ones(len(type_names), np.bool_) if is_count is None else is_count
    if not parts:
        raise UserInputError("There is no slide to correlate.", "Analyse a slide and import its cells first.")
    n_features = parts[0].n_features
    work = ChunkWork(n_steps(n_features * len(type_names), spec, judge=not values_only), progress)
    groups: list[TargetGroup] = []
    # In a thread, so that progress can end this, too.
    work.run([bind(_form_groups, groups, parts, spec, counted, work, not values_only)])
    groups.sort(key=lambda group: -group.tiles.n_rows)
    first = groups[0]
    pairs = {name: PairStatistics.empty(n_features, len(type_names)) for name in spec.statistics}
    auroc = np.full((n_features, len(type_names)), np.nan)
    for group in groups:
        group.run(work, pairs, auroc)
    for name, found in pairs.items():
        _set_p(name, found, groups)
    work.finish()
    clusters = first.tiles.clusters
    notes = [*first.tiles.notes, *clusters.notes]
    notes += [note for group in groups for note in group.notes]
    notes += cautions(groups, spec, pairs, type_names)
    if len(groups) > 1:
        notes.append(
            "Numbers that are missing in some tiles are correlated over the tiles that have them; n is the largest."
        )
    return CorrelationResult(
        type_names=tuple(type_names),
        statistics=pairs,
        auroc=auroc,
        n_tiles=first.tiles.n_rows,
        n_slides=clusters.n_slides,
        n_clusters=clusters.n_clusters,
        unit=clusters.unit,
        kind=clusters.kind,
        method=method_text(first, spec, pairs),
        notes=tuple(dict.fromkeys(notes)),
        n_arrangements={name: arrangement.n for name, arrangement in first.arrangements.items()},
        judged=first.judged,
    )


def slide_part(features: FeatureMatrix, counts: CellCounts, *, slide: str, patient: str = "") -> SlidePart:
    """One slide for :func:`correlate`: its features and the cells counted on the same tiles.

    Parameters
    ----------
    features
        Activations (N, F) of the slide.
    counts
        Cells per tile and type (N, C), counted on `features.grid`.
    slide, patient
        Name of the slide and of its patient, "" where unknown.

    Raises
    ------
    MismatchError
        When the counts are of another tile grid.
    """
    if len(counts.counts) != features.n_tiles:
        raise MismatchError(
            f"The cells were counted in {len(counts.counts):,} tiles, and the features have {features.n_tiles:,}.",
            "Count the cells on the grid of the features: count_cells(cells, features.grid).",
        )
    grid = features.grid
    return SlidePart(
        features=features.csc(),
        counts=counts.counts,
        valid=features.valid,
        rows=grid.rows,
        cols=grid.cols,
        tile_um=grid.stride_l0 * grid.mpp,
        slide=slide,
        patient=patient,
    )


def _form_groups(
    into: list[TargetGroup],
    parts: Sequence[SlidePart],
    spec: CorrelationSpec,
    counted: npt.NDArray[np.bool_],
    work: ChunkWork,
    judge: bool,
) -> None:
    if CELLULARITY in spec.covariates:
        # A group may hold no count at all, and yet its tiles have cells.
        parts = [
            replace(
                part, measures={**part.measures, CELLULARITY: np.asarray(part.counts)[:, counted].sum(axis=1)}
            )
            for part in parts
        ]
    for chosen, some in group_types(parts, counted.size, counted):
        work.advance(0)
        tiles = assemble(some, chosen.size, spec.block_um, spec.cluster)
        check_cancelled = bind(work.advance, 0)
        into.append(
            TargetGroup(tiles, chosen, spec, counted[chosen], judge=judge, check_cancelled=check_cancelled)
        )


def group_types(
    parts: Sequence[SlidePart], n_types: int, counted: npt.NDArray[np.bool_]
) -> list[tuple[npt.NDArray[np.int64], list[SlidePart]]]:
    """Sort the types into groups that are known in the same tiles.

    Returns
    -------
    list
        For each group the numbers of its types (C,), and the parts with these counts alone.
    """
    patterns: dict[bytes, list[int]] = {}
    for c in range(n_types):
        known = b"".join(np.isfinite(part.counts[:, c]).tobytes() for part in parts)
        # A count that is not finite is an error of its tile, which then takes no part at all.
        complete = counted[c] or b"\0" not in known
        patterns.setdefault(b"" if complete else known, []).append(c)
    found = []
    for columns in patterns.values() or [[]]:
        chosen = np.array(columns, np.int64)
        found.append((chosen, [replace(part, counts=np.asarray(part.counts)[:, chosen]) for part in parts]))
    return found


def _set_p(name: str, pairs: PairStatistics, groups: Sequence[TargetGroup]) -> None:
    """Set p and q over the pairs of all groups together."""
    from scipy import stats

    nulls = [(group, group.nulls[name]) for group in groups if name in group.nulls]
    if not nulls:
        return
    # The largest of every arrangement is taken over all groups. Where their units differ, the
    # arrangements are unrelated, which makes the largest larger and p only more careful.
    n = min(len(null.largest) for _, null in nulls)
    largest = np.max([null.largest[:n].max(axis=1, initial=0.0) for _, null in nulls], axis=0)
    for group, null in nulls:
        observed = np.abs(pairs.value[:, group.columns])
        pairs.p_fwer[:, group.columns] = family_p(observed, largest)
        pairs.p_single[:, group.columns] = null.single_p(observed)
        pairs.band[group.columns] = np.quantile(null.largest, 0.95, axis=0)
    defined = np.isfinite(pairs.p_single)
    if defined.any():
        chance = pooled_p(np.abs(pairs.value[defined]), np.sum([null.histogram for _, null in nulls], axis=0))
        pairs.q_bh[defined] = stats.false_discovery_control(chance)
