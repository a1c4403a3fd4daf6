"""How far one stage of the study is."""

from __future__ import annotations

from sae_backend.studies.framework.result import Progress


class Stage:
    """Counts the steps of a stage and says so; every call may raise to end the study.

    Parameters
    ----------
    progress
        Takes (stage, done, total).
    name
        What is done.
    total
        Number of its steps.
    """

    def __init__(self, progress: Progress, name: str, total: int = 1) -> None:
        self._progress, self._name = progress, name
        self.total, self.done = total, 0
        self.check_cancelled()

    def expect(self, total: int) -> None:
        """Set the number of steps, once it is known."""
        self.total = total
        self.check_cancelled()

    def check_cancelled(self) -> None:
        """Say that it goes on."""
        # A count that reaches its end means that there is nothing more to come.
        self._progress(self._name, min(self.done, max(self.total - 1, 0)), max(self.total, 1))

    def step(self) -> None:
        """One step is done."""
        self.reach(self.done + 1)

    def reach(self, done: int) -> None:
        """So many steps are done."""
        self.done = done
        self.check_cancelled()
