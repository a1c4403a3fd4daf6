"""Frozen records of what people say of features, and the schema of the fields that they fill in.

A field of an annotation is one line of `AnnotationRecord` and a migration that adds its column. Its check, its editor in
the window, its option of the command line, its place in exports, imports and the history follow from that line.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, cast, get_args

from desktop_app.store.encoding.plain import checked_text
from sae_backend.errors import UserInputError

Status = Literal["unseen", "draft", "reviewed", "rejected"]
Nature = Literal["", "biological", "technical"]
FieldValue = str | int | bool | tuple[str, ...] | None
"""Value of one annotation field."""
FieldKind = Literal["text", "long text", "concept", "tags", "choice", "flag"]
_SCHEMA: Final = "annotation field"


@dataclass(frozen=True)
class FeatureRef:
    """One feature of one SAE: what an annotation hangs on, the same on every slide."""

    sae_digest: str
    index: int


@dataclass(frozen=True)
class AnnotationField:
    """What is known of one field that people fill in.

    Attributes
    ----------
    name, kind
        As in `AnnotationRecord` and in every file; how it is edited and checked.
    blank
        Its value as long as nobody has said anything.
    label
        What people read; the letter after & opens it from the keyboard.
    help
        What it means, in words that a tool tip and the command line share.
    choices
        Allowed values of a choice, each with what people read.
    row
        Row of the form; two fields of one row stand side by side, the second without a label.
    column
        Header in the table of features, empty where it is not shown there.
    since
        Version of the exchange file that has it first.
    """

    name: str
    kind: FieldKind
    blank: FieldValue
    label: str
    help: str
    choices: tuple[tuple[str | int | None, str], ...] = ()
    row: int = 99
    column: str = ""
    since: int = 1

    @property
    def title(self) -> str:
        """The label as it is read."""
        return self.label.replace("&", "")

    @property
    def is_number(self) -> bool:
        """Whether its choices are numbers."""
        return any(isinstance(value, int) for value, _ in self.choices)

    def check(self, value: Any) -> FieldValue:
        """Return a value as it is stored: texts trimmed, tags once each.

        Raises
        ------
        UserInputError
            When it is of the wrong type or not among the choices.
        """
        match self.kind:
            case "tags":
                if isinstance(value, str) or not isinstance(value, Iterable):
                    raise UserInputError("Tags are a list of words.", "Give them separately.")
                tags = (checked_text("tag", tag).strip() for tag in value)
                return tuple(dict.fromkeys(tag for tag in tags if tag))
            case "flag":
                if not isinstance(value, bool):
                    raise UserInputError(f"{self.title} cannot be {value!r}.", "It is either set or not.")
                return value
            case "choice":
                # A number from numpy is a number, but True is not 1.
                if hasattr(value, "__index__") and not isinstance(value, bool):
                    value = operator.index(value)
                for allowed, _ in self.choices:
                    if type(value) is type(allowed) and value == allowed:
                        return allowed
                raise UserInputError(
                    f"{self.title} cannot be {value!r}.", f"Give one of {', '.join(self.options())}."
                )
        return checked_text(self.name, value).strip()

    def options(self) -> dict[str, str | int | None]:
        """Choices by what is typed for them."""
        return {"none" if value in ("", None) else str(value): value for value, _ in self.choices}

    def text(self, value: FieldValue) -> str:
        """Value in words, empty where it says nothing."""
        if isinstance(value, bool):
            return "yes" if value else ""
        if isinstance(value, tuple):
            return ", ".join(value)
        if value is None:
            return ""
        return f"{value} of {self.choices[-1][0]}" if self.is_number else str(value)


def _said(kind: FieldKind, label: str, help: str, **more: Any) -> dict[str, Any]:  # noqa: A002 - as argparse has it
    return {_SCHEMA: {"kind": kind, "label": label, "help": help, **more}}


@dataclass(frozen=True)
class AnnotationRecord:
    """Annotations of one feature. Revision 0 means that nobody has said anything yet.

    `updated_at` is UTC in ISO 8601, empty at revision 0. The other fields say of themselves what they mean.
    """

    sae_digest: str
    feature: int
    # fmt: off
    name: str = field(default="", metadata=_said(
        "text", "&Name", "what this feature sees, in a few words", row=0, column="Name"))
    description: str = field(default="", metadata=_said(
        "long text", "&Description", "what it shows, in full", row=5))
    tags: tuple[str, ...] = field(default=(), metadata=_said(
        "tags", "Ta&gs", "tags, separated by commas; they replace the earlier ones", row=4, column="Tags"))
    confidence: int | None = field(default=None, metadata=_said(
        "choice", "C&onfidence", "how sure you are, from 1 (a guess) to 5 (certain)", row=3, column="Conf.",
        choices=((None, "not given"), (1, "1 – a guess"), (2, "2"), (3, "3"), (4, "4"), (5, "5 – certain"))))
    status: Status = field(default="unseen", metadata=_said(
        "choice", "Status", "how far the review of this feature is", row=3, column="Status",
        choices=tuple((value, value) for value in get_args(Status))))
    author: str = ""
    updated_at: str = ""
    revision: int = 0
    concept: str = field(default="", metadata=_said(
        "concept", "Conce&pt", "term of the vocabulary, written as family: term", row=1, column="Concept", since=2))
    nature: Nature = field(default="", metadata=_said(
        "choice", "Nat&ure",
        "whether it follows the tissue (biological) or how the slide was cut, stained and scanned (technical)",
        row=2, since=2, choices=tuple((value, value or "not given") for value in get_args(Nature))))
    polysemantic: bool = field(default=False, metadata=_said(
        "flag", "Polysemantic",
        "a polysemantic feature: it responds to several things that have nothing to do with each other",
        row=2, since=2))
    # fmt: on

    @property
    def ref(self) -> FeatureRef:
        """The feature that this is about."""
        return FeatureRef(self.sae_digest, self.feature)

    def content(self) -> dict[str, FieldValue]:
        """The fields that people fill in, by name."""
        return {name: getattr(self, name) for name in FIELDS}

    def cells(self) -> dict[str, str | int | bool | None]:
        """The same, tags joined by semicolons, for a row of a table."""
        return {
            name: ";".join(value) if isinstance(value, tuple) else value
            for name, value in self.content().items()
        }

    @property
    def words(self) -> str:
        """All that was written, to search in."""
        found = (
            one.text(getattr(self, one.name)) for one in FIELDS.values() if one.kind not in ("choice", "flag")
        )
        return " ".join(text for text in found if text)


FIELDS: Final[Mapping[str, AnnotationField]] = {
    known.name: AnnotationField(
        name=known.name, blank=cast(FieldValue, known.default), **known.metadata[_SCHEMA]
    )
    for known in fields(AnnotationRecord)
    if _SCHEMA in known.metadata
}
"""The fields that people fill in, by name."""
FORM: Final = tuple(sorted(FIELDS.values(), key=lambda known: known.row))
"""The fields in the order in which people read them."""


def checked_content(content: Mapping[str, Any]) -> dict[str, FieldValue]:
    """Return annotation fields as they are stored, all values legal, in the order of the schema.

    Raises
    ------
    UserInputError
        When there is no such field, or a value is of the wrong type or out of range.
    """
    for name in content:
        if name not in FIELDS:
            raise UserInputError(f"Annotations have no field {name!r}.", "Check its spelling.")
    return {name: known.check(content[name]) for name, known in FIELDS.items() if name in content}


@dataclass(frozen=True)
class HistoryRecord:
    """One changed field of an annotation; `revision` is the one that the change made."""

    at: str
    author: str
    field: str
    before: FieldValue
    after: FieldValue
    revision: int


@dataclass(frozen=True)
class AnnotationConflict:
    """A feature that two people described differently, and in which fields."""

    mine: AnnotationRecord
    theirs: AnnotationRecord
    fields: tuple[str, ...]


@dataclass(frozen=True)
class ImportReport:
    """What became of imported annotations; those in conflict were left as they were."""

    added: int
    unchanged: int
    conflicts: list[AnnotationConflict]
    comments_added: int = 0
    examples_added: int = 0
    listed: int = 0
