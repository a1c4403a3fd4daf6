"""Questions to the user: files, folders, pixel size, what to analyse and how to train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from desktop_app.project.analysis_jobs import CONTROL_ENCODER, AnalyzeOptions, TrainOptions
from desktop_app.project.correlation.choices import CorrelationOffer
from desktop_app.project.correlation.options import CorrelateOptions
from desktop_app.store import AnnotationConflict
from desktop_app.widgets.annotations.merge import Choice, MergeDialog
from desktop_app.widgets.cells.cell_dialogs import CellDialogs, QtCellDialogs
from desktop_app.widgets.correlation.options import CorrelationDialog
from desktop_app.widgets.shell.help_browser import PAGE_PX, HelpBrowser
from sae_backend.models.bundled_models import NATURAL_ENCODER, SHIPPED_ENCODER
from sae_backend.slides.slide import MPP_RANGE_UM
from sae_backend.slides.tiles import TileSpec


class Dialogs(CellDialogs, Protocol):
    """What can be asked; None means that the user thought better of it."""

    def open_file(self, title: str, kinds: str) -> Path | None:
        """Ask for a file that exists; `kinds` as Qt writes file filters."""

    def save_file(self, title: str, kinds: str, suggested: str) -> Path | None:
        """Ask for a file to write."""

    def folder(self, title: str) -> Path | None:
        """Ask for a folder."""

    def pixel_size(self, slide: str, known: float | None) -> float | None:
        """Ask for um per pixel."""

    def analyze_options(self) -> AnalyzeOptions | None:
        """Ask how to analyse."""

    def train_options(self) -> TrainOptions | None:
        """Ask how to train."""

    def correlate_options(self, offer: CorrelationOffer) -> CorrelateOptions | None:
        """Ask how to correlate, among what is offered."""

    def show_page(self, title: str, markdown: str) -> None:
        """Show a help page."""

    def text(self, title: str, prompt: str, suggested: str) -> str | None:
        """Ask for a line of text."""

    def lines(self, title: str, prompt: str, suggested: str) -> str | None:
        """Ask for several lines of text."""

    def choose_or_type(self, title: str, prompt: str, known: Sequence[str]) -> str | None:
        """Ask for one of the known words, or a new one."""

    def resolve(self, conflicts: Sequence[AnnotationConflict]) -> list[Choice] | None:
        """Ask which texts to take from a colleague's file."""


class QtDialogs(QtCellDialogs):
    """Asks with windows on top of `parent`."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._pages: list[QDialog] = []

    def open_file(self, title: str, kinds: str) -> Path | None:
        """Ask for a file that exists."""
        name, _ = QFileDialog.getOpenFileName(self._parent, title, "", kinds)
        return Path(name) if name else None

    def save_file(self, title: str, kinds: str, suggested: str) -> Path | None:
        """Ask for a file to write."""
        dialog = SaveDialog(title, kinds, suggested, self._parent)
        return Path(dialog.selectedFiles()[0]) if dialog.exec() else None

    def folder(self, title: str) -> Path | None:
        """Ask for a folder."""
        name = QFileDialog.getExistingDirectory(self._parent, title)
        return Path(name) if name else None

    def text(self, title: str, prompt: str, suggested: str) -> str | None:
        """Ask for a line of text."""
        text, given = QInputDialog.getText(self._parent, title, prompt, text=suggested)
        return text if given else None

    def lines(self, title: str, prompt: str, suggested: str) -> str | None:
        """Ask for several lines of text."""
        text, given = QInputDialog.getMultiLineText(self._parent, title, prompt, suggested)
        return text if given else None

    def choose_or_type(self, title: str, prompt: str, known: Sequence[str]) -> str | None:
        """Ask for one of the known words, or a new one."""
        text, given = QInputDialog.getItem(self._parent, title, prompt, list(known), 0, True)
        return text.strip() if given else None

    def resolve(self, conflicts: Sequence[AnnotationConflict]) -> list[Choice] | None:
        """Ask which texts to take from a colleague's file."""
        dialog = MergeDialog(conflicts, self._parent)
        return dialog.choices() if dialog.exec() else None

    def pixel_size(self, slide: str, known: float | None) -> float | None:
        """Ask for um per pixel."""
        dialog = PixelSizeDialog(slide, known, self._parent)
        return dialog.mpp.value() if dialog.exec() else None

    def analyze_options(self) -> AnalyzeOptions | None:
        """Ask how to analyse."""
        dialog = AnalyzeDialog(self._parent)
        return dialog.options() if dialog.exec() else None

    def train_options(self) -> TrainOptions | None:
        """Ask how to train."""
        dialog = TrainDialog(self._parent)
        return dialog.options() if dialog.exec() else None

    def correlate_options(self, offer: CorrelationOffer) -> CorrelateOptions | None:
        """Ask how to correlate, among what is offered."""
        dialog = CorrelationDialog(offer, None, self._parent)
        return dialog.options() if dialog.exec() else None

    def show_page(self, title: str, markdown: str) -> None:
        """Show a help page beside the window."""
        dialog = QDialog(self._parent)
        dialog.setWindowTitle(title)
        QVBoxLayout(dialog).addWidget(HelpBrowser(markdown))
        dialog.resize(*PAGE_PX)
        dialog.show()
        self._pages.append(dialog)


