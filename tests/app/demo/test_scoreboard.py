"""The scoreboard as a command: small slides through the whole chain, tables, picture, the null beside it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from desktop_app.demo import scoreboard as scoreboard_run
from desktop_app.demo.scoreboard import Scoreboard, ScoreboardSpec, run_scoreboard
from desktop_app.demo.scoreboard_report import scoreboard_words
from sae_backend.studies.scoreboard.null_world import NullRate
from sae_backend.studies.scoreboard.scoreboard import Score
from sae_backend.synthetic.artefacts import ARTEFACTS
from sae_backend.synthetic.scanners import SCANNERS
from sae_backend.synthetic.specs import CohortSpec
from sae_backend.synthetic.world import RECORDED_TYPES
from tests.app.fixtures.command_line import Commands
from tests.app.fixtures.inline_backend import InlineBackend

SMALL = ScoreboardSpec(
    CohortSpec(seed=9000, n_slides=12, size_px=(900, 1000), slides_per_patient=1, artefact_share=1.0),
    n_choosing=6,
    n_null=4,
    n_permutations=19,
)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


@pytest.mark.slow
def test_the_command_scores_every_target_in_every_representation(
    run: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoreboard_run, "ScoreboardSpec", lambda: SMALL)
    said = run("demo", "--scoreboard", "--out", tmp_path, "--json")
    assert said.code == 0, said.err
    with (tmp_path / "scoreboard.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    targets = (*RECORDED_TYPES, *ARTEFACTS, *SCANNERS)
    assert len(rows) == 5 * len(targets) == len(said.data["scores"])
    assert {row["target"] for row in rows} == set(targets)
    by = {(row["target"], row["representation"]): row for row in rows}
    cancer = by["cancer cell", "SAE feature"]
    assert cancer["column"] and float(cancer["ci_low"]) <= float(cancer["r"]) <= float(cancer["ci_high"])
    assert int(cancer["n_slides"]) == 6
    assert said.data["null"]["n_worlds"] == 4
    record = json.loads((tmp_path / "scoreboard.json").read_text())
    assert record["null"]["level"] == 0.05
    text = (tmp_path / "scoreboard.txt").read_text()
    for words in ("held-out slides", "95 % interval", "Null worlds", *targets):
        assert words in text, words
    with Image.open(tmp_path / "scoreboard.png") as picture:
        assert picture.width > 1000
    # A second run takes everything from the folder.
    backend = InlineBackend()
    again = run_scoreboard(tmp_path, backend, lambda _event: None, SMALL)
    assert [row.r for row in again.scores] == [row["r"] for row in said.data["scores"]]
    assert not [r for r in backend.requests if type(r).__name__ == "DrawRequest"]


def test_the_words_say_what_is_reached_and_what_is_not() -> None:
    def row(target: str, representation: str, r: float | None) -> Score:
        return Score(target, "cell type", representation, "3", 10, 0.9, r, None, None, 100, 6, "x", 0.2)

    scores = (
        row("a", "SAE feature", 0.8), row("a", "random weights, SAE feature", 0.75),
        row("b", "SAE feature", 0.4), row("b", "random weights, SAE feature", 0.1),
        row("c", "SAE feature", None), row("c", "random weights, SAE feature", 0.1),
    )  # fmt: skip
    null = NullRate(200, 9, {"a": 5, "b": 5, "c": 0}, 6, 10, 199)
    words = scoreboard_words(Scoreboard(scores, null, 200, 12))
    assert "r of at least 0.7: 1 of 3 cell types; not b, c." in words
    assert "At least 0.10 above random weights: 1 of 3 cell types." in words
    assert "9 of 200 had any claim" in words and "4.5%" in words and "1.7% of all types" in words
    assert "not measurable" in words


def test_a_real_field_needs_its_cells(run: Commands, tmp_path: Path) -> None:
    said = run("demo", "--scoreboard", "--out", tmp_path, "--field", tmp_path / "x.jpg", "--json")
    assert said.code == 1 and "--field-cells" in said.data["hint"]
