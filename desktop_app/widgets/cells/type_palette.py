"""The types that cells can be given by hand, in the order of their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from desktop_app.canvas.cell_layers import CELL_COLOURS
from desktop_app.store import CellEditRecord, CellImportRecord
from desktop_app.widgets.cells.cell_bar import BarType
from sae_backend.cells.class_map import ClassMap
from sae_backend.cells.nuclei.detection import DETECTOR
from sae_backend.cells.nuclei.tiling import NUCLEUS

SUGGESTED: Final = ("Neoplastic", "Inflammatory", "Connective", "Epithelial", "Dead")
"""Types of the PanNuke data set, which many segmentations use."""

_UNSEEN: Final = "#9a9a9a"


def offered_types(
    record: CellImportRecord, edits: Iterable[CellEditRecord], added: Iterable[str], mode: str
) -> tuple[str, ...]:
    """Types of an import, then those that people gave, then those added now; each once, by their own names.

    "Nucleus" says that nobody has told a type, so it is none to learn.
    """
    own = [
        name
        for name in record.type_counts
        if mode == "edit" or not (record.tool == DETECTOR and name == NUCLEUS)
    ]
    given = [edit.edit.type_after for edit in edits if edit.edit.type_after and not edit.edit.withdrawn]
    return tuple(dict.fromkeys([*own, *given, *added]))


def bar_types(
    names: Sequence[str], counts: Mapping[str, int], shown: Sequence[str], class_map: ClassMap
) -> tuple[BarType, ...]:
    """The types with the colours that they have on the slide.

    Parameters
    ----------
    names
        Types by their own names.
    counts
        Cells of each.
    shown
        Types on the slide in the order of their colours, by the names that they count as.
    class_map
        What types count as.
    """
    colours = {name: CELL_COLOURS[i % len(CELL_COLOURS)] for i, name in enumerate(shown)}
    return tuple(
        BarType(name, colours.get(class_map.renamed.get(name, name), _UNSEEN), counts.get(name, 0))
        for name in names
    )


def typed_counts(labels: Mapping[int, str]) -> dict[str, int]:
    """How many cells people gave each type."""
    return dict(Counter(labels.values()))
