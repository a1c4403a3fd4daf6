"""The sentences of an atlas, the same in every format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from desktop_app.project.notices import CONTROL_NOTICE, GENERATED_NOTICE
from desktop_app.store.records.annotation_records import FORM
from sae_backend.models.bundled_models import SHIPPED_ENCODER
from sae_backend.statistics.number_text import count_text, length_text, p_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from desktop_app.export.atlas.source import AtlasSource
    from desktop_app.project.features.feature_facts import FeatureFacts, FiringTile
    from desktop_app.store import AnalysisRecord, AnnotationRecord, CorrelationRow

DRAWN_SLIDE_NOTICE: Final = (
    "Generated: the slide is computer-generated; nothing here is evidence about real tissue."
)
DRAWN_ENCODER_NOTICE: Final = (
    "The encoder has learned from generated slides only and has never seen real tissue: "
    "its features on this slide are not a finding."
)
STRONGEST_TITLE: Final = "Strongest tiles"
WEAKER_TITLE: Final = "Weaker tiles, evenly spaced by rank"
CHOSEN_TITLE: Final = "Chosen examples"
NO_TILES: Final = "It fires in no analysed tile of this slide."
NO_WEAKER: Final = "It fires in no other tile."
HISTOGRAM_TITLE: Final = "Activation histogram"
CORRELATION_TITLE: Final = "Correlated cell types"
NO_CORRELATION: Final = "The features have not been correlated with cells."
NOT_GIVEN: Final = "not given"


def notices_of(analysis: AnalysisRecord, *, is_drawn: bool) -> tuple[str, ...]:
    """What a reader must know before believing anything: a control, a drawn slide, an encoder of drawn slides."""
    learned_from_drawn = analysis.encoder == SHIPPED_ENCODER
    found = [CONTROL_NOTICE] if analysis.is_control else []
    if is_drawn:
        found.append(GENERATED_NOTICE if learned_from_drawn else DRAWN_SLIDE_NOTICE)
    elif learned_from_drawn:
        found.append(DRAWN_ENCODER_NOTICE)
    return tuple(found)


def value_text(value: float | None) -> str:
    """Three digits of an activation."""
    return "not defined" if value is None else f"{value:#.3g}"


def firing_text(facts: FeatureFacts) -> str:
    """Firing rate with n."""
    return f"{facts.firing_rate:.1%} of the tiles ({facts.n_firing:,} of {facts.n_tiles:,})"


def number_lines(source: AtlasSource, facts: FeatureFacts) -> list[tuple[str, str]]:
    """Measurements, as labels and values."""
    spec = source.features.grid.spec
    return [
        ("Fires in", firing_text(facts)),
        ("Largest activation", f"{facts.max_value:#.3g} (SAE units)"),
        ("Mean where it fires", value_text(facts.mean_when_firing)),
        (
            "A tile",
            f"{length_text(spec.tile_px * spec.tile_mpp)} ({spec.tile_px} px at {spec.tile_mpp:g} µm/px)",
        ),
    ]


def note_lines(note: AnnotationRecord) -> list[tuple[str, str]]:
    """Annotations, as labels and values; comments are apart."""
    lines = []
    for known in FORM:
        words = known.text(getattr(note, known.name))
        if words and known.kind == "flag":
            words = known.help
        if known.name != "name" and (words or known.kind in ("choice", "concept")):
            lines.append((known.title, words or NOT_GIVEN))
    if note.author:
        lines.append(("By", f"{note.author}, {note.updated_at[:10]}" if note.updated_at else note.author))
    return lines


def map_text(source: AtlasSource) -> str:
    """What the colours of the map mean."""
    grid = source.features.grid
    cell = length_text(grid.stride_l0 * grid.mpp)
    return f"Coloured: it fires (SAE units); pale: analysed, silent; bare: not analysed. Cells of {cell}."


def tiles_text(facts: FeatureFacts) -> str:
    """What stands below the pictures of tiles."""
    return f"Below each tile: its activation, and its rank among the {count_text(facts.n_firing, 'tile')} where it fires."


def place_text(place: FiringTile | None) -> str:
    """What stands below a tile: value and rank; a region has neither."""
    if place is None:
        return "region"
    return f"{value_text(place.value)} · rank {place.rank:,}" if place.rank else "0 · silent here"


def place_alt(place: FiringTile | None, n_firing: int) -> str:
    """What a picture of a tile shows, for those who do not see it."""
    if place is None:
        return "A region that was chosen as an example"
    if not place.rank:
        return f"Tile {place.tile}: the feature is silent"
    return f"Tile {place.tile}: activation {value_text(place.value)}, rank {place.rank:,} of {n_firing:,}"


def unseen_text(n_unseen: int) -> str:
    """What is said of chosen examples without a picture; nothing where there are none."""
    if not n_unseen:
        return ""
    return f"{count_text(n_unseen, 'more chosen example')} not pictured: on other slides, or beyond six."


def correlation_text(source: AtlasSource) -> str:
    """What the correlations of a page are, with n and unit."""
    record = source.correlation
    if record is None:
        return NO_CORRELATION
    meta = record.meta
    names = ", ".join(source.correlated_slides[:3])
    more = len(source.correlated_slides) - 3
    where = f"{names} and {more} more" if more > 0 else names
    return (
        f"Pearson r of the activation with the number of cells in a tile; n = {count_text(int(meta['n_tiles']), 'tile')} of "
        f"{count_text(int(meta['n_slides']), 'slide')} ({where}). The 95 % interval and the family-wise p come from exchanging and "
        f"drawing units: {meta['unit']}, {meta['n_clusters']} of them."
    )


def follows_title(rows: Sequence[CorrelationRow], n_drawn: int) -> str:
    """The heading above the correlations, which says when only the strongest are drawn."""
    defined = sum(row.value is not None for row in rows)
    if defined <= n_drawn:
        return CORRELATION_TITLE
    return f"{CORRELATION_TITLE}: the {n_drawn} strongest of {defined} cell types"


def row_p_text(row: CorrelationRow) -> str:
    """Family-wise p, or why there is none."""
    if row.value is None:
        return row.reason or "not defined"
    return p_text(row.p, missing="not defined")


def footer_text(source: AtlasSource) -> str:
    """What a page was made from."""
    analysis = source.analysis
    control = " (random weights: a control)" if analysis.is_control else ""
    return (
        f"{analysis.encoder}{control} · block {analysis.layer} · {analysis.pooling} · SAE {source.features.sae_digest[:12]} · "
        f"{source.made_at:%Y-%m-%d} · {source.slide.name}"
    )


def first_page(source: AtlasSource) -> list[str]:
    """The paragraphs of the first page."""
    facts = source.features
    n_tiles, analysis = int(facts.valid.sum()), source.analysis
    spec = facts.grid.spec
    control = " with random weights (a control)" if analysis.is_control else ""
    text = [
        f"An atlas of {count_text(len(source.numbers), 'feature')} of the {facts.n_features:,} that a sparse autoencoder "
        f"(SAE {facts.sae_digest[:12]}) found in what the encoder {analysis.encoder}{control} makes of tissue (block "
        f"{analysis.layer}, {analysis.pooling}): {source.chosen}. A feature is a number that the autoencoder computes for every "
        "tile; it fires where it is above zero. Each page shows one, with what people said of it. For research, not for diagnosis.",
        f"Everything but the correlations is measured on one slide, {source.slide.name}: {n_tiles:,} analysed tiles of "
        f"{length_text(spec.tile_px * spec.tile_mpp)} ({spec.tile_px} px at {spec.tile_mpp:g} µm/px). Activations are in the "
        "autoencoder's own units, which differ from feature to feature; every map has its own colour scale, from 0 to the "
        "largest activation. The first row of tiles holds the strongest; the second goes evenly down the ranks of the others, "
        "because the strongest alone flatter a feature. The histogram counts the tiles where it fires; its counts are logarithmic.",
    ]
    if source.correlation is None:
        return [*text, NO_CORRELATION]
    meta = source.correlation.meta
    return [
        *text,
        correlation_text(source),
        f"Method: {meta['method']}.",
        *(f"Note: {note}" for note in meta["notes"]),
        "The family-wise p allows for all features and cell types that were looked at; the intervals do not, so those of "
        "features that were chosen for their r are too favourable.",
    ]
