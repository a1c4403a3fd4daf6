"""The states of the window that the help pages show, each as a function that returns its picture.

A scene may rely on those before it in `SCENES` only for the demo being open; it puts back what it switched on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image
from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QAction, QImage, QPainter
from PySide6.QtPdf import QPdfDocument
from PySide6.QtTest import QTest
from window_stage import SETTLE_MS, Stage, StageError, as_picture, grab, joined

from desktop_app.canvas.slide_layers import INSIDE
from desktop_app.demo.steps import FIRST_TYPE
from desktop_app.export import annotations as annotation_exchange
from desktop_app.export.atlas import AtlasChoice, collect, write_atlas
from desktop_app.store import Store
from desktop_app.widgets.annotations.merge import THEIRS, MergeDialog
from desktop_app.widgets.features.feature_model import BEST
from sae_backend.models.bundled_models import scoreboard_followers

Scene = Callable[[Stage, Path], Image.Image]
ACROSS, DOWN = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
COLLEAGUE: Final = "Grace"
ATLAS_PX: Final = 720
LYMPHOCYTES: Final = {
    "name": "Lymphocytes, crowded",
    "concept": "cell: lymphocyte",
    "nature": "biological",
    "confidence": 4,
    "status": "reviewed",
    "tags": ("immune", "scoreboard"),
    "description": "Small, round, dark nuclei close together; stronger the denser they lie. Silent in nests and stroma.",
}


def _follower(cell_type: str) -> int:
    """The feature that the shipped scoreboard found for a cell type."""
    return scoreboard_followers()[cell_type].feature


def _demo(stage: Stage, folder: Path) -> int:
    """Have the demo open, its first feature described, the whole slide in view; return that feature."""
    feature, controller = _follower(FIRST_TYPE), stage.controller
    if stage.session.features is None:
        stage.open_demo(folder)
        store, sae = stage.session.store, stage.session.features.sae_digest
        store.annotations.set(sae, feature, **LYMPHOCYTES)
        store.comments.add(sae, feature, "Silent where plasma cells lie alone.")
        controller.features.fill_table()
        controller.annotations.refresh()
        controller.comments.refresh()
        controller.select_feature(_follower("cancer cell"))
    stage.session.set_tile(-1)
    stage.choose(feature)
    return feature


@contextmanager
def _switched(*, on: Sequence[QAction] = (), off: Sequence[QAction] = ()) -> Iterator[None]:
    for actions, is_on in ((on, True), (off, False)):
        for action in actions:
            action.setChecked(is_on)
    yield
    for actions, is_on in ((on, False), (off, True)):
        for action in actions:
            action.setChecked(is_on)


def start_page(stage: Stage, folder: Path) -> Image.Image:
    """What is seen first."""
    del folder
    stage.arrange(1000, 600)
    return stage.grab()


def window(stage: Stage, folder: Path) -> Image.Image:
    """The whole window: map, table, annotation and correlations of a named feature."""
    feature = _demo(stage, folder)
    stage.arrange(1400, 900, *stage.window.docks)
    for rank in range(3):
        stage.controller.comments.add_example(stage.strongest_tile(feature, rank))
    stage.window.show_panel("Correlations")
    panel = stage.window.correlations
    stage.until(lambda: panel.frame is not None, "the correlations")
    panel.pair_requested.emit(feature, FIRST_TYPE)
    stage.until(lambda: panel.scatter.points.x.size > 0, "the tiles of the pair")
    stage.window.show_panel("Annotation")
    stage.window.annotation.comment_tabs.setCurrentIndex(1)
    stage.choose(feature)
    stage.quiet()
    picture = stage.grab()
    for example in stage.session.store.examples.all(stage.session.features.sae_digest, feature):
        stage.controller.comments.withdraw_example(example.uid)
    return picture


def map_and_examples(stage: Stage, folder: Path) -> Image.Image:
    """The map of a feature over the slide, and tiles where it fires."""
    _demo(stage, folder)
    stage.arrange(840, 510, "Feature")
    stage.window.show_panel("Examples")
    stage.window.fit()
    stage.quiet()
    return stage.grab(stage.window.views, stage.window.docks["Feature"])


def feature_table(stage: Stage, folder: Path) -> Image.Image:
    """The table with a word searched, and only what fires here."""
    _demo(stage, folder)
    stage.arrange(1300, 520, "Features")
    stage.give("Features", 870, ACROSS)
    panel = stage.window.features
    panel.search.setText(FIRST_TYPE)
    panel.firing.setChecked(True)
    panel.view.setColumnWidth(BEST, 240)
    stage.quiet()
    panel.view.scrollToTop()
    picture = stage.grab(stage.window.docks["Features"])
    panel.search.clear()
    panel.firing.setChecked(False)
    return picture


def feature_page(stage: Stage, folder: Path) -> Image.Image:
    """All that is known of a feature: examples of all levels, and the page About."""
    _demo(stage, folder)
    stage.arrange(1240, 860, "Feature")
    stage.give("Feature", 440, ACROSS)
    shown = []
    for title in ("Examples", "About"):
        stage.window.show_panel(title)
        stage.quiet()
        shown.append(stage.grab(stage.window.docks["Feature"]))
    return joined(shown)


def feature_map(stage: Stage, folder: Path) -> Image.Image:
    """The map of all features, coloured by the best correlate."""
    _demo(stage, folder)
    stage.actions["Map of all features"].trigger()
    # Words of a running job widen the window.
    stage.jobs_end()
    stage.arrange(900, 800, "Results")
    stage.give("Results", 480, DOWN)
    stage.quiet()
    return stage.grab(stage.window.docks["Results"])


def fires_here(stage: Stage, folder: Path) -> Image.Image:
    """A picked tile and what fires in it."""
    feature = _demo(stage, folder)
    stage.arrange(900, 520, "Feature")
    stage.give("Feature", 450, ACROSS)
    place = stage.strongest(feature)
    stage.look(place, 0.9)
    stage.window.slide_clicked.emit(*place)
    with _switched(off=[stage.window.menus.action("overview")]):
        stage.quiet()
        return stage.grab(stage.window.views, stage.window.docks["Feature"])


def inside_tiles(stage: Stage, folder: Path) -> Image.Image:
    """The feature at the encoder's tokens, over the tiles in view."""
    feature = _demo(stage, folder)
    stage.arrange(860, 540, "Heat map")
    stage.look(stage.strongest(feature), 0.6)
    menus, layers = stage.window.menus, stage.window.viewer.layers
    with _switched(on=[menus.action("inside")], off=[menus.action("overview")]):
        stage.until(lambda: any(layer.name == INSIDE for layer in layers), "the inside of tiles")
        stage.quiet()
        return stage.grab(stage.window.views, stage.window.docks["Heat map"])


