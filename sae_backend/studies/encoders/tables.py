"""The numbers behind the comparison of encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sae_backend.studies.encoders.triage import triaged
from sae_backend.studies.framework.report import Table, Target, as_column
from sae_backend.studies.framework.result import StudyResult

_REPRESENTATIONS = {"sae": "", "raw": "dimension ", "pca": "component ", "random": "random SAE "}


def verdict(low: float, high: float) -> str:
    """Which of two is larger by an interval of their difference: `first`, `second`, `none`, or `` for not judged."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return "first" if low > 0 else "second" if high < 0 else "none"


def tables(result: StudyResult, second: float) -> Sequence[Table]:
    """One row a set, a set and type, a pair and type; one table of features a set."""
    made = [_sets(result)]
    if result.meta["types"]:
        made += [_types(result), _differences(result)]
    return [*made, *(_features(result, k, second) for k in range(len(result.meta["titles"])))]


def _sets(result: StudyResult) -> Table:
    arrays, meta = result.arrays, result.meta
    columns: dict[str, Sequence[Any]] = {
        "set": list(meta["titles"]),
        "encoder": list(meta["encoders"]),
        "block": list(meta["layers"]),
        "control": ["yes" if control else "" for control in meta["is_control"]],
        "tiles": list(meta["n_tiles"]),
        "features": list(meta["n_features"]),
        "features above chance": arrays["sae/n_beating"].tolist(),
        "dimensions": arrays["raw/n"].tolist(),
        "dimensions above chance": arrays["raw/n_beating"].tolist(),
    }
    for key, words in (("entropy_contrast", "entropy"), ("alike_contrast", "label-free score")):
        names = (
            "features with it",
            "dimensions with it",
            "features, median",
            "dimensions, median",
            "effect",
            "p",
        )
        for i, name in enumerate(names):
            columns[f"{words}: {name}"] = as_column(arrays[key][:, i])
    columns["judged by"] = [judge or "" for judge in meta["judges"]]
    for i, name in enumerate(("all pairs of tiles", "pairs of different patients", "tiles both saw")):
        columns[f"label-free score: {name}"] = as_column(arrays["alike/pairs"][:, i])
    return Table(
        "sets",
        "Encoders",
        columns,
        {
            "features above chance": "family-wise p at most 0.05 on the reporting half",
            "entropy: effect": "rank-biserial; above 0 features are the more selective ones",
            "entropy: p": "Mann-Whitney; the unit is the column, not the patient",
            "label-free score: effect": "rank-biserial; above 0 features score higher",
            "label-free score: p": "Mann-Whitney; the unit is the column, not the patient",
        },
        [Target(k) for k in range(len(meta["titles"]))],
    )


def _types(result: StudyResult) -> Table:
    arrays, meta = result.arrays, result.meta
    n_sets, n_types = arrays["sae/value"].shape
    columns: dict[str, Sequence[Any]] = {
        "set": [title for title in meta["titles"] for _ in range(n_types)],
        "cell type": list(meta["types"]) * n_sets,
    }
    for name, words in _REPRESENTATIONS.items():
        columns[f"{words}feature" if name == "sae" else f"{words}number"] = [
            int(j) if j >= 0 else None for j in arrays[f"{name}/column"].ravel()
        ]
        for key, title in (
            ("choose", "r, choosing half"),
            ("value", "r"),
            ("ci_low", "low"),
            ("ci_high", "high"),
        ):
            columns[words + title] = as_column(arrays[f"{name}/{key}"].ravel())
        if name == "sae":
            columns["p (family)"] = as_column(arrays["p"].ravel())
        for i, k in enumerate(meta["probe_k"]):
            if arrays[f"{name}/probe_r2"].shape[1] > i:
                for key, title in (("r2", "R2"), ("low", "R2 low"), ("high", "R2 high")):
                    columns[f"{words}probe on {k}: {title}"] = as_column(
                        arrays[f"{name}/probe_{key}"][:, i].ravel()
                    )
    columns["prevalence"] = as_column(arrays["prevalence"].ravel())
    targets = [
        Target(k, int(j) if j >= 0 else None) for k, row in enumerate(arrays["sae/column"]) for j in row
    ]
    return Table(
        "types",
        "Best feature of each encoder for each type",
        columns,
        {
            "r": "on the half that did not choose" if meta["held_out"] else "nothing was held out",
            "low": "95 % interval over patients",
            "p (family)": "over all features and types of the set",
            "prevalence": "share of the tiles above the median count: AUPRC of a feature without knowledge",
        },
        targets,
    )


