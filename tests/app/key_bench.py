"""Every key that napari and the window know, what each of ours may change, and a window to press them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from napari._app_model import get_app_model
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.utils.shortcuts import default_shortcuts
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDockWidget, QMenu, QWidget

from desktop_app.app import Desktop
from tests.app.fakes import FakeDialogs

QUIT: Final = "Ctrl+Q"
"""Closes the window, from wherever it is pressed: nothing could be looked at afterwards."""

MAP: Final = ("first Heat map", "feature")
WRITTEN: Final = ("annotations", "examples", "lists")
FITS: Final = ("Ctrl+0", "Ctrl+R")
"""From far the whole slide looks different: cells become their density, the tile grid fades."""

EFFECTS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("J", "K"), MAP),
    **dict.fromkeys(("Return", "Enter"), (*MAP, "annotations", "docks")),
    **dict.fromkeys("12345", ("annotations", "docks")),
    "B": ("lists",),
    "E": ("examples",),
    "I": ("tile", "first Picked tile", "second Picked tile", "first layers", "second layers", "docks"),
    "M": ("docks",),
    "N": ("docks", "focus"),
    "/": ("docks", "focus"),
    **dict.fromkeys("[]", ("first Heat map", "second Heat map")),
    **dict.fromkeys(
        ("Ctrl+0", "Ctrl+R"), ("first camera", "second camera", "first Tile grid", "second Tile grid")
    ),
    **dict.fromkeys(("Ctrl+G", "Ctrl+O", "Ctrl+N", "Ctrl+Shift+O", "Ctrl+S", "F1", "?"), ("asked",)),
    **dict.fromkeys(("Ctrl+Z", "Ctrl+Shift+Z"), (*MAP, *WRITTEN, "docks")),
    **dict.fromkeys(("Ctrl+=", "Ctrl+-"), ("text size",)),
    "Ctrl+P": ("windows", "focus"),
}
"""Keys of ours and what of the state they may change."""

THERE_AND_BACK: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "H": ("H", ("first Heat map", "second Heat map")),
    "A": ("A", ("first layers", "second layers", "first Cells", "second Cells")),
    "T": ("T", ("first layers", "first Inside", "first Heat map")),
    "G": ("G", ("first layers", "first Tissue outline")),
    "Shift+G": ("Shift+G", ("first layers", "second layers", "first Tile grid", "second Tile grid")),
    "O": ("O", ()),
    "L": ("L", ()),
    "C": ("C", ("first layers", "first Features together", "first Heat map")),
    "D": ("D", ("second",)),
    **dict.fromkeys("PRW", ("Esc", ("tool", "docks", "first drags", "focus"))),
}
"""Keys of ours with the key that takes them back, after which all is as it was, and what they may change."""


SLOW: Final = frozenset(("A", "C", "D", "G", "T", "Shift+G", "Ctrl+=", "Ctrl+-"))
"""Keys of ours that make layers or style sheets anew; pressed on the canvas alone."""


def portable(text: str) -> str:
    return QKeySequence(text).toString(QKeySequence.SequenceFormat.PortableText)


def keys_of_napari() -> list[str]:
    """Keys that act on napari's viewer and layers, in this version, and are not ours too."""
    keys = {portable(str(key)) for known in default_shortcuts.values() for key in known}
    assert {"Ctrl+Y", "Ctrl+T", "Ctrl+Del", "Ctrl+Backspace", "Alt+Shift+Up", "X"} <= keys
    return sorted(keys - {*EFFECTS, *THERE_AND_BACK})


def known_keys() -> list[str]:
    """Keys of napari and its menus, those of the window, and all that type or move."""
    named = keys_of_napari()
    named += [str(rule.keybinding) for rule in get_app_model().keybindings]
    named += [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *"+-=,./[]?", "Space", "Esc", "Return", "Enter"]
    arrows = ("Left", "Right", "Up", "Down", "PgUp", "PgDown", "Home", "End", "Del", "Backspace")
    for before in ("", "Shift+", "Ctrl+", "Alt+"):
        named += [before + key for key in arrows]
    named += [before + letter for letter in "ACDEVY" for before in ("Ctrl+", "Shift+")]
    named += [*EFFECTS, *THERE_AND_BACK]
    return sorted({portable(text) for text in named} - {"", QUIT})


def press(target: QWidget, key: str) -> None:
    combination = QKeySequence(key)[0]
    QTest.keyClick(target, combination.key(), combination.keyboardModifiers())


