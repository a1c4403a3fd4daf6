"""Whatever is wrong with a file of cells is said in one sentence that names it, and no cell is made up."""

from __future__ import annotations

import pytest

from sae_backend.cells.counts import read_cells
from sae_backend.cells.import_options import ReadOptions
from sae_backend.cells.preview import preview_cells
from sae_backend.errors import CellsError, SparsescopeError
from tests.backend.cells.formats.cell_files import slide_info
from tests.backend.cells.formats.malformed_files import (  # fmt: skip
    archive_cases,
    geoparquet_cases,
    npz_cases,
    parquet_cases,
    store_cases,
    table_cases,
)
from tests.backend.cells.formats.malformed_json import json_cases

OPTIONS = ReadOptions(base_mag=20.0)
CASES = [
    *json_cases(), *table_cases(), *parquet_cases(), *geoparquet_cases(), *store_cases(), *npz_cases(), *archive_cases(),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _small_bombs(monkeypatch):
    monkeypatch.setattr("sae_backend.cells.parsing.byte_source.FREE_EXPANSION_BYTES", 1 << 20)


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_what_is_wrong_is_said(tmp_path, case):
    content = case[2]
    path = tmp_path / "bad-file.xyz"
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SparsescopeError) as caught:
        read_cells(path, slide_info(), OPTIONS)
    error = caught.value
    assert isinstance(error, CellsError)
    assert "bad-file.xyz" in error.sentence and error.sentence.endswith("."), error.sentence
    assert error.hint.endswith(".") and len(error.sentence) < 500
    assert sorted(tmp_path.iterdir()) == before
    try:
        shown = preview_cells(path, slide_info(), OPTIONS)
    except CellsError as same:
        said = same.sentence
    else:
        assert shown.cells is None
        said = shown.question
    assert said.startswith(error.sentence)


@pytest.mark.parametrize("form", sorted({case[0] for case in CASES}))
def test_there_are_enough_of_each(form):
    assert len([case for case in CASES if case[0] == form]) >= 20


def test_absent_files_and_folders(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(CellsError, match=path.name):
            read_cells(path, slide_info())
