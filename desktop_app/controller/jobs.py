"""Jobs of the worker: analyse, train, encode, correlate; what their answers lead to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from psygnal import Signal

from desktop_app.project import analysis_jobs as jobs
from desktop_app.project.analysis_jobs import AnalyzeOptions, TrainOptions
from desktop_app.project.correlation import jobs as correlation_jobs
from desktop_app.project.correlation.choices import offer_of
from desktop_app.project.correlation.staleness import options_of
from desktop_app.store import Store
from desktop_app.tasks import LatestTask
from sae_backend.worker.requests import CorrelateRequest

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.correlation.correlations import CorrelationActions
    from desktop_app.controller.features.features import FeatureActions
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.project.correlation.options import CorrelateOptions
    from desktop_app.store import AnalysisRecord, SaeRecord
    from desktop_app.widgets.correlation.header import CorrelationHeader
    from desktop_app.widgets.shell.jobs import JobsPanel
    from sae_backend.errors import SparsescopeError
    from sae_backend.worker.requests import Request

Answer = Callable[[dict[str, Any]], None]

_COUNTING: Final = "Counting the cells in the tiles …"


class JobActions:
    """Submits jobs and keeps their answers in the project they were asked for.

    `submitted` carries a job's number and what was asked of the worker; `pictures_made` says that there
    are new small pictures of a slide.
    """

    submitted = Signal(int, object)
    pictures_made = Signal()

    def __init__(
        self,
        context: Context,
        panel: JobsPanel,
        header: CorrelationHeader,
        projects: ProjectActions,
        features: FeatureActions,
        correlations: CorrelationActions,
    ) -> None:
        self._context, self._panel = context, panel
        self._pictured: set[int] = set()
        context.session.analysis_changed.connect(self._make_pictures)
        self._projects, self._features, self._correlations = projects, features, correlations
        self._answers: dict[int, tuple[Store, Answer]] = {}
        self._correlating: dict[int, CorrelateRequest] = {}
        self._preparing = LatestTask()
        self._preparing.answered.connect(self._prepared)
        self._preparing.failed.connect(self._refused)
        self.is_preparing = False
        tasks = context.tasks
        context.menus.requested("analyze").connect(self.ask_analyze)
        context.menus.requested("train").connect(self.ask_train)
        context.menus.requested("correlate").connect(self.correlate)
        header.run_requested.connect(self.correlate)
        header.options_requested.connect(self.ask_correlate)
        header.again_requested.connect(self.correlate_again)
        context.menus.requested("correlate_options").connect(self.ask_correlate)
        panel.cancel_requested.connect(tasks.cancel)
        tasks.job_started.connect(panel.add_job)
        tasks.job_progress.connect(panel.show_progress)
        tasks.job_done.connect(self._done)
        tasks.job_failed.connect(self._failed)
        tasks.job_cancelled.connect(self._cancelled)
        tasks.worker_ready.connect(self._worker_ready)
        tasks.worker_crashed.connect(self._crashed)

    def ask_analyze(self) -> None:
        """Ask how to analyse the open slide, and begin."""
        if self._projects.measured_slide() is None:
            return
        options = self._context.dialogs.analyze_options()
        if options is not None:
            self._context.attempt(lambda: self.analyze(options))

    def analyze(self, options: AnalyzeOptions) -> None:
        """Embed the open slide; encoding follows where the project has an SAE that fits."""
        session = self._context.session
        store, record = session.store, session.slide_record
        if store is None or record is None:
            return
        request = jobs.analyze_request(store, record.id, options)

        def keep(result: dict[str, Any]) -> None:
            analysis = jobs.record_analysis(store, record.id, request, result)
            if analysis.feature_folder is not None:
                self.show_new(store, analysis)
            elif not self.encode(store, analysis, options.device):
                self.show_new(store, analysis)
                self._context.say("The embeddings are ready. Next: Analysis > Train a sparse autoencoder.")

        self.submit(store, f"Analyse {record.name}", request, keep)

    def ask_train(self) -> None:
        """Ask how to train, and begin."""
        store = self._context.session.store
        if store is None or not store.analyses.all():
            self._context.say("Training needs an analysed slide: Analysis > Analyse.")
            return
        options = self._context.dialogs.train_options()
        if options is not None:
            self._context.attempt(lambda: self.train(options))

    def train(self, options: TrainOptions) -> None:
        """Train an SAE on the project's embeddings, then encode every slide that went into it."""
        store = self._context.session.store
        if store is None:
            return
        request = jobs.train_request(store, options)
        analyses = jobs.newest_embeddings(store)

        def keep(result: dict[str, Any]) -> None:
            sae = jobs.record_training(store, result)
            for analysis in analyses:
                self.encode(store, analysis, options.device, sae)

        self.submit(store, "Train a sparse autoencoder", request, keep)

    def ask_correlate(self) -> None:
        """Ask how to correlate, and begin."""
        store = self._context.session.store
        if store is None or self._context.session.features is None:
            self._context.say("Correlations need a project with an analysed slide and cells.")
            return
        offer = self._context.attempt(lambda: offer_of(store))
        options = None if offer is None else self._context.dialogs.correlate_options(offer)
        if options is not None:
            self.correlate(options)

    def correlate_again(self) -> None:
        """Correlate with the choices of the run that is shown, on what is there now."""
        store, run = self._context.session.store, self._correlations.run
        options = (
            None if store is None or run is None else self._context.attempt(lambda: options_of(store, run))
        )
        self.correlate(options)

    def correlate(self, options: CorrelateOptions | None = None) -> None:
        """Correlate the current SAE's features with the cells, as chosen or in the usual way."""
        store = self._context.session.store
        if store is None:
            self._context.say("Correlations need a project with an analysed slide and cells.")
            return
        folder, author = store.folder, store.author

        def prepare() -> tuple[Store, CorrelateRequest, CorrelateOptions | None]:
            # Counting the cells of many slides takes seconds, and a store belongs to the thread that opened it.
            with Store.open(folder, author) as own:
                return store, correlation_jobs.correlate_request(own, options), options

        self._context.say(_COUNTING)
        self.is_preparing = True
        self._preparing.ask(prepare)

    def _prepared(self, found: tuple[Store, CorrelateRequest, CorrelateOptions | None]) -> None:
        """Hand a prepared correlation to the worker, if its project is still open."""
        store, request, options = found
        self.is_preparing = False
        if store is not self._context.session.store:
            return

        def keep(result: dict[str, Any]) -> None:
            correlation_jobs.record_correlation(
                store, request, result, options.name if options is not None else ""
            )
            self._correlations.show_newest()
            self._features.fill_table()
            self._context.show_panel("Correlations")

        if self._context.notice.text == _COUNTING:
            self._context.say("")
        # What was said since is about something else.
        self.submit(store, "Correlate features with cells", request, keep, quiet=True)

    def _refused(self, error: SparsescopeError) -> None:
        self.is_preparing = False
        self._context.show_error(error)

    def close(self) -> None:
        """Let a preparation that is under way end."""
        self._preparing.close()

    def encode(
        self, store: Store, analysis: AnalysisRecord, device: str = "auto", sae: SaeRecord | None = None
    ) -> bool:
        """Turn embeddings into features by an autoencoder that fits, or by `sae`; False where there is none."""
        request = jobs.encode_request(store, analysis, device, sae)
        if request is None:
            return False

        def keep(result: dict[str, Any]) -> None:
            self.show_new(store, jobs.record_encoding(store, analysis, result))

        self.submit(store, f"Features of {store.slides.get(analysis.slide_id).name}", request, keep)
        return True

    def _make_pictures(self, analysis: AnalysisRecord | None) -> None:
        """Have the small pictures of an analysis made, where they are not there; asked once a session."""
        session = self._context.session
        store = session.store
        if store is None or analysis is None or session.features is None or analysis.id in self._pictured:
            return
        self._pictured.add(analysis.id)
        request = self._context.attempt(lambda: jobs.thumbnails_request(store, analysis))
        if request is None:
            return

        def keep(_result: dict[str, Any]) -> None:
            self.pictures_made.emit()

        title = f"Thumbnails of {store.slides.get(analysis.slide_id).name}"
        self.submit(store, title, request, keep, quiet=True)

    def show_new(self, store: Store, analysis: AnalysisRecord) -> None:
        """Make an analysis the current one, and show it where its slide is open."""
        session = self._context.session
        store.analyses.choose(analysis.id)
        if session.slide_record is not None and session.slide_record.id == analysis.slide_id:
            self._context.say("")
            self._features.load_analysis()

    def submit(
        self, store: Store, title: str, request: Request, keep: Answer, *, quiet: bool = False
    ) -> None:
        """Hand a job to the worker; `keep` takes its answer while the project is open.

        A `quiet` one, which nobody asked for, leaves what is said above the slide.
        """
        job = self._context.attempt(lambda: self._context.tasks.submit(title, request))
        if job is not None:
            self._answers[job] = (store, keep)
            if isinstance(request, CorrelateRequest):
                self._correlating[job] = request
            self.submitted.emit(job, request)
            if not quiet:
                # What was said of an earlier job is over.
                self._context.say("")

    def _done(self, job: int, result: object) -> None:
        self._panel.end_job(job, "Done")
        store, keep = self._answers.pop(job, (None, None))
        self._correlating.pop(job, None)
        if keep is None:
            return
        if store is not self._context.session.store:
            # Its project was closed: what the worker made lies in that project's cache and is found again there.
            self._panel.end_job(
                job, "Finished, but its project was closed; open the project and run it again"
            )
            return
        answer = keep
        self._context.attempt(lambda: answer(cast("dict[str, Any]", result)))

    def _forget(self, job: int) -> None:
        """Drop what a job that came to nothing was to lead to, and its temporary files."""
        self._answers.pop(job, None)
        request = self._correlating.pop(job, None)
        if request is not None:
            correlation_jobs.discard_request(request)

    def _failed(self, job: int, sentence: str, hint: str) -> None:
        self._forget(job)
        text = f"{sentence} {hint}".strip()
        self._panel.end_job(job, text)
        self._context.say(text, error=True)

    def _cancelled(self, job: int) -> None:
        self._forget(job)
        self._panel.end_job(job, "Cancelled; finished work is kept")

    def _worker_ready(self, device: str) -> None:
        self._panel.show_worker(f"The worker is ready on {device}.")

    def _crashed(self, sentence: str, hint: str) -> None:
        self._panel.show_worker("The worker stopped; the next job starts it again.")
        self._context.say(f"{sentence} {hint}".strip(), error=True)