class SaveDialog(QFileDialog):
    """Asks for a file to write; its name ends as the chosen kind says.

    Qt's own function would write a CSV where Parquet was chosen and the suggested name left alone.
    """

    def __init__(self, title: str, kinds: str, suggested: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, title)
        self.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        self.setFileMode(QFileDialog.FileMode.AnyFile)
        self.setNameFilters(kinds.split(";;"))
        self.selectFile(suggested)
        self.filterSelected.connect(self.use_kind)
        self.setDefaultSuffix(_suffix(self.selectedNameFilter()))

    def use_kind(self, kind: str) -> None:
        """Follow a kind such as `CSV (*.csv)`: in the name that is shown, and for a name without an end."""
        known = {_suffix(other) for other in self.nameFilters()}
        for name in self.selectedFiles()[:1]:
            path = Path(name)
            if path.suffix.lstrip(".") in known:
                self.selectFile(path.with_suffix("." + _suffix(kind)).name)
        self.setDefaultSuffix(_suffix(kind))


def _suffix(kind: str) -> str:
    return kind.rpartition("*.")[2].rstrip(")")


def _finish(dialog: QDialog, lead: str, form: QFormLayout, accept: str) -> None:
    words = QLabel(lead)
    words.setWordWrap(True)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
    buttons.addButton(accept, QDialogButtonBox.ButtonRole.AcceptRole)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    column = QVBoxLayout(dialog)
    column.addWidget(words)
    column.addLayout(form)
    column.addWidget(buttons)
    dialog.setMinimumWidth(440)


