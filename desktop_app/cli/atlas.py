"""The command that writes an atlas."""

from __future__ import annotations

import time
from argparse import Namespace

from desktop_app.cli.answers import Answer
from desktop_app.export.atlas.source import AtlasChoice, collect
from desktop_app.export.atlas.write import check_atlas_name, write_atlas
from desktop_app.project.notices import analysis_text
from desktop_app.project.run_jobs import ProgressPrinter
from desktop_app.store import Store
from sae_backend.statistics.number_text import count_text
from sae_backend.worker.requests import Progress


def atlas(options: Namespace) -> Answer:
    """Write a page a feature."""
    check_atlas_name(options.out)
    choice = AtlasChoice(options.list or "", tuple(options.features or ()), options.all)
    with Store.open(options.project) as store:
        source = collect(store, choice)
    printer, began = ProgressPrinter(), time.monotonic()

    def report(done: int, total: int) -> None:
        rate = done / max(time.monotonic() - began, 1e-9)
        printer(Progress(0, "atlas pages", done, total, rate, (total - done) / rate))

    n_features = write_atlas(source, options.out, report)
    head = analysis_text(source.analysis, source.slide)
    lines = [
        head,
        *source.notices,
        f"Written to {options.out}: {count_text(n_features, 'feature')} ({source.chosen}).",
    ]
    data = {"out": options.out, "n_features": n_features, "features": list(source.numbers)}
    return Answer("\n".join(lines), data)
