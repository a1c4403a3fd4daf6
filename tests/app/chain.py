"""A small project that has gone through the whole chain by commands: analysed, trained, counted, correlated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from desktop_app.cli import main
from tests.app.command_line import write_cells, write_field
from tests.app.inline_backend import InlineBackend

TILES = ("--tile-px", 64, "--device", "cpu")
N_TILES = (600 // 64) * (800 // 64)
N_FEATURES = 2 * 192


@dataclass(frozen=True)
class Made:
    """A slide with a project that has gone through the whole chain."""

    slide: Path
    project: Path
    sae: Path
    cells: Path


def make_chain(folder: Path) -> Made:
    """Run every command of the chain on a generated field."""
    chain = Made(
        write_field(folder / "field.tiff"),
        folder / "project",
        folder / "sae",
        write_cells(folder / "cells.csv"),
    )
    project = ("--project", chain.project)
    for words in (
        ("analyze", chain.slide, *project, *TILES),
        ("train", *project, "--expansion", 2, "--epochs", 60, "--out", chain.sae, "--device", "cpu"),
        ("cells", "import", chain.slide, chain.cells, *project),
        ("correlate", *project, "--bootstraps", 200, "--permutations", 99, "--block-um", 64),
    ):
        assert main([str(word) for word in words], InlineBackend) == 0
    return chain
