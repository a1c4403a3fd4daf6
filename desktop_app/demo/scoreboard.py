"""The scoreboard on generated slides: draw them, analyse them with encoder and control, score, test the null."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import disk_errors
from sae_backend.cells.counts import CellTable, count_cells, read_cells
from sae_backend.correlation.engine import SlidePart
from sae_backend.models.bundled_models import SAE_NAME, SHIPPED_CONTROL, SHIPPED_ENCODER, sae_folder
from sae_backend.slides.colour import COLOUR_STATISTICS, colour_statistics
from sae_backend.slides.pyramid import read_box
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileGrid
from sae_backend.studies.scoreboard.null_world import NullRate, null_rate
from sae_backend.studies.scoreboard.scoreboard import (
    Representation,
    Score,
    Tiles,
    principal_components,
    score,
)
from sae_backend.synthetic.artefacts import ARTEFACTS
from sae_backend.synthetic.regions import COARSE_PX
from sae_backend.synthetic.scanners import SCANNERS
from sae_backend.synthetic.specs import CohortSpec, SlideSpec, cohort
from sae_backend.synthetic.truth_files import is_drawn, truth_files
from sae_backend.synthetic.world import CELL_TYPES, RECORDED_TYPES, Drawing
from sae_backend.worker.client import Backend, wait_for
from sae_backend.worker.requests import AnalyzeRequest, DrawRequest, Progress

Report = Callable[[Progress], None]

RAW_NAME: Final = "raw dimension"
PCA_NAME: Final = "principal component"
CONTROL_NAME: Final = "random weights, SAE feature"
COLOUR_NAME: Final = "colour statistic"


@dataclass(frozen=True)
class ScoreboardSpec:
    """What is scored.

    Attributes
    ----------
    cohort
        The slides: one a patient, none of them seen in any training.
    n_choosing
        On how many of them columns are chosen; the others report.
    n_null
        How many null worlds are tested.
    n_permutations
        Exchanges of slides in each of them.
    """

    cohort: CohortSpec = field(
        default_factory=lambda: CohortSpec(
            seed=9000, n_slides=32, size_px=(2600, 3400), slides_per_patient=1, artefact_share=0.8
        )
    )
    n_choosing: int = 16
    n_null: int = 200
    n_permutations: int = 199


@dataclass(frozen=True)
class Scoreboard:
    """The scores, what the null worlds gave, and how many tiles and slides stand behind them."""

    scores: tuple[Score, ...]
    null: NullRate
    n_tiles: int
    n_slides: int


@dataclass(frozen=True)
class _SlideData:
    embeddings: npt.NDArray[np.float32]
    features: FeatureMatrix
    control: FeatureMatrix
    colours: npt.NDArray[np.float32]
    targets: npt.NDArray[np.float64]
    valid: npt.NDArray[np.bool_]
    grid: TileGrid


def run_scoreboard(out: Path, backend: Backend, report: Report, spec: ScoreboardSpec) -> Scoreboard:
    """Make the scoreboard in a folder, or what of it is not there yet.

    Raises
    ------
    SparsescopeError
        When any link of the chain fails.
    """
    slides = cohort(spec.cohort)
    folder = out / "slides"
    for number, slide in enumerate(slides):
        report(Progress(0, "draw slides", number, len(slides), 0.0, None))
        if not is_drawn(folder, slide):
            wait_for(backend, backend.submit(DrawRequest(str(folder), slide.to_json())), None)
    report(Progress(0, "draw slides", len(slides), len(slides), 0.0, None))
    data = []
    for number, slide in enumerate(slides):
        report(Progress(0, "embed and encode slides", number, len(slides), 0.0, None))
        data.append(_slide_data(folder, out / "cache", slide, backend))
    report(Progress(0, "embed and encode slides", len(slides), len(slides), 0.0, None))
    tiles = _tiles(data, spec.n_choosing)
    scores = [row for found in _all_representations(data, tiles) for row in score(tiles, found)]
    null = _null(slides, data, spec, report)
    return Scoreboard(tuple(scores), null, len(tiles.slide), len(slides))


def _slide_data(folder: Path, cache: Path, slide: SlideSpec, backend: Backend) -> _SlideData:
    path = folder / f"{slide.name}.tiff"
    results = [analyse(path, cache, encoder, backend) for encoder in (SHIPPED_ENCODER, SHIPPED_CONTROL)]
    embeddings = Embeddings.open(Path(results[0]["embedding_dir"]))
    features, control = (FeatureMatrix.open(Path(result["feature_dir"])) for result in results)
    grid = features.grid
    with Slide.open(path) as opened:
        cells = read_cells(truth_files(folder, slide.name).cells_table, opened.info).table
        colours = colours_of(opened, grid, cache / f"{slide.name}-{grid.digest}.npy")
    return _SlideData(
        embeddings=np.asarray(embeddings.vectors),
        features=features,
        control=control,
        colours=colours,
        targets=np.column_stack([counts_by_type(cells, grid), _covered(slide, grid), _scanner(slide, grid)]),
        valid=features.valid & control.valid,
        grid=grid,
    )


def analyse(
    path: Path, cache: Path, encoder: str, backend: Backend, mpp: float | None = None
) -> dict[str, Any]:
    """Embed a slide and encode it with the autoencoder that ships for the encoder; the worker's answer."""
    request = AnalyzeRequest(
        slide=str(path.absolute()),
        mpp=mpp,
        cache_dir=str(cache.absolute()),
        encoder=encoder,
        pooling="mean",
        sae_dir=str(sae_folder(encoder)),
        batch=32,
    )
    return wait_for(backend, backend.submit(request), None)


