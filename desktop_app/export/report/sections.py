"""What the report says, part by part: each gives HTML, or nothing where the project has nothing to say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

import numpy as np

from desktop_app.export.report.parts import figure, paragraph, section, table, text
from desktop_app.export.study import report_of
from desktop_app.project.correlation.jobs import patient_of, slide_labels
from desktop_app.project.correlation.methods_text import methods_text
from desktop_app.project.correlation.provenance import analyses_of
from desktop_app.project.correlation.staleness import stale_words
from desktop_app.project.correlation.text import strongest_text
from desktop_app.project.notices import CONTROL_NOTICE
from desktop_app.project.studies.read import study_mark
from desktop_app.project.studies.text import headline, made_with
from desktop_app.store import AnalysisRecord, CorrelationRecord, Store, StudyRecord
from desktop_app.store.records.annotation_records import FORM
from sae_backend.correlation.representations import TITLES
from sae_backend.errors import StoreError
from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.registry import studies, study

_METRICS: Final = {
    "explained_variance": "explained variance, on tiles held out of the training",
    "l0": "L0, mean number of features that fire in a held-out tile",
    "dead_never_fired_on_train": "share of features that never fired on the training tiles",
    "dead_never_fired_on_held_out": "share of features that never fired on the held-out tiles",
    "dead_rate_below_1e-4_on_all": "share of features that fire in fewer than 1 of 10,000 tiles",
    "n_train_tiles": "training tiles",
    "n_held_out_tiles": "held-out tiles",
    "held_out_unit": "what was held out",
}


@dataclass(frozen=True)
class ReportChoice:
    """What the report holds; `with_facts` adds names of slides and what the slide table says of them."""

    with_facts: bool = False
    all_runs: bool = False


def short_section(store: Store) -> str:
    """The answer of the newest run of every study in a sentence or two, for whoever reads no further."""
    parts = []
    for one in studies():
        for record in store.studies.all(one.kind)[-1:]:
            try:
                short = report_of(store, record).short
            except StoreError:
                # What cannot be told any more is named where the studies stand.
                continue
            if short:
                title = f'<a href="#study-{record.id}">{text(one.title)}</a>'
                parts.append(f"<p><strong>{title}</strong>: {text(short)}</p>")
    if not parts:
        parts.append(paragraph("No study has been done yet.", "small"))
    return section("In short", "".join(parts), "short")


def slides_section(store: Store, analysis: AnalysisRecord, choice: ReportChoice) -> str:
    """The slides of the current features."""
    mine = {
        one.slide_id: one
        for one in store.analyses.all()
        if one.sae_digest == analysis.sae_digest
        and one.tile_spec == analysis.tile_spec
        and one.feature_folder
    }
    facts, labels = store.slide_values.all(), slide_labels(store)
    patients = {patient for k in mine if (patient := patient_of(facts.get(k, {})))}
    n_cells = sum(bool(store.cells.version(k)) for k in mine)
    tiles = sum(one.counts.get("ok", 0) for one in mine.values())
    words = (
        f"{count_text(len(mine), 'slide')}"
        + (f" of {len(patients)} patients" if patients else ", patients not on record")
        + f", {tiles:,} usable tiles; cells are known on {n_cells}."
    )
    parts = [paragraph(words)]
    keys = list(dict.fromkeys(key for k in mine for key in facts.get(k, {})))
    for key in keys:
        counted = Counter(facts.get(k, {}).get(key, "") for k in mine)
        known = {value: n for value, n in counted.items() if value}
        if 1 <= len(known) <= 12 and key.casefold() != "patient":
            said = ", ".join(f"{value} {n}" for value, n in sorted(known.items()))
            parts.append(paragraph(f"{key}: {said}."))
    if choice.with_facts:
        columns: dict[str, list[Any]] = {"slide": [labels[k] for k in mine]}
        columns["um per px"] = [store.slides.get(k).mpp for k in mine]
        columns["tiles"] = [one.counts.get("ok", 0) for one in mine.values()]
        for key in keys:
            columns[key] = [facts.get(k, {}).get(key, "") for k in mine]
        parts.append(table(columns, most=10_000))
    else:
        parts.append(
            paragraph(
                "Names of slides and patients are left out; figures of studies may name slides.", "small"
            )
        )
    return section("Slides", "".join(parts), "slides")


def model_section(store: Store, analysis: AnalysisRecord) -> str:
    """The encoder and the autoencoder."""
    sae = store.saes.get(str(analysis.sae_digest))
    spec = analysis.tile_spec
    rows = {
        "encoder": analysis.encoder, "encoder digest": analysis.encoder_digest[:16], "block": analysis.layer,
        "pooling": analysis.pooling, "licence of the weights": _licence(store, analysis),
        "tile": f"{spec['tile_px']} px at {spec['tile_mpp']:g} um per px", "SAE digest": str(analysis.sae_digest)[:16],
    }  # fmt: skip
    parts = [paragraph(CONTROL_NOTICE, "notice")] if analysis.is_control else []
    if sae is not None:
        rows |= {"features": sae.card.get("n_features"), "kind": sae.card.get("architecture")}
        training = {
            key: value for key, value in (sae.card.get("training") or {}).items() if key != "defaults"
        }
        rows |= {f"training: {key.replace('_', ' ')}": value for key, value in training.items()}
        metrics = sae.card.get("metrics") or {}
        rows |= {_METRICS[key]: metrics[key] for key in _METRICS if key in metrics}
    parts.append(table({"": list(rows), "value": list(rows.values())}, most=100))
    return section("Encoder and autoencoder", "".join(parts), "model")


def _licence(store: Store, analysis: AnalysisRecord) -> str:
    from sae_backend.activations.embeddings import Embeddings

    folder = store.cache_dir / analysis.embedding_folder
    if not folder.is_dir():
        return "not known (the embeddings were deleted)"
    return Embeddings.open(folder).card.licence or "not stated by the encoder's card"


def scores_section(store: Store, run: CorrelationRecord | None) -> str:
    """The newest correlations with their baselines."""
    if run is None:
        words = "Nothing was correlated with cells."
        return section("Correlating features with cells", paragraph(words), "scores")
    arrays = store.correlations.arrays(run.id)
    meta = run.meta
    lines = strongest_text(run, arrays).split("\n")
    parts = [paragraph(f"{run.name}, {run.created_at[:10]}. {lines[0]}"), *map(paragraph, lines[1:])]
    mark = stale_words(store, run, run.sae_digest)
    if mark:
        parts.append(paragraph(mark, "notice"))
    names = list(meta["type_names"])
    held = "held out" if meta.get("held_out") else "not held out"
    columns: dict[str, list[Any]] = {
        "cell type": [],
        "from": [],
        "column": [],
        "r": [],
        "low": [],
        "high": [],
    }
    for c, name in enumerate(names):
        for key, title in TITLES.items():
            if f"baseline/{key}/value" not in arrays:
                continue
            column = int(arrays[f"baseline/{key}/column"][c])
            values = [float(arrays[f"baseline/{key}/{part}"][c]) for part in ("value", "ci_low", "ci_high")]
            for place, value in zip(
                columns, (name, title, column if column >= 0 else None, *values), strict=True
            ):
                columns[place].append(value)
    parts.append(
        table(
            columns,
            {
                "r": f"Pearson, {held}, of the best column of each kind, chosen in the same way, with its 95 % interval"
            },
            most=400,
        )
    )
    if "selectivity/beats_null" in arrays:
        n = int(np.asarray(arrays["selectivity/beats_null"]).sum())
        parts.append(
            paragraph(f"{n:,} features follow some type beyond chance (family-wise p at most 0.05).")
        )
    parts += [paragraph(str(note), "small") for note in meta.get("notes") or ()]
    return section("Correlating features with cells", "".join(parts), "scores")


def studies_section(store: Store, choice: ReportChoice) -> str:
    """The newest run of every study, or all of them."""
    parts = []
    for one in studies():
        runs = store.studies.all(one.kind)
        for record in runs if choice.all_runs else runs[-1:]:
            content = _study_content(store, record)
            parts.append(f'<article id="study-{record.id}"><h2>{text(one.title)}</h2>{content}</article>')
    missing = [one.title for one in studies() if not store.studies.all(one.kind)]
    if missing:
        parts.append(paragraph(f"Not done: {', '.join(missing)}.", "small"))
    return section("Studies", "".join(parts), "studies")


def _study_content(store: Store, record: StudyRecord) -> str:
    """One study: what it asks, what it found, its figures and tables."""
    content = [paragraph(headline(record)), f"<p><i>{text(study(record.kind).question)}</i></p>"]
    try:
        shown = report_of(store, record)
    except StoreError as error:
        # One that cannot be told any more is named, and the others stand.
        return "".join([*content, paragraph(f"{error.sentence} {error.hint}", "notice")])
    if shown.short:
        content.append(f"<p><strong>{text(shown.short)}</strong></p>")
    mark = study_mark(store, record, record.sae_digest)
    content += [paragraph(words, "notice") for words in (*shown.warnings, mark) if words]
    content += [paragraph(part) for part in shown.found.split("\n")]
    content.append(paragraph(f"What cannot be said: {shown.limits}"))
    content += [figure(drawn) for drawn in shown.figures]
    content += [f"<h3>{text(some.title)}</h3>{table(some.columns, some.notes, 12)}" for some in shown.tables]
    content.append(paragraph(made_with(record), "small"))
    return "".join(content)


def features_section(store: Store, analysis: AnalysisRecord) -> str:
    """The features that people said something of."""
    notes = [note for note in store.annotations.all(str(analysis.sae_digest)) if note.revision]
    if not notes:
        return section("Named features", paragraph("No feature has been named yet."), "features")
    columns: dict[str, list[Any]] = {
        "feature": [note.feature for note in notes],
        **{known.title.lower(): [known.text(getattr(note, known.name)) for note in notes] for known in FORM},
        "by": [note.author for note in notes],
    }
    return section("Named features", table(columns, most=10_000), "features")


def methods_section(store: Store, run: CorrelationRecord | None) -> str:
    """How it was made, and with what."""
    parts = []
    if run is not None and analyses_of(store, run):
        parts += [paragraph(part) for part in methods_text(store, run).split("\n\n")]
    names = ("sparsescope", "numpy", "scipy", "scikit-learn", "torch", "timm", "openslide-python")
    versions = {name: metadata.version(name) for name in names}
    parts.append(table({"package": list(versions), "version": list(versions.values())}))
    return section("Methods and versions", "".join(parts), "methods")
