"""Tiles x features as AnnData (h5ad), with counts, places and the statistics of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from desktop_app.export.qupath_tiles import tile_halves
from desktop_app.project.analysis_jobs import features_of
from desktop_app.project.correlation.provenance import analyses_of, provenance
from desktop_app.project.correlation.staleness import cells_state
from desktop_app.store import CorrelationRecord, Store
from desktop_app.store.records.annotation_records import FIELDS, AnnotationRecord
from sae_backend.atomic_write import atomic_path
from sae_backend.cells.counts import count_cells
from sae_backend.errors import UserInputError

_FIELDS: Final = ("value", "ci_low", "ci_high", "p", "q")


def write_anndata(store: Store, run: CorrelationRecord, path: Path) -> tuple[int, int]:
    """Write the usable tiles of a run's slides; returns numbers of tiles and features.

    `X` holds activations (sparse), `obs` slide, half (who chose and who reports), place (level-0 px) and tissue
    share, `obsm["counts"]` the cells as they are now, in the order of `uns["count_names"]`, `obsm["spatial"]` x
    and y in um as other tools expect it, `var` names and scores of the features, `varm` the statistics in the
    order of `uns["type_names"]`, `uns["sparsescope"]` where all this comes from, as JSON.

    Raises
    ------
    UserInputError
        For another ending than .h5ad, or when the features were deleted.
    CacheError
        When the file cannot be written.
    """
    if path.suffix.lower() != ".h5ad":
        raise UserInputError(
            f"{path.name} does not end in .h5ad.", "Use this ending; other tools rely on it."
        )
    import pandas as pd
    from anndata import AnnData

    analyses = analyses_of(store, run)
    names = _cell_types(store, [analysis.slide_id for analysis in analyses])
    matrices, places, counts = [], [], []
    for analysis in analyses:
        features = features_of(store, analysis)
        grid, kept = features.grid, features.valid
        matrices.append(sparse.csr_matrix(features.csc()[kept]))
        corners = grid.origins_l0()[kept]
        centres = grid.centres_l0()[kept]
        places.append(
            pd.DataFrame(
                {
                    "slide": store.slides.get(analysis.slide_id).name,
                    "half": tile_halves(store, run, analysis.slide_id, features)[kept],
                    "row": grid.rows[kept],
                    "col": grid.cols[kept],
                    "y_l0": corners[:, 0],
                    "x_l0": corners[:, 1],
                    "tile_l0": grid.tile_l0,
                    "tissue_share": grid.tissue_fraction[kept],
                    "x_um": centres[:, 1] * grid.mpp,
                    "y_um": centres[:, 0] * grid.mpp,
                }
            )
        )
        counts.append(_counts(store, analysis.slide_id, grid, names)[kept])
    if not matrices:
        raise UserInputError("The analyses of this run are not in the project any more.", "Correlate again.")
    obs = pd.concat(places, ignore_index=True)
    obs.index = [
        f"{slide}:{row}:{col}" for slide, row, col in zip(obs["slide"], obs["row"], obs["col"], strict=True)
    ]
    if not obs.index.is_unique:
        obs.index = [f"{at}:{name}" for at, name in enumerate(obs.index)]
    matrix = sparse.csr_matrix(sparse.vstack(matrices))
    var, varm = _features(store, run, int(matrix.shape[1]))
    spatial = obs[["x_um", "y_um"]].to_numpy(np.float64)
    made = AnnData(
        X=matrix,
        obs=obs.drop(columns=["x_um", "y_um"]).astype({"slide": "category", "half": "category"}),
        var=var,
        obsm={"counts": np.concatenate(counts), "spatial": spatial},
        varm=varm,
        uns={
            "sparsescope": json.dumps(provenance(store, run)),
            "type_names": np.array(run.meta["type_names"], dtype=object),
            "count_names": np.array(names, dtype=object),
            "cells_changed_since_the_run": bool(cells_state(store, run) != run.cells),
            "reasons": np.array(run.meta["reasons"], dtype=object),
        },
    )
    with atomic_path(path) as temporary:
        made.write_h5ad(temporary, compression="gzip")
    return int(matrix.shape[0]), int(matrix.shape[1])


def _cell_types(store: Store, slide_ids: list[int]) -> list[str]:
    """Types of cell of all these slides, as they are called now."""
    tables = [store.cells.get(slide_id, details=False) for slide_id in slide_ids]
    return sorted({name for table in tables if table is not None for name in table.type_names})


def _counts(store: Store, slide_id: int, grid: Any, names: list[str]) -> npt.NDArray[np.float64]:
    """Cells of each tile and type (N, C); 0 for a type that a slide lacks, NaN where it has no cells at all."""
    table = store.cells.get(slide_id, details=False)
    if table is None:
        return np.full((grid.n_tiles, len(names)), np.nan)
    found = np.zeros((grid.n_tiles, len(names)))
    counted = count_cells(table, grid)
    for index, name in enumerate(counted.type_names):
        found[:, names.index(name)] = counted.counts[:, index]
    return found


def _features(store: Store, run: CorrelationRecord, n_features: int) -> tuple[Any, dict[str, Any]]:
    import pandas as pd

    arrays = store.correlations.arrays(run.id)
    notes = {note.feature: note.cells() for note in store.annotations.all(run.sae_digest)}
    blank = AnnotationRecord(run.sae_digest, 0).cells()
    var = pd.DataFrame(
        [notes.get(f, blank) for f in range(n_features)], index=[str(f) for f in range(n_features)]
    )
    # A choice of numbers is a number in the file too, NaN where nothing was said.
    numbers = [name for name, known in FIELDS.items() if known.is_number]
    var[numbers] = var[numbers].astype(float)
    for key in ("best_type", "beats_null", "entropy", "gap"):
        if f"selectivity/{key}" in arrays:
            var[key] = arrays[f"selectivity/{key}"]
    varm = {
        f"{statistic}_{field}": np.asarray(arrays[f"{statistic}/{field}"], np.float64)
        for statistic in run.meta["statistics"]
        for field in _FIELDS
        if f"{statistic}/{field}" in arrays
    }
    if "reason" in arrays:
        varm["reason"] = np.asarray(arrays["reason"])
    if "auroc" in arrays:
        varm["auroc"] = np.asarray(arrays["auroc"], np.float64)
    return var, varm
