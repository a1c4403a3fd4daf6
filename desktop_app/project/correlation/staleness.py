"""Whether a stored run of correlations still holds, and the choices that it was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from desktop_app.project.correlation.options import CELLS, HIFS, TILE_VALUES, CorrelateOptions
from sae_backend.statistics.number_text import count_text

if TYPE_CHECKING:
    from desktop_app.store import CorrelationRecord, Store

OTHER_SAE: Final = "other autoencoder"

_SPEC: Final = (
    "statistics",
    "covariates",
    "cluster",
    "n_bootstrap",
    "n_permutations",
    "block_um",
    "seed",
    "interval",
)


def cells_state(store: Store, record: CorrelationRecord) -> dict[str, str]:
    """State of the cells of a run's slides as they are now, by fingerprint."""
    return {
        slide.fingerprint: store.cells.version(slide.id)
        for slide in store.slides.all()
        if slide.fingerprint in record.cells
    }


def n_cells_changed(store: Store, record: CorrelationRecord) -> int:
    """Number of a run's slides whose cells are others now."""
    now = cells_state(store, record)
    return sum(now.get(key, known) != known for key, known in record.cells.items())


def stale_words(store: Store, record: CorrelationRecord, sae_digest: str | None) -> str:
    """What has changed since a run was made, in a few words; empty where it still holds.

    Parameters
    ----------
    store
        The project.
    record
        The run.
    sae_digest
        The autoencoder whose features are shown, None for none.
    """
    if sae_digest is not None and record.sae_digest != sae_digest:
        return OTHER_SAE
    reasons = []
    n_changed = n_cells_changed(store, record)
    if n_changed:
        reasons.append(f"cells of {count_text(n_changed, 'slide')} changed since")
    n_anew = _analysed_anew(store, record)
    if n_anew:
        reasons.append(f"{count_text(n_anew, 'slide')} analysed anew since")
    split = store.splits.current()
    if record.split_id is not None and split is not None and split.id != record.split_id:
        reasons.append("another split is in force")
    n_new = _new_slides(store, record)
    if n_new:
        reasons.append(f"{count_text(n_new, 'more slide')} with cells")
    return f"stale: {'; '.join(reasons)}" if reasons else ""


def _analysed_anew(store: Store, record: CorrelationRecord) -> int:
    """Slides of the run whose newest features of its autoencoder are others than those it took."""
    newest = {
        known.slide_id: known.id
        for known in sorted(store.analyses.all(), key=lambda known: known.id)
        if known.sae_digest == record.sae_digest and known.feature_folder is not None
    }
    taken = {known.id: known.slide_id for known in store.analyses.all() if known.id in record.analysis_ids}
    return sum(newest.get(slide_id, number) != number for number, slide_id in taken.items())


def _new_slides(store: Store, record: CorrelationRecord) -> int:
    """Slides with cells and features of the run's autoencoder that it does not know."""
    if not record.cells:
        return 0
    known = store.analyses.all()
    tiles = next((one.tile_spec for one in known if one.id in record.analysis_ids), None)
    ready = {
        one.slide_id
        for one in known
        if (one.sae_digest, one.tile_spec) == (record.sae_digest, tiles) and one.feature_folder is not None
    }
    return sum(
        slide.id in ready and slide.fingerprint not in record.cells and bool(store.cells.version(slide.id))
        for slide in store.slides.all()
    )


def options_of(store: Store, record: CorrelationRecord) -> CorrelateOptions:
    """Choices with which a run can be made again."""
    meta, spec = record.meta, record.spec
    given: dict[str, Any] = {
        name: tuple(spec[name]) if isinstance(spec[name], (list, tuple)) else spec[name]
        for name in _SPEC
        if name in spec
    }
    return CorrelateOptions(
        **given,
        # Where too little was there to hold out, more may be there now.
        hold_out=bool(meta.get("hold_out", True)),
        baselines=bool(meta.get("baselines", True)),
        targets=_targets(store, record),
    )


def _targets(store: Store, record: CorrelationRecord) -> tuple[str, ...]:
    names = [str(name) for name in record.meta.get("type_names") or ()]
    is_count = record.meta.get("is_count") or [True] * len(names)
    others = {name for name, counted in zip(names, is_count, strict=True) if not counted}
    slides = {known.slide_id for known in store.analyses.all() if known.id in record.analysis_ids}
    own: set[str] = set()
    for slide_id in slides if others else ():
        values = store.tile_values.get(slide_id)
        own |= set(() if values is None else values.names)
    kinds = [CELLS] * any(is_count) + [HIFS] * bool(others - own) + [TILE_VALUES] * bool(others & own)
    return tuple(kinds) or (CELLS,)
