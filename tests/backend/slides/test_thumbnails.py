"""The pack of small pictures: what they show, what is read for them, and what a killed run leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from sae_backend.cache import is_committed
from sae_backend.compute import dispatch
from sae_backend.compute.jobs.embed import JobContext
from sae_backend.errors import CacheError, CancelledError, MismatchError, UserInputError
from sae_backend.slides import thumbnails as module
from sae_backend.slides.slide import Slide
from sae_backend.slides.thumbnails import Thumbnails, side_px, thumbnail_folder, write_thumbnails
from sae_backend.slides.tiles import TileGrid, TileSpec, resolve_grid
from sae_backend.slides.tissue import find_tissue
from sae_backend.worker.requests import Submit, ThumbnailsRequest, from_line, to_line
from tests.backend.activations.test_embeddings import broken_slide
from tests.backend.fixtures.runs import SPEC, contents, control_card, request_for, small_sae, small_slide
from tests.slides import stained_field, write_tiff

N_TILES = 120


@pytest.fixture
def slide(tmp_path: Path) -> Iterator[Slide]:
    with Slide.open(small_slide(tmp_path / "s.tif", 10, 12)) as opened:
        yield opened


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_TILES", 4)
    monkeypatch.setattr(module, "_SEALED_TILES", 20)


def grid_of(slide: Slide, **spec: float) -> TileGrid:
    return resolve_grid(TileSpec(**{**SPEC, **spec}), slide.info, find_tissue(slide))


def test_pictures_come_from_the_coarsest_level_that_suffices(tmp_path: Path) -> None:
    # Every level has its own shade, and every quarter of a tile its own colour.
    colours = np.array([[[200, 40, 40], [40, 200, 40]], [[40, 40, 200], [200, 200, 40]]], np.uint8)
    levels = [
        np.tile(colours.repeat(half, 0).repeat(half, 1), (2, 3, 1)) // 4 * (4 - shade)
        for half, shade in ((224, 0), (112, 1), (56, 2), (28, 3))
    ]
    with Slide.open(write_tiff(tmp_path / "s.tif", levels, 0.25)) as slide:
        grid = grid_of(slide, tile_px=224, tile_mpp=0.5)
        made = write_thumbnails(slide, grid, tmp_path / "c")
    assert (made.n_tiles, made.side_px) == (6, 112)
    assert made.folder == thumbnail_folder(tmp_path / "c", grid) and made.grid_digest == grid.digest
    want = colours.astype(int) // 4 * 2
    for tile in range(6):
        shown = made.rgb(tile)
        assert shown.shape == (112, 112, 3) and shown.dtype == np.uint8
        middles = shown[28::56, 28::56].astype(int)
        assert np.abs(middles - want).max() <= 6


def test_a_tile_that_is_small_is_not_blown_up(slide: Slide, tmp_path: Path) -> None:
    grid = grid_of(slide)
    made = write_thumbnails(slide, grid, tmp_path / "c")
    whole = stained_field(320, 384)
    assert side_px(grid) == made.side_px == 32
    for tile in (0, 13, N_TILES - 1):
        y, x = (int(v) for v in grid.origins_l0()[tile])
        difference = made.rgb(tile).astype(float) - whole[y : y + 32, x : x + 32]
        assert np.abs(difference).mean() < 6
    with pytest.raises(UserInputError, match="no tile 120"):
        made.jpeg(N_TILES)


def test_tiles_that_cannot_be_read_have_no_picture(tmp_path: Path) -> None:
    with Slide.open(broken_slide(tmp_path / "s.tiff")) as slide:
        made = write_thumbnails(slide, grid_of(slide), tmp_path / "c")
    empty = [tile for tile in range(made.n_tiles) if not made.jpeg(tile)]
    assert empty == [0, 5]
    assert (made.rgb(5) == 200).all() and made.rgb(6).std() > 3


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(
    slide: Slide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = grid_of(slide)
    whole = contents(write_thumbnails(slide, grid, tmp_path / "whole").folder)
    cache = tmp_path / "stopped"

    def stop_at(wanted: int) -> list[int]:
        seen: list[int] = []

        def step(done: int, _total: int) -> None:
            seen.append(done)
            if done >= wanted:
                raise CancelledError("Enough.")

        with pytest.raises(CancelledError):
            write_thumbnails(slide, grid, cache, step)
        return seen

    assert stop_at(50)[0] == 0
    partial = thumbnail_folder(cache, grid).with_name(thumbnail_folder(cache, grid).name + ".partial")
    for name in ("jpeg.bin", "offsets.bin"):
        with (partial / name).open("ab") as file:
            file.write(b"of a batch whose end was never written")
    assert stop_at(90)[0] == 40
    read: list[float] = []
    inner = module.read_box

    def counted(*args: object) -> object:
        read.append(1)
        return inner(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_box", counted)
    steps: list[int] = []
    made = write_thumbnails(slide, grid, cache, lambda done, _: steps.append(done))
    assert steps[0] == 80 and steps[-1] == N_TILES and len(read) == 40
    assert contents(made.folder) == whole
    assert not partial.exists()
    write_thumbnails(slide, grid, cache)
    assert len(read) == 40


def test_damage_is_seen_and_made_again(slide: Slide, tmp_path: Path) -> None:
    grid = grid_of(slide)
    made = write_thumbnails(slide, grid, tmp_path / "c")
    good = contents(made.folder)
    (made.folder / "jpeg.bin").write_bytes(good["jpeg.bin"][:-1])
    with pytest.raises(CacheError, match="damaged"):
        Thumbnails.open(made.folder)
    (made.folder / "jpeg.bin").write_bytes(bytes(len(good["jpeg.bin"])))
    with pytest.raises(CacheError, match="picture of tile 3"):
        Thumbnails.open(made.folder).rgb(3)
    write_thumbnails(slide, grid, tmp_path / "c")
    assert contents(made.folder) == good


def test_only_one_program_makes_a_pack(slide: Slide, tmp_path: Path) -> None:
    final = thumbnail_folder(tmp_path, grid_of(slide))
    final.parent.mkdir(parents=True)
    with (
        FileLock(final.with_name(final.name + ".lock")),
        pytest.raises(CacheError, match="Another program"),
    ):
        write_thumbnails(slide, grid_of(slide), tmp_path)


def test_the_job_takes_its_tiles_from_an_analysis(tmp_path: Path) -> None:
    path, cache = small_slide(tmp_path / "s.tif", 3, 4), tmp_path / "c"
    small_sae(control_card()).save(tmp_path / "sae")
    analysis = dispatch.run(request_for(path, cache, tmp_path / "sae"))
    folders, stages = set(), set()
    for key in ("feature_dir", "embedding_dir"):
        request = ThumbnailsRequest(str(path), str(cache), analysis[key])
        sent = from_line(to_line(Submit(1, request)))
        assert isinstance(sent, Submit) and sent.request == request
        watch = JobContext(lambda stage, done, total: stages.add((stage, done == total)))
        folders.add(dispatch.run(sent.request, watch)["thumbnail_dir"])
    assert len(folders) == 1 and stages == {("make small pictures", False), ("make small pictures", True)}
    folder = Path(folders.pop())
    assert is_committed(folder) and Thumbnails.open(folder).n_tiles == 12
    other = small_slide(tmp_path / "other.tif", 4, 4)
    with pytest.raises(MismatchError, match=r"other\.tif is not the slide"):
        dispatch.run(ThumbnailsRequest(str(other), str(cache), analysis["feature_dir"]))
    with pytest.raises(CacheError, match="where its tiles lie"):
        dispatch.run(ThumbnailsRequest(str(path), str(cache), str(folder)))