def counts_by_type(cells: CellTable, grid: TileGrid) -> npt.NDArray[np.int32]:
    """Cells of each of `RECORDED_TYPES` per tile, (N, 6); zero for types that the table lacks."""
    counted = count_cells(cells, grid)
    out = np.zeros((grid.n_tiles, len(RECORDED_TYPES)), np.int32)
    for column, name in enumerate(counted.type_names):
        out[:, RECORDED_TYPES.index(name)] = counted.counts[:, column]
    return out


def _covered(slide: SlideSpec, grid: TileGrid) -> npt.NDArray[np.float64]:
    """Share of each tile (N, 4) that each kind of artefact covers."""
    out = np.zeros((grid.n_tiles, len(ARTEFACTS)))
    masks = Drawing(slide).artefacts.masks()
    edge = round(grid.tile_l0 / COARSE_PX)
    corners = np.rint(grid.origins_l0() / COARSE_PX).astype(np.intp)
    for kind, mask in masks.items():
        sums = np.pad(mask.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        low = np.minimum(corners, np.array(mask.shape) - 1)
        high = np.minimum(corners + edge, mask.shape)
        inside = sums[high[:, 0], high[:, 1]] - sums[low[:, 0], high[:, 1]]
        inside = inside - sums[high[:, 0], low[:, 1]] + sums[low[:, 0], low[:, 1]]
        out[:, ARTEFACTS.index(kind)] = inside / edge**2
    return out


def _scanner(slide: SlideSpec, grid: TileGrid) -> npt.NDArray[np.float64]:
    return np.tile(np.array([float(slide.scanner == name) for name in SCANNERS]), (grid.n_tiles, 1))


def colours_of(slide: Slide, grid: TileGrid, kept: Path) -> npt.NDArray[np.float32]:
    """Colour statistics (N, 15) of all tiles, kept in a file."""
    if kept.exists():
        found: npt.NDArray[np.float32] = np.load(kept)
        return found
    side, edge = grid.spec.tile_px, grid.tile_l0
    out = np.empty((grid.n_tiles, len(COLOUR_STATISTICS)), np.float32)
    for i, (y, x) in enumerate(grid.origins_l0()):
        out[i] = colour_statistics(read_box(slide, (float(y), float(x), edge, edge), (side, side)).rgb[None])[
            0
        ]
    with disk_errors(kept):
        np.save(kept, out)
    return out


def _tiles(data: Sequence[_SlideData], n_choosing: int) -> Tiles:
    number = np.concatenate([np.full(int(d.valid.sum()), k) for k, d in enumerate(data)])
    return Tiles(
        slide=number,
        choosing=number < n_choosing,
        targets=np.concatenate([d.targets[d.valid] for d in data]),
        target_names=(*RECORDED_TYPES, *ARTEFACTS, *SCANNERS),
        target_kinds=("cell type",) * len(CELL_TYPES)
        + ("other cell",) * (len(RECORDED_TYPES) - len(CELL_TYPES))
        + ("artefact",) * len(ARTEFACTS)
        + ("scanner",) * len(SCANNERS),
    )


def _all_representations(data: Sequence[_SlideData], tiles: Tiles) -> list[Representation]:
    def dense(matrices: Sequence[FeatureMatrix]) -> npt.NDArray[np.float32]:
        return np.concatenate([m.csc().toarray()[d.valid] for m, d in zip(matrices, data, strict=True)])

    return representations(
        np.concatenate([d.embeddings[d.valid] for d in data]),
        dense([d.features for d in data]),
        dense([d.control for d in data]),
        np.concatenate([d.colours[d.valid] for d in data]),
        tiles,
    )


def representations(
    vectors: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32],
    control: npt.NDArray[np.float32],
    colours: npt.NDArray[np.float32],
    tiles: Tiles,
) -> list[Representation]:
    """What is compared: the SAE's features, raw dimensions, their components, the control's features, colours.

    Parameters
    ----------
    vectors
        (N, d) embeddings.
    features, control
        (N, F) activations of the encoder's and of the random encoder's autoencoder.
    colours
        (N, 15) colour statistics.
    tiles
        Which tiles choose, for the components.
    """
    choosing = int(tiles.choosing.sum())
    components = principal_components(vectors, tiles.choosing, min(vectors.shape[1], max(1, choosing - 1)))

    def numbered(values: npt.NDArray[np.float32], first: int = 0) -> list[str]:
        return [str(k + first) for k in range(values.shape[1])]

    return [
        Representation(SAE_NAME, features, numbered(features)),
        Representation(RAW_NAME, vectors, numbered(vectors)),
        Representation(PCA_NAME, components, numbered(components, 1)),
        Representation(CONTROL_NAME, control, numbered(control)),
        Representation(COLOUR_NAME, colours, COLOUR_STATISTICS),
    ]


