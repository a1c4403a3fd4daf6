"""The command that writes the report of a project."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from desktop_app.cli import arguments
from desktop_app.cli.answers import Answer
from desktop_app.store import Store


def add_parser(groups: Any) -> None:
    """Add the command to the others."""
    command = arguments.add(
        groups,
        "report",
        report,
        "one web page: slides, encoder, SAE, scores, studies, named features, methods",
    )
    arguments.project(command)
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page (.html)")
    command.add_argument(
        "--all-runs", action="store_true", help="every run of every study, not only the newest"
    )
    command.add_argument(
        "--with-slides",
        action="store_true",
        help="also list slides by name with their slide table",
    )


def report(options: Namespace) -> Answer:
    """Write the report."""
    from desktop_app.export.report import ReportChoice, write_report

    with Store.open(options.project) as store:
        write_report(store, options.out, ReportChoice(options.with_slides, options.all_runs))
        n_studies = len(store.studies.all())
    return Answer(f"The report is in {options.out}.", {"out": str(options.out), "n_studies": n_studies})
