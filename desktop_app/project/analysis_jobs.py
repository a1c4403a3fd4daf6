"""A project's long jobs: what to ask of the worker, and how its answer is kept."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from desktop_app.store import (
    AnalysisRecord,
    CellImportRecord,
    NewAnalysis,
    SaeRecord,
    SlideRecord,
    Store,
)
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import disk_errors
from sae_backend.cache import MANIFEST
from sae_backend.cells.counts import CellImport, read_cells
from sae_backend.errors import CacheError, SlideError, UserInputError
from sae_backend.models.bundled_models import default_pooling, fitting_sae
from sae_backend.slides.slide import Slide
from sae_backend.slides.thumbnails import thumbnail_folder
from sae_backend.slides.tiles import TileSpec
from sae_backend.worker.requests import AnalyzeRequest, EncodeRequest, ThumbnailsRequest, TrainRequest

CONTROL_ENCODER = "control:random-vit"


@dataclass(frozen=True)
class AnalyzeOptions:
    """What the user chose; None stands for the last block, the encoder's own pooling, the project's SAE."""

    encoder: str = CONTROL_ENCODER
    weights: Path | None = None
    layer: int | None = None
    pooling: str | None = None
    spec: TileSpec = field(default_factory=TileSpec)
    sae_dir: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class TrainOptions:
    """What the user chose for a training; `out_dir` None makes a folder in the project."""

    out_dir: Path | None = None
    expansion: int = 8
    l1: float | None = None
    epochs: int | None = None
    seed: int = 0
    device: str = "auto"
    whiten: bool = False


def add_slide(store: Store, path: Path, mpp: float | None = None) -> SlideRecord:
    """Put a slide into the project; `mpp` (um per px) is what the user stated, if anything.

    Raises
    ------
    SlideError, PixelSizeError
    """
    with Slide.open(path.absolute(), mpp) as slide:
        return store.slides.add(slide.info)


def open_slide(record: SlideRecord) -> Slide:
    """Open a project's slide with the pixel size that the project holds.

    Raises
    ------
    SlideError
        When the file is gone or is another one than it was.
    """
    stated = record.mpp if record.mpp_source == "user" else None
    path = Path(record.path)
    if not path.exists():
        raise SlideError(
            f"There is no file {path} any more.",
            "Put it back; or, where it was moved, add it again from its new place: its analyses are kept.",
        )
    slide = Slide.open(path, stated)
    if slide.info.fingerprint != record.fingerprint:
        slide.close()
        raise SlideError(
            f"{record.name} is not the file it was when it was added.",
            "Add it as a new slide, or put the old file back.",
        )
    return slide


def analyze_request(store: Store, slide_id: int, options: AnalyzeOptions) -> AnalyzeRequest:
    """What to ask of the worker to embed a slide (and encode it, where an SAE is named)."""
    record = store.slides.get(slide_id)
    return AnalyzeRequest(
        slide=str(record.path),
        cache_dir=str(store.cache_dir),
        encoder=options.encoder,
        mpp=record.mpp if record.mpp_source == "user" else None,
        tile_spec=asdict(options.spec),
        weights=None if options.weights is None else str(options.weights.absolute()),
        layer=options.layer,
        pooling=options.pooling or default_pooling(options.encoder),
        sae_dir=None if options.sae_dir is None else str(options.sae_dir.absolute()),
        device=options.device,
    )


def record_analysis(
    store: Store, slide_id: int, request: AnalyzeRequest, result: dict[str, Any]
) -> AnalysisRecord:
    """Keep what the worker did for an `AnalyzeRequest`."""
    card = result["encoder"]
    if result.get("sae_digest"):
        store.saes.add(result["sae_digest"], Path(result["sae_dir"]), result["sae"])
    if request.weights is not None:
        # Only a place to look: whoever loads them checks the digest.
        store.settings.set(weights_key(result["encoder_digest"]), request.weights)
    return store.analyses.add(
        NewAnalysis(
            slide_id=slide_id,
            encoder=card["id"],
            encoder_digest=result["encoder_digest"],
            layer=card["layer"],
            pooling=card["pooling"],
            is_control=card["is_control"],
            tile_spec=request.tile_spec,
            grid_digest=result["grid_digest"],
            embedding_folder=_in_cache(store, result["embedding_dir"]),
            embedding_digest=result["embedding_digest"],
            sae_digest=result.get("sae_digest"),
            feature_folder=_in_cache(store, result["feature_dir"]) if result.get("feature_dir") else None,
            counts=result["counts"],
        )
    )


def weights_key(encoder_digest: str) -> str:
    """Setting of a project that says where the weights of an encoder lay when it was last used."""
    return f"weights.{encoder_digest}"


def thumbnails_request(store: Store, analysis: AnalysisRecord) -> ThumbnailsRequest | None:
    """What to ask of the worker for the small pictures of an analysis's tiles; None where they are there.

    Raises
    ------
    SparsescopeError
        When the features were deleted or damaged.
    """
    features = features_of(store, analysis)
    if (thumbnail_folder(store.cache_dir, features.grid) / MANIFEST).is_file():
        return None
    slide = store.slides.get(analysis.slide_id)
    return ThumbnailsRequest(str(slide.path), str(store.cache_dir), str(features.folder), slide.mpp)


def encode_request(
    store: Store, analysis: AnalysisRecord, device: str = "auto", sae: SaeRecord | None = None
) -> EncodeRequest | None:
    """What to ask of the worker to encode an analysis with the project's newest SAE that fits it.

    The autoencoder that ships stands in where the project has none. Returns None where none belongs to
    this encoder, layer and tile size.
    """
    spec = analysis.tile_spec
    fitting = [
        known
        for known in ([sae] if sae is not None else store.saes.all())
        if known.card["encoder_digest"] == analysis.encoder_digest
        and known.card["mpp"] in (None, spec["tile_mpp"])
        and known.card["tile_px"] in (None, spec["tile_px"])
        and Path(known.folder).is_dir()
    ]
    if fitting:
        folder = Path(max(fitting, key=lambda known: known.added_at).folder)
    else:
        shipped = None
        if sae is None:
            shipped = fitting_sae(
                analysis.encoder, analysis.encoder_digest, spec["tile_px"], spec["tile_mpp"]
            )
        if shipped is None:
            return None
        folder = shipped
    return EncodeRequest(
        str(store.cache_dir / analysis.embedding_folder), str(folder), str(store.cache_dir), device
    )


def record_encoding(store: Store, analysis: AnalysisRecord, result: dict[str, Any]) -> AnalysisRecord:
    """Keep what the worker did for an `EncodeRequest`: a new analysis, now with features."""
    store.saes.add(result["sae_digest"], Path(result["sae_dir"]), result["sae"])
    return store.analyses.add(
        NewAnalysis(
            slide_id=analysis.slide_id,
            encoder=analysis.encoder,
            encoder_digest=analysis.encoder_digest,
            layer=analysis.layer,
            pooling=analysis.pooling,
            is_control=analysis.is_control,
            tile_spec=analysis.tile_spec,
            grid_digest=analysis.grid_digest,
            embedding_folder=analysis.embedding_folder,
            embedding_digest=analysis.embedding_digest,
            sae_digest=result["sae_digest"],
            feature_folder=_in_cache(store, result["feature_dir"]),
            counts=result["counts"],
        )
    )


def newest_embeddings(store: Store) -> list[AnalysisRecord]:
    """The newest analysis of every slide that shares encoder and tiles with the project's current one."""
    newest: dict[int, AnalysisRecord] = {}
    current = store.analyses.current()
    if current is None:
        return []
    for record in store.analyses.all():
        if (record.encoder_digest, record.tile_spec) == (current.encoder_digest, current.tile_spec):
            newest[record.slide_id] = record
    return list(newest.values())


