"""The commands of the studies: do one, list them, write one into files."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from desktop_app.cli import arguments
from desktop_app.cli.answers import Answer, worker_of
from desktop_app.export.study import shown_of, study_of, write_study
from desktop_app.export.study_comparison import compared, comparison_data, comparison_words, write_comparison
from desktop_app.export.tables import check_can_write
from desktop_app.project.run_jobs import ProgressPrinter, study_project
from desktop_app.project.studies.study_options import StudyOptions
from desktop_app.project.studies.text import headline, paragraphs
from desktop_app.store import Store, StudyRecord
from sae_backend.errors import UserInputError
from sae_backend.studies.framework.registry import STUDIES, study


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


_READ: Final[dict[str, tuple[Callable[[str], Any], str, str]]] = {
    "layers": (arguments.feature_numbers, "1,4,8", "blocks of the encoder (default: about six, evenly spread)"),
    "epochs": (arguments.whole, "N", "passes over the tiles in training (default: as documented for train)"),
    "expansion": (arguments.whole, "N", "features for each dimension of the vectors"),
    "expansions": (arguments.feature_numbers, "4,16", "also train SAEs of these widths"),
    "seeds": (arguments.natural, "N", "how many SAEs with other seeds to train"),
    "with_sets": (_names, "SAE,...", "also compare with these SAEs of the project (beginning of the digest)"),
    "fact": (str, "COLUMN", "column of the slide table"),
    "label": (str, "COLUMN", "column of the slide table with the disease or group"),
    "paired_by": (str, "COLUMN", "column that names the glass, where one glass was scanned several times"),
    "stress_tiles": (arguments.natural, "N", "tiles that are changed and encoded again; 0 for none"),
    "a": (str, "VALUE", "first group or cohort: a value of the column"),
    "b": (str, "VALUE", "second group or cohort"),
    "encoders": (_names, "ID,...", "encoders to compare (default: all that saw the slides)"),
    "feature": (arguments.natural, "N", "feature of the last block to follow (default: the one that follows the first cell type best)"),
    "within": (str, "COLUMN", "exchange patients only where this column is the same, such as site"),
    "measure": (str, "mean|rate|top", "a slide's mean activation, its share of tiles that fire, or the mean of its strongest tenth"),
    "neighbours": (arguments.whole, "N", "nearest tiles that the robustness index looks at"),
    "n_bootstrap": (arguments.whole, "N", "draws for the intervals"),
    "n_boot": (arguments.whole, "N", "draws for the intervals"),
    "n_permutations": (arguments.whole, "N", "arrangements for p"),
    "n_shuffles": (arguments.natural, "N", "exchanges of the labels, for what chance reads"),
    "most_tiles": (arguments.whole, "N", "most tiles that the scanner is read from"),
    "n_null": (arguments.natural, "N", "draws of chance: exchanges that say what chance gives"),
    "n_random": (arguments.natural, "N", "random dictionaries that say what takes no training"),
    "n_resamples": (arguments.natural, "N", "draws for stability: times that patients, or features, are drawn again"),
    "min_active": (arguments.whole, "N", "fewest tiles of a feature: one that fires in fewer takes no part"),
    "least_r": (arguments.number, "R", "least likeness in a cluster: no grouping below this mean r or cosine"),
    "share": (arguments.number, "SHARE", "overlap of duplicates: share of a feature's tiles in which the other fires"),
    "same_cosine": (arguments.number, "COSINE", "cosine of the same direction"),
    "plane": (str, "umap|pca", "how the map for the eye is laid out"),
}  # fmt: skip


def add_parser(groups: Any) -> None:
    """Add the commands to the others."""
    group: ArgumentParser = arguments.add(
        groups, "study", None, "studies of a model on slides of several patients"
    )
    actions = group.add_subparsers(metavar="KIND", required=True)
    for one in STUDIES:
        command = arguments.add(actions, one.kind, do_study, one.question)
        command.set_defaults(kind=one.kind)
        arguments.project(command)
        for key, value in one.defaults.items():
            _setting(command, key, value)
        command.add_argument("--name", default="", metavar="NAME", help="name of the run (default: a number)")
        command.add_argument("--out", type=Path, metavar="DIR", help="also write figures and tables here")
        arguments.device(command)
    command = arguments.add(actions, "list", list_studies, "the studies of a project")
    arguments.project(command)
    command = arguments.add(
        actions, "compare", compare, "two runs of a study: settings, numbers and rows that both have"
    )
    arguments.project(command)
    command.add_argument("--run", dest="wanted", required=True, metavar="RUN", help="number or name of a run")
    command.add_argument("--with", dest="other", required=True, metavar="RUN",
                         help="number or name of the run to set beside it; differences are --run less --with")  # fmt: skip
    command.add_argument("--out", type=Path, metavar="DIR", help="write tables of differences here")
    command = arguments.add(actions, "show", show_study, "what a study found, and its figures and tables")
    arguments.project(command)
    command.add_argument("--run", dest="wanted", default="", metavar="RUN",
                         help="number or name of the study (default: the newest)")  # fmt: skip
    command.add_argument("--out", type=Path, metavar="DIR", help="write figures and tables here")


def _setting(command: ArgumentParser, key: str, value: Any) -> None:
    flag = f"--{key.replace('_', '-')}"
    if key == "seed":
        arguments.seed(command)
        return
    if isinstance(value, bool):
        command.add_argument(flag, action=BooleanOptionalAction, default=None, help=_TOLD.get(key, key))
        return
    read, metavar, told = _READ.get(key, (_like(value), "VALUE", key.replace("_", " ")))
    usual = "" if value is None or value == () or "default" in told else f" (default: {value})"
    command.add_argument(flag, type=read, metavar=metavar, help=told + usual)


_TOLD: Final = {"retrain": "train the SAE on the first cohort alone (default: yes)"}


def _like(value: Any) -> Callable[[str], Any]:
    if isinstance(value, int):
        return arguments.whole
    return arguments.number if isinstance(value, float) else str


def do_study(options: Namespace) -> Answer:
    """Do a study and, where asked, write its figures and tables."""
    known = study(options.kind).defaults
    settings = {key: getattr(options, key) for key in known if getattr(options, key) is not None}
    chosen = StudyOptions(options.kind, settings, options.name, options.device)
    if options.out is not None:
        # Before the work and not after it.
        _check_folder(options.out)
    with Store.open(options.project) as store, worker_of(options) as worker:
        record = study_project(store, worker, chosen, ProgressPrinter())
        return _answer(store, record, options.out)


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserInputError(f"{out} is a file, and --out takes a folder.", "Name another place.")
    check_can_write(out / "study.csv")


def list_studies(options: Namespace) -> Answer:
    """Name the studies of a project."""
    with Store.open(options.project) as store:
        found = store.studies.all()
        lines = [f"{one.id:>4}  {one.created_at[:16].replace('T', ' ')}  {headline(one)}" for one in found]
        data = [{"id": one.id, "kind": one.kind, "name": one.name, "date": one.created_at} for one in found]
    return Answer("\n".join(lines) or "No study has been done yet.", {"studies": data})


def show_study(options: Namespace) -> Answer:
    """Tell a study again."""
    if options.out is not None:
        _check_folder(options.out)
    with Store.open(options.project) as store:
        return _answer(store, study_of(store, options.wanted), options.out)


def compare(options: Namespace) -> Answer:
    """Set two runs of a study against each other and, where asked, write tables of differences."""
    if options.out is not None:
        _check_folder(options.out)
    with Store.open(options.project) as store:
        runs = study_of(store, options.wanted), study_of(store, options.other)
        found = compared(store, *runs)
    parts = comparison_words(found, *runs)
    files = []
    if options.out is not None:
        files = write_comparison(found, *runs, options.out)
        parts.append(f"{len(files)} files are in {options.out}.")
    data = comparison_data(found, *runs)
    return Answer("\n\n".join(parts), {**data, "files": [str(path) for path in files]})


def _answer(store: Store, record: StudyRecord, out: Path | None) -> Answer:
    shown = shown_of(store, record)
    parts = paragraphs(record, shown)
    files = [] if out is None else write_study(store, record, out)
    if out is not None:
        parts.append(f"{len(files)} files are in {out}.")
    data = {
        "id": record.id,
        "kind": record.kind,
        "name": record.name,
        "short": shown.short,
        "found": shown.found,
        "limits": shown.limits,
        "warnings": list(shown.warnings),
        "meta": record.meta,
        "files": [str(path) for path in files],
    }
    return Answer("\n\n".join(parts), data)
