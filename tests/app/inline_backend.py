"""A backend that does a job where it is asked, so that nothing is left to wait for or to time."""

from __future__ import annotations

from collections.abc import Callable

from sae_backend.compute.embed import Watch
from sae_backend.compute.pipeline import run
from sae_backend.errors import SparsescopeError
from sae_backend.messages import Done, Event, Failed, Progress, Request


class InlineBackend:
    """Runs each job inside `submit`; an error that is not for the user reaches the test as it is."""

    def __init__(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        self.requests: list[Request] = []
        self.closed = False
        self._on_progress = on_progress
        self._events: list[Event] = []

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, request: Request) -> int:
        self.requests.append(request)
        job = len(self.requests)

        def report(stage: str, done: int, total: int) -> None:
            event = Progress(job, stage, done, total, 0.0, None)
            self._events.append(event)
            if self._on_progress is not None:
                self._on_progress(event)

        try:
            result = run(request, Watch(report))
        except SparsescopeError as error:
            self._events.append(Failed(job, error.kind, error.sentence, error.hint))
        else:
            self._events.append(Done(job, result))
        return job

    def cancel(self, job: int) -> None:
        raise AssertionError("a job is over before it could be cancelled")

    def poll(self) -> list[Event]:
        news, self._events = self._events, []
        return news

    def close(self) -> None:
        self.closed = True
