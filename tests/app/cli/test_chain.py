"""The chain through the commands on a small generated slide, every link real."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from desktop_app.store import Store
from tests.app.fixtures.chain import N_FEATURES, N_TILES, TILES, Made
from tests.app.fixtures.command_line import Commands, assert_refused, in_child, write_field
from tests.app.fixtures.inline_backend import InlineBackend


@pytest.fixture(scope="module")
def made(chain: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A copy, as the tests here change it."""
    folder = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(chain.project, folder)
    return Made(chain.slide, folder, chain.sae, chain.cells)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def test_the_chain_without_an_sae_says_what_to_do_next(run: Commands, tmp_path: Path) -> None:
    slide = write_field(tmp_path / "field.tiff", 300, 300)
    said = run("analyze", slide, "--project", tmp_path / "p", *TILES, "--json")
    assert said.code == 0
    assert said.data["analysis"]["feature_folder"] is None
    assert said.data["analysis"]["counts"] == {"ok": 16}
    assert "embed tiles: 16 of 16" in said.err
    again = run("analyze", slide, "--project", tmp_path / "p", *TILES)
    assert "sparsescope train --project" in again.out
    assert "random weights: a control" in again.out
    for command in ("features", "correlate"):
        refused = run(command, "--project", tmp_path / "p")
        assert_refused(refused, "control:random-vit, block 4", "embeddings and no features", "train")


def test_analyze_takes_the_projects_sae_and_adds_nothing_twice(run: Commands, made: Made) -> None:
    backends: list[InlineBackend] = []

    def backend() -> InlineBackend:
        backends.append(InlineBackend())
        return backends[-1]

    said = run("analyze", made.slide, "--project", made.project, *TILES, "--json", backend=backend)
    analysis = said.data["analysis"]
    assert analysis["sae_digest"] and analysis["is_control"] is True
    assert analysis["counts"] == {"ok": N_TILES}
    assert [type(request).__name__ for request in backends[0].requests] == ["AnalyzeRequest", "EncodeRequest"]
    assert backends[0].closed
    named = run("analyze", made.slide, "--project", made.project, *TILES, "--sae", made.sae, "--json")
    assert named.data["analysis"]["sae_digest"] == analysis["sae_digest"]
    assert named.data["analysis"]["feature_folder"] == analysis["feature_folder"]


def test_train_says_how_good_the_sae_is_and_on_what(run: Commands, made: Made) -> None:
    out = made.sae.with_name("second")
    said = run("train", "--project", made.project, "--expansion", 2, "--epochs", 60, "--out", out,
               "--device", "cpu", "--json")  # fmt: skip
    metrics = said.data["card"]["metrics"]
    assert metrics["n_held_out_tiles"] + metrics["n_train_tiles"] == N_TILES
    assert metrics["held_out_unit"]
    assert (out / "sae_weights.safetensors").is_file() and (out / "cfg.json").is_file()
    # The same data, settings and seed: the same SAE, so annotations made on the first still hold.
    assert (
        said.data["digest"]
        == run("features", "--project", made.project, "--json").data["analysis"]["sae_digest"]
    )
    full = run("train", "--project", made.project, "--out", out)
    assert_refused(full, "already holds something else", "new folder")


def test_correlations_are_written_with_method_unit_n_and_digests(
    run: Commands, made: Made, tmp_path: Path
) -> None:
    words = (
        "correlate",
        "--project",
        made.project,
        "--bootstraps",
        200,
        "--permutations",
        99,
        "--block-um",
        64,
    )
    said = run(*words, "--out", tmp_path / "c.parquet", "--json")
    assert said.data["n_rows"] == N_FEATURES * 2 * 4
    rows = pq.read_table(tmp_path / "c.parquet").to_pylist()
    assert len(rows) == said.data["n_rows"]
    for row in rows:
        assert (row["n_tiles"], row["n_slides"]) == (N_TILES, 1)
        assert row["unit"].startswith("block of ") and row["method"] and row["sae_sha"] and row["date"]
        assert row["encoder_is_control"] is True
        if row["value"] is None:
            assert row["reason"] and row["p"] is None and row["ci_low"] is None
        elif row["ci_low"] is not None:
            assert -1 <= row["ci_low"] <= row["ci_high"] <= 1
    assert any(row["value"] is not None and row["ci_low"] is not None for row in rows)
    text = run(*words, "--out", tmp_path / "c.csv")
    assert "Pearson's r over" in text.out and "blocks of" in text.out and "same tiles" in text.out
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows)


