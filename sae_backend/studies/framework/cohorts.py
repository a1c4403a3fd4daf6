"""Two groups of slides, told apart by a column of the slide table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from shlex import quote

from sae_backend.errors import UserInputError
from sae_backend.statistics.number_text import count_text


@dataclass(frozen=True)
class TwoGroups:
    """Numbers of the slides of two groups, and what these are called.

    `n_other` slides are in neither: their column says something else, or nothing.
    """

    fact: str
    a: str
    b: str
    slides_a: tuple[int, ...]
    slides_b: tuple[int, ...]
    n_other: int


def two_groups(
    facts: Sequence[Mapping[str, str]],
    units: Sequence[str],
    fact: str | None,
    a: str | None = None,
    b: str | None = None,
    ask: str = "",
) -> TwoGroups:
    """Tell two groups of slides apart.

    Parameters
    ----------
    facts
        What the slide table says of each slide.
    units
        Patient of each slide, or the slide where that is unknown.
    fact
        Name of the column, whatever its case.
    a, b
        Its values; without them, the two that there are, the one with more slides first. With `a` alone,
        all other values together are `b`.
    ask
        The command that asked, up to its groups, such as `sparsescope study domain --project DIR`: it is said how it
        goes on where groups have to be chosen.

    Raises
    ------
    UserInputError
        When there is no such column or value, it has more than two values and none was chosen, or a patient
        is in both groups.
    """
    columns = sorted({key for known in facts for key in known})
    if not fact:
        raise UserInputError(
            "Two groups of slides need a column that defines them.",
            f"The slide table has {', '.join(columns) or 'no columns: import one'}.",
        )
    texts = [_value(known, fact) for known in facts]
    counted = Counter(text for text in texts if text)
    if not counted:
        raise UserInputError(
            f"No slide has a value in the column {fact!r}.",
            f"The slide table has {', '.join(columns) or 'no columns: import one'}.",
        )
    found = _Values(fact, counted, _patients(texts, units), ask)
    first, second = _chosen(found, a, b)
    rest = second is None
    slides_a = tuple(k for k, text in enumerate(texts) if text == first)
    slides_b = tuple(
        k for k, text in enumerate(texts) if (text == second if not rest else text not in ("", first))
    )
    _refuse_shared(units, slides_a, slides_b)
    others = [text for text in counted if text != first]
    return TwoGroups(
        fact=fact,
        a=first,
        b=second if second is not None else (others[0] if len(others) == 1 else f"not {first}"),
        slides_a=slides_a,
        slides_b=slides_b,
        n_other=len(texts) - len(slides_a) - len(slides_b),
    )


def _value(known: Mapping[str, str], fact: str) -> str:
    wanted = fact.casefold()
    return next((text for key, text in known.items() if key.casefold() == wanted), "")


@dataclass(frozen=True)
class _Values:
    """Values of a column: slides of each, patients of each, and the command that asked."""

    fact: str
    slides: Counter[str]
    patients: Mapping[str, frozenset[str]]
    ask: str

    @property
    def names(self) -> list[str]:
        """The one with most slides first."""
        return [value for value, _ in sorted(self.slides.items(), key=lambda pair: (-pair[1], pair[0]))]

    def too_many(self, first: str | None = None) -> UserInputError:
        """What to say where two of several values have to be chosen; `first` is the other group where that is known."""
        told = ", ".join(
            f"{value} ({count_text(len(self.patients[value]), 'patient')})" for value in self.names
        )
        one, other = self._proposed(first)
        groups = f"--fact {quote(self.fact)} --a {quote(one)} --b {quote(other)}"
        command = f"{self.ask} {groups}" if self.ask else groups
        return UserInputError(
            f"The column {self.fact!r} has {len(self.slides)} values: {told}.",
            f"Choose two of them (First group and Second group in the window), such as: {command}",
        )

    def _proposed(self, first: str | None) -> tuple[str, str]:
        """Two values that no patient has both of, those of most patients first."""
        order = sorted(self.names, key=lambda value: -len(self.patients[value]))
        pairs = [
            (one, other)
            for one, other in combinations(order, 2)
            if (first is None or first in (one, other)) and not self.patients[one] & self.patients[other]
        ]
        return pairs[0] if pairs else (order[0], order[1])


def _patients(texts: Sequence[str], units: Sequence[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for text, unit in zip(texts, units, strict=True):
        found.setdefault(text, set()).add(unit)
    return {text: frozenset(some) for text, some in found.items()}


def _chosen(known: _Values, a: str | None, b: str | None) -> tuple[str, str | None]:
    """Values of the two groups; the second is None where it is all others together."""
    values, fact = known.names, known.fact
    for wanted in (a, b):
        if wanted is not None and wanted not in known.slides:
            raise UserInputError(
                f"No slide has {wanted!r} in the column {fact!r}.", f"There are: {', '.join(values)}."
            )
    if a is not None and a == b:
        raise UserInputError("The two groups are the same.", "Choose two different values.")
    if len(values) < 2:
        raise UserInputError(
            f"All slides have {values[0]!r} in the column {fact!r}.",
            "Choose a column in which they differ, or add slides.",
        )
    if a is None and b is None:
        if len(values) > 2:
            raise known.too_many()
        return values[0], values[1]
    if a is None:
        rest = [value for value in values if value != b]
        if len(rest) > 1:
            raise known.too_many(b)
        return rest[0], b
    return a, b


def _refuse_shared(units: Sequence[str], slides_a: Sequence[int], slides_b: Sequence[int]) -> None:
    shared = sorted({units[k] for k in slides_a} & {units[k] for k in slides_b})
    if shared:
        n = len(shared)
        raise UserInputError(
            f"{n} patient{'s have' if n > 1 else ' has'} slides in both groups, so these are not independent.",
            "Choose a column that is the same for all slides of a patient.",
        )
