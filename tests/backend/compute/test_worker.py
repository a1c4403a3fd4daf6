"""The worker and its client: events, cancelling, death and restart, and the twin in the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sae_backend.compute import dispatch
from sae_backend.errors import PixelSizeError, SlideError, UserInputError, WorkerError
from sae_backend.worker import client as client_module
from sae_backend.worker.client import CANCEL_GRACE_SECONDS, Backend, WorkerClient, wait_for
from sae_backend.worker.requests import (
    AnalyzeRequest,
    Cancel,
    Cancelled,
    CorrelateRequest,
    Crashed,
    Done,
    DrawRequest,
    EncodeRequest,
    Event,
    Failed,
    Message,
    Progress,
    Ready,
    Submit,
    TrainRequest,
    from_line,
    to_line,
)
from tests.backend.fixtures.runs import ENDS, collect, contents, request_for, small_slide, to_the_end
from tests.backend.in_process_worker import InProcessBackend
from tests.slides import stained_field, write_tiff
from tests.waiting import WAIT_S

N_TILES = 48
MESSAGES: list[Message] = [
    Submit(1, AnalyzeRequest("a\nb.svs", "c", "timm:x", mpp=0.25, tile_spec={"tile_px": 64}, layer=3)),
    Submit(2, EncodeRequest("e", "s", "c")),
    Submit(3, TrainRequest(("e", "f"), "o", l1=1e-3)),
    Submit(4, CorrelateRequest(({"slide": "a"},), ("tumour", "Übergang"), (True, False), "c", "o.npz")),
    Submit(
        5, DrawRequest("folder", {"name": "one", "size_px": [600, 700], "stain": {"eosin": [0.1, 0.9, 0.3]}})
    ),
    Cancel(5),
    Ready("CPU", {"torch": "2"}),
    Progress(1, "embed tiles", 3, 10, 1.5, None),
    Progress(1, "embed tiles", 3, 10, 1.5, 4.25),
    Done(1, {"list": [1, 2], "nested": {"a": None}}),
    Failed(1, "SlideError", "It is gone.", "Put it back."),
    Cancelled(1),
    Crashed(None, "The worker died.", ""),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_messages_survive_the_wire(message: Message) -> None:
    line = to_line(message)
    assert "\n" not in line
    assert from_line(line) == message


@pytest.mark.parametrize("line", ["", "half", '{"type": "Don', "[]", '{"type": "Done"}', '{"type": "No"}'])
def test_what_is_no_message_is_refused(line: str) -> None:
    with pytest.raises(WorkerError, match="not a message"):
        from_line(line)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_slide(tmp_path_factory.mktemp("slide") / "small.tif", 6, 8)


@pytest.fixture(scope="module")
def shared() -> Iterator[WorkerClient]:
    """One client for all tests, because a worker takes seconds to load its libraries."""
    backend = WorkerClient()
    yield backend
    backend.close()


@pytest.fixture
def worker(shared: WorkerClient) -> WorkerClient:
    if shared.pid is None:
        shared.start()
        collect(shared, lambda event: isinstance(event, Ready))
    shared.poll()
    return shared


def is_embedding(event: Event, at_least: int = 1) -> bool:
    return isinstance(event, Progress) and event.stage == "embed tiles" and event.done >= at_least


def first_embedded(events: list[Event]) -> int:
    return next(e.done for e in events if isinstance(e, Progress) and e.stage == "embed tiles")


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def goes_within(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_gone(pid):
            return True
        time.sleep(0.02)
    return False


def boot_with(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let workers run `code` before they serve."""
    head, serve = client_module._BOOT.rsplit("; ", 1)
    text = f"{head}\nimport os, sys, time\n{code}\n"
    monkeypatch.setattr(client_module, "_BOOT", text + serve)


