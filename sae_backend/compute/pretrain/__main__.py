"""Make the models that ship, from nothing: ``python -m sae_backend.compute.pretrain --work DIR --resources DIR``.

Draws the slides, trains the encoder and both autoencoders, and writes them with the encoder's card. Started
again it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from sae_backend.atomic_write import write_text_atomic
from sae_backend.compute.pretrain.autoencoders import train_autoencoder
from sae_backend.compute.pretrain.recipe import Pretraining, Recipe, Say, draw_cohort, open_pieces
from sae_backend.models.bundled_models import SHIPPED_CONTROL, SHIPPED_ENCODER
from sae_backend.synthetic.specs import WORLD_VERSION

ENCODER_FOLDER = Path("encoders") / "small-vit"
N_AUTOENCODER_SLIDES = 32
AUTOENCODERS = {
    SHIPPED_ENCODER: Path("saes") / "small-vit",
    SHIPPED_CONTROL: Path("saes") / "random-small-vit",
}


def make_encoder(work: Path, folder: Path, recipe: Recipe, say: Say) -> list[Path]:
    """Train the encoder and write it with its card; returns the slides it learned from."""
    paths = draw_cohort(work / "slides", recipe.cohort, say)
    training = Pretraining(recipe, open_pieces(paths), work)
    training.run(say)
    training.save_weights(folder / "model.safetensors")
    record = {
        "id": SHIPPED_ENCODER,
        "licence": "BSD-3-Clause",
        "data": f"{len(paths)} generated slides of world version {WORLD_VERSION}; no real pixels, no labels",
        "loss": "InfoNCE of whole looks (half of the pairs at one place, half at neighbouring places) plus swapped "
        "group assignments of tokens",
        "training": training.summary(),
        "torch": torch.__version__,
        "log": _log_summary(work / "log.jsonl"),
    }
    write_text_atomic(folder / "card.json", json.dumps(record, indent=1) + "\n")
    return paths


def _log_summary(log: Path) -> list[dict[str, Any]]:
    """Some twenty lines of a training's log, the first and the last among them."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    by_step = {line["step"]: line for line in lines}
    steps = sorted(by_step)
    chosen = sorted({steps[round(k * (len(steps) - 1) / 19)] for k in range(20)})
    return [by_step[step] for step in chosen]


def main() -> None:
    """Run the whole recipe, or only the autoencoders of an encoder that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for slides, checkpoint and log")
    parser.add_argument("--resources", type=Path, required=True, help="the folder `resources` to write into")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="fewer steps than the recipe has, for a trial")
    parser.add_argument("--only-autoencoders", action="store_true", help="keep the encoder that is there")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = Recipe() if options.steps is None else replace(Recipe(), n_steps=options.steps)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    if options.only_autoencoders:
        paths = draw_cohort(options.work / "slides", recipe.cohort, say)
    else:
        say(json.dumps(asdict(recipe)))
        paths = make_encoder(options.work, options.resources / ENCODER_FOLDER, recipe, say)
    for encoder, folder in AUTOENCODERS.items():
        train_autoencoder(
            encoder, paths[:N_AUTOENCODER_SLIDES], options.work / "cache", options.resources / folder, say
        )


if __name__ == "__main__":
    main()
