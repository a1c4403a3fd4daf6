"""The curves over depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sae_backend.studies.depth.label_free_report import label_free_figure
from sae_backend.studies.framework.report import Band, Bars, Figure, Line, Mark, Rule, Target
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.methods.number_text import BASELINE_TITLES, oriented, row_means

Floats = npt.NDArray[np.float64]


def figures(result: StudyResult) -> Sequence[Figure]:
    """All figures that have something to show."""
    made = [
        _best(result),
        _variance(result),
        *(_reading(result, name) for name in result.meta["read"]),
        _above(result),
        _entropy(result),
        label_free_figure(result),
        _quality(result),
        _active(result),
        _follow(result),
    ]
    return [figure for figure in made if figure is not None]


def _depth(result: StudyResult) -> Floats:
    return np.asarray(result.meta["blocks"], np.float64)


def _half(result: StudyResult) -> str:
    meta = result.meta
    n = f"n = {meta['n_reporting_patients']} patients"
    return f"held-out half, {n}" if meta["held_out"] else f"nothing held out, {n}"


def _best(result: StudyResult) -> Figure | None:
    arrays, meta, x = result.arrays, result.meta, _depth(result)
    if not np.isfinite(arrays["sae/value"]).any():
        return None
    marks: list[Mark] = [
        Line(
            x,
            row_means(oriented(arrays[f"{name}/value"], arrays[f"{name}/choose"])),
            f"{title}, mean",
            is_baseline=True,
            is_dashed=name == "random",
        )
        for name, title in BASELINE_TITLES.items()
        if name != "pca" and np.isfinite(arrays[f"{name}/value"]).any()
    ]
    for c, name in enumerate(meta["types"]):
        value, low, high = (arrays[f"sae/{key}"][:, c] for key in ("value", "ci_low", "ci_high"))
        targets = [
            Target(k, int(j)) if j >= 0 else Target(k) for k, j in enumerate(arrays["sae/column"][:, c])
        ]
        marks.append(Line(x, value, name, low, high, targets))
    return Figure(
        "best-r",
        "Best feature for each cell type",
        f"Pearson's r over tiles of the {_half(result)}; bands are 95 % intervals over patients. Grey: mean r over types of the "
        "best dimension and of the best column of a random SAE (dashed), chosen and reported alike; principal components are in the "
        "table.",
        "block",
        "r",
        marks,
    )


def _variance(result: StudyResult) -> Figure | None:
    arrays, x = result.arrays, _depth(result)
    if "variance/share" not in arrays or not np.isfinite(arrays["variance/share"][:, :2]).any():
        return None
    fact = result.meta["fact"]
    names = (
        f"between values of {fact}",
        "within slides, explained by features",
        "within slides, explained by cells",
    )
    marks: list[Mark] = [
        Line(x, 100 * share, name, 100 * low, 100 * high)
        for name, share, low, high in zip(
            names,
            arrays["variance/share"].T,
            arrays["variance/share_low"].T,
            arrays["variance/share_high"].T,
            strict=True,
        )
        if np.isfinite(share).any()
    ]
    place = int(arrays["variance/crossing"][0])
    if place > 0:
        marks.append(Rule("x", float(x[place]), "features pass"))
    return Figure(
        "variance",
        f"What the vectors hold: {fact} and features",
        f"Shares of the variance of all tiles' vectors ({result.meta['n_patients']} patients; nothing is chosen, so nothing is held "
        f"out). Bands are 95 % intervals from leaving out one patient at a time. The share of the {fact} is freed of what patients "
        "alone would give it, and may lie below 0.",
        "block",
        "share of the variance, %",
        marks,
    )


def _reading(result: StudyResult, name: str) -> Figure | None:
    values, x, about = result.arrays[name], _depth(result), result.meta["read"][name]
    if not np.isfinite(values[:, 0, 0]).any():
        return None
    marks: list[Mark] = [
        Line(
            x,
            values[:, 0, 3:5].mean(axis=1),
            "exchanged labels",
            values[:, 0, 3],
            values[:, 0, 4],
            is_baseline=True,
        )
    ]
    if np.isfinite(values[:, 1, 0]).any():
        marks.append(
            Line(x, values[:, 1, 0], "raw dimensions", values[:, 1, 1], values[:, 1, 2], is_baseline=True)
        )
    marks.append(Line(x, values[:, 0, 0], "features", values[:, 0, 1], values[:, 0, 2]))
    patients = ", ".join(
        f"{value}: {n}" for value, n in zip(about["classes"], about["patients"], strict=True)
    )
    fact = about["fact"]
    return Figure(
        f"{name}-auroc",
        f"How well the {fact} can be read",
        f"AUROC of a linear model on patients that it has not learned from (patients by {fact}: {patients}); bands are 95 % "
        "intervals over patients. Grey: the raw dimensions, and the middle 95 % of labels exchanged between patients.",
        "block",
        "AUROC",
        marks,
    )


def _above(result: StudyResult) -> Figure | None:
    arrays = result.arrays
    if not result.meta["types"] or not result.meta["reports"].get("judged"):
        return None
    marks: list[Mark] = []
    for name, title in (("raw", "raw dimensions"), ("sae", "features")):
        n, found = arrays[f"{name}/n"], arrays[f"{name}/n_beating"]
        if (n > 0).any():
            share = 100 * found / np.where(n > 0, n, np.nan)
            marks.append(Bars(share, title, is_baseline=name == "raw"))
    return Figure(
        "above-null",
        "Columns that follow some cell type more than chance",
        f"Share of the columns with a family-wise p of at most 0.05 over all columns and types ({_half(result)}; whole patients "
        "exchanged). Grey: the raw dimensions of the same tiles. The table has the numbers.",
        "",
        "columns, %",
        marks,
        x_names=result.meta["titles"],
    )


def _entropy(result: StudyResult) -> Figure | None:
    arrays, x = result.arrays, _depth(result)
    marks: list[Mark] = []
    for name, title in (("raw", "raw dimensions"), ("sae", "features")):
        ends = np.full((3, x.size), np.nan)
        for k in range(x.size):
            mine = arrays[f"{name}/entropy"][arrays[f"{name}/entropy_block"] == k]
            if mine.size:
                ends[:, k] = np.quantile(mine, [0.5, 0.25, 0.75])
        if np.isfinite(ends).any():
            marks.append(Line(x, ends[0], title, ends[1], ends[2], is_baseline=name == "raw"))
    if not marks:
        return None
    n_types = len(result.meta["types"])
    return Figure(
        "entropy",
        "Entropy over cell types of the columns above chance",
        f"Median and quartiles, not an interval, of the entropy of |r| over {n_types} types ({_half(result)}); 0 is one type alone, "
        f"{np.log(max(n_types, 1)):.2f} all alike. Only columns that beat chance count; grey are raw dimensions.",
        "block",
        "entropy, nats",
        marks,
    )


def _quality(result: StudyResult) -> Figure | None:
    values, x = result.arrays["quality"], _depth(result)
    fields = result.meta["quality_fields"]
    names = {
        "explained_variance": "explained variance",
        "dead_never_fired_on_train": "dead: never fires in training",
        "dead_never_fired_on_held_out": "dead: never fires held out",
        "dead_rate_below_1e-4_on_all": "dead: in under 1 of 10,000 tiles",
    }
    marks: list[Mark] = [
        Line(x, values[:, fields.index(key)], title)
        for key, title in names.items()
        if np.isfinite(values[:, fields.index(key)]).any()
    ]
    if not marks:
        return None
    sources = sorted(set(result.meta["quality_source"]))
    return Figure(
        "sae-quality",
        "How well each block's SAE does",
        f"Explained variance and shares of dead features ({' / '.join(sources)}); no intervals, as one SAE was trained a block.",
        "block",
        "share",
        marks,
    )


def _active(result: StudyResult) -> Figure | None:
    values = result.arrays["quality"][:, result.meta["quality_fields"].index("l0")]
    if not np.isfinite(values).any():
        return None
    sources = " / ".join(sorted(set(result.meta["quality_source"])))
    return Figure(
        "sae-l0",
        "How many features fire in a tile (L0)",
        f"Mean number of features of a block's SAE that fire in a tile ({sources}); no interval, as one SAE was trained a block.",
        "block",
        "features a tile",
        [Line(_depth(result), values, "L0")],
    )


def _follow(result: StudyResult) -> Figure | None:
    arrays, x, followed = result.arrays, _depth(result), result.meta["followed"]
    if followed is None or not np.isfinite(arrays["follow/r"]).any():
        return None
    targets = [
        Target(k, int(j), other=(followed["set"], followed["feature"])) if j >= 0 else Target(k)
        for k, j in enumerate(arrays["follow/feature"])
    ]
    chance = arrays["follow/chance"]
    marks: list[Mark] = []
    if np.isfinite(chance).any():
        marks.append(Band("y", 0.0, float(np.nanmax(chance)), "best of all features by chance"))
    random = arrays["follow/random"]
    beside = ""
    if np.isfinite(random).any():
        ends = arrays["follow/random_low"], arrays["follow/random_high"]
        marks.append(Line(x, random, "best random direction", *ends, is_baseline=True, is_dashed=True))
        beside = (
            f" Dashed: the best of as many random directions on the block's vectors, chosen and reported alike; mean and middle 95 % "
            f"of {result.meta['settings']['n_random']} draws."
        )
    marks.append(
        Line(x, arrays["follow/r"], "matched feature", arrays["follow/low"], arrays["follow/high"], targets)
    )
    return Figure(
        "followed",
        f"Feature {followed['feature']} of {result.meta['titles'][followed['set']]} through the blocks",
        f"r of activations over tiles with the best match of each block, matched on one half and reported on the other ({_half(result)}); "
        "95 % intervals over patients. Grey: below the 95 % quantile of the largest |r| of any feature when patients are exchanged."
        + beside,
        "block",
        "r of activations",
        marks,
    )
