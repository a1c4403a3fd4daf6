"""Which slides of a project the rows of a table name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from desktop_app.project.slides.slide_table import SlideTable, TableRow, merged
from sae_backend.errors import UserInputError
from sae_backend.slides.slide import SLIDE_ENDINGS
from sae_backend.statistics.number_text import count_text

_N_NAMED: Final = 3
_N_KEYS: Final = 6


class NamedSlide(Protocol):
    """A slide as the project knows it."""

    @property
    def id(self) -> int:
        """Number of the slide in the project."""

    @property
    def name(self) -> str:
        """Name of its file."""


@dataclass(frozen=True)
class MatchedTable:
    """The rows of a table by slide of the project.

    Attributes
    ----------
    table
        The table.
    values
        Texts by column, by the slide's id; an empty text where the table's field is empty.
    n_slides
        Slides of the project.
    unknown, ambiguous
        Names in the table that fit no slide of the project, and those that fit several.
    """

    table: SlideTable
    values: dict[int, dict[str, str]]
    n_slides: int
    unknown: tuple[str, ...]
    ambiguous: tuple[str, ...]

    @property
    def words(self) -> str:
        """What was taken and what was not, as one sentence."""
        n_stated = sum(any(texts.values()) for texts in self.values.values())
        keys = [key for key in self.table.keys if any(texts[key] for texts in self.values.values())]
        said = [f"{n_stated:,} of {count_text(self.n_slides, 'slide')} got {_and(keys)}"]
        if self.unknown:
            said.append(
                f"{_rows(self.unknown, 'names', 'name')} no slide of this project: {_first(self.unknown)}"
            )
        if self.ambiguous:
            said.append(
                f"{_rows(self.ambiguous, 'fits', 'fit')} several slides, so nothing was taken of "
                f"{'it' if len(self.ambiguous) == 1 else 'them'}: {_first(self.ambiguous)}"
            )
        if self.table.n_nameless_rows:
            said.append(f"{count_text(self.table.n_nameless_rows, 'row')} without a slide's name left out")
        if self.table.n_nameless_columns:
            said.append(f"{count_text(self.table.n_nameless_columns, 'column')} without a name left out")
        return "; ".join(said) + "."


def match_slides(table: SlideTable, slides: Sequence[NamedSlide]) -> MatchedTable:
    """Find the slide that each row names.

    A row names a slide by its file name, or else by the file name without its ending (`a` or `a.tif` for
    `a.svs`), case counting only where it decides. A row that fits several slides is not used. Nor is one
    that differs in the ending where another row has the slide's own: it is about another file.

    Raises
    ------
    UserInputError
        When no row names a slide, or two rows contradict each other on one slide.
    """
    finder = _Finder(slides)
    found: dict[int, list[tuple[bool, TableRow]]] = {}
    unknown: list[str] = []
    ambiguous: list[str] = []
    for row in table.rows:
        fitting, other_ending = finder.fitting(row.slide)
        if len(fitting) == 1:
            found.setdefault(fitting[0].id, []).append((other_ending, row))
        else:
            (ambiguous if fitting else unknown).append(row.slide)
    values: dict[int, dict[str, str]] = {}
    by_id = {slide.id: slide.name for slide in slides}
    for slide_id, rows in found.items():
        own = [row for other_ending, row in rows if not other_ending]
        unknown += [row.slide for other_ending, row in rows if other_ending and own]
        for row in own or [row for _, row in rows]:
            before = values.get(slide_id, {})
            values[slide_id] = merged(before, row.values, by_id[slide_id], table.name)
    if not values:
        seen = _first([*unknown, *ambiguous])
        raise UserInputError(
            f"No row of {table.name} names a slide of this project"
            + (f": column {table.slide_column!r} holds {seen}." if seen else "."),
            f"Column {table.slide_column!r} must hold the file names of slides, such as "
            f"{slides[0].name if slides else 'a.svs'}.",
        )
    return MatchedTable(table, values, len(slides), tuple(unknown), tuple(ambiguous))


class _Finder:
    """Finds slides by what a table calls them; made once, since tables of whole archives have many rows."""

    def __init__(self, slides: Sequence[NamedSlide]) -> None:
        self._ways: list[tuple[Callable[[str], str], bool, dict[str, list[NamedSlide]]]] = []
        for of_row, of_slide, other_ending in ((str, str, False), (str, _stem, False), (_stem, _stem, True)):
            for fold in (str, str.casefold):
                by_name: dict[str, list[NamedSlide]] = {}
                for slide in slides:
                    by_name.setdefault(fold(of_slide(slide.name)), []).append(slide)
                self._ways.append((_then(of_row, fold), other_ending, by_name))

    def fitting(self, written: str) -> tuple[list[NamedSlide], bool]:
        """Slides that a name fits best, and whether it fits only with its own ending taken away."""
        for key_of, other_ending, by_name in self._ways:
            if found := by_name.get(key_of(written)):
                return found, other_ending
        return [], False


def _then(first: Callable[[str], str], second: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: second(first(text))


def _stem(name: str) -> str:
    # Dots are common inside names: only what is known as an ending of slides is one.
    path = Path(name)
    return path.stem if path.suffix.casefold() in SLIDE_ENDINGS else name


def _rows(names: Sequence[str], one: str, many: str) -> str:
    return f"{count_text(len(names), 'row')} {one if len(names) == 1 else many}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_N_NAMED]) + (" …" if len(names) > _N_NAMED else "")


def _and(words: Iterable[str]) -> str:
    *most, last = list(words) or ["no value"]
    if len(most) >= _N_KEYS:
        most, last = most[: _N_KEYS - 1], f"{len(most) - _N_KEYS + 2} further columns"
    return f"{', '.join(most)} and {last}" if most else last
