"""Nuclei as segmentation programs list them in JSON: objects with `centroid`, `contour` and `type`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sae_backend.cells.parsing.raw_cells import CellRows
from sae_backend.errors import CellsError

WRITE_HINT = "Write it again with the program that found the cells."

_MEASURES = ("type_prob", "prob", "confidence")


def add_nuclei(
    rows: CellRows,
    nuclei: Sequence[Any],
    name: str,
    label_of: Callable[[Any], str],
    keys: tuple[str, str, str] = ("centroid", "contour", "type"),
) -> None:
    """Add nuclei to rows.

    Parameters
    ----------
    rows
        Where they go.
    nuclei
        Objects with a centre [x, y], an outline [[x, y], ...] or both, and mostly a type.
    name
        Name of the file, for messages.
    label_of
        Turns what stands for the type, None where nothing does, into its name.
    keys
        What the centre, the outline and the type are called.

    Raises
    ------
    CellsError
        If one is no object, or its coordinates are no numbers.
    """
    centre, outline, kind = keys
    try:
        centres = [nucleus.get(centre) for nucleus in nuclei]
        rings = [nucleus.get(outline) or None for nucleus in nuclei]
        types = [nucleus.get(kind) for nucleus in nuclei]
        measures = [
            {key: nucleus[key] for key in _MEASURES if nucleus.get(key) is not None} for nucleus in nuclei
        ]
    except (AttributeError, TypeError) as error:
        raise CellsError(f"{name} has something else where a cell belongs.", WRITE_HINT) from error
    if nuclei:
        rows.add(centres, rings, [label_of(value) for value in types], measures if any(measures) else [])


def type_text(value: Any, name: str) -> str:
    """Return what a file gives as a type, a text or a whole number, as a name; blank for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    raise CellsError(f"{name} has {str(value)[:40]!r} where the type of a cell belongs.", WRITE_HINT)


NUMBERED = "The file gives the types as numbers; rename them to what they mean."
