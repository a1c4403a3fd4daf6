"""Puts the themes together; what the composition root talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop_app.controller.annotations.annotations import AnnotationActions
from desktop_app.controller.annotations.comments import CommentActions, Others
from desktop_app.controller.annotations.merge import MergeActions
from desktop_app.controller.annotations.review import ReviewActions
from desktop_app.controller.cells.cells import CellActions
from desktop_app.controller.cells.detection import DetectionActions
from desktop_app.controller.cells.editing import CellEditingActions
from desktop_app.controller.cells.importing import CellImportActions
from desktop_app.controller.cells.lists import CellListActions
from desktop_app.controller.cells.pointer import CellPointerActions
from desktop_app.controller.correlation.correlations import CorrelationActions
from desktop_app.controller.correlation.pair_maps import PairMapActions
from desktop_app.controller.export.exports import ExportActions
from desktop_app.controller.features.examples import ExampleActions
from desktop_app.controller.features.feature_map import FeatureMapActions
from desktop_app.controller.features.feature_page import FeaturePageActions
from desktop_app.controller.features.features import FeatureActions, FeaturePanels
from desktop_app.controller.jobs import JobActions
from desktop_app.controller.project.projects import ProjectActions
from desktop_app.controller.project.slide_info import SlideInfoActions
from desktop_app.controller.project.slide_table import SlideTableActions
from desktop_app.controller.project.tile_value_import import TileValueActions
from desktop_app.controller.regions.drawing import DrawingActions
from desktop_app.controller.regions.files import RegionFileActions
from desktop_app.controller.regions.regions import RegionActions
from desktop_app.controller.shell.checklist import ChecklistActions
from desktop_app.controller.shell.demo import DemoActions
from desktop_app.controller.shell.drops import DropActions, DropTargets
from desktop_app.controller.shell.start import StartActions
from desktop_app.controller.shell.status import StatusActions
from desktop_app.controller.shell.theme import ThemeActions
from desktop_app.controller.studies.studies import StudyActions
from desktop_app.controller.undo import UndoActions
from desktop_app.controller.view.chunk_reading import ReadingActions
from desktop_app.controller.view.inside_tiles import TokenMapActions
from desktop_app.controller.view.multi_feature import MultiFeatureActions
from desktop_app.controller.view.overview import OverviewActions
from desktop_app.controller.view.pointer import PointerActions
from desktop_app.controller.view.rotation import RotationActions
from desktop_app.controller.view.second_view import SecondViewActions
from desktop_app.controller.view.tile_grid import TileGridActions
from desktop_app.widgets.studies.window import StudyWindow

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.tasks import LiveWorker
    from desktop_app.widgets.main_window import MainWindow


class Controller:
    """Answers the window's requests; nothing else decides."""

    def __init__(self, context: Context, window: MainWindow, live: LiveWorker) -> None:
        self._context = context
        self.reading = ReadingActions(context, window.status)
        # Before the others, which draw over the slide that it shows.
        self.projects = ProjectActions(context, window.start_page, window.slides, window)
        # Before whoever else follows the analysis: its table has the names that the others show.
        panels = FeaturePanels(
            window.features,
            window.fires_here,
            window.heatmap,
            window.legend,
            window.annotation.bookmark,
            window.show_control,
        )
        self.features = FeatureActions(context, panels)
        # After the features: a new slide's cells are drawn over their map.
        self.cells = CellActions(context, window.legend)
        self.annotations = AnnotationActions(context, window.annotation)
        self.cell_import = CellImportActions(context, self.projects, self.cells)
        results = StudyWindow(window.docks["Results"], window.qt_window)
        self.correlations = CorrelationActions(
            context, window.correlations, results, self.projects, self.features
        )
        self.jobs = JobActions(
            context, window.jobs, window.correlations.header, self.projects, self.features, self.correlations
        )
        self.examples = ExampleActions(context, window.examples, self.projects, self.features)
        self.page = FeaturePageActions(context, window.page, self.features, self.examples)
        self.feature_map = FeatureMapActions(context, window.feature_map, window.features, self.jobs)
        self.studies = StudyActions(context, window.studies, results, self.projects, self.features, self.jobs)
        self.demo = DemoActions(context, window.start_page, self.projects, self.cells, self.jobs)
        self.review = ReviewActions(
            context, window.annotation, window.features, window.heatmap, self.features
        )
        self.status = StatusActions(context, window.status, window.scale_bar)
        self.pointer = PointerActions(context, window.regions)
        # After the status, whose words on the place under the pointer it adds to.
        self.cell_pointer = CellPointerActions(context, window.status, self.cells)
        self.undo = UndoActions(context, self.annotations)
        others = Others(self.projects, self.features, self.annotations, self.undo)
        self.comments = CommentActions(context, window.annotation, others)
        self.regions = RegionActions(context, window.regions, window.fires_here, others, self.comments)
        self.exports = ExportActions(context, window.legend, self.reading, self.regions, self.correlations)
        self.cell_editing = CellEditingActions(
            context,
            window.cell_bar,
            window.key_guard,
            window.regions,
            self.projects,
            self.cells,
            self.undo,
        )
        self.detection = DetectionActions(context, self.projects, self.jobs, self.cells)
        self.cell_lists = CellListActions(
            context, window.qt_window, self.cells, self.regions, self.cell_editing
        )
        self.drawing = DrawingActions(
            context,
            window.regions,
            window.fires_here,
            window.key_guard,
            self.projects,
            self.regions,
            self.cell_editing,
        )
        self.region_files = RegionFileActions(context, self.regions)
        self.merge = MergeActions(context, self.features, self.annotations, self.comments)
        self.inside = TokenMapActions(context, window.heatmap, window.legend, live)
        self.overview = OverviewActions(context, window.overview)
        self.together = MultiFeatureActions(context, window.features, window.heatmap, window.legend)
        self.turn = RotationActions(context, window.turn_mark)
        self.tile_grid = TileGridActions(context)
        self.second_view = SecondViewActions(
            context, window.views, window.heatmap, window.legend, self.regions
        )
        self.pair_maps = PairMapActions(
            context, window.correlations.header, self.correlations, self.together, self.second_view
        )
        self.slide_info = SlideInfoActions(context, window.qt_window)
        self.slide_table = SlideTableActions(context, self.page)
        self.tile_values = TileValueActions(context, self.projects)
        self.looks = ThemeActions(context, window.themed_parts)
        self.checklist = ChecklistActions(
            context, window.slides.checklist, self.projects, self.jobs, self.cell_import
        )
        self.start_page = StartActions(context, window.start_page, window.reveal_panels, self.projects)
        doors = DropTargets(self.projects, self.jobs, self.cell_import, self.region_files, self.merge)
        self.arrivals = DropActions(context, window.drops, doors)
        self.jobs.pictures_made.connect(self.examples.refresh)
        self.studies.done.connect(lambda _record: self.features.fill_table())
        for follow in (self.correlations.refresh, self.second_view.redraw_cells, self.checklist.refresh):
            self.cells.changed.connect(follow)
        self._closed = False
        self.looks.apply()
        window.closing.connect(self.close)

    def start(self) -> None:
        """Start the worker; nothing waits for it."""
        self._context.attempt(self._context.tasks.start)
        self.start_page.refresh()

    def select_feature(self, feature: int) -> None:
        """Choose a feature of the open slide."""
        self._context.session.set_feature(feature)

    def close(self) -> None:
        """Save what is being typed, end the worker and close the project."""
        if self._closed:
            return
        self._closed = True
        self.arrivals.close()
        self.start_page.close()
        self.annotations.close()
        self.features.close()
        self.cells.close()
        self.jobs.close()
        self.projects.close()
        self.cell_import.close()
        self.cell_lists.close()
        self.detection.close()
        self.correlations.close()
        self.studies.close()
        self.examples.close()
        self.page.close()
        self.overview.close()
        self.pair_maps.close()
        self.second_view.close()
        self.slide_info.close()
        self.exports.close()
        self.tile_values.close()
        self.inside.close()
        self._context.tasks.close()
        self.reading.close()
        self._context.layers.clear()
        session = self._context.session
        if session.slide is not None:
            session.slide.close()
        if session.store is not None:
            session.store.close()
