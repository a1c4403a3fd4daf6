"""The program's side of the worker: start it, ask it, hear it, survive its death."""

from __future__ import annotations

import contextlib
import os
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
from sae_backend.worker.requests import (
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
_NICENESS: Final = 15
_CLOSE_SECONDS: Final = 2.0


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


class _Process:
    """One run of the worker process, with the jobs that it owes an answer."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.waiting: dict[int, Request] = {}
        self.cancelling: dict[int, float] = {}
        self.stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self.closing = False
        self.ended_for_cancel = False
        self.threads: list[threading.Thread] = []

    @property
    def runs(self) -> bool:
        """Whether the process is alive."""
        return self.process.poll() is None

    def send(self, message: Submit | Cancel) -> None:
        """Write a message; a broken pipe means death, which the listening thread reports."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(to_line(message) + "\n")
            self.process.stdin.flush()

    def close_stdin(self) -> None:
        """Let the worker see that nobody wants it any more."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()


class WorkerClient:
    """Runs the worker as a child process.

    A worker that dies gives one `Crashed` event, for the job it was at or for none; the next
    `submit` starts a new one. A cancelled job that does not stop within three seconds is ended by
    killing the worker, which loses nothing that was finished. Jobs queued behind a lost one go on
    in a new worker. A `gentle` one gives way to the other processes of the machine, such as the window
    that shows it, and takes whatever time they leave.
    """

    def __init__(self, *, gentle: bool = False) -> None:
        self._gentle = gentle
        self._events: Queue[Event] = Queue()
        self._life: _Process | None = None
        self._next = 1
        # Held while a job is handed to a worker and while a dead worker's jobs are taken from it,
        # so that no job is left with a worker that has already been given up.
        self._lock = threading.RLock()

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None when none runs."""
        life = self._life
        return life.process.pid if life is not None and life.runs else None

    def start(self) -> None:
        """Start the worker unless it runs; returns at once, `Ready` follows.

        Raises
        ------
        WorkerError
            When the system refuses to start it.
        """
        with self._lock:
            if self._life is None or not self._life.runs:
                self._life = self._spawn()

    def submit(self, request: Request) -> int:
        """Queue a job and return its number; starts the worker where it is not running."""
        with self._lock:
            job, self._next = self._next, self._next + 1
            self._hand_over(job, request)
        return job

    def cancel(self, job: int) -> None:
        """Ask a job to stop; one that has ended is left alone."""
        with self._lock:
            life = self._life
            if life is not None and job in life.waiting:
                life.cancelling.setdefault(job, time.monotonic())
                life.send(Cancel(job))

    def poll(self) -> list[Event]:
        """Events since the last call, oldest first; also ends a job that ignores its cancel."""
        self._kill_uncancelled()
        events: list[Event] = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                return events

    def close(self) -> None:
        """End the worker; jobs that have not ended give no more events."""
        with self._lock:
            life, self._life = self._life, None
            if life is None:
                return
            life.closing = True
            life.close_stdin()
        try:
            life.process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            life.process.kill()
            life.process.wait()
        for thread in life.threads:
            thread.join(_CLOSE_SECONDS)

    def _spawn(self) -> _Process:
        root = str(Path(__file__).resolve().parents[2])
        try:
            process = subprocess.Popen(
                # -P: a file named like a library in the folder the user stands in is not imported.
                [sys.executable, "-P", "-c", _BOOT.format(root=root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                creationflags=_below_normal() if self._gentle else 0,
            )
        except OSError as error:
            raise WorkerError(
                f"The worker cannot be started: {error.strerror}.", "Install the program again."
            ) from error
        if self._gentle and sys.platform != "win32":
            # At once: threads of the worker take over what its first one has when they begin.
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        life = _Process(process)
        life.threads = [
            threading.Thread(target=self._keep_stderr, args=(life,), name="worker log", daemon=True),
            threading.Thread(target=self._read_events, args=(life,), name="worker events", daemon=True),
        ]
        for thread in life.threads:
            thread.start()
        return life

    def _hand_over(self, job: int, request: Request) -> None:
        self.start()
        assert self._life is not None
        self._life.waiting[job] = request
        self._life.send(Submit(job, request))

    def _read_events(self, life: _Process) -> None:
        assert life.process.stdout is not None
        with life.process.stdout as lines:
            for line in lines:
                try:
                    event = from_line(line)
                except WorkerError:
                    # A worker that is killed while it writes leaves half a line; one that writes
                    # anything else cannot be understood any more.
                    life.process.kill()
                    break
                if isinstance(event, Done | Failed | Cancelled):
                    with self._lock:
                        life.waiting.pop(event.job, None)
                        life.cancelling.pop(event.job, None)
                if not isinstance(event, Submit | Cancel):
                    self._events.put(event)
        code = life.process.wait()
        life.threads[0].join(_CLOSE_SECONDS)  # the last words are wanted in the report
        with self._lock:
            life.close_stdin()
            if not life.closing:
                self._report_death(life, code)

    def _keep_stderr(self, life: _Process) -> None:
        assert life.process.stderr is not None
        with life.process.stderr as lines:
            life.stderr.extend(lines)

    def _report_death(self, life: _Process, code: int) -> None:
        lost, life.waiting = life.waiting, {}
        sentence = f"The worker ended unexpectedly (code {code})."
        hint = "Start the job again: it goes on where it stopped."
        if life.stderr and code > 0:
            hint += f" Its last words: {life.stderr[-1].strip()}"
        if not lost and not life.ended_for_cancel:
            self._events.put(Crashed(None, sentence, hint))
        for place, (job, request) in enumerate(lost.items()):
            if job in life.cancelling:
                self._events.put(Cancelled(job))
            elif place == 0 and not life.ended_for_cancel:
                self._events.put(Crashed(job, sentence, hint))
            else:
                try:
                    self._hand_over(job, request)
                except WorkerError as error:
                    self._events.put(Crashed(job, error.sentence, error.hint))

    def _kill_uncancelled(self) -> None:
        with self._lock:
            life = self._life
            if life is None or not life.cancelling or not life.runs:
                return
            if time.monotonic() - min(life.cancelling.values()) > CANCEL_GRACE_SECONDS:
                life.ended_for_cancel = True
                life.process.kill()


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
                # A crash without a job is that of an idle worker, before this job.
                case Crashed() if event.job == job:
                    raise WorkerError(event.sentence, event.hint)
                case _:
                    pass
        time.sleep(0.02)


def _below_normal() -> int:
    """Windows' flag for a process that gives way; nothing elsewhere."""
    return int(getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0))
