"""The atlas as one web page that holds all its pictures; written feature by feature."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO, Final

from PIL import Image

from desktop_app.export.atlas import text as words
from desktop_app.export.atlas.charts import N_TYPES, correlations_png, histogram_png, map_jpeg
from desktop_app.export.atlas.html_style import SCRIPT, STYLE, script_digest
from desktop_app.export.atlas.pages import AtlasPage, AtlasTile, Rgb
from desktop_app.export.atlas.source import AtlasSource
from desktop_app.store import CorrelationRow
from sae_backend.statistics.number_text import interval_text, r_text

_JPEG_QUALITY: Final = 85
_NUMBER: Final = ' class="n"'


def write_web_page(source: AtlasSource, pages: Iterable[AtlasPage], file: BinaryIO) -> None:
    """Write the atlas as HTML.

    Parameters
    ----------
    source
        What the project says.
    pages
        Its pages, made as they are asked for.
    file
        Where it goes.
    """
    file.write(_head(source).encode())
    for page in pages:
        file.write(_article(source, page).encode())
    file.write(f"</main><script>{SCRIPT}</script></body></html>\n".encode())


def _head(source: AtlasSource) -> str:
    title = f"Feature atlas of {source.slide.name}"
    allowed = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{script_digest()}'"
    paragraphs = "".join(f"<p>{_text(paragraph)}</p>" for paragraph in words.first_page(source))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{_text(title)}</h1>{_notices(source)}{paragraphs}"
        f'<p class="small">{_text(words.footer_text(source))}</p></header>'
        f"<main>{_index(source)}\n"
    )


def _index(source: AtlasSource) -> str:
    stats = source.features.stats
    rows = []
    for number in source.numbers:
        note = source.note(number)
        best = next(iter(source.correlations.get(number, ())), None)
        follows = "" if best is None or best.value is None else f"{best.cell_type} ({r_text(best.value)})"
        known = " ".join(
            [
                str(number),
                *(value for value in note.cells().values() if isinstance(value, str)),
                follows,
            ]
        )
        rows.append(
            f'<tr data-find="{_text(known.lower())}" data-page="f{number}">'
            f'<td class="n"><a href="#f{number}">{number}</a></td><td>{_text(note.name)}</td><td>{_text(note.concept)}</td>'
            f'<td>{_text(note.status)}</td><td class="n">{note.confidence or ""}</td>'
            f'<td class="n">{stats.firing_rate[number]:.1%}</td><td>{_text(follows)}</td></tr>'
        )
    n_tiles = int(source.features.valid.sum())
    heads = "".join(
        f'<th scope="col"{kind}>{head}</th>'
        for head, kind in (
            ("feature", _NUMBER),
            ("name", ""),
            ("concept", ""),
            ("status", ""),
            ("confidence (of 5)", _NUMBER),
            (f"fires in (of {n_tiles:,} tiles)", _NUMBER),
            ("largest Pearson r", ""),
        )
    )
    return (
        '<div class="search" role="search"><label for="find">Find a feature</label>'
        '<input id="find" type="search" placeholder="number, name, tag, cell type" autocomplete="off">'
        '<span id="found" role="status"></span></div>'
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _article(source: AtlasSource, page: AtlasPage) -> str:
    number = page.facts.feature
    said = _pairs(words.note_lines(page.note))
    measured = _pairs(words.number_lines(source, page.facts))
    alt = (
        f"Map of feature {number} over {source.slide.name}: it fires in {words.firing_text(page.facts)}, "
        f"at most {words.value_text(page.facts.max_value)}."
    )
    map_figure = _figure(map_jpeg(page.map), "jpeg", alt, words.map_text(source))
    return (
        f'<article id="f{number}"><h2>{_text(page.title)}</h2>{_notices(source)}'
        f'<div class="two">{map_figure}<div><h3>Annotations</h3>{said}{_comments(page)}'
        f"<h3>Measurements</h3>{measured}</div></div>"
        f"{_tiles(page, words.STRONGEST_TITLE, page.strongest, words.NO_TILES)}"
        f"{_weaker(page)}{_chosen(page)}"
        f"{_charts(source, page)}"
        f'<p class="small foot">{_text(words.footer_text(source))}</p></article>\n'
    )


def _comments(page: AtlasPage) -> str:
    if not page.comments:
        return ""
    items = "".join(
        f"<li>{_text(c.text)} <span class='small'>({_text(c.author)}, {_text(c.at[:10])})</span></li>"
        for c in page.comments
    )
    return f'<h3>Comments</h3><ul class="comments">{items}</ul>'


def _weaker(page: AtlasPage) -> str:
    if not page.strongest:
        return ""
    below = f'<p class="small">{_text(words.tiles_text(page.facts))}</p>'
    return _tiles(page, words.WEAKER_TITLE, page.weaker, words.NO_WEAKER) + below


def _chosen(page: AtlasPage) -> str:
    unseen = words.unseen_text(page.n_chosen_unseen)
    below = f'<p class="small">{_text(unseen)}</p>' if unseen else ""
    if not page.chosen:
        return below
    return _tiles(page, words.CHOSEN_TITLE, page.chosen, "") + below


def _tiles(page: AtlasPage, title: str, tiles: Sequence[AtlasTile], none: str) -> str:
    if not tiles:
        return f"<h3>{_text(title)}</h3><p>{_text(none)}</p>"
    items = []
    for tile in tiles:
        alt = words.place_alt(tile.place, page.facts.n_firing)
        items.append(f"<li>{_figure(_jpeg(tile.rgb), 'jpeg', alt, words.place_text(tile.place))}</li>")
    return f'<h3>{_text(title)}</h3><ul class="tiles">{"".join(items)}</ul>'


def _charts(source: AtlasSource, page: AtlasPage) -> str:
    facts = page.facts
    alt = f"Histogram of the activations of feature {facts.feature} in the {facts.n_firing:,} tiles where it fires."
    histogram = (
        _figure(histogram_png(facts), "png", alt, "") if facts.n_firing else f"<p>{_text(words.NO_TILES)}</p>"
    )
    follows, below = f"<p>{_text(words.NO_CORRELATION)}</p>", ""
    if source.correlation is not None:
        defined = any(row.value is not None for row in page.correlations)
        alt = f"Pearson r of feature {facts.feature} by cell type with intervals; the table below has the numbers."
        chart = _figure(correlations_png(page.correlations), "png", alt, "") if defined else ""
        follows = chart + _table(page.correlations)
        method = f"{words.correlation_text(source)} {source.correlation.meta['method']}."
        below = f'<p class="small">{_text(method)}</p>'
    return (
        f'<div class="two even"><section><h3>{_text(words.HISTOGRAM_TITLE)}</h3>{histogram}</section>'
        f"<section><h3>{_text(words.follows_title(page.correlations, N_TYPES))}</h3>{follows}</section></div>"
        f"{below}"
    )


def _table(rows: Sequence[CorrelationRow]) -> str:
    lines = []
    for row in rows:
        lines.append(
            f'<tr><th scope="row">{_text(row.cell_type)}</th><td class="n">{r_text(row.value)}</td><td class="n">{interval_text(row.ci_low, row.ci_high)}</td>'
            f'<td class="n">{_text(words.row_p_text(row))}</td></tr>'
        )
    return (
        '<div class="wide"><table><thead><tr><th scope="col">cell type</th><th scope="col" class="n">Pearson r</th>'
        '<th scope="col" class="n">95 % interval</th><th scope="col" class="n">family-wise p</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _notices(source: AtlasSource) -> str:
    return "".join(f'<p class="notice">{_text(notice)}</p>' for notice in source.notices)


def _pairs(lines: Iterable[tuple[str, str]]) -> str:
    return (
        "<dl>"
        + "".join(f"<dt>{_text(label)}</dt><dd>{_text(value)}</dd>" for label, value in lines)
        + "</dl>"
    )


def _figure(picture: bytes, kind: str, alt: str, caption: str) -> str:
    data = base64.b64encode(picture).decode()
    below = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{_text(alt)}" decoding="async" src="data:image/{kind};base64,{data}">{below}</figure>'


def _jpeg(rgb: Rgb) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def _text(text: str) -> str:
    """Escaped for a browser, without letters that no page may hold."""
    return html.escape("".join(letter for letter in text if letter >= " " or letter in "\n\t"))
