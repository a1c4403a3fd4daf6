"""Workers that begin at once: forked from a process that has loaded the libraries already."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from multiprocessing.reduction import DupFd
from typing import IO, Any


def _serve(streams: list[Any]) -> None:
    """Be a worker on these pipes."""
    for place, stream in enumerate(streams):
        os.dup2(stream.detach(), place)
    sys.stdin, sys.stdout, sys.stderr = (
        open(place, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - open for the life of the process
        for place, mode in enumerate("rww")
    )
    from sae_backend.compute.worker import main

    main()


class _Streams:
    """Ends of pipes on their way to a process that is about to begin."""

    def __init__(self, ends: tuple[int, int, int]) -> None:
        self._ends = ends

    def __reduce__(self) -> tuple[Any, ...]:
        return list, ([DupFd(end) for end in self._ends],)


class ForkedWorker:
    """What a `subprocess.Popen` of the worker is to its client, without the seconds of its start.

    The process is one of its own, with a process id that can be killed.
    """

    def __init__(self, _command: list[str], **_options: object) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["sae_backend.compute.pipeline"])
        (given, stdin), (stdout, told), (stderr, said) = (os.pipe() for _ in range(3))
        theirs = given, told, said
        # Daemonic: it ends with the tests, whatever becomes of them.
        self._process = context.Process(target=_serve, args=(_Streams(theirs),), daemon=True)
        self._lock = threading.Lock()
        self._process.start()
        for end in theirs:
            os.close(end)
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.stdin: IO[str] = os.fdopen(stdin, "w", encoding="utf-8")
        self.stdout: IO[str] = os.fdopen(stdout, encoding="utf-8", errors="replace")
        self.stderr: IO[str] = os.fdopen(stderr, encoding="utf-8", errors="replace")

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        with self._lock:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and give the exit code."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("worker", timeout or 0.0)
            time.sleep(0.005)
        return code

    def kill(self) -> None:
        self._process.kill()
