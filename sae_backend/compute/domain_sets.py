"""The autoencoder of an out-of-domain study: trained on the first cohort alone, then frozen."""

from __future__ import annotations

from typing import Any

from sae_backend.compute.embed import Watch
from sae_backend.compute.set_making import make_set
from sae_backend.messages import StudyRequest
from sae_backend.studies.cohorts import two_groups


def prepare(request: StudyRequest, watch: Watch) -> list[dict[str, Any]]:
    """Give the set to look at: a new SAE that has seen the slides of cohort A only, or the project's own.

    Raises
    ------
    UserInputError
        When the cohorts cannot be told apart.
    """
    spec = request.spec
    groups = two_groups(
        [slide["facts"] for slide in request.slides],
        [slide["patient"] or slide["name"] for slide in request.slides],
        spec["fact"], spec["a"], spec["b"],
    )  # fmt: skip
    current = request.sets[0]
    if not spec["retrain"]:
        return [current]
    known = current["model"].get("training") or {}
    recipe = {key: known[key] for key in ("expansion", "whiten") if known.get(key) is not None}
    if known.get("l1") is not None and known.get("l1_chosen_for_l0") is None:
        # Where the penalty was looked for, it is looked for again: on the first cohort alone.
        recipe["l1"] = known["l1"]
    return [
        make_set(
            request,
            f"SAE of {groups.a}",
            current["embedding_dirs"],
            {**recipe, "seed": int(spec["seed"])},
            watch,
            train_on=groups.slides_a,
        )
    ]
