"""The generated slide opens as a slide, repeats to the byte, and what is on record is what was drawn."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest

from sae_backend.cells.counts import count_cells, read_cells
from sae_backend.errors import CacheError, UserInputError
from sae_backend.slides.slide import Slide
from sae_backend.slides.tiles import TileSpec, resolve_grid
from sae_backend.slides.tissue import find_tissue
from sae_backend.synthetic.artefacts import ARTEFACTS
from sae_backend.synthetic.domains import REGIONS
from sae_backend.synthetic.regions import COARSE_PX
from sae_backend.synthetic.scanners import SCANNERS
from sae_backend.synthetic.slide import DemoSlide, draw_slide, write_demo_slide
from sae_backend.synthetic.specs import CohortSpec, SlideSpec, cohort, paired_scans
from sae_backend.synthetic.stains import Stain
from sae_backend.synthetic.truth_files import is_drawn
from sae_backend.synthetic.world import RECORDED_TYPES, Drawing

SIZE_PX = (1600, 2100)
SPEC = SlideSpec("one", seed=3, size_px=SIZE_PX, artefacts=ARTEFACTS)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSlide:
    return write_demo_slide(tmp_path_factory.mktemp("demo"), seed=3, size_px=SIZE_PX)


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    return Drawing(SlideSpec("demo", seed=3, size_px=SIZE_PX))


def test_it_opens_as_a_pyramid_with_its_pixel_size(demo: DemoSlide) -> None:
    with Slide.open(demo.slide_path) as slide:
        assert (slide.info.height_px, slide.info.width_px) == SIZE_PX
        assert slide.info.mpp == pytest.approx(0.5, rel=1e-6)
        assert slide.info.mpp_source == "file"
        assert slide.info.level_sizes == (SIZE_PX, (400, 525), (100, 131))


def test_every_level_shows_the_whole_slide(demo: DemoSlide) -> None:
    with Slide.open(demo.slide_path) as slide:
        full = slide.read_region(0, 0, 0, *SIZE_PX).rgb.astype(np.float64)
        for level, (height, width) in enumerate(slide.info.level_sizes[1:], start=1):
            step = 4**level
            blocks = full[: height * step, : width * step].reshape(height, step, width, step, 3)
            shown = slide.read_region(0, 0, level, height, width).rgb
            assert np.abs(blocks.mean(axis=(1, 3)) - shown).mean() < 8
            # The last rows come from the last, lower band.
            assert np.abs(blocks.mean(axis=(1, 3)) - shown)[-8:].mean() < 8


def test_tissue_and_glass_are_told_apart(demo: DemoSlide, drawing: Drawing) -> None:
    with Slide.open(demo.slide_path) as slide:
        tissue = find_tissue(slide)
        grid = resolve_grid(TileSpec(), slide.info, tissue)
        corner = slide.read_region(0, 0, 0, 48, 48).rgb
    assert 0.3 < tissue.mask.mean() < 0.9
    assert 0 < grid.n_tiles < grid.shape[0] * grid.shape[1]
    assert corner.min() > 225
    share = (drawing.section.layout.section > 0).mean()
    assert 0.35 < share < 0.9


def test_the_same_spec_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    small = replace(SPEC, size_px=(900, 1100))
    first, again = draw_slide(tmp_path / "a", small), draw_slide(tmp_path / "b", small)
    other = draw_slide(tmp_path / "c", replace(small, seed=4))
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"one.tiff", "one.cells.parquet", "one.geojson", "one.regions.geojson", "one.json"}
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    for path in (first.slide_path, first.truth.cells_table, first.cells_path):
        assert path.read_bytes() != (tmp_path / "c" / path.name).read_bytes()
    assert again.slide_path != other.slide_path


def test_another_process_draws_the_same_bytes(tmp_path: Path) -> None:
    small = SlideSpec("one", seed=5, size_px=(600, 700))
    here = draw_slide(tmp_path / "here", small).slide_path.read_bytes()
    code = (
        "import sys; from pathlib import Path\n"
        "from sae_backend.synthetic.slide import draw_slide\n"
        "from sae_backend.synthetic.specs import SlideSpec\n"
        "draw_slide(Path(sys.argv[1]), SlideSpec('one', seed=5, size_px=(600, 700)))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], check=True, timeout=120)
    assert (tmp_path / "there" / "one.tiff").read_bytes() == here


def test_blocks_fit_together_however_the_slide_is_cut() -> None:
    whole = Drawing(SPEC)
    band = whole.block(400, 300, 500, 700)
    for top, left, height, width in ((0, 0, 500, 350), (0, 350, 500, 350), (120, 333, 77, 91)):
        part = whole.block(400 + top, 300 + left, height, width)
        difference = np.abs(part.astype(int) - band[top : top + height, left : left + width])
        # The order of float additions differs with the block, so a byte may round the other way.
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01


def test_memory_does_not_grow_with_the_height() -> None:
    drawing = Drawing(SlideSpec("tall", seed=1, size_px=(6144, 1024)))
    bands = drawing.bands()
    for _ in range(3):
        next(bands)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n_left = sum(1 for _ in bands)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert n_left == 9
    assert grown_mb < 40  # one band of this width takes 36 MB of dyes and light


def test_every_cell_on_record_lies_on_a_drawn_nucleus(demo: DemoSlide, drawing: Drawing) -> None:
    with Slide.open(demo.slide_path) as slide:
        table = read_cells(demo.truth.cells_table, slide.info).table
        rgb = slide.read_region(0, 0, 0, *SIZE_PX).rgb
    density = -np.log(np.maximum(rgb, 1) / 244.0)
    haematoxylin = density @ np.linalg.pinv(Stain().matrix()[:2].astype(float))[:, 0]
    at_cells = haematoxylin[table.y_l0.astype(int), table.x_l0.astype(int)]
    assert np.median(at_cells) > 0.9
    assert np.mean(at_cells > 0.4) > 0.97
    assert np.median(haematoxylin) < 0.3
    assert table.n_cells == len(drawing.cells.y_l0)


def test_nothing_unrecorded_looks_like_a_cell(demo: DemoSlide, drawing: Drawing) -> None:
    """Dark blobs off the recorded nuclei are few: dust and shrunken nuclei, which are drawn on purpose."""
    with Slide.open(demo.slide_path) as slide:
        rgb = slide.read_region(0, 0, 0, *SIZE_PX).rgb
    density = -np.log(np.maximum(rgb, 1) / 244.0)
    dark = density @ np.linalg.pinv(Stain().matrix()[:2].astype(float))[:, 0] > 1.2
    cells = drawing.cells
    covered = np.zeros(SIZE_PX, bool)
    for y, x, reach in zip(cells.y_l0, cells.x_l0, cells.major_px + 4, strict=True):
        top, left = max(int(y - reach), 0), max(int(x - reach), 0)
        covered[top : int(y + reach) + 1, left : int(x + reach) + 1] = True
    assert (dark & covered).sum() > 9 * (dark & ~covered).sum()


def test_counts_types_and_regions_agree_with_the_layout(demo: DemoSlide, drawing: Drawing) -> None:
    record = json.loads(demo.truth.settings.read_text())
    table = pq.read_table(demo.truth.cells_table).to_pydict()
    assert record["cells"] == {name: table["type"].count(name) for name in RECORDED_TYPES}
    assert all(number > 20 for number in record["cells"].values())
    weights = drawing.section.layout.weights()
    rows = (np.array(table["y"]) // COARSE_PX).astype(int)
    cols = (np.array(table["x"]) // COARSE_PX).astype(int)
    kinds = np.array(table["type"])
    area_mm2 = weights.sum(axis=(1, 2)) * (COARSE_PX * 0.5e-3) ** 2
    for kind, region, least in (
        ("lymphocyte", "lymphoid aggregate", 3000),
        ("plasma cell", "plasma stroma", 900),
        ("cancer cell", "tumour", 1800),
        ("fibroblast", "stroma", 300),
        ("gland epithelium", "gland", 1000),
    ):
        here = weights[:, rows[kinds == kind], cols[kinds == kind]].sum(axis=1)
        density = here / np.maximum(area_mm2, 0.02)
        assert REGIONS[int(density.argmax())] == region, kind
        assert density.max() > least, kind


def test_the_geojson_says_the_same_as_the_table(demo: DemoSlide) -> None:
    with Slide.open(demo.slide_path) as slide:
        grid = resolve_grid(TileSpec(), slide.info, find_tissue(slide))
        from_json = read_cells(demo.cells_path, slide.info).table
        from_table = read_cells(demo.truth.cells_table, slide.info).table
    assert from_json.type_names == from_table.type_names
    assert from_json.n_cells == from_table.n_cells
    np.testing.assert_allclose(from_json.y_l0, from_table.y_l0, atol=0.02)
    counts = [count_cells(table, grid) for table in (from_json, from_table)]
    # A centre within a hundredth of a px of a tile's edge may round to the neighbour.
    assert np.abs(counts[0].counts - counts[1].counts).sum() <= 2
    features = orjson.loads(demo.cells_path.read_bytes())["features"]
    assert all(f["geometry"]["coordinates"][0][0] == f["geometry"]["coordinates"][0][-1] for f in features)


def test_a_slide_of_another_version_or_spec_is_not_taken_for_this_one(tmp_path: Path) -> None:
    made = draw_slide(tmp_path, SPEC)
    assert is_drawn(tmp_path, SPEC)
    assert not is_drawn(tmp_path, replace(SPEC, seed=SPEC.seed + 1))
    record = json.loads(made.truth.settings.read_text())
    record["spec"]["world_version"] -= 1
    made.truth.settings.write_text(json.dumps(record))
    assert not is_drawn(tmp_path, SPEC)


def test_regions_and_artefacts_are_outlined(tmp_path: Path) -> None:
    made = draw_slide(tmp_path, SPEC)
    features = orjson.loads(made.truth.regions_geojson.read_bytes())["features"]
    named = {f["properties"]["classification"]["name"] for f in features}
    assert {"stroma", "tumour", *Drawing(SPEC).artefacts.masks()} <= named
    for feature in features:
        ring = np.array(feature["geometry"]["coordinates"][0])
        assert (ring[0] == ring[-1]).all() and len(ring) >= 4
        assert (
            ring.min() >= -COARSE_PX and (ring.max(axis=0) <= np.array(SIZE_PX)[::-1] + 2 * COARSE_PX).all()
        )


def test_artefacts_change_the_pixels_under_their_masks_only() -> None:
    plain = Drawing(replace(SPEC, artefacts=()))
    clean = np.concatenate(list(plain.bands())).astype(int)
    for kind in ARTEFACTS:
        marked = Drawing(replace(SPEC, artefacts=(kind,)))
        mask = marked.artefacts.masks()[kind]
        changed = np.abs(np.concatenate(list(marked.bands())).astype(int) - clean).max(axis=2) > 8
        coarse = changed[: SIZE_PX[0] // 16 * 16, : SIZE_PX[1] // 16 * 16].reshape(
            SIZE_PX[0] // 16, 16, SIZE_PX[1] // 16, 16
        )
        share = coarse.mean(axis=(1, 3))
        mask = mask[: share.shape[0], : share.shape[1]]
        on_section = plain.section.layout.section[: share.shape[0], : share.shape[1]] > 40
        assert share[mask & on_section].mean() > 0.15, kind
        assert share[~mask].mean() < 0.02, kind


def test_paired_scans_show_the_same_cells_in_other_colours() -> None:
    scans = paired_scans(replace(SPEC, artefacts=()))
    assert [scan.scanner for scan in scans] == list(SCANNERS)
    drawings = [Drawing(scan) for scan in scans]
    for other in drawings[1:]:
        np.testing.assert_array_equal(other.cells.y_l0, drawings[0].cells.y_l0)
    blocks = [drawing.block(600, 700, 256, 256).astype(float) for drawing in drawings]
    means = np.array([block.mean(axis=(0, 1)) for block in blocks])
    assert all(np.abs(means[i] - means[j]).max() > 3 for i in range(4) for j in range(i))
    grey = [block.mean(axis=2).ravel() for block in blocks]
    assert all(np.corrcoef(grey[0], other)[0, 1] > 0.9 for other in grey[1:])


def test_the_null_world_records_cells_of_another_tissue() -> None:
    spec = SlideSpec("null", seed=3, size_px=SIZE_PX, null_seed=77)
    null, real = Drawing(spec), Drawing(replace(spec, null_seed=None))
    np.testing.assert_array_equal(null.block(500, 500, 64, 64), real.block(500, 500, 64, 64))
    np.testing.assert_array_equal(null.cells.y_l0, Drawing(replace(spec, seed=77, null_seed=None)).cells.y_l0)
    assert len(null.cells.y_l0) != len(real.cells.y_l0)


def test_a_cohort_varies_and_does_not_depend_on_its_size() -> None:
    slides = cohort(CohortSpec(seed=1, n_slides=24))
    assert slides[:6] == cohort(CohortSpec(seed=1, n_slides=6))
    assert len({slide.seed for slide in slides}) == 24
    assert {slide.scanner for slide in slides} == set(SCANNERS)
    assert len({slide.patient for slide in slides}) == 12
    assert len({slide.site for slide in slides}) >= 3
    shares = np.array([slide.prevalence for slide in slides])
    assert (shares.std(axis=0) / shares.mean(axis=0) > 0.2).all()
    strengths = np.array([(s.stain.haematoxylin_strength, s.stain.eosin_strength) for s in slides])
    assert (strengths.std(axis=0) > 0.08).all()
    second = cohort(CohortSpec(seed=1, n_slides=2, domain="second"))
    assert second[0].stain.haematoxylin != slides[0].stain.haematoxylin
    assert all(slide.null_seed is not None for slide in cohort(CohortSpec(seed=1, n_slides=3, null=True)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size_px": (100, 4000)}, "too small"),
        ({"scanner": "Zeta"}, "no scanner"),
        ({"domain": "third"}, "no domain"),
        ({"artefacts": ("hair",)}, "no artefact"),
        ({"prevalence": (0.1, 2.0, 0.1, 0.1, 0.1, 0.1)}, "prevalence"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(UserInputError, match=words):
        draw_slide(tmp_path, replace(SPEC, **change))


def test_a_drawing_that_is_stopped_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert 0 < done <= total
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_slide(tmp_path, replace(SPEC, artefacts=()), stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.raises(CacheError, match="cannot be written") as caught:
        write_demo_slide(blocker, size_px=(512, 512))
    assert "--out" in caught.value.hint
