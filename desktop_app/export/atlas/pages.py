"""One page of an atlas: everything about a feature, with its pictures, before it takes a format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from desktop_app.export.atlas.source import AtlasSource
from desktop_app.export.heatmap_picture import COLOUR_MAP
from desktop_app.project.features.feature_facts import FeatureFacts, FiringTile, feature_facts
from desktop_app.store import AnnotationRecord, CommentRecord, CorrelationRow
from sae_backend.activations.heatmap import Heatmap, heatmap
from sae_backend.errors import CancelledError
from sae_backend.slides.pyramid import read_box, resample, tile_pixels
from sae_backend.slides.slide import Slide

N_TILES: Final = 6
"""Tiles in each of the two rows."""

OPACITY: Final = 0.6
_SILENT_OPACITY: Final = 0.15
_MAP_PX: Final = 840
_VIEW_MAX_PX: Final = 4000
_TILE_MAX_PX: Final = 224
_MARGIN_TILES: Final = 1.0

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Backdrop:
    """The analysed part of a slide: uint8 (h, w, 3) over the um box (y, x, height, width) of napari's world."""

    rgb: Rgb
    box_um: tuple[float, float, float, float]


@dataclass(frozen=True)
class AtlasMap:
    """A feature's map laid over the slide: uint8 (h, w, 3), its size in um, and where its colours end."""

    rgb: Rgb
    height_um: float
    width_um: float
    top: float


@dataclass(frozen=True)
class AtlasTile:
    """A tile with its pixels, uint8 (h, w, 3); `place` is None for a region, which has no value of its own."""

    place: FiringTile | None
    rgb: Rgb


@dataclass(frozen=True)
class AtlasPage:
    """Everything about one feature; `n_chosen_unseen` examples lie on other slides or are beyond those pictured."""

    title: str
    note: AnnotationRecord
    comments: tuple[CommentRecord, ...]
    facts: FeatureFacts
    map: AtlasMap
    strongest: tuple[AtlasTile, ...]
    weaker: tuple[AtlasTile, ...]
    chosen: tuple[AtlasTile, ...]
    n_chosen_unseen: int
    correlations: tuple[CorrelationRow, ...]


