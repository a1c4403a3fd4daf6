"""The outside of a GeoJSON file as pathology programs write it: its Features, whatever they hold.

A file is a FeatureCollection, a bare list or a single Feature; it may be compressed with gzip.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from typing import Any, Final

import orjson

from sae_backend.errors import SparsescopeError

EXPORT_HINT: Final = "Export it again; in QuPath: File > Export objects as GeoJSON."


def features_of(data: bytes, name: str, error: type[SparsescopeError]) -> list[dict[str, Any]]:
    """Return all Features of a file, children after their parents.

    Parameters
    ----------
    data
        The file's content, plain or gzip.
    name
        Its name, for messages.
    error
        What is raised when the file is broken, nested too deeply or no GeoJSON.
    """
    document = _parse(_unzip(data, name, error), name, error)
    if isinstance(document, dict):
        listed = document.get("features") if document.get("type") == "FeatureCollection" else [document]
    else:
        listed = document
    if not isinstance(listed, list):
        raise error(f"{name} is JSON, but not GeoJSON.", EXPORT_HINT)
    found: list[dict[str, Any]] = []
    waiting = list(reversed(listed))
    while waiting:
        feature = waiting.pop()
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise error(f"{name} holds something that is no GeoJSON Feature.", EXPORT_HINT)
        found.append(feature)
        children = properties_of(feature).get("childObjects")
        if isinstance(children, list):
            waiting.extend(reversed(children))
    return found


def properties_of(feature: dict[str, Any]) -> dict[str, Any]:
    """Return a Feature's properties, empty where there are none."""
    properties = feature.get("properties")
    return properties if isinstance(properties, dict) else {}


def kind_of(feature: dict[str, Any]) -> str:
    """Return QuPath's kind of an object in small letters, such as `annotation`; empty where it is not said."""
    properties = properties_of(feature)
    kind = properties.get("objectType") or properties.get("object_type")
    if not isinstance(kind, str):
        # QuPath 0.2 wrote the kind into the id, as in PathCellObject.
        old = str(feature.get("id", ""))
        kind = old.removeprefix("Path").removesuffix("Object") if old.endswith("Object") else ""
    return kind.lower()


def class_of(feature: dict[str, Any]) -> str:
    """Return the name of an object's classification, empty where it has none."""
    classification = properties_of(feature).get("classification")
    if isinstance(classification, str):
        return classification
    if isinstance(classification, dict):
        name, names = classification.get("name"), classification.get("names")
        if isinstance(name, str) and name.strip():
            return name
        if isinstance(names, list) and names:
            return ": ".join(str(part) for part in names)
    return ""


def listed(counts: Counter[str]) -> str:
    """Return counts in words: `2 tile, 1 Point`."""
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())


def _unzip(data: bytes, name: str, error: type[SparsescopeError]) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as cause:
        raise error(f"{name} is a damaged gzip file.", "Copy or compress it again.") from cause


def _parse(data: bytes, name: str, error: type[SparsescopeError]) -> Any:
    too_deep = error(f"{name} is nested too deeply to be GeoJSON.", EXPORT_HINT)
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as cause:
        if "depth" in str(cause) or "recursion" in str(cause):
            raise too_deep from cause
    # The standard parser also takes the bare NaN that some programs write among the measurements.
    try:
        return json.loads(data)
    except RecursionError as cause:
        raise too_deep from cause
    except ValueError as cause:
        detail = str(cause) if isinstance(cause, json.JSONDecodeError) else "it is not UTF-8 text"
        raise error(f"{name} is not valid JSON: {detail}.", f"It may be cut off. {EXPORT_HINT}") from cause
