"""Sentences that a table of correlations needs beside it, so that nobody reads more into it."""

from __future__ import annotations

from typing import Final

from desktop_app.store import CorrelationRecord

CHOSEN_NOTICE: Final = (
    "The features listed were chosen for their r on these same tiles, so their r and intervals are too "
    "favourable; the family-wise p allows for the choice, the interval does not."
)


def counted_cells_text(record: CorrelationRecord) -> str:
    """How many cells were counted in tiles, and how many lay in none."""
    counted, elsewhere = record.meta["n_cells_in_tiles"], record.meta["n_cells_elsewhere"]
    return (
        f"{counted:,} of {counted + elsewhere:,} cells lie in analysed tiles and were counted, each once; "
        f"{elsewhere:,} lie in no tile."
    )
