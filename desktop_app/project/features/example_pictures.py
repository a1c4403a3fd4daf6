"""Examples of a feature with their pictures, from one slide or all analysed with the same autoencoder.

Nothing here touches the database, so that it runs beside the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from desktop_app.project.analysis_jobs import features_of
from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import CacheError, SparsescopeError
from sae_backend.feature_dashboard.examples import LEVELS, Example, Level, find_examples, find_levels
from sae_backend.feature_dashboard.hard_negatives import CentredVectors
from sae_backend.slides.pyramid import tile_pixels
from sae_backend.slides.slide import Slide
from sae_backend.slides.thumbnails import Thumbnails, thumbnail_folder

if TYPE_CHECKING:
    from desktop_app.store import AnalysisRecord, Store

SHOWN: Final = {level: 12 if level == "top" else 6 for level in LEVELS}
"""Examples that a level shows."""

_CONTEXT_TILES: Final = 3
_PAPER: Final = 236

Rgb = npt.NDArray[np.uint8]


@dataclass
class ExampleSource:
    """One analysed slide to take examples from; what is costly to open is opened once, when it is wanted."""

    slide_id: int
    name: str
    path: Path
    mpp: float | None
    features: FeatureMatrix
    cache_dir: Path
    embedding_folder: Path
    vendor: str = ""
    _thumbnails: Thumbnails | None = field(default=None, repr=False)
    _vectors: CentredVectors | None = field(default=None, repr=False)
    _vectors_sought: bool = field(default=False, repr=False)

    def thumbnails(self) -> Thumbnails | None:
        """The slide's small pictures, None while they are not made."""
        if self._thumbnails is None:
            folder = thumbnail_folder(self.cache_dir, self.features.grid)
            if folder.is_dir():
                try:
                    self._thumbnails = Thumbnails.open(folder)
                except CacheError:
                    # They are only a copy: the slide itself is read meanwhile, and the worker makes them anew.
                    return None
        return self._thumbnails

    def vectors(self) -> CentredVectors | None:
        """The slide's embeddings, None where they were deleted."""
        if not self._vectors_sought:
            self._vectors_sought = True
            try:
                embeddings = Embeddings.open(self.embedding_folder)
            except CacheError:
                return None
            if embeddings.digest == self.features.embedding_digest:
                self._vectors = CentredVectors.of(embeddings)
        return self._vectors


@dataclass(frozen=True)
class Picture:
    """An example with its pixels uint8 (h, w, 3)."""

    slide_id: int
    slide: str
    tile: int
    value: float
    similarity: float | None
    rgb: Rgb


def sources_of(store: Store, sae_digest: str) -> list[ExampleSource]:
    """Slides of a project with features of an autoencoder; one without its cache is left out.

    Each slide has its current analysis, or else the newest one of that autoencoder.
    """
    found = []
    for slide in store.slides.all():
        current = store.analyses.current(slide.id)
        fitting = [a for a in store.analyses.all(slide.id) if a.sae_digest == sae_digest and a.feature_folder]
        if current is not None and current.sae_digest == sae_digest and current.feature_folder:
            fitting.append(current)
        if not fitting:
            continue
        try:
            found.append(source_of(store, fitting[-1]))
        except SparsescopeError:
            # Its cache is gone; opening that slide says so, and the others have examples without it.
            continue
    return found


def source_of(store: Store, analysis: AnalysisRecord) -> ExampleSource:
    """The slide of one analysis.

    Raises
    ------
    SparsescopeError
        When its features were deleted or damaged.
    """
    slide = store.slides.get(analysis.slide_id)
    return ExampleSource(
        slide.id, slide.name, slide.path, slide.mpp, features_of(store, analysis), store.cache_dir,
        store.cache_dir / analysis.embedding_folder, slide.vendor,
    )  # fmt: skip


def level_pictures(sources: Sequence[ExampleSource], feature: int) -> dict[Level, list[Picture]]:
    """Examples at every level but the look-alikes; of several slides the strongest, or some of each."""
    found = [find_levels(source.features, feature, SHOWN["top"]) for source in sources]
    chosen: dict[Level, list[tuple[int, Example]]] = {}
    for level in found[0] if found else ():
        each = [[(i, example) for example in levels[level]] for i, levels in enumerate(found)]
        ranked = [pair for pairs in each for pair in pairs] if level == "top" else _in_turn(each)
        if level == "top":
            ranked.sort(key=lambda pair: -pair[1].value)
        kept = ranked[: SHOWN[level]]
        kept.sort(key=lambda pair: -pair[1].value)
        chosen[level] = kept
    return {level: _pictures(sources, pairs) for level, pairs in chosen.items()}


def look_alike_pictures(sources: Sequence[ExampleSource], feature: int) -> tuple[list[Picture], str]:
    """Tiles that look like the strongest ones though the feature is silent, and how likeness was measured."""
    pairs: list[tuple[int, Example]] = []
    method = ""
    for i, source in enumerate(sources):
        found = find_examples(source.features, feature, SHOWN["top"], source.vectors())
        pairs += [(i, example) for example in found.levels["look-alikes"]]
        method = found.look_alike_method
    pairs.sort(key=lambda pair: -(pair[1].similarity or 0.0))
    return _pictures(sources, pairs[: SHOWN["look-alikes"]]), method


def context_picture(source: ExampleSource, tile: int) -> Rgb | None:
    """A tile amid its neighbours, uint8 (3 h, 3 w, 3); None without small pictures or where tiles overlap."""
    thumbnails, grid = source.thumbnails(), source.features.grid
    if thumbnails is None or grid.spec.stride != grid.spec.tile_px:
        return None
    side = thumbnails.side_px
    picture = np.full((_CONTEXT_TILES * side, _CONTEXT_TILES * side, 3), _PAPER, np.uint8)
    row, col = int(grid.rows[tile]), int(grid.cols[tile])
    near = np.flatnonzero((np.abs(grid.rows - row) <= 1) & (np.abs(grid.cols - col) <= 1))
    for other in near:
        y, x = (int(grid.rows[other]) - row + 1) * side, (int(grid.cols[other]) - col + 1) * side
        picture[y : y + side, x : x + side] = thumbnails.rgb(int(other))
    return picture


def _in_turn(each: list[list[tuple[int, Example]]]) -> list[tuple[int, Example]]:
    """One of each slide, then the second of each, and so on."""
    longest = max(map(len, each), default=0)
    return [pairs[place] for place in range(longest) for pairs in each if place < len(pairs)]


def _pictures(sources: Sequence[ExampleSource], pairs: Sequence[tuple[int, Example]]) -> list[Picture]:
    opened: dict[int, Slide] = {}
    try:
        return [
            Picture(
                sources[i].slide_id, sources[i].name, example.tile, example.value, example.similarity,
                _pixels(sources, i, example.tile, opened),
            )
            for i, example in pairs
        ]  # fmt: skip
    finally:
        for slide in opened.values():
            slide.close()


def _pixels(sources: Sequence[ExampleSource], i: int, tile: int, opened: dict[int, Slide]) -> Rgb:
    source = sources[i]
    thumbnails = source.thumbnails()
    if thumbnails is not None:
        return thumbnails.rgb(tile)
    if i not in opened:
        # Its own handle: the window may close its one meanwhile.
        opened[i] = Slide.open(source.path, source.mpp)
    return tile_pixels(opened[i], source.features.grid, tile)
