"""Cells from GeoJSON as QuPath and CellViT write it: a FeatureCollection, a bare list or a single Feature.

Each Point, Polygon, and part of a MultiPoint or MultiPolygon is one cell; only what is called a cell, or
was measured as one object, stays one. A polygon stands at the centroid of the area of its outer ring.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sae_backend.cells.import_options import NO_OFFSET, Placement, place
from sae_backend.cells.parsing.geojson import EXPORT_HINT, class_of, kind_of, listed, properties_of
from sae_backend.cells.parsing.json_stream import JsonPath, JsonPieces, Piece
from sae_backend.cells.parsing.raw_cells import CellRows, RawCells, Reading
from sae_backend.errors import CellsError

FORMAT: Final = "geojson"
_NOT_CELLS: Final = frozenset({"tile", "root", "tmacore"})
_CELLS: Final = frozenset({"cell", "detection"})
_LABEL_KEYS: Final = ("class", "class_name", "cell_type", "type", "category")
_NO_FEATURE: Final = "object without a geometry"


def read_qupath_geojson(reading: Reading) -> RawCells:
    """Read the cells of a GeoJSON file, piece by piece.

    Raises
    ------
    CellsError
        If the file is broken, nested too deeply, holds coordinates that are not numbers, or no cell.
    """
    features = _Features(reading.name, reading.options.use_nucleus)
    for piece in JsonPieces(reading.source.blocks(), reading.name, _may_open):
        features.take(piece)
    rows = features.finish()
    placement = place(reading.options, reading.slide_info, Placement(1.0, NO_OFFSET), qupath_origin=True)
    left_out = features.left_out
    notes = [f"Left out, as they are no cells: {listed(left_out)}."] if left_out else []
    notes += [f"Types were read from the property {key!r}." for key in sorted(features.label_keys)]
    assumed = {"use_nucleus": True} if reading.options.use_nucleus else {}
    return rows.finish(FORMAT, "GeoJSON", placement, notes, **assumed)


def _lists_features(path: JsonPath) -> bool:
    return path in ((), ("features",)) or path[-1] == "childObjects"


def _may_open(path: JsonPath) -> bool:
    last, before = path[-1], path[:-1]
    if isinstance(last, int):
        return _lists_features(before)
    if last == "coordinates":
        return bool(before) and before[-1] == "geometry"
    return path == ("features",) or last in ("geometry", "properties", "childObjects")


class _Large:
    """A Feature too large for one piece: its members so far and the cells of its geometry."""

    def __init__(self, path: JsonPath, name: str) -> None:
        self.path = path
        self.members: dict[str, Any] = {}
        self.rows = CellRows(name)
        self.n_other = 0


class _Features:
    """The Features of a file as they come in."""

    def __init__(self, name: str, use_nucleus: bool) -> None:
        self._name = name
        self._use_nucleus = use_nucleus
        self._rows = CellRows(name)
        self._annotated = CellRows(name)
        self._n_annotated = 0
        self._has_detections = False
        self._seen_list = False
        self._large: list[_Large] = []
        self.left_out: Counter[str] = Counter()
        self.label_keys: set[str] = set()

    def take(self, piece: Piece) -> None:
        """Take a piece of the file."""
        path, items = piece.path, piece.items
        if isinstance(items, list) and path[-1:] != ("coordinates",):
            self._seen_list = True
            self._add(items)
            return
        owner = _owner(path)
        if not self._large or self._large[-1].path != owner:
            self._large.append(_Large(owner, self._name))
        large = self._large[-1]
        if path[-1:] == ("coordinates",):
            self._add_parts(large, items)
            return
        if path == () and "features" in items:
            features = items.pop("features")
            if not isinstance(features, list):
                raise self._no_geojson()
            self._seen_list = True
            self._add(features)
        place = large.members
        for step in path[len(owner) :]:
            inner = place.get(str(step))
            place[str(step)] = place = inner if isinstance(inner, dict) else {}
        place.update(items)
        if piece.is_last and path == owner:
            self._large.pop()
            self._close(large)

    def finish(self) -> CellRows:
        """Return the cells: what was detected, or else what was annotated."""
        if self._has_detections and self._n_annotated:
            self.left_out["annotation"] += self._n_annotated
        else:
            self._rows.take(self._annotated)
        if self._rows.n_cells == 0:
            raise CellsError(
                f"{self._name} holds no cells.",
                f"Found instead: {listed(self.left_out) or 'nothing'}. {EXPORT_HINT}",
            )
        return self._rows

    def _close(self, large: _Large) -> None:
        kind = large.members.get("type")
        if large.path == () and kind != "Feature":
            if not self._seen_list or kind not in (None, "FeatureCollection"):
                raise self._no_geojson()
            return
        if not large.rows.n_cells and not large.n_other:
            self._add([large.members])
            return
        geometry = large.members.get("geometry")
        shape = geometry.get("type") if isinstance(geometry, dict) else None
        target = self._target(large.members)
        if target is None:
            return
        if large.n_other or shape not in ("MultiPoint", "MultiPolygon"):
            self.left_out[shape if isinstance(shape, str) else _NO_FEATURE] += 1
            return
        target.take(large.rows, self._label(large.members))

    def _target(self, feature: dict[str, Any]) -> CellRows | None:
        """Where a Feature's cells go; None where it is no cell, which is counted."""
        if feature.get("type") != "Feature":
            raise self._no_feature()
        kind = kind_of(feature)
        if kind in _NOT_CELLS:
            self.left_out[kind] += 1
            return None
        self._has_detections |= kind in _CELLS
        if kind == "annotation":
            self._n_annotated += 1
            return self._annotated
        return self._rows

    def _add(self, features: list[Any]) -> None:
        found = (_Batch(self._rows), _Batch(self._annotated))
        waiting = features[::-1]
        while waiting:
            feature = waiting.pop()
            if not isinstance(feature, dict):
                raise self._no_feature()
            target = self._target(feature)
            if target is not None:
                self._shapes(feature, found[target is self._annotated])
            properties = feature.get("properties")
            children = properties.get("childObjects") if isinstance(properties, dict) else None
            if isinstance(children, list):
                waiting.extend(reversed(children))
        for batch in found:
            batch.flush()

    def _shapes(self, feature: dict[str, Any], batch: _Batch) -> None:
        geometry = feature.get("geometry")
        nucleus = feature.get("nucleusGeometry")
        if isinstance(nucleus, dict) and (self._use_nucleus or not isinstance(geometry, dict)):
            geometry = nucleus
        label = self._label(feature)
        kind = geometry.get("type") if isinstance(geometry, dict) else None
        coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
        if kind == "Polygon":
            self._polygon(coordinates, label, _measures_of(feature), batch)
        elif kind == "Point":
            batch.point(coordinates, label, _measures_of(feature))
        elif kind == "MultiPoint" and isinstance(coordinates, list):
            for part in coordinates:
                batch.point(part, label)
        elif kind == "MultiPolygon" and isinstance(coordinates, list):
            measures = _measures_of(feature)
            if coordinates and (measures or kind_of(feature) == "cell"):
                self._polygon(max(coordinates, key=_n_vertices), label, measures, batch)
                return
            for part in coordinates:
                self._polygon(part, label, None, batch)
        else:
            self.left_out[kind if isinstance(kind, str) else _NO_FEATURE] += 1

    def _label(self, feature: dict[str, Any]) -> str:
        """The type of a Feature: QuPath's classification, or a property that other programs use."""
        label = class_of(feature)
        if label:
            return label
        properties = properties_of(feature)
        for key in _LABEL_KEYS:
            value = properties.get(key)
            if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
                self.label_keys.add(key)
                return str(value)
        return ""

    def _polygon(self, rings: Any, label: str, measures: Mapping[str, Any] | None, batch: _Batch) -> None:
        if isinstance(rings, list) and rings:
            batch.polygon(rings[0], label, measures)
        else:
            self.left_out["empty Polygon"] += 1

    def _add_parts(self, large: _Large, parts: list[Any]) -> None:
        """Add parts of a large geometry; its type may not have been said yet, so their own form tells."""
        batch = _Batch(large.rows)
        for part in parts:
            first = part[0] if isinstance(part, list) and part else None
            if isinstance(first, list) and first and isinstance(first[0], list):
                batch.polygon(first, "", None)
            elif isinstance(part, list) and not isinstance(first, list):
                batch.point(part, "")
            else:
                large.n_other += 1
        batch.flush()

    def _no_geojson(self) -> CellsError:
        return CellsError(f"{self._name} is JSON, but not GeoJSON.", EXPORT_HINT)

    def _no_feature(self) -> CellsError:
        return CellsError(f"{self._name} holds something that is no GeoJSON Feature.", EXPORT_HINT)


