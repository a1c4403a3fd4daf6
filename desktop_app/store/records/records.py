"""Frozen records: what the store takes and gives. Database rows never leave the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

MppSource = Literal["file", "user", "unknown"]
Status = Literal["unseen", "draft", "reviewed", "rejected"]
STATUSES: Final[tuple[Status, ...]] = ("unseen", "draft", "reviewed", "rejected")
CONFIDENCES: Final = (1, 2, 3, 4, 5)
Nature = Literal["", "biological", "technical"]
NATURES: Final[tuple[Nature, ...]] = ("", "biological", "technical")
RegionKind = Literal["polygon", "rectangle", "brush"]
REGION_KINDS: Final[tuple[RegionKind, ...]] = ("polygon", "rectangle", "brush")
CONTENT_FIELDS: Final = (
    "name", "description", "tags", "confidence", "status", "concept", "nature", "polysemantic",
)  # fmt: skip
BOOKMARKS: Final = "Bookmarks"
"""Name of the list that the key B fills."""

FieldValue = str | int | bool | tuple[str, ...] | None
"""Value of one annotation field."""


@dataclass(frozen=True)
class FeatureRef:
    """One feature of one SAE: what an annotation hangs on, the same on every slide."""

    sae_digest: str
    index: int


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
class AnnotationRecord:
    """What people say of one feature. Revision 0 means that nobody has said anything yet.

    `confidence` is 1 to 5 or None; `updated_at` is UTC in ISO 8601, empty at revision 0. `concept` is
    a term of the vocabulary or empty; `nature` says whether the feature follows biology or how the slide
    was made; `polysemantic` that it sees several unrelated things.
    """

    sae_digest: str
    feature: int
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    confidence: int | None = None
    status: Status = "unseen"
    author: str = ""
    updated_at: str = ""
    revision: int = 0
    concept: str = ""
    nature: Nature = ""
    polysemantic: bool = False

    @property
    def ref(self) -> FeatureRef:
        """The feature that this is about."""
        return FeatureRef(self.sae_digest, self.feature)

    def content(self) -> dict[str, FieldValue]:
        """The fields that people edit, by name."""
        return {name: getattr(self, name) for name in CONTENT_FIELDS}


@dataclass(frozen=True)
class HistoryRecord:
    """One changed field of an annotation; `revision` is the one that the change made."""

    at: str
    author: str
    field: str
    before: FieldValue
    after: FieldValue
    revision: int


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


@dataclass(frozen=True)
class AnnotationConflict:
    """A feature that two people described differently, and in which fields."""

    mine: AnnotationRecord
    theirs: AnnotationRecord
    fields: tuple[str, ...]


@dataclass(frozen=True)
class ImportReport:
    """What became of imported annotations; those in conflict were left as they were."""

    added: int
    unchanged: int
    conflicts: list[AnnotationConflict]
    comments_added: int = 0
    examples_added: int = 0
    listed: int = 0
