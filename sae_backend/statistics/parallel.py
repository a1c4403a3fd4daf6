"""Work on spans of features by several threads, with progress that may end it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Final

from threadpoolctl import threadpool_limits

from sae_backend.errors import CancelledError

Progress = Callable[[int, int], None]

_LOOK_SECONDS: Final = 0.05
_MAX_THREADS: Final = 8


def n_threads() -> int:
    """Threads that work at once: one a processor, 8 at most."""
    return max(1, min(_MAX_THREADS, os.cpu_count() or 1))


class ChunkWork:
    """Runs jobs in threads and counts what they did.

    `progress` is only called in the thread that waits; what it raises stops the others.
    """

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def advance(self, amount: int) -> None:
        """Count work as done, from any thread.

        Raises
        ------
        CancelledError
            When the whole is to end.
        """
        if self._stop.is_set():
            raise CancelledError("Stopped.", "Correlate again.")
        with self._lock:
            self._done += amount

    def run(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Do all jobs, several at once; an error of one, or of `progress`, ends all."""
        with ThreadPoolExecutor(n_threads()) as pool, threadpool_limits(limits=1, user_api="blas"):
            waiting: set[Future[None]] = {pool.submit(job) for job in jobs}
            try:
                while waiting:
                    done, waiting = wait(waiting, _LOOK_SECONDS, FIRST_EXCEPTION)
                    for future in done:
                        future.result()
                    self._say()
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def finish(self) -> None:
        """Say that all is done."""
        with self._lock:
            self._done = self._total
        self._say()

    def _say(self) -> None:
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total)
