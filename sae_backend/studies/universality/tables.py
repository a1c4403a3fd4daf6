"""Tables of the study of universality."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.report import Table, Target, as_column
from sae_backend.studies.universality.figures import targets_of
from sae_backend.studies.universality.findings import PairFindings, UniversalityFindings


def _ordered(values: npt.NDArray[np.floating], among: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Numbers of some features, the largest value first."""
    chosen = np.flatnonzero(among)
    return chosen[np.argsort(-np.nan_to_num(values[chosen], nan=-np.inf), kind="stable")]


def pair_table(found: UniversalityFindings, pair: PairFindings) -> Table:
    """All live features of the first set and their partners in another, none left out."""
    title = found.title_of(pair)

    chosen = _ordered(pair.r_report, pair.state != found.states.index("not live"))
    partner = pair.partner[chosen]
    return Table(
        key=f"pairs-{pair.set}",
        title=f"Partners in {title}",
        columns={
            "feature": [int(f) for f in chosen],
            "partner": [int(g) if g >= 0 else None for g in partner],
            "r held out": as_column(pair.r_report[chosen]),
            "low": as_column(pair.low[chosen]),
            "high": as_column(pair.high[chosen]),
            "r chosen": as_column(pair.r_choose[chosen]),
            "cosine": as_column(pair.cosine[chosen]),
            "what it is": [found.states[int(k)] for k in pair.state[chosen]],
            "best of each other": [bool(each) for each in pair.is_mutual[chosen]],
            "p exchanged": as_column(pair.p_exchanged[chosen]),
            "q exchanged": as_column(pair.q_exchanged[chosen]),
            "p random": as_column(pair.p_random[chosen]),
            "q random": as_column(pair.q_random[chosen]),
            "limit exchanged": as_column(pair.limit_exchanged[chosen]),
            "limit random": as_column(pair.limit_random[chosen]),
            "chance random": as_column(pair.chance_random[chosen]),
            "best partner": [int(g) if g >= 0 else None for g in pair.best_partner[chosen]],
            "r of best partner": as_column(pair.best_r[chosen]),
            "why no held-out r": [found.reasons[int(k)] for k in pair.reason[chosen]],
        },
        notes={
            "partner": f"Feature of {title}, one for one, with the largest sum of correlations.",
            "r held out": "Pearson's r over the tiles of the held-out half."
            if found.held_out
            else "Pearson's r over all tiles; nothing is held out.",
            "low": "Low end of the 95 % bootstrap-t interval over units.",
            "high": "High end of the 95 % bootstrap-t interval over units.",
            "r chosen": "Pearson's r on the discovery half.",
            "cosine": "Of the decoder's directions; empty where the SAEs read different vectors.",
            "p exchanged": "Family-wise over the features, from whole units exchanged, on the discovery half.",
            "q exchanged": "Expected share of false ones among pairs of this r or more, from the same draws.",
            "p random": "Family-wise over the features, from random dictionaries, on the discovery half.",
            "q random": "Expected share of false ones among pairs of this r or more, from the same draws.",
            "limit exchanged": "r on the discovery half that the feature has to exceed for p exchanged of 0.05 or less; 1 if none is enough.",
            "limit random": "r on the discovery half that the feature has to exceed for p random of 0.05 or less; 1 if none is enough.",
            "chance random": "Mean r of the feature's best partner in random dictionaries, on the discovery half; beside r of best partner.",
            "best partner": "The feature of the largest r on the discovery half, which others may have, too.",
        },
        targets=targets_of(pair, chosen),
    )


def stability_table(found: UniversalityFindings) -> Table:
    """Stability of every feature of the first set that takes part."""
    over = found.stability_over
    known = np.isfinite(found.stability) | np.isfinite(found.found_in)
    chosen = _ordered(found.stability, known)
    titles = ", ".join(found.sets[k].title for k in over)
    return Table(
        key="stability",
        title="Stability",
        columns={
            "feature": [int(f) for f in chosen],
            "stability": as_column(found.stability[chosen]),
            "least r": as_column(found.stability_min[chosen]),
            "found in": as_column(found.found_in[chosen]),
        },
        notes={
            "stability": f"Mean held-out r of its partners in {titles}; a missing partner counts 0.",
            "least r": "Smallest of these.",
            "found in": f"Share of {titles} in which it has a partner above chance; empty where chance was not judged.",
        },
        targets=[Target(0, int(f)) for f in chosen],
    )
