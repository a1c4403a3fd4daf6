"""Whether what a study reads is still in the cache; where it is not, which slides it is of and what brings it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from desktop_app.project.correlation.jobs import slide_labels
from desktop_app.project.studies.sets import StudySet
from desktop_app.store import AnalysisRecord, Store
from sae_backend.activations.embeddings import Embeddings
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.errors import CacheError
from sae_backend.slides.tiles import TileSpec

_PLAIN: Final = TileSpec()


def check_cache(
    store: Store, kind: str, spec: Mapping[str, Any], sets: Sequence[StudySet], slides: Sequence[int]
) -> None:
    """Refuse a study whose features, or embeddings where it trains on them, are gone, before anything is counted.

    Raises
    ------
    CacheError
        That names the slides.
    """
    for one in sets:
        analyses = [one.analyses[slide] for slide in slides]
        gone = [
            record for record in analyses if not _can_be_read(store, record.feature_folder, FeatureMatrix)
        ]
        if gone:
            raise _missing(store, one, gone, "features")
    if _trains(kind, spec):
        analyses = [sets[0].analyses[slide] for slide in slides]
        gone = [record for record in analyses if not _can_be_read(store, record.embedding_folder, Embeddings)]
        if gone:
            raise _missing(store, sets[0], gone, "embeddings")


def again(record: AnalysisRecord, name: str = "SLIDE") -> str:
    """The command that makes what belongs to an analysis once more."""
    words = f"sparsescope analyze {name} --project DIR --encoder {record.encoder} --layer {record.layer}"
    for key in ("tile_px", "tile_mpp", "stride_px"):
        value = record.tile_spec.get(key)
        if value is not None and value != getattr(_PLAIN, key):
            words += f" --{key.replace('_', '-')} {value:g}"
    return words


def _trains(kind: str, spec: Mapping[str, Any]) -> bool:
    if kind == "universality":
        return bool(spec.get("seeds") or spec.get("expansions"))
    return kind == "domain" and bool(spec.get("retrain"))


def _can_be_read(store: Store, folder: str | None, kind: type[FeatureMatrix] | type[Embeddings]) -> bool:
    if folder is None:
        return False
    place: Path = store.cache_dir / folder
    try:
        kind.open(place)
    except CacheError:
        return False
    return True


def _missing(store: Store, one: StudySet, gone: Sequence[AnalysisRecord], what: str) -> CacheError:
    labels = slide_labels(store)
    first = labels[gone[0].slide_id]
    n = len(gone) - 1
    more = f" and {n} other slide{'s' * (n != 1)}" if n else ""
    return CacheError(
        f"The {what} of {first}{more} ({one.title}) are no longer in the cache, or are damaged.",
        f"Analyse {'these slides' if n else 'this slide'} again with the same settings: Analysis > Analyse the slide in the "
        f"window, or {again(gone[0], 'SLIDE' if n else first)}.",
    )
