"""What a correlation asks of the worker, and what the project keeps of its answer."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from desktop_app.project.analysis_jobs import features_of, require_current
from desktop_app.project.correlation.options import CELLS, HIFS, TILE_VALUES, CorrelateOptions
from desktop_app.store import AnalysisRecord, CorrelationRecord, NewCorrelation, SplitRecord, Store
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.atomic_write import disk_errors
from sae_backend.cells.counts import count_cells
from sae_backend.cells.human_interpretable_features import STAINS, hif_names, tile_hifs
from sae_backend.cells.point_values import TileValues
from sae_backend.cells.table import CellTable
from sae_backend.errors import CellsError
from sae_backend.statistics.split import Halves, Unit, draw_halves
from sae_backend.worker.requests import CorrelateRequest

PATIENT_KEYS: Final = ("patient", "patientid", "case", "caseid", "subject", "subjectid", "donor")
"""Names of the column of a slide table that says whose the slide is, the first of them first."""


@dataclass(frozen=True)
class _Source:
    """A slide that takes part: `valid` (N,) are its usable tiles, which is what the halves ask for."""

    analysis: AnalysisRecord
    features: FeatureMatrix
    slide: str
    patient: str
    facts: dict[str, str]
    table: CellTable | None
    values: TileValues | None

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Usable tiles."""
        return self.features.valid


def correlate_request(store: Store, options: CorrelateOptions | None = None) -> CorrelateRequest:
    """What to ask of the worker to correlate the current SAE's features with what is known of the tiles.

    Every slide counts that has features of that SAE on the current tiles, and cells or values. Where half
    is to be held out, the project's split is used, extended or, for the first time, drawn and kept.

    Raises
    ------
    CellsError
        When no slide has what is to be correlated with.
    UserInputError
        When there are no features.
    """
    options = options or CorrelateOptions()
    sources = _sources(store, options)
    names, is_count, kinds = _target_names(sources, options)
    folder = store.cache_dir / "correlations"
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
    token = uuid.uuid4().hex
    entries = []
    for source in sources:
        targets, n_inside, n_outside = _targets(source, names, kinds)
        targets_file = folder / f"{token}-{source.analysis.slide_id}.npy"
        with disk_errors(targets_file):
            np.save(targets_file, targets)
        record = store.slides.get(source.analysis.slide_id)
        used = store.cells.current(record.id)
        entries.append(
            {
                "slide": source.slide,
                "slide_path": str(record.path),
                "mpp": record.mpp if record.mpp_source == "user" else None,
                "feature_dir": str(source.features.folder),
                "embedding_dir": str(store.cache_dir / source.analysis.embedding_folder),
                "targets_file": str(targets_file),
                "patient": source.patient,
                "facts": source.facts,
                "analysis_id": source.analysis.id,
                "fingerprint": record.fingerprint,
                "cells_version": store.cells.version(record.id),
                "cells_sha256": "" if used is None else used.source_sha256,
                "cells_tool": "" if used is None else used.tool,
                "n_cells_in_tiles": n_inside,
                "n_cells_elsewhere": n_outside,
            }
        )
    split = None
    if options.hold_out:
        split = split_for(store, sources, options.seed, options.new_split_seed)
    halves = None if split is None else Halves(split.unit, split.seed, dict(split.assignments))
    return CorrelateRequest(
        parts=tuple(entries),
        type_names=names,
        is_count=is_count,
        cache_dir=str(store.cache_dir),
        out_file=str(folder / f"{token}.npz"),
        spec={**options.spec(), "covariates": tuple(_as_written(sources, options.covariates))},
        halves={} if halves is None else vars(halves),
        hold_out=options.hold_out,
        baselines=options.baselines,
    )


