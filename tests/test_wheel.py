"""The wheel alone is the whole program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_built_wheel_runs_in_an_empty_environment(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "packaging" / "smoke_test.py", "--keep", tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr
    assert "installed and started" in run.stdout
