"""What each command does: opens the project, runs the jobs, gives an answer to print."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from desktop_app.cli.display import display_obstacle, require_display
from desktop_app.cli.doctor import examine
from desktop_app.export import annotations as annotation_exchange
from desktop_app.export import feature_jsonl
from desktop_app.export import feature_table as export
from desktop_app.export.heatmap_picture import Caption
from desktop_app.export.heatmap_picture import heatmap_png as write_heatmap
from desktop_app.project.analysis_jobs import (
    AnalyzeOptions,
    TrainOptions,
    add_slide,
    check_new_folder,
    features_of,
    open_slide,
    require_current,
)
from desktop_app.project.notices import CONTROL_NOTICE, GENERATED_NOTICE, analysis_text
from desktop_app.project.run_jobs import ProgressPrinter, analyze_slide, train_project
from desktop_app.store import AnalysisRecord, AnnotationRecord, SlideRecord, Store
from desktop_app.store.records.annotation_records import FIELDS, FORM
from sae_backend.activations.heatmap import heatmap
from sae_backend.errors import MismatchError, UserInputError
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileSpec
from sae_backend.statistics.number_text import r_text
from sae_backend.worker.client import Backend


@dataclass(frozen=True)
class Answer:
    """What a command says: text for people, data for --json, and the exit code."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    code: int = 0


def project_at(folder: Path, *, create: bool = False) -> Store:
    """Open a project; with `create` make it where there is none."""
    if create and not (folder / "project.sqlite").exists():
        return Store.create(folder)
    return Store.open(folder)


@contextmanager
def worker_of(options: Namespace) -> Iterator[Backend]:
    """Make what runs the jobs, and close it at the end."""
    backend: Backend = options.make_backend()
    try:
        yield backend
    finally:
        backend.close()


def slide_of(store: Store, path: Path) -> SlideRecord:
    """Return a slide of a project by its file, wherever that lies now.

    Raises
    ------
    UserInputError
        When it is none of the project's.
    """
    record = store.slides.by_path(path.absolute())
    if record is None and path.exists():
        with Slide.open(path) as slide:
            record = store.slides.by_fingerprint(slide.info.fingerprint)
    if record is None:
        raise UserInputError(
            f"{path.name} is not a slide of this project.", "Analyse it first: sparsescope analyze SLIDE."
        )
    return record


def start_page(_options: Namespace) -> Answer:
    """Open the window on its start page."""
    require_display()
    from desktop_app.app import WindowStart, run_window

    return Answer("", code=run_window(WindowStart()))


def open_window(options: Namespace) -> Answer:
    """Open the window with a slide."""
    with Slide.open(options.slide, options.mpp):
        pass
    require_display()
    from desktop_app.app import WindowStart, run_window

    project = options.project
    return Answer("", code=run_window(WindowStart(project=project, slide=options.slide, mpp=options.mpp)))


def demo(options: Namespace) -> Answer:
    """The demo: in the window, or headless with a report; or the scoreboard."""
    if options.scoreboard:
        return _scoreboard(options)
    if options.cohort:
        return _cohort(options)
    if options.headless or display_obstacle() is not None:
        from desktop_app.demo.run import make_demo

        with worker_of(options) as worker:
            made = make_demo(options.out, worker, ProgressPrinter())
        return Answer(made.text, made.data)
    from desktop_app.app import WindowStart, run_window

    out = options.out.absolute()
    return Answer("", {"out": str(out)}, run_window(WindowStart(demo=out)))


def _cohort(options: Namespace) -> Answer:
    from desktop_app.demo.cohort import CohortChoice, make_cohort

    with worker_of(options) as worker:
        project = make_cohort(options.out, worker, ProgressPrinter(), CohortChoice())
    text = (
        f"{GENERATED_NOTICE}\nThe project is {project.absolute()}: open a slide of it in the window, or ask a study of "
        f"it, such as sparsescope study robustness --project {project}."
    )
    return Answer(text, {"project": str(project.absolute())})


def _scoreboard(options: Namespace) -> Answer:
    from desktop_app.demo.scoreboard import ScoreboardSpec, run_scoreboard
    from desktop_app.demo.scoreboard_real_field import RealField, field_words
    from desktop_app.demo.scoreboard_report import write_scoreboard

    if (options.field is None) != (options.field_cells is None):
        raise UserInputError("A real field is scored with its cells.", "Give both --field and --field-cells.")
    with worker_of(options) as worker:
        report = ProgressPrinter()
        board = run_scoreboard(options.out, worker, report, ScoreboardSpec())
        words = write_scoreboard(board, options.out)
        if options.field is not None:
            field = RealField(options.field, options.field_cells, options.field_mpp)
            words += "\n\n" + field_words(options.out, worker, field)
    out = str(options.out.absolute())
    data = {"out": out, "null": board.null.to_json(), "scores": [asdict(row) for row in board.scores]}
    return Answer(f"{words}\nTables and picture are in {out}.", data)


