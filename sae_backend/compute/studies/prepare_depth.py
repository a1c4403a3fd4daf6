"""The chosen blocks of an encoder as feature sets: embedded in one pass, each with an SAE of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.compute.encoders.device import pick_device
from sae_backend.compute.encoders.load import load_encoder
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.compute.jobs.embed_layers import EmbedRun, embed_layers
from sae_backend.compute.studies.train_sets import make_set
from sae_backend.errors import CacheError, MismatchError, UserInputError
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileGrid
from sae_backend.studies.depth.definition import chosen_blocks
from sae_backend.worker.requests import StudyRequest, StudySlideEntry


def prepare(request: StudyRequest, watch: JobContext) -> list[dict[str, Any]]:
    """Embed the blocks and train an SAE on each; entries of `sets`, from the first block to the last.

    A second set of the request is that of another encoder: it stays, at the end, and its model says `is_judge`.
    Encoder, weights, pooling and tiles are those of the request's first set; recipe and seed are the same for all
    blocks.

    Raises
    ------
    UserInputError
        When there is no set, or no such block.
    MismatchError
        When a slide or the encoder is not the one that was analysed.
    SparsescopeError
        When embedding or training fails; `CancelledError` when cancelled: a second call goes on.
    """
    if not request.sets:
        raise UserInputError("A study needs analysed slides.", "Analyse slides with one SAE first.")
    first = request.sets[0]
    model = first["model"]
    pooling = str(model["pooling"])
    if pooling == "patch":
        raise UserInputError(
            "Patch tokens give many vectors a tile, and a study keeps one.", "Use the pooling cls or mean."
        )
    wanted = request.spec.get("layers")
    known = next((folder for folder in first["embedding_dirs"] if Path(folder).is_dir()), None)
    if known is not None:
        # Depth stands on the card of what was embedded: a wrong block costs no loading of weights.
        chosen_blocks(wanted, Embeddings.open(Path(known)).card.n_blocks)
    watch.progress("load encoder", 0, 1)
    weights = Path(model["weights"]) if model.get("weights") else None
    encoder = load_encoder(str(model["encoder"]), weights, model.get("layer"), pooling)
    if model.get("encoder_digest") and encoder.card.digest != model["encoder_digest"]:
        raise MismatchError(
            f"{encoder.card.title} is not the encoder that the slides were analysed with.",
            "Name the weights file of that analysis.",
        )
    watch.progress("load encoder", 1, 1)
    layers = chosen_blocks(wanted, encoder.card.n_blocks)
    run = EmbedRun(Path(request.cache_dir), pick_device(request.device), watch=watch)
    folders: dict[int, list[str]] = {layer: [] for layer in layers}
    for number, entry in enumerate(request.slides):
        grid = _grid(first, number)
        with _opened(entry, grid) as slide:
            for layer, made in zip(layers, embed_layers(slide, grid, encoder, layers, run), strict=True):
                folders[layer].append(str(made.folder))
    recipe = {
        key: request.spec[key] for key in ("seed", "expansion", "epochs") if request.spec.get(key) is not None
    }
    blocks = [make_set(request, f"block {layer}", folders[layer], recipe, watch) for layer in layers]
    judges = [{**entry, "model": {**entry["model"], "is_judge": True}} for entry in request.sets[1:2]]
    return [*blocks, *judges]


def _grid(first: Mapping[str, Any], number: int) -> TileGrid:
    """The tiles of a slide as they were analysed, from whichever of its folders is still there."""
    try:
        return FeatureMatrix.open(Path(first["feature_dirs"][number])).grid
    except CacheError:
        return Embeddings.open(Path(first["embedding_dirs"][number])).grid


def _opened(entry: StudySlideEntry, grid: TileGrid) -> Slide:
    slide = Slide.open(Path(entry.path), entry.mpp)
    if slide.info.fingerprint != grid.slide_fingerprint:
        slide.close()
        raise MismatchError(
            f"{Path(entry.path).name} is not the slide that was analysed.",
            "Put the old file back, or analyse this one.",
        )
    return slide
