"""Two groups of slides, told apart by a column of the slide table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sae_backend.errors import UserInputError


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

    Raises
    ------
    UserInputError
        When there is no such column or value, it has more than two values and none was chosen, or a patient
        is in both groups.
    """
    columns = sorted({key for known in facts for key in known})
    if not fact:
        raise UserInputError(
            "Two groups of slides need a column that tells them apart.",
            f"The slide table has {', '.join(columns) or 'no columns: import one'}.",
        )
    texts = [_value(known, fact) for known in facts]
    counted = Counter(text for text in texts if text)
    if not counted:
        raise UserInputError(
            f"No slide has a value in the column {fact!r}.",
            f"The slide table has {', '.join(columns) or 'no columns: import one'}.",
        )
    first, second = _chosen(counted, fact, a, b)
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


def _chosen(counted: Counter[str], fact: str, a: str | None, b: str | None) -> tuple[str, str | None]:
    """Values of the two groups; the second is None where it is all others together."""
    values = [value for value, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))]
    for wanted in (a, b):
        if wanted is not None and wanted not in counted:
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
            raise UserInputError(
                f"The column {fact!r} has {len(values)} values: {', '.join(values)}.", "Choose two of them."
            )
        return values[0], values[1]
    if a is None:
        rest = [value for value in values if value != b]
        if len(rest) > 1:
            raise UserInputError(
                f"The column {fact!r} has {len(values)} values: {', '.join(values)}.",
                "Choose the first group, too.",
            )
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