def analyze(options: Namespace) -> Answer:
    """Embed a slide and encode it."""
    spec = TileSpec(options.tile_px, options.tile_mpp, options.stride_px, options.min_tissue)
    chosen = AnalyzeOptions(
        options.encoder, options.weights, options.layer, options.pooling, spec, options.sae, options.device
    )
    # The slide is checked before the project is made, so that a typing error leaves no folder behind.
    with Slide.open(options.slide, options.mpp) as slide:
        info = slide.info
    existing = (options.project / "project.sqlite").exists()
    if not existing:
        info.require_mpp()
    with project_at(options.project, create=True) as store:
        slide_record = add_slide(store, options.slide, options.mpp)
        if slide_record.mpp is None:
            info.require_mpp()
        with worker_of(options) as worker:
            record = analyze_slide(store, worker, slide_record.id, chosen, ProgressPrinter())
        text = analysis_text(record, slide_record)
        if record.feature_folder is None:
            text += (
                "\nThis project has no SAE for this encoder and layer yet. Next: "
                f"sparsescope train --project {options.project} --out SAE_DIR"
            )
        return Answer(text, {"analysis": asdict(record), "slide": asdict(slide_record)})


def train(options: Namespace) -> Answer:
    """Train an SAE and encode the slides it was trained on."""
    check_new_folder(options.out)
    chosen = TrainOptions(
        options.out,
        options.expansion,
        options.l1,
        options.epochs,
        options.seed,
        options.device,
        options.whiten,
    )
    with project_at(options.project) as store, worker_of(options) as worker:
        sae = train_project(store, worker, chosen, ProgressPrinter())
    metrics = sae.card["metrics"]
    text = (
        f"SAE {sae.digest[:12]} with {sae.card['n_features']:,} features is in {sae.folder}.\n"
        f"On {metrics['n_held_out_tiles']} held-out tiles ({metrics['held_out_unit']}): explained variance "
        f"{metrics['explained_variance']:.3f}, {metrics['l0']:.1f} features active in a tile.\n"
        f"On the {metrics['n_train_tiles']} training tiles: explained variance "
        f"{metrics['explained_variance_train']:.3f}, {metrics['l0_train']:.1f} features active."
    )
    return Answer(text, {"digest": sae.digest, "folder": sae.folder, "card": sae.card})


def features(options: Namespace) -> Answer:
    """Show or write the feature table."""
    with project_at(options.project) as store:
        analysis = require_current(store)
        head = analysis_text(analysis, store.slides.get(analysis.slide_id))
        rows = export.feature_rows(store)
        data = {"analysis": asdict(analysis), "n_features": len(rows), "out": options.out}
        if options.out is not None:
            export.feature_table(store, options.out)
            return Answer(f"{head}\n{len(rows):,} features are in {options.out}.", data)
        rows.sort(key=lambda row: -row["firing_rate"])
        lines = [f"{'feature':>8}  {'fires in':>8}  {'max':>8}  {'best cell type (r)':<28} name"]
        for row in rows[:20]:
            best = (
                f"{row['best_cell_type']} ({r_text(row['best_pearson_r'])})" if row["best_cell_type"] else "-"
            )
            lines.append(
                f"{row['feature']:>8}  {row['firing_rate']:>8.1%}  {row['max']:>8.3g}  {best:<28} {row['name']}"
            )
        lines.append(f"The 20 that fire most of {len(rows):,}; --out FILE.csv writes all.")
        return Answer("\n".join([head, *lines]), {**data, "top": rows[:20]})


def annotate_set(options: Namespace) -> Answer:
    """Annotate a feature of the current analysis's SAE."""
    with project_at(options.project) as store:
        analysis = require_current(store)
        n_features = features_of(store, analysis).n_features
        if not 0 <= options.feature < n_features:
            raise UserInputError(
                f"There is no feature {options.feature}.", f"This SAE has features 0 to {n_features - 1}."
            )
        given = {name: getattr(options, name) for name in FIELDS if hasattr(options, name)}
        if not given:
            raise UserInputError("No field was given.", "Add --name, --tags, --confidence or another.")
        if options.author:
            store.author = options.author
        record = store.annotations.set(str(analysis.sae_digest), options.feature, **given)
    return Answer(f"Feature {record.feature} is saved (revision {record.revision}).", asdict(record))


