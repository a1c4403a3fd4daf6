"""Cells in words, for the window and the command line alike: what a file holds, where it lies, what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from desktop_app.store import CellImportRecord
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.import_options import ReadOptions
from sae_backend.cells.preview import CellPreview
from sae_backend.cells.table import CellTable
from sae_backend.statistics.number_text import count_text

_MOST_TYPES = 30


def counts_text(counts: Mapping[str, int]) -> str:
    """Types with their numbers, the most frequent first: `Tumour 12,034, Stroma 870`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {n:,}" for name, n in ordered[:_MOST_TYPES])
    more = len(ordered) - _MOST_TYPES
    return f"{shown} and {more:,} more types" if more > 0 else shown


def recognised_text(preview: CellPreview) -> str:
    """What a file is and holds, in a sentence."""
    # Some formats are called after the only program that writes them.
    named = preview.tool and preview.tool.lower() not in preview.format_words.lower()
    text = f"{preview.source_name}: {preview.format_words}{f', written by {preview.tool}' if named else ''}"
    if preview.n_cells is None:
        return f"{text}."
    parts = [f"{preview.n_cells:,} cells of {count_text(len(preview.type_counts), 'type')}"]
    parts.append("with outlines" if preview.has_outlines else "without outlines")
    if preview.measures:
        parts.append(f"{count_text(len(preview.measures), 'measure')} ({', '.join(preview.measures[:6])}"
                     f"{', …' if len(preview.measures) > 6 else ''})")  # fmt: skip
    return f"{text}; {', '.join(parts)}."


def fit_text(preview: CellPreview) -> str:
    """How the cells lie on the slide; empty where that is not known."""
    if preview.fit is None:
        return ""
    y0, x0, y1, x1 = preview.fit.box_l0
    return (
        f"{preview.fit.share_inside:.1%} of them lie on the slide; they span x {x0:,.0f} to {x1:,.0f} and "
        f"y {y0:,.0f} to {y1:,.0f} in level-0 px."
    )


def options_text(options: ReadOptions) -> str:
    """Scale and offset as words of the command line: `--scale 2 --offset=0,0`."""
    words = []
    if options.scale is not None:
        words.append(f"--scale {options.scale:g}")
    if options.mpp is not None:
        words.append(f"--cells-mpp {options.mpp:g}")
    if options.level is not None:
        words.append(f"--level {options.level}")
    if options.mag is not None:
        words.append(f"--mag {options.mag:g} --base-mag {options.base_mag:g}")
    if options.offset_l0 is not None:
        words.append(f"--offset={options.offset_l0[0]:g},{options.offset_l0[1]:g}")
    return " ".join(words)


def import_text(record: CellImportRecord) -> str:
    """What an import holds, and what is to be known of it."""
    lines = [f"{record.n_cells:,} cells from {record.source_name}: {counts_text(record.type_counts)}."]
    return "\n".join([*lines, *record.notes])


def class_map_text(class_map: ClassMap) -> str:
    """What a class map does, in words; empty where it changes nothing."""
    parts = [f"{old} counts as {new}" for old, new in sorted(class_map.renamed.items())]
    parts += [f"{name} is left out" for name in sorted(class_map.ignored)]
    return "; ".join(parts)


def is_proposed(assumed: Mapping[str, Any]) -> bool:
    """Whether the types of an import are proposals of a classifier."""
    return "proposed_types" in assumed


def summary_of(table: CellTable, tissue_mm2: float | None) -> dict[str, Any]:
    """Number, density and areas of detected nuclei; None for what is not known.

    Parameters
    ----------
    table
        The nuclei.
    tissue_mm2
        Area of the tissue that they were looked for on.
    """
    area = table.measures.get("area_um2")
    known = area[np.isfinite(area)] if area is not None else np.empty(0, np.float32)
    quartiles = [float(q) for q in np.percentile(known, [25, 50, 75])] if known.size else None
    density = table.n_cells / tissue_mm2 if tissue_mm2 else None
    return {
        "n_nuclei": table.n_cells,
        "tissue_mm2": tissue_mm2,
        "per_mm2": density,
        "area_um2_quartiles": quartiles,
    }


def summary_text(summary: Mapping[str, Any]) -> str:
    """The summary in a sentence."""
    text = f"{summary['n_nuclei']:,} nuclei"
    if summary["per_mm2"] is not None:
        text += f", {summary['per_mm2']:,.0f} per mm2 of tissue ({summary['tissue_mm2']:.3g} mm2)"
    if summary["area_um2_quartiles"] is not None:
        low, middle, high = summary["area_um2_quartiles"]
        text += f"; area: median {middle:.0f} um2, half of them {low:.0f} to {high:.0f} um2"
    return f"{text}."
