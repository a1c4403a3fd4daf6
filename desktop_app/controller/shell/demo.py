"""The embedded demo in the window: drawn, analysed and correlated before the user's eyes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QStandardPaths

from desktop_app.demo import steps as demo_steps
from desktop_app.project import analysis_jobs as jobs
from desktop_app.project.notices import DEMO_NOTICE
from sae_backend.worker.requests import DrawRequest

if TYPE_CHECKING:
    from desktop_app.controller.cells.cells import CellActions
    from desktop_app.controller.context import Context
    from desktop_app.controller.jobs import JobActions
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.store import Store
    from desktop_app.widgets.shell.start_page import StartPage


class DemoActions:
    """Takes the demo's steps one after the other; what is there already is not done again."""

    def __init__(
        self,
        context: Context,
        start_page: StartPage,
        projects: ProjectActions,
        cells: CellActions,
        job_actions: JobActions,
    ) -> None:
        self._context = context
        self._projects, self._cells, self._jobs = projects, cells, job_actions
        start_page.demo_requested.connect(self.begin_at_home)

    def begin_at_home(self) -> None:
        """Make or open the demo in the user's own folder for the program's data."""
        home = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
        self.begin(Path(home) / "sparsescope" / "demo")

    def begin(self, out: Path) -> None:
        """Make the demo in a folder, or open it."""
        store = self._context.attempt(lambda: self._open_project(out))
        if store is None:
            return
        self._context.preferences.opened(store.folder)
        self._context.session.set_project(store)
        if demo_steps.is_drawn(out):
            self._drawn(store, out)
            return
        request = DrawRequest(str(out), demo_steps.DEMO_SLIDE.to_json())
        self._jobs.submit(store, "Generate the demo slide", request, lambda _result: self._drawn(store, out))
        self._context.say("The demo slide is being generated; this takes about ten seconds.")

    @staticmethod
    def _open_project(out: Path) -> Store:
        out.mkdir(parents=True, exist_ok=True)
        return demo_steps.open_project(out)

    def _drawn(self, store: Store, out: Path) -> None:
        self._projects.open_slide(demo_steps.demo_paths(out)[0])
        record = self._context.session.slide_record
        if record is None:
            return
        demo_steps.give_cells(store, record.id, out)
        self._cells.show()
        if self._context.session.features is not None:
            self._ready()
            return
        request = jobs.analyze_request(store, record.id, demo_steps.demo_options())

        def keep(result: dict[str, Any]) -> None:
            analysis = jobs.record_analysis(store, record.id, request, result)
            assert analysis.sae_digest is not None
            demo_steps.name_followers(store, analysis.sae_digest)
            self._jobs.show_new(store, analysis)
            feature = demo_steps.first_feature()
            if feature is not None:
                self._context.session.set_feature(feature)
            self._ready()

        self._jobs.submit(store, "Analyse the demo slide", request, keep)

    def _ready(self) -> None:
        store, features = self._context.session.store, self._context.session.features
        if (
            store is not None
            and features is not None
            and store.correlations.latest(features.sae_digest) is None
        ):
            self._jobs.correlate()
        self._context.show_panel("Examples")
        self._context.say(DEMO_NOTICE)
