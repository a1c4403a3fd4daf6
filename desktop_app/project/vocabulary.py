"""The controlled vocabulary of concepts: shipped with the program, extended in a project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import orjson

from sae_backend.errors import StoreError, UserInputError
from sae_backend.paths import resource

if TYPE_CHECKING:
    from desktop_app.store import Store

SETTING: Final = "vocabulary"
SEPARATOR: Final = ": "


@dataclass(frozen=True)
class Vocabulary:
    """Terms by family, in the order in which they are offered.

    An annotation holds a concept as "family: term".
    """

    families: Mapping[str, tuple[str, ...]]

    @cached_property
    def concepts(self) -> tuple[str, ...]:
        """Every concept as annotations hold it."""
        return tuple(
            f"{family}{SEPARATOR}{term}" for family, terms in self.families.items() for term in terms
        )

    def with_concept(self, text: str) -> Vocabulary:
        """Return the vocabulary with one more concept, "family: term" or a term of the family "other".

        Raises
        ------
        UserInputError
            When the text is empty or has no term.
        """
        family, _, term = (text if SEPARATOR.strip() in text else f"other{SEPARATOR}{text}").partition(":")
        family, term = family.strip().casefold(), " ".join(term.split())
        if not family or not term:
            raise UserInputError(
                "A concept needs a word.", "Write it as family: term, for example stroma: keloid collagen."
            )
        terms = self.families.get(family, ())
        if term in terms:
            return self
        return Vocabulary({**self.families, family: (*terms, term)})


def shipped() -> Vocabulary:
    """The vocabulary that comes with the program.

    Raises
    ------
    CacheError
        When the installation lacks it.
    """
    families = orjson.loads(resource("vocabulary.json").read_bytes())
    return Vocabulary({family: tuple(terms) for family, terms in families.items()})


def of_project(store: Store) -> Vocabulary:
    """The project's vocabulary: its own where it was edited, else the shipped one.

    Raises
    ------
    StoreError
        When what the project holds is not a vocabulary.
    """
    text = store.settings.get(SETTING)
    return shipped() if text is None else from_text(text)


def keep(store: Store, vocabulary: Vocabulary) -> None:
    """Make a vocabulary the project's own."""
    store.settings.set(SETTING, to_text(vocabulary))


def to_text(vocabulary: Vocabulary) -> str:
    """JSON of a vocabulary."""
    return orjson.dumps(dict(vocabulary.families)).decode()


def from_text(text: str) -> Vocabulary:
    """Read back what `to_text` wrote.

    Raises
    ------
    StoreError
        When it is something else.
    """
    hint = "Import a vocabulary again, or restore the project from a copy."
    try:
        families = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise StoreError("The vocabulary of this project cannot be read.", hint) from error
    if not isinstance(families, dict) or not all(
        isinstance(terms, list) and all(isinstance(term, str) for term in terms)
        for terms in families.values()
    ):
        raise StoreError("The vocabulary of this project is no list of terms.", hint)
    return Vocabulary({family: tuple(terms) for family, terms in families.items()})


def from_lines(lines: str) -> Vocabulary:
    """Vocabulary written by people, one "family: term" a line.

    Raises
    ------
    UserInputError
        For a line without a term.
    """
    vocabulary = Vocabulary({})
    for line in lines.splitlines():
        if line.strip():
            vocabulary = vocabulary.with_concept(line)
    return vocabulary
