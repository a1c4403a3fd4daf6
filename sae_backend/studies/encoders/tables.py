"""The numbers behind the comparison of encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sae_backend.correlation.representations import PCA, RANDOM, RAW, SAE
from sae_backend.studies.encoders.findings import EncoderFindings
from sae_backend.studies.encoders.triage import triaged
from sae_backend.studies.framework.report import Table, Target, as_column

_REPRESENTATIONS = {SAE: "", RAW: "dimension ", PCA: "component ", RANDOM: "random SAE "}


def verdict(low: float, high: float) -> str:
    """Which of two is larger by an interval of their difference: `first`, `second`, `none`, or `` for not judged."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return "first" if low > 0 else "second" if high < 0 else "none"


def tables(found: EncoderFindings, second: float) -> Sequence[Table]:
    """One row a set, a set and type, a pair and type; one table of features a set."""
    made = [_sets(found)]
    if found.types:
        made += [_types(found), _differences(found)]
    return [*made, *(_features(found, k, second) for k in range(len(found.titles)))]


def _sets(found: EncoderFindings) -> Table:
    columns: dict[str, Sequence[Any]] = {
        "set": list(found.titles),
        "encoder": list(found.encoders),
        "block": list(found.layers),
        "control": ["yes" if control else "" for control in found.is_control],
        "tiles": list(found.n_tiles),
        "features": list(found.n_features),
        "features above chance": found.cells.beyond[SAE].n_beating.tolist(),
        "dimensions": found.cells.beyond[RAW].n.tolist(),
        "dimensions above chance": found.cells.beyond[RAW].n_beating.tolist(),
    }
    for contrasts, words in ((found.cells.entropies, "entropy"), (found.alike, "label-free score")):
        names = (
            "features with it",
            "dimensions with it",
            "features, median",
            "dimensions, median",
            "effect",
            "p",
        )
        values = np.stack([each.row() for each in contrasts])
        for i, name in enumerate(names):
            columns[f"{words}: {name}"] = as_column(values[:, i])
    columns["judged by"] = [judge or "" for judge in found.judges]
    for i, name in enumerate(("all pairs of tiles", "pairs of different patients", "tiles both saw")):
        columns[f"label-free score: {name}"] = as_column(found.alike_pairs[:, i])
    return Table(
        "sets",
        "Encoders",
        columns,
        {
            "features above chance": "family-wise p at most 0.05 on the held-out half",
            "entropy: effect": "rank-biserial; above 0 features are the more selective ones",
            "entropy: p": "Mann-Whitney; the unit is the column, not the patient",
            "label-free score: effect": "rank-biserial; above 0 features score higher",
            "label-free score: p": "Mann-Whitney; the unit is the column, not the patient",
        },
        [Target(k) for k in range(len(found.titles))],
    )


def _types(found: EncoderFindings) -> Table:
    n_sets, n_types = found.cells.features.value.shape
    columns: dict[str, Sequence[Any]] = {
        "set": [title for title in found.titles for _ in range(n_types)],
        "cell type": list(found.types) * n_sets,
    }
    for name, words in _REPRESENTATIONS.items():
        best = found.cells.best[name]
        columns[f"{words}feature" if name == SAE else f"{words}number"] = [
            int(j) if j >= 0 else None for j in best.column.ravel()
        ]
        columns |= {
            f"{words}r, choosing half": as_column(best.choose.ravel()),
            f"{words}r": as_column(best.value.ravel()),
            f"{words}low": as_column(best.ci_low.ravel()),
            f"{words}high": as_column(best.ci_high.ravel()),
        }
        if name == SAE:
            columns["p (family)"] = as_column(found.cells.p.ravel())
        for i, k in enumerate(found.probe_k):
            for probes, title in (
                (best.probe_r2, "R2"),
                (best.probe_low, "R2 low"),
                (best.probe_high, "R2 high"),
            ):
                if probes is not None and probes.shape[1] > i:
                    columns[f"{words}probe on {k}: {title}"] = as_column(probes[:, i].ravel())
    columns["prevalence"] = as_column(np.concatenate([each.prevalence for each in found.sets]))
    targets = [
        Target(k, int(j) if j >= 0 else None)
        for k, row in enumerate(found.cells.features.column)
        for j in row
    ]
    return Table(
        "types",
        "Best feature of each encoder for each type",
        columns,
        {
            "r": "on the half that did not choose" if found.held_out else "nothing was held out",
            "low": "95 % interval over patients",
            "p (family)": "over all features and types of the set",
            "prevalence": "share of the tiles above the median count: AUPRC of a feature without knowledge",
        },
        targets,
    )


