"""The embedded demo: a generated slide through the whole chain, offline, with a report."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from desktop_app.demo import steps as demo_steps
from desktop_app.export import feature_table as export
from desktop_app.export.correlation_table import write_correlations
from desktop_app.export.heatmap_picture import Caption, gallery_png, heatmap_png
from desktop_app.project.analysis_jobs import add_slide, features_of, open_slide, require_current
from desktop_app.project.correlation.notices import CHOSEN_NOTICE, counted_cells_text
from desktop_app.project.correlation.options import CorrelateOptions
from desktop_app.project.correlation.provenance import run_of
from desktop_app.project.correlation.text import strongest_text
from desktop_app.project.notices import GENERATED_NOTICE, analysis_text, interval_text
from desktop_app.project.run_jobs import analyze_slide, correlate_project
from desktop_app.store import CorrelationRecord, CorrelationRow, Store
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.activations.heatmap import heatmap
from sae_backend.atomic_write import write_text_atomic
from sae_backend.models.bundled_models import scoreboard_followers
from sae_backend.paths import resource
from sae_backend.slides.slide import Slide
from sae_backend.statistics.number_text import count_text
from sae_backend.worker.client import Backend, wait_for
from sae_backend.worker.requests import DrawRequest, Progress

_N_TILES_SHOWN: Final = 12


@dataclass(frozen=True)
class DemoMade:
    """What the demo made: the project, the feature to begin with, words and data for the user."""

    project: Path
    feature: int
    text: str
    data: dict[str, Any]


def make_demo(out: Path, backend: Backend, report: Callable[[Progress], None]) -> DemoMade:
    """Make the demo in a folder, or what of it is not there yet, and write its report.

    Raises
    ------
    SparsescopeError
        When any link of the chain fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    slide_path, _ = demo_steps.demo_paths(out)
    if not demo_steps.is_drawn(out):
        request = DrawRequest(str(out.absolute()), demo_steps.DEMO_SLIDE.to_json())
        wait_for(backend, backend.submit(request), report)
    with demo_steps.open_project(out) as store:
        slide = add_slide(store, slide_path)
        demo_steps.give_cells(store, slide.id, out)
        analysis = store.analyses.current(slide.id)
        if analysis is None or analysis.feature_folder is None:
            analysis = analyze_slide(store, backend, slide.id, demo_steps.demo_options(), report)
        features = features_of(store, analysis)
        demo_steps.name_followers(store, features.sae_digest)
        if store.correlations.latest(features.sae_digest) is None:
            # The features shown were chosen on other slides, so nothing of this one need be held out.
            correlate_project(store, backend, CorrelateOptions(hold_out=False), report)
        return _write_report(store, out)


def _best_features(rows: list[CorrelationRow]) -> dict[str, CorrelationRow]:
    """For every cell type the feature with the largest positive Pearson r."""
    best: dict[str, CorrelationRow] = {}
    for row in rows:
        if row.statistic == "pearson" and row.value is not None:
            known = best.get(row.cell_type)
            if known is None or row.value > (known.value or 0.0):
                best[row.cell_type] = row
    return best


def _shown_features(rows: list[CorrelationRow]) -> dict[str, CorrelationRow]:
    """For every cell type the feature that was chosen on other slides, and how it does on this one."""
    by = {(row.cell_type, row.feature): row for row in rows if row.statistic == "pearson"}
    shown = {}
    for cell_type, found in scoreboard_followers().items():
        row = by.get((cell_type, found.feature))
        if row is not None:
            shown[cell_type] = row
    return shown


def _write_report(store: Store, out: Path) -> DemoMade:
    analysis = require_current(store)
    record = store.slides.get(analysis.slide_id)
    features = features_of(store, analysis)
    correlation = store.correlations.latest(features.sae_digest)
    if correlation is None:
        raise RuntimeError("the demo ends with a correlation")
    rows = store.correlations.rows(correlation.id)
    shown = _shown_features(rows)
    source = analysis_text(analysis, record)
    sections = []
    with open_slide(record) as slide:
        for cell_type, row in sorted(shown.items()):
            stem = f"feature-{row.feature}-{cell_type.lower().replace(' ', '-')}"
            title = (
                f"Feature {row.feature}, chosen on other slides to follow {cell_type}s: here {interval_text(row)}; "
                f"n = {row.n_tiles:,} tiles"
            )
            caption = Caption(title, source, GENERATED_NOTICE)
            heatmap_png(slide, heatmap(features, row.feature), out / f"{stem}.png", caption)
            _write_gallery(slide, features, row.feature, out / f"{stem}-tiles.png")
            sections.append((title, [out / f"{stem}.png", out / f"{stem}-tiles.png"]))
    export.feature_table(store, out / "features.csv")
    for suffix in ("csv", "parquet"):
        write_correlations(store, run_of(store), out / f"correlations.{suffix}")
    page = _page(store, source, correlation, rows, sections)
    write_text_atomic(out / "report.html", page)
    summary = strongest_text(correlation, store.correlations.arrays(correlation.id))
    text = f"{source}\n{GENERATED_NOTICE}\n{summary}\nReport, pictures and tables are in {out.absolute()}."
    data = {
        "out": str(out.absolute()),
        "report": str((out / "report.html").absolute()),
        "shown": {
            k: {"feature": r.feature, "r": r.value, "ci": [r.ci_low, r.ci_high]} for k, r in shown.items()
        },
        "best": {
            k: {"feature": r.feature, "r": r.value, "ci": [r.ci_low, r.ci_high]}
            for k, r in _best_features(rows).items()
        },
    }
    first = shown.get(demo_steps.FIRST_TYPE) or next(iter(shown.values()))
    return DemoMade(store.folder, first.feature, text, data)


