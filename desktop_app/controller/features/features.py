"""Features: the table, the heat map, what fires in a tile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from desktop_app.canvas.slide_layers import HEATMAP, world_to_l0
from desktop_app.controller.features.lists import ListActions
from desktop_app.controller.view.legend_text import map_legend
from desktop_app.controller.view.tile_features import firing_rows
from desktop_app.export.feature_table import best_correlates
from desktop_app.project import analysis_jobs as jobs
from desktop_app.project.features.analysis_parts import AnalysisParts, parts_of
from desktop_app.project.studies.scores import study_scores
from desktop_app.tasks import Debouncer
from desktop_app.widgets.features.feature_model import FeatureNote, FeatureTable
from sae_backend.activations.heatmap import heatmap
from sae_backend.statistics.number_text import number_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PySide6.QtWidgets import QAbstractButton

    from desktop_app.canvas.colour_scale import HeatLook
    from desktop_app.controller.context import Context
    from desktop_app.store import AnalysisRecord, AnnotationRecord, Store
    from desktop_app.widgets.features.features import FeaturesPanel
    from desktop_app.widgets.features.heatmap_controls import HeatmapControls
    from desktop_app.widgets.features.tile_features import TileFeaturesPanel
    from desktop_app.widgets.slide.legend import Legend


@dataclass(frozen=True)
class FeaturePanels:
    """What shows features, their maps and what fires in a tile; `show_control` says whether they are a control."""

    table: FeaturesPanel
    fires_here: TileFeaturesPanel
    heatmap: HeatmapControls
    legend: Legend
    bookmark: QAbstractButton
    show_control: Callable[[bool], None]


class FeatureActions:
    """Shows features and follows what is selected."""

    def __init__(self, context: Context, panels: FeaturePanels) -> None:
        self._context, self._panels = context, panels
        self.lists = ListActions(context, panels.table, panels.bookmark)
        self._last = LastFeature(context)
        self.parts: AnalysisParts | None = None
        session, canvas = context.session, context.canvas
        panels.table.feature_requested.connect(session.set_feature)
        panels.table.analysis_requested.connect(self.choose_analysis)
        panels.fires_here.feature_requested.connect(session.set_feature)
        canvas.slide_clicked.connect(self.pick)
        canvas.view_changed.connect(context.layers.follow_view)
        controls, layers, menus = panels.heatmap, context.layers, context.menus
        controls.limits_requested.connect(self._set_limits)
        controls.look_requested.connect(self._set_look)
        controls.threshold_requested.connect(self._set_threshold)
        controls.opacity_requested.connect(layers.set_opacity)
        controls.visible_requested.connect(menus.action("heatmap").setChecked)
        controls.reset_requested.connect(self._draw)
        menus.requested("heatmap").connect(lambda on: layers.set_visible(HEATMAP, on))
        menus.requested("heatmap").connect(controls.shown.setChecked)
        menus.requested("heatmap").connect(lambda on: panels.legend.set_shown(heat=on))
        menus.requested("legend").connect(panels.legend.set_wanted)
        menus.requested("next_feature").connect(lambda: panels.table.step(1))
        menus.requested("previous_feature").connect(lambda: panels.table.step(-1))
        menus.requested("search").connect(self._search)
        session.slide_changed.connect(self._slide_changed)
        session.analysis_changed.connect(self._analysis_changed)
        session.feature_changed.connect(self._feature_changed)
        session.tile_changed.connect(self._tile_changed)
        session.annotation_changed.connect(self._annotation_changed)

    def close(self) -> None:
        """Write which feature was looked at last."""
        self._last.write()

    def load_analysis(self) -> None:
        """Show the current analysis of the open slide, if it has one."""
        session = self._context.session
        analysis = features = None
        if session.store is not None and session.slide_record is not None:
            store = session.store
            analysis = store.analyses.current(session.slide_record.id)
            if analysis is not None and analysis.feature_folder is not None:
                known = analysis
                features = self._context.attempt(lambda: jobs.features_of(store, known))
                # Exports and correlations take the project's current analysis: the one that is seen.
                newest = store.analyses.current()
                if newest is None or newest.id != known.id:
                    self._context.attempt(lambda: store.analyses.choose(known.id))
        self.parts = None
        if analysis is not None and features is not None and session.store is not None:
            self.parts = self._context.attempt(partial(parts_of, session.store, analysis, features))
        session.set_analysis(analysis, features)

    def choose_analysis(self, analysis_id: int) -> None:
        """Make another analysis of the open slide the current one and show it."""
        store = self._context.session.store
        if store is None:
            return
        self._context.save_typed()
        self._context.attempt(lambda: store.analyses.choose(analysis_id))
        self.load_analysis()

    def _offer_analyses(self) -> None:
        session = self._context.session
        store, slide, shown = session.store, session.slide_record, session.analysis
        offered: list[tuple[int, str, str]] = []
        if store is not None and slide is not None:
            saes = {sae.digest: number for number, sae in enumerate(store.saes.all(), 1)}
            for known in store.analyses.all(slide.id):
                if known.feature_folder is not None or known == shown:
                    offered.append((known.id, *_analysis_words(known, saes)))
        self._panels.table.show_analyses(offered, shown.id if shown is not None else None)

    def fill_table(self) -> None:
        """Show the features of the current analysis with names and best correlates."""
        session = self._context.session
        features, store = session.features, session.store
        if features is None or store is None:
            self._panels.table.say(self._why_no_features())
            return
        best = np.full((4, features.n_features), np.nan)
        best_type = [""] * features.n_features
        for feature, row in best_correlates(store, features.sae_digest).items():
            if feature < features.n_features and row.value is not None:
                low, high, p = (np.nan if end is None else end for end in (row.ci_low, row.ci_high, row.p))
                best[:, feature], best_type[feature] = (row.value, low, high, p), row.cell_type
        said = _comments(store, features.sae_digest)
        stats = features.stats
        scores = study_scores(store, features.sae_digest, features.n_features)
        table = FeatureTable(
            firing_rate=stats.firing_rate,
            max_value=stats.max_value,
            mean_when_firing=np.where(stats.n_firing > 0, stats.mean_when_firing, np.nan),
            best_r=best[0],
            best_low=best[1],
            best_high=best[2],
            best_p=best[3],
            best_type=tuple(best_type),
            notes={
                note.feature: _note(note, said.get(note.feature, ""))
                for note in store.annotations.all(features.sae_digest)
            },
            scores={score.title: score.values for score in scores},
            score_notes={score.title: score.note for score in scores},
        )
        for feature, words in said.items():
            table.notes.setdefault(feature, FeatureNote(features.sae_digest, feature, comments=words))
        self._panels.table.show_features(table)
        self.lists.refresh()
        if session.feature is not None:
            self._panels.table.select(session.feature)

    def _why_no_features(self) -> str:
        session = self._context.session
        if session.slide is None:
            return "Features appear here once a slide is open and analysed."
        if session.analysis is None:
            return "This slide is not analysed yet. Analysis > Analyse embeds its tiles."
        if session.analysis.feature_folder is None:
            return "The embeddings are ready. Next: Analysis > Train a sparse autoencoder."
        return "The features of this slide cannot be read. Analyse it again."

    def pick(self, y_um: float, x_um: float) -> None:
        """Pick the tile at a point of the world."""
        session = self._context.session
        if session.slide is None or session.features is None:
            return
        y_l0, x_l0 = world_to_l0((y_um, x_um), session.slide.info)
        session.set_tile(session.features.grid.tile_at(y_l0, x_l0))
        self._context.show_panel("Fires here")
        if session.tile < 0:
            self._panels.fires_here.say(
                "There is no analysed tile here (glass, or excluded). Click inside the tile grid (Shift+G)."
            )

    def go_to_tile(self, tile: int) -> None:
        """Pick a tile and move the view to it."""
        session = self._context.session
        if session.features is None or not 0 <= tile < session.features.n_tiles:
            return
        grid = session.features.grid
        y, x = (grid.centres_l0()[tile] - 0.5) * grid.mpp
        session.set_tile(tile)
        self._context.canvas.centre_on(float(y), float(x), 3 * grid.tile_l0 * grid.mpp)

    def go_to_box(self, y_l0: float, x_l0: float, height_l0: float, width_l0: float) -> None:
        """Move the view to a box of level-0 px, and pick the tile in its middle."""
        session = self._context.session
        if session.slide is None or session.slide.info.mpp is None:
            return
        mpp = session.slide.info.mpp
        middle = (y_l0 + height_l0 / 2, x_l0 + width_l0 / 2)
        if session.features is not None:
            session.set_tile(session.features.grid.tile_at(*middle))
        y, x = ((value - 0.5) * mpp for value in middle)
        self._context.canvas.centre_on(y, x, 3 * max(height_l0, width_l0) * mpp)

    def _slide_changed(self, slide: object) -> None:
        del slide
        self.load_analysis()

    def _analysis_changed(self, analysis: AnalysisRecord | None) -> None:
        session = self._context.session
        self._panels.show_control(analysis is not None and analysis.is_control)
        self._offer_analyses()
        if session.features is not None and session.feature is None and session.store is not None:
            session.feature = self._last.known(session.store, session.features)
            if session.feature is None and session.features.stats.n_firing.any():
                # A slide without a map tells nothing: begin with what fires most.
                session.feature = int(session.features.stats.n_firing.argmax())
        self.fill_table()
        self._tile_changed(-1)
        self._feature_changed(session.feature)

    def _feature_changed(self, feature: int | None) -> None:
        session = self._context.session
        if feature is None or session.features is None:
            self._context.layers.remove(HEATMAP)
            self._panels.legend.show_map(None)
            self._panels.heatmap.say("No feature is shown. Choose one in the table.")
            return
        self._panels.table.select(feature)
        self._draw()
        if session.store is not None:
            self._last.note(session.store, session.features, feature)

    def _draw(self) -> None:
        session, layers = self._context.session, self._context.layers
        features, feature = session.features, session.feature
        if features is None or feature is None:
            return
        heat = self._context.attempt(lambda: heatmap(features, feature))
        if heat is None:
            return
        layers.show_heatmap(heat)
        layers.set_visible(HEATMAP, self._context.menus.action("heatmap").isChecked())
        stats = features.stats
        title = f"Feature {feature}: fires in {percent_text(float(stats.firing_rate[feature]))} of the tiles"
        self._panels.heatmap.show_feature(title, layers.limits, signed=layers.is_signed)
        self._show_legend()

    def _show_legend(self) -> None:
        context = self._context
        self._panels.legend.show_map(map_legend(context, context.session.feature, context.layers))

    def _set_limits(self, low: float, high: float) -> None:
        self._context.layers.set_limits(low, high)
        self._show_legend()

    def _set_threshold(self, threshold: float) -> None:
        self._context.layers.set_threshold(threshold)
        self._show_legend()

    def _set_look(self, look: HeatLook) -> None:
        layers, controls = self._context.layers, self._panels.heatmap
        layers.set_look(look)
        layers.set_threshold(0.0)
        controls.show_limits(layers.limits)
        self._show_legend()

    def _tile_changed(self, tile: int) -> None:
        session = self._context.session
        features = session.features
        if features is None:
            self._context.layers.remove("Selected tile")
            self._panels.fires_here.say(
                "Once the slide is analysed: click on it to list the features that fire in a tile, or draw (P, R, W) "
                "to list those that fire in a region."
            )
            return
        self._context.layers.show_tile(features.grid, tile)
        if tile < 0:
            self._panels.fires_here.say(
                "Click on the slide to list the features that fire in that tile, or draw (P, R, W) to list those "
                "that fire in a region."
            )
            return
        if not features.valid[tile]:
            self._panels.fires_here.say(f"Tile {tile} could not be read and has no activations.")
            return
        self._panels.fires_here.show_tile(*firing_rows(features, tile, self.parts, self._context.name_of))

    def _annotation_changed(self, note: AnnotationRecord) -> None:
        session = self._context.session
        features, store = session.features, session.store
        if features is not None and store is not None and features.sae_digest == note.sae_digest:
            said = " ".join(c.text for c in store.comments.all(note.sae_digest, note.feature))
            self._panels.table.show_note(note.feature, _note(note, said))
            if note.feature == session.feature:
                self._show_legend()

    def _search(self) -> None:
        self._context.show_panel("Features")
        self._panels.table.search.setFocus()
        self._panels.table.search.selectAll()


def _analysis_words(analysis: AnalysisRecord, saes: Mapping[str, int]) -> tuple[str, str]:
    control = " (control)" if analysis.is_control else ""
    sae = saes.get(analysis.sae_digest or "")
    made = f"autoencoder {sae}" if sae is not None else "no features yet"
    words = f"{analysis.encoder}{control}, block {analysis.layer}, {made}"
    spec = analysis.tile_spec
    tiles = f"tiles of {spec['tile_px']} px at {number_text(spec['tile_mpp'])} µm/px"
    return words, f"{words}, {analysis.pooling} token, {tiles}, made {analysis.created_at[:10]}"


def _note(note: AnnotationRecord, comments: str) -> FeatureNote:
    return FeatureNote(**vars(note), comments=comments)


def _comments(store: Store, sae_digest: str) -> dict[int, str]:
    said: dict[int, str] = {}
    for comment in store.comments.all(sae_digest):
        said[comment.feature] = f"{said.get(comment.feature, '')} {comment.text}".strip()
    return said


if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.store import Store
    from sae_backend.activations.feature_matrix import FeatureMatrix

LAST_FEATURE: Final = "last_feature"
_REST_MS: Final = 400


class LastFeature:
    """Written when the steps rest: a write waits for the disk, and a step from feature to feature must not."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pending: tuple[Store, str, int] | None = None
        self._pause = Debouncer(_REST_MS)
        self._pause.over.connect(self.write)
        # The project is still open when its slide is closed with it.
        context.session.slide_changed.connect(lambda _slide: self.write())

    def known(self, store: Store, features: FeatureMatrix) -> int | None:
        """The feature that was looked at last with this autoencoder, where there is one."""
        last = store.settings.get(_key(features))
        if last is None or not last.isdigit() or int(last) >= features.n_features:
            return None
        return int(last)

    def note(self, store: Store, features: FeatureMatrix, feature: int) -> None:
        """Remember a feature, soon."""
        self._pending = store, _key(features), feature
        self._pause.restart()

    def write(self) -> None:
        """Write what is to be remembered, if there is anything."""
        self._pause.stop()
        pending, self._pending = self._pending, None
        if pending is not None:
            store, key, feature = pending
            self._context.attempt(lambda: store.settings.set(key, str(feature)))


def _key(features: FeatureMatrix) -> str:
    # A number means the same feature within one autoencoder only.
    return f"{LAST_FEATURE}.{features.sae_digest}"