class _Batch:
    """Cells of one piece on their way into rows."""

    def __init__(self, rows: CellRows) -> None:
        self._rows = rows
        self._centres: list[Any] = []
        self._rings: list[Any] = []
        self._labels: list[str] = []
        self._measures: list[Mapping[str, Any] | None] = []

    def point(self, xy: Any, label: str, measures: Mapping[str, Any] | None = None) -> None:
        self._put(xy if isinstance(xy, list) else [], None, label, measures)

    def polygon(self, ring: Any, label: str, measures: Mapping[str, Any] | None) -> None:
        self._put(None, ring if isinstance(ring, list) else [], label, measures)

    def flush(self) -> None:
        if self._labels:
            measures = self._measures if any(self._measures) else []
            self._rows.add(self._centres, self._rings, self._labels, measures)

    def _put(self, centre: Any, ring: Any, label: str, measures: Mapping[str, Any] | None) -> None:
        self._centres.append(centre)
        self._rings.append(ring)
        self._labels.append(label)
        self._measures.append(measures)


def _owner(path: JsonPath) -> JsonPath:
    """Path of the Feature that a path leads into."""
    while path and path[-1] in ("coordinates", "geometry", "properties"):
        path = path[:-1]
    return path


def _n_vertices(polygon: Any) -> int:
    return len(polygon[0]) if isinstance(polygon, list) and polygon and isinstance(polygon[0], list) else 0


def _measures_of(feature: dict[str, Any]) -> Mapping[str, Any] | None:
    """What was measured; QuPath before 0.4 wrote a list of name and value."""
    measures = properties_of(feature).get("measurements")
    if isinstance(measures, dict):
        return measures
    if isinstance(measures, list):
        return {
            str(entry["name"]): entry.get("value")
            for entry in measures
            if isinstance(entry, dict) and "name" in entry
        }
    return None
