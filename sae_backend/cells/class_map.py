"""Types of cells under other names: renamed, merged by a name in common, or left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from sae_backend.cells.table import CellTable
from sae_backend.errors import UserInputError

_FORM_HINT = 'The form is {"renamed": {"A": "B"}, "ignored": ["C"]}.'


@dataclass(frozen=True)
class ClassMap:
    """What becomes of types.

    Attributes
    ----------
    renamed
        New names by old ones; types that get one name are merged. What is not in it keeps its name.
    ignored
        Types, by the names in the file, whose cells are left out.

    Raises
    ------
    UserInputError
        When a name is blank, or a type is both renamed and ignored.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "renamed", MappingProxyType(dict(self.renamed)))
        object.__setattr__(self, "ignored", frozenset(self.ignored))
        for name in (*self.renamed, *self.renamed.values(), *self.ignored):
            if not isinstance(name, str) or not name.strip():
                raise UserInputError(f"{name!r} is no name of a cell type.", "Give a name that is not blank.")
        both = sorted(self.ignored & self.renamed.keys())
        if both:
            raise UserInputError(
                f"The cell type {both[0]!r} is both renamed and ignored.", "Do one of the two."
            )

    def __hash__(self) -> int:
        return hash((frozenset(self.renamed.items()), self.ignored))

    def apply(self, table: CellTable) -> CellTable:
        """Return the cells under their new types, sorted by name and without those ignored.

        Types that no cell is left of are dropped.
        """
        new = [self.renamed.get(name, name).strip() for name in table.type_names]
        kept = np.array([name not in self.ignored for name in table.type_names], np.bool_)
        cells = kept[table.type_index] if kept.size else np.zeros(0, np.bool_)
        left = table if cells.all() else table.take(cells)
        used = {new[i] for i in np.unique(left.type_index).tolist()}
        names = tuple(sorted(used))
        number = {name: i for i, name in enumerate(names)}
        order = np.array([number.get(name, 0) for name in new], np.uint16)
        index = order[left.type_index] if order.size else left.type_index
        return replace(left, type_index=index, type_names=names)

    def unknown(self, type_names: Iterable[str]) -> tuple[str, ...]:
        """Return the names that it speaks of and that are not among these, sorted."""
        return tuple(sorted((self.renamed.keys() | self.ignored) - set(type_names)))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {"renamed": dict(sorted(self.renamed.items())), "ignored": sorted(self.ignored)}

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Return what :meth:`to_json` gave.

        Raises
        ------
        UserInputError
            When it has another form.
        """
        if not isinstance(document, Mapping):
            raise UserInputError("What becomes of the cell types is no JSON object.", _FORM_HINT)
        strange = sorted(str(key) for key in document.keys() - {"renamed", "ignored"})
        if strange:
            raise UserInputError(f"What becomes of the cell types has a key {strange[0]!r}.", _FORM_HINT)
        renamed, ignored = document.get("renamed", {}), document.get("ignored", [])
        if not isinstance(renamed, Mapping) or not all(
            isinstance(name, str) for pair in renamed.items() for name in pair
        ):
            raise UserInputError("The renamed cell types are no object of names.", _FORM_HINT)
        if not isinstance(ignored, list) or not all(isinstance(name, str) for name in ignored):
            raise UserInputError("The ignored cell types are no list of names.", _FORM_HINT)
        return cls(renamed, frozenset(ignored))

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Return what `A=B` (A becomes B) and `A=` (A is left out) say, each part once.

        Raises
        ------
        UserInputError
            When a text has another form, or two say different things of one type.
        """
        renamed: dict[str, str] = {}
        ignored: set[str] = set()
        for text in [texts] if isinstance(texts, str) else texts:
            old, sign, new = (part.strip() for part in text.partition("="))
            if not sign or not old:
                raise UserInputError(
                    f"{text!r} does not say what becomes of a cell type.",
                    "Write Old name=New name, or Old name=.",
                )
            if old in ignored or renamed.get(old, new) != new:
                raise UserInputError(
                    f"Two things are to become of the cell type {old!r}.", "Say one of them."
                )
            if new:
                renamed[old] = new
            elif old in renamed:
                raise UserInputError(
                    f"Two things are to become of the cell type {old!r}.", "Say one of them."
                )
            else:
                ignored.add(old)
        return cls(renamed, frozenset(ignored))