def second_view(stage: Stage, folder: Path) -> Image.Image:
    """One feature pinned beside another."""
    feature = _demo(stage, folder)
    stage.arrange(930, 500)
    stage.controller.select_feature(_follower("cancer cell"))
    stage.controller.second_view.show_feature()
    stage.choose(feature)
    stage.quiet()
    picture = stage.grab(stage.window.views)
    stage.controller.second_view.close_view()
    return picture


def cells(stage: Stage, folder: Path) -> Image.Image:
    """Cells as points from near, and their density from far."""
    feature = _demo(stage, folder)
    stage.arrange(640, 400)
    menus, shown = stage.window.menus, []
    with _switched(on=[menus.action("cells")], off=[menus.action("heatmap"), menus.action("overview")]):
        for near in (False, True):
            if near:
                stage.look(stage.strongest(feature, 1), 0.8)
            else:
                stage.window.fit()
            stage.quiet()
            shown.append(stage.grab(stage.window.views))
    return joined(shown, below=True)


def regions(stage: Stage, folder: Path) -> Image.Image:
    """A named region and a polygon that is half drawn."""
    feature = _demo(stage, folder)
    stage.arrange(870, 520, "Feature")
    y, x = stage.strongest(feature)
    stage.look((y - 30, x + 60), 1.0)
    press, move, release = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease
    drawing, kept, menus = stage.controller.drawing, stage.controller.regions, stage.window.menus
    with _switched(off=[menus.action("heatmap"), menus.action("overview")]):
        drawing.take_tool("brush")
        drawing.tools.set_radius(70.0)
        way = [(y + dy, x + dx) for dy, dx in ((0, 40), (40, 50), (80, 10), (110, -10))]
        stage.mouse(press, way[0])
        for spot in way[1:]:
            stage.mouse(move, spot)
        stage.mouse(release, way[-1])
        brushed = kept.chosen()
        if brushed is None:
            raise StageError("The stroke of the brush made no region.")
        kept.rename(brushed.uid, "Lymphoid focus")
        drawing.take_tool("polygon")
        for dy, dx in ((-150, 10), (-230, 90), (-240, 200), (-170, 290), (-90, 270)):
            stage.mouse(press, (y + dy, x + dx))
            stage.mouse(release, (y + dy, x + dx))
        stage.mouse(move, (y - 80, x + 160))
        stage.quiet()
        picture = stage.grab(stage.window.views, stage.window.docks["Feature"])
        drawing.tools.cancel()
        drawing.take_tool("")
        kept.delete(brushed.uid)
    return picture


