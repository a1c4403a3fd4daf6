"""Fills the page of the current feature: at once what is at hand, then what has to be computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from desktop_app.controller.features.slide_bars import bars_by_slide, bars_by_value
from desktop_app.project.features.analysis_parts import AnalysisParts
from desktop_app.tasks import LatestTask
from desktop_app.widgets.charts.charts import Bar
from desktop_app.widgets.features.feature_page import Near
from sae_backend.activations.histogram import activation_histogram
from sae_backend.feature_dashboard.neighbours import NearActivation, NearDirection
from sae_backend.feature_dashboard.slide_profiles import profile_feature
from sae_backend.statistics.number_text import (
    count_text,
    interval_text,
    number_text,
    p_text,
    percent_text,
    r_text,
)

if TYPE_CHECKING:
    from desktop_app.controller.context import Context
    from desktop_app.controller.features.examples import ExampleActions
    from desktop_app.controller.features.features import FeatureActions
    from desktop_app.store import CorrelationRow
    from desktop_app.widgets.features.feature_page import FeaturePage
    from sae_backend.activations.feature_matrix import FeatureMatrix

N_NEAR: Final = 8
_TOGETHER_NOTE: Final = (
    "r over the {n:,} tiles of this slide, zeros included; “in both” counts the tiles where both fire."
)


class FeaturePageActions:
    """Shows what is known of the current feature."""

    def __init__(
        self, context: Context, page: FeaturePage, features: FeatureActions, examples: ExampleActions
    ) -> None:
        self._context, self._features, self._examples = context, features, examples
        self._page = page
        self._values: dict[int, dict[str, str]] = {}
        self._keys: tuple[str, ...] = ()
        self._grouping = ""
        self._near = LatestTask()
        self._near.answered.connect(self._show_near)
        session = context.session
        self._near.failed.connect(lambda error: page.show_near((), (), f"{error.sentence} {error.hint}"))
        page.feature_requested.connect(session.set_feature)
        page.grouping_requested.connect(self._choose_grouping)
        session.project_changed.connect(lambda _store: self.take_slide_values())
        session.feature_changed.connect(lambda _feature: self.refresh())
        session.analysis_changed.connect(lambda _analysis: self.refresh())
        session.annotation_changed.connect(lambda _note: self._show_title())

    def refresh(self) -> None:
        """Show the current feature."""
        session, page = self._context.session, self._page
        features, feature = session.features, session.feature
        if features is None or feature is None:
            self._near.forget()
            page.say("Choose a feature to see its summary.")
            return
        stats = features.stats
        _, values = features.column(feature)
        n_tiles = int(features.valid.sum())
        histogram = activation_histogram(values, n_tiles - len(values))
        facts = (
            f"Fires in {len(values):,} of {n_tiles:,} tiles of this slide "
            f"({percent_text(float(stats.firing_rate[feature]))}); mean where it fires "
            f"{number_text(float(stats.mean_when_firing[feature]) if len(values) else None)}, "
            f"largest {number_text(float(stats.max_value[feature]))} (SAE units). Dashes: quartiles."
        )
        page.show_feature("", facts, histogram)
        self._show_title()
        self._show_cells(features, feature)
        self._show_slides(feature)
        parts = self._features.parts
        if parts is not None:
            self._near.ask(lambda: find_near(parts, feature))

    def close(self) -> None:
        """End the read that may be under way."""
        self._near.close()

    def _show_title(self) -> None:
        feature = self._context.session.feature
        if feature is not None:
            name = self._context.name_of(feature)
            self._page.title.setText(f"Feature {feature}" + (f": {name}" if name else ""))

    def _show_cells(self, features: FeatureMatrix, feature: int) -> None:
        session, page = self._context.session, self._page
        store = session.store
        newest = None if store is None else store.correlations.latest(features.sae_digest)
        if store is None or newest is None:
            page.show_cells((), "Not computed yet: Analysis > Correlate features with cells.")
            return
        known = newest
        rows = self._context.attempt(lambda: store.correlations.rows(known.id, feature=feature)) or []
        pearson = [row for row in rows if row.statistic == "pearson"]
        meta = known.meta
        page.show_cells(
            [_cell_bar(row) for row in sorted(pearson, key=lambda row: -(row.value or -2.0))],
            f"Pearson r with the cells counted in each tile, 95 % interval; {meta['n_tiles']:,} tiles of "
            f"{count_text(meta['n_slides'], 'slide')}, {meta['n_clusters']} resampled units ({meta['unit']}). p is family-wise: corrected "
            "for all features and types.",
        )

    def take_slide_values(self) -> None:
        """Look anew what the project knows of its slides, and offer it."""
        context = self._context
        store = context.session.store
        known = (
            None
            if store is None
            else context.attempt(lambda: (store.slide_values.all(), store.slide_values.keys()))
        )
        self._values, self._keys = known or ({}, ())
        if self._grouping not in self._keys:
            self._grouping = ""
        self._page.show_groupings(self._keys, self._grouping)
        self._choose_grouping(self._grouping)

    def _choose_grouping(self, key: str) -> None:
        self._grouping = key
        session = self._context.session
        if session.features is not None and session.feature is not None:
            self._show_slides(session.feature)

    def _show_slides(self, feature: int) -> None:
        page = self._page
        sources = self._examples.sources
        if not sources:
            page.show_slides((), (), "")
            return
        labels = _unique([source.name for source in sources])
        slides = list(zip(labels, (source.features for source in sources), strict=True))
        groups = {
            label: source.vendor for label, source in zip(labels, sources, strict=True) if source.vendor
        }
        profile = self._context.attempt(lambda: profile_feature(slides, feature, groups))
        if profile is None:
            return
        if not self._grouping:
            bars = bars_by_slide(profile)
        else:
            values = (self._values.get(source.slide_id, {}).get(self._grouping, "") for source in sources)
            bars = bars_by_value(profile, self._grouping, dict(zip(labels, values, strict=True)))
        page.show_slides(bars.slides, bars.groups, bars.note)

    def _show_near(self, found: object) -> None:
        assert isinstance(found, tuple)
        session = self._context.session
        if session.features is None:
            return
        directions: Sequence[NearDirection] = found[0]
        together: Sequence[NearActivation] = found[1]
        name_of = self._context.name_of
        self._page.show_near(
            [Near(near.feature, name_of(near.feature), r_text(near.cosine)) for near in directions],
            [
                Near(near.feature, name_of(near.feature), f"r {r_text(near.r)}, {near.n_both:,} in both")
                for near in together
            ],
            _TOGETHER_NOTE.format(n=int(session.features.valid.sum()))
            if together
            else "No other feature is active in the same tiles.",
        )


def find_near(
    parts: AnalysisParts, feature: int
) -> tuple[tuple[NearDirection, ...], tuple[NearActivation, ...]]:
    """Features near another, by direction and by firing together, best first.

    Raises
    ------
    SparsescopeError
        When the autoencoder cannot be read.
    """
    return parts.directions.nearest(feature, N_NEAR), parts.together.nearest(feature, N_NEAR)


def _cell_bar(row: CorrelationRow) -> Bar:
    if row.value is None:
        return Bar(row.cell_type, None, words="not defined", tip=row.reason)
    interval = (
        f" ({interval_text(row.ci_low, row.ci_high)})"
        if row.ci_low is not None and row.ci_high is not None
        else ""
    )
    p = "p not defined" if row.p is None else f"family-wise p {p_text(row.p)}"
    q = "" if row.q is None else f", q {p_text(row.q)}"
    words = f"{r_text(row.value)}{interval}" + ("" if row.p is None else f", p {p_text(row.p)}")
    return Bar(row.cell_type, row.value, row.ci_low, row.ci_high, words, f"{row.cell_type}: {words}; {p}{q}")


def _unique(names: Sequence[str]) -> list[str]:
    """Names, those that repeat with a number behind them."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique
