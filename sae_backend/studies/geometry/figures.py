"""Figures of the study of geometry."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.report import Band, Bars, Cells, Figure, Line, Mark, Points, Rule, Target
from sae_backend.studies.geometry.findings import TITLES, ClusterFindings, GeometryFindings

_LABELLED: Final = 12
_BARS: Final = 30


def _named(found: GeometryFindings, some: ClusterFindings, k: int) -> str:
    """The cluster's number, and the cells that it follows where the interval of r leaves 0 out."""
    number = int(some.cells.type_number[k])
    low, high = float(some.cells.low[k]), float(some.cells.high[k])
    if number < 0 or not (low > 0 or high < 0):
        return f"cluster {k + 1}"
    sign = "" if low > 0 else "less "
    return f"cluster {k + 1} ({sign}{found.type_names[number]})"


def map_figure(found: GeometryFindings, some: ClusterFindings, least: float) -> Figure:
    """Features on a plane, stable clusters in colour."""
    xy = found.xy
    labels = some.labels
    stable = np.flatnonzero(some.stable(least))
    known = np.isfinite(xy).all(axis=1)

    def points(among: npt.NDArray[np.bool_], label: str, *, is_baseline: bool) -> list[Points]:
        chosen = np.flatnonzero(among & known)
        if not chosen.size:
            return []
        return [
            Points(
                xy[chosen, 0],
                xy[chosen, 1],
                label,
                [Target(0, int(f)) for f in chosen],
                [f"feature {f}" for f in chosen],
                is_baseline=is_baseline,
            )
        ]

    coloured = stable[:_LABELLED]
    # A legend of nothing but grey says nothing that the caption does not.
    grey = "in no stable cluster" if stable.size else ""
    marks: list[Mark] = [*points(~np.isin(labels, stable), grey, is_baseline=True)]
    marks += points(np.isin(labels, stable[_LABELLED:]), "in a smaller stable cluster", is_baseline=True)
    for k in coloured:
        marks += points(labels == k, _named(found, some, int(k)), is_baseline=False)
    return Figure(
        key=f"map-{some.kind}",
        title=f"Map of the features, clusters by {TITLES[some.kind]}",
        caption=(f"{int(known.sum()):,} features; {found.plane}. {_colours(labels, stable)}"),
        x_label="",
        y_label="",
        marks=marks,
        is_square=True,
    )


def _colours(labels: npt.NDArray[np.int64], stable: npt.NDArray[np.int64]) -> str:
    """What the colours of the map are."""
    n = int(labels.max(initial=-1)) + 1
    if not n:
        return "All are grey: no three of them form a cluster."
    if not stable.size:
        return (
            f"All are grey: none of the {n} clusters is stable. What lies close together here is no cluster."
        )
    which = (
        f"the {_LABELLED} largest of {stable.size} stable clusters"
        if stable.size > _LABELLED
        else f"the {count_text(stable.size, 'stable cluster')}"
    )
    return (
        f"Colours: {which}, not found on this map; grey: all others. In brackets: the cell type that a cluster follows "
        "most, where the interval of r leaves 0 out."
    )


def stability_figure(found: GeometryFindings, some: ClusterFindings, least: float) -> Figure | None:
    """Stability of the largest clusters beside chance; None where nothing could be drawn again."""
    stability = some.stability[:_BARS]
    if not np.isfinite(stability).any():
        return None
    stable = some.stable(least)[:_BARS]
    first = [Target(0, int(each[0])) for each in some.members[:_BARS]]
    chance = some.chance
    marks: list[Mark] = []
    if chance.size:
        marks.append(
            Band("y", 0.0, float(chance.max()), f"up to the stablest of {chance.size} clusters of chance")
        )
    marks += [
        Bars(np.where(stable, stability, np.nan), "stable", targets=first),
        Bars(np.where(stable, np.nan, stability), "not stable", targets=first, is_baseline=True),
        Rule("y", max(found.dissolved, least), "least asked for"),
    ]
    what = (
        f"patients drawn again {found.n_resamples} times; chance: {found.n_scrambled} sets of the same "
        "features with their patients exchanged, each in its own way"
        if some.is_by_firing
        else "half of the features left out; chance is judged by p alone, as any close group survives this"
    )
    n = some.stability.size
    return Figure(
        key=f"stability-{some.kind}",
        title=f"Stability of the clusters by {TITLES[some.kind]}",
        caption=(
            f"Mean largest Jaccard index of the {min(n, _BARS)} largest of {n} clusters over resamples: {what}. Grey: not "
            "stable, whatever the height, as chance or the other half speaks against it."
        ),
        x_label="cluster",
        y_label="stability",
        marks=marks,
        x_names=[str(k + 1) for k in range(stability.size)],
        y_limits=(0.0, 1.0),
    )


