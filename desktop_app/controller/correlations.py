"""Cells and correlations: import, table, scatter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sae_backend.cells import count_cells

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features import FeatureActions
    from desktop_app.controller.projects import ProjectActions


class CorrelationActions:
    """Shows which features follow which cell types."""

    def __init__(self, context: Context, projects: ProjectActions, features: FeatureActions) -> None:
        self._context, self._projects, self._features = context, projects, features
        context.window.correlations.pair_requested.connect(self.show_pair)
        context.session.analysis_changed.connect(lambda _: self.refresh())

    def close(self) -> None:
        """End the read that may be under way."""

    def refresh(self) -> None:
        """Show the newest correlation of the current SAE."""
        session, panel = self._context.session, self._context.window.correlations
        store, features = session.store, session.features
        panel.run_button.setEnabled(features is not None)
        if store is None or features is None:
            panel.say("Correlations need an analysed slide with features, and cells.")
            return
        newest = store.latest_correlation(features.sae_digest)
        if newest is not None:
            meta = newest.meta
            slides = "1 slide" if meta["n_slides"] == 1 else f"{meta['n_slides']} slides"
            n = f"{meta['n_tiles']:,} tiles of {slides}; intervals and p from {meta['n_clusters']} resampled units"
            panel.show_rows(store.correlation_rows(newest.id), f"{n} ({meta['unit']})")
            panel.method.setToolTip("\n".join([str(meta["method"]), *map(str, meta["notes"])]))
        elif session.slide_record is not None and store.cells(session.slide_record.id) is None:
            panel.say("This slide has no cells yet. Cells > Import cells reads GeoJSON, CSV or Parquet.")
        else:
            panel.say("Cells are there. “Correlate” measures which features follow which cell type.")

    def show_pair(self, feature: int, cell_type: str) -> None:
        """Select a feature and plot it against one cell type, a point a tile of the open slide."""
        session, panel = self._context.session, self._context.window.correlations
        features = session.features
        if features is None or session.store is None or session.slide_record is None:
            return
        session.set_feature(feature)
        table = session.store.cells(session.slide_record.id)
        if table is None or cell_type not in table.type_names:
            panel.scatter.clear()
            return
        counts = count_cells(table, features.grid)
        column = counts.type_names.index(cell_type)
        activations = np.zeros(features.n_tiles)
        tiles, values = features.column(feature)
        activations[tiles] = values
        kept = np.flatnonzero(features.valid)
        x = counts.counts[kept, column].astype(np.float64)
        panel.show_points(x, activations[kept], kept, (f"{cell_type} cells", f"feature {feature}"))
        panel.scatter.mark_tile(session.tile)
