"""Embeddings: bad tiles, damaged folders, full disks and vanished slides."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from sae_backend.activations.embeddings import Embeddings, EmbeddingWriter
from sae_backend.activations.feature_matrix import FeatureMatrix
from sae_backend.activations.heatmap import heatmap
from sae_backend.cache import is_committed
from sae_backend.compute import dispatch
from sae_backend.compute.jobs import embed as embed_module
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.errors import CacheError, MismatchError, SlideError
from sae_backend.slides.slide import TileStatus
from sae_backend.slides.tiles import TileGrid, TileSpec
from tests.backend.fixtures.runs import MPP, contents, control_card, request_for, small_sae, small_slide
from tests.slides import stained_field

N_TILES, BATCH = 12, 4
FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")


def grid() -> TileGrid:
    rows, cols = np.divmod(np.arange(10, dtype=np.int32), np.int32(5))
    tissue = np.ones(10, np.float32)
    return TileGrid("s", 0.5, TileSpec(32), 32.0, 32.0, (0.0, 0.0), (2, 5), rows, cols, tissue)


def vectors(n: int = 10) -> np.ndarray:
    return np.random.default_rng(0).random((n, control_card().width)).astype(np.float32)


def fill(writer: EmbeddingWriter, bounds: list[tuple[int, int]]) -> None:
    made = vectors()
    for start, stop in bounds:
        writer.write(start, made[start:stop], np.zeros(stop - start, np.uint8))


def steps_of(run: Callable[[JobContext], dict[str, Any]]) -> tuple[dict[str, Any], list[int]]:
    """Result of a job, and the tiles that were done at each of its reports."""
    done: list[int] = []
    watch = JobContext(lambda stage, n, _: done.append(n) if stage == "embed tiles" else None)
    return run(watch), done


def test_the_writer_goes_on_with_the_same_batches(tmp_path: Path) -> None:
    final, card = tmp_path / "e", control_card()
    first = EmbeddingWriter(final, grid(), card, 4)
    assert first.pending_batches() == [(0, 4), (4, 8), (8, 10)]
    fill(first, [(4, 8)])
    first.close()
    second = EmbeddingWriter(final, grid(), card, 4)
    assert second.pending_batches() == [(0, 4), (8, 10)]
    with pytest.raises(MismatchError, match="shape"):
        second.write(0, vectors()[:4, :7], np.zeros(4, np.uint8))
    fill(second, second.pending_batches())
    embeddings = second.commit()
    np.testing.assert_array_equal(embeddings.vectors, vectors())
    assert is_committed(final) and embeddings.valid.all()
    assert embeddings.grid.digest == grid().digest and embeddings.card == card


def test_batches_of_another_size_or_a_damaged_plan_begin_anew(tmp_path: Path) -> None:
    writer = EmbeddingWriter(tmp_path / "e", grid(), control_card(), 4)
    fill(writer, [(0, 4)])
    writer.close()
    other = EmbeddingWriter(tmp_path / "e", grid(), control_card(), 2)
    assert len(other.pending_batches()) == 5
    fill(other, [(0, 2)])
    other.close()
    (tmp_path / "e.partial" / "plan.json").write_text('{"ke')
    third = EmbeddingWriter(tmp_path / "e", grid(), control_card(), 2)
    assert len(third.pending_batches()) == 5
    third.close()


def test_sealing_that_fails_keeps_the_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EmbeddingWriter(tmp_path / "e", grid(), control_card(), 4)
    fill(writer, writer.pending_batches())

    def refuse(*_: object) -> None:
        raise CacheError("The disk is full.", "Free some space.")

    with monkeypatch.context() as patched:
        patched.setattr("sae_backend.activations.embeddings.commit_folder", refuse)
        with pytest.raises(CacheError):
            writer.commit()
    writer.close()
    again = EmbeddingWriter(tmp_path / "e", grid(), control_card(), 4)
    assert again.pending_batches() == []
    assert is_committed(again.commit().folder)


def test_a_changed_byte_is_seen_and_computed_again(tmp_path: Path) -> None:
    slide = small_slide(tmp_path / "s.tif", 3, 4)
    request = request_for(slide, tmp_path / "c")
    result, _ = steps_of(lambda watch: dispatch.run(request, watch))
    folder = Path(result["embedding_dir"])
    good = contents(folder)
    again, done = steps_of(lambda watch: dispatch.run(request, watch))
    assert done == [N_TILES] and again == result
    for name in ("vectors.f32", "status.u8"):
        path = folder / name
        path.write_bytes(good[name][:-1] + bytes([good[name][-1] ^ 1]))
        assert not is_committed(folder)
        with pytest.raises(CacheError, match="has changed"):
            Embeddings.open(folder, verify=True)
        _, done = steps_of(lambda watch: dispatch.run(request, watch))
        assert done[0] == 0 and done[-1] == N_TILES
        assert contents(folder) == good
    (folder / "vectors.f32").unlink()
    with pytest.raises(CacheError, match="damaged") as caught:
        Embeddings.open(folder)
    assert caught.value.hint


def broken_slide(path: Path, corrupt: int = 0) -> Path:
    """A JPEG TIFF of 3 x 4 tiles of 32 px: tile `corrupt` is scribbled over, tile 5 has no bytes."""
    field = stained_field(3 * 32, 4 * 32)
    per_cm = 1e4 / MPP
    tifffile.imwrite(
        path, field, tile=(32, 32), photometric="rgb", compression="jpeg", metadata=None,
        resolution=(per_cm, per_cm), resolutionunit="CENTIMETER",
    )  # fmt: skip
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        offsets, counts, tag = page.dataoffsets, page.databytecounts, page.tags["TileByteCounts"]
        form = "<I" if tag.dtype == tifffile.DATATYPE.LONG else "<H"
    data = bytearray(path.read_bytes())
    scribbled = range(offsets[corrupt] + 40, offsets[corrupt] + counts[corrupt] - 2)
    data[scribbled.start : scribbled.stop] = (b"\xff\xd8" * len(scribbled))[: len(scribbled)]
    at = tag.valueoffset + 5 * struct.calcsize(form)
    assert struct.unpack_from(form, data, at)[0] == counts[5]
    struct.pack_into(form, data, at, 0)
    path.write_bytes(data)
    return path


def test_bad_tiles_have_a_status_and_no_vector_and_count_nowhere(tmp_path: Path) -> None:
    small_sae(control_card()).save(tmp_path / "sae")
    slide = broken_slide(tmp_path / "s.tiff")
    result = dispatch.run(request_for(slide, tmp_path / "c", tmp_path / "sae"))
    assert result["counts"] == {"ok": 10, "missing": 1, "corrupt": 1}
    embeddings = Embeddings.open(Path(result["embedding_dir"]), verify=True)
    lookup = embeddings.grid.index_map()
    corrupt, missing = int(lookup[0, 0]), int(lookup[1, 1])
    assert embeddings.status[corrupt] == TileStatus.CORRUPT
    assert embeddings.status[missing] == TileStatus.MISSING
    bad = np.isin(np.arange(N_TILES), [corrupt, missing])
    np.testing.assert_array_equal(embeddings.valid, ~bad)
    np.testing.assert_array_equal(np.isnan(embeddings.vectors).all(axis=1), bad)
    assert np.isfinite(embeddings.vectors[~bad]).all()
    features = FeatureMatrix.open(Path(result["feature_dir"]))
    assert features.row(corrupt)[0].size == features.row(missing)[0].size == 0
    np.testing.assert_array_equal(features.valid, ~bad)
    dense = features.csc().toarray()
    assert (dense[~bad] > 0).any(axis=1).all()
    np.testing.assert_allclose(features.stats.firing_rate, (dense > 0).sum(axis=0) / 10)
    assert features.stats.firing_rate.max() <= 1.0
    shown = heatmap(features, int(features.stats.n_firing.argmax()))
    assert np.isnan(shown.values).sum() == 2 and np.isnan(shown.values[[0, 1], [0, 1]]).all()


@needs_full_device
@pytest.mark.parametrize("name", ["_vectors", "_status"])
def test_a_disk_that_fills_up_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    request = request_for(small_slide(tmp_path / "s.tif", 3, 4), tmp_path / "c", batch=BATCH)
    whole = dispatch.run(request_for(Path(request.slide), tmp_path / "whole", batch=BATCH))

    class FillingUp(EmbeddingWriter):
        def write(self, start: int, vectors: Any, status: Any) -> None:
            if start == BATCH:
                getattr(self, name).close()
                setattr(self, name, FULL.open("rb+", buffering=0))
            super().write(start, vectors, status)

    with monkeypatch.context() as patched:
        patched.setattr(embed_module, "EmbeddingWriter", FillingUp)
        with pytest.raises(CacheError, match="disk is full") as caught:
            dispatch.run(request)
    assert "resumes" in caught.value.hint
    result, done = steps_of(lambda watch: dispatch.run(request, watch))
    assert done[0] == BATCH
    assert contents(result["embedding_dir"]) == contents(whole["embedding_dir"])


def test_a_file_too_large_for_the_disk_is_told(tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from sae_backend.compute import dispatch\n"
        "from sae_backend.errors import CacheError\n"
        "from tests.backend.fixtures.runs import request_for\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    dispatch.run(request_for(Path(sys.argv[1]), Path(sys.argv[2])))\n"
        "except CacheError as error:\n"
        "    print(error.sentence, error.hint)\n"
    )
    slide = small_slide(tmp_path / "s.tif", 3, 4)
    found = subprocess.run(
        [sys.executable, "-c", code, str(slide), str(tmp_path / "c")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert "disk is full" in found.stdout and "Free some space" in found.stdout, found.stderr
    assert dispatch.run(request_for(slide, tmp_path / "c"))["counts"] == {"ok": N_TILES}


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a file where the folder should be")
    with pytest.raises(CacheError) as caught:
        dispatch.run(request_for(small_slide(tmp_path / "s.tif", 3, 4), tmp_path / "c"))
    assert caught.value.hint


def test_a_slide_that_vanishes_is_told_and_its_batches_are_kept(tmp_path: Path) -> None:
    slide = tmp_path / "s.tiff"
    # After a corrupt tile OpenSlide opens the file again; the tiles read ahead end before it.
    content = broken_slide(slide, corrupt=9).read_bytes()
    request = request_for(slide, tmp_path / "c", batch=1)

    def vanish(stage: str, done: int, _total: int) -> None:
        if stage == "embed tiles" and done == 2:
            slide.unlink()

    with pytest.raises(SlideError) as caught:
        dispatch.run(request, JobContext(vanish))
    assert caught.value.hint and "s.tiff" in caught.value.sentence
    slide.write_bytes(content)
    result, done = steps_of(lambda watch: dispatch.run(request, watch))
    assert done[0] >= 2
    assert result["counts"] == {"ok": 10, "missing": 1, "corrupt": 1}


def test_two_programs_cannot_write_the_same_embeddings(tmp_path: Path) -> None:
    first = EmbeddingWriter(tmp_path / "e", grid(), control_card(), 4)
    with pytest.raises(CacheError, match="Another program"):
        EmbeddingWriter(tmp_path / "e", grid(), control_card(), 4)
    first.close()
    EmbeddingWriter(tmp_path / "e", grid(), control_card(), 4).close()
