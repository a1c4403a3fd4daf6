"""The numbers behind the curves over depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sae_backend.correlation.representations import RAW, SAE
from sae_backend.studies.depth.findings import DepthFindings, FollowedFeature
from sae_backend.studies.depth.label_free_report import label_free_columns
from sae_backend.studies.framework.report import Table, Target, as_column
from sae_backend.studies.methods.cell_types.best_columns import BASELINE_TITLES


def tables(found: DepthFindings) -> Sequence[Table]:
    """One row a block; one a block and type; slopes; the feature that was followed."""
    made = [_blocks(found)]
    if found.types:
        made += [_types(found), _slopes(found)]
    if found.followed is not None:
        made.append(_followed(found, found.followed))
    return made


def _blocks(found: DepthFindings) -> Table:
    n = len(found.titles)
    columns: dict[str, Sequence[Any]] = {"block": list(found.titles), "features": list(found.n_features)}
    columns |= {
        "features above chance": found.cells.beyond[SAE].n_beating.tolist(),
        "dimensions": found.cells.beyond[RAW].n.tolist(),
        "dimensions above chance": found.cells.beyond[RAW].n_beating.tolist(),
    }
    contrasts = found.cells.entropies
    columns |= {
        "entropy, features": as_column(np.array([each.median_features for each in contrasts])),
        "entropy, dimensions": as_column(np.array([each.median_dimensions for each in contrasts])),
        "entropy, effect": as_column(np.array([each.effect for each in contrasts])),
        "entropy, p": as_column(np.array([each.p for each in contrasts])),
    }
    columns |= label_free_columns(found)
    for name, values in found.quality.items():
        columns[name.replace("_", " ")] = as_column(values)
    columns["metrics from"] = list(found.quality_source)
    for source in ("features", "dimensions"):
        read = {
            about.fact: about.features if source == "features" else about.dimensions
            for about in found.readings.values()
        }
        columns |= {f"{fact} from {source}: AUROC": as_column(curve.auroc) for fact, curve in read.items()}
        columns |= {f"{fact} from {source}: low": as_column(curve.ci_low) for fact, curve in read.items()}
        columns |= {f"{fact} from {source}: high": as_column(curve.ci_high) for fact, curve in read.items()}
        columns |= {
            f"{fact} from {source}: exchanged low": as_column(curve.null_low) for fact, curve in read.items()
        }
        columns |= {
            f"{fact} from {source}: exchanged high": as_column(curve.null_high)
            for fact, curve in read.items()
        }
        columns |= {f"{fact} from {source}: p": as_column(curve.p) for fact, curve in read.items()}
    if found.variance is not None:
        curves = found.variance
        for i, name in enumerate((found.fact, "features", "cells")):
            columns[f"variance share, {name}"] = as_column(curves.share[:, i])
            columns[f"variance share low, {name}"] = as_column(curves.share_low[:, i])
            columns[f"variance share high, {name}"] = as_column(curves.share_high[:, i])
    return Table(
        "blocks",
        "Blocks",
        columns,
        {
            "features above chance": "family-wise p at most 0.05 on the held-out half; the unit is "
            + found.unit,
            "entropy, features": "median in nats of those above chance",
            "entropy, effect": "rank-biserial; above 0 features are more selective; unit: column",
            "entropy, p": "Mann-Whitney; unit: column, not patient",
            "label-free score, features": "median over features of the mean cosine of the tiles in which one fires; by "
            + (found.judge.title if found.judge else "nobody"),
            "label-free score, effect": "rank-biserial; above 0 features score higher; unit: column",
            "l0": "mean number of features that fire in a tile",
        },
        [Target(k) for k in range(n)],
    )


def _types(found: DepthFindings) -> Table:
    n_blocks, n_types = found.cells.features.value.shape
    columns: dict[str, Sequence[Any]] = {
        "block": [title for title in found.titles for _ in range(n_types)],
        "cell type": list(found.types) * n_blocks,
        "feature": [int(j) if j >= 0 else None for j in found.cells.features.column.ravel()],
    }
    own = found.cells.features
    columns |= {
        "r, choosing half": as_column(own.choose.ravel()),
        "r": as_column(own.value.ravel()),
        "low": as_column(own.ci_low.ravel()),
        "high": as_column(own.ci_high.ravel()),
        "p (family)": as_column(found.cells.p.ravel()),
    }
    for name in BASELINE_TITLES:
        best = found.cells.best[name]
        columns[f"{name} column"] = [int(j) if j >= 0 else None for j in best.column.ravel()]
        columns |= {
            f"{name} r": as_column(best.value.ravel()),
            f"{name} low": as_column(best.ci_low.ravel()),
            f"{name} high": as_column(best.ci_high.ravel()),
        }
    targets = [
        Target(k, int(j) if j >= 0 else None)
        for k, row in enumerate(found.cells.features.column)
        for j in row
    ]
    return Table(
        "types",
        "Best feature of each block for each type",
        columns,
        {
            "r": "on the half that did not choose" if found.held_out else "nothing was held out",
            "low": "95 % interval over patients",
            "p (family)": "over all features and types of the block",
            "random r": "random directions with thresholds that fire as often as the features",
        },
        targets,
    )


def _slopes(found: DepthFindings) -> Table:
    names = ["mean of all types (signs turned as chosen)", *found.types]
    columns: dict[str, Sequence[Any]] = {
        "r of": names,
        "change per block": as_column(found.slope.value),
        "low, by itself": as_column(found.slope.low),
        "high, by itself": as_column(found.slope.high),
        "low": as_column(found.slope.family_low),
        "high": as_column(found.slope.family_high),
    }
    low, high = found.slope.family_low, found.slope.family_high
    columns["verdict"] = [
        "not judged"
        if not np.isfinite(a + b)
        else "rises"
        if a > 0
        else "falls"
        if b < 0
        else "no change with depth"
        for a, b in zip(low, high, strict=True)
    ]
    return Table(
        "slopes",
        "Change of r with depth",
        columns,
        {
            "change per block": "least squares over the blocks",
            "low": "intervals that hold for all rows at once with 97.5 %; bootstrap-t over patients",
            "low, by itself": "97.5 % interval of this row alone",
            "verdict": "by the interval that holds for all rows",
        },
    )


def _followed(found: DepthFindings, followed: FollowedFeature) -> Table:
    columns: dict[str, Sequence[Any]] = {
        "block": list(found.titles),
        "feature": [int(j) if j >= 0 else None for j in followed.feature],
        "r": as_column(followed.r),
        "low": as_column(followed.low),
        "high": as_column(followed.high),
        "p (family)": as_column(followed.p),
        "chance": as_column(followed.chance),
        "random": as_column(followed.random),
        "random low": as_column(followed.random_low),
        "random high": as_column(followed.random_high),
        "p (random)": as_column(followed.random_p),
    }
    for c, name in enumerate(found.types):
        columns[f"its r with {name}"] = as_column(followed.type_r[:, c])
    return Table(
        "followed",
        f"Feature {followed.number} of {found.titles[followed.set]} through the blocks",
        columns,
        {
            "r": "of the activations of the two features, on the half that did not match them",
            "chance": "95 % quantile of the largest |r| of any feature when whole patients are exchanged",
            "random": "mean r of the best of as many random directions, chosen and reported alike",
            "random low": f"low and high: middle 95 % of {found.n_random} random dictionaries",
            "p (random)": "share of the dictionaries, with this block's SAE, that came as close",
        },
        [
            Target(k, int(j) if j >= 0 else None, other=(followed.set, followed.number))
            for k, j in enumerate(followed.feature)
        ],
    )
