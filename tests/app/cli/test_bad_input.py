"""What a user sees when something is wrong: one sentence, a hint, an exit code, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from safetensors.numpy import save_file

from desktop_app.cli.main import main
from desktop_app.store import Store
from sae_backend.activations import embeddings
from sae_backend.worker.requests import Progress
from tests.app.fixtures.command_line import (
    ROOT,
    Commands,
    Said,
    assert_refused,
    child_arguments,
    in_child,
    write_cells,
    write_field,
)
from tests.app.fixtures.inline_backend import InlineBackend
from tests.slides import stained_field, write_tiff
from tests.waiting import wait_until

TILES = ("--tile-px", 64, "--device", "cpu")
SAE_DIGEST = "5ae" * 8


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_field(tmp_path_factory.mktemp("slide") / "field.tiff", 400, 400)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one annotation, which nothing that goes wrong may lose."""
    folder = tmp_path / "project"
    with Store.create(folder) as store:
        store.annotations.set(SAE_DIGEST, 3, name="kept")
    return folder


def assert_kept(project: Path) -> None:
    with Store.open(project) as store:
        assert [note.name for note in store.annotations.all()] == ["kept"]


def _text(path: Path) -> None:
    path.write_text("this is a letter, not a slide\n" * 50, encoding="utf-8")


def _jpeg_cut(path: Path) -> None:
    path.write_bytes(b"\xff\xd8\xff\xe0" + b"\x00" * 200)


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_text, "is not a slide or image"),
        (_jpeg_cut, "slide.svs"),
        (lambda path: path.touch(), "is empty"),
        (_folder, "is a folder"),
        (lambda path: None, "There is no file"),
    ],
    ids=["text", "cut jpeg", "empty", "folder", "absent"],
)
def test_what_is_not_a_slide(run: Commands, tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    slide = tmp_path / "slide.svs"
    make(slide)
    said = run("analyze", slide, "--project", tmp_path / "new", "--json")
    assert_refused(said, words)
    assert said.data["error"] == "SlideError"
    assert not (tmp_path / "new").exists()
    imported = run("cells", "import", slide, write_cells(tmp_path / "c.csv"), "--project", tmp_path / "new")
    assert_refused(imported, words)
    assert not (tmp_path / "new").exists()


def test_a_truncated_svs(run: Commands, tmp_path: Path, data_dir: Path, project: Path) -> None:
    content = (data_dir / "CMU-1-Small-Region.svs").read_bytes()
    slide = tmp_path / "cut.svs"
    # The last of these still holds the whole image, but not the pixel size.
    for kept in (1000, len(content) // 2, len(content) - 1000):
        slide.write_bytes(content[:kept])
        assert_refused(run("analyze", slide, "--project", project), "cut.svs was cut short", "copy it again")
        stated = run("analyze", slide, "--project", project, "--mpp", 0.5)
        assert_refused(stated, "cut.svs was cut short")
    assert_kept(project)


@pytest.mark.parametrize("mpp", ["0", "nan", "1e9", "-0.5", "inf"])
def test_an_impossible_pixel_size(run: Commands, tmp_path: Path, field: Path, mpp: str) -> None:
    said = run("analyze", field, "--project", tmp_path / "new", f"--mpp={mpp}", "--json")
    assert_refused(said, "is not possible", "0.25")
    assert said.data["error"] == "PixelSizeError"
    assert not (tmp_path / "new").exists()


def test_a_slide_without_pixel_size_is_told_what_to_pass_and_remembers_it(
    run: Commands, tmp_path: Path
) -> None:
    slide = write_field(tmp_path / "field.tiff", 200, 200, mpp=None)
    assert_refused(run("analyze", slide, "--project", tmp_path / "p", *TILES), "pixel size", "--mpp 0.5")
    assert not (tmp_path / "p").exists()
    assert run("analyze", slide, "--project", tmp_path / "p", *TILES, "--mpp", 0.5).code == 0
    remembered = run("analyze", slide, "--project", tmp_path / "p", *TILES, "--json")
    assert (remembered.data["slide"]["mpp"], remembered.data["slide"]["mpp_source"]) == (0.5, "user")


def test_a_slide_without_tissue(run: Commands, tmp_path: Path, project: Path) -> None:
    slide = write_tiff(tmp_path / "white.tiff", [np.full((400, 400, 3), 244, np.uint8)], 0.5)
    assert_refused(run("analyze", slide, "--project", project, *TILES), "No tissue", "--min-tissue")
    assert_kept(project)


def test_a_slide_that_is_too_coarse_or_too_small(run: Commands, tmp_path: Path, project: Path) -> None:
    coarse = write_field(tmp_path / "coarse.tiff", 300, 300, mpp=2.0)
    assert_refused(run("analyze", coarse, "--project", project), "coarser than", "--tile-mpp")
    small = write_field(tmp_path / "small.tiff", 100, 100)
    assert_refused(run("analyze", small, "--project", project), "smaller than one tile", "--tile-px")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--tile-px", 4), "A tile of 4 px"),
        (("--stride-px", 0), "stride of 0"),
        (("--min-tissue", "nan"), "tissue share"),
        (("--tile-mpp", 0), "is not possible"),
        (("--encoder", "uni"), "'uni' does not exist"),
        (("--encoder", "timm:vit_tny_patch16_224"), "Did you mean"),
        (("--layer", 40), "layer 40"),
        (("--sae", "nowhere"), "nowhere"),
    ],
)
def test_options_of_an_analysis_that_make_no_sense(
    run: Commands, field: Path, project: Path, words: tuple[object, ...], expected: str
) -> None:
    assert_refused(run("analyze", field, "--project", project, "--device", "cpu", *words), expected)
    assert_kept(project)


