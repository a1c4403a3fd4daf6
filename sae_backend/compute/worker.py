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
from sae_backend.messages import (
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


class Worker:
    """One job at a time, in order; a thread listens for cancels meanwhile."""

    def __init__(self, source: IO[str], sink: IO[str]) -> None:
        self._source = source
        self._sink = sink
        self._lock = threading.Lock()
        self._jobs: Queue[Submit | None] = Queue()
        self._cancelled: set[int] = set()

    def send(self, event: Event) -> None:
        """Write one event."""
        with self._lock:
            self._sink.write(to_line(event) + "\n")
            self._sink.flush()

    def _listen(self) -> None:
        for line in self._source:
            if line.strip():
                self._take(from_line(line))
        # The program is gone: nobody wants the result any more, so do not finish a long job.
        os._exit(0)

    def _take(self, message: Message) -> None:
        match message:
            case Submit():
                self._jobs.put(message)
            case Cancel():
                self._cancelled.add(message.job)

    def serve(self) -> None:
        """Work until standard input ends."""
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        from sae_backend.compute.pipeline import describe_device

        self.send(Ready(describe_device(), versions()))
        while True:
            item = self._jobs.get()
            if item is not None:
                self._work(item)

    def _work(self, item: Submit) -> None:
        from sae_backend.compute.embed import Watch
        from sae_backend.compute.pipeline import run

        meter = Meter(item.job)

        def report(stage: str, done: int, total: int) -> None:
            event = meter.update(stage, done, total)
            if event is not None:
                self.send(event)

        try:
            result = run(item.request, Watch(report, lambda: item.job in self._cancelled))
        except CancelledError:
            self.send(Cancelled(item.job))
        except SparsescopeError as error:
            self.send(Failed(item.job, error.kind, error.sentence, error.hint))
        except MemoryError:
            self.send(
                Failed(
                    item.job, "WorkerError", "The memory is not enough for this job.",
                    "Close other programs, or use smaller batches.",
                )
            )  # fmt: skip
        except RuntimeError as error:
            # torch reports a full GPU and driver faults this way.
            first = str(error).splitlines()[0] if str(error) else "unknown"
            self.send(
                Failed(
                    item.job, "WorkerError", f"The device failed: {first}",
                    "Try again with --device cpu or a smaller batch.",
                )
            )  # fmt: skip
        else:
            self.send(Done(item.job, result))


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
