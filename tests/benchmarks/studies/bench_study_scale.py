"""Time and memory of one study on many tiles, and how long it keeps anybody waiting who wants to end it.

Run as ``OMP_NUM_THREADS=1 python -m tests.benchmarks.studies.bench_study_scale STUDY [--tiles 25000] [--features 12288]``.
Features come in modules that share tiles and directions, so that there is something to find. The study runs in a
process of its own; memory is what that process adds to what it has after its imports. `own` is anonymous memory;
`resident` counts pages of memory maps, too, which the system may take back. `silent` is processor time of the main
thread between two reports of progress.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from sae_backend.errors import CancelledError
from sae_backend.statistics.split import draw_halves
from sae_backend.studies.framework.inputs import FeatureSet, StudyInput, StudySlide
from sae_backend.studies.framework.registry import studies, study
from sae_backend.studies.framework.result import Checkpoints
from sae_backend.studies.framework.run import run_study

MODULE, MODULES_EACH, FIRING_EACH = 24, 4, 8
N_PATIENTS, N_TYPES, WIDTH = 20, 6, 384
SPECS: dict[str, dict[str, Any]] = {
    "slides": {"fact": "site"},
    "robustness": {"paired_by": "glass", "stress_tiles": 0},
    "geometry": {},
}
_TWO_SETS = ("universality", "encoders", "depth")
_SILENT_SECONDS = 1.0


def write_world(folder: Path, n_slides: int, n_tiles: int, n_features: int) -> None:
    """Write the arrays of all slides, one after the other."""
    rng = np.random.default_rng(0)
    n_modules = n_features // MODULE
    loud = 1 / (1 + np.arange(n_modules)) ** 0.7
    share = np.cumsum(rng.permutation(loud / loud.sum()))
    centres = rng.standard_normal((n_modules, WIDTH)).astype(np.float32)
    decoder = np.repeat(centres, MODULE, axis=0) + rng.standard_normal((n_features, WIDTH)).astype(np.float32)
    np.save(folder / "decoder.npy", decoder / np.linalg.norm(decoder, axis=1, keepdims=True))
    other = rng.permutation(n_features)
    np.save(folder / "order.npy", other)
    side = int(np.ceil(np.sqrt(n_tiles)))
    row, col = np.divmod(np.arange(n_tiles), side)
    for k in range(n_slides):
        block = (row // 8) * (side // 8 + 1) + col // 8
        # Half of a tile's modules are those of its block, so that maps are smooth.
        smooth = np.searchsorted(share, rng.random((int(block.max()) + 1, MODULES_EACH // 2)))[block]
        free = np.searchsorted(share, rng.random((n_tiles, MODULES_EACH - MODULES_EACH // 2)))
        modules = np.minimum(np.concatenate([smooth, free], axis=1), n_modules - 1)
        within = rng.random((n_tiles, MODULES_EACH, MODULE), dtype=np.float32)
        within = within.argpartition(FIRING_EACH, axis=2)[:, :, :FIRING_EACH]
        column = (modules[:, :, None] * MODULE + within).ravel()
        tile = np.repeat(np.arange(n_tiles, dtype=np.int32), MODULES_EACH * FIRING_EACH)
        value = rng.exponential(size=tile.size).astype(np.float32)
        matrix = sparse.csc_array(sparse.coo_array((value, (tile, column)), shape=(n_tiles, n_features)))
        for number, some in enumerate((matrix, sparse.csc_array(matrix[:, other]))):
            for key in ("data", "indices", "indptr"):
                array = getattr(some, key)
                np.save(
                    folder / f"{k}-{number}-{key}.npy", array if key == "data" else array.astype(np.int32)
                )
        counts = np.stack(
            [rng.poisson(0.5 + 4 * (modules % N_TYPES == c).sum(axis=1)) for c in range(N_TYPES)]
        )
        np.save(folder / f"{k}-counts.npy", counts.T)
        vectors = centres[modules].sum(axis=1) + rng.standard_normal((n_tiles, WIDTH), dtype=np.float32)
        np.save(folder / f"{k}-vectors.npy", vectors)


def open_world(folder: Path, n_slides: int, n_sets: int) -> StudyInput:
    """Slides and sets; vectors and activations stay on disk, as in a project."""
    slides, side = [], 0
    for k in range(n_slides):
        counts = np.load(folder / f"{k}-counts.npy").astype(np.float64)
        side = int(np.ceil(np.sqrt(len(counts))))
        row, col = np.divmod(np.arange(len(counts), dtype=np.int32), np.int32(side))
        patient = k % N_PATIENTS
        facts = {
            "site": f"site {patient % 2}",
            "scanner": f"scanner {k // N_PATIENTS % 2}",
            "glass": f"glass {patient}",
        }
        slides.append(StudySlide(f"S{k}", f"P{patient}", facts, row, col, 128.0, counts))
    order = np.load(folder / "order.npy")
    decoder = np.load(folder / "decoder.npy")
    sets = []
    for number in range(n_sets):
        features = [_matrix(folder, k, number, slide.n_tiles, len(decoder)) for k, slide in enumerate(slides)]
        sets.append(
            FeatureSet(
                f"set {number}",
                features,
                [np.ones(slide.n_tiles, np.bool_) for slide in slides],
                [np.load(folder / f"{k}-vectors.npy", mmap_mode="r") for k in range(n_slides)],
                decoder if number == 0 else decoder[order],
                np.zeros(WIDTH, np.float32),
                {"encoder": f"encoder {number}", "encoder_digest": str(number), "layer": 1 + number},
            )
        )
    names = [f"type {c}" for c in range(N_TYPES)]
    whole = StudyInput(slides, sets, names)
    return StudyInput(slides, sets, names, draw_halves(whole.parts(), 0))


def _matrix(folder: Path, k: int, number: int, n_tiles: int, n_features: int) -> sparse.csc_array:
    data, indices = (
        np.load(folder / f"{k}-{number}-{key}.npy", mmap_mode="r") for key in ("data", "indices")
    )
    indptr = np.load(folder / f"{k}-{number}-indptr.npy")
    return sparse.csc_array((data, indices, indptr), shape=(n_tiles, n_features))


class JobContext:
    """What a run costs, and where it does not say that it goes on."""

    def __init__(self, limit: float) -> None:
        self.start = self.last = self._told = time.monotonic()
        self.stage, self.peak, self.limit = "before the first stage", 0, limit
        self.seconds: dict[str, float] = {}
        self.rate = (0, 0)
        self.silent: dict[str, float] = {}
        self._main = threading.main_thread().ident or 0
        # Time of the main thread alone: what others do on the machine does not count.
        self._clock = time.pthread_getcpuclockid(self._main)
        self._used = time.clock_gettime(self._clock)
        self._first = memory("RssAnon")
        threading.Thread(target=self._look, daemon=True).start()

    def progress(self, stage: str, done: int, total: int) -> None:
        """Takes what a study says; ends it after `limit` seconds."""
        now = time.monotonic()
        self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self.last
        self.last, self.stage, self.rate = now, stage, (done, total)
        self._used = time.clock_gettime(self._clock)
        if now - self._told > 20:
            self._told = now
            print(f"  {now - self.start:6.0f} s  {self.peak:5,d} MB  {stage} {done:,}/{total:,}", flush=True)
        if now - self.start > self.limit:
            raise CancelledError("Out of time.", "Give it more.")

    def _look(self) -> None:
        where = ""
        while True:
            time.sleep(0.05)
            self.peak = max(self.peak, memory("RssAnon") - self._first)
            waited = time.clock_gettime(self._clock) - self._used
            if waited > _SILENT_SECONDS:
                frames = traceback.extract_stack(sys._current_frames()[self._main])
                own = [frame for frame in frames if "sae_backend" in frame.filename]
                # Where it stood first: what it is in later is the same silence.
                if not where and own:
                    where = " < ".join(f"{Path(f.filename).stem}.{f.name}:{f.lineno}" for f in own[:-4:-1])
                self.silent[where] = max(self.silent.get(where, 0.0), waited)
            else:
                where = ""


def memory(key: str) -> int:
    """A number of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) // 1024


