"""Regions: kept, listed, named, withdrawn, and asked what fires in them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from desktop_app.canvas.region_layer import CHOSEN_COLOUR, LINE_COLOUR, RegionLayer
from desktop_app.controller.view.tile_features import MAX_LISTED
from desktop_app.widgets.features.tile_features import RegionFiringRow
from desktop_app.widgets.regions.region_model import RegionRow, region_words
from desktop_app.widgets.regions.region_names import NamedOutline, RegionNames
from sae_backend.errors import StoreError
from sae_backend.feature_dashboard.region_activations import region_firing
from sae_backend.slides.regions import area_l0, box_l0, polygons_of, within
from sae_backend.statistics.number_text import count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shapely import MultiPolygon

    from desktop_app.controller.annotations.comments import CommentActions, Others
    from desktop_app.controller.context import Context
    from desktop_app.store import SlideRecord, Store
    from desktop_app.store.records.records import RegionKind, RegionRecord
    from desktop_app.widgets.features.tile_features import TileFeaturesPanel
    from desktop_app.widgets.regions.regions import RegionsPanel
    from sae_backend.slides.slide import SlideInfo

_ROOM: Final = 1.5
_LEAST_ROOM_UM: Final = 100.0


class RegionActions:
    """Saves each region as soon as it is there; each step can be undone."""

    def __init__(
        self,
        context: Context,
        panel: RegionsPanel,
        fires_here: TileFeaturesPanel,
        others: Others,
        comments: CommentActions,
    ) -> None:
        self._context, self._comments = context, comments
        self._panel, self._fires_here = panel, fires_here
        self._projects, self._annotations, self._undo = others.projects, others.annotations, others.undo
        canvas, menus = context.canvas, context.menus
        self.layer = RegionLayer(canvas.viewer)
        self._others: list[RegionLayer] = []
        self.names = RegionNames(canvas.viewer.window._qt_viewer.canvas.native, canvas.turned)
        canvas.field_changed.connect(lambda *_: self.names.follow())
        panel.region_requested.connect(self.go_to)
        panel.region_chosen.connect(self._choose)
        panel.rename_requested.connect(self.rename)
        panel.delete_requested.connect(self.delete)
        panel.fires_requested.connect(self.show_firing)
        panel.example_requested.connect(self.stand_as_example)
        menus.requested("regions").connect(self._set_visible)
        menus.requested("regions").connect(self.names.set_shown)
        menus.requested("region_fires").connect(lambda: self._with_chosen(self.show_firing))
        menus.requested("region_example").connect(lambda: self._with_chosen(self.stand_as_example))
        canvas.view_changed.connect(self._follow_view)
        context.session.slide_changed.connect(lambda _slide: self.refresh(""))

    def show_also(self, layer: RegionLayer, *, on: bool = True) -> None:
        """Show the regions in another view of the slide too, or no longer."""
        if layer in self._others:
            self._others.remove(layer)
        if on:
            self._others.append(layer)
            layer.set_visible(self._context.menus.action("regions").isChecked())
            layer.follow_view(self._context.canvas.um_per_px)
            slide = self._context.session.slide
            mpp = slide.info.mpp if slide is not None else None
            layer.show_regions(self.regions(), mpp, self.layer.chosen)

    def _layers(self) -> tuple[RegionLayer, ...]:
        return self.layer, *self._others

    def _set_visible(self, visible: bool) -> None:
        for layer in self._layers():
            layer.set_visible(visible)

    def _follow_view(self, um_per_px: float) -> None:
        for layer in self._layers():
            layer.follow_view(um_per_px)

    def open_slide(self) -> tuple[Store, SlideRecord, SlideInfo] | None:
        """The project, the slide's record in it and what is known of the slide; None without a project."""
        session = self._context.session
        if session.store is None or session.slide_record is None or session.slide is None:
            return None
        return session.store, session.slide_record, session.slide.info

    def regions(self) -> list[RegionRecord]:
        """Regions of the open slide, the oldest first."""
        known = self.open_slide()
        if known is None:
            return []
        store, record, _ = known
        return self._context.attempt(lambda: store.regions.all(record.id)) or []

    def chosen(self) -> RegionRecord | None:
        """The region that is marked in the list."""
        return self._find(self._panel.chosen)

    def refresh(self, chosen: str | None = None) -> None:
        """Show the regions of the open slide as the project has them, one of them marked."""
        session, panel = self._context.session, self._panel
        mark = panel.chosen if chosen is None else chosen
        mpp = session.slide.info.mpp if session.slide is not None else None
        if self.open_slide() is None:
            for layer in self._layers():
                layer.show_regions([], mpp)
            self.names.show_names([])
            panel.say(
                "Open a slide to draw regions on it."
                if session.slide is None
                else "Regions are kept in a project. Choose a tool above; you are then asked for a project folder."
            )
            return
        regions = self.regions()
        px_area = 1.0 if mpp is None else mpp * mpp * 1e-6
        for layer in self._layers():
            layer.show_regions(regions, mpp, mark)
        self._show_names(regions)
        panel.show_regions(
            [
                RegionRow(r.uid, r.name, r.kind, area_l0(r.polygons_l0) * px_area, r.author, r.at)
                for r in regions
            ],
            "px²" if mpp is None else "mm²",
            mark,
        )

    def _choose(self, uid: str) -> None:
        if uid != self.layer.chosen:
            for layer in self._layers():
                layer.choose(uid)
            self._show_names(self.regions())

    def _show_names(self, regions: Sequence[RegionRecord]) -> None:
        # The chosen one first, then the larger ones: they are written where names would lie on each other.
        named = sorted(
            (region for region in regions if region.name),
            key=lambda region: (region.uid != self.layer.chosen, -max(box_l0(region.polygons_l0)[2:])),
        )
        self.names.show_names(
            [
                NamedOutline(
                    region.uid,
                    region.name,
                    self.layer.to_um(np.array([p for polygon in region.polygons_l0 for p in polygon[0]])),
                    CHOSEN_COLOUR if region.uid == self.layer.chosen else LINE_COLOUR,
                )
                for region in named
            ]
        )

    def go_to(self, uid: str) -> None:
        """Move the view to a region."""
        region = self._find(uid)
        if region is None:
            return
        y, x, height, width = box_l0(region.polygons_l0)
        mpp = self.layer.mpp
        canvas = self._context.canvas
        canvas.look_at((y + height / 2 - 0.5) * mpp, (x + width / 2 - 0.5) * mpp)
        room = max(_ROOM * max(height, width) * mpp, _LEAST_ROOM_UM)
        canvas.zoom_to(room / min(canvas.viewer.canvas.size))

    def add(self, kind: RegionKind, shape: MultiPolygon) -> None:
        """Keep what was drawn, as far as it lies on the slide."""
        known = self.open_slide()
        if known is None:
            return
        store, record, info = known
        polygons = polygons_of(within(shape, info.height_px, info.width_px))
        if not polygons:
            self._context.say("The shape lies outside the slide, so it was not saved.")
            return
        region = self._context.attempt(lambda: store.regions.add(record.id, polygons, kind))
        if region is not None:
            self._done(
                region_words(region.name, kind),
                partial(store.regions.change, region.uid, withdrawn=True),
                partial(store.regions.change, region.uid, withdrawn=False),
                region.uid,
            )
            self._answer(region.uid)

    def redraw(self, region: RegionRecord, shape: MultiPolygon) -> None:
        """Give a region another outline, as far as it lies on the slide; one of nothing deletes it."""
        known = self.open_slide()
        if known is None:
            return
        store, _, info = known
        polygons = polygons_of(within(shape, info.height_px, info.width_px))
        if not polygons:
            self.delete(region.uid)
        elif polygons != region.polygons_l0:
            self._change(store, region, "outline of", "polygons_l0", polygons)
            self._answer(region.uid)

    def rename(self, uid: str, name: str) -> None:
        """Name a region."""
        known, region = self.open_slide(), self._find(uid)
        if known is not None and region is not None and name != region.name:
            self._change(known[0], region, "name of", "name", name)

    def delete(self, uid: str) -> None:
        """Withdraw a region; undo brings it back."""
        known, region = self.open_slide(), self._find(uid)
        if known is None or region is None:
            return
        act = partial(known[0].regions.change, uid)
        if self._context.succeeds(partial(act, withdrawn=True)):
            self._done(
                f"deleted {region_words(region.name, region.kind)}",
                partial(act, withdrawn=False),
                partial(act, withdrawn=True),
            )

    def add_imported(self, regions: Sequence[RegionRecord]) -> int | None:
        """Keep regions from a file as one step; how many were not there before, None where the project refuses."""
        known = self.open_slide()
        if known is None:
            return None
        store = known[0]
        added = self._context.attempt(lambda: store.regions.merge(regions))
        if added:
            uids = [region.uid for region in added]
            self._done(
                f"{count_text(len(uids), 'imported region')}",
                partial(store.regions.withdraw, uids),
                partial(store.regions.withdraw, uids, withdrawn=False),
            )
        return None if added is None else len(added)

    def _answer(self, uid: str) -> None:
        """Say what fires in a region that was just drawn, where the panel that says so is in front."""
        if self._fires_here.isVisible():
            self.show_firing(uid)

    def show_firing(self, uid: str) -> None:
        """List the features by their mean over the tiles of a region."""
        features, region = self._context.session.features, self._find(uid)
        if region is None:
            return
        self._context.show_panel("Fires here")
        if features is None:
            self._fires_here.say("Features appear here once the slide is analysed: Analysis > Analyse.")
            return
        firing = region_firing(features, region.polygons_l0)
        words = region_words(region.name, region.kind)
        if not firing.n_tiles:
            self._fires_here.say(
                f"No tile has its middle in the {words}: it is smaller than a tile, or nothing was read there."
            )
            return
        name_of = self._context.name_of
        order = np.argsort(-firing.mean, kind="stable")[:MAX_LISTED]
        rows = [
            RegionFiringRow(
                int(i), name_of(int(i)), firing.mean[i], int(firing.n_firing[i]), firing.slide_mean[i]
            )
            for i in order
            if firing.n_firing[i]
        ]
        n_firing = int((firing.n_firing > 0).sum())
        listed = f", the strongest {MAX_LISTED} are listed" if n_firing > MAX_LISTED else ""
        self._fires_here.show_region(
            f"{words[0].upper()}{words[1:]}: {n_firing:,} features fire{listed}. Mean activation (SAE units) "
            f"over the {count_text(firing.n_tiles, 'tile')} whose middle lies inside; a silent "
            "tile counts as 0.",
            rows,
        )

    def stand_as_example(self, uid: str) -> None:
        """Let a region stand as an example of the chosen feature."""
        session, region = self._context.session, self._find(uid)
        if region is None:
            return
        if session.features is None or session.feature is None:
            self._context.say("Choose a feature first; then a region can be marked as its example.")
            return
        self._comments.add_place(box_l0(region.polygons_l0), region.uid)
        self._context.say(
            f"The {region_words(region.name, region.kind)} is now among the examples of feature {session.feature}."
        )

    def _find(self, uid: str) -> RegionRecord | None:
        return next((region for region in self.regions() if region.uid == uid), None)

    def _with_chosen(self, act: Callable[[str], None]) -> None:
        if self._panel.chosen:
            act(self._panel.chosen)
            return
        self._context.show_panel("Regions")
        self._context.say("Choose a region first: click on it in the list of regions.")

    def _change(self, store: Store, region: RegionRecord, words: str, field: str, value: Any) -> None:
        uid, before = region.uid, getattr(region, field)
        again = partial(_change_field, store, uid, field, before, value)
        if self._context.succeeds(again):
            self._done(
                f"{words} {region_words(region.name, region.kind)}",
                partial(_change_field, store, uid, field, value, before),
                again,
                uid,
            )

    def _done(
        self, words: str, back: Callable[[], object], again: Callable[[], object], chosen: str | None = None
    ) -> None:
        record = self._context.session.slide_record
        slide_id = record.id if record is not None else -1
        self._undo.add(words, self._step(back, slide_id), self._step(again, slide_id))
        self._changed(chosen)

    def _step(self, act: Callable[[], object], slide_id: int) -> Callable[[], bool]:
        def take() -> bool:
            done = self._context.succeeds(act)
            shown = self._context.session.slide_record
            if done and slide_id >= 0 and (shown is None or shown.id != slide_id):
                # A change that cannot be seen would be taken for none.
                self._projects.open_record(slide_id)
            self._changed(None)
            return done

        return take

    def _changed(self, chosen: str | None) -> None:
        self.refresh(chosen)
        if not self._annotations.has_unsaved:
            self._context.session.saved_changed.emit(True)


def _change_field(store: Store, uid: str, field: str, before: object, after: object) -> None:
    known = next((region for region in store.regions.all(withdrawn=True) if region.uid == uid), None)
    if known is not None and getattr(known, field) != before:
        raise StoreError(
            f"The {region_words(known.name, known.kind)} was changed again since, so it was not undone.",
            "Edit it directly.",
        )
    store.regions.change(uid, **{field: after})  # type: ignore[arg-type]
