"""The atlas as PDF: A4, a page a feature."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, Final

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from desktop_app.export.atlas import text as words
from desktop_app.export.atlas.charts import N_TYPES, draw_correlations, draw_histogram, draw_map, map_size
from desktop_app.export.atlas.fonts import families, fitted, printable, width_pt, wrapped
from desktop_app.export.atlas.pages import N_TILES, AtlasPage, AtlasTile
from desktop_app.export.atlas.pdf_jpeg import JpegPdf
from desktop_app.export.atlas.source import AtlasSource
from desktop_app.store import CorrelationRow
from sae_backend.statistics.number_text import count_text, interval_text, r_text

_WIDTH: Final = 595.276
_HEIGHT: Final = 841.89
_LEFT: Final = 42.0
_RIGHT: Final = _WIDTH - 42.0
_TOP: Final = _HEIGHT - 40.0
_BOTTOM: Final = 34.0
_LINE: Final = 1.32
_INK: Final = "#1a1a1a"
_PALE: Final = "#444444"
_COLUMN: Final = 318.0
_GAP: Final = 46.0
_MAP_HEIGHT: Final = 300.0
_MAP_CAPTION: Final = 24.0
_TILE_GAP: Final = 6.0
_TILE_SIDE: Final = (_RIGHT - _LEFT - (N_TILES - 1) * _TILE_GAP) / N_TILES
_HEADING: Final = 9.5 * _LINE + 2
_TILE_ROW: Final = _HEADING + _TILE_SIDE + 7.0 * _LINE + 7
_CHART_HEIGHTS: Final = (100.0, 150.0)
_CHART_LABELS: Final = 38.0
_SMALL_PRINT: Final = 6.5
_SMALL_LINES: Final = 8
_WORDS: Final = 8.0


class _Sheet:
    """An A4 page in points, the origin at the lower left, filled from the top."""

    def __init__(self) -> None:
        self.figure = Figure((_WIDTH / 72, _HEIGHT / 72), dpi=72)
        self.y = _TOP

    def axes(self, x: float, y: float, width: float, height: float) -> Any:
        """Axes whose lower left corner is at (x, y)."""
        return self.figure.add_axes((x / _WIDTH, y / _HEIGHT, width / _WIDTH, height / _HEIGHT))

    def line(self, x: float, y: float, text: str, size: float, **style: Any) -> None:
        """One line of text whose upper edge is at y."""
        options = {"color": _INK, "va": "top", "fontfamily": families(), **style}
        self.figure.text(x / _WIDTH, y / _HEIGHT, text, fontsize=size, parse_math=False, **options)

    def lines(self, x: float, y: float, texts: Sequence[str], size: float, **style: Any) -> float:
        """Lines below each other; returns where the next would begin."""
        for text in texts:
            self.line(x, y, text, size, **style)
            y -= size * _LINE
        return y

    def title(self, text: str, size: float) -> None:
        """A title of two lines at most, at the place reached."""
        lines = wrapped(text, _RIGHT - _LEFT, size, bold=True)
        if len(lines) > 2:
            lines = [lines[0], fitted(" ".join(lines[1:]), _RIGHT - _LEFT, size, bold=True)]
        self.y = self.lines(_LEFT, self.y, lines, size, weight="bold") - 4

    def block(self, text: str, size: float, **style: Any) -> None:
        """A paragraph over the whole width, at the place reached."""
        self.y = self.lines(_LEFT, self.y, wrapped(text, _RIGHT - _LEFT, size), size, **style)

    def heading(self, text: str) -> None:
        """A heading at the place reached."""
        self.line(_LEFT, self.y, text, 9.5, weight="bold")
        self.y -= _HEADING

    def notice(self, text: str) -> None:
        """A paragraph that cannot be passed over."""
        lines = wrapped(text, _RIGHT - _LEFT - 16, 8.0)
        height = len(lines) * 8.0 * _LINE + 6
        corner = (_LEFT / _WIDTH, (self.y - height) / _HEIGHT)
        for width, colour in ((_RIGHT - _LEFT, "#fff3cd"), (3.0, "#8a6100")):
            place = Rectangle(corner, width / _WIDTH, height / _HEIGHT, facecolor=colour, linewidth=0)
            place.set_transform(self.figure.transFigure)
            self.figure.add_artist(place)
        self.lines(_LEFT + 10, self.y - 4, lines, 8.0)
        self.y -= height + 5

    def foot(self, text: str, number: int, total: int) -> None:
        """The last line: what the page was made from, and its number."""
        pages = f"{number} / {total}"
        y = _BOTTOM
        self.figure.add_artist(
            Line2D([_LEFT / _WIDTH, _RIGHT / _WIDTH], [(y + 4) / _HEIGHT] * 2, color="#b0b0b0", linewidth=0.6)
        )
        self.line(
            _LEFT,
            y,
            fitted(printable(text), _RIGHT - _LEFT - width_pt(pages, 7.0) - 12, 7.0),
            7.0,
            color=_PALE,
        )
        self.line(_RIGHT, y, pages, 7.0, color=_PALE, ha="right")


def write_pdf(source: AtlasSource, pages: Iterable[AtlasPage], file: BinaryIO) -> None:
    """Write the atlas as PDF.

    Parameters
    ----------
    source
        What the project says.
    pages
        Its pages, made as they are asked for.
    file
        Where it goes.
    """
    total = len(source.numbers) + 1
    title = f"Feature atlas of {source.slide.name}"
    # Only what stands on the pages anyway: no author, no path, no name of the machine.
    facts = {"Title": title, "Creator": "Sparsescope", "Producer": None, "CreationDate": source.made_at}
    with JpegPdf(file, facts) as pdf:
        pdf.add_page(_first_page(source, title, total))
        for number, page in enumerate(pages, start=2):
            pdf.add_page(_feature_page(source, page, number, total))


def _first_page(source: AtlasSource, title: str, total: int) -> Figure:
    sheet = _Sheet()
    sheet.title(title, 18.0)
    sheet.y -= 4
    for notice in source.notices:
        sheet.notice(notice)
    sheet.y -= 4
    for paragraph in words.first_page(source):
        sheet.block(paragraph, 9.0)
        sheet.y -= 5
    sheet.y -= 8
    sheet.heading("Pages")
    size, n_columns = 8.0, 2
    width = (_RIGHT - _LEFT) / n_columns
    n_rows = max(int((sheet.y - _BOTTOM - 16) / (size * _LINE)), 1)
    shown = source.numbers[: n_columns * n_rows]
    for place, feature in enumerate(shown):
        x, y = _LEFT + width * (place // n_rows), sheet.y - size * _LINE * (place % n_rows)
        sheet.line(x + 22, y, str(place + 2), size, color=_PALE, ha="right")
        sheet.line(x + 30, y, fitted(printable(source.title(feature)), width - 42, size), size)
    if len(shown) < len(source.numbers):
        text = f"and {count_text(len(source.numbers) - len(shown), 'feature')} more, in the same order"
        sheet.line(_LEFT + 30, _BOTTOM + 16, text, size, color=_PALE)
    sheet.foot(words.footer_text(source), 1, total)
    return sheet.figure


def _feature_page(source: AtlasSource, page: AtlasPage, number: int, total: int) -> Figure:
    sheet = _Sheet()
    sheet.title(page.title, 15.0)
    for notice in source.notices:
        sheet.notice(notice)
    small_print = _small_print(source)
    foot = _BOTTOM + 12 + len(small_print) * _SMALL_PRINT * _LINE
    chart = _chart_height(page)
    # The map takes what the rest leaves, so that all fits on one page.
    rows = 3 if page.chosen else 2
    below = foot + chart + _CHART_LABELS + _HEADING + 10 + rows * _TILE_ROW + 7.0 * _LINE + 8
    unseen = words.unseen_text(page.n_chosen_unseen)
    below += 7.0 * _LINE if unseen else 0
    _map_and_words(sheet, source, page, min(sheet.y - below - _MAP_CAPTION, _MAP_HEIGHT))
    _tiles(sheet, words.STRONGEST_TITLE, page.strongest, words.NO_TILES)
    if page.strongest:
        _tiles(sheet, words.WEAKER_TITLE, page.weaker, words.NO_WEAKER)
        sheet.block(words.tiles_text(page.facts), 7.0, color=_PALE)
    if page.chosen:
        _tiles(sheet, words.CHOSEN_TITLE, page.chosen, "")
    if unseen:
        sheet.block(unseen, 7.0, color=_PALE)
    sheet.y -= 8
    _charts(sheet, page, chart)
    sheet.lines(_LEFT, foot, small_print, _SMALL_PRINT, color=_PALE)
    sheet.foot(words.footer_text(source), number, total)
    return sheet.figure


def _small_print(source: AtlasSource) -> list[str]:
    if source.correlation is None:
        return []
    texts = [words.correlation_text(source), f"{source.correlation.meta['method']}."]
    lines = [line for text in texts for line in wrapped(text, _RIGHT - _LEFT, _SMALL_PRINT)]
    return (
        lines
        if len(lines) <= _SMALL_LINES
        else [*lines[: _SMALL_LINES - 1], "… the whole method is on the first page"]
    )


def _chart_height(page: AtlasPage) -> float:
    lowest, highest = _CHART_HEIGHTS
    n_types = min(sum(row.value is not None for row in page.correlations), N_TYPES)
    return min(max(12.5 * n_types, lowest), highest)


def _map_and_words(sheet: _Sheet, source: AtlasSource, page: AtlasPage, tallest: float) -> None:
    top = sheet.y
    width, height = map_size(page.map, _COLUMN - _GAP, tallest)
    axes = sheet.axes(_LEFT, top - height, width, height)
    bar = sheet.axes(_LEFT + width + 6, top - height, 9, height)
    draw_map(axes, bar, page.map)
    end = sheet.lines(
        _LEFT, top - height - 5, wrapped(words.map_text(source), _COLUMN, 7.0), 7.0, color=_PALE
    )
    x = _LEFT + _COLUMN + 14
    measured = _flat(words.number_lines(source, page.facts), _RIGHT - x)
    said = _flat(_said(page), _RIGHT - x)
    room = tallest + _MAP_CAPTION - 2 * _HEADING - 12
    n_lines = max(int(room / (_WORDS * _LINE)) - len(measured), 4)
    if len(said) > n_lines:
        # What nobody said goes first.
        said = _flat([pair for pair in _said(page) if pair[1] != words.NOT_GIVEN], _RIGHT - x)
    if len(said) > n_lines:
        said = [*said[: n_lines - 1], "… more in the project and in the web page"]
    y = top
    for heading, lines in (("Annotations", said), ("Measurements", measured)):
        sheet.line(x, y, heading, 9.5, weight="bold")
        y = sheet.lines(x, y - _HEADING, lines, _WORDS) - 6
    sheet.y = min(end, y + 6) - 6


def _said(page: AtlasPage) -> list[tuple[str, str]]:
    comments = [
        (f"Comment of {comment.author}, {comment.at[:10]}", comment.text) for comment in page.comments
    ]
    return [*words.note_lines(page.note), *comments]


def _flat(pairs: Sequence[tuple[str, str]], width: float) -> list[str]:
    return [line for label, value in pairs for line in wrapped(f"{label}: {value}", width, _WORDS)]


def _tiles(sheet: _Sheet, title: str, tiles: Sequence[AtlasTile], none: str) -> None:
    sheet.heading(title)
    if not tiles:
        sheet.block(none, 8.0)
        sheet.y -= 4
        return
    width, side = _RIGHT - _LEFT, _TILE_SIDE
    axes = sheet.axes(_LEFT, sheet.y - side, width, side)
    for place, tile in enumerate(tiles):
        x = place * (side + _TILE_GAP)
        axes.imshow(tile.rgb, extent=(x, x + side, 0, side), interpolation="none", aspect="auto")
        sheet.line(_LEFT + x, sheet.y - side - 2.5, words.place_text(tile.place), 7.0, color=_PALE)
    axes.set_xlim(0, width)
    axes.set_ylim(0, side)
    axes.set_axis_off()
    sheet.y -= _TILE_ROW - _HEADING


def _charts(sheet: _Sheet, page: AtlasPage, height: float) -> None:
    top = sheet.y
    middle = _LEFT + 205.0
    sheet.line(_LEFT, top, words.HISTOGRAM_TITLE, 9.5, weight="bold")
    heading = fitted(words.follows_title(page.correlations, N_TYPES), _RIGHT - middle, 9.5, bold=True)
    sheet.line(middle, top, heading, 9.5, weight="bold")
    top -= _HEADING + 10
    draw_histogram(sheet.axes(_LEFT + 28, top - height, 150, height), page.facts)
    defined = [row for row in page.correlations if row.value is not None][:N_TYPES]
    names = max((width_pt(printable(row.cell_type), 7.5) for row in defined), default=0.0)
    label = min(names, 110.0)
    x = middle + label + 8
    table = 136.0
    axes = sheet.axes(x, top - height, _RIGHT - table - x, height)
    draw_correlations(axes, page.correlations)
    _correlation_numbers(sheet, axes, defined, _RIGHT - table + 10)


def _correlation_numbers(sheet: _Sheet, axes: Any, rows: Sequence[CorrelationRow], x: float) -> None:
    """The numbers beside the drawing, each at the height of its line."""
    frame = axes.get_position()
    low, high = axes.get_ylim()
    if not rows:
        return
    size = 6.5
    sheet.line(x, frame.y1 * _HEIGHT + size + 1, "r (95 % interval), family-wise p", size, color=_PALE)
    for place, row in enumerate(rows):
        share = (place - low) / (high - low)
        y = (frame.y0 + share * frame.height) * _HEIGHT
        ends = interval_text(row.ci_low, row.ci_high)
        sheet.line(x, y, f"{r_text(row.value)} ({ends}), p = {words.row_p_text(row)}", size, va="center")
