"""Features as JSON Lines, one a line, with the field names that feature browsers have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import orjson

from desktop_app.project.analysis_jobs import features_of, require_current
from desktop_app.project.features.feature_facts import feature_facts, pearson_by_strength
from desktop_app.store import (
    AnalysisRecord,
    AnnotationRecord,
    CommentRecord,
    CorrelationRow,
    FeatureRef,
    ImportReport,
    Store,
)
from desktop_app.store.records.annotation_records import FIELDS, checked_content
from desktop_app.store.rows.annotations import checked_feature
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import open_atomic
from sae_backend.errors import CacheError, UserInputError

N_EXAMPLES: Final = 20
N_CORRELATIONS: Final = 10
METHOD: Final = (
    "activations of a sparse autoencoder over the analysed tiles of one slide; frac_nonzero is the share of tiles where "
    "the feature fires, mean_when_firing the mean over those; the histogram counts them from 0 to the largest"
)
_FILE_MAX_BYTES: Final = 1 << 30


@dataclass(frozen=True)
class _Measured:
    """What the project has computed for the features of one autoencoder."""

    analysis: AnalysisRecord
    slide: str
    features: FeatureMatrix
    correlations: Mapping[int, Sequence[CorrelationRow]]


def export_jsonl(store: Store, path: Path, features: Iterable[int] | None = None) -> int:
    """Write features as JSON Lines, whole or not at all; returns their number.

    Parameters
    ----------
    store
        The project.
    path
        The file.
    features
        Numbers of features of the current analysis; None takes every feature that somebody named or
        commented on, of every autoencoder.

    Raises
    ------
    UserInputError
        When a number is no feature, or numbers are given where there is no analysis.
    CacheError
        When the file cannot be written.
    """
    comments: dict[FeatureRef, list[CommentRecord]] = {}
    for comment in store.comments.all():
        comments.setdefault(FeatureRef(comment.sae_digest, comment.feature), []).append(comment)
    notes = {note.ref: note for note in store.annotations.all()}
    measured: dict[str, _Measured | str] = {}
    if features is None:
        refs = sorted({*notes, *comments}, key=lambda ref: (ref.sae_digest, ref.index))
    else:
        analysis = require_current(store)
        known = _measured(store, analysis)
        measured[str(analysis.sae_digest)] = known
        refs = [FeatureRef(str(analysis.sae_digest), number) for number in _checked(features, known)]
    with open_atomic(path) as file:
        for ref in refs:
            if ref.sae_digest not in measured:
                measured[ref.sae_digest] = _measured_or_reason(store, ref.sae_digest)
            note = notes.get(ref, AnnotationRecord(ref.sae_digest, ref.index))
            line = {**_said(note, comments.get(ref, [])), **_numbers(ref, measured[ref.sae_digest])}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    return len(refs)


def _checked(numbers: Iterable[int], known: _Measured) -> list[int]:
    wanted = list(dict.fromkeys(checked_feature(number) for number in numbers))
    for number in wanted:
        known.features.column(number)
    return wanted


def _measured(store: Store, analysis: AnalysisRecord) -> _Measured:
    rows: dict[int, list[CorrelationRow]] = {}
    newest = store.correlations.latest(str(analysis.sae_digest))
    for row in [] if newest is None else store.correlations.rows(newest.id):
        rows.setdefault(row.feature, []).append(row)
    slide = store.slides.get(analysis.slide_id)
    return _Measured(analysis, slide.name, features_of(store, analysis), rows)


def _measured_or_reason(store: Store, sae_digest: str) -> _Measured | str:
    own = [a for a in store.analyses.all() if a.sae_digest == sae_digest and a.feature_folder is not None]
    if not own:
        return "No slide of this project is analysed with this autoencoder."
    current = store.analyses.current()
    try:
        return _measured(store, current if current in own else max(own, key=lambda known: known.id))
    except CacheError as error:
        # Names must leave the project even where what was computed is gone.
        return error.sentence


def _said(note: AnnotationRecord, comments: Sequence[CommentRecord]) -> dict[str, Any]:
    explanation = ": ".join(text for text in (note.name, note.description) if text)
    explanations = [{"description": explanation, "authorId": note.author, "typeName": "human"}]
    return {
        "index": str(note.feature),
        "saeId": note.sae_digest,
        **note.content(),
        "author": note.author,
        "updated_at": note.updated_at,
        "explanations": explanations if explanation else [],
        "comments": [{"author": c.author, "at": c.at, "text": c.text} for c in comments],
    }


def _numbers(ref: FeatureRef, measured: _Measured | str) -> dict[str, Any]:
    if isinstance(measured, str) or ref.index >= measured.features.n_features:
        reason = measured if isinstance(measured, str) else "This autoencoder has no such feature."
        return {"modelId": None, "layer": None, "provenance": {"reason": reason}}
    features, analysis, grid = measured.features, measured.analysis, measured.features.grid
    facts = feature_facts(features, ref.index, N_EXAMPLES)
    origins = grid.origins_l0()
    edges, counts = facts.bin_edges.tolist(), facts.bin_counts.tolist()
    rows = [
        row for row in pearson_by_strength(measured.correlations.get(ref.index, ())) if row.value is not None
    ]
    return {
        "modelId": analysis.encoder,
        "layer": str(analysis.layer),
        "frac_nonzero": facts.firing_rate,
        "maxActApprox": facts.max_value,
        "mean_when_firing": facts.mean_when_firing,
        "histogram": {"bins": edges, "counts": counts},
        "freq_hist_data_bar_values": [(a + b) / 2 for a, b in pairwise(edges)],
        "freq_hist_data_bar_heights": counts,
        "correlations": [
            {
                "cell_type": row.cell_type,
                "statistic": row.statistic,
                "r": row.value,
                **{name: getattr(row, name) for name in ("ci_low", "ci_high", "p", "q")},
                "n": row.n_tiles,
                **{name: getattr(row, name) for name in ("n_slides", "unit", "method")},
            }
            for row in rows[:N_CORRELATIONS]
        ],
        "activations": [
            {
                "slide": measured.slide,
                "tile": found.tile,
                "y_l0": float(origins[found.tile, 0]),
                "x_l0": float(origins[found.tile, 1]),
                "width_px_l0": grid.tile_l0,
                "mpp": grid.mpp,
                "value": found.value,
            }
            for found in facts.strongest
        ],
        "provenance": {
            "slide": measured.slide,
            "n_tiles": facts.n_tiles,
            "n_firing": facts.n_firing,
            "tile_px": grid.spec.tile_px,
            "tile_mpp": grid.spec.tile_mpp,
            "encoder_digest": analysis.encoder_digest,
            "encoder_is_control": analysis.is_control,
            "pooling": analysis.pooling,
            "grid_digest": analysis.grid_digest,
            "embedding_digest": features.embedding_digest,
            "method": METHOD,
        },
    }


def import_jsonl(store: Store, path: Path) -> ImportReport:
    """Add the annotations of a file of features; one that differs from ours is reported, never overwritten.

    Only what people said of a feature is taken, with author and time; lines that say nothing are passed over.

    Raises
    ------
    UserInputError
        When a line is not such a feature, by its number; then nothing was added.
    StoreError
        When the project cannot be written.
    """
    try:
        if path.stat().st_size > _FILE_MAX_BYTES:
            raise UserInputError(f"{path.name} is too large for annotations.", "Choose the exported file.")
        with path.open("rb") as file:
            notes = list(_notes(file, path.name))
    except OSError as error:
        raise UserInputError(f"{path.name} cannot be read: {error.strerror}.", "Check the path.") from error
    return store.annotations.merge(notes)


def _notes(lines: Iterable[bytes], name: str) -> Iterator[AnnotationRecord]:
    seen: dict[FeatureRef, int] = {}
    for number, raw in enumerate(lines, start=1):
        text = raw.removeprefix(b"\xef\xbb\xbf").strip()
        if not text:
            continue
        try:
            note = _note(orjson.loads(text))
        except orjson.JSONDecodeError as error:
            raise UserInputError(
                f"Line {number} of {name} is not valid JSON.", "Export the features again."
            ) from error
        except UserInputError as error:
            sentence = f"{error.sentence[0].lower()}{error.sentence[1:]}"
            raise UserInputError(f"Line {number} of {name}: {sentence}", error.hint) from error
        if note is None:
            continue
        if note.ref in seen:
            raise UserInputError(
                f"Line {number} of {name} describes feature {note.feature} again, after line {seen[note.ref]}.",
                "Keep one of the two.",
            )
        seen[note.ref] = number
        yield note


def _note(entry: Any) -> AnnotationRecord | None:
    """What a line says of its feature; None where it says nothing."""
    hint = "Export the features again, or mend the line."
    if not isinstance(entry, dict) or not isinstance(entry.get("saeId"), str) or not entry["saeId"]:
        raise UserInputError("It is no feature with a saeId.", hint)
    for name in ("author", "updated_at"):
        if not isinstance(entry.get(name, ""), str):
            raise UserInputError(f"Its {name} is not text.", hint)
    index = entry.get("index")
    # No longer than any number of a feature: int() refuses thousands of digits with an error of its own.
    if isinstance(index, str) and index.isdecimal() and len(index) <= 10:
        index = int(index)
    feature = checked_feature(index)
    blank = AnnotationRecord(entry["saeId"], feature)
    given = {name: entry[name] for name in FIELDS if name in entry}
    content = cast(dict[str, Any], {**blank.content(), **checked_content(given)})
    if content == blank.content():
        return None
    return AnnotationRecord(
        blank.sae_digest,
        feature,
        author=entry.get("author", ""),
        updated_at=entry.get("updated_at", ""),
        **content,
    )
