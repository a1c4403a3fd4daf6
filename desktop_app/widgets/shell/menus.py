"""The menus of the main window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence

from desktop_app.widgets.shell.cell_menu import CellMenu
from desktop_app.widgets.shell.cell_type_menu import CellEntries
from desktop_app.widgets.shell.view_menu import ViewEntries

if TYPE_CHECKING:
    from PySide6.QtWidgets import QDockWidget, QMenu, QMenuBar


class Menus(QObject):
    """Fills a menu bar; each entry is a signal."""

    open_slide_requested = Signal()
    new_project_requested = Signal()
    open_project_requested = Signal()
    export_features_requested = Signal()
    export_correlations_requested = Signal()
    export_anndata_requested = Signal()
    export_tiles_requested = Signal()
    export_methods_requested = Signal()
    export_annotations_requested = Signal()
    import_annotations_requested = Signal()
    export_view_requested = Signal()
    export_atlas_requested = Signal()
    quit_requested = Signal()
    undo_requested = Signal()
    redo_requested = Signal()
    fit_requested = Signal()
    go_to_requested = Signal()
    name_requested = Signal()
    confidence_requested = Signal(int)
    accept_requested = Signal()
    fires_here_requested = Signal()
    opacity_requested = Signal(int)
    heatmap_toggled = Signal(bool)
    inside_toggled = Signal(bool)
    cells_toggled = Signal(bool)
    tissue_toggled = Signal(bool)
    napari_layers_toggled = Signal(bool)
    pixel_size_requested = Signal()
    slide_information_requested = Signal()
    import_slide_table_requested = Signal()
    analyze_requested = Signal()
    import_cells_requested = Signal()
    import_values_requested = Signal()
    next_feature_requested = Signal()
    previous_feature_requested = Signal()
    search_requested = Signal()
    train_requested = Signal()
    correlate_requested = Signal()
    correlate_options_requested = Signal()
    studies_requested = Signal()
    report_requested = Signal()
    guide_requested = Signal(str)
    about_requested = Signal()
    palette_requested = Signal()
    bookmark_requested = Signal()
    feature_map_requested = Signal()
    together_requested = Signal()
    alone_requested = Signal()
    overview_toggled = Signal(bool)
    light_toggled = Signal(bool)
    text_size_requested = Signal(int)
    legend_toggled = Signal(bool)
    example_requested = Signal()
    vocabulary_requested = Signal()
    regions_toggled = Signal(bool)
    tool_requested = Signal(str)
    stop_drawing_requested = Signal()
    region_fires_requested = Signal()
    region_example_requested = Signal()
    export_regions_requested = Signal()
    import_regions_requested = Signal()

    def __init__(self, bar: QMenuBar, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bar = bar
        bar.clear()
        self.actions_by_text: dict[str, QAction] = {}
        self._file()
        edit = bar.addMenu("&Edit")
        self._add(edit, "Undo", self.undo_requested, "Ctrl+Z")
        self._add(edit, "Redo", self.redo_requested, "Ctrl+Shift+Z")
        self.view = self._view()
        slide = bar.addMenu("&Slide")
        self._add(slide, "Add slide…", self.open_slide_requested)
        self._add(slide, "Pixel size…", self.pixel_size_requested)
        self._add(slide, "Slide information…", self.slide_information_requested)
        self._add(slide, "Import slide table…", self.import_slide_table_requested)
        features = bar.addMenu("Featu&res")
        self._add(features, "Next feature", self.next_feature_requested, "J")
        self._add(features, "Previous feature", self.previous_feature_requested, "K")
        self._add(features, "Search the features…", self.search_requested, "/")
        self._add(features, "What fires at the pointer", self.fires_here_requested, "I")
        features.addSeparator()
        self._add(features, "Map of all features", self.feature_map_requested, "M")
        self._add(features, "Name the feature", self.name_requested, "N")
        grades = features.addMenu("Confidence")
        for grade in range(1, 6):
            action = grades.addAction(f"{grade}" + {1: " – a guess", 5: " – certain"}.get(grade, ""))
            action.setShortcut(QKeySequence(str(grade)))
            action.triggered.connect(lambda _=False, given=grade: self.confidence_requested.emit(given))
            self.actions_by_text[f"Confidence {grade}"] = action
        self._add(features, "Show in a colour of its own", self.together_requested, "C")
        self._add(features, "Show one feature again", self.alone_requested)
        self._add(features, "Bookmark", self.bookmark_requested, "B")
        self._add(features, "Let the picked tile stand as an example", self.example_requested, "E")
        self._add(features, "Accept and go to the next without a name", self.accept_requested, "Return")
        self._add(features, "Vocabulary of concepts…", self.vocabulary_requested)
        cells = bar.addMenu("&Cells")
        cells.addAction(self.cells)
        self.cell_types = CellEntries(cells, self)
        cells.addSeparator()
        self._add(cells, "Import cells…", self.import_cells_requested)
        self._add(cells, "Import numbers by place…", self.import_values_requested)
        self.cell_work = CellMenu(cells, self.actions_by_text, self)
        analysis = bar.addMenu("&Analysis")
        self._add(analysis, "Analyse the slide…", self.analyze_requested)
        self._add(analysis, "Train a sparse autoencoder…", self.train_requested)
        self._add(analysis, "Correlate features with cells", self.correlate_requested)
        self._add(analysis, "Correlate with options…", self.correlate_options_requested)
        self._add(analysis, "Studies", self.studies_requested)
        self._tools()
        self._help()

    def _file(self) -> None:
        menu = self._bar.addMenu("&File")
        self._add(menu, "Open slide…", self.open_slide_requested, "Ctrl+O")
        menu.addSeparator()
        self._add(menu, "New project…", self.new_project_requested, "Ctrl+N")
        self._add(menu, "Open project…", self.open_project_requested, "Ctrl+Shift+O")
        menu.addSeparator()
        self._add(menu, "Export feature table…", self.export_features_requested)
        self._add(menu, "Export correlations…", self.export_correlations_requested)
        self._add(menu, "Export tiles and features (AnnData)…", self.export_anndata_requested)
        self._add(menu, "Export tiles for QuPath…", self.export_tiles_requested)
        self._add(menu, "Export paragraph on methods…", self.export_methods_requested)
        self._add(menu, "Export annotations…", self.export_annotations_requested)
        self._add(menu, "Import annotations…", self.import_annotations_requested)
        self._add(menu, "Export view as picture…", self.export_view_requested, "Ctrl+S")
        self._add(menu, "Export feature atlas…", self.export_atlas_requested)
        self._add(menu, "Export report…", self.report_requested)
        menu.addSeparator()
        self._add(menu, "Quit", self.quit_requested, "Ctrl+Q")

    def _view(self) -> QMenu:
        menu = self._bar.addMenu("&View")
        self._add(menu, "Fit the slide", self.fit_requested, "Ctrl+0")
        self._add(menu, "Go to a place…", self.go_to_requested, "Ctrl+G")
        menu.addSeparator()
        self.heatmap = self._check(menu, "Heat map", self.heatmap_toggled, "H", on=True)
        for text, sign, key in (("Fainter heat map", -1, "["), ("Stronger heat map", 1, "]")):
            action = menu.addAction(text)
            action.setShortcut(QKeySequence(key))
            action.triggered.connect(lambda _=False, way=sign: self.opacity_requested.emit(way))
            self.actions_by_text[text] = action
        self.inside = self._check(menu, "Inside the tiles in view", self.inside_toggled, "T", on=False)
        self.cells = self._check(menu, "Cells", self.cells_toggled, "A", on=False)
        self.tissue = self._check(menu, "Tissue outline", self.tissue_toggled, "G", on=False)
        self.regions = self._check(menu, "Regions", self.regions_toggled, "", on=True)
        self.sight = ViewEntries(menu, self.actions_by_text, self)
        menu.addSeparator()
        self.overview = self._check(menu, "Overview", self.overview_toggled, "O", on=True)
        self.legend = self._check(menu, "Legend on the slide", self.legend_toggled, "L", on=True)
        menu.addSeparator()
        self.light = self._check(menu, "Light theme", self.light_toggled, "", on=False)
        for text, step, key in (("Larger text", 1, "Ctrl+="), ("Smaller text", -1, "Ctrl+-")):
            action = menu.addAction(text)
            action.setShortcut(QKeySequence(key))
            action.triggered.connect(lambda _=False, by=step: self.text_size_requested.emit(by))
            self.actions_by_text[text] = action
        menu.addSeparator()
        self._check(menu, "napari's layer list", self.napari_layers_toggled, "", on=False)
        menu.addSeparator()
        return menu

    def _tools(self) -> None:
        menu = self._bar.addMenu("&Tools")
        for text, tool, key in (
            ("Draw a polygon", "polygon", "P"),
            ("Draw a rectangle", "rectangle", "R"),
            ("Brush", "brush", "W"),
        ):
            action = menu.addAction(text)
            action.setShortcut(QKeySequence(key))
            action.triggered.connect(lambda _=False, name=tool: self.tool_requested.emit(name))
            self.actions_by_text[text] = action
        self._add(menu, "Stop drawing", self.stop_drawing_requested, "Esc")
        menu.addSeparator()
        self._add(menu, "What fires in the region", self.region_fires_requested)
        self._add(menu, "Let the region stand as an example", self.region_example_requested)
        menu.addSeparator()
        self._add(menu, "Export regions…", self.export_regions_requested)
        self._add(menu, "Import regions…", self.import_regions_requested)

    def add_panels(self, docks: list[QDockWidget]) -> None:
        """Add an entry that shows and hides each panel."""
        for dock in docks:
            self.view.addAction(dock.toggleViewAction())

    def _help(self) -> None:
        menu = self._bar.addMenu("&Help")
        for text, page, key in (
            ("Getting started", "getting_started", "F1"),
            ("Looking at a feature", "features", ""),
            ("Writing about features", "annotating", ""),
            ("Moving about the slide", "viewer", ""),
            ("Working with cells", "cells", ""),
            ("Features and cells", "correlations", ""),
            ("Studies", "studies", ""),
            ("What the numbers mean", "what_numbers_mean", ""),
            ("Scoreboard: is it true?", "scoreboard", ""),
            ("Keys and mouse", "keys", "?"),
        ):
            action = menu.addAction(text)
            action.setShortcut(QKeySequence(key))
            action.triggered.connect(lambda _=False, name=page: self.guide_requested.emit(name))
            self.actions_by_text[text] = action
        self._add(menu, "All commands…", self.palette_requested, "Ctrl+P")
        menu.addSeparator()
        self._add(menu, "About Sparsescope", self.about_requested)

    def _add(self, menu: QMenu, text: str, signal: object, key: str = "") -> QAction:
        action = menu.addAction(text)
        # The key is shown here and acts through the window's key guard where it is a single letter.
        action.setShortcut(QKeySequence(key))
        action.triggered.connect(lambda _=False: signal.emit())  # type: ignore[attr-defined]
        self.actions_by_text[text] = action
        return action

    def _check(self, menu: QMenu, text: str, signal: object, key: str, *, on: bool) -> QAction:
        action = menu.addAction(text)
        action.setCheckable(True)
        action.setChecked(on)
        action.setShortcut(QKeySequence(key))
        action.toggled.connect(signal)
        self.actions_by_text[text] = action
        return action

    def keys(self) -> dict[str, QAction]:
        """Return the entries that have a key, by its portable text."""
        return {
            action.shortcut().toString(QKeySequence.SequenceFormat.PortableText): action
            for action in self.actions_by_text.values()
            if not action.shortcut().isEmpty()
        }
