"""Frozen records: what the store takes and gives. Database rows never leave the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from desktop_app.store.records.annotation_records import FeatureRef

MppSource = Literal["file", "user", "unknown"]
RegionKind = Literal["polygon", "rectangle", "brush"]
REGION_KINDS: Final[tuple[RegionKind, ...]] = ("polygon", "rectangle", "brush")
BOOKMARKS: Final = "Bookmarks"
"""Name of the list that the key B fills."""


@dataclass(frozen=True)
class SlideRecord:
    """A slide of the project. `mpp` is in um per px, None where unknown; sizes are level-0 px."""

    id: int
    fingerprint: str
    path: Path
    name: str
    mpp: float | None
    mpp_source: MppSource
    height_px: int
    width_px: int
    vendor: str
    added_at: str


@dataclass(frozen=True)
class SaeRecord:
    """A sparse autoencoder that the project knows; `card` is its card as plain JSON values."""

    digest: str
    folder: Path
    card: dict[str, Any]
    added_at: str


@dataclass(frozen=True)
class NewAnalysis:
    """An analysis to be added; the folders are relative to the project's cache.

    `counts` holds the number of tiles by status.
    """

    slide_id: int
    encoder: str
    encoder_digest: str
    layer: int
    pooling: str
    is_control: bool
    tile_spec: Mapping[str, Any]
    grid_digest: str
    embedding_folder: str
    embedding_digest: str
    sae_digest: str | None = None
    feature_folder: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class AnalysisRecord:
    """One slide embedded, and encoded where `feature_folder` is set; see `NewAnalysis`."""

    id: int
    slide_id: int
    encoder: str
    encoder_digest: str
    layer: int
    pooling: str
    is_control: bool
    tile_spec: dict[str, Any]
    grid_digest: str
    embedding_folder: str
    embedding_digest: str
    sae_digest: str | None
    feature_folder: str | None
    counts: dict[str, int]
    created_at: str


@dataclass(frozen=True)
class CommentRecord:
    """What somebody said about a feature. `at` is UTC in ISO 8601; `uid` is the same in every copy."""

    uid: str
    sae_digest: str
    feature: int
    text: str
    author: str
    at: str
    withdrawn: bool = False


@dataclass(frozen=True)
class ExampleRecord:
    """A place that shows a feature: a box of level-0 px on the slide of that fingerprint.

    `region_uid` names the region that it stands for, empty where it is a tile.
    """

    uid: str
    sae_digest: str
    feature: int
    slide_fingerprint: str
    y_l0: float
    x_l0: float
    height_l0: float
    width_l0: float
    region_uid: str
    author: str
    at: str
    withdrawn: bool = False


Ring = tuple[tuple[float, float], ...]
"""Closed line of (y, x) level-0 px, the first point not repeated; pixel 0 spans 0 to 1."""


@dataclass(frozen=True)
class RegionRecord:
    """A region that somebody drew on a slide.

    `polygons_l0` holds polygons, each a tuple of rings: the outer one, then its holes.
    """

    uid: str
    slide_id: int
    name: str
    kind: RegionKind
    polygons_l0: tuple[tuple[Ring, ...], ...]
    author: str
    at: str
    withdrawn: bool = False


@dataclass(frozen=True)
class FeatureListRecord:
    """A named list of features; `features` are those of one SAE, in the order they were added."""

    name: str
    author: str
    at: str
    features: tuple[FeatureRef, ...]
