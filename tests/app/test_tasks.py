from __future__ import annotations

import threading

import pytest
from pytestqt.qtbot import QtBot

from desktop_app.tasks import Debouncer, LatestTask, SerialTasks, WorkerTasks
from sae_backend.errors import SlideError
from sae_backend.worker.requests import Cancelled, Crashed, Done, EncodeRequest, Failed, Progress, Ready
from tests.app.fixtures.fakes import FakeBackend
from tests.waiting import WAIT_MS, WAIT_S, wait_until

REQUEST = EncodeRequest("a", "b", "c")


@pytest.fixture
def told(qapp: object) -> tuple[FakeBackend, WorkerTasks, list[object]]:
    backend = FakeBackend()
    tasks = WorkerTasks(backend)
    heard: list[object] = []
    tasks.worker_ready.connect(lambda device: heard.append(("ready", device)))
    tasks.job_progress.connect(lambda event: heard.append(("progress", event.job, event.done)))
    tasks.job_done.connect(lambda job, result: heard.append(("done", job, result)))
    tasks.job_failed.connect(lambda job, sentence, hint: heard.append(("failed", job, sentence)))
    tasks.job_cancelled.connect(lambda job: heard.append(("cancelled", job)))
    tasks.worker_crashed.connect(lambda sentence, hint: heard.append(("crashed", sentence)))
    return backend, tasks, heard


def test_news_of_a_job_arrive_until_it_ends(told: tuple[FakeBackend, WorkerTasks, list[object]]) -> None:
    backend, tasks, heard = told
    job = tasks.submit("Encode", REQUEST)
    backend.events = [Ready("cpu", {}), Progress(job, "encode", 3, 9, 1.0, None), Done(job, {"n": 1})]
    tasks.poll()
    assert heard == [("ready", "cpu"), ("progress", job, 3), ("done", job, {"n": 1})]
    backend.events = [Progress(job, "encode", 4, 9, 1.0, None), Done(job, {}), Done(99, {})]
    tasks.poll()
    assert len(heard) == 3
    assert tasks.open_jobs == ()


def test_failure_cancel_and_crash_end_their_jobs(
    told: tuple[FakeBackend, WorkerTasks, list[object]],
) -> None:
    backend, tasks, heard = told
    jobs = [tasks.submit("Encode", REQUEST) for _ in range(3)]
    tasks.cancel(jobs[1])
    tasks.cancel(77)
    assert backend.cancelled == [jobs[1]]
    backend.events = [
        Failed(jobs[0], "SlideError", "Gone.", ""),
        Cancelled(jobs[1]),
        Crashed(jobs[2], "The worker died.", ""),
    ]
    tasks.poll()
    assert heard == [
        ("failed", jobs[0], "Gone."),
        ("cancelled", jobs[1]),
        ("failed", jobs[2], "The worker died."),
        ("crashed", "The worker died."),
    ]
    assert tasks.open_jobs == ()


def test_the_timer_asks_by_itself_and_close_ends_the_worker(qtbot: QtBot) -> None:
    backend = FakeBackend()
    tasks = WorkerTasks(backend)
    tasks.start()
    backend.events = [Ready("cuda:0", {})]
    with qtbot.waitSignal(tasks.worker_ready, timeout=WAIT_MS) as heard:
        pass
    assert heard.args == ["cuda:0"]
    tasks.close()
    assert backend.started and backend.closed


def test_an_older_read_is_stale(qtbot: QtBot) -> None:
    reads = LatestTask()
    gate = threading.Event()
    answers: list[object] = []
    reads.answered.connect(answers.append)
    reads.ask(lambda: gate.wait(WAIT_S))
    with qtbot.waitSignal(reads.answered, timeout=WAIT_MS):
        reads.ask(lambda: "new")
        gate.set()
    assert answers == ["new"]
    reads.ask(lambda: "forgotten")
    assert reads.close()
    qtbot.wait(20)
    assert answers == ["new"]


def test_an_error_of_a_read_is_told(qtbot: QtBot) -> None:
    reads = LatestTask()

    def fail() -> None:
        raise SlideError("Gone.")

    with qtbot.waitSignal(reads.failed, timeout=WAIT_MS) as heard:
        reads.ask(fail)
    assert heard.args[0].sentence == "Gone."


def test_a_pause_is_over_once(qtbot: QtBot) -> None:
    pause = Debouncer(30)
    count: list[int] = []
    pause.over.connect(lambda: count.append(1))
    with qtbot.waitSignal(pause.over, timeout=WAIT_MS):
        pause.restart()
        pause.restart()
    pause.restart()
    pause.stop()
    qtbot.wait(60)
    assert count == [1]


def test_every_write_is_done_and_answered_in_order(qtbot: QtBot) -> None:
    writes = SerialTasks()
    heard: list[object] = []
    writes.answered.connect(heard.append)
    writes.failed.connect(lambda error: heard.append(error.sentence))
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(WAIT_S)
        return "first"

    def refused() -> str:
        raise SlideError("No.", "Try another.")

    for write in (slow, refused, lambda: "third"):
        writes.ask(write)
    assert begun.wait(WAIT_S)
    go_on.set()
    wait_until(lambda: len(heard) == 3, qtbot)
    assert heard == ["first", "No.", "third"]
    assert writes.close()
