"""Projects and the things that go into them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from desktop_app.store import NewAnalysis, Store
from sae_backend.cells.table import CellImport, CellTable
from sae_backend.slides.slide import SlideInfo


@pytest.fixture(scope="session")
def blank_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with nothing in it: to copy one is ten times as quick as to make one."""
    folder = tmp_path_factory.mktemp("blank") / "project"
    Store.create(folder).close()
    return folder


@pytest.fixture
def store(tmp_path: Path, blank_project: Path) -> Iterator[Store]:
    shutil.copytree(blank_project, tmp_path / "project")
    with Store.open(tmp_path / "project", author="Ada") as made:
        yield made


@pytest.fixture
def slide_info() -> Callable[..., SlideInfo]:
    def make(**changes: object) -> SlideInfo:
        values: dict[str, object] = {
            "path": Path("/slides/example.svs"),
            "fingerprint": "f" * 40,
            "height_px": 3000,
            "width_px": 2000,
            "level_sizes": ((3000, 2000),),
            "level_downsamples": (1.0,),
            "mpp": 0.5,
            "mpp_source": "file",
            "bounds_l0": (0, 0, 3000, 2000),
            "vendor": "aperio",
        }
        return SlideInfo(**{**values, **changes})

    return make


@pytest.fixture
def new_analysis() -> Callable[..., NewAnalysis]:
    def make(slide_id: int, **changes: object) -> NewAnalysis:
        values: dict[str, object] = {
            "slide_id": slide_id,
            "encoder": "control:random-vit",
            "encoder_digest": "e1",
            "layer": 3,
            "pooling": "cls",
            "is_control": True,
            "tile_spec": {"tile_px": 224, "tile_mpp": 0.5},
            "grid_digest": "g1",
            "embedding_folder": "embeddings/1",
            "embedding_digest": "d1",
            "counts": {"ok": 12, "missing": 1},
        }
        return NewAnalysis(**{**values, **changes})

    return make


@pytest.fixture
def cell_import() -> CellImport:
    table = CellTable(
        y_l0=np.array([1.5, 2999.25, -3.0]),
        x_l0=np.array([0.1, 2.0, 1e-9]),
        type_index=np.array([1, 0, 1], dtype=np.uint16),
        type_names=("Tumor", "Immune cells"),
    )
    return CellImport(table, "cells.geojson", "ab" * 32, "QuPath", ("one cell without a type",))
