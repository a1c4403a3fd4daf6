"""What crosses the border between the program and its worker: frozen values, one JSON line each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sae_backend.errors import WorkerError

MAX_INSIDE_TILES: Final = 64
"""Tiles that one live question may look into."""


@dataclass(frozen=True)
class AnalyzeRequest:
    """Embed a slide and, where `sae_dir` is given, encode it.

    Paths are strings; `tile_spec` is the dict of a TileSpec; `layer` None is the last block;
    `batch` is the number of tiles per pass through the encoder.
    """

    slide: str
    cache_dir: str
    encoder: str
    mpp: float | None = None
    tile_spec: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None
    layer: int | None = None
    pooling: str = "cls"
    sae_dir: str | None = None
    device: str = "auto"
    batch: int = 16


@dataclass(frozen=True)
class EncodeRequest:
    """Encode embeddings that exist with an SAE."""

    embedding_dir: str
    sae_dir: str
    cache_dir: str
    device: str = "auto"


@dataclass(frozen=True)
class TrainRequest:
    """Train an SAE on embeddings; None stands for the default that `TrainSpec` documents."""

    embedding_dirs: tuple[str, ...]
    out_dir: str
    expansion: int = 8
    l1: float | None = None
    epochs: int | None = None
    seed: int = 0
    learning_rate: float = 1e-3
    batch_size: int = 1024
    device: str = "auto"
    whiten: bool = False


@dataclass(frozen=True)
class CorrelateRequest:
    """Correlate all features with all cell types, or other numbers of tiles, over one or more slides.

    `parts` are dicts with `slide` (name), `slide_path`, `mpp`, `feature_dir`, `embedding_dir`,
    `targets_file` (.npy, float64 (N, C) in the order of `type_names`, NaN for unknown), `patient` (empty
    where unknown) and `facts` (texts by key). `is_count` says which columns are counts of cells. `spec` is
    the dict of a CorrelationSpec, `halves` that of Halves, empty where nothing is held out. The arrays are
    written to `out_file` as .npz.
    """

    parts: tuple[dict[str, Any], ...]
    type_names: tuple[str, ...]
    is_count: tuple[bool, ...]
    cache_dir: str
    out_file: str
    spec: dict[str, Any] = field(default_factory=dict)
    halves: dict[str, Any] = field(default_factory=dict)
    hold_out: bool = True
    baselines: bool = True


@dataclass(frozen=True)
class TokenMapRequest:
    """Activation of one feature at the patch tokens of at most 64 tiles, a live question.

    `feature_dir` holds the analysis; encoder and SAE must be those of its digests. The maps, float32
    (n, h, w) in the order of `tiles`, are written to `out_file` as .npy.
    """

    slide: str
    feature_dir: str
    encoder: str
    encoder_digest: str
    layer: int
    pooling: str
    sae_dir: str
    feature: int
    tiles: tuple[int, ...]
    out_file: str
    weights: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class OcclusionRequest:
    """Fall of one feature's activation when each square of one tile is covered, a live question.

    Fields are those of a `TokenMapRequest`; the map, float32 (k, k) with k at most `squares`, is
    written to `out_file` as .npy.
    """

    slide: str
    feature_dir: str
    encoder: str
    encoder_digest: str
    layer: int
    pooling: str
    sae_dir: str
    feature: int
    tile: int
    out_file: str
    squares: int = 7
    weights: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class ThumbnailsRequest:
    """Make the small pictures of an analysed slide's tiles.

    `analysis_dir` is a committed folder of features or of embeddings: it says where the tiles lie. The result
    names the `thumbnail_dir`.
    """

    slide: str
    cache_dir: str
    analysis_dir: str
    mpp: float | None = None


@dataclass(frozen=True)
class MapRequest:
    """Lay all features of an SAE on a plane by their directions; the result names the `map_dir`."""

    sae_dir: str
    cache_dir: str


@dataclass(frozen=True)
class DetectRequest:
    """Find the nuclei of a slide; `spec` is the dict of a DetectSpec, or part of it.

    The result names the `nuclei_file` for `load_detected`.
    """

    slide: str
    cache_dir: str
    mpp: float | None = None
    spec: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TypeNucleiRequest:
    """Train a model on typed nuclei and propose a type for every nucleus of the slide.

    `table_file` (.npz) holds the nuclei as `write_nuclei` writes them; `cells` are the numbers of the typed ones and
    `types` their types. The proposals are written to `out_file` (.npz) for `read_proposals`; the result has `scores`,
    a `note` and the `proposed_types` of the import.
    """

    table_file: str
    out_file: str
    cells: tuple[int, ...]
    types: tuple[str, ...]
    seed: int = 0


@dataclass(frozen=True)
class StudySlideEntry:
    """A slide of a study: what it is called, whose it is, what the slide table says of it, and where it is.

    `mpp` is what the user stated, else None; `cells_version` says which cells were counted; `targets_file` (.npy, float64
    (N, C) in the order of the request's `type_names`) is empty without cells.
    """

    name: str
    patient: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    path: str = ""
    mpp: float | None = None
    fingerprint: str = ""
    cells_version: str = ""
    targets_file: str = ""


@dataclass(frozen=True)
class StudyRequest:
    """Do a study of `kind` on several slides.

    `slides` come as records, or as the dicts that these are on their way to the worker. `sets` are dicts with
    `title`, `model` (see FeatureSet), `tile_spec`, `feature_dirs` and `embedding_dirs` (one a slide). `spec` holds the
    study's settings, `halves` the dict of Halves, empty where nothing is held out. SAEs and features that the study
    makes go to `cache_dir`; what is finished of it to `work_dir`, from where it goes on. The result, `arrays.npz` and
    `meta.json`, is written to `work_dir`.
    """

    kind: str
    slides: tuple[StudySlideEntry, ...]
    sets: tuple[dict[str, Any], ...]
    type_names: tuple[str, ...]
    cache_dir: str
    work_dir: str
    spec: dict[str, Any] = field(default_factory=dict)
    halves: dict[str, Any] = field(default_factory=dict)
    device: str = "auto"

    def __post_init__(self) -> None:
        slides = (StudySlideEntry(**slide) if isinstance(slide, dict) else slide for slide in self.slides)
        object.__setattr__(self, "slides", tuple(slides))


@dataclass(frozen=True)
class DrawRequest:
    """Draw a generated slide into a folder; `spec` is the dict of a SlideSpec."""

    folder: str
    spec: dict[str, Any]


Request = (
    AnalyzeRequest
    | EncodeRequest
    | TrainRequest
    | CorrelateRequest
    | DetectRequest
    | TypeNucleiRequest
    | StudyRequest
    | DrawRequest
    | TokenMapRequest
    | OcclusionRequest
    | ThumbnailsRequest
    | MapRequest
)


@dataclass(frozen=True)
class Submit:
    """Ask the worker for a job."""

    job: int
    request: Request


@dataclass(frozen=True)
class Cancel:
    """Ask the worker to stop a job."""

    job: int


@dataclass(frozen=True)
class Ready:
    """The worker is up: the device that "auto" means, in words, and versions by package."""

    device: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Progress:
    """A job's state: units done of total in a stage, per second, and seconds left (None unknown)."""

    job: int
    stage: str
    done: int
    total: int
    rate_per_s: float
    eta_s: float | None


@dataclass(frozen=True)
class Done:
    """A job ended well; `result` holds plain JSON values."""

    job: int
    result: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """A job ended with an error for the user."""

    job: int
    kind: str
    sentence: str
    hint: str


@dataclass(frozen=True)
class Cancelled:
    """A job ended because it was cancelled; what was finished is kept."""

    job: int


@dataclass(frozen=True)
class Crashed:
    """The worker died; `job` is the job that went with it, None when it was idle."""

    job: int | None
    sentence: str
    hint: str


Event = Ready | Progress | Done | Failed | Cancelled | Crashed
Message = Submit | Cancel | Event

_TYPES: Final[dict[str, type[Any]]] = {
    cls.__name__: cls
    for cls in (
        Submit, Cancel, Ready, Progress, Done, Failed, Cancelled, Crashed,
        AnalyzeRequest, EncodeRequest, TrainRequest, CorrelateRequest, DrawRequest,
        TokenMapRequest, OcclusionRequest, ThumbnailsRequest, MapRequest, DetectRequest, TypeNucleiRequest, StudyRequest,
    )
}  # fmt: skip


def to_line(message: Message) -> str:
    """Serialise a message as one line without line break."""
    body = asdict(message)
    if isinstance(message, Submit):
        body["request"] = {"type": type(message.request).__name__, **asdict(message.request)}
    return json.dumps({"type": type(message).__name__, **body}, allow_nan=False)


def from_line(line: str) -> Message:
    """Read back what :func:`to_line` gave.

    Raises
    ------
    WorkerError
        When the line is not a message.
    """
    try:
        record = json.loads(line)
        if "request" in record:
            record["request"] = _build(record["request"])
        message: Message = _build(record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorkerError("The worker said something that is not a message.", "Start it again.") from error
    return message


def _build(record: dict[str, Any]) -> Any:
    # JSON has no tuples; the messages' fields have no lists.
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k != "type"}
    return _TYPES[record["type"]](**values)
