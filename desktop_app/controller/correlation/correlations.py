"""Correlations: which run is shown, its pairs, and the tiles behind them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from psygnal import Signal
from PySide6.QtCore import QTimer

from desktop_app.project.correlation.compare import compare
from desktop_app.project.correlation.frame import STATISTIC_WORDS, CorrelationFrame
from desktop_app.project.correlation.query import Names
from desktop_app.project.correlation.read import PairView, read_frame, view_pair
from desktop_app.project.correlation.staleness import OTHER_SAE, cells_state, n_cells_changed, stale_words
from desktop_app.project.correlation.text import by_strength, facts, few_words, is_few
from desktop_app.tasks import LatestTask
from desktop_app.widgets.charts.forest import ForestRow
from desktop_app.widgets.controls.time_format import when
from desktop_app.widgets.correlation.header import RunEntry
from sae_backend.statistics.number_text import count_text

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features.features import FeatureActions
    from desktop_app.controller.project.projects import ProjectActions
    from desktop_app.project.correlation.pair import SlideTargets
    from desktop_app.store import AnnotationRecord, CorrelationRecord, Store
    from desktop_app.widgets.correlation.correlations import CorrelationsPanel
    from desktop_app.widgets.studies.window import StudyWindow

_FIRST: Final = "pearson"
_HEIGHT_PX: Final = 420
_MOST_SHARE: Final = 0.46
_NO_CELLS: Final = "This slide has no cells yet. Cells > Import cells reads GeoJSON, CSV or Parquet."
_READY: Final = "Cells are there. “Correlate” measures which features follow which cell type."


class CorrelationActions:
    """Shows which features follow which cell types; `pair_changed` says that another pair was chosen."""

    pair_changed = Signal()

    def __init__(
        self,
        context: Context,
        panel: CorrelationsPanel,
        results: StudyWindow,
        projects: ProjectActions,
        features: FeatureActions,
    ) -> None:
        self._context, self._projects, self._features = context, projects, features
        self._panel, self._results = panel, results
        self._run: CorrelationRecord | None = None
        self._wished: int | None = None
        self._other: int | None = None
        self._statistic = _FIRST
        self._pair: tuple[int, int] | None = None
        self._type = ""
        self._kept: dict[int, SlideTargets] = {}
        self._kept_of: object = None
        session = context.session
        self._frames, self._others, self._pairs = LatestTask(), LatestTask(), LatestTask()
        self._frames.answered.connect(self._show_frame)
        self._others.answered.connect(self._show_other)
        self._pairs.answered.connect(self._show_pair)
        self._frames.failed.connect(lambda error: panel.say(f"{error.sentence} {error.hint}"))
        self._others.failed.connect(context.show_error)
        self._pairs.failed.connect(lambda error: panel.charts.say_pair(f"{error.sentence} {error.hint}"))
        panel.pair_requested.connect(self.show_pair)
        panel.tile_requested.connect(self.go_to)
        panel.slide_requested.connect(self._projects.open_record)
        panel.header.run_chosen.connect(self.choose)
        panel.header.compared.connect(self.compare_with)
        panel.header.rename_requested.connect(self._rename)
        panel.filter.statistic_chosen.connect(self._choose_statistic)
        session.analysis_changed.connect(lambda _: self.refresh())
        session.project_changed.connect(lambda _: self._forget())
        session.feature_changed.connect(lambda _feature: self._show_feature())
        session.tile_changed.connect(lambda _tile: self._mark_tile())
        session.annotation_changed.connect(self._renamed)
        panel.shown.connect(self._come_to_front)
        self._has_room = False

    @property
    def run(self) -> CorrelationRecord | None:
        """The run that is shown."""
        return self._run

    @property
    def pair(self) -> tuple[int, str] | None:
        """Feature and type that are chosen in the run that is shown."""
        frame = self._panel.frame
        if self._pair is None or frame is None or self._pair[1] >= frame.shape[1]:
            return None
        return self._pair[0], frame.type_names[self._pair[1]]

    @property
    def is_measure(self) -> bool:
        """Whether the pair's target is a measure of the tiles and not a number of cells."""
        frame = self._panel.frame
        if self._pair is None or frame is None or self._pair[1] >= frame.shape[1]:
            return False
        return not (frame.meta.get("is_count") or [True] * frame.shape[1])[self._pair[1]]

    @property
    def is_current_sae(self) -> bool:
        """Whether the run's features are those of the analysis that is shown."""
        features = self._context.session.features
        return self._run is not None and features is not None and self._run.sae_digest == features.sae_digest

    def close(self) -> None:
        """End the reads that may be under way."""
        for read in (self._frames, self._others, self._pairs):
            read.close()

    def show_newest(self) -> None:
        """Show the newest run of the current autoencoder."""
        self._wished = None
        self.refresh()

    def choose(self, run_id: int) -> None:
        """Show another run."""
        self._wished, self._pair = run_id, None
        self.refresh()

    def refresh(self) -> None:
        """Show the chosen run, or the newest of the current autoencoder, and whether it still holds."""
        session, panel = self._context.session, self._panel
        store, features = session.store, session.features
        for button in (panel.header.run_button, panel.header.options_button):
            button.setEnabled(features is not None)
        if store is None or features is None:
            self._say("Correlations need an analysed slide with features, and cells.", ())
            return
        runs = store.correlations.all()[::-1]
        mine = [run for run in runs if run.sae_digest == features.sae_digest]
        chosen = next((run for run in runs if run.id == self._wished), mine[0] if mine else None)
        entries = [_entry(run, features.sae_digest) for run in runs]
        if chosen is None:
            no_cells = session.slide_record is None or not store.cells.version(session.slide_record.id)
            self._say(_NO_CELLS if no_cells else _READY, entries)
            return
        panel.header.show_runs(entries, chosen.id)
        panel.header.show_others(
            [_entry(run, "") for run in runs if run.sae_digest == chosen.sae_digest and run.id != chosen.id],
            self._other,
        )
        mark = self._context.attempt(lambda: stale_words(store, chosen, features.sae_digest)) or ""
        notes = "\n\n".join([f"Method: {chosen.meta['method']}", *map(str, chosen.meta.get("notes") or ())])
        few = few_words(chosen.meta) if is_few(chosen.meta) else ""
        panel.header.show_facts(facts(chosen.meta), mark, notes, few)
        self._take(store, chosen)

    def _take(self, store: Store, run: CorrelationRecord) -> None:
        """Read a run's arrays, unless they are those that are shown."""
        panel = self._panel
        frame = panel.frame
        is_shown = frame is not None and (frame.record.id, frame.statistic) == (run.id, self._statistic)
        changed = self._run is None or self._run.id != run.id
        self._run = run
        state = (str(store.folder), run.id, tuple(sorted(cells_state(store, run).items())))
        if state != self._kept_of:
            self._kept, self._kept_of = {}, state
        if is_shown:
            self._show_feature()
            if self._pair is not None and not self._kept:
                self._follow(self._pair)
            return
        if changed:
            panel.say("Reading the run …")
        self._frames.ask(partial(read_frame, store.folder, run.id, self._statistic))

    def _say(self, sentence: str, entries: object) -> None:
        """Say why there is no run to see."""
        panel = self._panel
        self._frames.forget()
        self._run, self._pair = None, None
        runs = list(entries) if isinstance(entries, list) else []
        panel.header.show_runs(runs, None)
        panel.header.show_others((), None)
        panel.header.show_facts("", "", "")
        panel.say(sentence)

    def _show_frame(self, found: object) -> None:
        assert isinstance(found, CorrelationFrame)
        store, panel = self._context.session.store, self._panel
        if store is None or self._run is None or found.record.id != self._run.id:
            return
        self._statistic = found.statistic
        names = {
            note.feature: note.name for note in store.annotations.all(found.record.sae_digest) if note.name
        }
        panel.show_frame(found, Names(names))
        self._show_feature()
        if self._other is not None:
            self.compare_with(self._other)
        if self._pair is not None and self._pair[0] < found.shape[0] and self._pair[1] < found.shape[1]:
            self._follow(self._pair)
        else:
            self._show_feature()

    def _choose_statistic(self, statistic: str) -> None:
        self._statistic = statistic
        store = self._context.session.store
        if store is not None and self._run is not None:
            self._frames.ask(partial(read_frame, store.folder, self._run.id, statistic))

    def compare_with(self, run_id: int) -> None:
        """Set r of another run beside the one shown; a negative number for none."""
        store, panel = self._context.session.store, self._panel
        self._other = run_id if run_id >= 0 else None
        if self._other is None or store is None:
            self._others.forget()
            panel.show_comparison(None)
            return
        self._others.ask(partial(read_frame, store.folder, self._other, self._statistic))

    def _show_other(self, found: object) -> None:
        assert isinstance(found, CorrelationFrame)
        panel = self._panel
        frame = panel.frame
        if frame is None or found.record.id == frame.record.id:
            panel.show_comparison(None)
            return
        if found.statistic != frame.statistic:
            words = STATISTIC_WORDS.get(frame.statistic, frame.statistic)
            self._context.say(
                f"{found.record.name} was made without {words}, so there is nothing to compare."
            )
            panel.show_comparison(None)
            return
        panel.show_comparison(self._context.attempt(lambda: compare(frame, found)))

    def _rename(self) -> None:
        store, run = self._context.session.store, self._run
        if store is None or run is None:
            return
        name = self._context.dialogs.text("Rename the run", "Name of the run", run.name)
        if name is not None and self._context.succeeds(lambda: store.correlations.rename(run.id, name)):
            self.refresh()

    def show_pair(self, feature: int, cell_type: str) -> None:
        """Choose a feature and a type: the feature is selected everywhere, and its tiles are plotted."""
        frame = self._panel.frame
        if frame is None or cell_type not in frame.type_names or not 0 <= feature < frame.shape[0]:
            return
        self._pair, self._type = (feature, frame.type_names.index(cell_type)), cell_type
        if self.is_current_sae:
            # A number means the same feature within one autoencoder only.
            self._context.session.set_feature(feature)
        self._follow(self._pair)

    def _follow(self, pair: tuple[int, int]) -> None:
        store, panel, run = self._context.session.store, self._panel, self._run
        if store is None or run is None:
            return
        panel.mark_pair(*pair)
        self.pair_changed.emit()
        n_missing = sum(number not in self._kept for number in run.analysis_ids)
        if n_missing:
            panel.charts.say_pair(f"Reading the cells of {count_text(n_missing, 'slide')} …")
        self._pairs.ask(partial(view_pair, store.folder, run, dict(self._kept), pair))

    def _show_pair(self, found: object) -> None:
        assert isinstance(found, PairView)
        run, panel = self._run, self._panel
        frame = panel.frame
        if run is None or frame is None or found.run_id != run.id or found.pair != self._pair:
            return
        self._kept = dict(zip(run.analysis_ids, found.slides, strict=True))
        feature, column = found.pair
        pair, kind = frame.pair(feature, column), frame.type_names[column]
        if not found.points.x.size:
            # Stains are measured on the pixels by the worker and not kept by tile.
            panel.charts.say_pair(f"The counts per tile of “{kind}” are not stored in the project.")
            return
        counts = run.meta.get("is_count") or [True] * frame.shape[1]
        what = f"{kind}, cells in the tile" if counts[column] else kind
        store = self._context.session.store
        if store is not None and n_cells_changed(store, run):
            if not found.points.x.any():
                panel.charts.say_pair(f"The slides no longer have “{kind}”; the run used other cells.")
                return
            what += ", as they are now"
        panel.charts.show_points(found.points, (what, f"feature {feature}, activation"), pair.band)
        n = int(run.meta["n_tiles"])
        rows = [ForestRow("This run", n, pair.value, pair.ci_low, pair.ci_high)]
        if len(found.by_slide) > 1:
            rows.append(ForestRow("Within slides", found.points.x.size, found.within))
        panel.charts.forest.show_rows(rows, found.by_slide, pair.band)
        self._mark_tile()

    def go_to(self, slide_id: int, tile: int) -> None:
        """Fly to a tile, on its own slide."""
        record = self._context.session.slide_record
        if record is None or record.id != slide_id:
            self._projects.open_record(slide_id)
        self._features.go_to_tile(tile)

    def _mark_tile(self) -> None:
        session, panel = self._context.session, self._panel
        slide_id = -1 if session.slide_record is None else session.slide_record.id
        panel.scatter.mark_tile(slide_id, session.tile)

    def _renamed(self, note: AnnotationRecord) -> None:
        run, panel = self._run, self._panel
        if run is not None and run.sae_digest == note.sae_digest:
            panel.rename_feature(note.feature, note.name)

    def _come_to_front(self) -> None:
        """Go with the feature, and make the panel high enough once; whoever makes it lower wants it so."""
        self._show_feature()
        if not self._has_room:
            self._has_room = True
            QTimer.singleShot(0, lambda: self._results.grow(_HEIGHT_PX, _MOST_SHARE))

    def _show_feature(self) -> None:
        """Say what the current feature follows; numbers of another autoencoder mean other features."""
        panel = self._panel
        feature = self._context.session.feature if self.is_current_sae else None
        panel.show_feature(feature)
        if panel.isVisible():
            self._pair_of(feature)

    def _pair_of(self, feature: int | None) -> None:
        """Go with the feature: to the type that was chosen, or to the one that it follows most."""
        frame = self._panel.frame
        if frame is None or feature is None or feature >= frame.shape[0]:
            return
        known = by_strength(frame, feature)
        if not known or (self._pair is not None and self._pair[0] == feature):
            return
        kept = self._type in frame.type_names
        column = frame.type_names.index(self._type) if kept else known[0][0]
        self._pair = (feature, column)
        self._follow(self._pair)

    def _forget(self) -> None:
        for read in (self._frames, self._others, self._pairs):
            read.forget()
        self._run = self._wished = self._other = self._pair = None
        self._kept, self._kept_of, self._statistic, self._type = {}, None, _FIRST, ""


def _entry(run: CorrelationRecord, sae_digest: str) -> RunEntry:
    made = when(run.created_at)
    other = f", {OTHER_SAE}" if sae_digest and run.sae_digest != sae_digest else ""
    return RunEntry(
        run.id, f"{run.name}, {made}{other}", f"{run.name}, made {made}: {facts(run.meta)}{other}"
    )
