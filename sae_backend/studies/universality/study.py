"""Universality: which features come back in another autoencoder, and which are private to this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import UserInputError
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput
from sae_backend.studies.framework.result import Arrays, Checkpoints, Progress, StudyResult
from sae_backend.studies.methods.matching.pair_states import (
    AS_RANDOM,
    MATCHED,
    NOT_JUDGED,
    NOT_LIVE,
    REASONS,
    STATES,
)
from sae_backend.studies.methods.matching.set_comparison import Comparison, Settings, compare, shared_r
from sae_backend.studies.methods.matching.set_space import same_space
from sae_backend.studies.universality.reference import (
    SAME,
    like_sets,
    reference_meta,
    reference_of,
    training_tiles,
)

Floats = npt.NDArray[np.float64]

_RECIPE: Final = ("expansion", "whiten", "learning_rate")
_UNALIKE: Final = 0.01


def run(
    inputs: StudyInput, spec: Mapping[str, Any], progress: Progress, checkpoints: Checkpoints
) -> StudyResult:
    """Match the first set with each of the others; arrays of set k are named `k/...`, see `compare`.

    A set whose model says `is_reference` is an SAE of the first one's recipe and seed that was trained on the tiles
    of the others. It is matched with those, too: arrays `r-k/...`, r being its number, and `reference/stability` and
    `reference/found_in` over its own features. So what another seed does stands beside what other tiles do.

    Beside them there are, over the F features of the first set: `stability`, the mean held-out r of its partners in
    the SAEs that differ from it in the seed alone (all others where there is none), a missing partner counting 0
    and NaN where no r is defined; `stability_min`; and `found_in`, the share of these SAEs in which it has a
    partner above what exchanged units give, whether or not random directions come as close, NaN where it takes no part. `between` (S, S) is the mean held-out r of each two sets.

    Raises
    ------
    UserInputError
        When there is only one set.
    """
    n_sets = len(inputs.sets)
    if n_sets < 2:
        raise UserInputError(
            "There is only one autoencoder, which cannot be matched with itself.",
            "Train one or more with another seed, or choose a second one of the project.",
        )
    settings = Settings.of(spec)
    found = [compare(inputs, (0, number), settings, progress, checkpoints) for number in range(1, n_sets)]
    arrays: dict[str, npt.NDArray[Any]] = {}
    for number, each in enumerate(found, 1):
        arrays |= {f"{number}/{name}": values for name, values in each.arrays.items()}
    reference = reference_of(inputs)
    others = [number for number in range(1, n_sets) if number != reference]
    seeds = [number for number in others if is_other_seed(inputs.sets[0], inputs.sets[number])]
    over = seeds or others or [reference or 1]
    arrays |= _stability([found[number - 1] for number in over])
    like: dict[int, Comparison] = {}
    if reference is not None:
        pairs = like_sets(inputs, reference)
        like = {
            number: compare(inputs, (reference, number), settings, progress, checkpoints) for number in pairs
        }
        for number, each in like.items():
            arrays |= {f"{reference}-{number}/{name}": values for name, values in each.arrays.items()}
        judged = [each for number, each in like.items() if number in seeds] or list(like.values())
        if judged:
            arrays |= {f"reference/{name}": values for name, values in _stability(judged).items()}
    arrays["between"] = _between(inputs, settings, progress, checkpoints)
    meta = _meta(inputs, settings, found, (seeds, over))
    meta["reference"] = reference_meta(inputs, reference, like, {k: found[k - 1] for k in like})
    return StudyResult(arrays, meta)


def is_other_seed(one: FeatureSet, other: FeatureSet) -> bool:
    """Whether two SAEs differ in the seed alone, as far as is known: same space, size and recipe."""
    if not same_space(one, other) or one.n_features != other.n_features:
        return False
    first, second = (some.model.get("training") or {} for some in (one, other))
    if not first or not second:
        return True
    return all(first.get(key) == second.get(key) for key in _RECIPE)


def _stability(found: Sequence[Comparison]) -> dict[str, npt.NDArray[Any]]:
    r = np.array([each.arrays["r_report"] for each in found])
    alone = np.array([each.arrays["reason"] == REASONS.index("has no partner left") for each in found])
    r = np.where(alone, 0.0, r)
    state = np.array([each.arrays["state"] for each in found])
    judged = ~np.isin(state, (NOT_LIVE, NOT_JUDGED))
    n_judged, known = judged.sum(axis=0), np.isfinite(r)
    n_known = known.sum(axis=0)
    nan = np.full(r.shape[1], np.nan)
    return {
        "stability": np.divide(
            np.where(known, r, 0.0).sum(axis=0), n_known, out=nan.copy(), where=n_known > 0
        ),
        "stability_min": np.where(n_known > 0, np.where(known, r, np.inf).min(axis=0), np.nan),
        "found_in": np.divide(
            np.isin(state, (MATCHED, AS_RANDOM)).sum(axis=0), n_judged, out=nan.copy(), where=n_judged > 0
        ),
    }


def _between(inputs: StudyInput, settings: Settings, progress: Progress, checkpoints: Checkpoints) -> Floats:
    n = len(inputs.sets)
    table = np.full((n, n), np.nan)
    pairs = list(combinations(range(n), 2))
    for done, (a, b) in enumerate(pairs):
        progress("compare all pairs of SAEs", done, len(pairs))
        check_cancelled = partial(progress, "compare all pairs of SAEs", done, len(pairs))
        kept = checkpoints.get(
            f"between-{a}-{b}", partial(_between_two, inputs, (a, b), settings.min_active, check_cancelled)
        )
        table[a, b] = table[b, a] = float(kept["r"])
    progress("compare all pairs of SAEs", len(pairs), len(pairs))
    return table


def _between_two(
    inputs: StudyInput, numbers: tuple[int, int], min_active: int, check_cancelled: Callable[[], None]
) -> Arrays:
    return {"r": np.array(shared_r(inputs, numbers, min_active, check_cancelled))}


def _meta(
    inputs: StudyInput,
    settings: Settings,
    found: Sequence[Comparison],
    chosen: tuple[Sequence[int], Sequence[int]],
) -> dict[str, Any]:
    seeds, over = chosen
    halves = inputs.halves
    return {
        "sets": [
            {
                "title": some.title,
                "n_features": some.n_features,
                "encoder": some.model.get("encoder"),
                "layer": some.model.get("layer"),
                "is_control": bool(some.model.get("is_control")),
                "same_space": same_space(inputs.sets[0], some),
                "training_tiles": training_tiles(inputs.sets[0], some),
            }
            for some in inputs.sets
        ],
        "comparisons": [dict(each.meta) for each in found],
        "seed_sets": list(seeds),
        "stability_over": list(over),
        "states": list(STATES),
        "reasons": list(REASONS),
        "n_slides": len(inputs.slides),
        "n_patients": len({slide.unit for slide in inputs.slides}),
        "held_out": halves is not None,
        "halves_unit": None if halves is None else halves.unit,
        "settings": dict(vars(settings)),
        "warnings": _warnings(inputs, found),
    }


def _warnings(inputs: StudyInput, found: Sequence[Comparison]) -> list[str]:
    words = []
    if inputs.halves is None:
        words.append(
            "Nothing was held out, as there are too few patients or tiles: partners were chosen and judged on the "
            "same tiles, so that r is too large."
        )
    trained = [_n_trained(some) for some in inputs.sets]
    first = trained[0]
    for some, n in zip(inputs.sets[1:], trained[1:], strict=True):
        if reference_of(inputs) is not None or training_tiles(inputs.sets[0], some) == SAME:
            # What the tiles do is measured then, or there is nothing to be measured.
            continue
        if first and n and abs(n - first) > _UNALIKE * first and same_space(inputs.sets[0], some):
            words.append(
                f"{some.title} was trained on {n:,} tiles and {inputs.sets[0].title} on {first:,}: a feature may be "
                "private because of the tiles."
            )
    for each in found:
        title = inputs.sets[int(each.meta["set"])].title
        if not each.meta["n_exchanged"] and not each.meta["n_random"]:
            words.append(f"Chance could not be judged for {title}: no match of it is claimed.")
        elif not each.meta["n_random"]:
            words.append(
                f"{title} was not compared with random dictionaries, as embeddings are missing: features may go "
                "together only because both follow what is loud in the embeddings."
            )
        elif not each.meta["n_exchanged"]:
            words.append(
                f"For {title}, chance was judged by random dictionaries alone: tiles are too few to exchange."
            )
        words += each.meta["notes"]
    return list(dict.fromkeys(words))


def _n_trained(some: FeatureSet) -> int | None:
    metrics = some.model.get("metrics") or {}
    try:
        return int(metrics["n_train_tiles"]) + int(metrics["n_held_out_tiles"])
    except KeyError:
        return None
