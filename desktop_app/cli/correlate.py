"""The command that correlates: all features against all cell types."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from pathlib import Path
from typing import Any

from desktop_app.cli import arguments
from desktop_app.cli.answers import Answer, worker_of
from desktop_app.export.correlation_table import write_correlations
from desktop_app.export.tables import check_can_write, check_table_name
from desktop_app.project.analysis_jobs import require_current
from desktop_app.project.correlation.notices import counted_cells_text
from desktop_app.project.correlation.options import CELLS, TARGETS, CorrelateOptions
from desktop_app.project.correlation.text import strongest_text
from desktop_app.project.notices import analysis_text
from desktop_app.project.run_jobs import ProgressPrinter, correlate_project
from desktop_app.store import Store
from sae_backend.correlation.result import INTERVALS, PARTIAL, STATISTICS
from sae_backend.errors import UserInputError
from sae_backend.statistics.resampling_units import KINDS

_DEFAULTS = CorrelateOptions()


def add_parser(groups: Any) -> None:
    """Add the command to the others."""
    command: ArgumentParser = arguments.add(
        groups, "correlate", correlate, "all features against all cell types"
    )
    arguments.project(command)
    command.add_argument("--out", type=Path, metavar="FILE", help=".csv, .tsv, .parquet, .xlsx or .json")
    command.add_argument(
        "--name", default="", metavar="TEXT", help="what the run is called (default: a number)"
    )
    _what(command)
    _how(command)


def _what(command: ArgumentParser) -> None:
    command.add_argument(
        "--targets", type=_words, default=(CELLS,), metavar="A,B",
        help=f"what to correlate with: {', '.join(TARGETS)} (human-interpretable features: densities, shape of "
        "nuclei, stains; your own columns); default: cells",
    )  # fmt: skip
    command.add_argument(
        "--method", type=_words, default=_DEFAULTS.statistics, metavar="A,B",
        help=f"some of {', '.join(name for name in STATISTICS if name != PARTIAL)} (default: all of them)",
    )  # fmt: skip
    command.add_argument(
        "--covariates", type=_words, default=(), metavar="A,B",
        help="also the partial correlation adjusted for: cellularity, other types, stain, tissue, or "
        "columns of the slide table such as site, scanner, organ",
    )  # fmt: skip
    command.add_argument(
        "--baselines", action=BooleanOptionalAction, default=True,
        help="evaluate raw dimensions, principal components and a random SAE on the same tiles (default: yes)",
    )  # fmt: skip


def _how(command: ArgumentParser) -> None:
    command.add_argument("--cluster", choices=KINDS, default="auto",
                         help="what is drawn again whole (default: auto, the patient where known, else the slide; "
                         "blocks where these are fewer than 5)")  # fmt: skip
    command.add_argument(
        "--replicates", "--bootstraps", dest="bootstraps", type=arguments.whole, default=2000, metavar="N",
        help="bootstrap draws for the intervals (default: 2000)",
    )  # fmt: skip
    command.add_argument(
        "--permutations", type=arguments.whole, default=999, metavar="N",
        help="permutations for p and q (default: 999)",
    )  # fmt: skip
    command.add_argument("--interval", choices=INTERVALS, default=_DEFAULTS.interval,
                         help=f"kind of the intervals (default: {_DEFAULTS.interval}; BCa and percentiles are kept beside it)")  # fmt: skip
    command.add_argument("--block-um", type=arguments.number, default=1000.0, metavar="UM",
                         help="edge of a spatial block, which stands in for a slide where there are few "
                         "(default: 1000)")  # fmt: skip
    command.add_argument(
        "--hold-out", action=BooleanOptionalAction, default=True,
        help="choose features on half of the patients, report on the other half (default: yes)",
    )  # fmt: skip
    command.add_argument("--split-seed", type=arguments.natural, metavar="N",
                         help="draw new halves with this seed, for this run and later ones; the old are "
                         "kept beside them (default: the project's)")  # fmt: skip
    arguments.seed(command)


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def correlate(options: Namespace) -> Answer:
    """Correlate and, where asked, write the table."""
    if options.out is not None:
        check_table_name(options.out, what="Correlations")
        check_can_write(options.out)
    if PARTIAL in options.method and not options.covariates:
        raise UserInputError(
            "The partial correlation needs covariates.",
            "Add it, such as --covariates cellularity.",
        )
    chosen = CorrelateOptions(
        statistics=options.method,
        covariates=options.covariates,
        cluster=options.cluster,
        n_bootstrap=options.bootstraps,
        n_permutations=options.permutations,
        block_um=options.block_um,
        seed=options.seed,
        interval=options.interval,
        hold_out=options.hold_out,
        new_split_seed=options.split_seed,
        baselines=options.baselines,
        targets=options.targets,
        name=options.name,
    )
    with Store.open(options.project) as store, worker_of(options) as worker:
        analysis = require_current(store)
        record = correlate_project(store, worker, chosen, ProgressPrinter())
        rows = store.correlations.rows(record.id)
        parts = [
            analysis_text(analysis, store.slides.get(analysis.slide_id)),
            f"{record.name}. {counted_cells_text(record)}",
            strongest_text(record, store.correlations.arrays(record.id)),
        ]
        if options.out is not None:
            n_rows = write_correlations(store, record, options.out)
            parts.append(f"{n_rows:,} rows are in {options.out}.")
        data = {
            "id": record.id,
            "name": record.name,
            "meta": record.meta,
            "n_rows": len(rows),
            "out": options.out,
        }
        return Answer("\n".join(part for part in parts if part), data)
