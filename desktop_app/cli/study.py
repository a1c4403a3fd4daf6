"""The commands of the studies: do one, list them, write one into files."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from desktop_app.cli import arguments
from desktop_app.cli.answers import Answer, worker_of
from desktop_app.export.study import report_of, study_of, write_study
from desktop_app.export.study_comparison import compared, comparison_data, comparison_words, write_comparison
from desktop_app.export.tables import check_can_write
from desktop_app.project.run_jobs import ProgressPrinter, study_project
from desktop_app.project.studies.settings import StudyOptions
from desktop_app.project.studies.text import headline, paragraphs
from desktop_app.store import Store, StudyRecord
from sae_backend.errors import UserInputError
from sae_backend.studies.framework.registry import studies, study
from sae_backend.studies.framework.settings import SEED, Setting


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


_READ: Final[dict[str, Callable[[str], Any]]] = {
    "column": str,
    "value": str,
    "choice": str,
    "numbers": arguments.feature_numbers,
    "share": arguments.number,
    "saes": _names,
    "encoders": _names,
}


def add_parser(groups: Any) -> None:
    """Add the commands to the others."""
    group: ArgumentParser = arguments.add(
        groups, "study", None, "studies of a model on slides of several patients"
    )
    actions = group.add_subparsers(metavar="KIND", required=True)
    for one in studies():
        command = arguments.add(actions, one.kind, do_study, one.question)
        command.set_defaults(kind=one.kind)
        arguments.project(command)
        for setting in one.settings:
            _setting(command, setting)
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
                         help="number or name of the run to compare with; differences are --run minus --with")  # fmt: skip
    command.add_argument("--out", type=Path, metavar="DIR", help="write tables of differences here")
    command = arguments.add(actions, "show", show_study, "what a study found, and its figures and tables")
    arguments.project(command)
    command.add_argument("--run", dest="wanted", default="", metavar="RUN",
                         help="number or name of the study (default: the newest)")  # fmt: skip
    command.add_argument("--out", type=Path, metavar="DIR", help="write figures and tables here")


def _setting(command: ArgumentParser, setting: Setting) -> None:
    if setting == SEED:
        arguments.seed(command)
        return
    flag, default, words = f"--{setting.key.replace('_', '-')}", setting.default, setting.help
    if setting.kind == "yes":
        command.add_argument(flag, action=BooleanOptionalAction, default=None, help=words)
        return
    read = _READ.get(setting.kind)
    if read is None:
        read = arguments.whole if setting.low > 0 and not setting.draws else arguments.natural
    usual = "" if default in (None, ()) or "default" in words else f" (default: {default})"
    command.add_argument(flag, type=read, metavar=setting.metavar, help=words + usual)


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
        raise UserInputError(f"{out} is a file, and --out takes a folder.", "Choose another place.")
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
    report = report_of(store, record)
    parts = paragraphs(record, report)
    files = [] if out is None else write_study(store, record, out)
    if out is not None:
        parts.append(f"{len(files)} files are in {out}.")
    data = {
        "id": record.id,
        "kind": record.kind,
        "name": record.name,
        "short": report.short,
        "found": report.found,
        "limits": report.limits,
        "warnings": list(report.warnings),
        "meta": record.meta,
        "files": [str(path) for path in files],
    }
    return Answer("\n\n".join(parts), data)
