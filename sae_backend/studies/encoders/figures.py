"""The encoders side by side, as figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sae_backend.studies.encoders.triage import limit_of_chance, triaged
from sae_backend.studies.framework.report import Bars, Figure, Line, Mark, Points, Rule, Target
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.methods.number_text import (
    BASELINE_TITLES,
    mean_of,
    oriented,
    row_means,
)

Floats = npt.NDArray[np.float64]

_CURVE_POINTS = 200


def figures(result: StudyResult, second: float) -> Sequence[Figure]:
    """All figures that have something to show."""
    made = [
        _best(result),
        _differences(result),
        _baselines(result),
        _probes(result),
        _above(result),
        _entropies(result),
        _alike(result),
        _triage(result, second),
    ]
    return [figure for figure in made if figure is not None]


def _half(result: StudyResult) -> str:
    meta = result.meta
    n = f"n = {meta['n_reporting_patients']} patients"
    return f"held-out half, {n}" if meta["held_out"] else f"nothing held out, {n}"


def _best(result: StudyResult) -> Figure | None:
    arrays, meta = result.arrays, result.meta
    if not np.isfinite(arrays["sae/value"]).any():
        return None
    marks: list[Mark] = []
    for k, title in enumerate(meta["titles"]):
        targets = [Target(k, int(j) if j >= 0 else None) for j in arrays["sae/column"][k]]
        marks.append(
            Bars(
                arrays["sae/value"][k],
                title,
                arrays["sae/ci_low"][k],
                arrays["sae/ci_high"][k],
                targets,
                is_baseline=meta["is_control"][k],
            )
        )
    return Figure(
        "best-r",
        "Best feature of each encoder for each cell type",
        f"Pearson's r over tiles of the {_half(result)}; bars are 95 % intervals over patients. Grey: the control, whose weights are "
        "random. The baselines of each encoder have a figure of their own.",
        "",
        "r",
        marks,
        x_names=meta["types"],
    )


def _differences(result: StudyResult) -> Figure | None:
    arrays, meta = result.arrays, result.meta
    value = arrays["difference/value"]
    if not meta["types"] or not np.isfinite(value).any():
        return None
    marks: list[Mark] = [Rule("y", 0.0, "no difference")]
    n_pairs = len(meta["pairs"])
    for i, (a, b) in enumerate(meta["pairs"]):
        x = np.arange(value.shape[1]) + 0.6 * ((i + 0.5) / n_pairs - 0.5)
        marks.append(
            Points(
                x,
                value[i],
                f"{meta['titles'][a]} less {meta['titles'][b]}",
                y_low=arrays["difference/family_low"][i],
                y_high=arrays["difference/family_high"][i],
                is_baseline=bool(meta["is_control"][a] and meta["is_control"][b]),
            )
        )
    return Figure(
        "differences",
        "Difference in r between encoders",
        f"r of the best feature of one encoder less that of the other ({_half(result)}), bootstrap of patients that both saw; the "
        "intervals hold for all pairs and types at once with 95 %. One that includes 0 is no difference.",
        "",
        "difference in r",
        marks,
        x_names=["mean", *meta["types"]],
    )


def _baselines(result: StudyResult) -> Figure | None:
    arrays, meta = result.arrays, result.meta
    if not np.isfinite(arrays["sae/value"]).any():
        return None
    means = np.stack(
        [
            row_means(oriented(arrays[f"{name}/value"], arrays[f"{name}/choose"]))
            for name in ("sae", *BASELINE_TITLES)
        ]
    )
    return Figure(
        "baselines",
        "Features and what they have to beat",
        f"Mean over types of the r of the best column ({_half(result)}), chosen alike for all: features, dimensions and principal "
        "components of the same vectors, and a random SAE. No interval, as the table has one for each type. Grey: the control.",
        "",
        "mean r",
        [
            Bars(means[:, k], title, is_baseline=meta["is_control"][k])
            for k, title in enumerate(meta["titles"])
        ],
        x_names=["features", *BASELINE_TITLES.values()],
    )


def _probes(result: StudyResult) -> Figure | None:
    arrays, meta = result.arrays, result.meta
    if not arrays["sae/probe_r2"].size or not np.isfinite(arrays["sae/probe_r2"]).any():
        return None
    x = np.arange(len(meta["probe_k"]), dtype=np.float64)
    marks: list[Mark] = []
    for k, title in enumerate(meta["titles"]):
        for name, words in (("raw", "dimensions"), ("sae", "features")):
            means = np.array([mean_of(row) for row in arrays[f"{name}/probe_r2"][k]])
            if np.isfinite(means).any():
                grey = name == "raw" or meta["is_control"][k]
                marks.append(Line(x, means, f"{title}: {words}", is_baseline=grey, is_dashed=name == "raw"))
    return Figure(
        "probes",
        "Linear probes on the best k columns",
        f"Mean over types of R2 on the {_half(result)}; columns and coefficients are those of the other half. Grey: dimensions (dashed) "
        "and the control. Principal components, the random SAE, and intervals for each type are in the table.",
        "columns, k",
        "R2",
        marks,
        x_names=[str(k) for k in meta["probe_k"]],
    )


def _above(result: StudyResult) -> Figure | None:
    arrays, meta = result.arrays, result.meta
    if not meta["types"] or not all(report.get("judged") for report in meta["reports"]):
        return None
    marks: list[Mark] = []
    for name, title in (("raw", "dimensions"), ("sae", "features")):
        n = arrays[f"{name}/n"]
        if (n > 0).any():
            marks.append(
                Bars(
                    100 * arrays[f"{name}/n_beating"] / np.where(n > 0, n, np.nan),
                    title,
                    is_baseline=name == "raw",
                )
            )
    return Figure(
        "above-null",
        "Columns that follow some cell type more than chance",
        f"Share of the columns with a family-wise p of at most 0.05 over all columns and types ({_half(result)}; whole patients exchanged). "
        "Grey: dimensions.",
        "",
        "columns, %",
        marks,
        x_names=meta["titles"],
    )


def _curve(values: Floats) -> tuple[Floats, Floats]:
    """Cumulative shares of finite values, at most a few hundred points."""
    ordered = np.sort(values[np.isfinite(values)])
    share = (np.arange(ordered.size) + 1) / max(ordered.size, 1)
    if ordered.size > _CURVE_POINTS:
        chosen = np.linspace(0, ordered.size - 1, _CURVE_POINTS).round().astype(int)
        ordered, share = ordered[chosen], share[chosen]
    return ordered, share


def _cumulative(result: StudyResult, feature_key: str, raw_key: str) -> list[Mark]:
    meta, marks = result.meta, list[Mark]()
    for k, title in enumerate(meta["titles"]):
        for key, words in ((raw_key, "dimensions"), (feature_key, "features")):
            x, y = _curve(result.arrays[f"set{k}/{key}"])
            if x.size:
                grey = key == raw_key or meta["is_control"][k]
                marks.append(
                    Line(
                        x,
                        y,
                        f"{title}: {words} (n = {np.isfinite(result.arrays[f'set{k}/{key}']).sum():,})",
                        is_baseline=grey,
                        is_dashed=key == raw_key,
                    )
                )
    return marks


def _entropies(result: StudyResult) -> Figure | None:
    marks = _cumulative(result, "entropy", "raw_entropy")
    if not marks:
        return None
    n_types = len(result.meta["types"])
    return Figure(
        "entropy",
        "Selectivity of the columns above chance",
        f"Cumulative share by the entropy of |r| over {n_types} types ({_half(result)}); 0 is one type alone, {np.log(max(n_types, 1)):.2f} "
        "all alike. Only columns that beat chance count. Grey: dimensions and the control.",
        "entropy, nats",
        "share of the columns",
        marks,
    )


def _alike(result: StudyResult) -> Figure | None:
    marks = _cumulative(result, "alike/score", "raw_alike/score")
    if not marks:
        return None
    limits = [limit_of_chance(result, k) for k in range(len(result.meta["titles"]))]
    for limit, title in zip(limits, result.meta["titles"], strict=True):
        if np.isfinite(limit):
            marks.append(Rule("x", limit, f"chance, {title}"))
    judges = ", ".join(
        f"{title} by {judge}"
        for title, judge in zip(result.meta["titles"], result.meta["judges"], strict=True)
        if judge
    )
    return Figure(
        "alike",
        "Label-free monosemanticity",
        f"Cumulative share by the mean cosine of pairs of tiles, weighted by activations; judged by another encoder ({judges}). All "
        "slides, as no label chooses anything; the unit is the column. Grey: dimensions and the control; rules: 95 % quantile over "
        "features when the judging vectors are those of another patient.",
        "mean cosine",
        "share of the columns",
        marks,
    )


def _triage(result: StudyResult, second: float) -> Figure | None:
    marks: list[Mark] = []
    for k, title in enumerate(result.meta["titles"]):
        judged = triaged(result, k, second)
        score, beats = result.arrays[f"set{k}/alike/score"], result.arrays[f"set{k}/beats"]
        shown = np.flatnonzero(np.isfinite(score) & np.isfinite(judged.best) & beats)
        if shown.size:
            names = [f"{title}, feature {j}: {judged.words[j]}" for j in shown]
            marks.append(
                Points(
                    judged.best[shown] - np.maximum(np.nan_to_num(judged.second[shown]), 0),
                    score[shown],
                    title,
                    [Target(k, int(j)) for j in shown],
                    names,
                    is_baseline=result.meta["is_control"][k],
                )
            )
    if not marks:
        return None
    return Figure(
        "triage",
        "What labels say and what tiles look like",
        f"Features that beat chance. Across: how much better the best type's AUPRC is than the second's, above prevalence ({_half(result)}). "
        "Up: the label-free score over all slides. Upper left are features of one look that no single type names. Grey: the control.",
        "lead of the best type, share of what is possible",
        "mean cosine",
        marks,
    )
