"""A project of several slides whose features, cells and correlations come from the world of vectors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import tifffile

from desktop_app.store import CorrelationRecord, NewAnalysis, NewCorrelation, Store
from sae_backend.cell_table import CellImport, CellTable
from sae_backend.correlation_result import CorrelationSpec
from sae_backend.correlation_run import RunInput, run
from sae_backend.demo.vector_features import FeatureSpec
from sae_backend.demo.vectors import NuisanceSpec, SlideSpec, SlideVectors, VectorWorldSpec, make_world
from sae_backend.features import write_features
from sae_backend.halves import draw_halves
from sae_backend.slide import Slide
from sae_backend.tiles import TileGrid, TileSpec

SAE_DIGEST = "7ec" * 8
TILE_PX = 20
MPP = 0.5


@dataclass(frozen=True)
class WorldChoice:
    """How large the world is, and how carefully it is judged."""

    n_slides: int = 12
    n_tiles: int = 100
    n_features: int = 24
    n_draws: int = 200
    statistics: tuple[str, ...] = ("pearson", "spearman")
    patients: bool = True
    hold_out: bool = True
    baselines: bool = True


def make_project(folder: Path, choice: WorldChoice) -> CorrelationRecord:
    """Make slides, analyses, cells and one run; return the run."""
    world = make_world(
        VectorWorldSpec(
            width=32,
            features=FeatureSpec(choice.n_features, rate_high=0.4, rate_low=0.1, patchy_share=0.0),
            slides=SlideSpec(
                n_slides=choice.n_slides, tiles=(choice.n_tiles, choice.n_tiles), smoothness_tiles=1.0
            ),
            nuisance=NuisanceSpec(scanner_weight=0.3, slide_weight=0.2),
        )
    )
    parts = [
        replace(
            slide.part(), patient=f"P{slide.patient:02d}" if choice.patients else "", vectors=slide.vectors
        )
        for slide in world.slides
    ]
    parts = [replace(part, slide=f"{part.slide.replace(' ', '-')}.tif") for part in parts]
    with Store.create(folder, author="tester") as store:
        store.add_sae(SAE_DIGEST, folder / "sae", {"d_sae": choice.n_features})
        analyses, fingerprints = [], []
        for slide, part in zip(world.slides, parts, strict=True):
            path = folder.parent / part.slide
            _write_slide(path, slide)
            with Slide.open(path, MPP) as opened:
                record = store.add_slide(opened.info)
                analyses.append(_analyse(store, record.id, opened, slide))
            fingerprints.append(record.fingerprint)
            if choice.patients:
                facts = {"patient": part.patient, "site": f"site {slide.site}"}
                store.set_slide_values({record.id: facts})
            store.add_cells(record.id, _cells(slide, world.type_names))
        halves = draw_halves(parts, 0) if choice.hold_out else None
        split = None
        if halves is not None:
            split = store.add_split("", halves.unit, halves.seed, dict(halves.assignments))  # type: ignore[arg-type]
        given = RunInput(
            parts,
            world.type_names,
            np.ones(len(world.type_names), np.bool_),
            halves,
            choice.hold_out,
            choice.baselines,
        )
        spec = CorrelationSpec(
            n_bootstrap=choice.n_draws, n_permutations=choice.n_draws - 1, statistics=choice.statistics
        )
        found = run(given, spec, lambda *_: None)
        versions = {
            fingerprint: store.cells_version(number) for number, fingerprint in enumerate(fingerprints, 1)
        }
        slides = [{"slide": part.slide, "fingerprint": fingerprint}
                  for part, fingerprint in zip(parts, fingerprints, strict=True)]  # fmt: skip
        return store.add_correlation(
            NewCorrelation(
                SAE_DIGEST,
                tuple(analyses),
                asdict(spec),
                {**found.meta, "slides": slides},
                found.arrays,
                cells=versions,
                split_id=None if split is None else split.id,
            )
        )


def _write_slide(path: Path, slide: SlideVectors) -> None:
    """Tissue-like colours, a square a tile; the number of the slide lies in its corner px."""
    rows, cols = int(slide.rows.max()) + 1, int(slide.cols.max()) + 1
    density = np.zeros((rows, cols), np.float32)
    density[slide.rows, slide.cols] = slide.cells.counts.sum(axis=1)
    shade = np.kron(density / max(float(density.max()), 1.0), np.ones((TILE_PX, TILE_PX), np.float32))
    rgb = np.stack([235 - 90 * shade, 200 - 110 * shade, 225 - 60 * shade], axis=2).astype(np.uint8)
    rgb[0, 0] = (int(slide.name.split()[-1]) % 256, 1, 2)
    tifffile.imwrite(path, rgb, photometric="rgb")


def _grid(opened: Slide, slide: SlideVectors) -> TileGrid:
    return TileGrid(
        slide_fingerprint=opened.info.fingerprint,
        mpp=MPP,
        spec=TileSpec(tile_px=TILE_PX, tile_mpp=MPP),
        tile_l0=float(TILE_PX),
        stride_l0=float(TILE_PX),
        origin_l0=(0.0, 0.0),
        shape=(int(slide.rows.max()) + 1, int(slide.cols.max()) + 1),
        rows=slide.rows,
        cols=slide.cols,
        tissue_fraction=np.ones(slide.n_tiles, np.float32),
    )


def _analyse(store: Store, slide_id: int, opened: Slide, slide: SlideVectors) -> int:
    grid = _grid(opened, slide)
    digests = {"sae_digest": SAE_DIGEST, "embedding_digest": f"{slide_id:02x}" * 16}
    features = write_features(
        store.cache_dir / f"features-{slide_id}",
        [slide.activations.tocsr()],
        np.ones(slide.n_tiles, np.bool_),
        grid,
        digests,
    )
    return store.add_analysis(
        NewAnalysis(
            slide_id=slide_id,
            encoder="timm:test",
            encoder_digest="c0" * 12,
            layer=3,
            pooling="cls",
            is_control=False,
            tile_spec={"tile_px": TILE_PX, "tile_mpp": MPP, "stride_px": None, "min_tissue": 0.25},
            grid_digest=grid.digest,
            embedding_folder="embeddings",
            embedding_digest=features.embedding_digest,
            sae_digest=SAE_DIGEST,
            feature_folder=features.folder.relative_to(store.cache_dir).as_posix(),
            counts={"ok": slide.n_tiles},
        )
    ).id


def _cells(slide: SlideVectors, names: tuple[str, ...]) -> CellImport:
    """As many cells of each type in each tile as were drawn, at random places of it."""
    rng = np.random.default_rng(int(slide.name.split()[-1]))
    tile, kind = (
        np.repeat(place, slide.cells.counts.ravel())
        for place in (index.ravel() for index in np.indices(slide.cells.counts.shape))
    )
    within = rng.uniform(1, TILE_PX - 1, (2, tile.size))
    table = CellTable(
        y_l0=(slide.rows[tile] * TILE_PX + within[0]).astype(np.float64),
        x_l0=(slide.cols[tile] * TILE_PX + within[1]).astype(np.float64),
        type_index=kind.astype(np.uint16),
        type_names=names,
    )
    return CellImport(
        table=table, source_name="world.csv", source_sha256="ab" * 32, tool="vector world", notes=()
    )
