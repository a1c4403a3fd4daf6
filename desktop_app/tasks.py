"""The program's only timers and threads: the worker is asked for news, slow reads run beside the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QObject, Qt, QThreadPool, QTimer, Signal, Slot

from sae_backend.errors import SparsescopeError
from sae_backend.worker.requests import Cancelled, Crashed, Done, Failed, Progress, Ready

if TYPE_CHECKING:
    from sae_backend.worker.client import Backend
    from sae_backend.worker.requests import Event, Request

POLL_MS: Final = 50


class WorkerTasks(QObject):
    """Jobs of the worker: submits them, asks for news on a timer, and says what became of them.

    An answer for a job that ended or was never started here is dropped by its number.
    """

    worker_ready = Signal(str)
    worker_crashed = Signal(str, str)
    job_started = Signal(int, str)
    job_progress = Signal(object)
    job_done = Signal(int, object)
    job_failed = Signal(int, str, str)
    job_cancelled = Signal(int)

    def __init__(self, backend: Backend, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._backend = backend
        self._open: dict[int, str] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self.poll)

    def start(self) -> None:
        """Start the worker; it may take seconds until `worker_ready`, and nothing waits for it."""
        self._backend.start()
        self._timer.start()

    def submit(self, title: str, request: Request) -> int:
        """Hand a job to the worker and return its number."""
        job = self._backend.submit(request)
        self._open[job] = title
        self.job_started.emit(job, title)
        return job

    @property
    def open_jobs(self) -> tuple[int, ...]:
        """Numbers of the jobs that have not ended."""
        return tuple(self._open)

    def cancel(self, job: int) -> None:
        """Ask for a job's end; `job_cancelled` follows when it has stopped."""
        if job in self._open:
            self._backend.cancel(job)

    def close(self) -> None:
        """Stop asking and end the worker."""
        self._timer.stop()
        self._backend.close()

    def poll(self) -> None:
        """Take the worker's news now."""
        for event in self._backend.poll():
            self._handle(event)

    def _handle(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.worker_ready.emit(event.device)
        elif isinstance(event, Crashed):
            if event.job in self._open:
                self._open.pop(event.job)
                self.job_failed.emit(event.job, event.sentence, event.hint)
            self.worker_crashed.emit(event.sentence, event.hint)
        elif event.job not in self._open:
            return
        elif isinstance(event, Progress):
            self.job_progress.emit(event)
        else:
            self._open.pop(event.job)
            self._end(event)

    def _end(self, event: Done | Failed | Cancelled) -> None:
        if isinstance(event, Done):
            self.job_done.emit(event.job, event.result)
        elif isinstance(event, Failed):
            self.job_failed.emit(event.job, event.sentence, event.hint)
        else:
            self.job_cancelled.emit(event.job)


class LiveWorker:
    """A second worker, for what the view asks while it is looked at; started at the first question.

    Its questions take a moment and must not wait behind a job of an hour.
    """

    def __init__(self, make: Callable[[], Backend]) -> None:
        self._make = make
        self._tasks: WorkerTasks | None = None

    @property
    def is_started(self) -> bool:
        """Whether anything was asked yet."""
        return self._tasks is not None

    def tasks(self) -> WorkerTasks:
        """Return the worker's tasks, starting it the first time."""
        if self._tasks is None:
            tasks = WorkerTasks(self._make())
            tasks.start()
            self._tasks = tasks
        return self._tasks

    def close(self) -> None:
        """End the worker, if it was started."""
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            tasks.close()


class LatestTask(QObject):
    """Runs slow reads beside the window; a newer one makes the answer of an older one stale."""

    answered = Signal(object)
    failed = Signal(object)
    _finished = Signal(int, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._finished.connect(self._answer, Qt.ConnectionType.QueuedConnection)

    def ask(self, function: Callable[[], Any]) -> None:
        """Run `function` in a thread; `answered` or `failed` follow unless another is asked first."""
        self._number += 1
        number = self._number

        def run() -> None:
            if number != self._number:
                # Stepped over while it waited: nobody wants it any more.
                return
            try:
                result = function()
            except SparsescopeError as error:
                self._finished.emit(number, None, error)
            else:
                self._finished.emit(number, result, None)

        self._pool.start(run)

    def forget(self) -> None:
        """Drop the answer that is under way."""
        self._number += 1

    def close(self, timeout_ms: int = 10_000) -> bool:
        """Drop the answer under way and wait until its thread ended; False when the time ran out."""
        self.forget()
        return self._pool.waitForDone(timeout_ms)

    @Slot(int, object, object)
    def _answer(self, number: int, result: object, error: object) -> None:
        if number != self._number:
            return
        if error is not None:
            self.failed.emit(error)
        else:
            self.answered.emit(result)


class SerialTasks(QObject):
    """Runs slow writes beside the window one after another; each is answered, and none is stepped over."""

    answered = Signal(object)
    failed = Signal(object)
    _finished = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._finished.connect(self._answer, Qt.ConnectionType.QueuedConnection)

    def ask(self, function: Callable[[], Any]) -> None:
        """Run `function` in a thread when those before it are done; `answered` or `failed` follow."""

        def run() -> None:
            try:
                result = function()
            except SparsescopeError as error:
                self._finished.emit(None, error)
            else:
                self._finished.emit(result, None)

        self._pool.start(run)

    def close(self, timeout_ms: int = 30_000) -> bool:
        """Wait until everything that was asked for is written; False when the time ran out."""
        return self._pool.waitForDone(timeout_ms)

    @Slot(object, object)
    def _answer(self, result: object, error: object) -> None:
        if error is not None:
            self.failed.emit(error)
        else:
            self.answered.emit(result)


class Debouncer(QObject):
    """Says `over` once, some time after the last :meth:`restart`: for saving what is being typed."""

    over = Signal()

    def __init__(self, pause_ms: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(pause_ms)
        self._timer.timeout.connect(self.over)

    def restart(self) -> None:
        """Begin the pause anew."""
        self._timer.start()

    def stop(self) -> None:
        """End the pause without a word."""
        self._timer.stop()
