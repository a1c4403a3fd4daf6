"""The worker's twin in the caller's own process, for tests and library users."""

from __future__ import annotations

import threading
from queue import Empty, Queue

from sae_backend.compute.worker import JobRunner
from sae_backend.worker.requests import Cancel, Crashed, Event, Request, Submit


class InProcessBackend:
    """Runs jobs one after the other in a thread; same interface as the worker's client."""

    def __init__(self) -> None:
        self._events: Queue[Event] = Queue()
        self._next = 1
        self._runner: _EventQueue | None = None

    def start(self) -> None:
        """Begin to serve, unless begun."""
        if self._runner is None or not self._runner.thread.is_alive():
            self._runner = _EventQueue(self._events)
            self._runner.thread.start()

    def submit(self, request: Request) -> int:
        """Queue a job and return its number."""
        self.start()
        assert self._runner is not None
        job, self._next = self._next, self._next + 1
        self._runner.take(Submit(job, request))
        return job

    def cancel(self, job: int) -> None:
        """Ask a job to stop; it does so between two batches."""
        if self._runner is not None:
            self._runner.take(Cancel(job))

    def poll(self) -> list[Event]:
        """Events since the last call, oldest first."""
        events: list[Event] = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                return events

    def close(self) -> None:
        """Stop after the queued jobs."""
        if self._runner is not None:
            self._runner.finish()


class _EventQueue(JobRunner):
    def __init__(self, events: Queue[Event]) -> None:
        super().__init__()
        self._events = events
        self.thread = threading.Thread(target=self._serve, name="in-process worker", daemon=True)

    def send(self, event: Event) -> None:
        self._events.put(event)

    def _serve(self) -> None:
        ended_well = False
        try:
            self.work()
            ended_well = True
        finally:
            # An error that no job foresees ends the thread, as it would end the worker process.
            if not ended_well:
                for job in self.owed():
                    self.send(
                        Crashed(job, "The job ended unexpectedly.", "See the traceback on standard error.")
                    )
