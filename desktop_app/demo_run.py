"""The embedded demo: a generated slide through the whole chain, offline, with a report."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from desktop_app import export
from desktop_app.figures import Caption, gallery_png, heatmap_png
from desktop_app.jobs import (
    AnalyzeOptions,
    TrainOptions,
    add_slide,
    features_of,
    import_cells,
    open_slide,
    require_current,
)
from desktop_app.report_words import CHOSEN_NOTICE, counted_cells_text
from desktop_app.running import analyze_slide, correlate_project, train_project
from desktop_app.store import CorrelationRecord, CorrelationRow, Store
from desktop_app.words import CONTROL_NOTICE, analysis_text, interval_text, top_correlations_text
from sae_backend.cache import write_text_atomic
from sae_backend.client import Backend
from sae_backend.demo.slide import write_demo_slide
from sae_backend.features import FeatureMatrix
from sae_backend.heatmap import heatmap
from sae_backend.messages import Progress
from sae_backend.slide import Slide

_N_TILES_SHOWN: Final = 12
_SETTING: Final = "demo"
_VERSION: Final = "1"


@dataclass(frozen=True)
class DemoMade:
    """What the demo made: the project, the feature to begin with, words and data for the user."""

    project: Path
    feature: int
    text: str
    data: dict[str, Any]


def make_demo(out: Path, backend: Backend, report: Callable[[Progress], None]) -> DemoMade:
    """Make the demo in a folder, or what of it is not there yet.

    Raises
    ------
    SparsescopeError
        When any link of the chain fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    project = out / "project"
    slide_path, cells_path = out / "demo.tiff", out / "demo.geojson"
    if not (slide_path.exists() and cells_path.exists()):
        made = write_demo_slide(out)
        slide_path, cells_path = made.slide_path, made.cells_path
    known = (project / "project.sqlite").exists()
    with Store.open(project) if known else Store.create(project) as store:
        if store.setting(_SETTING) != _VERSION:
            _work(store, backend, (slide_path, cells_path), report)
            store.set_setting(_SETTING, _VERSION)
        return _write_report(store, out)


def _work(
    store: Store, backend: Backend, files: tuple[Path, Path], report: Callable[[Progress], None]
) -> None:
    slide = add_slide(store, files[0])
    analyze_slide(store, backend, slide.id, AnalyzeOptions(), report)
    train_project(store, backend, TrainOptions(), report)
    import_cells(store, slide.id, files[1])
    correlate_project(store, backend, None, report)


def _shown_features(rows: list[CorrelationRow]) -> dict[str, CorrelationRow]:
    """For every cell type the feature with the largest positive Pearson r."""
    best: dict[str, CorrelationRow] = {}
    for row in rows:
        if row.statistic == "pearson" and row.value is not None:
            known = best.get(row.cell_type)
            if known is None or row.value > (known.value or 0.0):
                best[row.cell_type] = row
    return best


def _write_report(store: Store, out: Path) -> DemoMade:
    analysis = require_current(store)
    record = store.slide(analysis.slide_id)
    features = features_of(store, analysis)
    correlation = store.latest_correlation(features.sae_digest)
    if correlation is None:
        raise RuntimeError("the demo ends with a correlation")
    rows = store.correlation_rows(correlation.id)
    shown = _shown_features(rows)
    source = analysis_text(analysis, record)
    sections = []
    with open_slide(record) as slide:
        for cell_type, row in sorted(shown.items()):
            stem = f"feature-{row.feature}-{cell_type.lower().replace(' ', '-')}"
            p = "" if row.p is None else f", family-wise p {row.p:.2g}"
            title = (
                f"Feature {row.feature}, largest positive r with {cell_type}: "
                f"{interval_text(row)}{p}; n = {row.n_tiles:,} tiles"
            )
            caption = Caption(title, source, CONTROL_NOTICE if analysis.is_control else "")
            heatmap_png(slide, heatmap(features, row.feature), out / f"{stem}.png", caption)
            _write_gallery(slide, features, row.feature, out / f"{stem}-tiles.png")
            sections.append((title, [out / f"{stem}.png", out / f"{stem}-tiles.png"]))
    export.feature_table(store, out / "features.csv")
    export.correlation_table(store, out / "correlations.csv")
    export.correlation_table(store, out / "correlations.parquet")
    sae = store.sae(features.sae_digest)
    metrics = {} if sae is None else sae.card["metrics"]
    page = _page(source, correlation, rows, metrics, sections)
    write_text_atomic(out / "report.html", page)
    first = shown.get("lymphocyte") or next(iter(shown.values()))
    summary = top_correlations_text(correlation, rows)
    text = f"{source}\n{CONTROL_NOTICE}\n{summary}\nReport, pictures and tables are in {out.absolute()}."
    data = {
        "out": str(out.absolute()),
        "report": str((out / "report.html").absolute()),
        "best": {
            k: {"feature": r.feature, "r": r.value, "ci": [r.ci_low, r.ci_high]} for k, r in shown.items()
        },
    }
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


def _page(
    source: str,
    correlation: CorrelationRecord,
    rows: list[CorrelationRow],
    metrics: dict[str, Any],
    sections: list[tuple[str, list[Path]]],
) -> str:
    meta = correlation.meta
    escape = html.escape
    measured = (
        f"<p>SAE: explained variance {metrics['explained_variance']:.3f} and {metrics['l0']:.1f} active features "
        f"a tile on {metrics['n_held_out_tiles']} held-out tiles ({escape(metrics['held_out_unit'])}); "
        f"{metrics['explained_variance_train']:.3f} and {metrics['l0_train']:.1f} on the "
        f"{metrics['n_train_tiles']} training tiles.</p>"
        if metrics
        else ""
    )
    body = [
        "<h1>Sparsescope demo</h1>",
        f"<p>{escape(source)}</p>",
        f"<p class='notice'>{escape(CONTROL_NOTICE)}</p>",
        "<p>The slide is generated; its cells are the generator's own, so the counts are true.</p>",
        measured,
        "<h2>Correlation of features with cell counts</h2>",
        f"<p>{escape(meta['method'])}. n = {meta['n_tiles']:,} tiles, {meta['n_slides']} slide(s); "
        f"unit: {escape(meta['unit'])}, {meta['n_clusters']} of them.</p>",
        f"<p>{escape(counted_cells_text(correlation))} {_tested_text(rows)}</p>",
        f"<p class='notice'>{escape(CHOSEN_NOTICE)}</p>",
        f"<pre>{escape(top_correlations_text(correlation, rows))}</pre>",
    ]
    for title, pictures in sections:
        body.append(f"<h2>{escape(title)}</h2>")
        for picture in pictures:
            data = base64.b64encode(picture.read_bytes()).decode()
            body.append(f"<img alt='{escape(picture.stem)}' src='data:image/png;base64,{data}'>")
    style = (
        "body{font:16px/1.5 sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
        "img{max-width:100%}pre{background:#f3f3f3;padding:1rem;overflow:auto}"
        ".notice{background:#fff3cd;padding:.6rem 1rem;border-left:4px solid #b8860b}"
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Sparsescope demo</title>"
        f"<style>{style}</style><body>{''.join(body)}</body></html>"
    )