def record_correlation(
    store: Store, request: CorrelateRequest, result: dict[str, Any], name: str = ""
) -> CorrelationRecord:
    """Keep what the worker did for a `CorrelateRequest` and remove its temporary files."""
    with np.load(request.out_file, allow_pickle=False) as kept:
        arrays = {key: kept[key] for key in kept.files}
    totals = {
        key: sum(part[key] for part in request.parts) for key in ("n_cells_in_tiles", "n_cells_elsewhere")
    }
    slides = [
        {key: part[key] for key in (
            "slide", "fingerprint", "n_cells_in_tiles", "n_cells_elsewhere", "cells_sha256", "cells_tool"
        )}
        for part in request.parts
    ]  # fmt: skip
    record = store.correlations.add(
        NewCorrelation(
            sae_digest=result["sae_digest"],
            analysis_ids=tuple(part["analysis_id"] for part in request.parts),
            spec=result["spec"],
            meta={**result["meta"], **totals, "slides": slides, "versions": _versions()},
            arrays=arrays,
            name=name,
            cells={part["fingerprint"]: part["cells_version"] for part in request.parts},
            split_id=_split_used(store, request.halves),
        )
    )
    discard_request(request)
    return record


def _split_used(store: Store, halves: Mapping[str, Any]) -> int | None:
    """The split that a request was made with; another may have come into force since."""
    if not halves:
        return None
    return next(
        (
            split.id
            for split in reversed(store.splits.all())
            if (split.unit, split.seed) == (halves["unit"], halves["seed"])
            and halves["assignments"].items() <= split.assignments.items()
        ),
        None,
    )


def discard_request(request: CorrelateRequest) -> None:
    """Remove the temporary files of a request, whatever became of it."""
    for path in [request.out_file, *(part["targets_file"] for part in request.parts)]:
        Path(path).unlink(missing_ok=True)


def patient_of(values: dict[str, str]) -> str:
    """Whose a slide is, by what a slide table said of it; empty where it did not say."""
    plain = {_letters(key): text for key, text in values.items()}
    return next((plain[key] for key in PATIENT_KEYS if plain.get(key)), "")


def patient_column(columns: Iterable[str]) -> str | None:
    """The column of a slide table that says whose a slide is, None where there is none."""
    plain = {_letters(column): column for column in columns}
    return next((plain[key] for key in PATIENT_KEYS if key in plain), None)


def _letters(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.casefold())


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("sparsescope", "numpy", "scipy")}


def _sources(store: Store, options: CorrelateOptions) -> list[_Source]:
    current = require_current(store)
    known = store.slide_values.all()
    found: list[_Source] = []
    labels = slide_labels(store)
    for record in _same_features(store, current):
        # Outlines take a second to read where there are many cells, and only HIFs need what they tell.
        table = store.cells.get(record.slide_id, details=HIFS in options.targets)
        values = store.tile_values.get(record.slide_id) if TILE_VALUES in options.targets else None
        wanted = (table is not None and {CELLS, HIFS} & set(options.targets)) or values is not None
        if not wanted:
            continue
        facts = known.get(record.slide_id, {})
        features = features_of(store, record)
        label = labels[record.slide_id]
        found.append(_Source(record, features, label, patient_of(facts), facts, table, values))
    if found:
        return found
    if {CELLS, HIFS} & set(options.targets):
        raise CellsError(
            "No analysed slide of this project has cells.",
            "Import them: Cells > Import cells in the window, or sparsescope cells import SLIDE FILE --project DIR.",
        )
    raise CellsError(
        "No analysed slide of this project has values of its tiles.",
        "Import a table of them for an analysed slide, or correlate with its cells.",
    )


def slide_labels(store: Store) -> dict[int, str]:
    """Name of every slide of the project; of two files of one name the later one has a number.

    All slides count, not only those that take part, so that a slide keeps its name and with it its half.
    """
    found: dict[int, str] = {}
    for slide in sorted(store.slides.all(), key=lambda slide: slide.id):
        label, n = slide.name, 1
        while label in found.values():
            n += 1
            label = f"{slide.name} ({n})"
        found[slide.id] = label
    return found


def _target_names(
    sources: list[_Source], options: CorrelateOptions
) -> tuple[tuple[str, ...], tuple[bool, ...], dict[str, str]]:
    """Names of all targets, which of them are counts, and of which kind each is."""
    kinds: dict[str, str] = {}
    tables = [source.table for source in sources]
    if CELLS in options.targets:
        kinds |= dict.fromkeys(sorted({n for t in tables if t is not None for n in t.type_names}), CELLS)
    if HIFS in options.targets:
        kinds |= {name: HIFS for name in (*hif_names(tables), *STAINS) if name not in kinds}
    own = dict.fromkeys(n for s in sources if s.values is not None for n in s.values.names)
    twice = [name for name in own if name in kinds]
    if twice:
        raise CellsError(
            f"{twice[0]!r} is a column of your tile values and also a cell type or measure of this run.",
            "Rename the column and import it again, or correlate with one kind of targets at a time.",
        )
    kinds |= dict.fromkeys(own, TILE_VALUES)
    names = tuple(kinds)
    if not names:
        raise CellsError(
            "The project's types of cell are all left out, so there is nothing to correlate with.",
            "Take some of them in again: in the preview of an import, or with sparsescope cells classes.",
        )
    return names, tuple(kinds[name] == CELLS for name in names), kinds


