"""The chain through the commands on real tissue."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from desktop_app.store import Store
from sae_backend.activations.embeddings import Embeddings
from tests.app.fixtures.command_line import Commands

CPU = ("--device", "cpu")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def _centroid(ring: list[list[float]]) -> tuple[float, float]:
    """Area centroid (x, y) of a closed ring, by the shoelace formula about its first corner."""
    points = np.asarray(ring, np.float64)
    x, y = (points - points[0]).T
    cross = x[:-1] * y[1:] - x[1:] * y[:-1]
    area = cross.sum() / 2
    cx = ((x[:-1] + x[1:]) * cross).sum() / (6 * area)
    cy = ((y[:-1] + y[1:]) * cross).sum() / (6 * area)
    return float(cx + points[0, 0]), float(cy + points[0, 1])


def _counted(project: Path, cells: Path) -> tuple[int, int]:
    """Nuclei of the GeoJSON whose centroid lies in a kept tile, and all nuclei; loops, no grid code."""
    with Store.open(project) as store:
        (analysis,) = [a for a in store.analyses.all() if a.feature_folder is not None][-1:]
        grid = Embeddings.open(store.cache_dir / analysis.embedding_folder).grid
    side = 112 * 0.5 / 0.5
    kept = {(int(r), int(c)) for r, c in zip(grid.rows, grid.cols, strict=True)}
    document = json.loads(cells.read_text(encoding="utf-8"))
    features = document["features"] if isinstance(document, dict) else document
    inside = 0
    for feature in features:
        nucleus = feature.get("nucleusGeometry") or feature["geometry"]
        ring = nucleus["coordinates"][0]
        while isinstance(ring[0][0], list):
            ring = ring[0]
        x, y = _centroid(ring)
        inside += (int(y // side), int(x // side)) in kept
    return inside, len(features)


def test_ovarian_nests_correlate_with_intervals_and_every_nucleus_is_counted_once(
    run: Commands, data_dir: Path, tmp_path: Path
) -> None:
    slide, cells = data_dir / "hgsc_nest.jpg", data_dir / "hgsc_nest.geojson"
    project = ("--project", tmp_path / "p")
    refused = run("analyze", slide, *project)
    assert refused.code == 1 and "--mpp 0.5" in refused.err
    words = ("analyze", slide, *project, "--mpp", 0.5, "--tile-px", 112, *CPU)
    assert run(*words).code == 0
    trained = run("train", *project, "--expansion", 2, "--epochs", 40, "--out", tmp_path / "sae", *CPU)
    assert trained.code == 0, trained.err
    imported = run("cells", "import", slide, cells, *project, "--json")
    assert imported.code == 0, imported.err
    table = tmp_path / "correlations.csv"
    said = run("correlate", *project, "--out", table, "--bootstraps", 300, "--permutations", 99,
               "--block-um", 100, "--json")  # fmt: skip
    assert said.code == 0, said.err

    inside, n_nuclei = _counted(tmp_path / "p", cells)
    assert imported.data["n_cells"] == n_nuclei
    assert 0 < inside < n_nuclei
    assert said.data["meta"]["n_cells_in_tiles"] == inside
    assert said.data["meta"]["n_cells_elsewhere"] == n_nuclei - inside

    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with_interval = [row for row in rows if row["ci_low"]]
    assert len(with_interval) > 20
    for row in with_interval:
        assert -1 <= float(row["ci_low"]) <= float(row["ci_high"]) <= 1
        assert 0 < float(row["p"]) <= 1 and 0 < float(row["q"]) <= 1
    assert {row["cell_type"] for row in rows} == set(imported.data["type_counts"])
    assert {row["unit"] for row in rows} == {said.data["meta"]["unit"]}
    assert "block" in said.data["meta"]["unit"] and said.data["meta"]["notes"]
    _from_detection_to_paper(run, slide, project, tmp_path)


def _from_detection_to_paper(run: Commands, slide: Path, project: tuple[object, ...], folder: Path) -> None:
    """The rest of the way on the same field: nuclei of our own, measures, covariates, files for others."""
    found = run("cells", "detect", slide, *project, "--json")
    assert found.code == 0, found.err
    assert (
        run("cells", "classes", *project, "--map", "Neoplastic=Tumour cell", "--ignore", "Nucleus").code == 0
    )
    words = ("correlate", *project, "--bootstraps", 50, "--permutations", 49, "--json")
    refused = run(*words, "--targets", "cells")
    assert refused.code == 1 and "Traceback" not in refused.err, "all cells of the slide are left out"
    imports = run("cells", "list", *project, "--json").data["imports"]
    assert [entry["current"] for entry in imports] == [False, True]
    assert run("cells", "list", *project, "--use", imports[0]["id"]).code == 0
    said = run(
        *words, "--covariates", "cellularity,stain,tissue", "--targets", "cells,hif", "--name", "adjusted"
    )
    assert said.code == 0, said.err
    names = said.data["meta"]["type_names"]
    assert "Tumour cell" in names and "Neoplastic" not in names
    assert {"nuclear area (um2), mean", "haematoxylin, mean of tile (OD)"} <= set(names)
    with Store.open(project[1]) as store:
        arrays = store.correlations.arrays(said.data["id"])
    place = names.index("nuclear area (um2), mean")
    assert np.nanmax(np.abs(arrays["pearson/value"][:, place])) > 0.2
    assert np.isfinite(arrays["partial/value"][:, names.index("Tumour cell")]).any()
    for kind, name in (("correlations", "c.xlsx"), ("anndata", "t.h5ad"), ("methods", "m.txt")):
        written = run("export", kind, *project, "--out", folder / name)
        assert written.code == 0, written.err
    text = (folder / "m.txt").read_text(encoding="utf-8")
    assert "partial correlation given cellularity, stain, tissue" in text and "Tumour cell" in text
    written = run("export", "tiles", slide, *project, "--out", folder / "t.geojson", "--json")
    assert written.code == 0 and written.data["n_tiles"] > 100


@pytest.fixture(scope="module")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(7)
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False)
    path = tmp_path_factory.mktemp("weights") / "vit_tiny.safetensors"
    save_file(model.state_dict(), path)
    return path


@pytest.mark.parametrize("encoder", ["control:random-vit", "timm:vit_tiny_patch16_224"])
def test_a_real_svs_with_the_control_and_with_a_timm_vit(
    run: Commands, data_dir: Path, tmp_path: Path, tiny_vit: Path, encoder: str
) -> None:
    slide = data_dir / "CMU-1-Small-Region.svs"
    project = ("--project", tmp_path / "p")
    is_control = encoder.startswith("control")
    chosen = ("--encoder", encoder, *(() if is_control else ("--weights", tiny_vit)))
    words = ("analyze", slide, *project, *chosen, "--tile-px", 224, "--min-tissue", 0.6, *CPU, "--json")
    first = run(*words)
    assert first.code == 0, first.err
    n_tiles = first.data["analysis"]["counts"]["ok"]
    assert n_tiles >= 32
    assert first.data["analysis"]["is_control"] is is_control
    assert first.data["slide"]["mpp"] == pytest.approx(0.499)
    trained = run("train", *project, "--expansion", 2, "--epochs", 20, "--out", tmp_path / "sae", *CPU)
    assert trained.code == 0, trained.err
    shown = run("features", *project)
    assert f"{n_tiles} tiles" in shown.out and ("a control" in shown.out) is is_control
    for feature, name in ((0, "stroma"), (5, "epithelium"), (17, "fold")):
        assert run("annotate", "set", feature, *project, "--name", name).code == 0
    top = run("features", *project, "--json").data["top"][0]
    picture = tmp_path / "map.png"
    assert run("heatmap", slide, top["feature"], *project, "--out", picture).code == 0
    assert picture.stat().st_size > 100_000
    notes = run("annotate", "list", *project, "--json").data["annotations"]
    assert [(note["feature"], note["name"]) for note in notes] == [
        (0, "stroma"),
        (5, "epithelium"),
        (17, "fold"),
    ]
    # A second analysis finds its embeddings and features finished, and reads nothing again.
    again = run(*words)
    assert again.data["analysis"]["feature_folder"] is not None
    assert f"embed tiles: {n_tiles} of {n_tiles}" in again.err


def test_weights_of_another_architecture_are_refused(
    run: Commands, data_dir: Path, tmp_path: Path, tiny_vit: Path
) -> None:
    said = run("analyze", data_dir / "CMU-1-Small-Region.svs", "--project", tmp_path / "p",
               "--encoder", "timm:vit_small_patch16_224", "--weights", tiny_vit, *CPU)  # fmt: skip
    assert said.code == 1 and "do not fit vit_small_patch16_224" in said.err
