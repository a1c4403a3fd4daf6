"""Run a command as a user would, in this process or in a child, and read what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop_app.cli import main
from sae_backend.client import Backend
from tests.app.inline_backend import InlineBackend
from tests.slides import stained_field, write_tiff

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Said:
    """What a command gave: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        """The one JSON object of --json; nothing else may be on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


class Commands:
    """Runs commands in this process, with jobs done in place."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: object, backend: Callable[[], Backend] = InlineBackend) -> Said:
        self._capsys.readouterr()
        code = main([str(word) for word in words], backend)
        out, err = self._capsys.readouterr()
        return Said(code, out, err)


def child_arguments(*words: object) -> list[str]:
    """Command line of a real `sparsescope`."""
    return [sys.executable, "-m", "desktop_app.cli", *(str(word) for word in words)]


def in_child(*words: object, prepare: Callable[[], None] | None = None) -> Said:
    """Run a real `sparsescope` with its real worker."""
    done = subprocess.run(
        child_arguments(*words),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        preexec_fn=prepare,
        timeout=120,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def assert_refused(said: Said, *words: str, code: int = 1) -> None:
    """The command failed with one sentence that holds `words`, a hint, and no traceback."""
    assert said.code == code, said
    assert "Traceback" not in said.out + said.err
    complaint = [line for line in said.err.splitlines() if line.startswith("sparsescope: ")]
    assert len(complaint) == 1, said.err
    for word in words:
        assert word in said.err
    hint = said.err.splitlines()[-1]
    assert hint.startswith("  ") and len(hint) > 10, said.err


def write_field(path: Path, height: int = 600, width: int = 800, mpp: float | None = 0.5) -> Path:
    """A slide of tissue all over, with other pixels in every tile."""
    return write_tiff(path, [stained_field(height, width)], mpp)


def write_cells(path: Path, height: int = 600, width: int = 800, n: int = 400, seed: int = 0) -> Path:
    """A CSV of cells of two types, half of them crowded to the left."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.uniform(0, width / 2, n // 2), rng.uniform(0, width, n - n // 2)])
    y = rng.uniform(0, height, n)
    kinds = ["Tumour"] * (n // 2) + ["Stroma"] * (n - n // 2)
    lines = ["x,y,type", *(f"{a:.2f},{b:.2f},{k}" for a, b, k in zip(x, y, kinds, strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
