"""How fast slides are drawn and written, and how much memory a wide one takes.

Run as ``python -m tests.benchmarks.encoders.bench_draw [--wide 40000]`` with ``OMP_NUM_THREADS=1`` for one core.
The limit is 2 megapixels per second on one core.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from sae_backend.synthetic.slide import draw_slide
from sae_backend.synthetic.specs import SlideSpec
from sae_backend.synthetic.sprites import sprite_bank
from sae_backend.synthetic.textures import textures

LIMIT_MPX_PER_S = 2.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--wide", type=int, default=0, help="also draw a slide of this width and 4,096 px height"
    )
    options = parser.parse_args()
    started = time.process_time()
    sprite_bank()
    textures()
    print(f"pictures of cells and textures, once a process: {time.process_time() - started:.1f} s")
    sizes = [(3000, 4000), (6000, 6000)] + ([(4096, options.wide)] if options.wide else [])
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            spec = SlideSpec(
                "bench", seed=1, size_px=size, artefacts=("fold", "pen", "bubble", "out of focus")
            )
            wall, cpu = time.perf_counter(), time.process_time()
            draw_slide(Path(folder), spec)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            mpx = size[0] * size[1] / 1e6
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{size[0]} x {size[1]} px with artefacts: {mpx / wall:.2f} Mpx/s ({mpx / cpu:.2f} per CPU second), "
                f"{mpx / cpu / LIMIT_MPX_PER_S:.2f} of the limit, peak memory {peak_mb:.0f} MB"
            )


if __name__ == "__main__":
    main()
