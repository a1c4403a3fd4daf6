"""The dialog of the nucleus detector: few settings, and honest words about what comes of it."""

from __future__ import annotations

from typing import Final

from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from sae_backend.cells.nuclei.segmentation import DetectSpec

_WORDS: Final = (
    "Finds nuclei stained with haematoxylin on {slide} without a trained model: objects that are darker than their "
    "surroundings and have the size of a nucleus; touching nuclei are separated.\n\n"
    "Suited for densities, sizes and shapes of nuclei on H&E sections, and as a start for labelling nuclei by hand. It "
    "does not distinguish cell types, misses pale nuclei, and merges or splits some in crowded areas. If you have a "
    "segmentation by a trained network (CellViT, HoVer-Net, StarDist), prefer it: Cells > Import cells."
)


class DetectDialog(QDialog):
    """Asks for the sizes of nuclei and how eagerly to find and part them; all else has its usual value."""

    def __init__(self, slide: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Detect nuclei")
        usual = DetectSpec()
        self.smallest = _field(usual.min_area_um2, (1.0, 500.0), 0, " µm²", "Smallest nucleus")
        self.largest = _field(usual.max_area_um2, (20.0, 5000.0), 0, " µm²", "Largest nucleus")
        self.contrast = _field(usual.min_contrast_od, (0.0, 1.0), 2, " OD", "Minimum contrast")
        self.contrast.setSingleStep(0.02)
        self.contrast.setToolTip(
            "Optical density by which a nucleus must stand out from its surroundings: a smaller value finds more "
            "pale nuclei, but also more false ones"
        )
        self.gap = _field(usual.split_depth, (0.01, 3.0), 3, "", "Minimum gap between two nuclei")
        self.gap.setSingleStep(0.05)
        self.gap.setToolTip("A smaller value separates more touching nuclei, but also splits single ones")
        words = QLabel(_WORDS.format(slide=slide))
        words.setWordWrap(True)
        form = QFormLayout()
        for label, box in (
            ("Smallest area", self.smallest),
            ("Largest area", self.largest),
            ("Minimum contrast", self.contrast),
            ("Minimum gap", self.gap),
        ):
            form.addRow(label, box)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.begin = self.buttons.addButton("Detect", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addWidget(words)
        column.addLayout(form)
        column.addWidget(self.buttons)
        self.setMinimumWidth(520)
        for box in (self.smallest, self.largest):
            box.valueChanged.connect(lambda _: self.begin.setEnabled(self._makes_sense()))

    def _makes_sense(self) -> bool:
        return self.smallest.value() < self.largest.value()

    def spec(self) -> DetectSpec:
        """Return what was chosen."""
        return DetectSpec(
            min_area_um2=self.smallest.value(),
            max_area_um2=self.largest.value(),
            min_contrast_od=round(self.contrast.value(), 4),
            split_depth=round(self.gap.value(), 4),
        )


def _field(value: float, limits: tuple[float, float], decimals: int, unit: str, name: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(decimals)
    box.setRange(*limits)
    box.setValue(value)
    box.setSuffix(unit)
    box.setAccessibleName(name)
    return box
