"""What a file or folder is, told by its content: for what is dropped on the window.

Only the beginnings of files are read, and nothing of a pickle but its first bytes.
"""

from __future__ import annotations

import gzip
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import openslide
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from desktop_app.project.drop.detect_text import recognise_columns, recognise_json, recognise_text
from desktop_app.project.drop.detected import DetectedFile, unknown
from desktop_app.store.peek import count_slides
from desktop_app.store.upgrade import APPLICATION_ID
from sae_backend.cache import MANIFEST
from sae_backend.cells.formats.geoparquet import geometry_column
from sae_backend.cells.formats.tiatoolbox_db import is_annotation_store
from sae_backend.cells.parsing.byte_source import CellSource
from sae_backend.cells.parsing.snappy import FRAMED_START, looks_raw
from sae_backend.errors import CellsError
from sae_backend.models.sae_weights import CONFIG_NAME, WEIGHTS_NAME

DATABASE: Final = "project.sqlite"
_HEAD_BYTES: Final = 64 << 10
_HEADER_MAX_BYTES: Final = 16 << 20
_MANIFEST_MAX_BYTES: Final = 256 << 20
_SAE_TENSORS: Final = frozenset({"W_enc", "W_dec", "b_enc", "b_dec"})
_OTHER_SAE_TENSORS: Final = ({"W_dec", "encoder.weight"}, {"encoder.weight", "decoder.weight"})
_PICTURES: Final = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"II*\x00": "TIFF", b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF", b"MM\x00+": "TIFF",
}  # fmt: skip
_PICKLE_STARTS: Final = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_PICKLE_ENDS: Final = (".pt", ".pth", ".pkl", ".pickle", ".joblib", ".ckpt")
_ZIP_START: Final = b"PK\x03\x04"
_SAFETENSORS: Final = (
    "Weights must be safetensors: save them again in that form. Cells must be GeoJSON, a table, or an AnnotationStore "
    "(.db) of TIAToolbox."
)


def recognise(path: Path) -> DetectedFile:
    """Tell what a file or folder is; never raises, and changes nothing."""
    path = path.absolute()
    try:
        if path.is_dir():
            return _folder(path)
        if path.is_file():
            return _file(path)
    except OSError as error:
        return unknown(path, f"{path.name} cannot be read: {error.strerror}.", "Check its permissions.")
    return unknown(path, f"There is no file {path.name} any more.", "Drop it again from where it is.")


def recognise_all(paths: Iterable[Path]) -> tuple[DetectedFile, ...]:
    """Tell what each of several is; what is named twice, or by a part of it, is taken once."""
    found: dict[Path, DetectedFile] = {}
    for path in paths:
        item = recognise(path)
        found.setdefault(item.path, item)
    return tuple(found.values())


# Folders


def _folder(path: Path) -> DetectedFile:
    for project in (path, path / "project"):
        if (project / DATABASE).is_file():
            return _project(project / DATABASE)
    if (path / MANIFEST).is_file():
        return _cached(path)
    names = set(os.listdir(path))  # noqa: PTH208 - the names alone
    if WEIGHTS_NAME in names:
        return _autoencoder(path)
    if weights := sorted(name for name in names if name.endswith(".safetensors")):
        return _safetensors(path / weights[0])
    for name, words, hint in (
        ("Slidedat.ini", "holds the pixels of a MRXS slide", "Drop the .mrxs file that lies beside it."),
        (".zgroup", "is a Zarr folder", "Zarr is not read: analyse the slide here instead."),
        ("zarr.json", "is a Zarr folder", "Zarr is not read: analyse the slide here instead."),
    ):
        if name in names:
            return unknown(path, f"{path.name} {words}.", hint)
    return unknown(
        path,
        f"The folder {path.name} is no project, autoencoder or embeddings.",
        "Drop the files in it instead.",
    )