def train_request(store: Store, options: TrainOptions) -> TrainRequest:
    """What to ask of the worker to train an SAE on the project's embeddings.

    Raises
    ------
    UserInputError
        When no slide has been analysed.
    """
    analyses = newest_embeddings(store)
    if not analyses:
        raise UserInputError("No slide of this project has embeddings.", "Analyse a slide first.")
    out_dir = options.out_dir or store.folder / "saes" / f"sae-{len(store.saes.all()) + 1}"
    return TrainRequest(
        embedding_dirs=tuple(str(store.cache_dir / record.embedding_folder) for record in analyses),
        out_dir=str(out_dir.absolute()),
        expansion=options.expansion,
        l1=options.l1,
        epochs=options.epochs,
        seed=options.seed,
        device=options.device,
        whiten=options.whiten,
    )


def check_new_folder(folder: Path) -> None:
    """Refuse, before the long work, a folder that a new SAE cannot be written to.

    Raises
    ------
    UserInputError
        When it holds something already and no interrupted training is to go on there.
    CacheError
        When it cannot be written.
    """
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            return
        if folder.is_dir() and (not any(folder.iterdir()) or _training_of(folder).is_dir()):
            return
    raise UserInputError(
        f"{folder} already holds something else.",
        "Choose a new folder for the SAE; annotations may hang on what is there.",
    )