def _differences(found: EncoderFindings) -> Table:
    names = ["mean of all types", *found.types]
    difference = found.difference
    value, low, high = difference.value, difference.family_low, difference.family_high
    words = {
        "first": "the first follows it better",
        "second": "the second follows it better",
        "none": "no difference can be claimed",
    }
    columns: dict[str, Sequence[Any]] = {
        "first": [found.titles[a] for a, _ in found.pairs for _ in names],
        "second": [found.titles[b] for _, b in found.pairs for _ in names],
        "cell type": names * len(found.pairs),
        "r of first less second": as_column(value.ravel()),
        "low": as_column(low.ravel()),
        "high": as_column(high.ravel()),
        "low, by itself": as_column(found.difference.low.ravel()),
        "high, by itself": as_column(found.difference.high.ravel()),
        "verdict": [
            words.get(verdict(a, b), "not judged") for a, b in zip(low.ravel(), high.ravel(), strict=True)
        ],
    }
    targets = [
        Target(
            a,
            _number(found.cells.features.column[a], c - 1),
            other=_other(b, found.cells.features.column[b], c - 1),
        )
        for a, b in found.pairs
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


def _features(found: EncoderFindings, k: int, second: float) -> Table:
    judged = triaged(found.sets[k], second)
    n = found.n_features[k]
    best_type = found.sets[k].best_type
    columns: dict[str, Sequence[Any]] = {
        "feature": list(range(n)),
        "prevalence": as_column(found.sets[k].firing[:, 0]),
        "follows most": [found.types[c] if c >= 0 else None for c in best_type],
        "beats chance": ["yes" if beats else "" for beats in found.sets[k].beats],
        "entropy": as_column(found.sets[k].entropy),
    }
    for c, name in enumerate(found.types):
        columns[f"AUPRC {name}"] = as_column(found.sets[k].auprc[:, c])
    columns["by labels"] = list(judged.words)
    columns["label entropy"] = as_column(judged.label_entropy)
    columns["label-free score"] = as_column(found.sets[k].score)
    columns["score between patients"] = as_column(found.sets[k].between)
    columns["score by chance"] = as_column(found.sets[k].chance)
    columns["above chance"] = ["yes" if above else "" for above in judged.above_chance]
    fires = found.sets[k].firing[:, 0] > 0
    columns["follows most"] = [
        name if is_on else None for name, is_on in zip(columns["follows most"], fires, strict=True)
    ]
    prevalence = ", ".join(
        f"{name} {value:.2f}"
        for name, value in zip(found.types, found.sets[k].prevalence, strict=True)
        if np.isfinite(value)
    )
    return Table(
        f"features-{k}",
        f"Features of {found.titles[k]}",
        columns,
        {
            "prevalence": "share of the tiles of all slides in which the feature fires",
            "entropy": "nats, of |r| over types; only where chance is beaten",
            "by labels": f"one type where the second best lift is below {second:.2f} of the best; never fires: in no "
            f"tile of any slide; share of the tiles that have a type: {prevalence or 'none'}",
            "label-free score": f"mean cosine by {found.judges[k] or 'nobody'}; none where it fires in fewer than {found.min_firing} tiles",
            "score between patients": "only pairs of tiles of different patients",
            "above chance": "score above the 95 % quantile of all features' scores by chance",
        },
        [Target(k, j) for j in range(n)],
    )
