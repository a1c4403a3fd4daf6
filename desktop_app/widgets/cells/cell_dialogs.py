"""Questions to the user about cells: what is imported, how nuclei are sought, whether proposed types are good enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from desktop_app.widgets.cells.cell_import import CellImportDialog
from desktop_app.widgets.cells.detect_dialog import DetectDialog
from desktop_app.widgets.cells.type_names import TypeNamesDialog
from desktop_app.widgets.cells.type_scores import TypeScoresDialog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtWidgets import QWidget

    from desktop_app.project.cells.proposed_types import ModelScores
    from sae_backend.cells.class_map import ClassMap
    from sae_backend.cells.nuclei.segmentation import DetectSpec


class CellDialogs(Protocol):
    """What can be asked about cells; None and False mean that the user thought better of it."""

    def cell_import(self) -> CellImportDialog:
        """Return the window in which an import is looked at; it is not shown yet."""

    def detect_options(self, slide: str) -> DetectSpec | None:
        """Ask how to look for nuclei."""

    def accept_types(self, scores: ModelScores) -> bool:
        """Show how good a model is, and ask whether the types that it proposes are wanted."""

    def type_names(self, counts: Mapping[str, int], class_map: ClassMap) -> ClassMap | None:
        """Ask what types of cell, with so many cells each, count as."""


class QtCellDialogs:
    """Asks with windows on top of `parent`."""

    def __init__(self, parent: QWidget) -> None:
        self._parent = parent

    def cell_import(self) -> CellImportDialog:
        """Return the window in which an import is looked at; it is not shown yet."""
        return CellImportDialog(self._parent)

    def detect_options(self, slide: str) -> DetectSpec | None:
        """Ask how to look for nuclei."""
        dialog = DetectDialog(slide, self._parent)
        return dialog.spec() if dialog.exec() else None

    def accept_types(self, scores: ModelScores) -> bool:
        """Show how good a model is, and ask whether the types that it proposes are wanted."""
        return bool(TypeScoresDialog(scores, self._parent).exec())

    def type_names(self, counts: Mapping[str, int], class_map: ClassMap) -> ClassMap | None:
        """Ask what types of cell, with so many cells each, count as."""
        dialog = TypeNamesDialog(counts, class_map, self._parent)
        return dialog.class_map() if dialog.exec() else None