def _project(database: Path) -> DetectedFile:
    with database.open("rb") as file:
        header = file.read(100)
    is_ours = header.startswith(b"SQLite format 3\x00") and header[68:72] == struct.pack(">I", APPLICATION_ID)
    if is_ours and database.name == DATABASE:
        count = count_slides(database.parent)
        slides = "" if count is None else " (1 slide)" if count == 1 else f" ({count:,} slides)"
        return DetectedFile("project", database.parent, f"a project{slides}")
    if is_ours:
        return unknown(
            database,
            f"{database.name} is a copy of a project's database.",
            f"To go back to it, name it {DATABASE} in the project's folder, and drop the folder.",
        )
    if is_annotation_store(database):
        return DetectedFile("cells", database, "cells (TIAToolbox AnnotationStore)")
    return unknown(
        database, f"{database.name} is the database of another program.", "Drop a folder made by Sparsescope."
    )


def _cached(path: Path) -> DetectedFile:
    manifest = _json_object(path / MANIFEST, _MANIFEST_MAX_BYTES)
    kind = manifest.get("kind")
    if kind == "embeddings":
        encoder, shape = manifest.get("encoder"), manifest.get("shape")
        name = encoder.get("id", "") if isinstance(encoder, dict) else ""
        tiles = f"{shape[0]:,} tiles" if isinstance(shape, list) and shape else "tiles"
        return DetectedFile("embeddings", path, f"embeddings ({', '.join(p for p in (tiles, name) if p)})")
    if kind == "features":
        return unknown(
            path,
            f"{path.name} holds the features of one slide, a part of a project's cache.",
            "Drop the project's folder, or the embeddings that they were made from.",
        )
    return unknown(
        path,
        f"{path.name} has a {MANIFEST} that does not say what it holds.",
        "Drop embeddings that Sparsescope wrote.",
    )


def _autoencoder(path: Path) -> DetectedFile:
    config = _json_object(path / CONFIG_NAME)
    if not config:
        return unknown(
            path,
            f"The autoencoder in {path.name} has no {CONFIG_NAME} that says what it is.",
            f"Put the {CONFIG_NAME} that was saved with it beside the weights.",
        )
    size, metadata = config.get("d_sae"), config.get("metadata")
    card = metadata.get("pathology") if isinstance(metadata, dict) else None
    encoder = card.get("encoder_id") if isinstance(card, dict) else None
    words = f"{size:,} features" if isinstance(size, int) else "features"
    return DetectedFile("autoencoder", path, f"an autoencoder ({words}{f' of {encoder}' if encoder else ''})")


def _json_object(path: Path, max_bytes: int = _HEADER_MAX_BYTES) -> dict[str, Any]:
    if not path.is_file() or path.stat().st_size > max_bytes:
        return {}
    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


# Files


def _file(path: Path) -> DetectedFile:
    if path.name == MANIFEST:
        return _cached(path.parent)
    if path.name == CONFIG_NAME and (path.parent / WEIGHTS_NAME).is_file():
        return _autoencoder(path.parent)
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        return unknown(path, f"{path.name} is empty.", "Copy it again from where it came.")
    for start, tell in _TELLERS:
        if head.startswith(start):
            return tell(path)
    if is_snappy(head):
        return recognise_packed(path)
    if _safetensors_header(path, head):
        return _safetensors(path)
    vendor = openslide.OpenSlide.detect_format(str(path))
    if vendor is not None:
        return DetectedFile("slide", path, f"a slide ({_VENDORS.get(vendor, vendor.capitalize())})")
    for start, name in _PICTURES.items():
        if head.startswith(start):
            return DetectedFile("slide", path, f"a picture ({name})")
    if head.startswith(_PICKLE_STARTS) or path.suffix.lower() in _PICKLE_ENDS:
        return _pickle(path)
    return recognise_text(path, head)


_VENDORS: Final = {
    "generic-tiff": "tiled TIFF", "dicom": "DICOM", "mirax": "MRXS", "zeiss": "Zeiss CZI",
}  # fmt: skip


def _zip(path: Path) -> DetectedFile:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return unknown(path, f"{path.name} is a damaged archive.", "Copy it again from where it came.")
    if any(name.endswith(".pkl") for name in names):
        return _pickle(path)
    return recognise_arrays(path, names) or recognise_packed(path)


