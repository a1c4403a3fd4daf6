"""The best column of each representation for each type: chosen on one half, reported on the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.blocks import MIN_CLUSTERS
from sae_backend.moments import Targets, dense_moments
from sae_backend.representations import Representation
from sae_backend.resampling import bootstrap_weights, intervals
from sae_backend.reweighted import PlainCorrelation
from sae_backend.slide_parts import AssembledTiles

Floats = npt.NDArray[np.float64]

KS: Final = (1, 3, 5, 10)
"""Numbers of columns of the sparse probes."""

_WIDTH: Final = 64
_LEVEL: Final = 0.95


@dataclass(frozen=True)
class Best:
    """The best column for each type (C,), Pearson: its number (-1 for none), r where chosen and r reported.

    `probe_r2`, `probe_low`, `probe_high` (k, C) are R2 on the reporting half of a linear probe on the k
    columns with the largest |r| on the choosing half, with its bootstrap interval.
    """

    column: npt.NDArray[np.int64]
    choose: Floats
    value: Floats
    ci_low: Floats
    ci_high: Floats
    probe_r2: Floats
    probe_low: Floats
    probe_high: Floats

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """All arrays by the names under which they are stored."""
        return {f"baseline/{name}/{key}": value for key, value in vars(self).items()}


def best_columns(
    representation: Representation,
    choosing: AssembledTiles,
    reporting: AssembledTiles,
    draws: tuple[int, int],
    step: Callable[[], None],
    chosen_r: Floats | None = None,
) -> Best:
    """Find the best column for each type and probe the best few.

    Parameters
    ----------
    representation
        Where the columns come from.
    choosing, reporting
        Tiles of both halves, the same where nothing is held out.
    draws
        Number of bootstrap draws, and seed.
    step
        Called between pieces of work; may raise to end it.
    chosen_r
        r of every column on the choosing tiles (W, C), NaN for columns not to be chosen; None to
        have it computed.
    """
    if chosen_r is None:
        chosen_r = _all_r(representation, choosing, step)
    strength = np.nan_to_num(np.abs(chosen_r), nan=-1.0)
    n_types = chosen_r.shape[1]
    top = strength.argmax(axis=0) if len(strength) else np.zeros(n_types, np.int64)
    fine = np.array([len(strength) > 0 and strength[j, c] >= 0 for c, j in enumerate(top)], bool)
    clusters = reporting.clusters
    weights = bootstrap_weights(clusters, draws[0], np.random.default_rng([draws[1], 0xBA5E]))
    columns = representation.columns(reporting, top)
    targets = Targets(_centred(reporting.counts), clusters.sizes)
    value, low, high = np.full((3, n_types), np.nan)
    for c in np.flatnonzero(fine).tolist():
        one = dense_moments(columns[:, c : c + 1], targets).of_types(c, c + 1)
        if one.xx.sum() <= 0 or one.yy.sum() <= 0:
            continue
        statistic = PlainCorrelation(one)
        value[c] = statistic.values(np.ones((1, clusters.n_clusters)), 0, 1)[0, 0, 0]
        if clusters.n_clusters >= MIN_CLUSTERS:
            both = weights, 1.0 - np.eye(clusters.n_clusters)
            ends = intervals(statistic, np.array([[value[c]]]), both, _LEVEL)
            low[c], high[c] = ends.low[0, 0], ends.high[0, 0]
    probes = np.full((3, len(KS), n_types), np.nan)
    for c in np.flatnonzero(fine).tolist():
        step()
        probes[:, :, c] = _probe(representation, (choosing, reporting), strength[:, c], c, weights)
    return Best(
        column=np.where(fine, top, -1),
        choose=np.array([chosen_r[j, c] if fine[c] else np.nan for c, j in enumerate(top)]),
        value=value,
        ci_low=low,
        ci_high=high,
        probe_r2=probes[0],
        probe_low=probes[1],
        probe_high=probes[2],
    )


def _all_r(representation: Representation, tiles: AssembledTiles, step: Callable[[], None]) -> Floats:
    """Pearson's r of every column with every type (W, C)."""
    y = _centred(tiles.counts)
    y_norm = np.sqrt((y**2).sum(axis=0))
    y_scale = np.where(y_norm > 0, 1 / np.where(y_norm > 0, y_norm, 1), np.nan)
    found = []
    for a in range(0, representation.width, _WIDTH):
        step()
        some = np.arange(a, min(a + _WIDTH, representation.width))
        x = representation.columns(tiles, some).astype(np.float64)
        x -= x.mean(axis=0)
        norm = np.sqrt(np.einsum("ij,ij->j", x, x))
        active = norm > 1e-9
        scale = np.where(active, 1 / np.where(active, norm, 1), np.nan)
        found.append((x.T @ y) * scale[:, None] * y_scale)
    return np.concatenate(found) if found else np.zeros((0, y.shape[1]))


def _probe(
    representation: Representation,
    halves: tuple[AssembledTiles, AssembledTiles],
    strength: Floats,
    c: int,
    weights: Floats,
) -> Floats:
    """R2 (3, k) of linear probes for type c: value, low and high."""
    choosing, reporting = halves
    order = np.argsort(-strength, kind="stable")[: max(KS)]
    order = order[strength[order] > 0]
    found = np.full((3, len(KS)), np.nan)
    if not order.size or np.ptp(reporting.counts[:, c]) == 0:
        return found
    learn = representation.columns(choosing, order).astype(np.float64)
    test = representation.columns(reporting, order).astype(np.float64)
    mean, spread = learn.mean(axis=0), learn.std(axis=0)
    learn, test = (
        (learn - mean) / np.where(spread > 0, spread, 1),
        (test - mean) / np.where(spread > 0, spread, 1),
    )
    y_learn, y_test = choosing.counts[:, c], reporting.counts[:, c]
    for i, k in enumerate(KS):
        fitted, *_ = np.linalg.lstsq(learn[:, :k], y_learn - y_learn.mean(), rcond=None)
        missed = (y_test - y_learn.mean() - test[:, :k] @ fitted) ** 2
        found[:, i] = _r2(missed, y_test, reporting, weights)
    return found


def _r2(missed: Floats, y: Floats, tiles: AssembledTiles, weights: Floats) -> tuple[float, float, float]:
    """R2 with its interval over units drawn again."""
    sizes = tiles.clusters.sizes
    starts = np.cumsum(sizes) - sizes
    centred = y - y.mean()
    sums = [np.add.reduceat(part, starts) for part in (missed, centred, centred**2)]
    value = 1 - sums[0].sum() / sums[2].sum()
    if sizes.size < MIN_CLUSTERS:
        return float(value), np.nan, np.nan
    error, first, second = (weights @ part for part in sums)
    total = second - first**2 / (weights @ sizes)
    drawn = 1 - error / np.where(total > 1e-9 * sums[2].sum(), total, np.nan)
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size < 0.9 * len(weights):
        return float(value), np.nan, np.nan
    low, high = np.quantile(drawn, [0.5 - _LEVEL / 2, 0.5 + _LEVEL / 2])
    return float(value), float(low), float(high)


def _centred(counts: Floats) -> Floats:
    return np.asarray(counts - counts.mean(axis=0), np.float64)
