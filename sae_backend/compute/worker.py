"""The worker process: reads requests from standard input, writes events to standard output.

Started as `python -m sae_backend.compute.worker`. It ends when its standard input ends, so it
never outlives the program that started it.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from collections import deque
from pathlib import Path
from queue import Queue
from typing import IO, Final

from sae_backend.errors import CancelledError, SparsescopeError
from sae_backend.worker.requests import (
    Cancel,
    Cancelled,
    Done,
    Event,
    Failed,
    Message,
    Progress,
    Ready,
    Submit,
    from_line,
    to_line,
)

_PROGRESS_SECONDS: Final = 0.1
_RATE_WINDOW_SECONDS: Final = 10.0


class Meter:
    """Turns counts into progress events, at most ten a second, with rate and time left."""

    def __init__(self, job: int) -> None:
        self._job = job
        self._stage = ""
        self._seen: deque[tuple[float, int]] = deque()
        self._last_sent = 0.0

    def update(self, stage: str, done: int, total: int) -> Progress | None:
        """Take a count; returns the event to send, or None when it is too soon."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage = stage
            self._seen.clear()
            self._last_sent = 0.0
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _RATE_WINDOW_SECONDS:
            self._seen.popleft()
        if done < total and now - self._last_sent < _PROGRESS_SECONDS:
            return None
        self._last_sent = now
        began, first = self._seen[0]
        rate = (done - first) / (now - began) if now > began and done > first else 0.0
        eta = (total - done) / rate if rate > 0 else None
        return Progress(self._job, stage, done, total, rate, eta)


class JobRunner:
    """Takes messages in one thread and does the jobs in another, one at a time, in order."""

    def __init__(self) -> None:
        self._jobs: Queue[Submit | None] = Queue()
        self._lock = threading.Lock()
        self._queued: set[int] = set()
        self._running: int | None = None
        self._stop = False

    def send(self, event: Event) -> None:
        """Give an event to whoever asked for the jobs."""
        raise NotImplementedError

    def take(self, message: Message) -> None:
        """Queue a job, or stop one: a queued one at once, the running one at its next check."""
        match message:
            case Submit():
                with self._lock:
                    self._queued.add(message.job)
                self._jobs.put(message)
            case Cancel():
                with self._lock:
                    was_queued = message.job in self._queued
                    self._queued.discard(message.job)
                    self._stop = self._stop or message.job == self._running
                if was_queued:
                    self.send(Cancelled(message.job))

    def owed(self) -> list[int]:
        """Jobs that have not ended, the running one first."""
        with self._lock:
            running = [] if self._running is None else [self._running]
            return running + sorted(self._queued)

    def finish(self) -> None:
        """Let :meth:`work` return when the queued jobs are done."""
        self._jobs.put(None)

    def work(self) -> None:
        """Say what there is, then do the jobs until :meth:`finish`."""
        from sae_backend.compute.dispatch import describe_device

        self.send(Ready(describe_device(), versions()))
        while (item := self._jobs.get()) is not None:
            with self._lock:
                if item.job not in self._queued:
                    continue
                self._queued.discard(item.job)
                self._running, self._stop = item.job, False
            event = self._outcome(item)
            with self._lock:
                self._running = None
            self.send(event)

    def _outcome(self, item: Submit) -> Event:
        from sae_backend.compute.dispatch import run
        from sae_backend.compute.jobs.embed import JobContext

        meter = Meter(item.job)

        def report(stage: str, done: int, total: int) -> None:
            event = meter.update(stage, done, total)
            if event is not None:
                self.send(event)

        try:
            return Done(item.job, run(item.request, JobContext(report, lambda: self._stop)))
        except CancelledError:
            return Cancelled(item.job)
        except SparsescopeError as error:
            return Failed(item.job, error.kind, error.sentence, error.hint)
        except MemoryError:
            return Failed(
                item.job, "WorkerError", "The memory is not enough for this job.",
                "Close other programs, or use smaller batches.",
            )  # fmt: skip
        except RuntimeError as error:
            # torch reports a full GPU and driver faults this way.
            first = str(error).splitlines()[0] if str(error) else "unknown"
            return Failed(
                item.job, "WorkerError", f"The device failed: {first}",
                "Try again with --device cpu or a smaller batch.",
            )  # fmt: skip


class Worker(JobRunner):
    """Jobs from a stream of lines, events to another."""

    def __init__(self, source: IO[str], sink: IO[str]) -> None:
        super().__init__()
        self._source = source
        self._sink = sink
        self._writing = threading.Lock()

    def send(self, event: Event) -> None:
        """Write one event."""
        line = to_line(event) + "\n"
        with self._writing:
            self._sink.write(line)
            self._sink.flush()

    def _listen(self) -> None:
        try:
            for line in self._source:
                if line.strip():
                    self.take(from_line(line))
        finally:
            # The program is gone: nobody wants the result any more, so do not finish a long job.
            os._exit(0)

    def serve(self) -> None:
        """Work until the source ends, which ends the process."""
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        self.work()


def versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    import numpy as np
    import timm
    import torch

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "numpy": np.__version__,
    }


def main() -> None:
    """Serve on the standard streams; stray prints of libraries go to standard error."""
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    source = os.fdopen(sys.stdin.fileno(), encoding="utf-8", closefd=False)
    Worker(source, sink).serve()


if __name__ == "__main__":
    # Run as a module file too: make sure the package that holds it is found.
    root = str(Path(__file__).resolve().parents[2])
    if root not in sys.path:
        sys.path.insert(0, root)
    main()
