"""How often and how strongly one feature fires on each of several slides, and in groups of slides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import MismatchError, UserInputError

ALL_SLIDES: Final = "all slides"


@dataclass(frozen=True)
class SlideProfile:
    """One feature on one slide.

    Attributes
    ----------
    name
        The slide's.
    n_tiles, n_firing
        Valid tiles, and how many of them the feature fires in.
    firing_rate
        Their ratio, 0 to 1; None where no tile is valid.
    mean_when_firing
        Mean value over the tiles where it fires, in SAE units; None where it never does.
    max_value
        Largest value, 0 where it never fires.
    """

    name: str
    n_tiles: int
    n_firing: int
    firing_rate: float | None
    mean_when_firing: float | None
    max_value: float

    @property
    def mean_activation(self) -> float | None:
        """Mean value over all valid tiles, silent ones as 0, in SAE units; None where no tile is valid."""
        return _sum(self) / self.n_tiles if self.n_tiles else None


@dataclass(frozen=True)
class GroupProfile:
    """Firing rates of the slides of a group; the unit is the slide, however many tiles it has.

    Attributes
    ----------
    label
        The group's name.
    n_slides
        Slides with at least one valid tile; the rest says nothing.
    mean_rate, min_rate, max_rate
        Over the slides' firing rates (0 to 1); None without a slide.
    """

    label: str
    n_slides: int
    mean_rate: float | None
    min_rate: float | None
    max_rate: float | None


@dataclass(frozen=True)
class ValueProfile:
    """One feature on the slides that share a value, such as those of one patient.

    Attributes
    ----------
    value
        What they share; None for the slides of which nothing is stated.
    n_slides, n_tiles
        Slides with at least one valid tile, and their valid tiles.
    mean_activation
        Mean value over those tiles, silent ones as 0, in SAE units: a slide weighs as many tiles as it
        has. None without a tile.
    mean_of_slides, min_slide, max_slide
        Mean, smallest and largest of the slides' own means over tiles; None without a tile.
    """

    value: str | None
    n_slides: int
    n_tiles: int
    mean_activation: float | None
    mean_of_slides: float | None
    min_slide: float | None
    max_slide: float | None


@dataclass(frozen=True)
class FeatureProfile:
    """One feature over several slides.

    `slides` are in the order given, `groups` in the order of their labels; `overall` is the group
    of all slides; `n_ungrouped` slides have no label.
    """

    feature: int
    sae_digest: str
    slides: tuple[SlideProfile, ...]
    overall: GroupProfile
    groups: tuple[GroupProfile, ...]
    n_ungrouped: int


def profile_feature(
    slides: Sequence[tuple[str, FeatureMatrix]], feature: int, group_of: Mapping[str, str] | None = None
) -> FeatureProfile:
    """Measure a feature on every slide and in every group of slides.

    Parameters
    ----------
    slides
        Name and activations of each slide, all of one SAE.
    feature
        The feature's number.
    group_of
        Label of each slide by its name, such as the scanner; a slide that is not in it has no label.

    Raises
    ------
    UserInputError
        When there is no slide, no such feature, or one name stands for two slides.
    MismatchError
        When the activations come from different SAEs.
    """
    if not slides:
        raise UserInputError("There is no slide to look at.", "Analyse a slide with this SAE first.")
    names = [name for name, _ in slides]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserInputError(f"Two slides are called {twice[0]}.", "Give each slide its own name.")
    digests = {features.sae_digest for _, features in slides}
    if len(digests) != 1:
        raise MismatchError(
            "The slides' features come from different SAEs.", "Analyse all slides with one SAE."
        )
    found = tuple(_profile(name, features, feature) for name, features in slides)
    label_of = group_of or {}
    groups: dict[str, list[SlideProfile]] = {}
    for profile in found:
        if profile.name in label_of:
            groups.setdefault(label_of[profile.name], []).append(profile)
    return FeatureProfile(
        feature=feature,
        sae_digest=digests.pop(),
        slides=found,
        overall=_group(ALL_SLIDES, found),
        groups=tuple(_group(label, members) for label, members in sorted(groups.items())),
        n_ungrouped=sum(profile.name not in label_of for profile in found),
    )


def profile_by_value(slides: Sequence[SlideProfile], value_of: Mapping[str, str]) -> tuple[ValueProfile, ...]:
    """Put slides that share a value together.

    Parameters
    ----------
    slides
        Profiles of one feature, as of `profile_feature`.
    value_of
        Value of each slide by its name; a slide that is not in it, or whose value is empty, goes to
        those of which nothing is stated.

    Returns
    -------
    tuple of ValueProfile
        One for each value that a slide has, in the order of the values (numbers in them by size), the
        slides without one last.
    """
    members: dict[str, list[SlideProfile]] = {}
    for slide in slides:
        members.setdefault(value_of.get(slide.name, ""), []).append(slide)
    ordered = sorted(members, key=lambda value: (not value, _natural(value)))
    return tuple(_of_value(value or None, members[value]) for value in ordered)


def _of_value(value: str | None, members: Sequence[SlideProfile]) -> ValueProfile:
    n_tiles = sum(slide.n_tiles for slide in members)
    means = [slide.mean_activation for slide in members if slide.mean_activation is not None]
    if not means:
        return ValueProfile(value, 0, 0, None, None, None, None)
    pooled = sum(_sum(slide) for slide in members) / n_tiles
    mean = sum(means) / len(means)
    return ValueProfile(value, len(means), n_tiles, pooled, mean, min(means), max(means))


def _sum(slide: SlideProfile) -> float:
    return slide.n_firing * (slide.mean_when_firing or 0.0)


def _natural(value: str) -> tuple[list[str | int], str]:
    # Splitting at a group puts what is no number at even places, so that only like things are compared.
    parts = re.split(r"(\d{1,9})", value.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], value


def _profile(name: str, features: FeatureMatrix, feature: int) -> SlideProfile:
    tiles, values = features.column(feature)
    n_tiles, n_firing = int(features.valid.sum()), int(tiles.size)
    return SlideProfile(
        name=name,
        n_tiles=n_tiles,
        n_firing=n_firing,
        firing_rate=n_firing / n_tiles if n_tiles else None,
        mean_when_firing=float(values.mean(dtype="float64")) if n_firing else None,
        max_value=float(values.max()) if n_firing else 0.0,
    )


def _group(label: str, members: Sequence[SlideProfile]) -> GroupProfile:
    rates = [profile.firing_rate for profile in members if profile.firing_rate is not None]
    if not rates:
        return GroupProfile(label, 0, None, None, None)
    return GroupProfile(label, len(rates), sum(rates) / len(rates), min(rates), max(rates))
