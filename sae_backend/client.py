"""The program's side of the worker: start it, ask it, hear it, survive its death."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final, Protocol

from sae_backend.errors import CancelledError, WorkerError, error_of
from sae_backend.messages import (
    Cancel,
    Cancelled,
    Crashed,
    Done,
    Event,
    Failed,
    Progress,
    Request,
    Submit,
    from_line,
    to_line,
)

CANCEL_GRACE_SECONDS: Final = 3.0
_STDERR_LINES: Final = 30


class Backend(Protocol):
    """Whatever takes requests and gives events: the worker's client, its twin, or a fake."""

    def start(self) -> None:
        """Begin; returns at once, and `Ready` follows among the events."""

    def submit(self, request: Request) -> int:
        """Queue a job and return its number."""

    def cancel(self, job: int) -> None:
        """Ask a job to stop; `Cancelled` follows, or `Done` where it was faster."""

    def poll(self) -> list[Event]:
        """Events since the last call, oldest first."""

    def close(self) -> None:
        """End."""


class WorkerClient:
    """Runs the worker as a child process.

    A worker that dies gives one `Crashed` event; the next `submit` starts a new one. A cancelled
    job that does not stop within three seconds is ended by killing the worker, which loses nothing
    that was finished.
    """

    def __init__(self) -> None:
        self._events: Queue[Event] = Queue()
        self._process: subprocess.Popen[str] | None = None
        self._waiting: list[int] = []
        self._cancelling: dict[int, float] = {}
        self._next = 1
        self._lock = threading.Lock()
        self._closing = False
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None when none runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the worker unless it runs; returns at once, `Ready` follows."""
        if self.pid is not None:
            return
        root = str(Path(__file__).resolve().parents[1])
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOT.format(root=root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise WorkerError(
                f"The worker cannot be started: {error.strerror}.", "Install the program again."
            ) from error
        self._process = process
        self._stderr.clear()
        threading.Thread(target=self._hear, args=(process,), name="worker events", daemon=True).start()
        threading.Thread(target=self._keep_stderr, args=(process,), name="worker log", daemon=True).start()

    def submit(self, request: Request) -> int:
        """Queue a job and return its number; starts the worker where it is not running."""
        self.start()
        with self._lock:
            job, self._next = self._next, self._next + 1
            self._waiting.append(job)
        self._send(Submit(job, request))
        return job

    def cancel(self, job: int) -> None:
        """Ask a job to stop."""
        if job in self._waiting:
            self._cancelling[job] = time.monotonic()
            self._send(Cancel(job))

    def poll(self) -> list[Event]:
        """Events since the last call, oldest first; also ends a job that ignores its cancel."""
        self._end_the_stubborn()
        events: list[Event] = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                return events

    def close(self) -> None:
        """End the worker."""
        self._closing = True
        process = self._process
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def _send(self, message: Submit | Cancel) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        # A broken pipe means that the worker has died, which the listening thread reports.
        with contextlib.suppress(OSError):
            process.stdin.write(to_line(message) + "\n")
            process.stdin.flush()

    def _hear(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                event = from_line(line)
                if isinstance(event, Done | Failed | Cancelled):
                    self._forget(event.job)
                if not isinstance(event, Submit | Cancel):
                    self._events.put(event)
        code = process.wait()
        if self._closing or self._process is not process:
            return
        self._report_death(code)

    def _keep_stderr(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            self._stderr.extend(lines)

    def _report_death(self, code: int) -> None:
        with self._lock:
            lost, self._waiting = self._waiting, []
        wanted = [job for job in lost if job not in self._cancelling]
        for job in lost:
            if job in self._cancelling:
                self._events.put(Cancelled(job))
        self._cancelling.clear()
        sentence = f"The worker ended unexpectedly (code {code})."
        hint = "Start the job again: it goes on where it stopped."
        if self._stderr and code > 0:
            hint += f" Its last words: {self._stderr[-1].strip()}"
        if not lost:
            self._events.put(Crashed(None, sentence, hint))
        for job in wanted:
            self._events.put(Crashed(job, sentence, hint))

    def _forget(self, job: int) -> None:
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
        self._cancelling.pop(job, None)

    def _end_the_stubborn(self) -> None:
        overdue = [t for t in self._cancelling.values() if time.monotonic() - t > CANCEL_GRACE_SECONDS]
        process = self._process
        if overdue and process is not None:
            process.kill()


_BOOT: Final = "import sys; sys.path.insert(0, {root!r}); from sae_backend.compute.worker import main; main()"


def wait_for(
    backend: Backend, job: int, on_progress: Callable[[Progress], None] | None = None
) -> dict[str, Any]:
    """Wait for a job and return its result.

    Raises
    ------
    SparsescopeError
        The error that the worker reported; `WorkerError` when it died, `CancelledError` when the
        job was cancelled.
    """
    while True:
        for event in backend.poll():
            match event:
                case Progress() if event.job == job and on_progress is not None:
                    on_progress(event)
                case Done() if event.job == job:
                    return event.result
                case Failed() if event.job == job:
                    raise error_of(event.kind, event.sentence, event.hint)
                case Cancelled() if event.job == job:
                    raise CancelledError("The job was cancelled.", "What was finished is kept.")
                case Crashed() if event.job in (job, None):
                    raise WorkerError(event.sentence, event.hint)
                case _:
                    pass
        time.sleep(0.02)
