"""Tables of the study of geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import Table, Target, as_column
from sae_backend.studies.geometry.findings import TITLES, ClusterFindings, GeometryFindings


def cluster_table(found: GeometryFindings, some: ClusterFindings, least: float) -> Table:
    """All clusters, stable or not."""
    members = some.members
    types = some.cells.type_number
    again = "on the held-out half" if found.held_out else "on the same tiles; nothing is held out"
    measure = "r" if some.is_by_firing else "cosine"
    columns: dict[str, Any] = {
        "cluster": list(range(1, len(members) + 1)),
        "size": [int(each.size) for each in members],
        "stable": [bool(each) for each in some.stable(least)],
        "stability": as_column(some.stability),
        "p": as_column(some.p),
        f"mean {measure}": as_column(some.cohesion),
    }
    notes = {
        "stable": f"Stability of at least {least:g}, above that of all clusters of chance, and p of 0.05 or less.",
        f"mean {measure}": "Of its pairs, where it was found.",
    }
    if some.is_by_firing:
        columns["mean r held out"] = as_column(some.held_out)
        notes["mean r held out"] = f"Of its pairs {again}."
        notes["stability"] = (
            f"Mean largest Jaccard index when patients are drawn again {found.n_resamples} times; empty "
            "where there are too few."
        )
        notes["p"] = (
            f"Family-wise over the clusters, of the mean r held out; {found.arrangement}. {_least_p(found.n_exchanged)}"
        )
    else:
        notes["stability"] = "Mean largest Jaccard index when half of the features is left out."
        notes["p"] = (
            "Family-wise, of the summed cosine beyond the cut; random directions of the same covariance. "
            + _least_p(found.n_null)
        )
        if found.n_seed_sets and some.in_seeds is not None:
            columns["in other SAEs"] = as_column(_mean(some.in_seeds))
            notes["in other SAEs"] = (
                "Mean largest Jaccard index with a cluster of other SAEs on the same vectors."
            )
    columns |= {
        "cell type": [found.type_names[int(t)] if t >= 0 else None for t in types],
        "r": as_column(some.cells.r),
        "low": as_column(some.cells.low),
        "high": as_column(some.cells.high),
        "r of best feature": as_column(some.cells.single),
        "|r| of random features": as_column(some.cells.random),
        "features": [", ".join(map(str, each)) for each in members],
    }
    notes |= {
        "cell type": "With the largest |r| where types were chosen; empty without cells.",
        "r": f"Of the mean of the members' standardised activations with the cells of a tile, {again}.",
        "low": "Low end of the 95 % bootstrap-t interval over units.",
        "high": "High end of the 95 % bootstrap-t interval over units.",
        "r of best feature": "Of the member that follows the type best where it was chosen.",
        "|r| of random features": "Mean of nine random sets of as many features, with the same type.",
    }
    return Table(
        key=f"clusters-{some.kind}",
        title=f"Clusters by {TITLES[some.kind]}",
        columns=columns,
        notes=notes,
        targets=[Target(0, int(each[0])) for each in members],
    )


def _least_p(n_draws: int) -> str:
    """What p is at least, as what was seen counts as one of the draws."""
    return (
        f"With {n_draws} draws it cannot be below {1 / (n_draws + 1):.2g}."
        if n_draws
        else "Nothing was drawn."
    )


def _mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean over the rows of what is known (C,)."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    return np.divide(
        np.where(known, values, 0.0).sum(axis=0), n, out=np.full(values.shape[1], np.nan), where=n > 0
    )


def examples_table(found: GeometryFindings, some: ClusterFindings) -> Table:
    """Tiles in which the clusters fire most."""
    slides, tiles = some.cells.slide, some.cells.tile
    cluster, place = np.nonzero(slides >= 0)
    names = [found.slide_names[int(slides[k, i])] for k, i in zip(cluster, place, strict=True)]
    numbers = [int(tiles[k, i]) for k, i in zip(cluster, place, strict=True)]
    first = [int(each[0]) for each in some.members]
    return Table(
        key=f"examples-{some.kind}",
        title=f"Tiles of the clusters by {TITLES[some.kind]}",
        columns={"cluster": [int(k) + 1 for k in cluster], "slide": names, "tile": numbers},
        notes={"tile": "Where the members fire most together, at most two of a slide."},
        targets=[
            Target(0, first[int(k)], slide=name, tile=number)
            for k, name, number in zip(cluster, names, numbers, strict=True)
        ],
    )


def merge_table(found: GeometryFindings) -> Table:
    """Groups of features proposed to be one concept."""
    groups = found.merge
    return Table(
        key="merge",
        title="Features proposed for one concept",
        columns={
            "group": list(range(1, len(groups) + 1)),
            "kind": [group.kind for group in groups],
            "features": [", ".join(map(str, group.features)) for group in groups],
            "size": [len(group.features) for group in groups],
            "reason": [group.reason for group in groups],
        },
        notes={"features": "All keep their numbers; a split names the broad feature first."},
        targets=[Target(0, group.features[0], other=(0, group.features[1])) for group in groups],
    )


def pair_order(found: GeometryFindings) -> npt.NDArray[np.int64]:
    """Pairs by kind, the closest first within a kind."""
    kind, jaccard = found.pairs.kind, found.pairs.held_jaccard
    return np.lexsort((-np.nan_to_num(jaccard, nan=-1.0), kind))


def pair_table(found: GeometryFindings) -> Table:
    """All pairs that are listed."""
    order = pair_order(found)
    pairs, present = found.pairs, found.present

    again = "on the held-out half" if found.held_out else "on the same tiles; nothing is held out"
    columns: dict[str, Any] = {
        "rarer": [int(f) for f in pairs.child[order]],
        "more frequent": [int(f) for f in pairs.parent[order]],
        "what it is": [found.kinds[int(k)] for k in pairs.kind[order]],
        "Jaccard": as_column(pairs.held_jaccard[order]),
        "rarer inside": as_column(pairs.held_in_parent[order]),
        "low": as_column(pairs.low[order]),
        "high": as_column(pairs.high[order]),
        "by chance": as_column(pairs.rate[order]),
        "frequent inside": as_column(pairs.held_in_child[order]),
        "r": as_column(pairs.held_r[order]),
        "cosine": as_column(pairs.cosine[order]),
        "Jaccard chosen": as_column(pairs.jaccard[order]),
        "rarer inside chosen": as_column(pairs.in_parent[order]),
        "r chosen": as_column(pairs.r[order]),
        "r beyond chance": pairs.beyond[0][order].tolist(),
        "inside beyond chance": pairs.beyond[1][order].tolist(),
        "direction there": as_column(present.beside_child[order]),
        "direction elsewhere": as_column(present.elsewhere[order]),
    }
    return Table(
        key="pairs",
        title="Pairs of features",
        columns=columns,
        notes={
            "Jaccard": f"Tiles in which both fire over those in which one does, {again}.",
            "rarer inside": f"Share of the rarer one's tiles in which the other fires, {again}.",
            "low": "Low end of the 95 % percentile interval of `rarer inside` over units.",
            "high": "High end of the 95 % percentile interval of `rarer inside` over units.",
            "by chance": "Share of all tiles in which the more frequent one fires.",
            "frequent inside": f"Share of the more frequent one's tiles in which the rarer fires, {again}.",
            "r": f"Pearson's r of the activations, {again}.",
            "cosine": "Of the decoder's directions.",
            "Jaccard chosen": "On the discovery half.",
            "r beyond chance": "Family-wise over the features, on the discovery half.",
            "inside beyond chance": "Whether the rarer one lies inside beyond the other's rate, likewise.",
            "direction there": "Share of the tiles with the rarer alone whose projection on the other's direction is as large "
            "as in three in four of the other's own tiles; only for aligned pairs that avoid each other.",
            "direction elsewhere": "The same of tiles with neither.",
        },
        targets=[
            Target(0, int(f), other=(0, int(g)))
            for f, g in zip(pairs.child[order], pairs.parent[order], strict=True)
        ],
    )
