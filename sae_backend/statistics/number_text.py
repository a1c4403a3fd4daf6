"""Numbers in words: the one place that decides how a count, a correlation, an interval or a p value is written.

Window, command line, studies, report, atlas and exported texts all take theirs from here. Tables that programs read hold
the numbers themselves.
"""

from __future__ import annotations

import math
from typing import Final

MISSING: Final = "–"
"""Stands for a number that is not there, where there is no room to say why."""

NOT_DEFINED: Final = "not defined"
"""The same within a sentence."""

P_FINEST: Final = 0.001
"""No p is written more finely than this, unless its own null distribution allows it (and says so by `finest`)."""


def count_text(n: int, singular: str, plural: str = "") -> str:
    """A count with its noun: `1 slide`, `12,034 slides`; `plural` for nouns that do not just take an s."""
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def number_text(value: float | None, digits: int = 3) -> str:
    """A number with some significant digits, large ones in full; `MISSING` where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return _minus(f"{value:,.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits}g}")


def percent_text(share: float | None) -> str:
    """A share (0 to 1) in per cent; small ones keep two significant digits."""
    if share is None or not math.isfinite(share):
        return MISSING
    return "0 %" if share == 0 else f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.1f} %"


def r_text(value: float | None, digits: int = 2) -> str:
    """A correlation, or another number of that size, with fixed decimals; what rounds to 0 has no sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else _minus(text)


def interval_text(
    low: float | None, high: float | None, digits: int = 2, missing: str = "no interval"
) -> str:
    """Both ends of an interval: `0.12 to 0.34`."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return missing
    return f"{r_text(low, digits)} to {r_text(high, digits)}"


def value_text(value: float | None, digits: int = 2) -> str:
    """As :func:`r_text`, within a sentence: `not defined` where there is none."""
    return r_text(value, digits) if value is not None and math.isfinite(value) else NOT_DEFINED


def estimate_text(
    value: float | None, low: float | None, high: float | None, digits: int = 2, lead: str = "95 % interval "
) -> str:
    """A value with its 95 % interval: `0.25 (95 % interval 0.12 to 0.34)`, or `0.25 (no interval)`."""
    if value is None or not math.isfinite(value):
        return NOT_DEFINED
    ends = interval_text(low, high, digits, missing="")
    return f"{r_text(value, digits)} ({lead + ends if ends else 'no interval'})"


def p_text(value: float | None, finest: float = P_FINEST, missing: str = MISSING) -> str:
    """A p or q with two significant digits; below `finest`, the smallest that its null distribution can give, `< finest`."""
    if value is None or not math.isfinite(value):
        return missing
    return f"{value:.2g}" if value >= finest else f"< {finest:g}"


def p_is_text(value: float | None, finest: float = P_FINEST) -> str:
    """A p value within a sentence: `p 0.012`, `p < 0.001`, `p not defined`."""
    return f"p {p_text(value, finest, missing=NOT_DEFINED)}"


def length_text(length_um: float) -> str:
    """A length as people write it: in mm from 1,000 um on."""
    return f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um:g} µm"


def bytes_text(n_bytes: float) -> str:
    """A size of a file or folder in kB, MB or GB (powers of 1,000)."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes / 1e3:.3g} kB"


def _minus(text: str) -> str:
    """A real minus before a number; the hyphen of an exponent stays."""
    return "−" + text[1:] if text.startswith("-") else text
