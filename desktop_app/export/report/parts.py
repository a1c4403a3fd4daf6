"""The pieces of the report's page: escaped text, tables, figures."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from desktop_app.project.studies.figures import picture
from sae_backend.studies.framework.report import Figure

MOST_ROWS: Final = 40
"""Rows of a table that stand in the report; all of them are in the exported table."""

_HEAVY_POINTS: Final = 3_000
_SENTENCE: Final = 36


def text(value: object) -> str:
    """Words as HTML."""
    return html.escape(str(value))


def paragraph(words: str, kind: str = "") -> str:
    """One paragraph; `kind` is a class of the style."""
    return f"<p{f' class={kind!r}' if kind else ''}>{text(words)}</p>"


def section(title: str, content: str, anchor: str) -> str:
    """A part with a heading."""
    return f'<section id="{anchor}"><h2>{text(title)}</h2>{content}</section>'


def table(
    columns: Mapping[str, Sequence[Any]], notes: Mapping[str, str] | None = None, most: int = MOST_ROWS
) -> str:
    """A table by columns, cut after `most` rows, which it says."""
    names = list(columns)
    n_rows = max((len(values) for values in columns.values()), default=0)
    if not names or not n_rows:
        return ""
    numeric = {name: any(_is_number(value) for value in columns[name]) for name in names}
    head = "".join(f"<th{_class(numeric[name])}>{text(name)}</th>" for name in names)
    rows = "".join(
        "<tr>" + "".join(_cell(_shown(columns[name][row]), numeric[name]) for name in names) + "</tr>"
        for row in range(min(n_rows, most))
    )
    said = [f"{name}: {note}." for name, note in (notes or {}).items() if name in names]
    if n_rows > most:
        said.append(f"The first {most} of {n_rows:,} rows.")
    below = paragraph(" ".join(said), "small") if said else ""
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{below}'
    )


def _cell(words: str, is_numeric: bool) -> str:
    # A sentence gets room for a few words a line; all else stays on one.
    kind = ' class="t"' if len(words) > _SENTENCE and not is_numeric else _class(is_numeric)
    return f"<td{kind}>{text(words)}</td>"


def _class(is_numeric: bool) -> str:
    return ' class="n"' if is_numeric else ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def figure(drawn: Figure) -> str:
    """A figure with its caption; one of very many points as pixels, since each would be an element."""
    n_points = sum(getattr(mark, "x", getattr(mark, "values", ())).__len__() for mark in drawn.marks)
    ending, kind = ("png", "image/png") if n_points > _HEAVY_POINTS else ("svg", "image/svg+xml")
    data = base64.b64encode(picture(drawn, ending)).decode()
    words = text(f"{drawn.title}. {drawn.caption}")
    return f'<figure><img src="data:{kind};base64,{data}" alt="{words}" loading="lazy"></figure>'
