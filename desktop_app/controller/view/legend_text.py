"""What the legend of a map says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from desktop_app.widgets.slide.legend import MapLegend
from sae_backend.statistics.number_text import number_text

if TYPE_CHECKING:
    from desktop_app.canvas.slide_layers import SlideLayers
    from desktop_app.controller.context import Context


def feature_words(context: Context, feature: int) -> str:
    """The number of a feature with its name, where it has one."""
    name = context.name_of(feature)
    return f"Feature {feature}" + (f": {name}" if name else "")


def source_words(context: Context, digits: int = 8) -> str:
    """Encoder and autoencoder (so many digits of its digest) of the analysis shown; nothing where there is none."""
    features, analysis = context.session.features, context.session.analysis
    if features is None or analysis is None:
        return ""
    return f"{analysis.encoder}{' (random weights)' if analysis.is_control else ''}, SAE {features.sae_digest[:digits]}"


def map_legend(context: Context, feature: int | None, layers: SlideLayers) -> MapLegend | None:
    """Legend of a feature's map as `layers` draw it; None where no feature can be shown."""
    features, analysis = context.session.features, context.session.analysis
    if features is None or feature is None or analysis is None:
        return None
    return MapLegend(
        feature_words(context, feature),
        source_words(context),
        layers.limits,
        layers.look,
        layers.is_signed,
        note=_note(layers),
    )


def density_legend(cell_type: str, layers: SlideLayers) -> MapLegend:
    """Legend of the density of a type of cell as `layers` draw it."""
    return MapLegend(
        f"Cells: {cell_type}",
        "counted on the tiles of the map",
        layers.limits,
        layers.look,
        layers.is_signed,
        unit="cells per tile",
        note=_note(layers),
    )


def _note(layers: SlideLayers) -> str:
    """What of the map is not drawn as it was measured."""
    parts = []
    if layers.threshold > 0:
        parts.append(f"hidden: {'within ±' if layers.is_signed else 'up to '}{number_text(layers.threshold)}")
    if layers.look.smooth:
        parts.append("interpolated between tiles")
    return "; ".join(parts)
