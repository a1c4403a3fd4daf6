"""Whether a correlation found on one cohort is there on another: kept, weaker, lost, or too little to say."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

VERDICTS: Final = ("undecided", "kept", "weaker", "lost", "reversed", "weaker or lost")
"""By code. Kept: there on B with the same sign, and not shown to be weaker. Weaker: there with the same sign, and
smaller. Lost: not shown on B, its interval there holds 0, and smaller there. Weaker or lost: smaller there, where the
corrected p does not show it and the interval of r alone leaves 0 out. Reversed: there with the other sign. Undecided:
neither is shown."""

UNDECIDED, KEPT, WEAKER, LOST, REVERSED, FADED = range(len(VERDICTS))
_LEVEL: Final = 0.05
_Z: Final = 1.959963984540054
_EDGE: Final = 1 - 1e-9


def difference_interval(
    a: Floats, a_ends: tuple[Floats, Floats], b: Floats, b_ends: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """95 % interval of a - b for correlations of independent patients (n,), from the interval of each.

    Zou (2007), Psychological Methods 12, 399, "Toward using confidence intervals to compare correlations".
    """
    low = a - b - np.sqrt((a - a_ends[0]) ** 2 + (b_ends[1] - b) ** 2)
    high = a - b + np.sqrt((a_ends[1] - a) ** 2 + (b - b_ends[0]) ** 2)
    return np.maximum(low, -2), np.minimum(high, 2)


def difference_p(
    a: Floats,
    a_ends: tuple[Floats, Floats],
    b: Floats,
    b_ends: tuple[Floats, Floats],
    n_units: tuple[int, int],
) -> Floats:
    """Two-sided p (n,) that two independent correlations are the same, on Fisher's z.

    The standard error of each is a half of its interval over the quantile of Student's t with one degree of freedom fewer
    than units, and the difference is judged by t with the degrees of freedom of Welch and Satterthwaite: six patients are
    too few for a normal distribution.
    """
    squares, freedom = [], [max(n - 1, 1) for n in n_units]
    for (low, high), df in zip((a_ends, b_ends), freedom, strict=True):
        squares.append(((_fisher(high) - _fisher(low)) / (2 * special.stdtrit(df, 0.975))) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.abs(_fisher(a) - _fisher(b)) / np.sqrt(squares[0] + squares[1])
        welch = (squares[0] + squares[1]) ** 2 / sum(
            one**2 / k for one, k in zip(squares, freedom, strict=True)
        )
        return np.asarray(2 * special.stdtr(welch, -t), np.float64)


def verdicts(
    a: Floats, b: Floats, p_b: Floats, p_difference: Floats, b_ends: tuple[Floats, Floats]
) -> npt.NDArray[np.uint8]:
    """Codes into `VERDICTS` (n,).

    Parameters
    ----------
    a, b
        r of each pair on the held-out half of A and on B.
    p_b
        p that there is nothing on B, corrected for all pairs.
    p_difference
        p that r is the same on both, corrected for all pairs.
    b_ends
        95 % interval of each r on B.
    """
    there = np.nan_to_num(p_b, nan=1.0) <= _LEVEL
    same_sign = a * b > 0
    smaller = (np.nan_to_num(p_difference, nan=1.0) <= _LEVEL) & (np.sign(a) * (a - b) > 0)
    alone = same_sign & (b_ends[0] * b_ends[1] > 0)
    out = np.full(a.shape, UNDECIDED, np.uint8)
    out[there & same_sign & ~smaller] = KEPT
    out[there & same_sign & smaller] = WEAKER
    out[~there & smaller & ~alone] = LOST
    out[~there & smaller & alone] = FADED
    out[there & ~same_sign] = REVERSED
    return out


def _fisher(r: Floats) -> Floats:
    return np.asarray(np.arctanh(np.clip(r, -_EDGE, _EDGE)), np.float64)
