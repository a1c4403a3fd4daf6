"""The scoreboard's table for one real field: a small sample, said to be one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from desktop_app.demo.scoreboard import analyse, colours_of, representations
from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import write_text_atomic
from sae_backend.cells.counts import count_cells, read_cells
from sae_backend.models.bundled_models import SAE_NAME, SHIPPED_CONTROL, SHIPPED_ENCODER
from sae_backend.slides.slide import Slide
from sae_backend.statistics.number_text import r_text
from sae_backend.studies.scoreboard.scoreboard import Tiles, score
from sae_backend.worker.client import Backend

_NAME: Final = 30


@dataclass(frozen=True)
class RealField:
    """An image with cells: its path, the file of its cells, and its pixel size in um per px."""

    path: Path
    cells: Path
    mpp: float | None


def field_words(out: Path, backend: Backend, field: RealField) -> str:
    """Score encoder and control on a real field, choosing on its left half and reporting on its right.

    The words are also written to `real_field.txt` in the folder.

    Raises
    ------
    SparsescopeError
        When the field or its cells cannot be used.
    """
    results = [
        analyse(field.path, out / "cache", encoder, backend, field.mpp)
        for encoder in (SHIPPED_ENCODER, SHIPPED_CONTROL)
    ]
    embeddings = Embeddings.open(Path(results[0]["embedding_dir"]))
    features, control = (FeatureMatrix.open(Path(result["feature_dir"])) for result in results)
    grid = features.grid
    with Slide.open(field.path, field.mpp) as slide:
        table = read_cells(field.cells, slide.info).table
        colours = colours_of(slide, grid, out / "cache" / f"field-{grid.digest}.npy")
    counts = count_cells(table, grid)
    valid = features.valid & control.valid
    left = grid.cols[valid] < np.median(grid.cols[valid])
    tiles = Tiles(
        slide=np.zeros(int(valid.sum()), np.int64),
        choosing=left,
        targets=counts.counts[valid].astype(np.float64),
        target_names=counts.type_names,
        target_kinds=("cell type",) * len(counts.type_names),
    )
    vectors = np.asarray(embeddings.vectors)[valid]
    size = "" if field.mpp is None else f" Its pixel size of {field.mpp:g} µm was given by hand."
    found = representations(
        vectors, features.csc().toarray()[valid], control.csc().toarray()[valid], colours[valid], tiles
    )
    lines = [
        f"The real field {field.path.name}: columns chosen on the {int(left.sum())} tiles of its left half, Pearson r on "
        f"the {int((~left).sum())} of its right. One field of one patient: no interval can be given, nothing is shown "
        f"about other tissue, and a model made these cell outlines.{size} "
        f"({SAE_NAME}: the shipped encoder, which has seen generated slides only.)",
        "",
    ]
    for representation in found:
        for row in score(tiles, representation):
            r = "not measurable" if row.r is None else r_text(row.r)
            name = representation.name
            lines.append(f"  {row.target:<16}{name:<{_NAME}}{r:<16}column {row.column} of {row.n_columns:,}")
    words = "\n".join(lines)
    write_text_atomic(out / "real_field.txt", words + "\n")
    return words
