"""The encoders side by side, as figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.representations import RAW, SAE
from sae_backend.studies.encoders.findings import EncoderFindings, SetFeatures
from sae_backend.studies.encoders.triage import triaged
from sae_backend.studies.framework.report import Bars, Figure, Line, Mark, Points, Rule, Target
from sae_backend.studies.methods.cell_types.best_columns import BASELINE_TITLES, row_means

Floats = npt.NDArray[np.float64]

_CURVE_POINTS = 200


def figures(found: EncoderFindings, second: float) -> Sequence[Figure]:
    """All figures that have something to show."""
    made = [
        _best(found),
        _differences(found),
        _baselines(found),
        _probes(found),
        _above(found),
        _entropies(found),
        _alike(found),
        _triage(found, second),
    ]
    return [figure for figure in made if figure is not None]


def _half(found: EncoderFindings) -> str:
    n = f"n = {found.n_reporting_patients} patients"
    return f"held-out half, {n}" if found.held_out else f"nothing held out, {n}"


def _best(found: EncoderFindings) -> Figure | None:
    if not np.isfinite(found.cells.features.value).any():
        return None
    marks: list[Mark] = []
    for k, title in enumerate(found.titles):
        targets = [Target(k, int(j) if j >= 0 else None) for j in found.cells.features.column[k]]
        marks.append(
            Bars(
                found.cells.features.value[k],
                title,
                found.cells.features.ci_low[k],
                found.cells.features.ci_high[k],
                targets,
                is_baseline=found.is_control[k],
            )
        )
    return Figure(
        "best-r",
        "Best feature of each encoder for each cell type",
        f"Pearson's r over tiles of the {_half(found)}; bars are 95 % intervals over patients. Grey: the control, whose weights are "
        "random. The baselines of each encoder have a figure of their own.",
        "",
        "r",
        marks,
        x_names=found.types,
    )


def _differences(found: EncoderFindings) -> Figure | None:
    value = found.difference.value
    if not found.types or not np.isfinite(value).any():
        return None
    marks: list[Mark] = [Rule("y", 0.0, "no difference")]
    n_pairs = len(found.pairs)
    for i, (a, b) in enumerate(found.pairs):
        x = np.arange(value.shape[1]) + 0.6 * ((i + 0.5) / n_pairs - 0.5)
        marks.append(
            Points(
                x,
                value[i],
                f"{found.titles[a]} less {found.titles[b]}",
                y_low=found.difference.family_low[i],
                y_high=found.difference.family_high[i],
                is_baseline=bool(found.is_control[a] and found.is_control[b]),
            )
        )
    return Figure(
        "differences",
        "Difference in r between encoders",
        f"r of the best feature of one encoder less that of the other ({_half(found)}), bootstrap of patients that both saw; the "
        "intervals hold for all pairs and types at once with 95 %. One that includes 0 is no difference.",
        "",
        "difference in r",
        marks,
        x_names=["mean", *found.types],
    )


def _baselines(found: EncoderFindings) -> Figure | None:
    if not np.isfinite(found.cells.features.value).any():
        return None
    means = np.stack([found.cells.best[name].mean_r for name in (SAE, *BASELINE_TITLES)])
    return Figure(
        "baselines",
        "Features and what they have to beat",
        f"Mean over types of the r of the best column ({_half(found)}), chosen alike for all: features, dimensions and principal "
        "components of the same vectors, and a random SAE. No interval, as the table has one for each type. Grey: the control.",
        "",
        "mean r",
        [Bars(means[:, k], title, is_baseline=found.is_control[k]) for k, title in enumerate(found.titles)],
        x_names=["features", *BASELINE_TITLES.values()],
    )


def _probes(found: EncoderFindings) -> Figure | None:
    r2 = {name: found.cells.best[name].probe_r2 for name in (RAW, SAE)}
    own = r2[SAE]
    if own is None or not own.size or not np.isfinite(own).any():
        return None
    x = np.arange(len(found.probe_k), dtype=np.float64)
    marks: list[Mark] = []
    for k, title in enumerate(found.titles):
        for name, words in ((RAW, "dimensions"), (SAE, "features")):
            values = r2[name]
            if values is None:
                continue
            means = row_means(values[k])
            if np.isfinite(means).any():
                grey = name == RAW or found.is_control[k]
                marks.append(Line(x, means, f"{title}: {words}", is_baseline=grey, is_dashed=name == RAW))
    return Figure(
        "probes",
        "Linear probes on the best k columns",
        f"Mean over types of R2 on the {_half(found)}; columns and coefficients are those of the other half. Grey: dimensions (dashed) "
        "and the control. Principal components, the random SAE, and intervals for each type are in the table.",
        "columns, k",
        "R2",
        marks,
        x_names=[str(k) for k in found.probe_k],
    )


def _above(found: EncoderFindings) -> Figure | None:
    if not found.types or not found.is_judged:
        return None
    marks: list[Mark] = []
    for name, title in ((RAW, "dimensions"), (SAE, "features")):
        beyond = found.cells.beyond[name]
        n = beyond.n
        if (n > 0).any():
            marks.append(
                Bars(
                    100 * beyond.n_beating / np.where(n > 0, n, np.nan),
                    title,
                    is_baseline=name == RAW,
                )
            )
    return Figure(
        "above-null",
        "Columns that follow some cell type more than chance",
        f"Share of the columns with a family-wise p of at most 0.05 over all columns and types ({_half(found)}; whole patients exchanged). "
        "Grey: dimensions.",
        "",
        "columns, %",
        marks,
        x_names=found.titles,
    )


def _curve(values: Floats) -> tuple[Floats, Floats]:
    """Cumulative shares of finite values, at most a few hundred points."""
    ordered = np.sort(values[np.isfinite(values)])
    share = (np.arange(ordered.size) + 1) / max(ordered.size, 1)
    if ordered.size > _CURVE_POINTS:
        chosen = np.linspace(0, ordered.size - 1, _CURVE_POINTS).round().astype(int)
        ordered, share = ordered[chosen], share[chosen]
    return ordered, share


def _cumulative(found: EncoderFindings, of: Callable[[SetFeatures], tuple[Floats, Floats]]) -> list[Mark]:
    """Curves of the dimensions and of the features of each set; `of` gives their values, in this order."""
    marks: list[Mark] = []
    for title, some, is_control in zip(found.titles, found.sets, found.is_control, strict=True):
        for values, words in zip(of(some), ("dimensions", "features"), strict=True):
            x, y = _curve(values)
            if x.size:
                is_raw = words == "dimensions"
                marks.append(
                    Line(
                        x,
                        y,
                        f"{title}: {words} (n = {np.isfinite(values).sum():,})",
                        is_baseline=is_raw or is_control,
                        is_dashed=is_raw,
                    )
                )
    return marks


def _entropies(found: EncoderFindings) -> Figure | None:
    marks = _cumulative(found, lambda some: (some.raw_entropy, some.entropy))
    if not marks:
        return None
    n_types = len(found.types)
    return Figure(
        "entropy",
        "Selectivity of the columns above chance",
        f"Cumulative share by the entropy of |r| over {n_types} types ({_half(found)}); 0 is one type alone, {np.log(max(n_types, 1)):.2f} "
        "all alike. Only columns that beat chance count. Grey: dimensions and the control.",
        "entropy, nats",
        "share of the columns",
        marks,
    )


def _alike(found: EncoderFindings) -> Figure | None:
    marks = _cumulative(found, lambda some: (some.raw_score, some.score))
    if not marks:
        return None
    for some, title in zip(found.sets, found.titles, strict=True):
        if np.isfinite(some.limit_of_chance):
            marks.append(Rule("x", some.limit_of_chance, f"chance, {title}"))
    judges = ", ".join(
        f"{title} by {judge}" for title, judge in zip(found.titles, found.judges, strict=True) if judge
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


def _triage(found: EncoderFindings, second: float) -> Figure | None:
    marks: list[Mark] = []
    for k, title in enumerate(found.titles):
        judged = triaged(found.sets[k], second)
        score, beats = found.sets[k].score, found.sets[k].beats
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
                    is_baseline=found.is_control[k],
                )
            )
    if not marks:
        return None
    return Figure(
        "triage",
        "What labels say and what tiles look like",
        f"Features that beat chance. Across: how much better the best type's AUPRC is than the second's, above prevalence ({_half(found)}). "
        "Up: the label-free score over all slides. Upper left are features of one look that no single type names. Grey: the control.",
        "lead of the best type, share of what is possible",
        "mean cosine",
        marks,
    )