def annotate_list(options: Namespace) -> Answer:
    """List annotations."""
    with project_at(options.project) as store:
        records = store.annotations.all()
    lines = [f"{r.feature:>6}  {r.status:<9} {r.confidence or '-'}  {r.name}{_details(r)}" for r in records]
    text = "\n".join(lines) or "No feature is annotated yet: sparsescope annotate set FEATURE --name NAME."
    return Answer(text, {"annotations": [asdict(record) for record in records]})


def _details(record: AnnotationRecord) -> str:
    """What has no column of its own in the list, but for the description, which would not fit into a line."""
    others = [
        known.title.lower() if known.kind == "flag" else known.text(value)
        for known in FORM
        if known.name not in ("name", "status", "confidence", "description")
        and (value := getattr(record, known.name))
    ]
    return f"  [{', '.join(others)}]" if others else ""


def annotate_export(options: Namespace) -> Answer:
    """Export annotations."""
    writers: dict[str, Callable[[Store, Path], int | None]] = {
        ".json": annotation_exchange.export_json,
        ".csv": annotation_exchange.export_csv,
        ".jsonl": feature_jsonl.export_jsonl,
    }
    writer = writers.get(options.file.suffix.lower())
    if writer is None:
        raise UserInputError("Annotations are written as .jsonl, .json or .csv.", "Change the file's name.")
    with project_at(options.project) as store:
        count = writer(store, options.file) or len(store.annotations.all())
    return Answer(f"{count} annotated features are in {options.file}.", {"n": count, "out": options.file})


def annotate_import(options: Namespace) -> Answer:
    """Import annotations."""
    with project_at(options.project) as store:
        readers = {".jsonl": feature_jsonl.import_jsonl}
        read = readers.get(options.file.suffix.lower(), annotation_exchange.import_json)
        report = read(store, options.file)
    conflicts = [str(conflict) for conflict in report.conflicts]
    text = f"{report.added} added, {report.unchanged} the same already, {len(conflicts)} in conflict (left as they were)."
    text += "".join(f"\n  {line}" for line in conflicts)
    return Answer(text, {"added": report.added, "unchanged": report.unchanged, "conflicts": conflicts})


def _analysis_for(store: Store, slide: SlideRecord) -> AnalysisRecord:
    current = require_current(store)
    own = require_current(store, slide.id)
    if own.sae_digest != current.sae_digest:
        raise MismatchError(
            f"{slide.name} was not analysed with the project's current SAE.",
            f"Analyse it again: sparsescope analyze {slide.name}.",
        )
    return own


def heatmap_png(options: Namespace) -> Answer:
    """Draw one feature on a slide."""
    if options.out.suffix.lower() != ".png":
        raise UserInputError(
            f"{options.out.name} does not end in .png, the only format of pictures.", "Change the name."
        )
    with project_at(options.project) as store:
        record = slide_of(store, options.slide)
        analysis = _analysis_for(store, record)
        found = features_of(store, analysis)
        heat = heatmap(found, options.feature)
        note = store.annotations.get(found.sae_digest, options.feature)
        name = f" - {note.name}" if note.name else ""
        tiles, _ = found.column(options.feature)
        caption = Caption(
            f"Feature {options.feature}{name}: fires in {len(tiles):,} of {int(found.valid.sum()):,} tiles",
            analysis_text(analysis, record),
            CONTROL_NOTICE if analysis.is_control else "",
        )
        with open_slide(record) as slide:
            write_heatmap(slide, heat, options.out, caption)
    text = f"{caption.source}\nFeature {options.feature} is drawn in {options.out}."
    return Answer(text, {"out": options.out, "feature": options.feature, "n_firing": len(tiles)})


def atlas(options: Namespace) -> Answer:
    """Write a page a feature."""
    # Typesetting is slow to load, and no other command needs it.
    from desktop_app.cli.atlas import atlas as write

    return write(options)


def doctor(_options: Namespace) -> Answer:
    """Examine the machine; exit code 1 when something is wrong."""
    found = examine()
    lines = [f"{'ok ' if line.fine else 'NOT'}  {line.topic:<18} {line.words}" for line in found]
    fine = all(line.fine for line in found)
    lines.append("No problems found." if fine else "Fix the lines marked NOT.")
    return Answer("\n".join(lines), {"findings": [asdict(f) for f in found], "ok": fine}, 0 if fine else 1)