def test_features_are_shown_and_written(run: Commands, made: Made, tmp_path: Path) -> None:
    said = run("features", "--project", made.project)
    assert "field.tiff" in said.out and "control:random-vit" in said.out
    assert "fires in" in said.out
    written = run("features", "--project", made.project, "--out", tmp_path / "f.csv", "--json")
    assert written.data["n_features"] == N_FEATURES
    with (tmp_path / "f.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["feature"]) for row in rows] == list(range(N_FEATURES))
    for row in rows:
        assert float(row["firing_rate"]) == pytest.approx(int(row["n_firing"]) / int(row["n_tiles"]))


def test_annotations_go_round_trip_to_another_project(run: Commands, made: Made, tmp_path: Path) -> None:
    project = ("--project", made.project)
    first = run("annotate", "set", 7, *project, "--name", "lymphoid aggregate", "--tags", "immune, dense",
                "--confidence", 4, "--status", "draft", "--author", "mk", "--json")  # fmt: skip
    assert first.data["tags"] == ["immune", "dense"]
    second = run("annotate", "set", 7, *project, "--status", "reviewed", "--json")
    assert (second.data["name"], second.data["status"]) == ("lymphoid aggregate", "reviewed")
    assert second.data["revision"] == first.data["revision"] + 1
    assert "lymphoid aggregate" in run("annotate", "list", *project).out
    assert run("annotate", "export", tmp_path / "a.csv", *project).code == 0
    assert run("annotate", "export", tmp_path / "a.json", *project, "--json").data["n"] == 1

    other = tmp_path / "other"
    Store.create(other).close()
    assert run("annotate", "import", tmp_path / "a.json", "--project", other, "--json").data["added"] == 1
    listed = run("annotate", "list", "--project", other, "--json").data["annotations"]
    assert [(a["feature"], a["name"], a["confidence"], a["author"]) for a in listed] == [
        (7, "lymphoid aggregate", 4, listed[0]["author"])
    ]
    again = run("annotate", "import", tmp_path / "a.json", "--project", other, "--json").data
    assert (again["added"], again["unchanged"], again["conflicts"]) == (0, 1, [])
    changed = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    changed["annotations"][0]["name"] = "something else"
    (tmp_path / "b.json").write_text(json.dumps(changed), encoding="utf-8")
    conflict = run("annotate", "import", tmp_path / "b.json", "--project", other)
    assert conflict.code == 0 and "1 in conflict" in conflict.out
    assert "lymphoid aggregate" in run("annotate", "list", "--project", other).out


def test_a_heat_map_is_drawn_and_names_the_analysis(run: Commands, made: Made, tmp_path: Path) -> None:
    top = run("features", "--project", made.project, "--json").data["top"][0]
    said = run("heatmap", made.slide, top["feature"], "--project", made.project, "--out", tmp_path / "h.png")
    assert said.code == 0 and "field.tiff" in said.out
    with Image.open(tmp_path / "h.png") as image:
        assert image.format == "PNG" and min(image.size) > 600
    asked = run("heatmap", made.slide, 0, "--project", made.project, "--out", tmp_path / "0.png", "--json")
    assert asked.data["feature"] == 0


def test_the_same_through_the_installed_program_and_its_worker(made: Made, tmp_path: Path) -> None:
    small = write_field(tmp_path / "small.tiff", 300, 300)
    said = in_child("analyze", small, "--project", made.project, *TILES, "--sae", made.sae, "--json")
    assert said.code == 0, said.err
    assert said.data["analysis"]["counts"] == {"ok": 16}
    assert "encode features: 16 of 16" in said.err
