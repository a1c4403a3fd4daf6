"""Sentences that several places show, so that they say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from desktop_app.store import AnalysisRecord, CorrelationRecord, CorrelationRow, SlideRecord

CONTROL_NOTICE: Final = (
    "Scientific control: this encoder has random weights and has learned nothing. "
    "What its features follow, untrained features follow too."
)

GENERATED_NOTICE: Final = (
    "Generated: the slide is drawn, and the encoder has learned from drawn slides only. It shows how the program works; "
    "nothing here is evidence about real tissue."
)

DEMO_NOTICE: Final = (
    "A generated slide, analysed with an encoder that has seen generated slides only: nothing here is biology. Its "
    "cells are known, so the counts are the truth. J and K step through the features, H hides the map, A shows the "
    "cells; a click on the slide lists what fires there. F1 opens the guide."
)


def analysis_text(analysis: AnalysisRecord, slide: SlideRecord) -> str:
    """One or two lines that name an analysis: slide, tiles, encoder, SAE."""
    spec = analysis.tile_spec
    bad = {name: n for name, n in analysis.counts.items() if name != "ok"}
    tiles = f"{analysis.counts.get('ok', 0):,} tiles of {spec['tile_px']} px at {spec['tile_mpp']:g} µm/px"
    if bad:
        tiles += " (left out: " + ", ".join(f"{n:,} {name}" for name, n in bad.items()) + ")"
    sae = f"SAE {analysis.sae_digest[:12]}" if analysis.sae_digest else "no SAE yet"
    control = " (random weights: a control)" if analysis.is_control else ""
    return (
        f"{slide.name}: {tiles}; {analysis.encoder}{control}, block {analysis.layer}, "
        f"{analysis.pooling}; {sae}"
    )


def interval_text(row: CorrelationRow) -> str:
    """Value with its interval, or why there is none."""
    if row.value is None:
        return row.reason or "not defined"
    if row.ci_low is None or row.ci_high is None:
        return f"{row.value:+.2f} (no interval: too few blocks or slides)"
    return f"{row.value:+.2f} (95 % interval {row.ci_low:+.2f} to {row.ci_high:+.2f})"


def top_correlations_text(record: CorrelationRecord, rows: Sequence[CorrelationRow], n_top: int = 3) -> str:
    """The strongest features of every cell type, with n, unit and method."""
    meta = record.meta
    lines = [
        f"Pearson r over {meta['n_tiles']:,} tiles of {meta['n_slides']} slide{'s' if meta['n_slides'] != 1 else ''}; "
        f"resampling unit: {meta['unit']}, {meta['n_clusters']} of them."
    ]
    pearson = [row for row in rows if row.statistic == "pearson" and row.value is not None]
    for cell_type in sorted({row.cell_type for row in rows}):
        own = sorted((r for r in pearson if r.cell_type == cell_type), key=lambda r: -abs(r.value or 0.0))
        lines.append(f"{cell_type}:" if own else f"{cell_type}: no feature has a defined correlation")
        for row in own[:n_top]:
            p = "p not defined" if row.p is None else f"family-wise p {row.p:.3g}"
            lines.append(f"  feature {row.feature:>6}  {interval_text(row)}, {p}")
    lines += [f"Note: {note}" for note in meta["notes"]]
    return "\n".join(lines)
