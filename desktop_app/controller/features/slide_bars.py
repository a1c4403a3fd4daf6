"""Bars that say how a feature fires on each slide, and on slides that share a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from desktop_app.widgets.charts.charts import Bar
from sae_backend.feature_dashboard.slide_profiles import FeatureProfile, ValueProfile, profile_by_value
from sae_backend.statistics.number_text import number_text, percent_text

MAX_BARS: Final = 40
NOT_STATED: Final = "not stated"


@dataclass(frozen=True)
class SlideBars:
    """Bars of slides, or of values that slides share; of groups of slides; and what they show."""

    slides: tuple[Bar, ...]
    groups: tuple[Bar, ...]
    note: str


def bars_by_slide(profile: FeatureProfile) -> SlideBars:
    """Share of the tiles in which a feature fires: by slide, the largest first, and by scanner."""
    bars = [
        Bar(
            slide.name,
            slide.firing_rate,
            words=f"{percent_text(slide.firing_rate)} of {slide.n_tiles:,}",
            tip=f"{slide.name}: mean where it fires {number_text(slide.mean_when_firing)}, "
            f"largest {number_text(slide.max_value)}",
        )
        for slide in sorted(profile.slides, key=lambda slide: -(slide.firing_rate or 0.0))
    ]
    by_group = [
        Bar(
            f"scanner: {group.label}", group.mean_rate, group.min_rate, group.max_rate,
            f"{percent_text(group.mean_rate)}, {group.n_slides} slides",
        )
        for group in profile.groups
    ]  # fmt: skip
    more = len(bars) - MAX_BARS
    note = "Share of the tiles in which it fires" + (f"; {more} further slides not drawn" if more > 0 else "")
    note += "; groups: mean over slides, with the lowest and highest slide." if len(by_group) > 1 else "."
    return SlideBars(tuple(bars[:MAX_BARS]), tuple(by_group) if len(by_group) > 1 else (), note)


def bars_by_value(profile: FeatureProfile, key: str, value_of: Mapping[str, str]) -> SlideBars:
    """Mean over slides that share a value of `key` of their mean activation; `value_of` is by the slide's name."""
    found = profile_by_value(profile.slides, value_of)
    more = len(found) - MAX_BARS
    if more > 0:
        # A page of hundreds of bars is read by nobody; those where the feature is strong are looked for.
        strongest = sorted(found, key=lambda group: -(group.mean_of_slides or 0.0))[:MAX_BARS]
        found = tuple(group for group in found if group in strongest)
    note = (
        f"Mean activation over the tiles of a slide, silent tiles as 0 (SAE units), averaged over the slides with "
        f"the same {key}; line: lowest and highest slide; n: slides / tiles"
        + (f"; {more} more with lower means not shown. " if more > 0 else ". ")
        + "Tiles of one slide are not independent, so no test is done here: a difference between groups may "
        "come from a few slides."
    )
    return SlideBars(tuple(_value_bar(group, key) for group in found), (), note)


def _value_bar(group: ValueProfile, key: str) -> Bar:
    label = NOT_STATED if group.value is None else group.value
    n = f"{group.n_slides:,} {'slide' if group.n_slides == 1 else 'slides'}, {group.n_tiles:,} tiles"
    several = (
        f"; over all tiles together {number_text(group.mean_activation)}, "
        f"lowest {number_text(group.min_slide)}, highest {number_text(group.max_slide)}"
        if group.n_slides > 1
        else ""
    )
    return Bar(
        label,
        group.mean_of_slides,
        group.min_slide if group.n_slides > 1 else None,
        group.max_slide if group.n_slides > 1 else None,
        f"{number_text(group.mean_of_slides)}, n {group.n_slides:,} / {group.n_tiles:,}",
        f"{key} {label}: mean of the slides' means {number_text(group.mean_of_slides)}, {n}{several}",
    )
