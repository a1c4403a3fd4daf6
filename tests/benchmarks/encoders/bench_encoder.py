"""Tiles per second of the shipped encoder, against its own limit of 60 and against timm's ViT-Ti/16.

Run as ``python -m tests.benchmarks.encoders.bench_encoder [--tiles 256]``.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import timm
import torch

from sae_backend.compute.encoders.load import load_encoder
from sae_backend.models.bundled_models import SHIPPED_ENCODER

LIMIT = 60.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    batch = np.random.default_rng(0).integers(0, 256, (options.batch, 224, 224, 3), dtype=np.uint8)
    encoder = load_encoder(SHIPPED_ENCODER, pooling="mean")
    peer = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0).eval()
    x = torch.rand(options.batch, 3, 224, 224)

    def rate(run: object) -> float:
        assert callable(run)
        run()
        started = time.perf_counter()
        for _ in range(max(1, options.tiles // options.batch)):
            run()
        return options.batch * max(1, options.tiles // options.batch) / (time.perf_counter() - started)

    with torch.inference_mode():
        ours, theirs = rate(lambda: encoder.encode(batch)), rate(lambda: peer.forward_features(x))
    print(
        f"{torch.get_num_threads()} threads: shipped encoder {ours:.0f} tiles/s, {ours / LIMIT:.2f} of the limit of "
        f"{LIMIT:.0f}; {ours / theirs:.1f} times timm's ViT-Ti/16 ({theirs:.0f} tiles/s)"
    )


if __name__ == "__main__":
    main()
