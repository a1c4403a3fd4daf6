"""Another run of a study beside the one that is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from desktop_app.export.study_comparison import beside_words
from desktop_app.project.studies.read import Beside, StudyView, read_beside
from desktop_app.tasks import LatestTask

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.widgets.studies.studies import StudiesPanel
    from sae_backend.errors import SparsescopeError


class StudyBeside:
    """Reads another run away from the window and sets it beside; `view` gives the run that is shown."""

    def __init__(self, context: Context, panel: StudiesPanel, view: Callable[[], StudyView | None]) -> None:
        self._context, self._view = context, view
        self._panel = panel
        self._found: Beside | None = None
        self._reads = LatestTask()
        self._reads.answered.connect(self._show)
        self._reads.failed.connect(self._failed)
        panel.compared.connect(self.compare_with)

    @property
    def found(self) -> Beside | None:
        """The run that is beside, None for none."""
        return self._found

    def close(self) -> None:
        """End the read that may be under way."""
        self._reads.close()

    def compare_with(self, study_id: int) -> None:
        """Set another run beside the one shown; a negative number for none."""
        store, view = self._context.session.store, self._view()
        if store is None or view is None or study_id < 0:
            self.forget()
            return
        thresholds = self._panel.result.thresholds_row.values()
        self._reads.ask(partial(read_beside, view, store.folder, study_id, thresholds))

    def render_again(self) -> None:
        """Compare anew, as thresholds or names have changed."""
        if self._found is not None:
            self.compare_with(self._found.view.record.id)

    def forget(self) -> None:
        """Take the other run away."""
        self._found = None
        self._reads.forget()
        self._panel.result.show_other(None)

    def _failed(self, error: SparsescopeError) -> None:
        self.forget()
        self._panel.show_no_other()
        self._context.show_error(error)

    def _show(self, found: Beside) -> None:
        view = self._view()
        if view is None or view.record.id != found.study_id:
            return
        self._found = found
        other = found.view
        self._panel.result.show_other(
            other.report, beside_words(found.comparison), other.record.name, found.comparison.tables
        )
