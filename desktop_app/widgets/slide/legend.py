"""The legend on the canvas: what the colours mean, of which feature, autoencoder and encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QEvent, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from desktop_app.canvas.colour_scale import PLAIN, HeatLook, strip, value_at
from desktop_app.widgets.slide.corners import MARGIN_PX
from sae_backend.statistics.number_text import number_text

WIDTH_PX: Final = 268
ROOM_PX: Final = (420, 480)
"""On a canvas less high or less wide than this many types of cell are not listed."""

_LEAST_WIDTH_PX: Final = 160
_MOST_ROWS_SHORT: Final = 3
_CELLS_ELSEWHERE: Final = "Colours of the cells: Cells menu"
_PAD: Final = 8
_BAR_PX: Final = 12
_PAPER, _INK = QColor(18, 20, 24, 225), QColor("#f2f2f2")
_MIDDLE, _RIGHT = Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight


@dataclass(frozen=True)
class MapLegend:
    """What is said of the heat map; `limits` are the values at the ends of the colours, `note` what is not drawn."""

    title: str
    source: str
    limits: tuple[float, float]
    look: HeatLook = PLAIN
    signed: bool = False
    unit: str = "activation (SAE units)"
    note: str = ""


class Legend(QWidget):
    """Paints a legend in a corner of the canvas; the mouse goes through it.

    It shows one map with its colour bar, or several features each in its own colour, and below the
    cell types while cells are shown. `changed` says that it means something else now.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.map: MapLegend | None = None
        self.inside: MapLegend | None = None
        self.together: tuple[tuple[str, str], ...] = ()
        self.scales: tuple[str, ...] = ()
        self.together_source = ""
        self.cells: tuple[tuple[str, str, int], ...] = ()
        self.note = ""
        self._map_shown = self._cells_shown = self._wanted = True
        self._short, self._width = False, WIDTH_PX
        self._canvas: QWidget | None = None
        self.hide()

    def show_map(self, legend: MapLegend | None) -> None:
        """Show what the heat map means, None for none."""
        self.map = legend
        self._changed()

    def show_inside(self, legend: MapLegend | None) -> None:
        """Show what the map inside tiles means, in place of the other maps' meaning; None where it is not seen."""
        self.inside = legend
        self._changed()

    def show_together(
        self, features: Sequence[tuple[str, str]], scales: Sequence[str] = (), source: str = ""
    ) -> None:
        """Show features as (words, colour) of an encoder and SAE in place of the colour bar.

        `scales` says of each how far its colour goes; it has a line of its own, since a name may be cut off.
        """
        self.together, self.together_source = tuple(features), source
        self.scales = tuple(scales) or ("",) * len(self.together)
        self._changed()

    def show_cells(self, kinds: Sequence[tuple[str, str, int]], note: str = "") -> None:
        """Show (type, colour, count) of the slide's cells and a note about how they are drawn."""
        self.cells, self.note = tuple(kinds), note
        self._changed()

    def set_shown(self, *, heat: bool | None = None, cells: bool | None = None) -> None:
        """Say whether the map and the cells are to be seen on the canvas."""
        self._map_shown = self._map_shown if heat is None else heat
        self._cells_shown = self._cells_shown if cells is None else cells
        self._changed()

    def set_wanted(self, wanted: bool) -> None:
        """Show it whenever it has something to say, or never."""
        self._wanted = wanted
        self._changed()

    @property
    def heading(self) -> str:
        """What the canvas shows, in one line: a feature, several, or the slide alone."""
        if self._several:
            return "; ".join(words for words, _ in self.together)
        return self.shown_map.title if self.shown_map is not None else "Slide"

    @property
    def shown_map(self) -> MapLegend | None:
        """The map whose colour bar is painted, None where there is none to be seen."""
        if not self._map_shown or self._several:
            return None
        return self.inside or self.map

    @property
    def shown_colours(self) -> tuple[tuple[str, str], ...]:
        """Features and types of cell that are seen in a colour of their own, as (words, colour)."""
        pairs = zip(self.together, self.scales, strict=True)
        features = (
            [(_with(words, scale), colour) for (words, colour), scale in pairs] if self._several else ()
        )
        cells = self.cells if self._cells_shown else ()
        return (*features, *((f"{name} {count:,}", colour) for name, colour, count in cells))

    @property
    def _several(self) -> bool:
        return self._map_shown and bool(self.together) and self.inside is None

    @property
    def text(self) -> str:
        """All words that are painted, a line each: for screen readers and tests."""
        return "\n".join(line for line in self._lines() if line)

    def _lines(self) -> list[str]:
        lines: list[str] = []
        one = self.shown_map
        if self._several:
            pairs = zip(self.together, self.scales, strict=True)
            lines += [_with(words, scale) for (words, _), scale in pairs] + [self.together_source]
        elif one is not None:
            lines += [one.title, _unit(one), one.note, one.source]
        if self._cells_shown and self.cells:
            lines += [f"{name} {count:,}" for name, _, count in self.cells] + [self.note]
        return lines

    def changeEvent(self, event: QEvent) -> None:
        """Follow the size of the canvas it is put on."""
        if event.type() == QEvent.Type.ParentChange and self.parentWidget() is not self._canvas:
            if self._canvas is not None:
                self._canvas.removeEventFilter(self)
            self._canvas = self.parentWidget()
            if self._canvas is not None:
                self._canvas.installEventFilter(self)
        super().changeEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Be short, and narrow, where there is little room."""
        if watched is self._canvas and event.type() == QEvent.Type.Resize:
            short = self._canvas.height() < ROOM_PX[0] or self._canvas.width() < ROOM_PX[1]
            width = min(WIDTH_PX, max(_LEAST_WIDTH_PX, self._canvas.width() - 2 * MARGIN_PX))
            if (short, width) != (self._short, self._width):
                self._short, self._width = short, width
                self.resize(self.sizeHint())
                self.update()
        return False

    def _changed(self) -> None:
        self.setVisible(self._wanted and bool(self._lines()))
        self.setAccessibleName(self.text)
        self.resize(self.sizeHint())
        self.update()
        self.changed.emit()

    def sizeHint(self) -> QSize:
        """Return the size that the lines need."""
        line = self._line_px()
        height = 0
        if self._several:
            height += (len(self.together) + sum(map(bool, self.scales)) + bool(self.together_source)) * line
        elif self.shown_map is not None:
            titles = len(self._title_lines(self.shown_map.title))
            height += (3 + titles + bool(self.shown_map.note)) * line + _BAR_PX + 6
        if self._cells_listed:
            height += (-(-len(self.cells) // self._cell_columns()) + bool(self.note)) * line + 4
        elif self._cells_shown and self.cells:
            height += line
        return QSize(self._width, height + 2 * _PAD)

    @property
    def _cells_listed(self) -> bool:
        """Whether the types of cell are listed: on a small canvas they would hide the slide."""
        if not self._cells_shown or not self.cells:
            return False
        rows = -(-len(self.cells) // self._cell_columns())
        return not (self._short and rows > _MOST_ROWS_SHORT)

    def _cell_columns(self) -> int:
        room = self._width / 2 - _PAD - 18
        widths = (self.fontMetrics().horizontalAdvance(f"{name} {count:,}") for name, _, count in self.cells)
        return 2 if all(width <= room for width in widths) else 1

    def _bold(self) -> QFont:
        bold = QFont(self.font())
        bold.setBold(True)
        return bold

    def _title_lines(self, title: str) -> list[str]:
        """Break a title that is too long for a line into two; the second is cut where it must be."""
        metrics, room = QFontMetrics(self._bold()), self._width - 2 * _PAD
        if metrics.horizontalAdvance(title) <= room:
            return [title]
        words = title.split(" ")
        n = 1
        while n < len(words) and metrics.horizontalAdvance(" ".join(words[: n + 1])) <= room:
            n += 1
        rest = " ".join(words[n:])
        return [" ".join(words[:n]), rest] if rest else [title]

    def _line_px(self) -> int:
        return self.fontMetrics().height() + 2

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint everything."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(_PAPER)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawRoundedRect(self.rect(), 5, 5)
        top = float(_PAD)
        one = self.shown_map
        if self._several:
            for entry, scale in zip(self.together, self.scales, strict=True):
                top = self._paint_swatches(painter, top, [entry], columns=1)
                if scale:
                    self._write(painter, top - 2, scale, left=_PAD + 16)
                    top += self._line_px() - 2
            if self.together_source:
                self._write(painter, top, self.together_source)
                top += self._line_px()
        elif one is not None:
            top = self._paint_map(painter, top, one)
        if self._cells_shown and self.cells and not self._cells_listed:
            self._write(painter, top, _CELLS_ELSEWHERE)
        if self._cells_listed:
            entries = [(f"{name} {count:,}", colour) for name, colour, count in self.cells]
            top = self._paint_swatches(painter, top, entries, columns=self._cell_columns())
            if self.note:
                self._write(painter, top, self.note)
        painter.end()

    def _paint_map(self, painter: QPainter, top: float, legend: MapLegend) -> float:
        for line in self._title_lines(legend.title):
            self._write(painter, top, line, self._bold())
            top += self._line_px()
        colours = strip(legend.look, signed=legend.signed)
        image = QImage(colours.tobytes(), len(colours), 1, 3 * len(colours), QImage.Format.Format_RGB888)
        bar = QRectF(_PAD, top, self._width - 2 * _PAD, _BAR_PX)
        painter.drawImage(bar, image)
        top += _BAR_PX + 3
        below = QRectF(_PAD, top, self._width - 2 * _PAD, self._line_px())
        painter.setPen(_INK)
        painter.setFont(self.font())
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, number_text(legend.limits[0]))
        painter.drawText(below, _RIGHT, number_text(legend.limits[1]))
        painter.drawText(below, _MIDDLE, number_text(value_at(0.5, legend.limits, legend.look)))
        top += self._line_px()
        for words in (_unit(legend), legend.note, legend.source):
            if words:
                self._write(painter, top, words)
                top += self._line_px()
        return top + 3

    def _paint_swatches(
        self, painter: QPainter, top: float, entries: Sequence[tuple[str, str]], columns: int
    ) -> float:
        width = (self._width - 2 * _PAD) / columns
        for place, (words, colour) in enumerate(entries):
            y = top + (place // columns) * self._line_px()
            x = _PAD + (place % columns) * width
            painter.setPen(QColor("#999999"))
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(x, y + 3, 10, 10), 3, 3)
            self._write(painter, y, words, left=x + 16, width=width - 18)
        return top + -(-len(entries) // columns) * self._line_px() + 2

    def _write(
        self, painter: QPainter, top: float, text: str, font: QFont | None = None, left: float = _PAD,
        width: float | None = None,
    ) -> None:  # fmt: skip
        width = self._width - _PAD - left if width is None else width
        painter.setFont(font or self.font())
        painter.setPen(_INK)
        cut = QFontMetrics(font or self.font()).elidedText(text, Qt.TextElideMode.ElideRight, int(width))
        painter.drawText(QRectF(left, top, width, self._line_px()), Qt.AlignmentFlag.AlignLeft, cut)


def _with(words: str, scale: str) -> str:
    return f"{words}, {scale}" if scale else words


def _unit(legend: MapLegend) -> str:
    return f"{legend.unit}, log scale" if legend.look.log and not legend.signed else legend.unit
