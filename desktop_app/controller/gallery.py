"""The gallery of the chosen feature: its strongest tiles, read beside the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from desktop_app.figures import tile_pixels
from desktop_app.tasks import LatestRead
from sae_backend.slide import Slide

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features import FeatureActions

N_TILES: Final = 12

_Tiles = list[tuple[int, float, npt.NDArray[np.uint8]]]


class GalleryActions:
    """Fills the gallery when another feature is chosen; an older answer never replaces a newer one."""

    def __init__(self, context: Context, features: FeatureActions) -> None:
        self._context = context
        self._read = LatestRead()
        self._read.answered.connect(self._show)
        self._read.failed.connect(lambda error: context.window.gallery.say(f"{error.sentence} {error.hint}"))
        context.window.gallery.tile_requested.connect(features.go_to_tile)
        context.session.feature_changed.connect(lambda _: self.refresh())
        context.session.analysis_changed.connect(lambda _: self.refresh())

    def refresh(self) -> None:
        """Read the strongest tiles of the chosen feature."""
        session, panel = self._context.session, self._context.window.gallery
        slide, features, feature = session.slide, session.features, session.feature
        if slide is None or features is None or feature is None:
            self._read.forget()
            panel.say("Choose a feature to see the tiles where it fires most.")
            return
        info = slide.info
        tiles, values = features.column(feature)
        order = np.argsort(-values, kind="stable")[:N_TILES]
        strongest = [(int(tiles[i]), float(values[i])) for i in order]
        title = f"Feature {feature}: the {len(strongest)} tiles where it fires most, of {len(tiles):,}"

        def read() -> tuple[str, _Tiles]:
            # Its own handle: the window may close its one meanwhile.
            with Slide.open(info.path, info.mpp) as own:
                return title, [
                    (tile, value, tile_pixels(own, features.grid, tile)) for tile, value in strongest
                ]

        self._read.ask(read)

    def _show(self, found: object) -> None:
        assert isinstance(found, tuple)
        title, tiles = found
        self._context.window.gallery.show_tiles(title, tiles)

    def close(self) -> None:
        """End the read that may be under way."""
        self._read.close()
