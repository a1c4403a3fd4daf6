"""The autoencoder of an out-of-domain study: trained on the first cohort alone, then frozen."""

from __future__ import annotations

from typing import Any

from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.studies.prepare_universality import recipe_of
from sae_backend.compute.studies.train_sets import make_set
from sae_backend.studies.framework.cohorts import two_groups
from sae_backend.worker.requests import StudyRequest


def prepare(request: StudyRequest, watch: JobContext) -> list[dict[str, Any]]:
    """Give the set to look at: a new SAE that has seen the slides of cohort A only, or the project's own.

    Raises
    ------
    UserInputError
        When the cohorts cannot be told apart.
    """
    spec = request.spec
    groups = two_groups(
        [slide.facts for slide in request.slides],
        [slide.patient or slide.name for slide in request.slides],
        spec["fact"], spec["a"], spec["b"],
    )  # fmt: skip
    current = request.sets[0]
    if not spec["retrain"]:
        return [current]
    # As the project's own was trained, but for what follows from the number of tiles.
    recipe = {key: value for key, value in recipe_of(current).items() if key not in ("epochs", "batch_size")}
    return [
        make_set(
            request,
            f"SAE of {groups.a}",
            current["embedding_dirs"],
            {**recipe, "seed": int(spec["seed"]), "epochs": spec.get("epochs")},
            watch,
            train_on=groups.slides_a,
        )
    ]
