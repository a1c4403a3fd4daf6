"""Before a window is built and when it goes: garbage is collected, and what stays is not walked through again.

napari has all garbage of the process collected at each layer that it takes away. With the libraries, the collected
tests and the remains of earlier windows this takes most of a second, and a test takes many layers away.
"""

from __future__ import annotations

import gc

from PySide6.QtWidgets import QApplication

from desktop_app.widgets.main_window import MainWindow


def make_way() -> None:
    """Before a window is built: collect what is let go of by now, and spare collections all that is left.

    Nothing is frozen later, so that the window itself is collected when it goes.
    """
    gc.collect()
    gc.freeze()


def shut(window: MainWindow) -> None:
    """Close a window and collect what it was made of."""
    window.qt_window.close()
    QApplication.sendPostedEvents()
    QApplication.processEvents()
    gc.collect()
