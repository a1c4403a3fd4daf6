"""Sentences that several places show, so that they say the same."""

from __future__ import annotations

from typing import Final

from desktop_app.store import AnalysisRecord, CorrelationRow, SlideRecord
from sae_backend.statistics.number_text import estimate_text, r_text

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
        return f"{r_text(row.value)} (no interval: too few blocks or slides)"
    return estimate_text(row.value, row.ci_low, row.ci_high)
