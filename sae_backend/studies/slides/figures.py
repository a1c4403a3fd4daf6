"""The figures of a study of slides and patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import Cells, Figure, Mark, Points, Rule, Target
from sae_backend.studies.slides.findings import ComparedGroups, SlideFindings, strongest

MEASURE_WORDS: Final = {
    "mean": "mean activation over all tiles (SAE units)",
    "rate": "share of tiles in which the feature fires",
    "top": "mean activation in the tenth of tiles where it is strongest (SAE units)",
}
_BARCODE: Final = 30
_NAME: Final = 16
_ENDING: Final = 5
_LEAST_FOR_PLANE: Final = 3


def volcano(groups: ComparedGroups, q: float) -> Figure:
    """Every feature by the size of its difference and its p."""
    single, rate = groups.difference.p_single, groups.difference.q
    marks: list[Mark] = []
    for label, mine, grey in (
        (f"q above {q:g}", rate > q, True),
        (f"q up to {q:g}", rate <= q, False),
    ):
        place = np.flatnonzero(mine & np.isfinite(groups.difference.effect))
        marks.append(
            Points(
                groups.difference.effect[place], -np.log10(single[place]), f"{label} ({place.size})",
                [Target(0, int(f)) for f in place], [f"feature {f}" for f in place], is_baseline=grey,
            )
        )  # fmt: skip
    family = groups.difference.p <= 0.05
    if family.any():
        edge = float(-np.log10(single[family].max()))
        marks.append(Rule("y", edge, "family-wise p 0.05"))
    return Figure(
        "slides-difference",
        f"{groups.a} against {groups.b}",
        f"One point a feature: {groups.n_a} and {groups.n_b} patients; p of rank sums over {groups.n_exchanges:,} exchanges of "
        "patients, pooled over all features and not corrected for their number (q and the line are). To the right: more in "
        f"{groups.a}.",
        "difference of means in standard deviations of patients",
        "-log10 p (pooled over features)",
        marks,
    )


def strip(found: SlideFindings, groups: ComparedGroups) -> Figure:
    """The patients themselves, for the features that differ most."""
    order = strongest(groups)[:6]
    in_a = groups.in_a
    first: dict[str, str] = {}
    for name, unit in zip(found.slides, found.units, strict=True):
        first.setdefault(unit, name)
    marks: list[Mark] = []
    for side, label in ((True, groups.a), (False, groups.b)):
        mine = np.flatnonzero(in_a == side)
        x, y, targets, names = [], [], [], []
        for place, feature in enumerate(order):
            values = groups.values[mine, feature]
            top = float(groups.values[:, feature].max()) or 1.0
            x += list(place + (-0.15 if side else 0.15) + np.linspace(-0.08, 0.08, mine.size))
            y += list(values / top)
            targets += [Target(0, int(feature), first[groups.patients[p]]) for p in mine]
            names += [
                f"{groups.patients[p]}, feature {feature}: {v:.3g}" for p, v in zip(mine, values, strict=True)
            ]
        marks.append(Points(np.array(x), np.array(y), f"{label} ({mine.size})", targets, names))
    return Figure(
        "slides-patients",
        "Patients, for the features that differ most",
        f"One point a patient: {MEASURE_WORDS[found.measure]}, mean of the patient's slides, divided by the largest of all patients. "
        "These features were chosen for their difference, so they look further apart here than they would in new patients.",
        "feature",
        "share of the largest",
        marks,
        x_names=[str(f) for f in order],
        y_limits=(-0.03, 1.08),
    )


def plane(found: SlideFindings) -> Figure:
    """The slides on the first two components of their profiles."""
    places, share, groups = found.plane, found.plane_share, found.groups
    key = groups.fact if groups else (found.facts[0] if found.facts else "")
    texts = found.fact_values.get(key) or [""] * len(found.slides)
    if groups:
        texts = [{"a": groups.a, "b": groups.b}.get(side, "other") for side in groups.in_group]
    marks: list[Mark] = []
    for text in sorted(set(texts)):
        mine = [k for k, other in enumerate(texts) if other == text]
        marks.append(
            Points(
                places[mine, 0], places[mine, 1], text, [Target(0, None, found.slides[k]) for k in mine],
                [found.slides[k] for k in mine], is_baseline=text in ("", "other"),
            )
        )  # fmt: skip
    return Figure(
        "slides-plane",
        "Slides by what fires on them",
        f"One point a slide ({len(found.slides)}): first two principal components of the profiles ({MEASURE_WORDS[found.measure]}), each "
        f"feature scaled over the slides; they hold {share[0]:.0%} and {share[1]:.0%} of the variance. "
        + (f"Colours: {key}." if key else ""),
        "component 1",
        "component 2",
        marks,
        is_square=True,
    )


def barcode(found: SlideFindings) -> Figure:
    """The profiles themselves, slide by slide, groups set apart."""
    values, groups = found.profiles.of(found.measure), found.groups
    rows = [k for k in range(len(found.slides)) if np.isfinite(values[k]).all()]
    if groups:
        features = strongest(groups)[:_BARCODE]
        # From what is most in the first group to what is most in the second.
        features = features[np.argsort(-np.nan_to_num(groups.difference.effect[features]), kind="stable")]
        how = f"the {features.size} features that differ most between {groups.a} and {groups.b}, from more to less in {groups.a}"
        sides = [{"a": groups.a, "b": groups.b}.get(side, "") for side in groups.in_group]
        order = {groups.a: 0, groups.b: 1}
        rows.sort(key=lambda k: (order.get(sides[k], 2), found.units[k], k))
    else:
        spread = np.nan_to_num(np.nanstd(values, axis=0) / (np.nanmean(values, axis=0) + 1e-9))
        fires = np.nanmean(found.profiles.rate, axis=0) > 0.01
        features = np.argsort(-np.where(fires, spread, -1), kind="stable")[: min(_BARCODE, int(fires.sum()))]
        features = features[_alike(values[rows][:, features])]
        how = (
            f"the {features.size} features that differ most between slides, for their mean, of those that fire in 1 % of "
            "tiles, alike ones side by side"
        )
        sides = [""] * len(found.slides)
        rows.sort(key=lambda k: (found.units[k], k))
    scaled = np.clip(_scaled(values[rows][:, features]), -3, 3)
    short = _short_names(found.slides)
    names = [" · ".join(filter(None, (sides[k], short[k]))) for k in rows]
    targets = [[Target(0, int(f), found.slides[k]) for f in features] for k in rows]
    # An empty row between one group and the next; from below, so that places stay true.
    for place in range(len(rows) - 1, 0, -1):
        if sides[rows[place]] != sides[rows[place - 1]]:
            scaled = np.insert(scaled, place, np.nan, axis=0)
            names.insert(place, "")
            targets.insert(place, [Target() for _ in features])
    return Figure(
        "slides-barcode",
        "Barcodes of the slides",
        f"A row a slide, a column a feature: {how}. Colour: {MEASURE_WORDS[found.measure]}, in standard deviations from the mean of all "
        "slides, cut at 3." + (f" Groups are set apart: {groups.a}, {groups.b}, others." if groups else ""),
        "feature",
        "slide",
        [Cells(scaled, names, [str(f) for f in features], "SD from the mean", targets, is_signed=True)],
    )


def _scaled(chosen: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Each column in standard deviations from its mean."""
    chosen = chosen.astype(np.float64)
    middle, scale = chosen.mean(axis=0), chosen.std(axis=0)
    return np.asarray((chosen - middle) / np.where(scale > 0, scale, 1), np.float64)