def measure(kind: str, folder: Path, n_slides: int, spec: dict[str, Any], limit: float) -> None:
    """Run the study here and say what it cost."""
    first = memory("VmRSS")
    watch = JobContext(limit)
    inputs = open_world(folder, n_slides, 2 if kind in _TWO_SETS else 1)
    opened = watch.peak
    n_tiles, start, cpu = sum(s.n_tiles for s in inputs.slides), time.monotonic(), time.process_time()
    ended = "finished"
    try:
        with tempfile.TemporaryDirectory(dir=folder) as checkpoints:
            run_study(
                kind, inputs, {**SPECS.get(kind, {}), **spec}, watch.progress, Checkpoints(Path(checkpoints))
            )
    except CancelledError:
        late = time.monotonic() - watch.start - limit
        ended = f"ended {late:.1f} s after the limit at {watch.stage} {watch.rate[0]:,}/{watch.rate[1]:,}"
    seconds, used = time.monotonic() - start, time.process_time() - cpu
    print(f"{kind}: {n_tiles:,} tiles x {inputs.sets[0].n_features:,} features, {ended}")
    print(f"  wall {seconds:,.0f} s, CPU {used:,.0f} s")
    print(
        f"  peak of its own {watch.peak:,} MB (after opening {opened:,}), resident {memory('VmHWM') - first:,} MB"
    )
    for stage, took in sorted(watch.seconds.items(), key=lambda each: -each[1])[:12]:
        print(f"  {took:7.1f} s  {stage}")
    for where, waited in sorted(watch.silent.items(), key=lambda each: -each[1])[:12]:
        print(f"  silent {waited:5.1f} s in {where}")


def main() -> None:
    """Make the world, run the study in a process of its own, and delete the world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=[each.kind for each in studies()])
    parser.add_argument("--slides", type=int, default=40)
    parser.add_argument("--tiles", type=int, default=25_000, help="tiles of each slide")
    parser.add_argument("--features", type=int, default=12_288)
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which it is ended")
    parser.add_argument("--spec", type=json.loads, default={}, help="settings of the study as JSON")
    parser.add_argument("--world", type=Path, help="folder of a world that is kept")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    wish = parser.parse_args()
    if wish.child:
        measure(study(wish.study).kind, wish.world, wish.slides, wish.spec, wish.limit)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = wish.world or Path(temporary)
        if not (folder / f"{wish.slides - 1}-vectors.npy").exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_world(folder, wish.slides, wish.tiles, wish.features)
        command = [sys.executable, "-m", "tests.benchmarks.studies.bench_study_scale", wish.study, "--child"]
        command += ["--world", str(folder), "--slides", str(wish.slides), "--limit", str(wish.limit)]
        command += ["--spec", json.dumps(wish.spec)]
        subprocess.run(command, check=True, env={"OMP_NUM_THREADS": "1", **os.environ})


if __name__ == "__main__":
    main()
