"""The best column of each representation for each type: chosen on one half, reported on the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.representations import Representation
from sae_backend.correlation.result import LEVEL, PERCENTILE, STUDENTISED, CorrelationSpec
from sae_backend.correlation.sparse_probes import KS, sparse_probe
from sae_backend.statistics.bootstrap import bootstrap_weights, intervals, studentised_intervals
from sae_backend.statistics.moments import Targets, dense_moments
from sae_backend.statistics.slide_parts import AssembledTiles, SlidePart
from sae_backend.statistics.weighted_correlation import PlainCorrelation

Floats = npt.NDArray[np.float64]

_BLOCK_VALUES: Final = 12_000_000
"""Values of the columns that are looked at together (96 MB); with fewer, many tiles are read again for every few."""


@dataclass(frozen=True)
class Best:
    """The best column for each type (C,), Pearson: its number (-1 for none), r on discovery half and r reported.

    `probe_r2`, `probe_low`, `probe_high` (k, C) are R2 on the held-out half of a linear probe on the k
    columns with the largest |r| on the discovery half, with its bootstrap interval.
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


def n_steps(parts: Sequence[SlidePart], n_types: int) -> int:
    """Steps of all representations together, at most: one a column, and one a type."""
    n_features = parts[0].n_features
    widths = [part.vectors.shape[1] for part in parts if part.vectors is not None]
    return n_features + n_types + (2 * widths[0] + n_features + 3 * n_types if widths else 0)


def best_columns(
    representation: Representation,
    choosing: AssembledTiles,
    reporting: AssembledTiles,
    spec: CorrelationSpec,
    step: Callable[[int], None],
    chosen_r: Floats | None = None,
) -> Best:
    """Find the best column for each type and probe the best few.

    Every representation is treated as the features are: a column must differ from zero in
    `spec.min_active` tiles, and draws and kind of the interval are those of the features.

    Parameters
    ----------
    representation
        Where the columns come from.
    choosing, reporting
        Tiles of both halves, the same where nothing is held out.
    spec
        How to draw, and the least number of active tiles.
    step
        Called between pieces of work with the steps done, one a column and one a type; may raise to end it.
    chosen_r
        r of every column on the choosing tiles (W, C), NaN for columns not to be chosen; None to
        have it computed.
    """
    if chosen_r is None:
        chosen_r = column_correlations(representation, choosing, spec.min_active, step)
    width = representation.width
    step(width)
    strength = np.nan_to_num(np.abs(chosen_r), nan=-1.0)
    n_types = chosen_r.shape[1]
    top = strength.argmax(axis=0) if len(strength) else np.zeros(n_types, np.int64)
    fine = np.array([len(strength) > 0 and strength[j, c] >= 0 for c, j in enumerate(top)], bool)
    weights = _weights(reporting, spec)
    value, low, high = np.full((3, n_types), np.nan)
    probes = np.full((3, len(KS), n_types), np.nan)
    for done, c in enumerate(np.flatnonzero(fine).tolist()):
        step(width + done)
        if not reporting.n_rows or np.ptp(reporting.counts[:, c]) == 0:
            continue
        value[c], low[c], high[c] = _reported(representation, reporting, (int(top[c]), c), spec, weights)
        probes[:, :, c] = sparse_probe(representation, (choosing, reporting), strength[:, c], c, weights)
    step(width + n_types)
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


def _weights(tiles: AssembledTiles, spec: CorrelationSpec) -> Floats:
    """The draws that the features are judged by."""
    seed = np.random.SeedSequence(spec.seed).spawn(1)[0]
    return bootstrap_weights(tiles.clusters, spec.n_bootstrap, np.random.default_rng(seed))


def _reported(
    representation: Representation,
    tiles: AssembledTiles,
    pair: tuple[int, int],
    spec: CorrelationSpec,
    weights: Floats,
) -> tuple[float, float, float]:
    """R of one column with one type, and its interval."""
    column, c = pair
    values = representation.columns(tiles, np.array([column]))
    if np.ptp(values) == 0:
        return np.nan, np.nan, np.nan
    clusters = tiles.clusters
    one = dense_moments(values, Targets(_centred(tiles.counts[:, c : c + 1]), clusters.sizes))
    statistic = PlainCorrelation(one)
    every = np.ones((1, clusters.n_clusters))
    value = np.clip(statistic.values(every, 0, 1)[:, :, 0], -1, 1)
    if not clusters.can_judge or np.isnan(value[0, 0]):
        return float(value[0, 0]), np.nan, np.nan
    if spec.interval == STUDENTISED:
        low, high = studentised_intervals(one, weights, LEVEL)
    else:
        ends = intervals(statistic, value, (weights, 1.0 - np.eye(clusters.n_clusters)), LEVEL)
        low, high = (ends.low, ends.high) if spec.interval == PERCENTILE else (ends.bca_low, ends.bca_high)
    return float(value[0, 0]), float(low[0, 0]), float(high[0, 0])


def column_correlations(
    representation: Representation, tiles: AssembledTiles, min_active: int, step: Callable[[int], None]
) -> Floats:
    """Pearson's r of every column with every type (W, C), NaN where the column or the type does not vary enough.

    Parameters
    ----------
    representation, tiles
        Columns and the tiles on which they are looked at.
    min_active
        Tiles in which a column has to differ from zero.
    step
        Called with the number of columns done; may raise to end it.
    """
    y = _centred(tiles.counts)
    y_norm = np.sqrt((y**2).sum(axis=0))
    flat = (tiles.counts == tiles.counts[:1]).all(axis=0)
    y_scale = np.where(flat, np.nan, 1 / np.where(y_norm > 0, y_norm, np.inf))
    found = []
    width = max(1, min(256, _BLOCK_VALUES // max(1, tiles.n_rows)))
    for a in range(0, representation.width, width):
        step(a)
        some = np.arange(a, min(a + width, representation.width))
        raw = representation.columns(tiles, some)
        active = ((raw != 0).sum(axis=0) >= min_active) & (np.ptp(raw, axis=0) > 0)
        x = raw.astype(np.float64)
        x -= x.mean(axis=0)
        norm = np.sqrt(np.einsum("ij,ij->j", x, x))
        scale = np.where(active & (norm > 0), 1 / np.where(norm > 0, norm, 1), np.nan)
        found.append((x.T @ y) * scale[:, None] * y_scale)
    return np.concatenate(found) if found else np.zeros((0, y.shape[1]))


def _centred(counts: Floats) -> Floats:
    return np.asarray(counts - counts.mean(axis=0), np.float64) if len(counts) else counts