def _write_gallery(slide: Slide, features: FeatureMatrix, feature: int, path: Path) -> None:
    tiles, values = features.column(feature)
    order = np.argsort(-values, kind="stable")[:_N_TILES_SHOWN]
    strongest = [(int(tiles[i]), float(values[i])) for i in order]
    grid_um = features.grid.spec.tile_px * features.grid.spec.tile_mpp
    title = (
        f"The {len(strongest)} tiles where feature {feature} fires most "
        f"(above each: its number and activation; {grid_um:g} µm wide)"
    )
    gallery_png(slide, features.grid, strongest, path, title)


def _tested_text(rows: list[CorrelationRow]) -> str:
    tested = {row.feature for row in rows if row.value is not None}
    return (
        f"Of {len({row.feature for row in rows}):,} features {len(tested):,} fire in enough tiles to be "
        "correlated; the others are in the table with the reason."
    )


def _truth_table(store: Store, rows: list[CorrelationRow]) -> str:
    """The types with the cells drawn, the feature chosen elsewhere, its r here and there, and the best here."""
    analysis = require_current(store)
    table = store.cells.get(analysis.slide_id)
    drawn = (
        {}
        if table is None
        else dict(zip(table.type_names, np.bincount(table.type_index).tolist(), strict=True))
    )
    shown, best = _shown_features(rows), _best_features(rows)
    cells = []
    for cell_type, found in scoreboard_followers().items():
        here, top = shown.get(cell_type), best.get(cell_type)
        cells.append(
            "<tr>"
            f"<td>{html.escape(cell_type)}</td><td>{drawn.get(cell_type, 0):,}</td><td>{found.feature}</td>"
            f"<td>{html.escape(interval_text(here)) if here else 'it does not fire here'}</td>"
            f"<td>{html.escape(found.text)}, {found.n_slides} slides, {found.n_tiles:,} tiles</td>"
            f"<td>{'' if top is None else f'{top.feature}: {html.escape(interval_text(top))}'}</td></tr>"
        )
    head = (
        "<tr><th>cell type</th><th>cells drawn</th><th>feature chosen on other slides</th>"
        "<th>its Pearson r on this slide</th><th>its r on held-out slides (scoreboard)</th>"
        "<th>largest r on this slide (chosen here, so too favourable)</th></tr>"
    )
    return f"<table>{head}{''.join(cells)}</table>"


def _page(
    store: Store,
    source: str,
    correlation: CorrelationRecord,
    rows: list[CorrelationRow],
    sections: list[tuple[str, list[Path]]],
) -> str:
    meta = correlation.meta
    escape = html.escape
    board = resource("scoreboard/scoreboard.png")
    words = resource("scoreboard/scoreboard.txt").read_text(encoding="utf-8")
    body = [
        "<h1>Sparsescope demo</h1>",
        f"<p>{escape(source)}</p>",
        f"<p class='notice'>{escape(GENERATED_NOTICE)}</p>",
        "<p>The slide is generated; its cells are the generator's own, so the counts are true.</p>",
        "<h2>What follows the cells</h2>",
        _truth_table(store, rows),
        f"<p>{escape(meta['method'])}. n = {meta['n_tiles']:,} tiles, {count_text(meta['n_slides'], 'slide')}; "
        f"unit: {escape(meta['unit'])}, {meta['n_clusters']} of them.</p>",
        f"<p>{escape(counted_cells_text(correlation))} {_tested_text(rows)}</p>",
    ]
    for title, pictures in sections:
        body.append(f"<h2>{escape(title)}</h2>")
        body += [_picture(picture) for picture in pictures]
    body += [
        "<h2>All features against all cell types</h2>",
        f"<p class='notice'>{escape(CHOSEN_NOTICE)}</p>",
        f"<pre>{escape(strongest_text(correlation, store.correlations.arrays(correlation.id)))}</pre>",
        "<h2>Scoreboard: does the tool find what is there, and only that?</h2>",
        _picture(board),
        f"<pre>{escape(words)}</pre>",
    ]
    style = (
        "body{font:16px/1.5 sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
        "img{max-width:100%}pre{background:#f3f3f3;padding:1rem;overflow:auto}"
        "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}"
        ".notice{background:#fff3cd;padding:.6rem 1rem;border-left:4px solid #b8860b}"
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Sparsescope demo</title>"
        f"<style>{style}</style><body>{''.join(body)}</body></html>"
    )


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f"<img alt='{html.escape(path.stem)}' src='data:image/png;base64,{data}'>"