def test_worker_and_twin_give_the_same_events_and_bytes(
    worker: WorkerClient, slide: Path, tmp_path: Path
) -> None:
    twin = InProcessBackend()
    twin.start()
    assert isinstance(collect(twin, lambda event: True)[0], Ready)
    seen: list[list[Event]] = []
    backends: list[Backend] = [worker, twin]
    for name, backend in zip("ab", backends, strict=True):
        job = backend.submit(request_for(slide, tmp_path / name))
        seen.append(to_the_end(backend, job))
    twin.close()
    for events in seen:
        steps = [event for event in events if isinstance(event, Progress) and event.stage == "embed tiles"]
        assert (steps[0].done, steps[-1].done) == (0, N_TILES)
        assert {step.total for step in steps} == {N_TILES}
        assert [step.done for step in steps] == sorted({step.done for step in steps})
        assert all(step.done % 4 == 0 for step in steps)  # whole batches of 4 were really finished
        assert steps[-1].rate_per_s > 0
        middle = steps[len(steps) // 2]
        assert middle.eta_s == pytest.approx((N_TILES - middle.done) / middle.rate_per_s)
        assert isinstance(events[-1], Done)
    stages = [list(dict.fromkeys(e.stage for e in es if isinstance(e, Progress))) for es in seen]
    assert stages[0] == stages[1] == ["load encoder", "find tissue", "embed tiles"]
    results = [es[-1].result for es in seen if isinstance(es[-1], Done)]
    folders = [result.pop("embedding_dir") for result in results]
    assert results[0] == results[1]
    assert results[0]["counts"] == {"ok": N_TILES}
    assert contents(folders[0]) == contents(folders[1])


def test_a_failure_comes_as_its_own_error_and_the_worker_stays(
    worker: WorkerClient, slide: Path, tmp_path: Path
) -> None:
    pid = worker.pid
    gone = worker.submit(request_for(tmp_path / "gone.svs", tmp_path))
    event = to_the_end(worker, gone)[-1]
    assert isinstance(event, Failed)
    assert event.kind == "SlideError" and "gone.svs" in event.sentence and event.hint
    nameless = write_tiff(tmp_path / "no-mpp.tif", [stained_field(64, 64)], None)
    with pytest.raises(PixelSizeError) as caught:
        wait_for(worker, worker.submit(request_for(nameless, tmp_path)))
    assert "mpp" in caught.value.hint
    with pytest.raises(SlideError):
        wait_for(worker, worker.submit(request_for(tmp_path, tmp_path)))
    with pytest.raises(UserInputError, match="does not exist"):
        wait_for(worker, worker.submit(AnalyzeRequest(str(slide), str(tmp_path), "nobody:knows")))
    assert worker.pid == pid


def test_a_cancelled_job_stops_and_keeps_its_batches(
    worker: WorkerClient, slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine it may take longer to stop than is waited for before a worker is ended.
    monkeypatch.setattr(client_module, "CANCEL_GRACE_SECONDS", WAIT_S)
    pid = worker.pid
    request = request_for(slide, tmp_path, batch=1)
    job = worker.submit(request)
    collect(worker, lambda event: is_embedding(event, 2))
    worker.cancel(job)
    end = to_the_end(worker, job)[-1]
    assert end == Cancelled(job)
    assert worker.pid == pid
    events = to_the_end(worker, worker.submit(request))
    assert first_embedded(events) >= 2
    assert isinstance(events[-1], Done)
    worker.cancel(job)  # of a job that has ended: nothing happens
    assert worker.poll() == []


def test_cancelling_a_queued_job_leaves_the_running_one(
    worker: WorkerClient, slide: Path, tmp_path: Path
) -> None:
    running = worker.submit(request_for(slide, tmp_path, batch=1))
    queued = worker.submit(request_for(slide, tmp_path / "other"))
    collect(worker, is_embedding)
    worker.cancel(queued)
    before = to_the_end(worker, queued)
    assert before[-1] == Cancelled(queued)
    assert not any(isinstance(event, ENDS) for event in before[:-1])
    assert isinstance(to_the_end(worker, running)[-1], Done)
    assert not (tmp_path / "other").exists()


def test_a_job_that_ignores_its_cancel_is_ended(worker: WorkerClient, slide: Path, tmp_path: Path) -> None:
    pid = worker.pid
    assert pid is not None
    stubborn = worker.submit(request_for(slide, tmp_path, batch=1))
    behind = worker.submit(request_for(slide, tmp_path / "behind"))
    collect(worker, is_embedding)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    worker.cancel(stubborn)
    events = collect(worker, lambda event: event == Cancelled(stubborn))
    assert time.monotonic() - began >= CANCEL_GRACE_SECONDS
    # The job behind it was not to blame: it goes on in a new worker, with no crash told.
    events += to_the_end(worker, behind)
    assert isinstance(events[-1], Done)
    assert not any(isinstance(event, Crashed) for event in events)
    assert worker.pid not in (None, pid) and is_gone(pid)
    again = to_the_end(worker, worker.submit(request_for(slide, tmp_path, batch=1)))
    assert first_embedded(again) >= 1


def test_a_killed_worker_crashes_once_and_the_next_resumes(
    worker: WorkerClient, slide: Path, tmp_path: Path
) -> None:
    pid = worker.pid
    assert pid is not None
    request = request_for(slide, tmp_path, batch=1)
    lost = worker.submit(request)
    collect(worker, lambda event: is_embedding(event, 2))
    os.kill(pid, signal.SIGKILL)
    # At once, before anybody can have noticed the death.
    job = worker.submit(request)
    events = to_the_end(worker, job)
    crashes = [event for event in events if isinstance(event, Crashed)]
    assert [crash.job for crash in crashes] == [lost]
    assert "-9" in crashes[0].sentence and "goes on" in crashes[0].hint
    assert worker.pid not in (None, pid)
    assert isinstance(events[-1], Done) and first_embedded(events) >= 2


def test_an_idle_death_is_told_and_harms_no_later_job(
    worker: WorkerClient, slide: Path, tmp_path: Path
) -> None:
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    event = collect(worker, lambda event: True)[-1]
    assert isinstance(event, Crashed) and event.job is None
    assert worker.pid is None and worker.poll() == []
    worker.start()
    first = worker.pid
    worker.start()
    assert worker.pid == first  # started once
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert goes_within(first, 5.0)
    # The news of the idle death may still wait to be read; it is none of this job's.
    assert wait_for(worker, worker.submit(request_for(slide, tmp_path)))["n_tiles"] == N_TILES


def test_prints_of_libraries_do_not_reach_the_events(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot_with(
        monkeypatch,
        "import sae_backend.compute.dispatch as p\n"
        "real = p.run\n"
        "def noisy(*args):\n"
        "    print('noise'); sys.stdout.flush(); os.write(1, b'raw noise\\n'); os.system('echo child')\n"
        "    return real(*args)\n"
        "p.run = noisy",
    )
    backend = WorkerClient()
    events = to_the_end(backend, backend.submit(request_for(slide, tmp_path)))
    assert isinstance(events[-1], Done)
    assert not any(isinstance(event, Crashed) for event in events)
    pid = backend.pid
    backend.close()
    assert pid is not None and is_gone(pid) and backend.pid is None


def test_a_death_in_the_middle_of_a_line_and_its_last_words(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot_with(
        monkeypatch,
        "import sae_backend.compute.worker as w\n"
        "def half(self):\n"
        "    event = w.Ready('CPU', dict())\n"
        "    self._sink.write(w.to_line(event)[:20]); self._sink.flush()\n"
        "    sys.stderr.write('out of luck\\n'); sys.stderr.flush(); time.sleep(0.3); os._exit(7)\n"
        "w.Worker.work = half",
    )
    backend = WorkerClient()
    job = backend.submit(request_for(slide, tmp_path))
    with pytest.raises(WorkerError, match=r"code 7") as caught:
        wait_for(backend, job)
    assert "out of luck" in caught.value.hint
    backend.close()


def test_the_worker_ends_with_its_parent(slide: Path, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from sae_backend.worker.client import WorkerClient\n"
            "from sae_backend.worker.requests import Progress\n"
            "from tests.backend.fixtures.runs import collect, request_for\n"
            "backend = WorkerClient()\n"
            "backend.submit(request_for(sys.argv[1], sys.argv[2], batch=1))\n"
            "collect(backend, lambda e: isinstance(e, Progress) and e.stage == 'embed tiles')\n"
            "print(backend.pid, flush=True)\n"
            "time.sleep(60)\n",
            str(slide),
            str(tmp_path),
        ],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.kill()
    assert goes_within(pid, 5.0)


def test_the_twin_cancels_and_resumes(slide: Path, tmp_path: Path) -> None:
    twin = InProcessBackend()
    request = request_for(slide, tmp_path, batch=1)
    job, queued = twin.submit(request), twin.submit(request)
    collect(twin, is_embedding)
    twin.cancel(queued)
    twin.cancel(job)
    ended = collect(twin, lambda event: event == Cancelled(job))
    assert Cancelled(queued) in ended
    events = to_the_end(twin, twin.submit(request))
    assert first_embedded(events) >= 1 and isinstance(events[-1], Done)
    twin.close()


def test_an_unforeseen_error_in_the_twin_is_a_crash(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))
    twin = InProcessBackend()
    with monkeypatch.context() as patched:
        patched.setattr(dispatch, "analyze", lambda *_: {}["x"])
        job = twin.submit(request_for(slide, tmp_path))
        event = to_the_end(twin, job)[-1]
    assert isinstance(event, Crashed) and event.hint
    assert wait_for(twin, twin.submit(request_for(slide, tmp_path)))["n_tiles"] == N_TILES
    assert [type(error) for error in told] == [KeyError]
    twin.close()


def test_a_gentle_worker_gives_way_and_works(slide: Path, tmp_path: Path) -> None:
    backend = WorkerClient(gentle=True)
    try:
        events = to_the_end(backend, backend.submit(request_for(slide, tmp_path)))
        assert isinstance(events[-1], Done)
        worker, own = psutil.Process(backend.pid), psutil.Process()
        if psutil.WINDOWS:
            assert worker.nice() == psutil.BELOW_NORMAL_PRIORITY_CLASS
        else:
            assert worker.nice() == min(19, max(own.nice(), 15))
            thread_ids = [thread.id for thread in worker.threads()]
            assert {psutil.Process(number).nice() for number in thread_ids} == {worker.nice()}
    finally:
        backend.close()
