"""Tables of the study of universality."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import Table, Target, as_column
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.universality.figures import targets_of


def _ordered(values: npt.NDArray[np.floating], among: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Numbers of some features, the largest value first."""
    chosen = np.flatnonzero(among)
    return chosen[np.argsort(-np.nan_to_num(values[chosen], nan=-np.inf), kind="stable")]


def pair_table(result: StudyResult, number: int) -> Table:
    """All live features of the first set and their partners in another, none left out."""
    arrays, meta = result.arrays, result.meta
    title = meta["sets"][number]["title"]

    def of(name: str) -> npt.NDArray[np.float64]:
        return arrays[f"{number}/{name}"]

    chosen = _ordered(of("r_report"), of("state") != meta["states"].index("not live"))
    partner = of("partner")[chosen]
    return Table(
        key=f"pairs-{number}",
        title=f"Partners in {title}",
        columns={
            "feature": [int(f) for f in chosen],
            "partner": [int(g) if g >= 0 else None for g in partner],
            "r held out": as_column(of("r_report")[chosen]),
            "low": as_column(of("low")[chosen]),
            "high": as_column(of("high")[chosen]),
            "r chosen": as_column(of("r_choose")[chosen]),
            "cosine": as_column(of("cosine")[chosen]),
            "what it is": [meta["states"][int(k)] for k in of("state")[chosen]],
            "best of each other": [bool(each) for each in of("is_mutual")[chosen]],
            "p exchanged": as_column(of("p_exchanged")[chosen]),
            "q exchanged": as_column(of("q_exchanged")[chosen]),
            "p random": as_column(of("p_random")[chosen]),
            "q random": as_column(of("q_random")[chosen]),
            "limit exchanged": as_column(of("limit_exchanged")[chosen]),
            "limit random": as_column(of("limit_random")[chosen]),
            "chance random": as_column(of("chance_random")[chosen]),
            "best partner": [int(g) if g >= 0 else None for g in of("best_partner")[chosen]],
            "r of best partner": as_column(of("best_r")[chosen]),
            "why no held-out r": [meta["reasons"][int(k)] for k in of("reason")[chosen]],
        },
        notes={
            "partner": f"Feature of {title}, one for one, with the largest sum of correlations.",
            "r held out": "Pearson's r over the tiles of the half that reports."
            if meta["held_out"]
            else "Pearson's r over all tiles; nothing is held out.",
            "low": "Low end of the 95 % bootstrap-t interval over units.",
            "high": "High end of the 95 % bootstrap-t interval over units.",
            "r chosen": "Pearson's r on the half that chooses.",
            "cosine": "Of the decoder's directions; empty where the SAEs read different vectors.",
            "p exchanged": "Family-wise over the features, from whole units exchanged, on the half that chooses.",
            "q exchanged": "Expected share of false ones among pairs of this r or more, from the same draws.",
            "p random": "Family-wise over the features, from random dictionaries, on the half that chooses.",
            "q random": "Expected share of false ones among pairs of this r or more, from the same draws.",
            "limit exchanged": "r on the half that chooses that the feature has to exceed for p exchanged of 0.05 or less; 1 if none is enough.",
            "limit random": "r on the half that chooses that the feature has to exceed for p random of 0.05 or less; 1 if none is enough.",
            "chance random": "Mean r of the feature's best partner in random dictionaries, on the half that chooses; beside r of best partner.",
            "best partner": "The feature of the largest r on the half that chooses, which others may have, too.",
        },
        targets=targets_of(result, number, chosen),
    )


def stability_table(result: StudyResult) -> Table:
    """Stability of every feature of the first set that takes part."""
    arrays, meta = result.arrays, result.meta
    over = meta["stability_over"]
    known = np.isfinite(arrays["stability"]) | np.isfinite(arrays["found_in"])
    chosen = _ordered(arrays["stability"], known)
    titles = ", ".join(meta["sets"][k]["title"] for k in over)
    return Table(
        key="stability",
        title="Stability",
        columns={
            "feature": [int(f) for f in chosen],
            "stability": as_column(arrays["stability"][chosen]),
            "least r": as_column(arrays["stability_min"][chosen]),
            "found in": as_column(arrays["found_in"][chosen]),
        },
        notes={
            "stability": f"Mean held-out r of its partners in {titles}; a missing partner counts 0.",
            "least r": "Smallest of these.",
            "found in": f"Share of {titles} in which it has a partner above chance; empty where chance was not judged.",
        },
        targets=[Target(0, int(f)) for f in chosen],
    )