def atlas_pages(
    source: AtlasSource,
    slide: Slide,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[AtlasPage]:
    """Make the pages one after the other; only one is held at a time.

    Parameters
    ----------
    source
        What the project says.
    slide
        Its slide, open.
    progress
        Told (done, total) when a page has been taken.
    cancelled
        Asked before each page.

    Raises
    ------
    CancelledError
        When `cancelled` says so.
    """
    backdrop = read_backdrop(source, slide)
    total = len(source.numbers)
    for done, number in enumerate(source.numbers):
        if cancelled is not None and cancelled():
            raise CancelledError("The atlas was not written: it was stopped.", "Export it again.")
        yield make_page(source, slide, backdrop, number)
        if progress is not None:
            progress(done + 1, total)


def make_page(source: AtlasSource, slide: Slide, backdrop: Backdrop, number: int) -> AtlasPage:
    """Make the page of one feature.

    Raises
    ------
    UserInputError
        When there is no such feature.
    """
    facts = feature_facts(source.features, number, N_TILES, N_TILES)

    def pictures(places: tuple[FiringTile, ...]) -> tuple[AtlasTile, ...]:
        return tuple(
            AtlasTile(place, _small(tile_pixels(slide, source.features.grid, place.tile))) for place in places
        )

    chosen = chosen_examples(source, slide, number)
    return AtlasPage(
        title=source.title(number),
        note=source.note(number),
        comments=source.comments.get(number, ()),
        facts=facts,
        map=lay_over(backdrop, heatmap(source.features, number)),
        strongest=pictures(facts.strongest),
        weaker=pictures(facts.weaker),
        chosen=chosen,
        n_chosen_unseen=len(source.examples.get(number, ())) - len(chosen),
        correlations=source.correlations.get(number, ()),
    )


def chosen_examples(source: AtlasSource, slide: Slide, number: int) -> tuple[AtlasTile, ...]:
    """Pictures of the examples of a feature that people chose on this slide, at most six, the oldest first.

    A region is pictured with its whole box. A tile has the value of the analysed tile at its middle; rank 0
    where the feature is silent there.
    """
    tiles, values = source.features.column(number)
    found: list[AtlasTile] = []
    for example in source.examples.get(number, ()):
        if example.slide_fingerprint != slide.info.fingerprint or len(found) == N_TILES:
            continue
        side = max(example.height_l0, example.width_l0)
        y, x = example.y_l0 + example.height_l0 / 2, example.x_l0 + example.width_l0 / 2
        read = read_box(slide, (y - side / 2, x - side / 2, side, side), (_TILE_MAX_PX, _TILE_MAX_PX))
        place = None
        tile = source.features.grid.tile_at(y, x)
        if not example.region_uid and tile >= 0:
            at = np.flatnonzero(tiles == tile)
            value = float(values[at[0]]) if at.size else 0.0
            place = FiringTile(tile, value, 1 + int((values > value).sum()) if at.size else 0)
        found.append(AtlasTile(place, read.rgb))
    return tuple(found)


def read_backdrop(source: AtlasSource, slide: Slide) -> Backdrop:
    """Read the part of the slide that holds its analysed tiles, the longer side about 840 px.

    Raises
    ------
    PixelSizeError
        When the slide's pixel size is unknown.
    """
    grid, info = source.features.grid, slide.info
    mpp = info.require_mpp()
    origins = grid.origins_l0()
    size = np.array([info.height_px, info.width_px], float)
    margin = _MARGIN_TILES * grid.tile_l0
    start = np.clip(origins.min(axis=0) - margin, 0, size)
    end = np.clip(origins.max(axis=0) + grid.tile_l0 + margin, start + 1, size)
    view_px = int(min(max(1.0, _MAP_PX * size.max() / (end - start).max()), size.max(), _VIEW_MAX_PX))
    rgb = slide.thumbnail(view_px)
    scale = np.array(rgb.shape[:2]) / size
    first = np.floor(start * scale).astype(int)
    last = np.maximum(np.ceil(end * scale).astype(int), first + 1)
    rgb = np.ascontiguousarray(rgb[first[0] : last[0], first[1] : last[1]])
    # Half a pixel: napari's world puts the centre of the first pixel at 0, its edge at -mpp / 2.
    y, x = first / scale * mpp - mpp / 2
    height, width = np.array(rgb.shape[:2]) / scale * mpp
    return Backdrop(rgb, (float(y), float(x), float(height), float(width)))


def lay_over(backdrop: Backdrop, heat: Heatmap) -> AtlasMap:
    """Lay a feature's map over the slide, nearest cell by pixel; silent tiles get a pale veil, others none."""
    y0, x0, height_um, width_um = backdrop.box_um
    n_rows, n_cols = backdrop.rgb.shape[:2]
    y = y0 + (np.arange(n_rows) + 0.5) * height_um / n_rows
    x = x0 + (np.arange(n_cols) + 0.5) * width_um / n_cols
    row = np.floor((y - heat.translate_um[0]) / heat.cell_um + 0.5).astype(int)
    col = np.floor((x - heat.translate_um[1]) / heat.cell_um + 0.5).astype(int)
    inside_y, inside_x = (row >= 0) & (row < heat.values.shape[0]), (col >= 0) & (col < heat.values.shape[1])
    values = np.full((n_rows, n_cols), np.nan, np.float32)
    values[np.ix_(inside_y, inside_x)] = heat.values[np.ix_(row[inside_y], col[inside_x])]
    top = float(np.nanmax(heat.values)) if np.isfinite(heat.values).any() else 0.0
    scaled = np.nan_to_num(values / top) if top > 0 else np.zeros_like(values)
    colours = mpl.colormaps[COLOUR_MAP](scaled, bytes=True)[..., :3]
    share = np.where(values > 0, OPACITY, np.where(np.isnan(values), 0.0, _SILENT_OPACITY))[..., None]
    mixed = backdrop.rgb * (1 - share) + colours * share
    return AtlasMap(np.rint(mixed).astype(np.uint8), height_um, width_um, top)


def _small(rgb: Rgb) -> Rgb:
    side = rgb.shape[0]
    if side <= _TILE_MAX_PX:
        return rgb
    return resample(rgb, (0.0, 0.0, float(side), float(side)), (_TILE_MAX_PX, _TILE_MAX_PX))
