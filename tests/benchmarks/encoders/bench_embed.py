"""Tiles a second of the whole embedding, against the encoder alone on synthetic tiles.

Run as ``python -m tests.benchmarks.encoders.bench_embed [--slide FILE --mpp 0.5] [--encoder ID] [--weights FILE]``.
Both run in this process on the same device, with the same batch; a ratio of 1 means that reading and
storing cost nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from sae_backend.compute.encoders.device import pick_device
from sae_backend.compute.encoders.load import CONTROL_ID, TileEncoder, load_encoder
from sae_backend.compute.jobs.embed import JobContext, embed
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileSpec, resolve_grid
from sae_backend.slides.tissue import find_tissue
from tests.slides import halved, stained_field, write_tiff


def encoder_rate(encoder: TileEncoder, device: torch.device, batch: int, side: int, n_tiles: int) -> float:
    """Tiles a second of the encoder alone; results come back as arrays, so the device has finished."""
    pixels = np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)
    encoder.encode(pixels, device)
    n_batches = -(-n_tiles // batch)
    start = time.perf_counter()
    for _ in range(n_batches):
        encoder.encode(pixels, device)
    return n_batches * batch / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--mpp", type=float)
    parser.add_argument("--encoder", default=CONTROL_ID)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    device = pick_device(args.device)
    encoder = load_encoder(args.encoder, args.weights)
    with tempfile.TemporaryDirectory() as folder:
        path = args.slide
        if path is None:
            field = stained_field(16 * 448, 16 * 448)  # 256 tiles of 224 px, from a slide of 0.25 um per px
            path = write_tiff(Path(folder) / "made.tiff", [field, halved(field)], 0.25)
        alone, whole = [], []
        with Slide.open(path, args.mpp) as slide:
            spec = TileSpec()
            grid = resolve_grid(spec, slide.info, find_tissue(slide))
            # In turns, so that a computer that is busy for a while slows both.
            for repeat in range(args.repeats):
                alone.append(encoder_rate(encoder, device, args.batch, spec.tile_px, grid.n_tiles))
                start = time.perf_counter()
                embed(
                    slide, grid, encoder, Path(folder) / f"cache {repeat}", device, args.batch, JobContext()
                )
                whole.append(grid.n_tiles / (time.perf_counter() - start))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    print(f"{args.encoder} on {name}, {grid.n_tiles} tiles of {spec.tile_px} px, batch {args.batch}")
    print(f"encoder alone {np.median(alone):.1f} tiles/s, pipeline {np.median(whole):.1f} tiles/s")
    ratios = [w / a for w, a in zip(whole, alone, strict=True)]
    print(f"ratio {np.median(ratios):.2f} (median of {args.repeats}; {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
