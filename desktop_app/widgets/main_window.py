"""The main window: a napari viewer with our panels around the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari
import numpy as np
from napari.utils.theme import _themes
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QDockWidget,
    QMainWindow,
    QStackedWidget,
    QTabWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from desktop_app.canvas.rotation import TurnedView
from desktop_app.widgets.annotations.annotation import AnnotationPanel
from desktop_app.widgets.cells.cell_bar import CellBar
from desktop_app.widgets.controls.banners import CONTROL_TEXT, Banner
from desktop_app.widgets.controls.plain_tabs import PlainTabs
from desktop_app.widgets.correlation.correlations import CorrelationsPanel
from desktop_app.widgets.features.examples import ExamplesPanel
from desktop_app.widgets.features.feature_map import FeatureMapPanel
from desktop_app.widgets.features.feature_page import FeaturePage
from desktop_app.widgets.features.features import FeaturesPanel
from desktop_app.widgets.features.heatmap_controls import HeatmapControls
from desktop_app.widgets.features.tile_features import TileFeaturesPanel
from desktop_app.widgets.regions.regions import RegionsPanel
from desktop_app.widgets.shell.command_palette import Palette
from desktop_app.widgets.shell.drop_area import DropArea
from desktop_app.widgets.shell.jobs import JobsPanel
from desktop_app.widgets.shell.key_guard import OWN_KEYS, KeyGuard
from desktop_app.widgets.shell.menus import Menus
from desktop_app.widgets.shell.start_page import StartPage
from desktop_app.widgets.shell.status_line import StatusLine
from desktop_app.widgets.slide.canvas_mouse import CanvasMouse
from desktop_app.widgets.slide.corners import Corners
from desktop_app.widgets.slide.legend import Legend
from desktop_app.widgets.slide.overview import Overview
from desktop_app.widgets.slide.rotation_badge import TurnMark
from desktop_app.widgets.slide.scale_bar import ScaleBar
from desktop_app.widgets.slide.slides import SlidesPanel
from desktop_app.widgets.slide.two_views import TwoViews
from desktop_app.widgets.studies.studies import StudiesPanel

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari._qt.qt_main_window import Window

    from desktop_app.canvas.rotation import Turn

LEFT, RIGHT, BOTTOM = (
    Qt.DockWidgetArea.LeftDockWidgetArea,
    Qt.DockWidgetArea.RightDockWidgetArea,
    Qt.DockWidgetArea.BottomDockWidgetArea,
)
FEATURE_TABS = ("Annotation", "Examples", "About", "Fires here", "Regions")
INFO_COLOURS, ERROR_COLOURS = ("#24476b", "#ffffff"), ("#8c1d18", "#ffffff")


class MainWindow(QObject):
    """Wraps a napari viewer; holds the panels and decides nothing.

    `slide_clicked` and `cursor_moved` carry the position (y, x) on the slide in um, in whichever view,
    `view_changed` how many um a px of the screen shows, `field_changed` what of the slide is in view: y0, x0,
    y1, x1 in um. All of them are positions on the slide, however the view is turned.
    """

    slide_clicked = Signal(float, float)
    cursor_moved = Signal(float, float)
    view_changed = Signal(float)
    field_changed = Signal(float, float, float, float)
    closing = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.viewer = napari.Viewer(title="Sparsescope", show=False)
        self.qt_window: QMainWindow = self.viewer.window._qt_window
        self.turned = TurnedView(self.viewer)
        self.mouse = CanvasMouse(self.viewer, self.turned, self)
        self.docks: dict[str, QDockWidget] = {}
        self._tab_of: dict[str, QTabWidget] = {}
        self.start_page = StartPage()
        self.slides = SlidesPanel()
        self.features = FeaturesPanel()
        self.annotation = AnnotationPanel()
        self.heatmap = HeatmapControls()
        self.fires_here = TileFeaturesPanel()
        self.examples = ExamplesPanel()
        self.page = FeaturePage()
        self.regions = RegionsPanel()
        self.feature_map = FeatureMapPanel()
        self.correlations = CorrelationsPanel()
        self.studies = StudiesPanel()
        self.jobs = JobsPanel()
        self.status = StatusLine()
        self.control = Banner("#f2c21a", "#141414", closable=False)
        self.notice = Banner(*INFO_COLOURS)
        self.cell_bar = CellBar()
        self._build_centre()
        self._build_docks()
        self.menus = Menus(self.qt_window.menuBar(), self)
        self.menus.add_panels(list(self.docks.values()))
        self.menus.requested("napari_layers").connect(self.show_napari_layers)
        self.menus.requested("quit").connect(self.qt_window.close)
        self.menus.requested("fit").connect(self.fit)
        self.menus.requested("palette").connect(self.show_palette)
        self.palette: Palette | None = None
        canvas = self.viewer.window._qt_viewer
        keys = {text: action.trigger for text, action in self.menus.keys().items()}
        keys["Ctrl+R"] = self.fit
        keys["Ctrl+Y"] = self.menus.actions_by_text["Redo"].trigger
        self.slides.list.setProperty(OWN_KEYS, ["Return", "Enter"])
        self.key_guard = KeyGuard(self.qt_window, canvas, keys, frozenset("H"))
        self.views.canvas_made.connect(self.key_guard.protect)
        self.show_napari_layers(False)
        self.mouse.clicked.connect(self.slide_clicked)
        self.mouse.moved.connect(self.cursor_moved)
        self.viewer.scene.camera.events.zoom.connect(lambda _event: self.view_changed.emit(self.um_per_px))
        camera = self.viewer.scene.camera.events
        for moved in (camera.center, camera.zoom, self.viewer.canvas.events.size):
            moved.connect(lambda _event: self.field_changed.emit(*self.field_um()))
        self._fitted: tuple[float, ...] = ()
        self.viewer.canvas.events.size.connect(lambda _event: self._canvas_resized())
        # napari's line names layers and array indices, which mean nothing to who looks at a slide.
        self.qt_window.statusBar().hide()
        self._build_status()
        self.legend, self.overview, self.turn_mark = Legend(), Overview(), TurnMark()
        self.scale_bar = ScaleBar()
        self.view_changed.connect(self.scale_bar.show_scale)
        self.corners = Corners(canvas.canvas.native)
        self.corners.put(self.legend, Qt.Corner.BottomLeftCorner)
        self.corners.put(self.scale_bar, Qt.Corner.BottomRightCorner)
        self.corners.put(self.overview, Qt.Corner.TopRightCorner)
        self.corners.put(self.turn_mark, Qt.Corner.TopLeftCorner)
        self.qt_window.installEventFilter(self)
        self.drops = DropArea(self.qt_window)
        self.slides.checklist.folded.connect(self._size_left)
        self._put_away: list[QDockWidget] = []
        self.qt_window.resize(1400, 880)
        # It goes with the window: what is connected to a signal of an object that stays is kept for ever.
        self.setParent(self.qt_window)

    def _build_centre(self) -> None:
        canvas = self.qt_window.takeCentralWidget()
        assert canvas is not None
        self.stack = QStackedWidget()
        self.stack.addWidget(self.start_page)
        self.views = TwoViews(self.viewer, canvas, self.mouse)
        self.stack.addWidget(self.views)
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.control)
        column.addWidget(self.notice)
        column.addWidget(self.cell_bar)
        column.addWidget(self.stack, 1)
        self.qt_window.setCentralWidget(centre)

    def _build_status(self) -> None:
        bar = QToolBar("Status", self.qt_window)
        bar.setObjectName("Status")
        bar.setMovable(False)
        bar.toggleViewAction().setVisible(False)
        bar.addWidget(self.status)
        self.qt_window.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bar)

    def _build_docks(self) -> None:
        # Below the left panels too, or the correlations have no room for intervals and p.
        self.qt_window.setCorner(Qt.Corner.BottomLeftCorner, BOTTOM)
        self.qt_window.setCorner(Qt.Corner.BottomRightCorner, RIGHT)
        self._dock("Slides", self.slides, LEFT)
        self._dock("Features", self.features, LEFT)
        self._dock("Heat map", self.heatmap, RIGHT)
        # Tabs of our own: docks that Qt tabs before they are seen leave stale tab bars behind.
        about = {
            "Annotation": self.annotation,
            "Examples": self.examples,
            "About": self.page,
            "Fires here": self.fires_here,
            "Regions": self.regions,
        }
        self._dock("Feature", self._tabs(about), RIGHT)
        # Hidden until there is something to read in it: the slide has the room meanwhile.
        self._dock(
            "Results",
            self._tabs(
                {
                    "Correlations": self.correlations,
                    "Studies": self.studies,
                    "Feature map": self.feature_map,
                    "Jobs": self.jobs,
                }
            ),
            BOTTOM,
        ).hide()

    def themed_parts(self) -> list[QWidget]:
        """Widgets with panels of ours in them."""
        centre = self.qt_window.centralWidget()
        return [*self.docks.values(), self.status, *([centre] if centre is not None else [])]

    def _tabs(self, panels: dict[str, QWidget]) -> QTabWidget:
        tabs = PlainTabs()
        for title, panel in panels.items():
            tabs.addTab(panel, title)
            self._tab_of[title] = tabs
        return tabs

    def _size_docks(self) -> None:
        docks, window = self.docks, self.qt_window
        across = [docks["Slides"], docks["Heat map"]]
        window.resizeDocks(across, [390, 350], Qt.Orientation.Horizontal)
        self._size_left()
        window.resizeDocks([docks["Heat map"], docks["Feature"]], [240, 560], Qt.Orientation.Vertical)
        window.resizeDocks([docks["Results"]], [230], Qt.Orientation.Vertical)

    def _size_left(self) -> None:
        # As low as the checklist allows, which takes less room once it is folded.
        left = [self.docks["Slides"], self.docks["Features"]]
        self.qt_window.resizeDocks(left, [150, 670], Qt.Orientation.Vertical)

    def _dock(self, title: str, panel: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        dock = QDockWidget(title, self.qt_window)
        dock.setObjectName(title)
        dock.setWidget(panel)
        self.qt_window.addDockWidget(area, dock)
        self.docks[title] = dock
        return dock

    def show(self) -> None:
        """Show the window; its panels wait until something is open."""
        self._put_away = [dock for dock in self.docks.values() if not dock.isHidden()]
        for dock in self._put_away:
            dock.hide()
        self.qt_window.show()

    def reveal_panels(self) -> None:
        """Show the panels that waited."""
        waiting, self._put_away = self._put_away, []
        for dock in waiting:
            dock.show()
        if waiting:
            self._size_docks()
            # Once more when they say how low they can be.
            QTimer.singleShot(0, self._size_left)

    def show_start_page(self) -> None:
        """Show the ways in, in place of the slide."""
        self.stack.setCurrentIndex(0)

    def show_canvas(self) -> None:
        """Show the slide, in place of the ways in, and the panels about it."""
        self.reveal_panels()
        self.stack.setCurrentIndex(1)

    def show_panel(self, title: str) -> None:
        """Bring a panel to the front."""
        tabs = self._tab_of.get(title)
        dock = (
            self.docks[title]
            if tabs is None
            else self.docks["Feature" if title in FEATURE_TABS else "Results"]
        )
        dock.show()
        if tabs is not None:
            tabs.setCurrentIndex([tabs.tabText(i) for i in range(tabs.count())].index(title))

    def show_napari_layers(self, visible: bool) -> None:
        """Show or hide napari's own layer list and controls."""
        qt_viewer = self.viewer.window._qt_viewer
        place = self.qt_window.geometry().topLeft()
        for index, dock in enumerate((qt_viewer.dockLayerControls, qt_viewer.dockLayerList)):
            if visible:
                # Beside the other panels they would leave the feature table no room.
                dock.setFloating(True)
                dock.setGeometry(place.x() + 400, place.y() + 60 + 340 * index, 320, 320)
            dock.setVisible(visible)

    def show_palette(self) -> None:
        """Offer every command by its name."""
        self.palette = Palette(self.menus.actions_by_text, self.qt_window)
        self.palette.chosen.connect(lambda text: self.menus.actions_by_text[text].trigger())
        self.palette.open()

    def show_control(self, is_control: bool) -> None:
        """Say above the slide that the features are a random-weights control, or take it away."""
        self.control.say(CONTROL_TEXT if is_control else "")

    def say(self, text: str, *, error: bool = False) -> None:
        """Show a message above the slide."""
        self.notice.paint(*(ERROR_COLOURS if error else INFO_COLOURS))
        self.notice.say(text)

    def set_title(self, *parts: str) -> None:
        """Name what is open in the title bar."""
        self.viewer.title = " – ".join([*(part for part in parts if part), "Sparsescope"])

    def fit(self) -> None:
        """Show the whole slide."""
        self.viewer.reset_view()
        self._fitted = self._camera_place()

    def _camera_place(self) -> tuple[float, ...]:
        camera = self.viewer.scene.camera
        return (float(camera.zoom), *(float(value) for value in camera.center))

    def _canvas_resized(self) -> None:
        # Whoever has not moved since the fit wants to see the whole slide in the new room too.
        if self._fitted == self._camera_place():
            self.fit()

    def set_turn(self, turn: Turn) -> None:
        """Turn the view, about what is in its middle; whoever saw the whole slide still does."""
        camera, whole = self.viewer.scene.camera, self._fitted == self._camera_place()
        middle = self.turned.turn.back(*camera.center[-2:])
        self.turned.set_turn(turn)
        self.views.set_turn(turn)
        self.turn_mark.show_turn(turn.words)
        camera.center = (0.0, *turn.forward(*middle))
        if whole:
            self.fit()
        self.field_changed.emit(*self.field_um())

    def centre_on(self, y_um: float, x_um: float, width_um: float) -> None:
        """Move to a point and show at least `width_um` around it."""
        camera = self.viewer.scene.camera
        self.look_at(y_um, x_um)
        zoom = min(self.viewer.canvas.size) / width_um
        camera.zoom = min(max(camera.zoom, zoom / 4), zoom)

    @property
    def um_per_px(self) -> float:
        """Um of the slide in one px of the screen."""
        return 1.0 / float(self.viewer.scene.camera.zoom)

    def field_corners_um(self) -> npt.NDArray[np.float64]:
        """Corners of what of the slide is in view, (4, 2) of (y, x) in um, in the order they are seen."""
        y, x = self.viewer.scene.camera.center[-2:]
        # The canvas's size is in the px that the zoom counts, whatever the screen makes of them.
        height, width = (size * self.um_per_px for size in self.viewer.canvas.size)
        y0, x0, y1, x1 = y - height / 2, x - width / 2, y + height / 2, x + width / 2
        return self.turned.turn.back_points(np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]))

    def field_um(self) -> tuple[float, float, float, float]:
        """Box of the slide that holds all that is in view: y0, x0, y1, x1 in um."""
        corners = self.field_corners_um()
        (y0, x0), (y1, x1) = corners.min(axis=0), corners.max(axis=0)
        return float(y0), float(x0), float(y1), float(x1)

    def zoom_to(self, um_per_px: float) -> None:
        """Show so many um in a px of the screen, about the middle of the view."""
        self.viewer.scene.camera.zoom = 1.0 / um_per_px

    def look_at(self, y_um: float, x_um: float) -> None:
        """Move a point of the slide to the middle of the view."""
        self.viewer.scene.camera.center = (0.0, *self.turned.turn.forward(y_um, x_um))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Say `closing` before the window goes."""
        if watched is self.qt_window and event.type() == QEvent.Type.Close:
            self.closing.emit()
            self.views.shut()
            _let_themes_go(self.viewer.window)
        return False


def _let_themes_go(window: Window) -> None:
    # napari's themes outlive every window, and a function that napari connects to each and never takes back
    # keeps the window with all that is in it.
    for theme in _themes.values():
        for callback in theme.events.canvas.callbacks:
            cells = getattr(callback, "__closure__", None) or ()
            if any(cell.cell_contents is window for cell in cells):
                theme.events.canvas.disconnect(callback)