def _pickle(path: Path) -> DetectedFile:
    return unknown(path, f"{path.name} is a pickle, which can run any program when it is read.", _SAFETENSORS)


def _hdf5(path: Path) -> DetectedFile:
    return unknown(path, f"{path.name} is an HDF5 file.", "HDF5 is not read: analyse the slide here instead.")


def _parquet(path: Path) -> DetectedFile:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError):
        return unknown(path, f"{path.name} is a damaged Parquet file.", "Write it again.")
    names = list(schema.names)
    shapes = recognise_shapes(path, schema)
    return shapes or recognise_columns(path, names, "Parquet table")


def _gzip(path: Path) -> DetectedFile:
    try:
        with gzip.open(path) as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return unknown(path, f"{path.name} is a damaged gzip file.", "Copy or compress it again.")
    if head.lstrip()[:1] in (b"{", b"["):
        return recognise_json(path, head)
    return recognise_packed(path)


_TELLERS: Final[tuple[tuple[bytes, Callable[[Path], DetectedFile]], ...]] = (
    (b"SQLite format 3\x00", _project),
    (_ZIP_START, _zip),
    (b"\x89HDF", _hdf5),
    (b"PAR1", _parquet),
    (b"\x1f\x8b", _gzip),
)


def _safetensors_header(path: Path, head: bytes) -> dict[str, Any]:
    if len(head) < 10 or head[8:9] != b"{":
        return {}
    (length,) = struct.unpack("<Q", head[:8])
    if not 2 <= length <= min(_HEADER_MAX_BYTES, path.stat().st_size - 8):
        return {}
    with path.open("rb") as file:
        file.seek(8)
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return {}
    return header if isinstance(header, dict) else {}


def _safetensors(path: Path) -> DetectedFile:
    with path.open("rb") as file:
        tensors = set(_safetensors_header(path, file.read(_HEAD_BYTES)))
    if path.name == WEIGHTS_NAME:
        return _autoencoder(path.parent)
    if tensors >= _SAE_TENSORS or any(tensors >= other for other in _OTHER_SAE_TENSORS):
        return unknown(
            path,
            f"{path.name} holds an autoencoder that another program saved.",
            f"Save it as SAELens 6 does: a folder with {CONFIG_NAME} and {WEIGHTS_NAME}.",
        )
    return unknown(
        path,
        f"{path.name} holds weights, and they are no autoencoder's.",
        "Weights of an encoder are chosen with the slide open: Analysis > Analyse, Weights.",
    )


def is_snappy(head: bytes) -> bool:
    """Whether a file begins like a text packed with Snappy."""
    return head.startswith(FRAMED_START) or looks_raw(head)


def recognise_packed(path: Path) -> DetectedFile:
    """Tell what a packed file is by the beginning of what is in it."""
    try:
        source = CellSource(path)
    except CellsError as error:
        return unknown(path, error.sentence, error.hint)
    found = recognise_text(path, source.head)
    if found.kind == "cells" or (source.packing == "gzip" and found.kind != "unknown"):
        return found
    what = "an archive" if source.packing == "zip" else "compressed"
    return unknown(path, f"{path.name} is {what}.", "Unpack it and drop what is inside.")


def recognise_arrays(path: Path, names: Sequence[str]) -> DetectedFile | None:
    """Tell NumPy archives with what StarDist returns; None for any other archive."""
    if not names or not all(name.endswith(".npy") for name in names):
        return None
    if {"coord.npy", "points.npy"} & set(names):
        return DetectedFile("cells", path, "cells (StarDist arrays)")
    return unknown(
        path, f"{path.name} holds arrays, and they are no cells.", "Drop cells as GeoJSON or a table."
    )


def recognise_shapes(path: Path, schema: Any) -> DetectedFile | None:
    """Tell Parquet files with a column of shapes; None for any other Parquet file."""
    try:
        column = geometry_column(schema, path.name)
    except CellsError as error:
        return unknown(path, error.sentence, error.hint)
    return DetectedFile("cells", path, "cells (GeoParquet)") if column else None
