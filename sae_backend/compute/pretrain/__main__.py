"""Train the shipped encoder and its autoencoders from scratch: ``python -m sae_backend.compute.pretrain``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from sae_backend.compute.pretrain.recipe import Pretraining, Recipe, draw_cohort, open_pieces


def main() -> None:
    """Draw the slides, train, and write the weights; run again to go on after a stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for slides, checkpoint and log")
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = Recipe()

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    paths = draw_cohort(options.work / "slides", recipe.cohort, say)
    training = Pretraining(recipe, open_pieces(paths), options.work)
    training.run(say)
    training.save_weights(options.out)
    say(f"{training.summary()}")


if __name__ == "__main__":
    main()