def merge(stage: Stage, folder: Path) -> Image.Image:
    """Two people's texts side by side, one of the colleague's taken."""
    feature = _demo(stage, folder)
    store, sae = stage.session.store, stage.session.features.sae_digest
    path = folder / "grace.json"
    with Store.create(folder / "colleague", author=COLLEAGUE) as theirs:
        theirs.annotations.set(
            sae, feature, name="Lymphoid aggregate", concept="inflammation: lymphoid aggregate", confidence=3,
            nature="biological", status="reviewed", tags=["immune"],
            description="Aggregates, not single cells.",
        )  # fmt: skip
        theirs.annotations.set(sae, _follower("cancer cell"), name="Nests", confidence=4, tags=["epithelium"])
        annotation_exchange.export_json(theirs, path)
    dialog = MergeDialog(annotation_exchange.import_json(store, path).conflicts, stage.window.qt_window)
    dialog.resize(820, 380)
    dialog.tree.topLevelItem(0).child(0).setCheckState(THEIRS, Qt.CheckState.Checked)
    dialog.show()
    QTest.qWait(SETTLE_MS)
    picture = grab(dialog)
    dialog.close()
    return picture


def atlas(stage: Stage, folder: Path) -> Image.Image:
    """A feature's page of the exported atlas."""
    feature = _demo(stage, folder)
    path = folder / "atlas.pdf"
    source = collect(stage.session.store, AtlasChoice(features=(feature,)), stage.session.features)
    write_atlas(source, path)
    document = QPdfDocument()
    document.load(str(path))
    last = document.pageCount() - 1
    points = document.pagePointSize(last)
    size = QSize(ATLAS_PX, round(ATLAS_PX * points.height() / points.width()))
    page = QImage(size, QImage.Format.Format_RGB32)
    page.fill(Qt.GlobalColor.white)
    # What is drawn has no paper behind it.
    painter = QPainter(page)
    painter.drawImage(0, 0, document.render(last, size))
    painter.end()
    document.close()
    return as_picture(page)


SCENES: Final[dict[str, Scene]] = {
    scene.__name__: scene
    for scene in (
        start_page, window, map_and_examples, feature_table, feature_page, feature_map, fires_here, inside_tiles,
        second_view, cells, regions, merge, atlas,
    )
}  # fmt: skip
