"""The numbers behind the curves over depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sae_backend.studies.depth.label_free_report import label_free_columns
from sae_backend.studies.framework.report import Table, Target, as_column
from sae_backend.studies.framework.result import StudyResult


def tables(result: StudyResult) -> Sequence[Table]:
    """One row a block; one a block and type; slopes; the feature that was followed."""
    made = [_blocks(result)]
    if result.meta["types"]:
        made += [_types(result), _slopes(result)]
    if result.meta["followed"] is not None:
        made.append(_followed(result))
    return made


def _blocks(result: StudyResult) -> Table:
    arrays, meta = result.arrays, result.meta
    n = len(meta["titles"])
    columns: dict[str, Sequence[Any]] = {"block": list(meta["titles"]), "features": list(meta["n_features"])}
    columns |= {
        "features above chance": arrays["sae/n_beating"].tolist(),
        "dimensions": arrays["raw/n"].tolist(),
        "dimensions above chance": arrays["raw/n_beating"].tolist(),
    }
    contrast = arrays["entropy_contrast"]
    for place, name in (
        (2, "entropy, features"),
        (3, "entropy, dimensions"),
        (4, "entropy, effect"),
        (5, "entropy, p"),
    ):
        columns[name] = as_column(contrast[:, place])
    columns |= label_free_columns(result)
    for i, field in enumerate(meta["quality_fields"]):
        columns[field.replace("_", " ")] = as_column(arrays["quality"][:, i])
    columns["metrics from"] = list(meta["quality_source"])
    for i, source in enumerate(("features", "dimensions")):
        for j, field in enumerate(("AUROC", "low", "high", "exchanged low", "exchanged high", "p")):
            for name, about in meta["read"].items():
                columns[f"{about['fact']} from {source}: {field}"] = as_column(arrays[name][:, i, j])
    if "variance/share" in arrays:
        for i, name in enumerate((meta["fact"], "features", "cells")):
            for key in ("share", "share_low", "share_high"):
                columns[f"variance {key.replace('_', ' ')}, {name}"] = as_column(
                    arrays[f"variance/{key}"][:, i]
                )
    return Table(
        "blocks",
        "Blocks",
        columns,
        {
            "features above chance": "family-wise p at most 0.05 on the reporting half; the unit is "
            + str(meta["reports"].get("unit", "the patient")),
            "entropy, features": "median in nats of those above chance",
            "entropy, effect": "rank-biserial; above 0 features are more selective; unit: column",
            "entropy, p": "Mann-Whitney; unit: column, not patient",
            "label-free score, features": "median over features of the mean cosine of the tiles in which one fires; by "
            + (meta["judge"]["title"] if meta["judge"] else "nobody"),
            "label-free score, effect": "rank-biserial; above 0 features score higher; unit: column",
            "l0": "mean number of features that fire in a tile",
        },
        [Target(k) for k in range(n)],
    )


def _types(result: StudyResult) -> Table:
    arrays, meta = result.arrays, result.meta
    n_blocks, n_types = arrays["sae/value"].shape
    columns: dict[str, Sequence[Any]] = {
        "block": [title for title in meta["titles"] for _ in range(n_types)],
        "cell type": list(meta["types"]) * n_blocks,
        "feature": [int(j) if j >= 0 else None for j in arrays["sae/column"].ravel()],
    }
    for key, title in (
        ("choose", "r, choosing half"),
        ("value", "r"),
        ("ci_low", "low"),
        ("ci_high", "high"),
    ):
        columns[title] = as_column(arrays[f"sae/{key}"].ravel())
    columns["p (family)"] = as_column(arrays["p"].ravel())
    for name in ("raw", "pca", "random"):
        columns[f"{name} column"] = [int(j) if j >= 0 else None for j in arrays[f"{name}/column"].ravel()]
        for key, title in (("value", "r"), ("ci_low", "low"), ("ci_high", "high")):
            columns[f"{name} {title}"] = as_column(arrays[f"{name}/{key}"].ravel())
    targets = [
        Target(k, int(j) if j >= 0 else None) for k, row in enumerate(arrays["sae/column"]) for j in row
    ]
    return Table(
        "types",
        "Best feature of each block for each type",
        columns,
        {
            "r": "on the half that did not choose" if meta["held_out"] else "nothing was held out",
            "low": "95 % interval over patients",
            "p (family)": "over all features and types of the block",
            "random r": "random directions with thresholds that fire as often as the features",
        },
        targets,
    )


def _slopes(result: StudyResult) -> Table:
    arrays, meta = result.arrays, result.meta
    names = ["mean of all types (signs turned as chosen)", *meta["types"]]
    columns: dict[str, Sequence[Any]] = {"r of": names}
    for key, title in (
        ("value", "change per block"),
        ("low", "low, by itself"),
        ("high", "high, by itself"),
        ("family_low", "low"),
        ("family_high", "high"),
    ):
        columns[title] = as_column(arrays[f"slope/{key}"])
    low, high = arrays["slope/family_low"], arrays["slope/family_high"]
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


def _followed(result: StudyResult) -> Table:
    arrays, meta, followed = result.arrays, result.meta, result.meta["followed"]
    found = arrays["follow/feature"]
    columns: dict[str, Sequence[Any]] = {
        "block": list(meta["titles"]),
        "feature": [int(j) if j >= 0 else None for j in found],
    }
    for key, title in (
        ("r", "r"),
        ("low", "low"),
        ("high", "high"),
        ("p", "p (family)"),
        ("chance", "chance"),
        ("random", "random"),
        ("random_low", "random low"),
        ("random_high", "random high"),
        ("random_p", "p (random)"),
    ):
        columns[title] = as_column(arrays[f"follow/{key}"])
    for c, name in enumerate(meta["types"]):
        columns[f"its r with {name}"] = as_column(arrays["follow/type_r"][:, c])
    return Table(
        "followed",
        f"Feature {followed['feature']} of {meta['titles'][followed['set']]} through the blocks",
        columns,
        {
            "r": "of the activations of the two features, on the half that did not match them",
            "chance": "95 % quantile of the largest |r| of any feature when whole patients are exchanged",
            "random": "mean r of the best of as many random directions, chosen and reported alike",
            "random low": f"low and high: middle 95 % of {meta['settings']['n_random']} random dictionaries",
            "p (random)": "share of the dictionaries, with this block's SAE, that came as close",
        },
        [
            Target(k, int(j) if j >= 0 else None, other=(followed["set"], followed["feature"]))
            for k, j in enumerate(found)
        ],
    )