class PixelSizeDialog(QDialog):
    """Asks for um per pixel; there is no default to accept unseen."""

    def __init__(self, slide: str, known: float | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Pixel size")
        self.mpp = QDoubleSpinBox()
        self.mpp.setDecimals(4)
        self.mpp.setRange(0.0, MPP_RANGE_UM[1])
        self.mpp.setSpecialValueText("not known")
        self.mpp.setSuffix(" µm per pixel")
        self.mpp.setValue(known or 0.0)
        form = QFormLayout()
        form.addRow("Pixel size", self.mpp)
        lead = (
            (f"{slide} does not state its pixel size. " if known is None else f"Pixel size of {slide}. ")
            + "A 40x scan has about 0.25, a 20x scan about 0.5 µm per pixel; check the scanner settings instead of guessing."
        )
        _finish(self, lead, form, "Use this")
        self.mpp.valueChanged.connect(self._check)
        self._check()

    def _check(self) -> None:
        for box in self.findChildren(QDialogButtonBox):
            for button in box.buttons():
                if box.buttonRole(button) == QDialogButtonBox.ButtonRole.AcceptRole:
                    button.setEnabled(self.mpp.value() >= MPP_RANGE_UM[0])


class AnalyzeDialog(QDialog):
    """Asks for the encoder and the tiles."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Analyse slide")
        self.encoder = QComboBox()
        self.encoder.setEditable(True)
        self.encoder.addItems(
            [
                CONTROL_ENCODER,
                SHIPPED_ENCODER,
                NATURAL_ENCODER,
                "timm:vit_small_patch16_224",
                "timm:vit_base_patch16_224",
            ]
        )
        self.encoder.setToolTip(
            "control:random-vit is a scientific control; sparsescope:small-vit ships with the program; "
            "natural:efficientnet-lite0 was trained on photographs (an optional part); timm:NAME is any timm vision "
            "transformer"
        )
        self.weights = QLineEdit()
        self.weights.setPlaceholderText("a .safetensors file")
        self.weights.setToolTip("If empty, the weights are searched in your Hugging Face cache")
        self.control = QLabel("A control: its weights are random, so its features say nothing about biology.")
        self.control.setWordWrap(True)
        browse = QPushButton("Choose…")
        browse.clicked.connect(self._choose)
        self.layer = QSpinBox()
        self.layer.setRange(-1, 200)
        self.layer.setValue(-1)
        self.layer.setSpecialValueText("last")
        self.layer.setToolTip("The transformer block whose output is used; the paper uses the last")
        self.pooling = QComboBox()
        for words, pooling in (
            ("automatic", None),
            ("class token (CLS)", "cls"),
            ("mean of the patch tokens", "mean"),
        ):
            self.pooling.addItem(words, pooling)
        self.pooling.setToolTip(
            "Automatic: the class token where the encoder was trained with one, else the mean"
        )
        self.tile_px = QSpinBox()
        self.tile_px.setRange(16, 4096)
        self.tile_px.setValue(224)
        self.tile_mpp = QDoubleSpinBox()
        self.tile_mpp.setDecimals(3)
        self.tile_mpp.setRange(*MPP_RANGE_UM)
        self.tile_mpp.setValue(0.5)
        self.tile_mpp.setSuffix(" µm per pixel")
        self.device = QComboBox()
        self.device.addItems(["auto", "cpu", "cuda", "mps"])
        form = QFormLayout()
        form.addRow("Encoder", self.encoder)
        form.addRow("", self.control)
        form.addRow("Weights", self.weights)
        form.addRow("", browse)
        form.addRow("Encoder block", self.layer)
        form.addRow("Tile vector from", self.pooling)
        form.addRow("Tile width in px", self.tile_px)
        form.addRow("Tile resolution", self.tile_mpp)
        form.addRow("Device", self.device)
        _finish(
            self,
            "Embeds the slide's tiles; if the project has a matching autoencoder, features are computed too.",
            form,
            "Analyse",
        )
        self.encoder.currentTextChanged.connect(self._encoder_changed)

    def _encoder_changed(self, encoder: str) -> None:
        self.control.setVisible(encoder.strip().startswith("control:"))

    def _choose(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Weights", "", "safetensors (*.safetensors)")
        if name:
            self.weights.setText(name)

    def options(self) -> AnalyzeOptions:
        """Return what was chosen."""
        weights = self.weights.text().strip()
        return AnalyzeOptions(
            encoder=self.encoder.currentText().strip(),
            weights=Path(weights) if weights else None,
            layer=None if self.layer.value() < 0 else self.layer.value(),
            pooling=self.pooling.currentData(),
            spec=TileSpec(tile_px=self.tile_px.value(), tile_mpp=self.tile_mpp.value()),
            device=self.device.currentText(),
        )


class TrainDialog(QDialog):
    """Asks how to train the sparse autoencoder."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Train a sparse autoencoder")
        self.expansion = QSpinBox()
        self.expansion.setRange(1, 64)
        self.expansion.setValue(8)
        self.expansion.setPrefix("× ")
        self.epochs = QSpinBox()
        self.epochs.setRange(0, 10_000)
        self.epochs.setSpecialValueText("automatic")
        self.epochs.setToolTip("Automatic: chosen by the number of tiles")
        self.seed = QSpinBox()
        self.seed.setRange(0, 2_000_000_000)
        form = QFormLayout()
        form.addRow("Features per input dimension", self.expansion)
        form.addRow("Epochs", self.epochs)
        form.addRow("Random seed", self.seed)
        _finish(
            self,
            "Trains on all slides of this project analysed with the current settings.",
            form,
            "Train",
        )

    def options(self) -> TrainOptions:
        """Return what was chosen."""
        return TrainOptions(
            expansion=self.expansion.value(), epochs=self.epochs.value() or None, seed=self.seed.value()
        )