def _differences(result: StudyResult) -> Table:
    arrays, meta = result.arrays, result.meta
    names = ["mean of all types", *meta["types"]]
    value, low, high = (arrays[f"difference/{key}"] for key in ("value", "family_low", "family_high"))
    words = {
        "first": "the first follows it better",
        "second": "the second follows it better",
        "none": "no difference can be claimed",
    }
    columns: dict[str, Sequence[Any]] = {
        "first": [meta["titles"][a] for a, _ in meta["pairs"] for _ in names],
        "second": [meta["titles"][b] for _, b in meta["pairs"] for _ in names],
        "cell type": names * len(meta["pairs"]),
        "r of first less second": as_column(value.ravel()),
        "low": as_column(low.ravel()),
        "high": as_column(high.ravel()),
        "low, by itself": as_column(arrays["difference/low"].ravel()),
        "high, by itself": as_column(arrays["difference/high"].ravel()),
        "verdict": [
            words.get(verdict(a, b), "not judged") for a, b in zip(low.ravel(), high.ravel(), strict=True)
        ],
    }
    targets = [
        Target(a, _number(arrays["sae/column"][a], c - 1), other=_other(b, arrays["sae/column"][b], c - 1))
        for a, b in meta["pairs"]
        for c in range(len(names))
    ]
    return Table(
        "differences",
        "Differences between encoders",
        columns,
        {
            "low": "intervals that hold for all rows at once with 95 %; bootstrap-t over patients that both saw",
            "low, by itself": "95 % interval of this row alone, from which nothing is claimed",
            "verdict": "by the interval that holds for all rows",
        },
        targets,
    )


def _number(columns: Any, c: int) -> int | None:
    return int(columns[c]) if c >= 0 and columns[c] >= 0 else None


def _other(number: int, columns: Any, c: int) -> tuple[int, int] | None:
    found = _number(columns, c)
    return None if found is None else (number, found)


def _features(result: StudyResult, k: int, second: float) -> Table:
    arrays, meta = result.arrays, result.meta
    judged = triaged(result, k, second)
    n = meta["n_features"][k]
    best_type = arrays[f"set{k}/best_type"]
    columns: dict[str, Sequence[Any]] = {
        "feature": list(range(n)),
        "prevalence": as_column(arrays[f"set{k}/firing"][:, 0]),
        "follows most": [meta["types"][c] if c >= 0 else None for c in best_type],
        "beats chance": ["yes" if beats else "" for beats in arrays[f"set{k}/beats"]],
        "entropy": as_column(arrays[f"set{k}/entropy"]),
    }
    for c, name in enumerate(meta["types"]):
        columns[f"AUPRC {name}"] = as_column(arrays[f"set{k}/auprc"][:, c])
    columns["by labels"] = list(judged.words)
    columns["label entropy"] = as_column(judged.label_entropy)
    columns["label-free score"] = as_column(arrays[f"set{k}/alike/score"])
    columns["score between patients"] = as_column(arrays[f"set{k}/alike/between"])
    columns["score by chance"] = as_column(arrays[f"set{k}/alike/chance"])
    columns["above chance"] = ["yes" if above else "" for above in judged.above_chance]
    fires = arrays[f"set{k}/firing"][:, 0] > 0
    columns["follows most"] = [
        name if is_on else None for name, is_on in zip(columns["follows most"], fires, strict=True)
    ]
    prevalence = ", ".join(
        f"{name} {value:.2f}"
        for name, value in zip(meta["types"], arrays["prevalence"][k], strict=True)
        if np.isfinite(value)
    )
    return Table(
        f"features-{k}",
        f"Features of {meta['titles'][k]}",
        columns,
        {
            "prevalence": "share of the tiles of all slides in which the feature fires",
            "entropy": "nats, of |r| over types; only where chance is beaten",
            "by labels": f"one type where the second best lift is below {second:.2f} of the best; never fires: in no "
            f"tile of any slide; share of the tiles that have a type: {prevalence or 'none'}",
            "label-free score": f"mean cosine by {meta['judges'][k] or 'nobody'}; none where it fires in fewer than {meta['min_firing']} tiles",
            "score between patients": "only pairs of tiles of different patients",
            "above chance": "score above the 95 % quantile of all features' scores by chance",
        },
        [Target(k, j) for j in range(n)],
    )
