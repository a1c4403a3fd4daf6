"""From what a study stored, arrays and JSON by name, to dataclasses: once, so that nothing else looks values up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)


def typed(cls: type[Record], *sources: Mapping[str, Any], **known: Any) -> Record:
    """Make a dataclass of the values that have the names of its fields; others are left out.

    A field with a default may be missing, as in runs of earlier versions.

    Raises
    ------
    KeyError
        When another is missing.
    """
    values = dict(known)
    for field in fields(cls):
        found = next((source for source in sources if field.name in source), None)
        if field.name in values:
            continue
        if found is not None:
            values[field.name] = found[field.name]
        elif field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(field.name)
    return cls(**values)


def under(values: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """What has a name that begins with a path, such as `group/` for `group`, by the rest of its name."""
    start = "".join(f"{part}/" for part in path)
    return {name.removeprefix(start): value for name, value in values.items() if name.startswith(start)}
