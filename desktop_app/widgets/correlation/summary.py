"""What a feature follows and what follows a type, in sentences; each leads to its pair."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QEvent, QUrl, Signal
from PySide6.QtWidgets import QFrame, QTextBrowser, QWidget

from desktop_app.project.correlation.frame import FDR_ONLY, SIGNIFICANT, CorrelationFrame
from desktop_app.project.correlation.query import Names
from desktop_app.project.correlation.text import (
    best_sentence,
    by_strength,
    nothing_sentence,
    pair_sentence,
    selectivity_sentence,
)
from desktop_app.widgets.controls.theme_colours import tones


class CorrelationSummary(QTextBrowser):
    """Two lists of sentences: of the chosen feature by type, and of the best feature of each type."""

    pair_requested = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(60)
        self.setAccessibleName("Correlations in sentences")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setStyleSheet("QTextBrowser { background: transparent; }")
        self.anchorClicked.connect(self._clicked)
        self._frame: CorrelationFrame | None = None
        self._names = Names()
        self._feature: int | None = None
        self._theme = ""

    def show_frame(self, frame: CorrelationFrame | None, names: Names) -> None:
        """Show a run."""
        self._frame, self._names = frame, names
        self._write()

    def show_feature(self, feature: int | None) -> None:
        """Say what a feature follows, None for none."""
        if feature != self._feature:
            self._feature = feature
            self._write()

    def names_changed(self) -> None:
        """Write the sentences with other names."""
        self._write()

    def _called(self, feature: int) -> str:
        name = self._names.of(feature)
        return f"Feature {feature}" + (f": {name}" if name else "")

    def _write(self) -> None:
        frame = self._frame
        if frame is None:
            self.clear()
            return
        colours = tones()
        self._theme = colours.ink
        self.document().setDefaultStyleSheet(
            f"a {{ color: {colours.ink}; text-decoration: none; }} a.dim {{ color: {colours.muted}; }} "
            f"p {{ margin: 0 0 5px 0; color: {colours.ink}; }} p.head {{ font-weight: bold; margin-top: 4px; }} "
        )
        parts = self._of_feature(frame)
        how = (
            "selected on one half, reported on the other"
            if frame.is_held_out
            else "selected and reported on the same tiles, so r is optimistic"
        )
        parts.append(f'<p class="head">The best feature for each type, {how}</p>')
        for column in range(frame.shape[1]):
            feature = int(frame.best_features[column])
            words = best_sentence(frame, column, self._names.of)
            sure = feature >= 0 and frame.verdict(feature, column) in (SIGNIFICANT, FDR_ONLY)
            parts.append(_line(words, feature, column, sure=sure))
        place = self.verticalScrollBar().value()
        self.setHtml("".join(parts))
        self.verticalScrollBar().setValue(place)

    def _of_feature(self, frame: CorrelationFrame) -> list[str]:
        feature = self._feature
        if feature is None or not 0 <= feature < frame.shape[0]:
            return ["<p>Choose a feature to read its correlations.</p>"]
        parts = [f'<p class="head">{escape(self._called(feature))}</p>']
        known = [column for column, _ in by_strength(frame, feature)]
        others = [column for column in range(frame.shape[1]) if column not in known]
        if not known:
            return [*parts, f"<p>{escape(nothing_sentence(frame, feature))}</p>"]
        for column in [*known, *others]:
            pair = frame.pair(feature, column)
            parts.append(
                _line(
                    pair_sentence(frame, pair), feature, column, sure=pair.verdict in (SIGNIFICANT, FDR_ONLY)
                )
            )
        selective = selectivity_sentence(frame, feature)
        if selective:
            parts.append(f"<p>{escape(selective)}</p>")
        return parts

    def _clicked(self, link: QUrl) -> None:
        feature, column = (int(part) for part in link.toString().split("/"))
        if feature >= 0:
            self.pair_requested.emit(feature, column)

    def changeEvent(self, event: QEvent) -> None:
        """Write anew in the colours of another theme."""
        super().changeEvent(event)
        if (
            event.type() == QEvent.Type.PaletteChange
            and self._frame is not None
            and tones().ink != self._theme
        ):
            self._write()


def _line(words: str, feature: int, column: int, *, sure: bool) -> str:
    kind = "" if sure else ' class="dim"'
    return f'<p><a href="{feature}/{column}"{kind}>{escape(words)}</a></p>'
