"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("QT_API", "pyside6")


def pytest_collection_finish() -> None:
    """Let no collection of garbage walk through the libraries and the tests, which stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _napari_settings_of_nobody() -> None:
    """Keep napari's settings of this run out of the home of whoever runs the tests."""
    from napari.settings import get_settings

    get_settings(path=None)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with the real slides; tests that need it are skipped where it is absent."""
    default = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("SPARSESCOPE_TEST_DATA", default))
    if not (folder / "CMU-1-Small-Region.svs").exists():
        pytest.skip(f"the real slides are not in {folder} (set SPARSESCOPE_TEST_DATA)")
    return folder
