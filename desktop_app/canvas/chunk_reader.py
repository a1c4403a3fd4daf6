"""Reads the pixels of a slide beside the window: the newest wish first, a bounded number of wishes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from sae_backend.errors import SlideError

Key = tuple[int, int, int]
"""Level, row and column of a chunk."""

THREADS: Final = 2
MOST_WISHES: Final = 256
"""Older ones are dropped: what is still in sight is wished for again when it is drawn."""

RETRY_S: Final = 3.0
STOP_S: Final = 5.0


class ChunkReader:
    """Threads that read chunks which are asked for while drawing; all else is called in the window's thread.

    `on_asked` is told of a wish, so that somebody calls `deliver` until the reader is not `busy` any more.
    """

    def __init__(self, on_asked: Callable[[ChunkReader], None] | None = None, threads: int = THREADS) -> None:
        self._on_asked = on_asked
        self._wishes: OrderedDict[Key, Callable[[], object]] = OrderedDict()
        self._reading: set[Key] = set()
        self._failed: dict[Key, float] = {}
        self._errors: list[SlideError] = []
        self.arrivals = 0
        """How many chunks have been read so far, or could not be."""
        self._delivered = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._watchers: dict[Callable[[], None], Callable[[SlideError], None]] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"slide-reader-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        """Whether something is being read or has not been delivered."""
        with self._changed:
            return bool(self._wishes or self._reading or self._errors or self._delivered < self.arrivals)

    @property
    def left(self) -> int:
        """How many chunks are waited for."""
        with self._changed:
            return len(self._wishes) + len(self._reading)

    @property
    def stopped(self) -> bool:
        """Whether nothing is read any more."""
        return self._stopped

    def ask(self, key: Key, load: Callable[[], object]) -> bool:
        """Wish for a chunk, which `load` reads into the cache; False where it could not be read just now."""
        with self._changed:
            if self._stopped:
                return True
            failed = self._failed.get(key)
            if failed is not None and time.monotonic() - failed < RETRY_S:
                return False
            if key in self._reading:
                return True
            self._wishes[key] = load
            self._wishes.move_to_end(key)
            while len(self._wishes) > MOST_WISHES:
                self._wishes.popitem(last=False)
            self._changed.notify()
        if self._on_asked is not None:
            self._on_asked(self)
        return True

    def watch(self, redraw: Callable[[], None], on_error: Callable[[SlideError], None]) -> None:
        """Have `redraw` called when pixels arrived, and `on_error` when the file cannot be read.

        Errors are told to the first that watches: several views of a slide need not each say the same.
        """
        self.unwatch(redraw)
        self._watchers[redraw] = on_error

    def unwatch(self, redraw: Callable[[], None]) -> None:
        """Call `redraw` no more; nothing happens where it does not watch."""
        self._watchers.pop(redraw, None)

    def deliver(self) -> bool:
        """Draw what arrived since the last call and report errors; whether there was anything."""
        with self._changed:
            arrived, self._delivered = self.arrivals > self._delivered, self.arrivals
            errors, self._errors = self._errors, []
            if self._stopped:
                return False
        if errors and self._watchers:
            next(iter(self._watchers.values()))(errors[0])
        if arrived:
            for redraw in tuple(self._watchers):
                redraw()
        return arrived or bool(errors)

    def wait(self, timeout_s: float) -> bool:
        """Wait until all is read and drawn; False where that takes longer than `timeout_s`."""
        end = time.monotonic() + timeout_s
        while True:
            with self._changed:
                idle = self._changed.wait_for(
                    lambda: not self._wishes and not self._reading, max(0.0, end - time.monotonic())
                )
            if not idle:
                return False
            if not self.deliver():
                return True

    def stop(self) -> None:
        """Read nothing more; returns when no thread holds the slide, or after five seconds."""
        with self._changed:
            self._stopped = True
            self._wishes.clear()
            self._watchers.clear()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._reading, STOP_S)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or bool(self._wishes))
                if self._stopped:
                    return
                key, load = self._wishes.popitem()
                self._reading.add(key)
            # Unless it ends well; what is no fault of the file ends the thread, and must not pass for pixels.
            error: SlideError | None = SlideError("A part of the slide could not be read.", "Open it again.")
            try:
                load()
                error = None
            except SlideError as caught:
                error = caught
            finally:
                with self._changed:
                    self._reading.discard(key)
                    self.arrivals += 1
                    if error is None:
                        self._failed.pop(key, None)
                    else:
                        self._failed[key] = time.monotonic()
                        self._errors.append(error)
                    self._changed.notify_all()