def _targets(
    source: _Source, names: tuple[str, ...], kinds: dict[str, str]
) -> tuple[npt.NDArray[np.float64], int, int]:
    """Targets (N, C) of a slide, and its cells in tiles and elsewhere; stains are filled in by the worker."""
    grid = source.features.grid
    targets = np.full((grid.n_tiles, len(names)), np.nan)
    n_inside = n_outside = 0
    place = {name: column for column, name in enumerate(names)}
    if source.table is not None:
        counted = count_cells(source.table, grid)
        n_inside, n_outside = counted.n_in_tiles, counted.n_outside_tiles
        for name, column in place.items():
            if kinds[name] == CELLS:
                targets[:, column] = 0
        for index, name in enumerate(counted.type_names):
            if kinds.get(name) == CELLS:
                targets[:, place[name]] = counted.counts[:, index]
    hifs = [name for name in names if kinds[name] == HIFS and name not in STAINS]
    if hifs:
        targets[:, [place[name] for name in hifs]] = tile_hifs(source.table, grid, hifs)
    if source.values is not None:
        found = source.values.values_on(grid)
        for index, name in enumerate(source.values.names):
            if kinds[name] == TILE_VALUES:
                targets[:, place[name]] = found[:, index]
    return targets, n_inside, n_outside


def _as_written(sources: list[_Source], covariates: tuple[str, ...]) -> list[str]:
    """Covariates as the slide table writes them, whatever their case."""
    written = {key.casefold(): key for source in sources for key in source.facts}
    return [written.get(name.casefold(), name) for name in covariates]


def split_for(
    store: Store, sources: Sequence[Unit], seed: int, wish: int | None = None
) -> SplitRecord | None:
    """Give the split in force for these slides, drawn or extended where needed; None where too little is there.

    Parameters
    ----------
    store
        The project.
    sources
        The slides that take part.
    seed
        Decides the draw where there is no split yet.
    wish
        Seed of a new split to be drawn in place of the one in force; None to keep it.
    """
    kept = _kept_split(store, sources)
    seed = wish if wish is not None else (seed if kept is None else kept.seed)
    known = None
    if kept is not None and wish is None:
        known = Halves(kept.unit, kept.seed, dict(kept.assignments))
    halves = draw_halves(sources, seed, known)
    if halves is None:
        return None
    if known is not None and kept is not None and halves.unit == known.unit:
        new = {key: side for key, side in halves.assignments.items() if key not in known.assignments}
        return store.splits.extend(kept.id, new) if new else kept
    n = len(store.splits.all()) + 1
    return store.splits.add(f"Split {n}", halves.unit, halves.seed, dict(halves.assignments))


def _kept_split(store: Store, sources: Sequence[Unit]) -> SplitRecord | None:
    """The split in force; where these slides are divided by another unit, the newest of that unit.

    Otherwise a run on few slides, which are cut in two, would make a later one on all draw the patients anew.
    """
    current = store.splits.current()
    if current is None:
        return None
    halves = draw_halves(sources, 0)
    alike = [split for split in store.splits.all() if halves is None or split.unit == halves.unit]
    if current.unit in {split.unit for split in alike} or not alike:
        return current
    return store.splits.choose(alike[-1].id)


def _same_features(store: Store, current: AnalysisRecord) -> list[AnalysisRecord]:
    newest: dict[int, AnalysisRecord] = {}
    for record in sorted(store.analyses.all(), key=lambda record: record.id):
        same = (record.sae_digest, record.tile_spec) == (current.sae_digest, current.tile_spec)
        if same and record.feature_folder is not None:
            newest[record.slide_id] = record
    return list(newest.values())
