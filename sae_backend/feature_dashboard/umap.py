"""Directions on a plane: UMAP with exact neighbours, or principal components where there are few."""

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

from sae_backend.atomic_write import disk_errors
from sae_backend.errors import WorkerError

N_NEIGHBOURS: Final = 15
MIN_DIST: Final = 0.1
SEED: Final = 0
ROWS: Final = 1024

Floats = npt.NDArray[np.float32]
Neighbours = tuple[npt.NDArray[np.int32], Floats]


def principal_plane(directions: Floats) -> Floats:
    """First two principal components of directions (F, d), float32 (F, 2)."""
    places = np.zeros((len(directions), 2), np.float32)
    if len(directions) < 2:
        return places
    left, sizes, _ = np.linalg.svd(directions - directions.mean(axis=0), full_matrices=False)
    n = min(2, sizes.size)
    scores = left[:, :n] * sizes[:n]
    # The sign of a component is arbitrary; fixed, the same SAE gives the same picture.
    top = np.abs(scores).argmax(axis=0)
    places[:, :n] = scores * np.where(scores[top, np.arange(n)] < 0, -1, 1)
    return places


def nearest_rows(directions: Floats, check_cancelled: Callable[[], None]) -> Neighbours:
    """Each row's nearest rows, itself first, int32 (F, 15), and 1 - cosine to them, float32 (F, 15).

    Exact, and faster here than the library's own search, which compiles itself for most of a minute.
    """
    n = len(directions)
    rows = np.empty((n, N_NEIGHBOURS), np.int32)
    distances = np.empty((n, N_NEIGHBOURS), np.float32)
    for start in range(0, n, ROWS):
        check_cancelled()
        stop = min(start + ROWS, n)
        distance = 1 - directions[start:stop] @ directions.T
        distance[np.arange(stop - start), np.arange(start, stop)] = -1
        near = np.argpartition(distance, N_NEIGHBOURS - 1, axis=1)[:, :N_NEIGHBOURS]
        found = np.take_along_axis(distance, near, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        rows[start:stop] = np.take_along_axis(near, order, axis=1)
        distances[start:stop] = np.maximum(np.take_along_axis(found, order, axis=1), 0)
    return rows, distances


def umap_plane(directions: Floats, neighbours: Neighbours, at: Callable[[int, int], None]) -> Floats:
    """UMAP of directions (F, d) whose neighbours are known, float32 (F, 2).

    It runs in a process of its own: `at` takes rounds that are done and all of them many times a second, and may raise
    to end it at once.

    Raises
    ------
    WorkerError
        When that process ends without a layout.
    """
    return lay_out((directions, *neighbours), {"min_dist": MIN_DIST, "random_state": SEED}, at)


_LOOKS_SECONDS: Final = 0.1
_BOOT: Final = "import sys; sys.path.insert(0, {root!r}); from sae_backend.feature_dashboard.umap import main; main({folder!r})"
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
        threading.Thread(target=_read_events, args=(process.stdout, said), name="umap progress", daemon=True),
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


def _read_events(lines: IO[str] | None, said: deque[tuple[int, int]]) -> None:
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
