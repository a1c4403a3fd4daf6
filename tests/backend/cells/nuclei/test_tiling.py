"""Nuclei of whole slides: independent of the tiles, of bad areas elsewhere and of interruptions."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from filelock import FileLock
from scipy.spatial import KDTree

from sae_backend.cells.nuclei import detection as module
from sae_backend.cells.nuclei.detection import DETECTOR, detect_nuclei, detection_key, load_detected
from sae_backend.cells.nuclei.measures import MEASURES
from sae_backend.cells.nuclei.segmentation import DetectSpec
from sae_backend.cells.nuclei.tiling import DOUBLE_UM, NEIGHBOURS, NUCLEUS
from sae_backend.cells.table import CellImport, CellTable
from sae_backend.compute import dispatch
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.errors import CacheError, CancelledError, NoTissueError, PixelSizeError, UserInputError
from sae_backend.slides.slide import Slide
from sae_backend.synthetic.slide import write_demo_slide
from sae_backend.worker.requests import DetectRequest, Submit, from_line, to_line
from tests.backend.fixtures.runs import contents
from tests.slides import write_tiff
from tests.worlds.nucleus_fields import nuclei_at_random, nuclei_slide, stained_nuclei

TILE_PX = 128


def detect(path: Path, cache: Path, tile_px: int = TILE_PX) -> CellImport:
    with Slide.open(path) as slide:
        return load_detected(detect_nuclei(slide, DetectSpec(), cache, lambda *_: None, tile_px))


def centres(table: CellTable) -> np.ndarray:
    return np.stack([table.y_l0, table.x_l0], axis=1)


def test_the_nuclei_do_not_depend_on_the_tiles(tmp_path: Path) -> None:
    path = write_demo_slide(tmp_path, seed=5, size_px=(512, 640)).slide_path
    whole = detect(path, tmp_path / "c", 1024).table
    assert whole.n_cells > 100
    for tile_px in (200, 333):
        pieces = detect(path, tmp_path / "c", tile_px).table
        yx = centres(pieces)
        assert abs(pieces.n_cells - whole.n_cells) <= 0.005 * whole.n_cells
        apart, nearest = KDTree(yx).query(centres(whole))
        same = apart < 0.2
        assert same.mean() >= 0.99
        area = whole.measures["area_um2"], pieces.measures["area_um2"][nearest]
        assert np.isclose(area[0], area[1], rtol=0.02)[same].mean() >= 0.99
        assert not KDTree(yx).query_pairs(DOUBLE_UM / 0.5)
        np.testing.assert_array_equal(np.lexsort((yx[:, 1], yx[:, 0])), np.arange(pieces.n_cells))


def test_what_is_found_is_a_table_with_outlines_and_measures(tmp_path: Path) -> None:
    drawn = np.array(nuclei_slide(tmp_path / "s.tif"))
    found = detect(tmp_path / "s.tif", tmp_path / "c")
    table = found.table
    assert table.n_cells == len(drawn) == 120 and table.type_names == (NUCLEUS,)
    apart, which = KDTree(drawn[:, :2]).query(centres(table))
    assert apart.max() < 0.6 and len(set(which.tolist())) == 120
    assert set(table.measures) == {*MEASURES, NEIGHBOURS}
    near = [len(near) - 1 for near in KDTree(centres(table)).query_ball_point(centres(table), 50.0)]
    np.testing.assert_array_equal(table.measures[NEIGHBOURS], near)
    assert table.outlines is not None
    for cell in range(120):
        ring = table.outlines.ring(cell)
        radius = np.hypot(*((ring - drawn[which[cell], :2]) / drawn[which[cell], 2:]).T)
        assert radius.min() > 0.7 and radius.max() < 1.3
    assert found.tool == DETECTOR and found.source_name == "nuclei of s.tif"
    assert found.assumed["spec"] == DetectSpec().to_json() and found.assumed["mpp"] == 0.5
    with Slide.open(tmp_path / "s.tif") as slide:
        assert found.assumed["slide_fingerprint"] == slide.info.fingerprint
    assert "120 nuclei were found" in found.notes[0]


def test_other_settings_are_another_result(tmp_path: Path) -> None:
    nuclei_slide(tmp_path / "s.tif")
    with Slide.open(tmp_path / "s.tif") as slide:
        keys = {
            detection_key(slide, DetectSpec()),
            detection_key(slide, DetectSpec(min_area_um2=12.0)),
            detection_key(slide, DetectSpec(), 256),
        }
        with pytest.raises(UserInputError, match="64 px are too small"):
            detect_nuclei(slide, DetectSpec(), tmp_path, lambda *_: None, 64)
    assert len(keys) == 3


def test_a_stopped_run_goes_on_and_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nuclei_slide(tmp_path / "s.tif")
    whole = detect(tmp_path / "s.tif", tmp_path / "whole").source_sha256
    cache, seen = tmp_path / "stopped", []

    def stop(stage: str, done: int, _total: int) -> None:
        if stage == "find nuclei":
            seen.append(done)
            if done == 5:
                raise CancelledError("Enough.")

    with Slide.open(tmp_path / "s.tif") as slide:
        with pytest.raises(CancelledError):
            detect_nuclei(slide, DetectSpec(), cache, stop, TILE_PX)
        assert seen == [0, 1, 2, 3, 4, 5]
        final = cache / "nuclei" / detection_key(slide, DetectSpec(), TILE_PX)
        tiles = final.with_name(final.name + ".tiles")
        assert len(list(tiles.glob("*.npz"))) == 5
        (tiles / "3.npz").write_bytes(b"damaged")
        (tiles / "9.npz.part").write_bytes(b"of a run that was killed while it wrote")
        done = []
        path = detect_nuclei(slide, DetectSpec(), cache, lambda *step: done.append(step), TILE_PX)
    assert ("find nuclei", 4, 16) in done and done[-1] == ("find nuclei", 16, 16)
    assert load_detected(path).source_sha256 == whole
    assert sorted(p.name for p in path.parent.iterdir()) == ["manifest.json", "nuclei.npz"]
    assert not tiles.exists()
    monkeypatch.setattr(module, "detect_tiles", None)
    assert detect(tmp_path / "s.tif", cache).source_sha256 == whole


def bad_slide(path: Path) -> list[tuple[float, float, float, float]]:
    """A JPEG slide of 3 x 4 tiles of 128 px: tile 5 is scribbled over and tile 11 has no bytes."""
    shape = (384, 512)
    # Moved, so that some lie across the borders of the tiles.
    ellipses = [(y + 12, x + 12, ry, rx) for y, x, ry, rx in nuclei_at_random(shape, 32)]
    per_cm = 1e4 / 0.5
    tifffile.imwrite(
        path, stained_nuclei(shape, ellipses), tile=(128, 128), photometric="rgb", compression="jpeg",
        compressionargs={"level": 97}, metadata=None, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER",
    )  # fmt: skip
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        offsets, counts, tag = page.dataoffsets, page.databytecounts, page.tags["TileByteCounts"]
        form = "<I" if tag.dtype == tifffile.DATATYPE.LONG else "<H"
    data = bytearray(path.read_bytes())
    scribbled = range(offsets[5] + 40, offsets[5] + counts[5] - 2)
    data[scribbled.start : scribbled.stop] = (b"\xff\xd8" * len(scribbled))[: len(scribbled)]
    struct.pack_into(form, data, tag.valueoffset + 11 * struct.calcsize(form), 0)
    path.write_bytes(data)
    return ellipses


def test_bad_areas_are_left_out_and_counted_however_they_are_read(tmp_path: Path) -> None:
    drawn = np.array(bad_slide(tmp_path / "s.tiff"))[:, :2]
    corrupt, missing = (128.0, 128.0), (256.0, 384.0)
    # More than a nucleus away from the bad tiles on each side.
    depth = [np.abs(drawn - np.array(corner) - 64).max(axis=1) - 64 for corner in (corrupt, missing)]
    for tile_px in (TILE_PX, 1024):
        found = detect(tmp_path / "s.tiff", tmp_path / "c", tile_px)
        tile_mm2 = (128 * 0.5) ** 2 / 1e6
        assert any(f"{tile_mm2:.3f} mm2 of the slide are corrupt" in note for note in found.notes)
        assert any(f"{tile_mm2:.3f} mm2 of the slide are missing" in note for note in found.notes)
        assert found.assumed["corrupt_um2"] == found.assumed["missing_um2"] == 64**2
        yx = centres(found.table)
        for corner in (corrupt, missing):
            assert not ((yx >= corner) & (yx < np.array(corner) + 128)).all(axis=1).any()
        clear = (np.minimum(*depth) > 16) & (drawn < (374, 502)).all(axis=1)
        apart, _ = KDTree(yx).query(drawn[clear])
        assert (apart < 2).mean() > 0.98
        assert found.assumed["n_cut"] > 0 and "at the edge" in found.notes[-1]


def test_damage_is_seen(tmp_path: Path) -> None:
    nuclei_slide(tmp_path / "s.tif")
    with Slide.open(tmp_path / "s.tif") as slide:
        path = detect_nuclei(slide, DetectSpec(), tmp_path / "c", lambda *_: None)
        good = contents(path.parent)
        path.write_bytes(good["nuclei.npz"][:-900])
        with pytest.raises(CacheError, match="missing or damaged"):
            load_detected(path)
        detect_nuclei(slide, DetectSpec(), tmp_path / "c", lambda *_: None)
        assert contents(path.parent) == good
        with (
            FileLock(tmp_path / "d" / "nuclei" / f"{path.parent.name}.lock"),
            pytest.raises(CacheError, match="Another program"),
        ):
            detect_nuclei(slide, DetectSpec(), tmp_path / "d", lambda *_: None)
    with pytest.raises(CacheError, match="missing or damaged"):
        load_detected(tmp_path / "nothing.npz")


def test_the_job_is_asked_for_by_a_message(tmp_path: Path) -> None:
    nuclei_slide(tmp_path / "s.tif")
    request = DetectRequest(str(tmp_path / "s.tif"), str(tmp_path / "c"), spec={"min_area_um2": 12.0})
    sent = from_line(to_line(Submit(1, request)))
    assert isinstance(sent, Submit) and sent.request == request
    stages = []
    result = dispatch.run(
        sent.request, JobContext(lambda stage, done, total: stages.append((stage, done == total)))
    )
    assert stages[0] == ("find tissue", False) and stages[-1] == ("find nuclei", True)
    found = load_detected(Path(result["nuclei_file"]))
    assert result["n_nuclei"] == found.table.n_cells == 120 and result["notes"] == list(found.notes)
    assert found.assumed["spec"]["min_area_um2"] == 12.0
    with pytest.raises(CancelledError):
        dispatch.run(replace(request, cache_dir=str(tmp_path / "d")), JobContext(cancelled=lambda: True))
    nuclei_slide(tmp_path / "unknown.tif", mpp=None)
    with pytest.raises(PixelSizeError):
        dispatch.run(replace(request, slide=str(tmp_path / "unknown.tif")))
    write_tiff(tmp_path / "glass.tif", [np.full((256, 256, 3), 245, np.uint8)], 0.5)
    with pytest.raises(NoTissueError, match="No tissue"):
        dispatch.run(replace(request, slide=str(tmp_path / "glass.tif")))
