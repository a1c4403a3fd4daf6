"""All that is known of one feature: how it fires, where, with which cells, and what is near it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.charts.charts import Bar, BarsChart, HistogramChart
from desktop_app.widgets.controls.empty_state import EmptyState

if TYPE_CHECKING:
    from sae_backend.activations.histogram import ActivationHistogram

_FEATURE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Near:
    """A feature that is near the one that is shown, and how near in words."""

    feature: int
    name: str
    words: str


class FeaturePage(QWidget):
    """Shows charts and lists; a feature that is near is asked for with a click.

    `grouping_requested` carries a key of the slides' values, empty for slide by slide.
    """

    feature_requested = Signal(int)
    grouping_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel("")
        self.title.setStyleSheet("font-weight: bold;")
        self.facts = QLabel("")
        self.histogram = HistogramChart()
        self.cells, self.slides, self.groups = BarsChart(), BarsChart(), BarsChart()
        self.grouping = QComboBox()
        self.grouping.setAccessibleName("How the slides are grouped")
        self.grouping.hide()
        self.grouping.activated.connect(lambda _: self.grouping_requested.emit(self.grouping.currentData()))
        self.cells_note, self.slides_note, self.together_note = QLabel(""), QLabel(""), QLabel("")
        self.directions, self.together = self._list("Same direction"), self._list("Fire together")
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.title, self.facts):
            column.addWidget(widget)
        for heading, parts in (
            ("Activation histogram", (self.histogram,)),
            ("Correlated cell types", (self.cells, self.cells_note)),
            ("Slides", (self.grouping, self.slides, self.groups, self.slides_note)),
            ("Features with the same direction (cosine in the decoder)", (self.directions,)),
            ("Features active in the same tiles", (self.together, self.together_note)),
        ):
            label = QLabel(heading)
            label.setStyleSheet("font-weight: bold;")
            label.setWordWrap(True)
            column.addSpacing(6)
            for widget in (label, *parts):
                column.addWidget(widget)
        column.addStretch()
        for note in (self.facts, self.cells_note, self.slides_note, self.together_note):
            note.setWordWrap(True)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(page)
        self.pages = EmptyState(scroll, "Choose a feature to see its summary.")
        whole = QVBoxLayout(self)
        whole.setContentsMargins(6, 6, 6, 6)
        whole.addWidget(self.pages)

    def _list(self, name: str) -> QListWidget:
        made = QListWidget()
        made.setAccessibleName(name)
        made.setFrameShape(QFrame.Shape.NoFrame)
        made.itemClicked.connect(self._clicked)
        made.itemActivated.connect(self._clicked)
        return made

    def show_feature(self, title: str, facts: str, histogram: ActivationHistogram) -> None:
        """Show what is known at once; the slower parts are emptied until they come."""
        self.title.setText(title)
        self.facts.setText(facts)
        self.histogram.show_histogram(histogram)
        self.show_near((), (), "…")
        self.pages.show_content()

    def show_cells(self, bars: Sequence[Bar], note: str) -> None:
        """Show correlations by cell type, or only a note why there are none."""
        self.cells.show_bars(bars, (-1.0, 1.0))
        self.cells.setVisible(bool(bars))
        self.cells_note.setText(note)

    def show_groupings(self, keys: Sequence[str], current: str) -> None:
        """Offer to put slides together by a key, where there is any; `current` is empty for slide by slide."""
        self.grouping.clear()
        for key in ("", *keys):
            self.grouping.addItem(f"by {key or 'slide'}", key)
        self.grouping.setCurrentIndex(self.grouping.findData(current))
        self.grouping.setVisible(bool(keys))

    def show_slides(self, slides: Sequence[Bar], groups: Sequence[Bar], note: str) -> None:
        """Show bars by slide or by what slides share, and by group of slides; `note` says of what."""
        self.slides.show_bars(slides)
        self.groups.show_bars(groups)
        self.groups.setVisible(bool(groups))
        self.slides_note.setText(note)

    def show_near(self, directions: Sequence[Near], together: Sequence[Near], note: str) -> None:
        """Show near features; `note` says how "together" was measured."""
        for shown, near in ((self.directions, directions), (self.together, together)):
            shown.clear()
            for other in near:
                name = f"  {other.name}" if other.name else ""
                item = QListWidgetItem(f"{other.words}   {other.feature}{name}")
                item.setData(_FEATURE, other.feature)
                item.setToolTip("Click to show this feature")
                shown.addItem(item)
            row = shown.sizeHintForRow(0) if near else 0
            shown.setFixedHeight(row * len(near) + 4)
        self.together_note.setText(note)

    def say(self, sentence: str) -> None:
        """Show a sentence in place of everything."""
        self.pages.say(sentence)

    def _clicked(self, item: QListWidgetItem) -> None:
        self.feature_requested.emit(int(item.data(_FEATURE)))