def _alike(chosen: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """An order of the columns that has alike ones side by side: around the plane of their first two components."""
    if min(chosen.shape) < _LEAST_FOR_PLANE:
        return np.arange(chosen.shape[1])
    _, _, axes = np.linalg.svd(_scaled(chosen), full_matrices=False)
    return np.asarray(np.argsort(np.arctan2(axes[1], axes[0]), kind="stable"), np.int64)


def _short_names(names: Sequence[str]) -> list[str]:
    """Names of slides that a figure has room for: no ending, and the middle of long ones left out."""
    found = []
    for name in names:
        stem, dot, ending = name.rpartition(".")
        short = stem if dot and stem and len(ending) <= _ENDING else name
        half = _NAME // 2
        found.append(short if len(short) <= _NAME else f"{short[:half]}…{short[-half + 1 :]}")
    return found


def shared(found: SlideFindings) -> Figure:
    """What alike slides have in common, beside chance."""
    n = len(found.facts)
    return Figure(
        "slides-shared",
        "What the most alike slide of another patient shares",
        "Share of the slides with a value whose most alike slide (cosine of scaled profiles) of another patient has the same one. "
        "Grey: mean, and up to the 95 % quantile, over 999 exchanges of the patients' values. What was found has no interval. n: "
        + "; ".join(f"{key} {n} slides of {k}" for key, (n, k) in zip(found.facts, found.shared_n.tolist(), strict=True))
        + " patients.",
        "column of the slide table",
        "share of slides",
        [
            Points(np.arange(n), found.shared_chance, "by chance", y_low=found.shared_chance, y_high=found.shared_high,
                   is_baseline=True),
            Points(np.arange(n), found.shared, "found", names=list(found.facts)),
        ],
        x_names=found.facts,
        y_limits=(0.0, 1.05),
    )  # fmt: skip
