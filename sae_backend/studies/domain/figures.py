"""Figures and tables of an out-of-domain study."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial as bind
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.domain.pairs import FADED, KEPT, LOST, REVERSED, UNDECIDED, VERDICTS, WEAKER
from sae_backend.studies.framework.report import Bars, Figure, Line, Mark, Points, Table, Target, as_column

_COLOURS: Final = {UNDECIDED: 0, KEPT: 2, WEAKER: 5, LOST: 1, REVERSED: 4, FADED: 3}
_NOTES: Final = {
    "r chosen": "Pearson r on the half of cohort A that chose the feature",
    "r in A": "Pearson r on the other half of cohort A, which took no part in the choice",
    "r in B": "Pearson r on cohort B",
    "p in B": "family-wise p that there is nothing in B: corrected for all chosen features and all types",
    "A low": "95 % bootstrap-t interval of this r alone, by resampling the units of A, not corrected for other pairs",
    "B low": "95 % bootstrap-t interval of this r alone, by resampling the units of B, not corrected for other pairs",
    "difference low": "95 % interval of A less B for this pair alone, not corrected for other pairs",
    "p difference": "p that r is the same in A and B, by t on Fisher's z, after Holm's correction for all pairs",
    "verdict": "kept: p in B at most 0.05 with the same sign, not shown to be weaker; weaker: there, and smaller; lost: "
    "not shown in B, its interval there holds 0, and smaller there; weaker or lost: smaller there, not shown by the "
    "corrected p, though the interval of this r alone leaves 0 out; reversed: there with the other sign; undecided: neither is shown",
}


def scatter(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Figure:
    """R of each pair in A against that in B."""
    seen = np.concatenate([[0.0], *(arrays[f"pair/{name}"] for name in ("r_a", "r_b", "low_a", "low_b"))])
    line = np.array([max(-1.0, float(np.nanmin(seen))), 1.0])
    marks: list[Mark] = [Line(line, line, "the same in both", is_dashed=True)]
    few = arrays["pair/feature"].size <= 40
    for code in (UNDECIDED, LOST, FADED, REVERSED, WEAKER, KEPT):
        place = np.flatnonzero(arrays["pair/verdict"] == code)
        if not place.size:
            continue
        ends = bind(_interval_end, arrays, place if few else None)
        marks.append(
            Points(
                arrays["pair/r_a"][place], arrays["pair/r_b"][place], f"{VERDICTS[code]} ({place.size})",
                [Target(0, int(f)) for f in arrays["pair/feature"][place]],
                [
                    f"feature {f}, {meta['type_names'][t]}"
                    for f, t in zip(arrays["pair/feature"][place], arrays["pair/type"][place], strict=True)
                ],
                x_low=ends("low_a"), x_high=ends("high_a"), y_low=ends("low_b"), y_high=ends("high_b"),
                is_baseline=code == UNDECIDED, colour=_COLOURS[code],
            )
        )  # fmt: skip
    return Figure(
        "domain-r",
        f"r of the same features in {meta['a']} and in {meta['b']}",
        f"{meta['n_pairs']} pairs of feature and cell type, chosen on one half of {meta['a']}. Across: "
        + (
            f"its other half ({meta['n_clusters_a']} units: {meta['unit_a']}). "
            if meta["held_out"]
            else "the same tiles. "
        )
        + f"Up: {meta['b']} ({meta['n_clusters_b']} units: {meta['unit_b']}). "
        + ("Bars are 95 % bootstrap-t intervals. " if few else "")
        + "Grey: undecided.",
        f"r in {meta['a']}" + (" (held out)" if meta["held_out"] else " (not held out)"),
        f"r in {meta['b']}",
        marks,
        is_square=True,
    )


def _interval_end(
    arrays: Mapping[str, npt.NDArray[Any]], place: npt.NDArray[Any] | None, name: str
) -> npt.NDArray[Any] | None:
    """Ends of the intervals of some pairs, None where they would hide the points."""
    return None if place is None else arrays[f"pair/{name}"][place]


def best(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Figure:
    """The best column of each type beside its baselines, in A and in B."""
    marks: list[Mark] = []
    for name, title in meta["representations"].items():
        of_sae = name == "sae"
        columns = arrays[f"best/{name}/column"]
        for side in ("a", "b") if of_sae else ("b",):
            targets = [Target(0, int(c) if of_sae and c >= 0 else None) for c in columns]
            marks.append(
                Bars(
                    np.abs(arrays[f"best/{name}/{side}"]), f"{title}, {meta[side]}",
                    *_sized(arrays, name, side), targets, is_baseline=not of_sae,
                )
            )  # fmt: skip
    return Figure(
        "domain-best",
        f"The best column of each type, chosen on {meta['a']}",
        f"|r| on {meta['a']}{' (held-out half)' if meta['held_out'] else ''} and on {meta['b']}; 95 % intervals by "
        f"resampling ({meta['unit_b']}). Grey, from left to right: "
        + ", ".join(title for name, title in meta["representations"].items() if name != "sae")
        + f" on {meta['b']}, chosen and fitted on {meta['a']} in the same way.",
        "cell type",
        "|r|",
        marks,
        x_names=meta["type_names"],
        y_limits=(0.0, 1.0),
    )


def _sized(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, side: str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Interval of |r|: that of r, turned where r is negative and cut at 0."""
    r, low, high = (arrays[f"best/{name}/{key}"] for key in (side, f"low_{side}", f"high_{side}"))
    turned = r < 0
    return np.clip(np.where(turned, -high, low), 0, 1), np.clip(np.where(turned, -low, high), 0, 1)


