"""UMAP in a process of its own, which is ended at once where nobody wants it any more.

The library cannot be interrupted: it takes seconds to load and to compile, and then lays out all features in one call.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.cache import disk_errors
from sae_backend.errors import WorkerError

Floats = npt.NDArray[np.float32]

_LOOKS_SECONDS: Final = 0.1
_BOOT: Final = "import sys; sys.path.insert(0, {root!r}); from sae_backend.feature_dashboard.umap_process import main; main({folder!r})"
_FILES: Final = ("directions", "rows", "distances")
_XY: Final = "xy.npy"
_SAID_EVERY_SECONDS: Final = 0.2


def lay_out(
    arrays: tuple[Floats, npt.NDArray[np.int32], Floats],
    options: dict[str, float],
    at: Callable[[int, int], None],
) -> Floats:
    """Lay rows out on a plane, float32 (F, 2).

    Parameters
    ----------
    arrays
        Directions (F, d), and each one's nearest rows and their distances (F, k), itself first.
    options
        `min_dist` and `random_state` of the library.
    at
        Takes rounds of the layout that are done, and all of them, ten times a second; may raise, which ends the process.

    Raises
    ------
    CacheError
        When the folder for temporary files cannot be written.
    WorkerError
        When the process ends without a layout.
    """
    with tempfile.TemporaryDirectory(prefix="sparsescope-umap-") as temporary:
        folder = Path(temporary)
        with disk_errors(folder):
            for name, array in zip(_FILES, arrays, strict=True):
                np.save(folder / f"{name}.npy", array)
            np.save(folder / "options.npy", np.array([options["min_dist"], options["random_state"]]))
        _wait(folder, at)
        return np.asarray(np.load(folder / _XY), np.float32)


def _wait(folder: Path, at: Callable[[int, int], None]) -> None:
    boot = _BOOT.format(root=str(Path(__file__).resolve().parents[2]), folder=str(folder))
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", boot],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    said = deque([(0, 1)], maxlen=1)
    last_words: deque[str] = deque(maxlen=1)
    readers = [
        threading.Thread(target=_hear, args=(process.stdout, said), name="umap progress", daemon=True),
        threading.Thread(target=_keep, args=(process.stderr, last_words), name="umap log", daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        while process.poll() is None:
            at(*said[0])
            time.sleep(_LOOKS_SECONDS)
    finally:
        process.kill()
        process.wait()
        for reader in readers:
            reader.join()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()
    if process.returncode != 0 or not (folder / _XY).is_file():
        words = f": {last_words[0].strip()}" if last_words else ""
        raise WorkerError(
            f"The map of the features could not be laid out (code {process.returncode}{words}).",
            "Start it again; with the layout pca it needs no UMAP.",
        )


def _hear(lines: IO[str] | None, said: deque[tuple[int, int]]) -> None:
    assert lines is not None
    for line in lines:
        for word in line.split():
            done, slash, total = word.partition("/")
            if slash and done.isdigit() and total.isdigit():
                said.append((int(done), int(total)))


def _keep(lines: IO[str] | None, words: deque[str]) -> None:
    assert lines is not None
    words.extend(line for line in lines if line.strip())


def main(folder: str) -> None:
    """Lay out what lies in the folder; ends when standard input does, as nobody waits any more."""
    place = Path(folder)
    threading.Thread(target=_end_with_input, args=(place,), daemon=True).start()
    directions, rows, distances = (np.load(place / f"{name}.npy") for name in _FILES)
    min_dist, seed = np.load(place / "options.npy").tolist()
    with warnings.catch_warnings():
        # It says that TensorFlow is not there, and that a layout of known neighbours takes no new points.
        warnings.simplefilter("ignore")
        import umap

        layout = umap.UMAP(
            n_neighbors=rows.shape[1],
            min_dist=min_dist,
            metric="cosine",
            random_state=int(seed),
            n_jobs=1,
            precomputed_knn=(rows, distances, None),
            force_approximation_algorithm=True,
            tqdm_kwds=_told(),
        )
        xy = np.asarray(layout.fit_transform(directions), np.float32)
    partial = place / f"partial-{_XY}"
    np.save(partial, xy)
    partial.replace(place / _XY)


def _told() -> dict[str, Any]:
    """Settings of the library's progress bar that make it a line of `done/total` on standard output."""
    return {
        "disable": False,
        "file": sys.stdout,
        "bar_format": "{n}/{total}\n",
        "mininterval": _SAID_EVERY_SECONDS,
        "dynamic_ncols": False,
    }


def _end_with_input(folder: Path) -> None:
    sys.stdin.read()
    # Whoever waited was killed, and takes nothing away any more.
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
