"""What a text is by its beginning: cells, regions, annotations, or something else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from desktop_app.project.drop.detected import ANNOTATIONS_FORMAT, DetectedFile, unknown
from sae_backend.cells.formats.delimited_table import has_coordinates, text_columns

_CELL_PATTERNS: Final = (
    (rb'"cell_masks"\s*:', "HistoPLUS"),
    (rb'"nuc"\s*:', "HoVer-Net"),
    (rb'"(type_map|wsi_metadata|processed_patches)"\s*:', "CellViT"),
    (rb'"cells"\s*:\s*\[\s*\{', "CellViT"),
    (rb'^\s*\{\s*"\d+"\s*:\s*\[\s*\d+\s*,\s*\[', "HoVer-NeXt"),
    (rb'^\s*\{\s*"\d+"\s*:\s*\{[^{}]*"(centroid|contour)"\s*:', "HoVer-Net"),
    (rb'"coord"\s*:\s*\[\s*\[\s*\[', "StarDist"),
    (rb'"points"\s*:\s*\[\s*\[\s*-?[\d.]+\s*,', "StarDist"),
)


def recognise_text(path: Path, head: bytes) -> DetectedFile:
    """Tell what a text is by its beginning."""
    if b"\x00" in head:
        return unknown(path, f"{path.name} is nothing that Sparsescope opens.")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return recognise_json(path, head)
    names, separator = text_columns(head)
    return recognise_columns(path, names, "TSV table" if separator == "\t" else "CSV table")


def recognise_columns(path: Path, names: list[str], form: str) -> DetectedFile:
    """Tell what a table is by the names of its columns."""
    if has_coordinates(names):
        return DetectedFile("cells", path, f"cells ({form})")
    if {"feature", "sae_digest"} <= set(names):
        return unknown(
            path,
            f"{path.name} is annotations written for spreadsheets.",
            "Export them as JSON to bring them into another project.",
        )
    if "feature" in names:
        return unknown(
            path, f"{path.name} is a table of features that was exported.", "There is nothing in it to open."
        )
    if len(names) > 1:
        return unknown(
            path,
            f"{path.name} is a table without columns for x and y, so it holds no cells.",
            "Name them in the first line, such as x, y and type (or x_um, y_um). What is known of slides comes in by "
            "Slide > Import slide table.",
        )
    return unknown(path, f"{path.name} is nothing that Sparsescope opens.")


def recognise_json(path: Path, head: bytes) -> DetectedFile:
    """Tell what a JSON document is by its beginning."""

    def has(pattern: bytes) -> bool:
        return re.search(pattern, head) is not None

    if has(rb'"format"\s*:\s*"' + ANNOTATIONS_FORMAT.encode() + rb'"'):
        return DetectedFile("annotations", path, "annotations (JSON)")
    first = head.split(b"\n", 1)[0]
    if head.lstrip()[:1] == b"{" and b'"saeId"' in first and b'"index"' in first:
        return DetectedFile("annotations", path, "annotations (JSON Lines)")
    if has(rb'"type"\s*:\s*"Feature(Collection)?"'):
        kinds = {kind.lower() for kind in re.findall(rb'"object_?[tT]ype"\s*:\s*"(\w+)"', head)}
        shapes = set(re.findall(rb'"type"\s*:\s*"((?:Multi)?(?:Point|Polygon))"', head))
        # Cells are points, or many polygons in one object; a single outline that is called an annotation
        # is a region that somebody drew.
        if kinds == {b"annotation"} and b"Polygon" in shapes and not shapes & {b"Point", b"MultiPoint"}:
            return DetectedFile("regions", path, "regions (GeoJSON)")
        return DetectedFile("cells", path, "cells (GeoJSON)")
    program = next((name for pattern, name in _CELL_PATTERNS if has(pattern)), None)
    if program is not None:
        return DetectedFile("cells", path, f"cells ({program} JSON)")
    return unknown(path, f"{path.name} is JSON, but holds neither cells nor annotations.")
