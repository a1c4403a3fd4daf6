"""Answers to what is asked about cells, told beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from PySide6.QtCore import QTimer

from desktop_app.proposed_types import ModelScores
from desktop_app.widgets.cell_import import CellImportDialog
from sae_backend.cell_options import ReadOptions
from sae_backend.cell_preview import CellPreview
from sae_backend.class_map import ClassMap
from sae_backend.nuclei import DetectSpec


class AgreeingImport(CellImportDialog):
    """Says yes to whatever can be imported, and no to what cannot."""

    def show_preview(self, preview: CellPreview, options: ReadOptions, class_map: ClassMap) -> None:
        super().show_preview(preview, options, class_map)
        QTimer.singleShot(0, self, self.reject if preview.cells is None else self.accept)


@dataclass
class FakeCellDialogs:
    """Answers with what it was given."""

    looks_at_imports: bool = False
    """Leaves the window of an import to the test."""
    detect: DetectSpec | None = None
    accepts_types: bool = True
    scores: ModelScores | None = None
    names: ClassMap | None = None
    named: dict[str, int] = field(default_factory=dict)

    def cell_import(self) -> CellImportDialog:
        return CellImportDialog() if self.looks_at_imports else AgreeingImport()

    def detect_options(self, slide: str) -> DetectSpec | None:
        return self.detect

    def accept_types(self, scores: ModelScores) -> bool:
        self.scores = scores
        return self.accepts_types

    def type_names(self, counts: Mapping[str, int], class_map: ClassMap) -> ClassMap | None:
        self.named = dict(counts)
        return self.names
