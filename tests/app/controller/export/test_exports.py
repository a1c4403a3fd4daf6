"""Files of a run of the correlations, written beside the window."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pytestqt.qtbot import QtBot

from desktop_app.app import WindowStart, open_start
from tests.app.conftest import Parts
from tests.app.fixtures.chain import N_FEATURES, N_TILES, Made
from tests.waiting import wait_until


@pytest.fixture
def opened(parts: Parts, chain: Made, tmp_path: Path) -> Parts:
    shutil.copytree(chain.project, tmp_path / "project")
    open_start(parts.desktop, WindowStart(project=tmp_path / "project", feature=7))
    return parts


def said(parts: Parts, qtbot: QtBot, words: str) -> None:
    wait_until(lambda: words in parts.window.notice.text, qtbot)


def test_a_run_is_written_in_every_form(opened: Parts, tmp_path: Path, qtbot: QtBot) -> None:
    menus = opened.window.menus
    for signal, name, words in (
        (menus.requested("export_correlations"), "c.parquet", f"{N_FEATURES * 2 * 4:,} rows of Run 1"),
        (menus.requested("export_correlations"), "c.xlsx", "rows of Run 1"),
        (menus.requested("export_methods"), "m.txt", "Methods of Run 1"),
        (menus.requested("export_anndata"), "t.h5ad", f"{N_TILES} tiles x {N_FEATURES} features"),
        (menus.requested("export_tiles"), "t.geojson", f"{N_TILES} tiles with"),
    ):
        opened.dialogs.target = tmp_path / name
        signal.emit()
        said(opened, qtbot, words)
        assert (tmp_path / name).stat().st_size > 100
    assert pq.read_table(tmp_path / "c.parquet").num_rows == N_FEATURES * 2 * 4
    tile = json.loads((tmp_path / "t.geojson").read_text(encoding="utf-8"))["features"][0]
    assert any(name.startswith("SAE 7") for name in tile["properties"]["measurements"])


def test_what_cannot_be_written_is_said(opened: Parts, tmp_path: Path, qtbot: QtBot) -> None:
    opened.dialogs.target = tmp_path / "c.doc"
    opened.window.menus.requested("export_correlations").emit()
    wait_until(lambda: ".doc" in opened.window.notice.text, qtbot)
    assert not (tmp_path / "c.doc").exists()


def test_without_a_project_there_is_nothing_to_write(parts: Parts) -> None:
    parts.window.menus.requested("export_anndata").emit()
    assert "nothing to export" in parts.window.notice.text
