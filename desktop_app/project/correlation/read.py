"""Reads what the correlations panel shows, with a connection of its own: for a thread beside the window's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array

from desktop_app.project.analysis_jobs import features_of
from desktop_app.project.correlation.frame import CorrelationFrame
from desktop_app.project.correlation.jobs import patient_of
from desktop_app.project.correlation.pair import (
    PairPoints,
    SlideR,
    SlideTargets,
    pair_points,
    pooled_within,
    slide_correlations,
)
from desktop_app.store import Store
from sae_backend.cells.counts import count_cells
from sae_backend.cells.human_interpretable_features import STAINS, tile_hifs
from sae_backend.statistics.slide_parts import SlidePart
from sae_backend.statistics.split import REPORT, Halves, half_of

if TYPE_CHECKING:
    from desktop_app.store import CorrelationRecord
    from sae_backend.activations.feature_matrix import FeatureMatrix

Targets = npt.NDArray[np.float64]


def read_frame(folder: Path, run_id: int, statistic: str) -> CorrelationFrame:
    """One statistic of a run; the first of the run where it has no such.

    Raises
    ------
    StoreError
        When the run is gone or damaged.
    """
    with Store(folder) as store:
        record = store.correlations.get(run_id)
        known = list(record.meta.get("statistics") or ())
        chosen = statistic if statistic in known else known[0]
        there = set(store.correlations.array_names(run_id))
        names = [name for name in CorrelationFrame.names(chosen, record.meta) if name in there]
        return CorrelationFrame(record, chosen, store.correlations.arrays(run_id, names))


def read_slides(
    folder: Path, record: CorrelationRecord, kept: Mapping[int, SlideTargets]
) -> tuple[SlideTargets, ...]:
    """The slides of a run with the targets of their tiles as they are now, in the run's order.

    Parameters
    ----------
    folder
        The project.
    record
        The run.
    kept
        Slides that were read before, by the analysis they belong to.

    Raises
    ------
    SparsescopeError
        When a slide's features or cells are damaged.
    """
    with Store(folder) as store:
        return tuple(
            kept[number] if number in kept else _read_slide(store, record, number, place)
            for place, number in enumerate(record.analysis_ids)
        )


def _read_slide(store: Store, record: CorrelationRecord, analysis_id: int, place: int) -> SlideTargets:
    analysis = next(known for known in store.analyses.all() if known.id == analysis_id)
    features = features_of(store, analysis)
    slides = record.meta.get("slides") or ()
    name = str(slides[place]["slide"]) if place < len(slides) else store.slides.get(analysis.slide_id).name
    return SlideTargets(
        slide_id=analysis.slide_id,
        name=name,
        features=features,
        targets=_targets(store, record.meta, analysis.slide_id, features),
        reports=_reports(store, record, analysis.slide_id, name, features),
    )


def _targets(store: Store, meta: Mapping[str, Any], slide_id: int, features: FeatureMatrix) -> Targets:
    names = [str(name) for name in meta["type_names"]]
    is_count = meta.get("is_count") or [True] * len(names)
    grid = features.grid
    targets = np.full((grid.n_tiles, len(names)), np.nan)
    others = [name for name, counted in zip(names, is_count, strict=True) if not counted]
    table = store.cells.get(slide_id, details=bool(others))
    if table is not None:
        counts = count_cells(table, grid)
        column_of = {name: column for column, name in enumerate(counts.type_names)}
        for column, (name, counted) in enumerate(zip(names, is_count, strict=True)):
            if counted:
                targets[:, column] = counts.counts[:, column_of[name]] if name in column_of else 0
    values = store.tile_values.get(slide_id) if others else None
    if values is not None:
        found = values.values_on(grid)
        for index, name in enumerate(values.names):
            if name in others:
                targets[:, names.index(name)] = found[:, index]
    measured = [
        name
        for name in others
        if name not in STAINS and (values is None or name not in values.names) and table is not None
    ]
    if measured:
        targets[:, [names.index(name) for name in measured]] = tile_hifs(table, grid, measured)
    return targets


def _reports(
    store: Store, record: CorrelationRecord, slide_id: int, name: str, features: FeatureMatrix
) -> npt.NDArray[np.bool_]:
    """Tiles (N,) of a slide that the run's values are of."""
    valid, grid = features.valid, features.grid
    split = next((known for known in store.splits.all() if known.id == record.split_id), None)
    if split is None or not record.meta.get("held_out"):
        return valid
    part = SlidePart(
        features=csc_array((grid.n_tiles, 0), dtype=np.float32),
        counts=np.zeros((grid.n_tiles, 0)),
        valid=valid,
        rows=grid.rows,
        cols=grid.cols,
        tile_um=grid.stride_l0 * grid.mpp,
        slide=name,
        patient=patient_of(store.slide_values.all().get(slide_id, {})),
    )
    found = half_of([part], Halves(split.unit, split.seed, dict(split.assignments)), REPORT)
    return found[0].valid if found else np.zeros(grid.n_tiles, np.bool_)


if TYPE_CHECKING:
    from desktop_app.store import CorrelationRecord


@dataclass(frozen=True)
class PairView:
    """Points of a pair, r of each slide and pooled within slides; `slides` is what was read for it."""

    run_id: int
    pair: tuple[int, int]
    slides: tuple[SlideTargets, ...]
    points: PairPoints
    by_slide: tuple[SlideR, ...]
    within: float


def view_pair(
    folder: Path, record: CorrelationRecord, kept: Mapping[int, SlideTargets], pair: tuple[int, int]
) -> PairView:
    """Read what is not at hand of a run's slides, and compute what the charts of (feature, column) show.

    Raises
    ------
    SparsescopeError
        When features or cells of a slide are damaged.
    """
    slides = read_slides(folder, record, kept)
    points = pair_points(slides, *pair)
    return PairView(
        record.id, pair, slides, points, tuple(slide_correlations(slides, *pair)), pooled_within(points)
    )
