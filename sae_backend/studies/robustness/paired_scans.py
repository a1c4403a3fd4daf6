"""The same tissue under several scanners: how well each feature agrees tile by tile, and how far it is shifted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.studies.framework.inputs import StudyInput

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_UNITS: Final = 5
"""Patients or glasses that an interval needs."""

_LEVEL: Final = 0.95
_SPAN: Final = 512
_Matrix = Any
"""Sparse or dense (n, W): `+`, `*` and `sum` mean the same of both."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of W columns over matched tiles, float64 (W,) each, NaN where a column never varies.

    Attributes
    ----------
    icc_a, icc_c
        Intraclass correlation ICC(A,1) of absolute agreement, and ICC(C,1) of consistency, which forgives a shift of
        a whole scanner; two-way, single measures (McGraw and Wong 1996).
    icc_a_low, icc_a_high
        Ends of its 95 % interval.
    high, low
        Numbers of the scanners with the highest and the lowest mean.
    shift, shift_low, shift_high
        Difference of these two means in standard deviations of tiles under one scanner, above 0 by chance alone, with
        its interval where there are `MIN_UNITS` units.
    percent
        The same difference in per cent of the mean over all scanners.
    n_active
        Matched tiles whose value is not 0 under every scanner; where they are few, one tile decides the ICC.
    """

    icc_a: Floats
    icc_c: Floats
    icc_a_low: Floats
    icc_a_high: Floats
    high: Ints
    low: Ints
    shift: Floats
    shift_low: Floats
    shift_high: Floats
    percent: Floats
    n_active: Floats

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """All arrays by the names under which they are stored."""
        return {f"{name}/{key}": value for key, value in vars(self).items()}


@dataclass(frozen=True)
class PairedScans:
    """Matched tiles of glasses that were scanned several times.

    Attributes
    ----------
    scanners
        Labels that are compared; every glass has one slide of each.
    features, raw
        Agreement of the features, and of the raw dimensions where all vectors are there.
    n_glasses, n_units, n_tiles
        Glasses, patients (or glasses, where no patient is known) that are drawn again, and matched tiles.
    reason
        Why there is nothing, empty where there is something.
    """

    scanners: tuple[str, ...] = ()
    features: Agreement | None = None
    raw: Agreement | None = None
    n_glasses: int = 0
    n_units: int = 0
    n_tiles: int = 0
    reason: str = ""


@dataclass(frozen=True)
class _Glass:
    unit: str
    slides: tuple[int, ...]
    tiles: tuple[Ints, ...] = field(default=())


@dataclass(frozen=True)
class _Sums:
    """Sums over the matched tiles of each unit: n (U,), by scanner (U, k, W), squares, squared row sums, active tiles (U, W)."""

    n: Floats
    by_scanner: Floats
    squares: Floats
    row_squares: Floats
    active: Floats


def paired_scans(
    inputs: StudyInput,
    number: int,
    columns: tuple[str, str],
    draws: tuple[int, int],
    step: Callable[[int, int], None],
) -> PairedScans:
    """Compare scanners tile by tile.

    Parameters
    ----------
    inputs, number
        Slides, and the feature set.
    columns
        Columns of the slide table that name the scanner and the glass.
    draws
        Number of draws of patients, and the seed.
    step
        Takes (done, total); may raise to end the work.
    """
    scanners, glasses = _glasses(inputs, columns)
    if len(scanners) < 2:
        return PairedScans(
            reason=f"no two slides with one {columns[1]} have different values of {columns[0]}"
        )
    some = inputs.sets[number]
    matched = [_matched(inputs, number, glass) for glass in glasses]
    matched = [glass for glass in matched if glass.tiles[0].size]
    n_tiles = sum(glass.tiles[0].size for glass in matched)
    if n_tiles < 2:
        return PairedScans(scanners, reason="scans of one glass have no place of the tile grid in common")
    units = list(dict.fromkeys(glass.unit for glass in matched))
    total = 2 * len(matched)

    def feature_rows(k: int, tiles: Ints) -> _Matrix:
        return sparse.csr_array(some.features[k])[tiles].astype(np.float64)

    sums = _summed(matched, units, feature_rows, lambda done: step(done, total))
    check_cancelled = partial(step, len(matched), total)
    found = _agreement(sums, draws, check_cancelled)
    raw = None
    if all(some.vectors[k] is not None for glass in matched for k in glass.slides):
        dense = _summed(
            matched,
            units,
            lambda k, tiles: np.asarray(_vectors(some.vectors, k)[tiles], np.float64),
            lambda done: step(len(matched) + done, total),
        )
        raw = _agreement(dense, draws, check_cancelled) if np.isfinite(dense.squares).all() else None
    step(total, total)
    return PairedScans(scanners, found, raw, len(matched), len(units), n_tiles)


def _vectors(vectors: Sequence[npt.NDArray[Any] | None], k: int) -> npt.NDArray[Any]:
    found = vectors[k]
    assert found is not None
    return found


def _glasses(inputs: StudyInput, columns: tuple[str, str]) -> tuple[tuple[str, ...], list[_Glass]]:
    """Scanners that most glasses have in common, and the glasses that have a slide of each."""
    labels, names = inputs.fact(columns[0]), inputs.fact(columns[1])
    by_glass: dict[str, dict[str, int]] = {}
    for k, (label, name) in enumerate(zip(labels, names, strict=True)):
        if label and name:
            by_glass.setdefault(name, {}).setdefault(label, k)
    sets = [frozenset(slides) for slides in by_glass.values() if len(slides) > 1]
    if not sets:
        return (), []
    # The set of scanners that gives the most pairs of scans of one glass, over glasses that have all of it.
    shared = {a & b for a in sets for b in sets if len(a & b) > 1}
    best = max(
        sorted(shared, key=sorted), key=lambda s: (sum(s <= other for other in sets) * (len(s) - 1), len(s))
    )
    scanners = tuple(sorted(best))
    glasses = [
        _Glass(inputs.slides[slides[scanners[0]]].patient or name, tuple(slides[s] for s in scanners))
        for name, slides in by_glass.items()
        if best <= set(slides)
    ]
    return scanners, glasses


def _matched(inputs: StudyInput, number: int, glass: _Glass) -> _Glass:
    """Tiles of each scan of a glass that lie at the same places and are valid in all."""
    places = []
    for k in glass.slides:
        slide = inputs.slides[k]
        keep = np.flatnonzero(inputs.sets[number].valid[k])
        place = slide.rows[keep].astype(np.int64) << 32 | slide.cols[keep].astype(np.int64)
        places.append((place, keep))
    shared = places[0][0]
    for place, _ in places[1:]:
        shared = np.intersect1d(shared, place)
    tiles = []
    for place, keep in places:
        order = np.argsort(place)
        tiles.append(keep[order[np.searchsorted(place[order], shared)]])
    return _Glass(glass.unit, glass.slides, tuple(tiles))


def _summed(
    glasses: Sequence[_Glass],
    units: Sequence[str],
    rows: Callable[[int, Ints], _Matrix],
    step: Callable[[int], None],
) -> _Sums:
    n = np.zeros(len(units))
    sums: _Sums | None = None
    for done, glass in enumerate(glasses):
        step(done)
        u = units.index(glass.unit)
        scans = [rows(k, tiles) for k, tiles in zip(glass.slides, glass.tiles, strict=True)]
        if sums is None:
            width = scans[0].shape[1]
            sums = _Sums(
                n,
                np.zeros((len(units), len(scans), width)),
                np.zeros((len(units), width)),
                np.zeros((len(units), width)),
                np.zeros((len(units), width)),
            )
        n[u] += glass.tiles[0].size
        summed = scans[0]
        for other in scans[1:]:
            summed = summed + other
        for r, scan in enumerate(scans):
            sums.by_scanner[u, r] += _column_sum(scan)
            sums.squares[u] += _column_sum(scan * scan)
        sums.row_squares[u] += _column_sum(summed * summed)
        sums.active[u] += _column_sum(summed != 0)
    assert sums is not None
    return sums


def _column_sum(matrix: _Matrix) -> Floats:
    return np.asarray(matrix.sum(axis=0), np.float64).ravel()


def _agreement(sums: _Sums, draws: tuple[int, int], check_cancelled: Callable[[], None]) -> Agreement:
    n_units, _, width = sums.by_scanner.shape
    every = np.ones((1, n_units))
    rng = np.random.default_rng([draws[1], 0x9A1])
    drawn = rng.multinomial(n_units, np.full(n_units, 1 / n_units), draws[0]).astype(np.float64)
    out = {key: np.full(width, np.nan) for key in Agreement.__dataclass_fields__}
    high, low = np.zeros((2, width), np.int64)
    for a in range(0, width, _SPAN):
        check_cancelled()
        span = slice(a, min(a + _SPAN, width))
        means = np.tensordot(every[0], sums.by_scanner[:, :, span], 1)
        high[span], low[span] = means.argmax(axis=0), means.argmin(axis=0)
        ends = high[span], low[span]
        known = _values(sums, span, every, ends)
        for key in ("icc_a", "icc_c", "shift", "percent"):
            out[key][span] = known[key][0]
        if n_units >= MIN_UNITS:
            again = _values(sums, span, drawn, ends)
            for key in ("icc_a", "shift"):
                out[f"{key}_low"][span], out[f"{key}_high"][span] = _ends(again[key])
    out["n_active"] = sums.active.sum(axis=0)
    numbers: dict[str, Any] = {**out, "high": high, "low": low}
    return Agreement(**numbers)


def _ends(drawn: Floats) -> tuple[Floats, Floats]:
    """Percentiles over the draws (B, f), NaN where more than a tenth of them have no value."""
    fine = np.isfinite(drawn).mean(axis=0) >= 0.9
    low, high = np.full((2, drawn.shape[1]), np.nan)
    if fine.any():
        shares = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
        low[fine], high[fine] = np.nanquantile(drawn[:, fine], shares, axis=0)
    return low, high


def _values(sums: _Sums, span: slice, weights: Floats, ends: tuple[Ints, Ints]) -> dict[str, Floats]:
    """ICC and shift (B, f) of weighted units (B, U); mean squares of a two-way layout without replication."""
    k = sums.by_scanner.shape[1]
    n = (weights @ sums.n)[:, None]
    by_scanner = np.tensordot(weights, sums.by_scanner[:, :, span], 1)
    squares, row_squares = weights @ sums.squares[:, span], weights @ sums.row_squares[:, span]
    grand = by_scanner.sum(axis=1)
    correction = grand**2 / (n * k)
    between_tiles = np.maximum(row_squares / k - correction, 0.0)
    between_scanners = np.maximum((by_scanner**2).sum(axis=1) / n - correction, 0.0)
    total = squares - correction
    left = np.maximum(total - between_tiles - between_scanners, 0.0)
    f = np.arange(by_scanner.shape[2])
    with np.errstate(invalid="ignore", divide="ignore"):
        tiles = between_tiles / (n - 1)
        scanners = between_scanners / (k - 1)
        error = left / ((n - 1) * (k - 1))
        varies = total > 1e-9 * np.maximum(squares, 1e-300)
        nan = np.where(varies, 1.0, np.nan)
        absolute = (tiles - error) / (tiles + (k - 1) * error + k / n * (scanners - error))
        consistent = (tiles - error) / (tiles + (k - 1) * error)
        difference = (by_scanner[:, ends[0], f] - by_scanner[:, ends[1], f]) / n
        spread = np.sqrt((total - between_scanners) / (k * n - k))
        percent = 100 * difference / (grand / (k * n))
        shift = np.where(spread > 0, difference / spread, np.nan)
    return {
        "icc_a": np.where(np.isfinite(absolute), absolute, np.nan) * nan,
        "icc_c": np.where(np.isfinite(consistent), consistent, np.nan) * nan,
        "shift": shift * nan,
        "percent": np.where(np.isfinite(percent), percent, np.nan) * nan,
    }