def _null(
    slides: Sequence[SlideSpec], data: Sequence[_SlideData], spec: ScoreboardSpec, report: Report
) -> NullRate:
    """Test the features of the reporting slides against cells of tissues that have nothing to do with them."""
    strangers = cohort(replace(spec.cohort, seed=spec.cohort.seed + 1, n_slides=6 * len(slides)))
    maps = []
    reporting = data[spec.n_choosing :]
    edge, shape = reporting[0].grid.tile_l0, reporting[0].grid.shape
    for number, stranger in enumerate(strangers):
        if number % 8 == 0:
            report(Progress(0, "draw null tissues", number, len(strangers), 0.0, None))
        cells = Drawing(stranger).cells
        named = cells.type_index < len(CELL_TYPES)
        maps.append(_grid_counts(cells.y_l0[named], cells.x_l0[named], cells.type_index[named], edge, shape))
    parts = [
        SlidePart(
            features=d.features.csc(),
            counts=np.zeros((d.grid.n_tiles, len(CELL_TYPES)), np.int32),
            valid=d.valid,
            rows=d.grid.rows,
            cols=d.grid.cols,
            tile_um=d.grid.stride_l0 * d.grid.mpp,
            slide=str(k),
        )
        for k, d in enumerate(reporting)
    ]
    return null_rate(
        parts,
        np.stack(maps),
        CELL_TYPES,
        n_worlds=spec.n_null,
        n_permutations=spec.n_permutations,
        progress=lambda done, total: report(Progress(0, "test null worlds", done, total, 0.0, None)),
    )


def _grid_counts(
    y: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    kind: npt.NDArray[np.uint16],
    edge: float,
    shape: tuple[int, int],
) -> npt.NDArray[np.int32]:
    """Cells of each type (rows, cols, 5) in squares of `edge` px."""
    row, col = (y // edge).astype(np.intp), (x // edge).astype(np.intp)
    inside = (row < shape[0]) & (col < shape[1])
    out = np.zeros((*shape, len(CELL_TYPES)), np.int32)
    np.add.at(out, (row[inside], col[inside], kind[inside]), 1)
    return out
