"""The public names of the backend, and the example of the help page run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sae_backend
from sae_backend.paths import resource
from sae_backend.synthetic.slide import draw_slide
from sae_backend.synthetic.specs import SlideSpec


def test_every_public_name_is_there_and_importing_loads_nothing() -> None:
    assert [name for name in sae_backend.__all__ if getattr(sae_backend, name).__name__ != name] == []
    with pytest.raises(AttributeError):
        sae_backend.nothing  # noqa: B018
    code = (
        "import sys, sae_backend; print(sorted({'numpy', 'torch', 'openslide', 'scipy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_example_of_the_help_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = resource("help/notebook.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    drawn = draw_slide(tmp_path, SlideSpec("slide", 3, size_px=(2048, 2048)))
    drawn.cells_path.rename(tmp_path / "cells.geojson")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "notebook.md", "exec"), names)
    r, found = names["r"], names["map_of_best"]
    assert isinstance(r, np.ndarray) and isinstance(found, np.ndarray)
    assert r.shape[0] == 1280 and np.isfinite(r).any() and np.nanmax(np.abs(r)) <= 1
    assert np.isfinite(found).any()
