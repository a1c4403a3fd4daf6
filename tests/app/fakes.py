"""Fakes with the real interfaces: a backend that is told its news, dialogs that are told their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from scipy.sparse import csr_array

from desktop_app.correlation_offer import CorrelationOffer
from desktop_app.correlation_options import CorrelateOptions
from desktop_app.jobs import AnalyzeOptions, TrainOptions
from desktop_app.store import AnalysisRecord, AnnotationConflict, NewAnalysis, Store
from desktop_app.widgets.merge import Choice
from sae_backend.features import FeatureMatrix, write_features
from sae_backend.messages import Done, Event, Request, ThumbnailsRequest
from sae_backend.slide import Slide
from sae_backend.tiles import TileGrid, TileSpec
from tests.app.fake_cell_dialogs import FakeCellDialogs

N_FEATURES = 12
SAE_DIGEST = "5ae" * 8


class FakeBackend:
    """Keeps what is asked of it; its news are put into `events`."""

    def __init__(self) -> None:
        self.started = self.closed = False
        self.requests: dict[int, Request] = {}
        self.pictures: list[ThumbnailsRequest] = []
        self.cancelled: list[int] = []
        self.events: list[Event] = []

    def start(self) -> None:
        self.started = True

    def submit(self, request: Request) -> int:
        if isinstance(request, ThumbnailsRequest):
            # Asked by the window itself whenever an analysis is shown; numbered apart from what a test asks.
            self.pictures.append(request)
            number = 1000 + len(self.pictures)
            self.events.append(Done(number, {"thumbnail_dir": "", "n_tiles": 0}))
            return number
        job = len(self.requests) + 1
        self.requests[job] = request
        return job

    def cancel(self, job: int) -> None:
        self.cancelled.append(job)

    def poll(self) -> list[Event]:
        news, self.events = self.events, []
        return news

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeDialogs(FakeCellDialogs):
    """Answers with what it was given, and notes what was asked."""

    file: Path | None = None
    target: Path | None = None
    directory: Path | None = None
    mpp: float | None = None
    analyze: AnalyzeOptions | None = None
    train: TrainOptions | None = None
    correlate: CorrelateOptions | None = None
    offer: CorrelationOffer | None = None
    words: str | None = None
    take: tuple[str, ...] | None = None
    asked: list[str] = field(default_factory=list)

    def text(self, title: str, prompt: str, suggested: str) -> str | None:
        self.asked.append(title)
        return self.words

    def lines(self, title: str, prompt: str, suggested: str) -> str | None:
        self.asked.append(f"{title}: {suggested}")
        return self.words

    def choose_or_type(self, title: str, prompt: str, known: Sequence[str]) -> str | None:
        self.asked.append(f"{prompt}: {', '.join(known)}")
        return self.words

    def resolve(self, conflicts: Sequence[AnnotationConflict]) -> list[Choice] | None:
        self.asked.append(f"{len(conflicts)} conflicts")
        return None if self.take is None else [(conflict, self.take) for conflict in conflicts]

    def open_file(self, title: str, kinds: str) -> Path | None:
        self.asked.append(title)
        return self.file

    def save_file(self, title: str, kinds: str, suggested: str) -> Path | None:
        self.asked.append(title)
        return self.target

    def folder(self, title: str) -> Path | None:
        self.asked.append(title)
        return self.directory

    def pixel_size(self, slide: str, known: float | None) -> float | None:
        self.asked.append(f"pixel size of {slide}")
        return self.mpp

    def analyze_options(self) -> AnalyzeOptions | None:
        self.asked.append("analyze")
        return self.analyze

    def train_options(self) -> TrainOptions | None:
        self.asked.append("train")
        return self.train

    def correlate_options(self, offer: CorrelationOffer) -> CorrelateOptions | None:
        self.asked.append("correlate")
        self.offer = offer
        return self.correlate

    def show_page(self, title: str, markdown: str) -> None:
        self.asked.append(f"page {title}: {markdown[:20]}")


def write_slide(path: Path, height: int = 700, width: int = 900) -> Path:
    """A plain field whose pixel at (y, x) is (y mod 256, x mod 256, 200)."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([y % 256, x % 256, np.full_like(x, 200)], axis=2).astype(np.uint8)
    tifffile.imwrite(path, rgb, photometric="rgb")
    return path


def small_grid(slide: Slide, tile_px: int = 100) -> TileGrid:
    """A grid of tiles at the slide's own resolution; the last tile of every row is not kept."""
    info = slide.info
    shape = (info.height_px // tile_px, info.width_px // tile_px)
    rows, cols = (a.ravel().astype(np.int32) for a in np.mgrid[: shape[0], : shape[1] - 1])
    return TileGrid(
        slide_fingerprint=info.fingerprint,
        mpp=info.require_mpp(),
        spec=TileSpec(tile_px=tile_px, tile_mpp=info.require_mpp()),
        tile_l0=float(tile_px),
        stride_l0=float(tile_px),
        origin_l0=(0.0, 0.0),
        shape=shape,
        rows=rows,
        cols=cols,
        tissue_fraction=np.ones(rows.size, np.float32),
    )


def small_features(
    folder: Path, grid: TileGrid, seed: int = 0, sae_digest: str = SAE_DIGEST
) -> FeatureMatrix:
    """Random sparse activations (N, 12); feature 0 never fires, feature 1 fires in tile 0 alone with 5."""
    rng = np.random.default_rng(seed)
    dense = rng.random((grid.n_tiles, N_FEATURES)) * (rng.random((grid.n_tiles, N_FEATURES)) < 0.4)
    dense[:, 0] = dense[:, 1] = 0
    dense[0, 1] = 5
    rows = csr_array(dense.astype(np.float32))
    digests = {"sae_digest": sae_digest, "embedding_digest": "e1" * 12}
    return write_features(folder, [rows], np.ones(grid.n_tiles, bool), grid, digests)


def add_analysis(
    store: Store, slide_id: int, slide: Slide, *, is_control: bool = False, sae_digest: str = SAE_DIGEST
) -> AnalysisRecord:
    """Put a small analysis with features into a project."""
    grid = small_grid(slide)
    folder = store.cache_dir / f"features-{slide_id}-{is_control}-{sae_digest}"
    features = small_features(folder, grid, sae_digest=sae_digest)
    store.add_sae(sae_digest, store.folder / "sae", {"d_sae": N_FEATURES})
    return store.add_analysis(
        NewAnalysis(
            slide_id=slide_id,
            encoder="control:random-vit" if is_control else "timm:test",
            encoder_digest="c0" * 12,
            layer=3,
            pooling="cls",
            is_control=is_control,
            tile_spec={"tile_px": 100, "tile_mpp": grid.mpp, "stride_px": None, "min_tissue": 0.25},
            grid_digest=grid.digest,
            embedding_folder="embeddings",
            embedding_digest=features.embedding_digest,
            sae_digest=features.sae_digest,
            feature_folder=features.folder.relative_to(store.cache_dir).as_posix(),
            counts={"ok": grid.n_tiles},
        )
    )
