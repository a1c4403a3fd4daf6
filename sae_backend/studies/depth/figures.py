"""The curves over depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.representations import PCA, RANDOM, RAW, SAE
from sae_backend.studies.depth.findings import BlockReading, DepthFindings
from sae_backend.studies.depth.label_free_report import label_free_figure
from sae_backend.studies.depth.quality import L0
from sae_backend.studies.framework.report import Band, Bars, Figure, Line, Mark, Rule, Target
from sae_backend.studies.methods.cell_types.best_columns import BASELINE_TITLES

Floats = npt.NDArray[np.float64]


def figures(found: DepthFindings) -> Sequence[Figure]:
    """All figures that have something to show."""
    made = [
        _best(found),
        _variance(found),
        *(_reading(found, name, about) for name, about in found.readings.items()),
        _above(found),
        _entropy(found),
        label_free_figure(found),
        _quality(found),
        _active(found),
        _follow(found),
    ]
    return [figure for figure in made if figure is not None]


def _half(found: DepthFindings) -> str:
    n = f"n = {found.n_reporting_patients} patients"
    return f"held-out half, {n}" if found.held_out else f"nothing held out, {n}"


def _best(found: DepthFindings) -> Figure | None:
    x = found.blocks
    if not np.isfinite(found.cells.features.value).any():
        return None
    best = found.cells.features
    marks: list[Mark] = [
        Line(
            x,
            found.cells.best[name].mean_r,
            f"{title}, mean",
            is_baseline=True,
            is_dashed=name == RANDOM,
        )
        for name, title in BASELINE_TITLES.items()
        if name != PCA and found.cells.best[name].is_known()
    ]
    for c, name in enumerate(found.types):
        value, low, high = (values[:, c] for values in (best.value, best.ci_low, best.ci_high))
        targets = [
            Target(k, int(j)) if j >= 0 else Target(k)
            for k, j in enumerate(found.cells.features.column[:, c])
        ]
        marks.append(Line(x, value, name, low, high, targets))
    return Figure(
        "best-r",
        "Best feature for each cell type",
        f"Pearson's r over tiles of the {_half(found)}; bands are 95 % intervals over patients. Grey: mean r over types of the "
        "best dimension and of the best column of a random SAE (dashed), chosen and reported alike; principal components are in the "
        "table.",
        "block",
        "r",
        marks,
    )


def _variance(found: DepthFindings) -> Figure | None:
    curves, x = found.variance, found.blocks
    if curves is None or found.crossing is None or not np.isfinite(curves.share[:, :2]).any():
        return None
    fact = found.fact
    names = (
        f"between values of {fact}",
        "within slides, explained by features",
        "within slides, explained by cells",
    )
    marks: list[Mark] = [
        Line(x, 100 * share, name, 100 * low, 100 * high)
        for name, share, low, high in zip(
            names,
            curves.share.T,
            curves.share_low.T,
            curves.share_high.T,
            strict=True,
        )
        if np.isfinite(share).any()
    ]
    place = found.crossing.place
    if place > 0:
        marks.append(Rule("x", float(x[place]), "features pass"))
    return Figure(
        "variance",
        f"What the vectors hold: {fact} and features",
        f"Shares of the variance of all tiles' vectors ({found.n_patients} patients; nothing is chosen, so nothing is held "
        f"out). Bands are 95 % intervals from leaving out one patient at a time. The share of the {fact} is freed of what patients "
        "alone would give it, and may lie below 0.",
        "block",
        "share of the variance, %",
        marks,
    )


def _reading(found: DepthFindings, name: str, about: BlockReading) -> Figure | None:
    curve, raw, x = about.features, about.dimensions, found.blocks
    if not np.isfinite(curve.auroc).any():
        return None
    marks: list[Mark] = [
        Line(
            x,
            (curve.null_low + curve.null_high) / 2,
            "exchanged labels",
            curve.null_low,
            curve.null_high,
            is_baseline=True,
        )
    ]
    if np.isfinite(raw.auroc).any():
        marks.append(Line(x, raw.auroc, "raw dimensions", raw.ci_low, raw.ci_high, is_baseline=True))
    marks.append(Line(x, curve.auroc, "features", curve.ci_low, curve.ci_high))
    patients = ", ".join(f"{value}: {n}" for value, n in zip(about.classes, about.patients, strict=True))
    fact = about.fact
    return Figure(
        f"{name}-auroc",
        f"How well the {fact} can be read",
        f"AUROC of a linear model on patients that it has not learned from (patients by {fact}: {patients}); bands are 95 % "
        "intervals over patients. Grey: the raw dimensions, and the middle 95 % of labels exchanged between patients.",
        "block",
        "AUROC",
        marks,
    )


def _above(found: DepthFindings) -> Figure | None:
    if not found.types or not found.is_judged:
        return None
    marks: list[Mark] = []
    for name, title in ((RAW, "raw dimensions"), (SAE, "features")):
        n, n_beating = found.cells.beyond[name].n, found.cells.beyond[name].n_beating
        if (n > 0).any():
            share = 100 * n_beating / np.where(n > 0, n, np.nan)
            marks.append(Bars(share, title, is_baseline=name == RAW))
    return Figure(
        "above-null",
        "Columns that follow some cell type more than chance",
        f"Share of the columns with a family-wise p of at most 0.05 over all columns and types ({_half(found)}; whole patients "
        "exchanged). Grey: the raw dimensions of the same tiles. The table has the numbers.",
        "",
        "columns, %",
        marks,
        x_names=found.titles,
    )


def _entropy(found: DepthFindings) -> Figure | None:
    x = found.blocks
    marks: list[Mark] = []
    for name, title in ((RAW, "raw dimensions"), (SAE, "features")):
        known = found.entropies[name]
        ends = np.full((3, x.size), np.nan)
        for k in range(x.size):
            mine = known.entropy[known.entropy_block == k]
            if mine.size:
                ends[:, k] = np.quantile(mine, [0.5, 0.25, 0.75])
        if np.isfinite(ends).any():
            marks.append(Line(x, ends[0], title, ends[1], ends[2], is_baseline=name == RAW))
    if not marks:
        return None
    n_types = len(found.types)
    return Figure(
        "entropy",
        "Entropy over cell types of the columns above chance",
        f"Median and quartiles, not an interval, of the entropy of |r| over {n_types} types ({_half(found)}); 0 is one type alone, "
        f"{np.log(max(n_types, 1)):.2f} all alike. Only columns that beat chance count; grey are raw dimensions.",
        "block",
        "entropy, nats",
        marks,
    )


def _quality(found: DepthFindings) -> Figure | None:
    x = found.blocks
    names = {
        "explained_variance": "explained variance",
        "dead_never_fired_on_train": "dead: never fires in training",
        "dead_never_fired_on_held_out": "dead: never fires held out",
        "dead_rate_below_1e-4_on_all": "dead: in under 1 of 10,000 tiles",
    }
    marks: list[Mark] = [
        Line(x, found.quality[key], title)
        for key, title in names.items()
        if np.isfinite(found.quality[key]).any()
    ]
    if not marks:
        return None
    sources = sorted(set(found.quality_source))
    return Figure(
        "sae-quality",
        "How well each block's SAE does",
        f"Explained variance and shares of dead features ({' / '.join(sources)}); no intervals, as one SAE was trained a block.",
        "block",
        "share",
        marks,
    )


def _active(found: DepthFindings) -> Figure | None:
    values = found.quality[L0]
    if not np.isfinite(values).any():
        return None
    sources = " / ".join(sorted(set(found.quality_source)))
    return Figure(
        "sae-l0",
        "How many features fire in a tile (L0)",
        f"Mean number of features of a block's SAE that fire in a tile ({sources}); no interval, as one SAE was trained a block.",
        "block",
        "features a tile",
        [Line(found.blocks, values, "L0")],
    )


def _follow(found: DepthFindings) -> Figure | None:
    x, followed = found.blocks, found.followed
    if followed is None or not np.isfinite(followed.r).any():
        return None
    targets = [
        Target(k, int(j), other=(followed.set, followed.number)) if j >= 0 else Target(k)
        for k, j in enumerate(followed.feature)
    ]
    chance = followed.chance
    marks: list[Mark] = []
    if np.isfinite(chance).any():
        marks.append(Band("y", 0.0, float(np.nanmax(chance)), "best of all features by chance"))
    random = followed.random
    beside = ""
    if np.isfinite(random).any():
        ends = followed.random_low, followed.random_high
        marks.append(Line(x, random, "best random direction", *ends, is_baseline=True, is_dashed=True))
        beside = (
            f" Dashed: the best of as many random directions on the block's vectors, chosen and reported alike; mean and middle 95 % "
            f"of {found.n_random} draws."
        )
    marks.append(Line(x, followed.r, "matched feature", followed.low, followed.high, targets))
    return Figure(
        "followed",
        f"Feature {followed.number} of {found.titles[followed.set]} through the blocks",
        f"r of activations over tiles with the best match of each block, matched on one half and reported on the other ({_half(found)}); "
        "95 % intervals over patients. Grey: below the 95 % quantile of the largest |r| of any feature when patients are exchanged."
        + beside,
        "block",
        "r of activations",
        marks,
    )
