"""However often the worker is killed, a resumed run ends with the bytes of an uninterrupted one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from sae_backend.worker import client as client_module
from sae_backend.worker.client import WorkerClient
from sae_backend.worker.requests import Crashed, Done, Progress
from tests.backend.fixtures.forked_workers import ForkedWorker
from tests.backend.fixtures.runs import (
    ENDS,
    collect,
    contents,
    control_card,
    request_for,
    small_sae,
    small_slide,
    to_the_end,
)
from tests.backend.in_process_worker import InProcessBackend

N_KILLS = 20


def bytes_of(event: object) -> dict[str, dict[str, bytes]]:
    assert isinstance(event, Done)
    return {key: contents(event.result[key]) for key in ("embedding_dir", "feature_dir")}


@pytest.mark.slow
def test_twenty_kills_leave_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slide, sae_dir, cache = small_slide(tmp_path / "s.tif", 8, 8), tmp_path / "sae", tmp_path / "killed"
    small_sae(control_card()).save(sae_dir)
    twin = InProcessBackend()
    whole = bytes_of(
        to_the_end(twin, twin.submit(request_for(slide, tmp_path / "whole", sae_dir, batch=2)))[-1]
    )
    twin.close()
    request = request_for(slide, cache, sae_dir, batch=2)
    moments = random.Random(20)
    killed_in: Counter[str] = Counter()
    resumed_at: list[int] = []
    # A worker takes seconds to load its libraries; how it is started is not looked at here.
    forked = SimpleNamespace(
        Popen=ForkedWorker, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired
    )
    monkeypatch.setattr(client_module, "subprocess", forked)
    worker = WorkerClient()
    try:
        while sum(killed_in.values()) < N_KILLS:
            job = worker.submit(request)
            events = collect(
                worker, lambda e: isinstance(e, ENDS) or getattr(e, "stage", "") == "embed tiles"
            )
            resumed_at += [e.done for e in events if isinstance(e, Progress) and e.stage == "embed tiles"]
            time.sleep(moments.uniform(0.0, 0.5))
            if worker.pid is not None:
                os.kill(worker.pid, signal.SIGKILL)
            events += to_the_end(worker, job) if not isinstance(events[-1], ENDS) else []
            worker.close()
            worker = WorkerClient()
            last = events[-1]
            if isinstance(last, Done):  # it was faster than the kill: begin anew
                assert bytes_of(last) == whole
                shutil.rmtree(cache)
            else:
                assert isinstance(last, Crashed) and last.job == job
                killed_in[next(e.stage for e in reversed(events) if isinstance(e, Progress))] += 1
        end = to_the_end(worker, worker.submit(request))[-1]
        assert bytes_of(end) == whole
        # Asked again, it finds what is there and computes nothing.
        again = to_the_end(worker, worker.submit(request))
        steps = [e.done for e in again if isinstance(e, Progress) and e.stage == "embed tiles"]
        assert steps == [64] and bytes_of(again[-1]) == whole
    finally:
        worker.close()
    assert killed_in["embed tiles"] >= N_KILLS // 2
    assert sum(done > 0 for done in resumed_at) >= N_KILLS // 2  # runs did go on, and not begin again
