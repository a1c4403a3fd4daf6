"""Write the report of a project."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from desktop_app.export.atlas.html_style import STYLE
from desktop_app.export.report.parts import text
from desktop_app.export.report.sections import (
    ReportChoice,
    features_section,
    methods_section,
    model_section,
    scores_section,
    short_section,
    slides_section,
    studies_section,
)
from desktop_app.project.analysis_jobs import require_current
from desktop_app.store import Store
from sae_backend.atomic_write import atomic_path
from sae_backend.errors import UserInputError

__all__ = ["ReportChoice", "check_report_name", "write_report"]

_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_OWN_STYLE: Final = "section{margin-top:2rem}section>article:first-of-type{margin-top:1rem}figure{margin:1rem 0}figure img{max-width:min(52rem,100%)}td{white-space:nowrap}td.t{white-space:normal;min-width:20rem}"
_PARTS: Final = (
    ("short", "In short"),
    ("slides", "Slides"),
    ("model", "Encoder and autoencoder"),
    ("scores", "Correlating features with cells"),
    ("studies", "Studies"),
    ("features", "Named features"),
    ("methods", "Methods and versions"),
)


def check_report_name(path: Path) -> None:
    """Refuse another ending than .html.

    Raises
    ------
    UserInputError
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserInputError(
            f"A report is a web page, and {path.name} does not end in .html.", "Name it report.html."
        )


def write_report(store: Store, path: Path, choice: ReportChoice | None = None) -> None:
    """Write the report of a project's current features.

    Raises
    ------
    UserInputError
        When the project has no features, or the file has another ending.
    CacheError
        When the file cannot be written.
    """
    check_report_name(path)
    choice = choice or ReportChoice()
    analysis = require_current(store)
    run = store.correlations.latest(str(analysis.sae_digest))
    makers: tuple[Callable[[], str], ...] = (
        lambda: short_section(store),
        lambda: slides_section(store, analysis, choice),
        lambda: model_section(store, analysis),
        lambda: scores_section(store, run),
        lambda: studies_section(store, choice),
        lambda: features_section(store, analysis),
        lambda: methods_section(store, run),
    )
    title = f"Report of {store.folder.name}"
    contents = " · ".join(f'<a href="#{anchor}">{text(name)}</a>' for anchor, name in _PARTS)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            '<meta name="referrer" content="no-referrer">'
            f"<title>{text(title)}</title><style>{STYLE}{_OWN_STYLE}</style></head><body>"
            f"<header><h1>{text(title)}</h1><p>Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by Sparsescope.</p>"
            f"<p>{contents}</p></header><main>"
        )
        for make in makers:
            file.write(make())
        file.write("</main></body></html>\n")
