"""The worker's twin in the caller's own process, for tests and library users."""

from __future__ import annotations

import threading
from queue import Empty, Queue

from sae_backend.compute.worker import Worker, versions
from sae_backend.messages import Cancel, Event, Ready, Request, Submit


class InProcessBackend:
    """Runs jobs one after the other in a thread; same interface as the worker's client."""

    def __init__(self) -> None:
        self._events: Queue[Event] = Queue()
        self._next = 1
        self._worker = _QueueWorker(self._events)

    def start(self) -> None:
        """Begin to serve."""
        threading.Thread(target=self._worker.loop, name="in-process worker", daemon=True).start()

    def submit(self, request: Request) -> int:
        """Queue a job and return its number."""
        job, self._next = self._next, self._next + 1
        self._worker._take(Submit(job, request))
        return job

    def cancel(self, job: int) -> None:
        """Ask a job to stop; it does so between two batches."""
        self._worker._take(Cancel(job))

    def poll(self) -> list[Event]:
        """Events since the last call, oldest first."""
        events: list[Event] = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                return events

    def close(self) -> None:
        """Stop after the job in hand."""
        self._worker._jobs.put(None)


class _QueueWorker(Worker):
    def __init__(self, events: Queue[Event]) -> None:
        self._events = events
        self._jobs = Queue()
        self._cancelled = set()

    def send(self, event: Event) -> None:
        self._events.put(event)

    def loop(self) -> None:
        from sae_backend.compute.pipeline import describe_device

        self.send(Ready(describe_device(), versions()))
        while (item := self._jobs.get()) is not None:
            self._work(item)