def pairs(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Table:
    """Every pair with what became of it."""
    features = arrays["pair/feature"]
    columns: dict[str, Any] = {
        "feature": [int(f) for f in features],
        "cell type": [meta["type_names"][int(t)] for t in arrays["pair/type"]],
        "verdict": [VERDICTS[int(code)] for code in arrays["pair/verdict"]],
    }
    for title, name in (
        ("r chosen", "r_choose"), ("r in A", "r_a"), ("A low", "low_a"), ("A high", "high_a"), ("r in B", "r_b"),
        ("B low", "low_b"), ("B high", "high_b"), ("p in B", "p_b"), ("difference low", "difference_low"),
        ("difference high", "difference_high"), ("p difference", "p_difference"),
    ):  # fmt: skip
        columns[title] = as_column(arrays[f"pair/{name}"])
    return Table(
        "domain-pairs", f"Kept and lost between {meta['a']} (A) and {meta['b']} (B)", columns, _NOTES,
        [Target(0, int(f)) for f in features],
    )  # fmt: skip


def best_table(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Table:
    """The best columns and their baselines as numbers."""
    columns: dict[str, list[Any]] = {
        key: []
        for key in ("cell type", "from", "column", "r in A", "A low", "A high", "r in B", "B low", "B high")
    }
    for name, title in meta["representations"].items():
        for c, kind in enumerate(meta["type_names"]):
            values = [kind, title, int(arrays[f"best/{name}/column"][c])]
            values += [
                as_column(arrays[f"best/{name}/{key}"][c : c + 1])[0]
                for key in ("a", "low_a", "high_a", "b", "low_b", "high_b")
            ]
            for key, value in zip(columns, values, strict=True):
                columns[key].append(value)
    notes = {"column": "number of the feature, dimension or component; -1 where none varies"}
    return Table("domain-best", "The best column of each type beside its baselines", dict(columns), notes)


def quality(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Figure | None:
    """Explained variance on both cohorts; None where it is not known."""
    if "a/explained" not in arrays:
        return None
    values = np.array([arrays[f"{name}/explained"] for name in ("a", "b")])
    return Figure(
        "domain-explained",
        "How much of the embeddings the SAE explains",
        f"Explained variance over {int(arrays['a/n_tiles']):,} tiles of {meta['a']}"
        + (", most of which it was trained on," if meta["retrained"] else "")
        + f" and {int(arrays['b/n_tiles']):,} of {meta['b']}; 95 % percentile intervals by resampling patients.",
        "cohort",
        "explained variance",
        [Bars(values[:, 0], "", values[:, 1], values[:, 2])],
        x_names=(meta["a"], meta["b"]),
        y_limits=(min(0.0, float(np.nanmin(values))), 1.0),
    )


def quality_table(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Table:
    """How the SAE does on both cohorts."""
    columns: dict[str, list[Any]] = {
        "cohort": [meta["a"], meta["b"]],
        "tiles": [int(arrays[f"{name}/n_tiles"]) for name in ("a", "b")],
        "never fire": [float(arrays[f"{name}/dead"][0]) for name in ("a", "b")],
        "fire in under 1 of 10,000": [float(arrays[f"{name}/dead"][1]) for name in ("a", "b")],
    }
    for key, title in (("explained", "explained variance"), ("l0", "L0")):
        for place, word in enumerate(("", " low", " high")):
            columns[title + word] = [
                as_column(arrays[f"{name}/{key}"][place : place + 1])[0]
                if f"{name}/{key}" in arrays
                else None
                for name in ("a", "b")
            ]
    notes = {
        "never fire": "share of all features that fire in no tile of the cohort",
        "L0": "mean number of features that fire in a tile",
    }
    return Table("domain-quality", "The SAE on both cohorts", dict(columns), notes)
