"""What is dropped is told by its content, and what follows from several things together."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import cramjam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save_file

from desktop_app.export import annotations as annotation_exchange
from desktop_app.export import feature_jsonl
from desktop_app.project.drop.detect import recognise, recognise_all
from desktop_app.project.drop.detected import DetectedFile, Kind
from desktop_app.project.drop.plan import plan
from desktop_app.store import Store
from desktop_app.store.peek import count_slides
from sae_backend.cache import commit_folder
from sae_backend.errors import WeightsError
from sae_backend.models.bundled_models import SHIPPED_ENCODER, encoder_folder, sae_folder
from sae_backend.models.sae_weights import read_own_sae
from sae_backend.slides.slide import Slide
from tests.app.fixtures.fakes import SAE_DIGEST, write_slide
from tests.backend.cells.formats import cell_files


def feature(kind: str, shape: str) -> dict[str, object]:
    return {
        "type": "Feature",
        "geometry": {"type": shape, "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]},
        "properties": {"objectType": kind, "classification": {"name": "a"}},
    }


def collection(*features: dict[str, object]) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def drawn_slide(path: Path) -> None:
    write_slide(path.with_suffix(".tif")).rename(path)


def parquet(path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0], "y": [2.0], "type": ["a"]}), path)


def torch_file(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({"weight": 1}))


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


FILES: dict[str, tuple[bytes | Callable[[Path], None], str, str]] = {
    # name: content, kind, a part of what is said of it. No name says what the content is.
    "a.bin": (drawn_slide, "slide", "a picture (TIFF)"),
    "b.bin": (lambda path: Image.new("RGB", (9, 9)).save(path, "PNG"), "slide", "a picture (PNG)"),
    "c.svs": (b"no slide at all", "unknown", "nothing that Sparsescope opens"),
    "d.txt": (collection(feature("detection", "Polygon")), "cells", "cells (GeoJSON)"),
    "e.json": (b" [" + json.dumps(feature("annotation", "MultiPolygon")).encode() + b"]", "cells", "GeoJSON"),
    "f.json": (collection(feature("annotation", "Polygon")), "regions", "regions"),
    "g.data": (gzip.compress(collection(feature("cell", "Polygon"))), "cells", "GeoJSON"),
    "h.txt": (b"Centroid X \xb5m;Centroid Y \xb5m;Classification\n1;2;a\n", "cells", "CSV table"),
    "i.csv": (b"x\ty\ttype\n1\t2\ta\n", "cells", "TSV table"),
    "j.csv": (b"name,age\nx,3\n", "unknown", "without columns for x and y"),
    "k.csv": (b"feature,firing_rate,max\n1,0.5,2\n", "unknown", "nothing in it to open"),
    "l.dat": (parquet, "cells", "Parquet table"),
    "m.pt": (torch_file, "unknown", "safetensors"),
    "n.slide": (pickle.dumps({"W_enc": 1}), "unknown", "safetensors"),
    "o.pth": (b"old torch file", "unknown", "safetensors"),
    "p.db": (foreign_database, "unknown", "another program"),
    "q.json": (b'{"type_map": {"0": "Background"}, "cells": []}', "cells", "CellViT JSON"),
    "r.json": (b'{"a": 1}', "unknown", "neither cells nor annotations"),
    "s.h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "unknown", "HDF5"),
    "t.tif": (b"", "unknown", "empty"),
    "u.safetensors": (
        lambda path: save_file({"W_dec": np.zeros((4, 2)), "encoder.weight": np.zeros((4, 2))}, path),
        "unknown",
        "another program saved",
    ),
    "cells.a": (bytes(cramjam.snappy.compress(cell_files.dumped(cell_files.cellvit()))), "cells", "CellViT JSON"),
    "cells.b": (bytes(cramjam.snappy.compress_raw(cell_files.dumped(cell_files.cellvit()))), "cells", "CellViT JSON"),
    "cells.c": (cell_files.dumped(cell_files.hovernet()), "cells", "HoVer-Net JSON"),
    "cells.d": (cell_files.dumped(cell_files.hovernet()["nuc"]), "cells", "HoVer-Net JSON"),
    "cells.e": (cell_files.dumped(cell_files.hovernext()), "cells", "HoVer-NeXt JSON"),
    "cells.f": (cell_files.dumped(cell_files.histoplus()), "cells", "HistoPLUS JSON"),
    "cells.g": (cell_files.dumped(cell_files.stardist()), "cells", "StarDist JSON"),
    "cells.h": (cell_files.npz(), "cells", "StarDist arrays"),
    "cells.i": (cell_files.geoparquet(), "cells", "GeoParquet"),
    "cells.j": (cell_files.annotation_store, "cells", "AnnotationStore"),
    "cells.k": (gzip.compress(cell_files.table()), "cells", "CSV table"),
    "cells.l": (zipped("cells.geojson", cell_files.dumped(cell_files.geojson())), "cells", "GeoJSON"),
    "cells.m": (zipped("regions.json", collection(feature("annotation", "Polygon"))), "unknown", "archive"),
    "cells.n": (zipped("a.npy", b"\x93NUMPY"), "unknown", "no cells"),
    "cells.o": (gzip.compress(b"a diary"), "unknown", "compressed"),
    "cells.p": (cell_files.geoparquet(geo=[]), "unknown", "damaged description"),
    "cells.q": (zipped("a.png", b"\x89PNG") + b"PK", "unknown", "archive"),
    "cells.dat": (pickle.dumps({"1": {"centroid": [1, 2]}}), "unknown", "AnnotationStore"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_its_content_says(tmp_path: Path, name: str) -> None:
    content, kind, words = FILES[name]
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    before = sorted(tmp_path.iterdir())
    found = recognise(path)
    assert found.kind == kind
    assert words in f"{found.words} {found.hint}"
    assert found.path == path
    assert bool(found.hint) == (kind == "unknown"), "whoever drops what is not known is told a way out"
    assert sorted(tmp_path.iterdir()) == before


def test_no_pickle_is_ever_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    for name, data in (("a.pt", pickle.dumps(Trap())), ("b.json", pickle.dumps(Trap(), protocol=0))):
        (tmp_path / name).write_bytes(data)
        assert recognise(tmp_path / name).kind == "unknown"
    assert not (tmp_path / "sprung").exists()


def test_a_project_is_told_from_any_part_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "project"
    with Store.create(folder) as store, Slide.open(write_slide(tmp_path / "s.tif"), 0.5) as slide:
        store.slides.add(slide.info)
        inside = recognise_all([folder, folder / "project.sqlite", tmp_path / "demo"])
        assert inside == (DetectedFile("project", folder, "a project (1 slide)"),), "also while it is open"
    assert count_slides(folder) == 1 and count_slides(tmp_path) is None
    copy = folder / "project.backup-0001.sqlite"
    copy.write_bytes((folder / "project.sqlite").read_bytes())
    assert recognise(copy).kind == "unknown" and "copy" in recognise(copy).words
    assert "no project" in recognise(tmp_path).words
    assert "no file" in recognise(tmp_path / "gone").words


def test_annotations_are_told_in_both_of_their_forms(tmp_path: Path) -> None:
    with Store.create(tmp_path / "project", author="tester") as store:
        store.annotations.set(SAE_DIGEST, 4, name="Glands")
        annotation_exchange.export_json(store, tmp_path / "a.txt")
        annotation_exchange.export_csv(store, tmp_path / "a.csv")
        feature_jsonl.export_jsonl(store, tmp_path / "b.txt")
    assert [recognise(tmp_path / name).kind for name in ("a.txt", "b.txt")] == ["annotations"] * 2
    assert "as JSON" in recognise(tmp_path / "a.csv").hint


def test_folders_of_arrays_and_weights(tmp_path: Path) -> None:
    for kind in ("embeddings", "features", "other"):
        partial = tmp_path / f"{kind}.partial"
        partial.mkdir()
        manifest = {"kind": kind, "shape": [435, 160], "encoder": {"id": SHIPPED_ENCODER}}
        commit_folder(partial, tmp_path / kind, manifest)
    found = recognise(tmp_path / "embeddings" / "manifest.json")
    assert found == DetectedFile(
        "embeddings", tmp_path / "embeddings", f"embeddings (435 tiles, {SHIPPED_ENCODER})"
    )
    assert recognise(tmp_path / "features").kind == recognise(tmp_path / "other").kind == "unknown"
    shipped = sae_folder(SHIPPED_ENCODER)
    assert shipped is not None
    parts = recognise_all([shipped / "sae_weights.safetensors", shipped / "cfg.json", shipped])
    assert parts == (
        DetectedFile("autoencoder", shipped, f"an autoencoder (1,280 features of {SHIPPED_ENCODER})"),
    )
    assert "Weights" in recognise(encoder_folder()).hint


def test_a_saved_autoencoder_is_read_as_the_worker_reads_it(tmp_path: Path) -> None:
    from sae_backend.compute.sae.autoencoder import SparseAutoencoder

    shipped = sae_folder(SHIPPED_ENCODER)
    assert shipped is not None
    assert read_own_sae(shipped) == SparseAutoencoder.load(shipped).card
    other = tmp_path / "sae"
    other.mkdir()
    (other / "sae_weights.safetensors").write_bytes((shipped / "sae_weights.safetensors").read_bytes())
    config = json.loads((shipped / "cfg.json").read_bytes())
    for change, words in (
        ({"d_sae": 64}, "different SAEs"),
        ({"apply_b_dec_to_input": False}, "only True is read"),
        ({"metadata": {}}, "which encoder"),
    ):
        (other / "cfg.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(WeightsError) as refused:
            read_own_sae(other)
        assert words in f"{refused.value.sentence} {refused.value.hint}"


def thing(kind: Kind, name: str) -> DetectedFile:
    return DetectedFile(kind, Path("/x") / name, f"a {kind}", "Do so." if kind == "unknown" else "")


def test_cells_go_to_the_slide_they_were_dropped_with() -> None:
    items = [
        thing("cells", "two.geojson"), thing("cells", "one.cells.csv"), thing("slide", "one.svs"),
        thing("slide", "two.svs"), thing("unknown", "readme"), thing("cells", "three.csv"),
    ]  # fmt: skip
    planned = plan(items, has_project=False, open_slide=None)
    assert [a.item.path.name for a in planned[:2]] == ["one.svs", "two.svs"], "slides come before their cells"
    slides = {a.item.path.name: a.slide.name if a.slide else a.problem for a in planned[2:]}
    assert slides["two.geojson"] == "two.svs" and slides["one.cells.csv"] == "one.svs"
    assert "does not say" in slides["three.csv"] and slides["readme"] == "a unknown Do so."
    assert (
        "for one.svs; asks for a project's folder"
        in {a.item.path.name: a.words for a in planned}["one.cells.csv"]
    )


def test_cells_alone_need_an_open_slide_and_one_file_is_enough() -> None:
    cells = [thing("cells", "a.csv"), thing("cells", "b.csv")]
    assert ["open that first" in a.problem for a in plan(cells, has_project=True, open_slide=None)] == [
        True,
        True,
    ]
    first, second = plan(cells, has_project=True, open_slide=Path("/y/s.svs"))
    assert first.words == "a cells, for s.svs" and "one such file" in second.problem
    (alone,) = plan([thing("cells", "z.csv"), thing("slide", "s.svs")], has_project=True, open_slide=None)[1:]
    assert alone.slide == Path("/x/s.svs"), "one of each belong together, whatever they are called"
    projects = plan(
        [thing("project", "p"), thing("project", "q"), cells[0]], has_project=False, open_slide=None
    )
    assert ["" if not a.problem else "problem" for a in projects] == ["", "problem", ""]
