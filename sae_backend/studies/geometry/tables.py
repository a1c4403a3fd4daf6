"""Tables of the study of geometry."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import Table, Target, as_column
from sae_backend.studies.framework.result import StudyResult

TITLES: Final = {"coactivation": "co-activation", "directions": "direction"}


def stable_clusters(result: StudyResult, kind: str, least: float) -> npt.NDArray[np.bool_]:
    """Which clusters are stable, and of this stability at least (C,)."""
    stability = np.nan_to_num(result.arrays[f"{kind}/stability"])
    return np.asarray(result.arrays[f"{kind}/is_stable"] & (stability >= least), np.bool_)


def members_of(result: StudyResult, kind: str) -> list[npt.NDArray[np.int64]]:
    """Features of each cluster, those that fire most first."""
    labels, n_active = result.arrays[f"{kind}/labels"], result.arrays["n_active"]
    found = []
    for k in range(int(labels.max(initial=-1)) + 1):
        mine = np.flatnonzero(labels == k)
        found.append(mine[np.argsort(-n_active[mine], kind="stable")])
    return found


def cluster_table(result: StudyResult, kind: str, least: float) -> Table:
    """All clusters, stable or not."""
    meta, arrays = result.meta, result.arrays
    members = members_of(result, kind)
    types = arrays[f"{kind}/type_number"]
    again = "on the half that reports" if meta["held_out"] else "on the same tiles; nothing is held out"
    measure = "r" if kind == "coactivation" else "cosine"
    columns: dict[str, Any] = {
        "cluster": list(range(1, len(members) + 1)),
        "size": [int(each.size) for each in members],
        "stable": [bool(each) for each in stable_clusters(result, kind, least)],
        "stability": as_column(arrays[f"{kind}/stability"]),
        "p": as_column(arrays[f"{kind}/p"]),
        f"mean {measure}": as_column(arrays[f"{kind}/cohesion"]),
    }
    notes = {
        "stable": f"Stability of at least {least:g}, above that of all clusters of chance, and p of 0.05 or less.",
        f"mean {measure}": "Of its pairs, where it was found.",
    }
    if kind == "coactivation":
        columns["mean r held out"] = as_column(arrays[f"{kind}/held_out"])
        notes["mean r held out"] = f"Of its pairs {again}."
        notes["stability"] = (
            f"Mean largest Jaccard index when patients are drawn again {meta['settings']['n_resamples']} times; empty "
            "where there are too few."
        )
        notes["p"] = (
            f"Family-wise over the clusters, of the mean r held out; {meta['arrangement']}. {_least_p(meta['n_exchanged'])}"
        )
    else:
        notes["stability"] = "Mean largest Jaccard index when half of the features is left out."
        notes["p"] = (
            "Family-wise, of the summed cosine beyond the cut; random directions of the same covariance. "
            + _least_p(meta["settings"]["n_null"])
        )
        if meta["n_seed_sets"]:
            columns["in other SAEs"] = as_column(_mean(arrays["directions/in_seeds"]))
            notes["in other SAEs"] = (
                "Mean largest Jaccard index with a cluster of other SAEs on the same vectors."
            )
    columns |= {
        "cell type": [meta["type_names"][int(t)] if t >= 0 else None for t in types],
        "r": as_column(arrays[f"{kind}/r"]),
        "low": as_column(arrays[f"{kind}/low"]),
        "high": as_column(arrays[f"{kind}/high"]),
        "r of best feature": as_column(arrays[f"{kind}/single"]),
        "|r| of random features": as_column(arrays[f"{kind}/random"]),
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
        key=f"clusters-{kind}",
        title=f"Clusters by {TITLES[kind]}",
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


def examples_table(result: StudyResult, kind: str) -> Table:
    """Tiles in which the clusters fire most."""
    slides, tiles = result.arrays[f"{kind}/slide"], result.arrays[f"{kind}/tile"]
    cluster, place = np.nonzero(slides >= 0)
    names = [result.meta["slide_names"][int(slides[k, i])] for k, i in zip(cluster, place, strict=True)]
    numbers = [int(tiles[k, i]) for k, i in zip(cluster, place, strict=True)]
    first = [int(each[0]) for each in members_of(result, kind)]
    return Table(
        key=f"examples-{kind}",
        title=f"Tiles of the clusters by {TITLES[kind]}",
        columns={"cluster": [int(k) + 1 for k in cluster], "slide": names, "tile": numbers},
        notes={"tile": "Where the members fire most together, at most two of a slide."},
        targets=[
            Target(0, first[int(k)], slide=name, tile=number)
            for k, name, number in zip(cluster, names, numbers, strict=True)
        ],
    )


def merge_table(result: StudyResult) -> Table:
    """Groups of features proposed to be one concept."""
    groups = result.meta["merge"]
    return Table(
        key="merge",
        title="Features proposed for one concept",
        columns={
            "group": list(range(1, len(groups) + 1)),
            "kind": [group["kind"] for group in groups],
            "features": [", ".join(map(str, group["features"])) for group in groups],
            "size": [len(group["features"]) for group in groups],
            "reason": [group["reason"] for group in groups],
        },
        notes={"features": "All keep their numbers; a split names the broad feature first."},
        targets=[Target(0, group["features"][0], other=(0, group["features"][1])) for group in groups],
    )


def pair_order(result: StudyResult) -> npt.NDArray[np.int64]:
    """Pairs by kind, the closest first within a kind."""
    kind, jaccard = result.arrays["pair/kind"], result.arrays["pair/held_jaccard"]
    return np.lexsort((-np.nan_to_num(jaccard, nan=-1.0), kind))


def pair_table(result: StudyResult) -> Table:
    """All pairs that are listed."""
    arrays, meta = result.arrays, result.meta
    order = pair_order(result)

    def of(name: str) -> npt.NDArray[Any]:
        return arrays[f"pair/{name}"][order]

    again = "on the half that reports" if meta["held_out"] else "on the same tiles; nothing is held out"
    columns: dict[str, Any] = {
        "rarer": [int(f) for f in of("child")],
        "more frequent": [int(f) for f in of("parent")],
        "what it is": [meta["kinds"][int(k)] for k in of("kind")],
        "Jaccard": as_column(of("held_jaccard")),
        "rarer inside": as_column(of("held_in_parent")),
        "low": as_column(of("low")),
        "high": as_column(of("high")),
        "by chance": as_column(of("rate")),
        "frequent inside": as_column(of("held_in_child")),
        "r": as_column(of("held_r")),
        "cosine": as_column(of("cosine")),
        "Jaccard chosen": as_column(of("jaccard")),
        "rarer inside chosen": as_column(of("in_parent")),
        "r chosen": as_column(of("r")),
        "r beyond chance": _flags(arrays, order, 0),
        "inside beyond chance": _flags(arrays, order, 1),
        "direction there": as_column(of("beside_child")),
        "direction elsewhere": as_column(of("elsewhere")),
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
            "Jaccard chosen": "On the half that chooses.",
            "r beyond chance": "Family-wise over the features, on the half that chooses.",
            "inside beyond chance": "Whether the rarer one lies inside beyond the other's rate, likewise.",
            "direction there": "Share of the tiles with the rarer alone whose projection on the other's direction is as large "
            "as in three in four of the other's own tiles; only for aligned pairs that avoid each other.",
            "direction elsewhere": "The same of tiles with neither.",
        },
        targets=[
            Target(0, int(f), other=(0, int(g))) for f, g in zip(of("child"), of("parent"), strict=True)
        ],
    )


def _flags(arrays: Any, order: npt.NDArray[np.int64], side: int) -> list[bool]:
    return [bool(each) for each in arrays["pair/beyond"][side][order]]