def between_figure(found: GeometryFindings, some: ClusterFindings, least: float) -> Figure | None:
    """Mean r within and between the stable clusters; None with fewer than two."""
    table = some.between
    stable = np.flatnonzero(some.stable(least)[: len(table)])[:_BARS]
    if stable.size < 2:
        return None
    members = some.members
    names = [str(k + 1) for k in stable]
    held = "on the held-out half" if found.held_out else "on the same tiles"
    return Figure(
        key=f"between-{some.kind}",
        title=f"Co-activation of the clusters by {TITLES[some.kind]}",
        caption=f"Mean r of the pairs of features within and between {stable.size} stable clusters, {held}.",
        x_label="cluster",
        y_label="cluster",
        marks=[
            Cells(
                table[np.ix_(stable, stable)],
                names,
                names,
                "mean r",
                [
                    [Target(0, int(members[i][0]), other=(0, int(members[j][0]))) for j in stable]
                    for i in stable
                ],
                is_signed=True,
            )
        ],
    )


def cells_figure(found: GeometryFindings, some: ClusterFindings, least: float) -> Figure | None:
    """What cells the stable clusters follow; None without."""
    r, types = some.cells.r, some.cells.type_number
    shown = np.flatnonzero(some.stable(least) & np.isfinite(r))[:_BARS]
    if not shown.size:
        return None
    first = some.members
    marks: list[Mark] = [
        Bars(
            r[shown],
            "cluster",
            some.cells.low[shown],
            some.cells.high[shown],
            [Target(0, int(first[k][0])) for k in shown],
        ),
        Bars(some.cells.single[shown], "its best feature", is_baseline=True),
        Bars(some.cells.random[shown], "random features, |r|", is_baseline=True),
    ]
    held = "Held out" if found.held_out else "Not held out"
    return Figure(
        key=f"cells-{some.kind}",
        title=f"Cells that the clusters by {TITLES[some.kind]} follow",
        caption=(
            f"{held}: {found.n_tiles[1]:,} tiles, {found.n_units[1]} units ({found.unit}); "
            "intervals: 95 % bootstrap-t over units. Grey: the best single feature, and random features in the same number."
        ),
        x_label="cluster and the type that was chosen for it",
        y_label="r with the number of cells",
        marks=marks,
        x_names=[f"{k + 1}: {found.type_names[int(types[k])]}" for k in shown],
    )


def pairs_figure(found: GeometryFindings) -> Figure | None:
    """How the tiles of pairs overlap, by kind; None without pairs."""
    x, y, kind = found.pairs.held_in_parent, found.pairs.held_in_child, found.pairs.kind
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    marks: list[Mark] = [Line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), is_dashed=True)]
    plain = ("co-active", "not confirmed")
    order = sorted(range(len(found.kinds)), key=lambda k: found.kinds[k] not in plain)
    for k in order:
        some = np.flatnonzero(known & (kind == k))
        if not some.size:
            continue
        name = found.kinds[k]
        child, parent = found.pairs.child[some], found.pairs.parent[some]
        marks.append(
            Points(
                x[some],
                y[some],
                name,
                [Target(0, int(f), other=(0, int(g))) for f, g in zip(child, parent, strict=True)],
                [f"{f} in {g}" for f, g in zip(child, parent, strict=True)],
                is_baseline=name in plain,
            )
        )
    share = found.share
    marks += [Rule("x", share, "asked for"), Rule("y", share)]
    held = f"{found.n_tiles[1]:,} tiles of the held-out half" if found.held_out else "The same tiles"
    return Figure(
        key="pairs",
        title="How the tiles of pairs overlap",
        caption=(
            f"{held}. Each point is a pair beyond chance where it was chosen ({int(known.sum()):,} with tiles here). Top "
            "right: duplicates; bottom right: splits. Grey: beyond chance, but neither, or not again."
        ),
        x_label="share of the rarer one's tiles in which the other fires",
        y_label="share of the more frequent one's tiles in which the rarer fires",
        marks=marks,
        is_square=True,
    )