@dataclass
class Bench:
    """A window in which much is shown, and what can be seen, asked for and read of it."""

    desktop: Desktop
    dialogs: FakeDialogs
    failures: list[str] = field(default_factory=list)

    def viewers(self) -> dict[str, ViewerModel]:
        views = self.desktop.window.views
        second = {"second": views.second.viewer} if views.second is not None and views.is_open else {}
        return {"first": self.desktop.window.viewer, **second}

    def canvas(self, which: str = "first") -> QWidget:
        window = self.desktop.window
        if which == "first":
            return window.viewer.window._qt_viewer.canvas.native
        assert window.views.second is not None
        return window.views.second.qt_viewer.canvas.native

    def state(self) -> dict[str, object]:
        """All that a key might change, by name."""
        window, controller = self.desktop.window, self.desktop.controller
        session, frame = controller._context.session, window.qt_window
        found: dict[str, object] = {
            "feature": session.feature,
            "tile": session.tile,
            "tool": controller.drawing.tools.kind,
            "asked": len(self.dialogs.asked),
            "theme": window.viewer.theme,
            "text size": controller._context.preferences.current.text_points,
            "frame": (
                frame.isVisible(),
                frame.isFullScreen(),
                frame.isMaximized(),
                frame.menuBar().isVisible(),
            ),
            "docks": tuple(dock.isVisible() for dock in window.docks.values()),
            "napari's docks": tuple(
                dock.isVisible()
                for dock in frame.children()
                if isinstance(dock, QDockWidget) and dock not in window.docks.values()
            ),
            "windows": sorted(
                type(top).__name__
                for top in QApplication.topLevelWidgets()
                if top.isVisible() and not isinstance(top, QMenu)
            ),
            "picture on the clipboard": not QApplication.clipboard().image().isNull(),
            "slide": session.slide is not None and session.slide.info.path,
            "project": session.store is not None and session.store.folder,
        }
        store = session.store
        if store is not None and session.features is not None:
            found["regions"] = store.regions(withdrawn=True)
            found["annotations"] = store.annotations()
            found["comments"] = store.comments(withdrawn=True)
            found["examples"] = store.examples(withdrawn=True)
            found["lists"] = store.feature_lists(session.features.sae_digest)
            found["cell imports"] = [store.cell_imports(record.id) for record in store.slides()]
        for which, viewer in self.viewers().items():
            camera, dims = viewer.scene.camera, viewer.dims
            found[f"{which} camera"] = (*camera.center, camera.zoom, *camera.angles)
            found[f"{which} drags"] = (camera.mouse_pan, camera.mouse_zoom)
            found[f"{which} axes"] = (dims.ndisplay, dims.order, viewer.canvas.grid.enabled)
            found[f"{which} layers"] = tuple(layer.name for layer in viewer.layers)
            for layer in viewer.layers:
                found[f"{which} {layer.name}"] = seen_of(layer)
        return found

    def check(
        self, where: str, key: str, before: dict[str, object], may_change: tuple[str, ...] = ()
    ) -> None:
        after = self.state()
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name) and not name.startswith(may_change or "\0"):
                self.failures.append(f"{key} in {where}: {name}")
        return after

    def tidy(self) -> None:
        """Close what a key of ours opened."""
        while (popup := QApplication.activePopupWidget()) is not None:
            popup.close()
        window = self.desktop.window
        if window.palette is not None:
            window.palette.close()

    def look(self) -> None:
        """Look at a part of the slide from near: whoever sees the whole slide is kept seeing it."""
        self.desktop.window.zoom_to(0.3)
        self.desktop.window.look_at(120.0, 180.0)

    def press_all(self, target: QWidget, where: str, *, leave_out: frozenset[str] = frozenset()) -> None:
        """Press every key in one place, each from the state that the one before left."""
        for key in known_keys():
            if key in leave_out:
                continue
            target.setFocus()
            before = self.state()
            press(target, key)
            back, may_change = THERE_AND_BACK.get(key, ("", EFFECTS.get(key, ())))
            self.check(where, key, before, may_change)
            self.tidy()
            if key in FITS:
                self.look()
            if back:
                press(target, back)
                self.check(where, f"{key}, then {back},", before, () if back == key else ("docks", "focus"))


def seen_of(layer: Layer) -> tuple[object, ...]:
    """What is drawn of a layer, where, and what may be done to it."""
    data: object = layer.data
    if isinstance(data, np.ndarray):
        data = data.tobytes()
    elif not isinstance(layer, Image):
        data = tuple(np.asarray(shape).tobytes() for shape in layer.data)
    else:
        data = id(layer.data)
    looks: tuple[object, ...] = (layer.visible, layer.opacity, str(layer.blending), str(layer.mode))
    if isinstance(layer, Image) and not layer.rgb:
        looks += (tuple(layer.contrast_limits), layer.colormap.name)
    return (data, np.asarray(layer.affine).tobytes(), tuple(layer.scale), tuple(layer.translate), *looks)


def may_change(key: str) -> tuple[str, ...]:
    return (*EFFECTS.get(key, ()), *THERE_AND_BACK.get(key, ("", ()))[1])
