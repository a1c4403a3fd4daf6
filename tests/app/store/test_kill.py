"""A program that is killed while annotating loses no change that it had acknowledged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import desktop_app
from desktop_app.store import Store

WRITER = """
import sys
from pathlib import Path
from desktop_app.store import Store
store = Store.open(Path(sys.argv[1]), author="killed")
feature = int(sys.argv[2])
count = 0
while True:
    count += 1
    store.annotations.set("sae", feature, name=f"name {count}", description="x" * 5000 + str(count))
    sys.stdout.write(f"{count}\\n")
    sys.stdout.flush()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_no_acknowledged_change_is_lost_by_kill_9(tmp_path: Path) -> None:
    Store.create(tmp_path).close()
    root = Path(desktop_app.__file__).parent.parent
    acknowledged: dict[int, int] = {}
    for feature, wanted in enumerate((1, 3, 8, 21, 34)):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(feature)]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
            for _ in range(wanted):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split("\n")
        assert writer.returncode == -signal.SIGKILL
        complete = [line for line in rest[:-1] if line]
        acknowledged[feature] = int(complete[-1]) if complete else wanted
        with Store.open(tmp_path) as store:
            for earlier, count in acknowledged.items():
                record = store.annotations.get("sae", earlier)
                # One more may have been written than could be acknowledged.
                assert record.revision in (count, count + 1)
                assert record.name == f"name {record.revision}"
                assert record.description == "x" * 5000 + str(record.revision)
                names = [h.after for h in store.annotations.history("sae", earlier) if h.field == "name"]
                assert names == [f"name {i}" for i in range(1, record.revision + 1)]
    assert len(acknowledged) == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writers are forks")
def test_kills_at_random_moments_lose_nothing_acknowledged(tmp_path: Path) -> None:
    """A few here; `python -m tests.app.store.kill_writers FOLDER 300` does all that is promised."""
    root = Path(desktop_app.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "tests.app.store.kill_writers", str(tmp_path / "project"), "25"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["kills"] == 25 and found["acknowledged"] > 25
    assert {"annotate", "comment", "example", "bookmark", "cell", "run"} <= set(found)
