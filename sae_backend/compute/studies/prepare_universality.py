"""What the study of universality looks at: SAEs trained again with other seeds, or with other widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sae_backend.activations.embeddings import Embeddings, tiles_digest
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.studies.train_sets import make_set
from sae_backend.errors import UserInputError
from sae_backend.models.sae_weights import SaeArrays
from sae_backend.worker.requests import StudyRequest, TrainRequest

REFERENCE: Final = "reference"
"""Title of the SAE that is like the first one but for the tiles it was trained on."""


def prepare(request: StudyRequest, watch: JobContext) -> list[dict[str, Any]]:
    """Keep the sets of the request, and add `spec["seeds"]` SAEs of other seeds and one for each of `spec["expansions"]`.

    They are trained on the embeddings of the first set. Where its own SAE is not known to have been trained on these
    very tiles, as one that ships with the program was not, a reference comes before them: an SAE of its recipe and
    seed on these tiles. Its model says `is_reference`.

    Raises
    ------
    UserInputError
        When embeddings of the first set are missing.
    SparsescopeError
        When training or encoding fails; `CancelledError` when cancelled. A second call goes on.
    """
    sets = list(request.sets)
    first = sets[0]
    n_seeds, expansions = int(request.spec.get("seeds") or 0), request.spec.get("expansions") or ()
    if not n_seeds and not expansions:
        return sets
    folders = list(first["embedding_dirs"])
    if not all(folder and Path(folder).is_dir() for folder in folders):
        raise UserInputError(
            f"Embeddings behind {first['title']} were deleted, so that no other SAE can be trained on them.",
            "Analyse the slides again, or compare with another SAE of the project.",
        )
    recipe = recipe_of(first)
    if not is_trained_on(first, folders):
        reference = make_set(request, REFERENCE, folders, recipe, watch)
        sets.append({**reference, "model": {**reference["model"], "is_reference": True}})
    for k in range(1, n_seeds + 1):
        sets.append(make_set(request, f"seed {k}", folders, {**recipe, "seed": recipe["seed"] + k}, watch))
    for expansion in expansions:
        wide = {**recipe, "expansion": int(expansion)}
        sets.append(make_set(request, f"x{int(expansion)}", folders, wide, watch))
    return sets


def is_trained_on(entry: Mapping[str, Any], folders: Sequence[str]) -> bool:
    """Whether the SAE of a set says that it was trained on the slides and tiles of these embeddings."""
    own = (entry["model"].get("training") or {}).get("tiles_digest")
    return own is not None and own == tiles_digest(Embeddings.open(Path(folder)).grid for folder in folders)


def recipe_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """How the SAE of a set was trained, as fields of a `TrainRequest`; defaults where nobody says it.

    A lambda that the training chose is chosen anew.
    """
    model = entry["model"]
    training = model.get("training") or {}
    plain = TrainRequest((), "")
    recipe: dict[str, Any] = {
        key: training.get(key, getattr(plain, key))
        for key in ("expansion", "l1", "epochs", "seed", "learning_rate", "batch_size", "whiten")
    }
    if training.get("l1_chosen_for_l0") is not None:
        recipe["l1"] = None
    if "expansion" not in training and model.get("sae_dir") and Path(model["sae_dir"]).is_dir():
        width = Embeddings.open(Path(entry["embedding_dirs"][0])).card.width
        recipe["expansion"] = max(1, round(SaeArrays.open(Path(model["sae_dir"])).n_features / width))
    return recipe