def test_zero_length_and_corrupt_jpeg_tiles_are_counted_and_left_out(run: Commands, tmp_path: Path) -> None:
    slide = tmp_path / "slide.tiff"
    pixels = stained_field(512, 768)
    tifffile.imwrite(slide, pixels, tile=(256, 256), photometric="rgb", compression="jpeg", metadata=None)
    with tifffile.TiffFile(slide) as tiff:
        page = tiff.pages[0]
        offset, count = page.dataoffsets[0], page.databytecounts[0]
        tag = page.tags["TileByteCounts"]
    data = bytearray(slide.read_bytes())
    data[offset + 40 : offset + count - 2] = b"\xff\xd8" * ((count - 42) // 2)
    width = struct.calcsize({3: "<H", 4: "<I"}[int(tag.dtype)])
    data[tag.valueoffset + width : tag.valueoffset + 2 * width] = bytes(width)
    slide.write_bytes(data)
    words = ("analyze", slide, "--project", tmp_path / "p", "--mpp", 0.5, "--tile-px", 128, "--device", "cpu")
    said = run(*words, "--min-tissue", 0, "--json")
    assert said.code == 0, said.err
    counts = said.data["analysis"]["counts"]
    assert counts["corrupt"] == 4
    assert counts["ok"] == 16
    assert counts["missing"] == 4
    assert "4 corrupt" in run(*words, "--min-tissue", 0).out


def test_a_slide_removed_in_the_middle(run: Commands, tmp_path: Path, project: Path) -> None:
    slide = write_field(tmp_path / "field.tiff", 640, 640)

    def remove(event: Progress) -> None:
        if event.stage == "embed tiles" and event.done > 0:
            slide.unlink(missing_ok=True)

    words = ("analyze", slide, "--project", project, *TILES)
    said = run(*words, backend=lambda: InlineBackend(remove))
    assert not slide.exists()
    # A system may let the run finish on the open file, or refuse; it may not crash or invent tiles.
    if said.code:
        assert_refused(said, "field.tiff")
    else:
        assert "100 tiles" in said.out
    assert_refused(run(*words), "There is no file")
    assert_kept(project)


def test_a_slide_gone_or_exchanged_after_the_analysis(run: Commands, tmp_path: Path) -> None:
    slide = write_field(tmp_path / "field.tiff", 400, 400)
    project = ("--project", tmp_path / "p")
    assert run("analyze", slide, *project, *TILES).code == 0
    trained = run(
        "train", *project, "--expansion", 1, "--epochs", 2, "--out", tmp_path / "sae", "--device", "cpu"
    )
    assert trained.code == 0, trained.err
    assert run("annotate", "set", 1, *project, "--name", "kept").code == 0
    picture = tmp_path / "h.png"
    assert_refused(run("heatmap", slide, 192, *project, "--out", picture), "192", "0 to 191")
    assert_refused(run("annotate", "set", 192, *project, "--name", "x"), "no feature 192", "0 to 191")
    assert_refused(run("heatmap", slide, 1, *project, "--out", tmp_path / "h.jpg"), ".png")
    assert_refused(run("features", *project, "--out", tmp_path / "f.xlsx"), ".xlsx", ".csv")
    assert_refused(run("correlate", *project), "has cells", "cells import")
    write_tiff(slide, [stained_field(320, 320, seed=5)], 0.5)
    assert_refused(run("heatmap", slide, 1, *project, "--out", picture), "is not the file it was")
    slide.unlink()
    assert_refused(run("heatmap", slide, 1, *project, "--out", picture), "no file")
    assert not picture.exists()
    shutil.rmtree(tmp_path / "p" / "cache" / "features")
    assert_refused(run("features", *project), "deleted", "analysis again")
    assert "kept" in run("annotate", "list", *project).out


@pytest.mark.parametrize("words", [("analyze",), ("cells", "import")], ids=" ".join)
def test_a_project_folder_that_cannot_be_written(
    run: Commands, tmp_path: Path, field: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("here is no folder", encoding="utf-8")
    more = (write_cells(tmp_path / "c.csv", 320, 320),) if words[0] == "cells" else ()
    said = run(*words, field, *more, "--project", tmp_path / "file" / "project", "--json")
    assert_refused(said, "cannot be written")
    assert said.data["error"] == "StoreError"


# Root may write anywhere, so it becomes another user, once all that it may read is imported.
_AS_NOBODY = """
import os, sys
from desktop_app.cli.main import main
if os.getuid() == 0:
    main(["annotate", "list", "--project", sys.argv[1]])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_read_only_project_is_refused_and_left_alone(tmp_path: Path, project: Path) -> None:
    other = tmp_path / "other"
    for path in (project, *project.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in project.parents:
        if "pytest-" in str(parent):
            parent.chmod(0o755)
    before = (project / "project.sqlite").read_bytes()
    Store.create(other).close()
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(other), "annotate", "set", "3", "--project", str(project), "--name", "x"],
        capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    said = Said(done.returncode, done.stdout, done.stderr)
    assert_refused(said, "cannot be written", "Copy the project")
    assert (project / "project.sqlite").read_bytes() == before


def test_a_project_of_a_newer_version_is_left_alone(run: Commands, project: Path) -> None:
    file = project / "project.sqlite"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = file.read_bytes()
    assert_refused(run("annotate", "list", "--project", project), "newer version")
    assert file.read_bytes() == before


def test_a_damaged_project(run: Commands, project: Path) -> None:
    (project / "project.sqlite").write_bytes(b"not a database at all, not even near" * 100)
    assert_refused(run("annotate", "list", "--project", project), "project.sqlite")


def test_a_full_disk_while_embedding_keeps_what_is_done(
    run: Commands, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slide = write_field(tmp_path / "field.tiff", 640, 640)
    written = 0

    def fsync(handle: int) -> None:
        nonlocal written
        written += 1
        if written > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.fsync(handle)

    words = ("analyze", slide, "--project", project, *TILES, "--json")
    with monkeypatch.context() as patch:
        patch.setattr(embeddings, "os", SimpleNamespace(fsync=fsync, truncate=os.truncate))
        said = run(*words)
    assert_refused(said, "The disk is full", "resumes")
    assert said.data["error"] == "CacheError"
    assert_kept(project)

    begun: list[int] = []
    again = run(*words, backend=lambda: InlineBackend(
        lambda event: begun.append(event.done) if event.stage == "embed tiles" else None
    ))  # fmt: skip
    assert again.code == 0 and again.data["analysis"]["counts"] == {"ok": 100}
    assert begun[0] > 0, "the batch before the disk was full is not computed again"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_file_size_limit_reaches_the_user_from_the_real_worker(tmp_path: Path, project: Path) -> None:
    import resource

    slide = write_field(tmp_path / "field.tiff", 1600, 1600)
    limit = (project / "project.sqlite").stat().st_size + 64_000
    assert limit < 600 * 192 * 4

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    said = in_child("analyze", slide, "--project", project, *TILES, prepare=prepare)
    assert_refused(said, "The disk is full", "Free some space")
    assert_kept(project)


def _sae_of_width(folder: Path, width: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    tensors = {
        "W_enc": rng.normal(size=(width, 2 * width)),
        "W_dec": rng.normal(size=(2 * width, width)),
        "b_enc": np.zeros(2 * width),
        "b_dec": np.zeros(width),
    }
    save_file({k: v.astype(np.float32) for k, v in tensors.items()}, folder / "sae_weights.safetensors")
    config = {"d_in": width, "d_sae": 2 * width, "architecture": "standard", "apply_b_dec_to_input": True,
              "normalize_activations": "none"}  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_an_sae_of_another_width(run: Commands, tmp_path: Path, field: Path, project: Path) -> None:
    stages: list[str] = []
    said = run(
        "analyze", field, "--project", project, *TILES, "--sae", _sae_of_width(tmp_path / "sae", 64),
        backend=lambda: InlineBackend(lambda event: stages.append(event.stage)),
    )  # fmt: skip
    assert_refused(said, "width 64", "192")
    assert "embed tiles" not in stages, "told before the long work"
    assert_kept(project)


def test_cells_outside_the_slide(run: Commands, tmp_path: Path, field: Path, project: Path) -> None:
    file = tmp_path / "cells.csv"
    file.write_text("x,y,type\n90000,10,A\n10,90000,A\n", encoding="utf-8")
    assert_refused(run("cells", "import", field, file, "--project", project), "outside the slide", "extent")
    file.write_text("x,y,type\n90000,10,A\n10,10,A\n12,10,B\n", encoding="utf-8")
    said = run("cells", "import", field, file, "--project", project, "--json")
    assert said.code == 0
    assert said.data["type_counts"] == {"A": 1, "B": 1}
    assert any("1 of 3 cells lie outside" in note for note in said.data["notes"])


def _polygon(x: str) -> str:
    ring = f"[[[1,1],[{x},1],[5,5],[1,1]]]"
    return (
        '{"type":"FeatureCollection","features":[{"type":"Feature","geometry":'
        f'{{"type":"Polygon","coordinates":{ring}}},"properties":{{"objectType":"detection"}}}}]}}'
    )


@pytest.mark.parametrize(
    "content",
    ['{"type": "FeatureCollection", "features": [', "[" * 100_000 + "]" * 100_000, _polygon("NaN"), _polygon("1e999"),
     '{"type": "Feature"', "", "{}"],
    ids=["broken", "nested", "nan", "infinite", "cut", "empty", "other"],
)  # fmt: skip
def test_a_bad_geojson(run: Commands, tmp_path: Path, field: Path, project: Path, content: str) -> None:
    file = tmp_path / "cells.geojson"
    file.write_text(content, encoding="utf-8")
    said = run("cells", "import", field, file, "--project", project, "--json")
    assert_refused(said, "cells.geojson")
    assert said.data["error"] == "CellsError"
    with Store.open(project) as store:
        assert all(store.cells.get(slide.id) is None for slide in store.slides.all())
    assert_kept(project)


@pytest.mark.parametrize("content", ['{"format": 1}', "[" * 100_000, "", "{", '{"a": NaN}'])
def test_a_bad_file_of_annotations(run: Commands, tmp_path: Path, project: Path, content: str) -> None:
    file = tmp_path / "notes.json"
    file.write_text(content, encoding="utf-8")
    assert_refused(run("annotate", "import", file, "--project", project), "notes.json")
    assert_refused(run("annotate", "export", tmp_path / "a.txt", "--project", project), ".json or .csv")
    assert_refused(
        run("annotate", "export", tmp_path / "no" / "a.csv", "--project", project), "cannot be written"
    )
    assert_kept(project)


class _Trap:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("trapped",)


def test_weights_that_are_a_pickle_are_never_loaded(
    run: Commands, tmp_path: Path, field: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model.pt", "model.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(_Trap()))
        said = run("analyze", field, "--project", project, "--encoder", "timm:vit_tiny_patch16_224",
                   "--weights", tmp_path / name)  # fmt: skip
        assert_refused(said, "pickle", "safetensors")
    assert not (tmp_path / "trapped").exists()
    assert_kept(project)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker through /proc")
def test_a_worker_killed_in_the_middle_loses_nothing(run: Commands, tmp_path: Path, project: Path) -> None:
    slide = write_field(tmp_path / "field.tiff", 1280, 1280)
    words = ("analyze", slide, "--project", project, *TILES)
    command = subprocess.Popen(
        child_arguments(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert command.stderr is not None
    heard = []
    for line in command.stderr:
        heard.append(line)
        if line.startswith("embed tiles: "):
            break
    # Progress is printed seldom; that tiles are done is seen in the folder that is being written.
    statuses = "cache/embeddings/*.partial/status.u8"
    wait_until(lambda: any(path.read_bytes().strip(b"\xff") for path in project.glob(statuses)))
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text(encoding="ascii")
    for child in children.split():
        os.kill(int(child), signal.SIGKILL)
    out, rest = command.communicate(timeout=60)
    err = "".join(heard) + rest
    assert command.returncode == 1, err
    assert "Traceback" not in err and out == ""
    assert "sparsescope: The worker ended unexpectedly" in err
    assert "goes on where it stopped" in err
    assert_kept(project)
    begun: list[int] = []
    again = run(*words, "--json", backend=lambda: InlineBackend(
        lambda event: begun.append(event.done) if event.stage == "embed tiles" else None
    ))  # fmt: skip
    assert again.data["analysis"]["counts"] == {"ok": 400}
    assert begun[0] > 0, "it goes on where it stopped"


def test_training_and_correlation_options_that_make_no_sense(
    run: Commands, tmp_path: Path, field: Path
) -> None:
    project = ("--project", tmp_path / "p")
    assert run("analyze", field, *project, *TILES).code == 0
    for words in (("--expansion", 0), ("--epochs", 0), ("--l1", "nan")):
        assert_refused(run("train", *project, "--out", tmp_path / "sae", *words), words[0][2:])
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert_refused(run("train", *project, "--out", tmp_path / "file" / "sae"), "cannot be")
    trained = run(
        "train", *project, "--expansion", 1, "--epochs", 2, "--out", tmp_path / "sae", "--device", "cpu"
    )
    assert trained.code == 0, trained.err
    cells = write_cells(tmp_path / "c.csv", 320, 320)
    assert main(["cells", "import", str(field), str(cells), "--project", str(tmp_path / "p")]) == 0
    for words, expected in (
        (("--bootstraps", -1), "draws"),
        (("--permutations", -5), "draws"),
        (("--block-um", "nan"), "block"),
        (("--block-um", 0), "block"),
    ):
        assert_refused(run("correlate", *project, *words), expected)
    assert_refused(run("correlate", *project, "--out", tmp_path / "c.doc"), ".doc", ".xlsx")
    assert_refused(run("correlate", *project, "--out", tmp_path / "file" / "c.csv"), "c.csv")