def _training_of(folder: Path) -> Path:
    return folder.with_name(folder.name + ".training")


def record_training(store: Store, result: dict[str, Any]) -> SaeRecord:
    """Keep what the worker did for a `TrainRequest`."""
    return store.saes.add(result["sae_digest"], Path(result["sae_dir"]), result["sae"])


def import_cells(store: Store, slide_id: int, path: Path) -> CellImportRecord:
    """Read a cell file for a slide and keep its cells in the project.

    Raises
    ------
    CellsError, SlideError
    """
    return store.cells.add(slide_id, read_cell_file(store.slides.get(slide_id), path))


def read_cell_file(record: SlideRecord, path: Path) -> CellImport:
    """Read a cell file for a slide; touches no database, so a thread may do it.

    Raises
    ------
    CellsError, SlideError
    """
    with open_slide(record) as slide:
        return read_cells(path, slide.info)


def features_of(store: Store, analysis: AnalysisRecord) -> FeatureMatrix:
    """Open the features of an analysis.

    Raises
    ------
    UserInputError
        When the analysis has none yet.
    CacheError
        When they were deleted or damaged.
    """
    if analysis.feature_folder is None:
        raise UserInputError(
            "This analysis has embeddings and no features yet.",
            "Train an SAE (Analysis > Train in the window, or sparsescope train), or name one (--sae).",
        )
    folder = store.cache_dir / analysis.feature_folder
    if not folder.is_dir():
        raise CacheError(
            "The features of this analysis were deleted.",
            "Run the analysis again in the same way; names and grades are kept.",
        )
    return FeatureMatrix.open(folder)


def require_current(store: Store, slide_id: int | None = None) -> AnalysisRecord:
    """Return the current analysis with features.

    Raises
    ------
    UserInputError
        When there is none.
    """
    analysis = store.analyses.current(slide_id)
    if analysis is None:
        raise UserInputError(
            "This project has no analysis with features yet.",
            "Analyse a slide, then train an SAE: in the menus of the window, or with sparsescope analyze and train.",
        )
    if analysis.feature_folder is None:
        raise UserInputError(
            f"The current analysis ({analysis.encoder}, block {analysis.layer}, {analysis.pooling}) has "
            "embeddings and no features yet.",
            "Train an SAE (sparsescope train), or run sparsescope analyze with the settings of an analysis "
            "that has features: this makes it the current one again.",
        )
    return analysis


def _in_cache(store: Store, folder: str) -> str:
    return Path(os.path.relpath(folder, store.cache_dir)).as_posix()
