"""Figures of the study of universality."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import (
    Bars,
    Cells,
    Figure,
    Histogram,
    Line,
    Mark,
    Points,
    Rule,
    Target,
)
from sae_backend.studies.universality.findings import AS_RANDOM, MATCHED, PairFindings, UniversalityFindings

_SHOWN_STATES: Final = (
    MATCHED,
    AS_RANDOM,
    "not confirmed",
    "shares a partner",
    "private",
)


def targets_of(pair: PairFindings, features: npt.NDArray[np.int64]) -> list[Target]:
    """A feature of the first set and, beside it, its partner in the other set of a pair."""
    partner = pair.partner
    return [
        Target(0, int(f), other=(pair.set, int(partner[f])) if partner[f] >= 0 else None) for f in features
    ]


def _ending(found: UniversalityFindings, pair: PairFindings) -> str:
    choose, report = pair.n_tiles
    if not found.held_out:
        return f"Nothing is held out ({choose:,} tiles)."
    return f"{choose:,} tiles choose and {report:,} tiles of other units report."


def correlation_figure(found: UniversalityFindings, pair: PairFindings) -> Figure:
    """Best correlation of every feature, and what chance gives."""
    number = pair.set
    title = found.title_of(pair)
    histograms = pair.histograms
    edges = histograms.edges
    shown: list[tuple[str, npt.NDArray[Any]]] = [
        (f"{pair.arrangement} (mean of {pair.n_exchanged})", histograms.n_exchanged),
        (f"random dictionaries (mean of {pair.n_random})", histograms.n_random),
        (f"single tiles shuffled (mean of {pair.n_shuffled}; too lenient)", histograms.n_shuffled),
    ]
    shown = [(label, counts) for label, counts in shown if counts.sum() > 0]
    n_found = histograms.n_found
    used = np.flatnonzero(n_found + sum((counts for _, counts in shown), np.zeros(n_found.size)))
    part = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, n_found.size)
    bins = edges[part.start : part.stop + 1]
    marks: list[Mark] = [Histogram(bins, counts[part], label, is_baseline=True) for label, counts in shown]
    marks.append(Histogram(bins, n_found[part], f"best partner in {title}"))
    return Figure(
        key=f"correlations-{number}",
        title=f"Best partner in {title} and chance",
        caption=(
            f"Largest correlation of each of {pair.n_live[0]:,} live features with any feature of {title}, on "
            f"the {pair.n_tiles[0]:,} tiles that choose (not held out). Grey: the same under chance."
        ),
        x_label="r with the best partner",
        y_label="features",
        marks=marks,
    )


def halves_figure(found: UniversalityFindings, pair: PairFindings, least: float) -> Figure:
    """Correlation of each pair where it was chosen and where it is reported."""
    number = pair.set
    title = found.title_of(pair)
    x, y = pair.r_choose, pair.r_report
    known = np.isfinite(x) & np.isfinite(y)
    state, names = pair.state, found.states
    group = np.where(y >= least, state, -1)
    marks: list[Mark] = [Line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), is_dashed=True)]
    shown = (AS_RANDOM, MATCHED)
    for label in ("not above chance on both halves", *shown):
        is_in = label in shown
        among = group == names.index(label) if is_in else ~np.isin(group, [names.index(one) for one in shown])
        some = np.flatnonzero(known & among)
        if not some.size:
            continue
        partner = pair.partner[some]
        marks.append(
            Points(
                x[some],
                y[some],
                label,
                targets_of(pair, some),
                [f"{f} and {g}" for f, g in zip(some, partner, strict=True)],
                y_low=pair.low[some] if is_in else None,
                y_high=pair.high[some] if is_in else None,
                is_baseline=not is_in,
            )
        )
    if least > 0:
        marks.append(Rule("y", least, "least r asked for"))
    interval = f"95 % bootstrap-t over {pair.n_units[1]} units ({pair.unit})"
    empty = "" if known.any() else " No pair has an r on both halves."
    return Figure(
        key=f"halves-{number}",
        title=f"Pairs with {title}: chosen and held out",
        caption=f"{_ending(found, pair)} Intervals: {interval}. Dashed: no loss; grey: not above chance.{empty}",
        x_label="r where the partner was chosen",
        y_label="r held out" if found.held_out else "r on the same tiles",
        marks=marks,
        is_square=True,
    )


def numbers_figure(found: UniversalityFindings, least: float) -> Figure:
    """How many features of each set are shared and private."""
    names = found.states
    places, columns = [], []
    for pair in found.pairs:
        first, title = found.sets[0].title, found.title_of(pair)
        own, other = pair.state.copy(), pair.other_state.copy()
        back = [names.index(MATCHED), names.index(AS_RANDOM)]
        weak = np.isin(own, back) & ~(pair.r_report >= least)
        other[pair.partner[weak]] = names.index("not confirmed")
        own[weak] = names.index("not confirmed")
        places += [f"{first} in {title}", f"{title} in {first}"]
        columns += [own, other]
    marks: list[Mark] = []
    for name in _SHOWN_STATES:
        values = np.array([(state == names.index(name)).sum() for state in columns], np.float64)
        if values.any():
            marks.append(Bars(values, name))
    live = [
        int((~np.isin(state, [names.index("not live"), names.index("not judged")])).sum())
        for state in columns
    ]
    return Figure(
        key="numbers",
        title="Shared and private features",
        caption=(
            "Features of each SAE by what became of them in the other: matched one for one above chance on both "
            "halves; the same, but random directions come as close; above chance only where partners were chosen, best partner taken by another feature, none above "
            f"chance (private). From left to right {', '.join(f'{n:,}' for n in live)} features were judged; those that "
            f"fire in fewer than {found.min_active} tiles of the discovery half are left out."
        ),
        x_label="",
        y_label="features",
        marks=marks,
        x_names=places,
    )


def stability_figure(found: UniversalityFindings) -> Figure | None:
    """Stability of the features over SAEs; None where no feature has one."""
    values = found.stability
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    edges = np.linspace(min(0.0, np.floor(known.min() * 20) / 20), 1.0, 21)
    marks: list[Mark] = []
    over = found.stability_over
    chance = np.array([found.pair_with(k).chance_random for k in over])
    n_chance = np.isfinite(chance).sum(axis=0)
    if n_chance.any():
        mean = np.nansum(chance, axis=0)[n_chance > 0] / n_chance[n_chance > 0]
        counts = np.histogram(np.clip(mean, edges[0], 1), edges)[0]
        marks.append(Histogram(edges, counts, "best partner in a random dictionary", is_baseline=True))
    marks.append(Histogram(edges, np.histogram(known, edges)[0], "stability"))
    kind = "SAEs that differ in the seed" if found.seed_sets else "other SAEs"
    return Figure(
        key="stability",
        title="Stability of the features",
        caption=(
            f"Mean {'held-out ' if found.held_out else ''}r of the partners of {known.size:,} features in {len(over)} "
            f"{kind}; 0 where there is no partner left. Grey: mean r of the best partner in random dictionaries, which "
            "others may have, too, and which is not held out, and so is too large."
        ),
        x_label="stability (mean r)",
        y_label="features",
        marks=marks,
    )


def between_figure(found: UniversalityFindings) -> Figure | None:
    """Mean r of each two SAEs; None for two alone."""
    table, titles = found.between, [some.title for some in found.sets]
    if len(titles) < 3:
        return None
    return Figure(
        key="between",
        title="Each two SAEs",
        caption=(
            f"Mean {'held-out ' if found.held_out else ''}r of one-to-one partners over the live features of "
            "the smaller SAE, a feature without a partner counting 0. Without intervals."
        ),
        x_label="",
        y_label="",
        marks=[Cells(table, titles, titles, "mean r")],
    )
