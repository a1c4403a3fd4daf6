"""Start a program that annotates, kill it at a random moment, look what is left; again and again.

Run as ``python -m tests.app.store.kill_writers FOLDER KILLS [SEED]``; prints one JSON line. Each writer is a fork of this
process, which has imported everything, so that a kill lands among the writes and not in the imports.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from desktop_app.store import NewCorrelation, Store
from sae_backend.cells.edits import CellEdit
from sae_backend.cells.table import CellImport, CellTable
from sae_backend.slides.slide import SlideInfo

SAE = "sae"
FEATURES = 5
META = {
    "n_tiles": 9, "n_slides": 1, "n_clusters": 1, "unit": "slide", "method": "m", "notes": [],
    "type_names": ["a", "b"], "statistics": ["pearson"], "reasons": [""],
}  # fmt: skip


def arrays(seed: int) -> dict[str, np.ndarray]:
    values = np.random.default_rng(seed).random((5000, 2))
    return {"pearson/value": values, "pearson/p": values / 2, "reason": np.zeros((5000, 2), np.uint8)}


def write_for_ever(folder: Path, acknowledged: int, seed: int) -> None:
    """Change things at random; after each change its kind and what it wrote go through the pipe."""
    rng = random.Random(seed)
    store = Store.open(folder, author="killed")
    count = 0
    while True:
        count += 1
        feature = rng.randrange(FEATURES)
        kind = rng.choice(
            ["annotate", "annotate", "annotate", "comment", "example", "bookmark", "cell", "run"]
        )
        mark = f"{seed}.{count}"
        if kind == "annotate":
            note = store.annotations.set(
                SAE, feature, name=mark, description="x" * rng.randrange(4000) + mark
            )
            said = ["annotate", feature, note.revision, mark]
        elif kind == "comment":
            said = ["comment", feature, store.comments.add(SAE, feature, mark).uid, mark]
        elif kind == "example":
            box = (float(count), float(seed), 10.0, 10.0)
            said = ["example", feature, store.examples.add(SAE, feature, "f" * 40, box).uid, mark]
        elif kind == "cell":
            (done,) = store.cell_edits.add(1, [CellEdit("add", None, float(count), float(seed), "", mark)])
            said = ["cell", feature, done.uid, mark]
        elif kind == "run":
            run = store.correlations.add(NewCorrelation(SAE, (), {}, META, arrays(count), name=mark))
            said = ["run", feature, run.id, mark]
        else:
            on = rng.random() < 0.5
            store.lists.set_bookmark(SAE, feature, on=on)
            said = ["bookmark", feature, on, mark]
        os.write(acknowledged, (json.dumps(said) + "\n").encode())


def run_one(folder: Path, seed: int, after_s: float) -> list[list[object]]:
    """Let a writer run for some time after its first change, kill it, and return what it acknowledged."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            write_for_ever(folder, write, seed)
        finally:
            os._exit(1)
    os.close(write)
    text = os.read(read, 65536)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer ended by itself"
    while more := os.read(read, 65536):
        text += more
    os.close(read)
    # A line that was cut short was not acknowledged.
    return [json.loads(line) for line in text.decode().split("\n")[:-1]]


def check(folder: Path, acknowledged: list[list[object]], state: dict[str, dict[object, object]]) -> None:
    """Hold what the project says against all that was ever acknowledged."""
    for kind, feature, value, mark in acknowledged:
        if kind == "annotate":
            state["revision"][feature] = (value, mark)
        elif kind == "bookmark":
            state["bookmark"][feature] = value
        else:
            state[str(kind)][value] = mark
    with sqlite3.connect(folder / "project.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with Store.open(folder) as store:
        for feature, (revision, mark) in state["revision"].items():
            note = store.annotations.get(SAE, feature)
            names = [line.after for line in store.annotations.history(SAE, feature) if line.field == "name"]
            assert mark in names, (feature, mark)
            # One more change may have been written than could be acknowledged.
            assert note.revision in (revision, revision + 1), (feature, note.revision, revision)
            assert note.description.endswith(note.name), "half a change"
        assert set(state["comment"]) <= {comment.uid for comment in store.comments.all(SAE)}
        assert set(state["example"]) <= {example.uid for example in store.examples.all(SAE)}
        edits = {known.uid: known.edit.type_after for known in store.cell_edits.all(1)}
        assert state["cell"].items() <= edits.items()
        # Added cells come behind the two that were imported, whether or not their addition was acknowledged.
        assert store.cells.raw(1).n_cells == 2 + len(edits)
        runs = {run.id: run.name for run in store.correlations.all()}
        assert state["run"].items() <= runs.items()
        for number in list(runs)[-3:]:
            assert set(store.correlations.arrays(number)) == set(arrays(0)), "half a run"


def main() -> None:
    """Kill as often as asked and print what was counted."""
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    rng = random.Random(seed)
    with Store.create(folder) as store:
        slide = SlideInfo(
            Path("/s.svs"), "f" * 40, 9, 9, ((9, 9),), (1.0,), 0.5, "file", (0, 0, 9, 9), "none"
        )
        two = CellTable(np.zeros(2), np.zeros(2), np.zeros(2, np.uint16), ("a",))
        store.cells.add(store.slides.add(slide).id, CellImport(two, "cells.csv", "0" * 64, "test", ()))
    kinds = ("revision", "bookmark", "comment", "example", "cell", "run")
    state: dict[str, dict[object, object]] = {kind: {} for kind in kinds}
    counts: Counter[str] = Counter()
    for number in range(kills):
        said = run_one(folder, seed * 100_000 + number, rng.random() * 0.06)
        check(folder, said, state)
        counts.update(str(kind) for kind, *_ in said)
        with Store.open(folder) as store:
            # What came after the last acknowledged change may be there or not: begin from what is.
            state["revision"] = {
                f: (store.annotations.get(SAE, f).revision, store.annotations.get(SAE, f).name)
                for f in range(FEATURES)
                if store.annotations.get(SAE, f).revision
            }
    sys.stdout.write(json.dumps({"kills": kills, "acknowledged": sum(counts.values()), **counts}) + "\n")


if __name__ == "__main__":
    main()
