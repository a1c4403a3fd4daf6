"""Studies: what one can be asked, its runs, and the features, slides and tiles behind what is drawn."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from psygnal import Signal
from PySide6.QtCore import QTimer

from desktop_app.controller.studies.compare import StudyBeside
from desktop_app.controller.studies.exports import StudyExports
from desktop_app.controller.studies.merging import StudyMerging
from desktop_app.controller.studies.targets import StudyTargets
from desktop_app.project.studies.jobs import record_study, study_request
from desktop_app.project.studies.read import StudyView, read_study
from desktop_app.project.studies.requirements import StudyOffer, offer_of
from desktop_app.project.studies.settings import StudyOptions
from desktop_app.store import Store, StudyRecord
from desktop_app.tasks import LatestTask
from desktop_app.widgets.controls.time_format import when
from desktop_app.widgets.correlation.header import RunEntry
from desktop_app.widgets.studies.window import StudyWindow
from sae_backend.studies.framework.registry import study
from sae_backend.worker.requests import StudyRequest

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features.features import FeatureActions
    from desktop_app.controller.jobs import JobActions
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.widgets.studies.studies import StudiesPanel
    from sae_backend.errors import SparsescopeError

_COUNTING: Final = "Counting the cells in the tiles …"


class StudyActions:
    """Shows studies, starts them, and leads from a point to what lies behind it.

    `done` says that a study was added to the project.
    """

    done = Signal(object)

    def __init__(
        self,
        context: Context,
        panel: StudiesPanel,
        results: StudyWindow,
        projects: ProjectActions,
        features: FeatureActions,
        jobs: JobActions,
    ) -> None:
        self._context, self._jobs = context, jobs
        self._panel = panel
        self._view: StudyView | None = None
        self._wished: dict[str, int] = {}
        self._running: dict[int, str] = {}
        self._has_room = False
        self._reads, self._preparing, self._offers = LatestTask(), LatestTask(), LatestTask()
        session = context.session
        self.beside = StudyBeside(context, panel, lambda: self._view)
        self.targets = StudyTargets(context, panel.result, projects, features, lambda: self._view)
        self.exports = StudyExports(context, panel, lambda: self._view, lambda: self.beside.found)
        self.merging = StudyMerging(context, panel, lambda: self._view, self._show_again)
        self._reads.answered.connect(self._show)
        self._reads.failed.connect(self._cannot_show)
        self._preparing.answered.connect(self._prepared)
        self._preparing.failed.connect(self._refused)
        self._offers.answered.connect(self._show_offer)
        self._offers.failed.connect(context.show_error)
        panel.study_chosen.connect(lambda _kind: self.refresh())
        panel.run_requested.connect(self.run)
        panel.run_chosen.connect(self.choose)
        panel.rename_requested.connect(self._rename)
        panel.cancel_requested.connect(self._cancel)
        panel.shown.connect(self._come_to_front)
        self.results_window = results
        panel.enlarge_requested.connect(self.results_window.toggle)
        self.results_window.changed.connect(panel.show_enlarged)
        panel.result.thresholds_changed.connect(self._apply_thresholds)
        context.menus.requested("studies").connect(lambda: context.show_panel("Studies"))
        session.project_changed.connect(lambda _store: self._forget())
        session.analysis_changed.connect(lambda _analysis: self.refresh())
        for ended in (context.tasks.job_done, context.tasks.job_failed):
            ended.connect(self._ended)
        context.tasks.job_cancelled.connect(self._stopped)

    @property
    def view(self) -> StudyView | None:
        """The study that is shown."""
        return self._view

    def close(self) -> None:
        """End the reads that may be under way."""
        for read in (self._reads, self._preparing, self._offers):
            read.close()
        self.beside.close()
        self.targets.close()
        self.exports.close()

    def refresh(self) -> None:
        """Show the chosen study: its chosen or newest run, or its settings where there is none."""
        panel, store = self._panel, self._context.session.store
        if not panel.isVisible():
            # Whoever brings it to the front asks again.
            return
        kind = panel.kind
        panel.show_busy(kind in self._running.values())
        if store is None:
            self._view = None
            panel.show_runs((), None)
            panel.show_offer(StudyOffer("No project is open.", "Open a slide in a project first."))
            panel.show_settings()
            return
        self._offers.ask(partial(_read_offer, store, kind))
        runs = self._context.attempt(lambda: store.studies.all(kind)) or []
        wished = self._wished.get(kind)
        chosen = next((run for run in runs if run.id == wished), runs[-1] if runs else None)
        self._list(runs, chosen)
        if chosen is None:
            self._view = None
            panel.show_settings()
            return
        self.choose(chosen.id)

    def _list(self, runs: list[StudyRecord], chosen: StudyRecord | None) -> None:
        has_slides = len({len(run.request["slides"]) for run in runs}) > 1
        entries = [_entry(run, has_slides) for run in reversed(runs)]
        current, beside = None if chosen is None else chosen.id, self.beside.found
        others = [entry for entry in entries if entry.id != current]
        other = None if beside is None or beside.study_id != current else beside.view.record.id
        self._panel.show_runs(entries, current, others, other)

    def _show_offer(self, found: tuple[str, StudyOffer]) -> None:
        kind, offer = found
        panel = self._panel
        if kind == panel.kind:
            panel.show_offer(offer)
            panel.show_busy(kind in self._running.values())
            if offer.obstacle:
                panel.start.setEnabled(False)

    def choose(self, study_id: int) -> None:
        """Show a run."""
        store, panel = self._context.session.store, self._panel
        if store is None:
            return
        self._wished[panel.kind] = study_id
        if self._view is not None and self._view.record.id == study_id:
            self._list(store.studies.all(panel.kind), self._view.record)
            panel.show_result()
            return
        features = self._context.session.features
        digest = None if features is None else features.sae_digest
        self._view = None
        panel.result.wait()
        panel.show_result()
        self._reads.ask(partial(read_study, store.folder, study_id, digest))

    def _show(self, view: StudyView) -> None:
        store, panel = self._context.session.store, self._panel
        if store is None or view.record.kind != panel.kind:
            return
        self._view = view
        panel.result.galleries.hide()
        self.beside.forget()
        panel.result.show_answer(view.words, view.report)
        self._list(store.studies.all(panel.kind), view.record)
        panel.show_result()
        panel.show_mark(view.mark)

    def _cannot_show(self, error: SparsescopeError) -> None:
        panel = self._panel
        panel.result.words.setPlainText(f"{error.sentence} {error.hint}")
        panel.result.figure.say(error.sentence)

    def _show_again(self) -> None:
        """Tell the study anew, as one of its clusters was named."""
        store, view = self._context.session.store, self._view
        if store is not None and view is not None:
            names = self._context.attempt(lambda: store.studies.cluster_names(view.record.id))
            self._show_report(view.rendered(self._panel.result.thresholds_row.values(), names))

    def _apply_thresholds(self, thresholds: dict[str, float]) -> None:
        if self._view is not None:
            self._show_report(self._view.rendered(thresholds))
            self.beside.render_again()

    def _show_report(self, view: StudyView) -> None:
        self._view = view
        self._panel.result.show_answer(view.words, view.report)

    def run(self, settings: dict[str, Any]) -> None:
        """Start the chosen study."""
        store, panel = self._context.session.store, self._panel
        if store is None:
            return
        options = self._context.attempt(lambda: StudyOptions(panel.kind, settings))
        if options is None:
            return
        folder, author = store.folder, store.author

        def prepare() -> tuple[Store, StudyRequest, StudyOptions]:
            # Counting the cells of many slides takes seconds, and a store belongs to the thread that opened it.
            with Store(folder, author) as own:
                return store, study_request(own, options), options

        panel.show_busy(True)
        self._context.say(_COUNTING)
        self._preparing.ask(prepare)

    def _prepared(self, found: tuple[Store, StudyRequest, StudyOptions]) -> None:
        store, request, options = found
        if store is not self._context.session.store:
            return
        title = f"Study: {study(options.kind).title}"

        def keep(result: dict[str, Any]) -> None:
            record = record_study(store, request, result, options.name)
            self._wished[record.kind] = record.id
            if self._context.notice.text == _COUNTING:
                self._context.say("")
            self.done.emit(record)
            if self._panel.kind == record.kind:
                self.refresh()
            else:
                self._context.say(f"The study “{study(record.kind).title}” is done: see Studies.")

        if self._context.notice.text == _COUNTING:
            self._context.say("")
        before = set(self._context.tasks.open_jobs)
        self._jobs.submit(store, title, request, keep, quiet=True)
        for job in set(self._context.tasks.open_jobs) - before:
            self._running[job] = options.kind
        self.refresh_busy()

    def refresh_busy(self) -> None:
        """Say whether the chosen study is under way."""
        panel = self._panel
        panel.show_busy(panel.kind in self._running.values())

    def _refused(self, error: SparsescopeError) -> None:
        self.refresh_busy()
        self._context.show_error(error)

    def _ended(self, job: int) -> None:
        if self._running.pop(job, None) is not None:
            self.refresh_busy()

    def _stopped(self, job: int) -> None:
        if job in self._running:
            self._context.say("The study was cancelled. Start it again with the same settings to resume.")
        self._ended(job)

    def _cancel(self) -> None:
        kind = self._panel.kind
        for job, running in self._running.items():
            if running == kind:
                self._context.tasks.cancel(job)

    def _rename(self) -> None:
        store, view = self._context.session.store, self._view
        if store is None or view is None:
            return
        name = self._context.dialogs.text("Rename the run", "Name of the run", view.record.name)
        record = None
        if name is not None:
            record = self._context.attempt(lambda: store.studies.rename(view.record.id, name))
        if record is not None:
            self._view = replace(view, record=record)
            self._apply_thresholds(self._panel.result.thresholds_row.values())
            self._list(store.studies.all(record.kind), record)

    def _forget(self) -> None:
        self._view, self._wished = None, {}
        for read in (self._reads, self._offers):
            read.forget()
        self.beside.forget()
        self.targets.forget()
        self.refresh()

    def _come_to_front(self) -> None:
        """Make the panel high enough once; whoever makes it lower wants it so."""
        self.refresh()
        if not self._has_room:
            self._has_room = True
            QTimer.singleShot(0, self.results_window.grow)


def _read_offer(store: Store, kind: str) -> tuple[str, StudyOffer]:
    with Store(store.folder) as own:
        return kind, offer_of(own, kind)


def _entry(run: StudyRecord, has_slides: bool) -> RunEntry:
    """A run in the list; the number of slides is in its words only where it tells runs apart."""
    slides = f"{len(run.request['slides'])} slides"
    date = when(run.created_at)
    words = " · ".join([run.name, *([slides] if has_slides else []), date])
    return RunEntry(run.id, words, f"{run.name}: {slides}, {date}")
