"""The nucleus detector on fields that are known: what it finds, how it measures, and how much it misses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sae_backend.cells.counts import read_cells
from sae_backend.cells.nuclei.detection import detect_nuclei, load_detected
from sae_backend.cells.nuclei.measures import MEASURES, FieldNuclei, measure
from sae_backend.cells.nuclei.segmentation import DetectSpec, WorkingScale, segment, working_scale
from sae_backend.cells.table import CellTable
from sae_backend.errors import MismatchError, PixelSizeError, UserInputError
from sae_backend.slides.slide import Slide
from sae_backend.synthetic.scanners import SCANNERS
from sae_backend.synthetic.slide import draw_slide
from sae_backend.synthetic.specs import CohortSpec, cohort
from tests.backend.cells.nuclei.evaluation import score_nuclei
from tests.slides import write_tiff
from tests.worlds.nucleus_fields import Ellipse, nuclei_slide, stained_nuclei

SCALE = WorkingScale(1.0, 0.5)


def found_in(ellipses: list[Ellipse], shape: tuple[int, int] = (160, 200), pale: float = 0.0) -> FieldNuclei:
    rgb = stained_nuclei(shape, ellipses, pale)
    return measure(segment(rgb, DetectSpec(), SCALE), SCALE, (0, 0, *shape))


def column(nuclei: FieldNuclei, name: str) -> np.ndarray:
    return nuclei.measures[:, MEASURES.index(name)]


def detect(path: Path, cache: Path, mpp: float | None = None) -> CellTable:
    with Slide.open(path, mpp) as slide:
        return load_detected(detect_nuclei(slide, DetectSpec(), cache, lambda *_: None)).table


def test_places_and_sizes_are_those_that_were_drawn() -> None:
    drawn = [(40.3, 50.8, 8.0, 8.0), (100.0, 60.5, 6.0, 14.0), (90.2, 150.0, 12.0, 9.0)]
    nuclei = found_in(drawn)
    assert len(nuclei.yx_px) == 3
    order = [int(np.abs(nuclei.yx_px - e[:2]).sum(axis=1).argmin()) for e in drawn]
    for i, (y, x, ry, rx) in zip(order, drawn, strict=True):
        np.testing.assert_allclose(nuclei.yx_px[i], (y, x), atol=0.3)
        long, short = max(ry, rx), min(ry, rx)
        assert column(nuclei, "area_um2")[i] == pytest.approx(np.pi * ry * rx * 0.25, rel=0.08)
        assert column(nuclei, "major_um")[i] == pytest.approx(long, rel=0.12)
        assert column(nuclei, "minor_um")[i] == pytest.approx(short, rel=0.12)
        assert column(nuclei, "eccentricity")[i] == pytest.approx(np.sqrt(1 - (short / long) ** 2), abs=0.15)
        circumference = np.pi * (3 * (ry + rx) - np.sqrt((3 * ry + rx) * (ry + 3 * rx))) * 0.5
        assert column(nuclei, "perimeter_um")[i] == pytest.approx(circumference, rel=0.1)
        assert 0.95 < column(nuclei, "solidity")[i] <= 1
    assert (column(nuclei, "mean_od") > column(nuclei, "ring_mean_od") + 0.3).all()
    assert np.isfinite(nuclei.measures).all()


def test_outlines_follow_the_nucleus() -> None:
    nuclei = found_in([(60.0, 80.0, 12.0, 8.0)])
    ring = nuclei.rings.yx_px[nuclei.rings.starts[0] : nuclei.rings.starts[1]]
    assert 8 <= len(ring) < 60 and not np.array_equal(ring[0], ring[-1])
    radius = np.hypot((ring[:, 0] - 60) / 12, (ring[:, 1] - 80) / 8)
    assert radius.min() > 0.85 and radius.max() < 1.2


def test_nuclei_that_touch_are_told_apart_and_a_pale_one_is_one() -> None:
    assert len(found_in([(80.0, 80.0, 9.0, 9.0), (80.0, 96.0, 9.0, 9.0)]).yx_px) == 2
    pale = found_in([(80.0, 100.0, 13.0, 12.0)], pale=0.8)
    assert len(pale.yx_px) == 1
    assert column(pale, "area_um2")[0] == pytest.approx(np.pi * 13 * 12 / 4, rel=0.2)
    assert column(pale, "rim_od")[0] > 0.1


def test_specks_and_what_is_huge_are_no_nuclei() -> None:
    assert len(found_in([(60.0, 60.0, 2.0, 2.0)]).yx_px) == 0
    assert len(found_in([(80.0, 100.0, 26.0, 26.0)]).yx_px) == 0
    assert found_in([]).measures.shape == (0, len(MEASURES))


def test_sizes_are_physical(tmp_path: Path) -> None:
    drawn = nuclei_slide(tmp_path / "coarse.tif")
    fine = stained_nuclei((800, 960), [(2 * y, 2 * x, 2 * a, 2 * b) for y, x, a, b in drawn])
    write_tiff(tmp_path / "fine.tif", [fine], 0.25)
    tables = [detect(tmp_path / name, tmp_path / "c") for name in ("coarse.tif", "fine.tif")]
    assert tables[0].n_cells == tables[1].n_cells == len(drawn)
    match = score_nuclei(tables[0], replace(tables[1], y_l0=tables[1].y_l0 / 2, x_l0=tables[1].x_l0 / 2), 0.5)
    assert match.n_pairs == len(drawn) and match.distance_um.max() < 0.5
    area = [table.measures["area_um2"] for table in tables]
    np.testing.assert_allclose(area[1][match.reference], area[0][match.detected], rtol=0.15)


def test_a_pixel_size_is_never_guessed(tmp_path: Path) -> None:
    nuclei_slide(tmp_path / "s.tif", mpp=None)
    with pytest.raises(PixelSizeError, match="does not record"):
        detect(tmp_path / "s.tif", tmp_path / "c")
    assert detect(tmp_path / "s.tif", tmp_path / "c", mpp=0.5).n_cells == 120
    with pytest.raises(MismatchError, match="too coarse"):
        detect(tmp_path / "s.tif", tmp_path / "c", mpp=2.0)


def test_the_scale_is_a_levels_where_one_is_near(tmp_path: Path) -> None:
    levels = [np.full((n, n, 3), 200, np.uint8) for n in (1024, 512)]
    path = write_tiff(tmp_path / "s.tif", levels, 0.26)
    with Slide.open(path) as slide:
        assert working_scale(DetectSpec(), slide.info) == WorkingScale(2.0, 0.52)
        assert working_scale(DetectSpec(mpp=0.4), slide.info).mpp == pytest.approx(0.4)
        coarse = slide.info.with_mpp(0.8)
        assert working_scale(DetectSpec(), coarse) == WorkingScale(1.0, 0.8)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"mpp": 2.0}, "2 um per px"),
        ({"min_area_um2": 500.0}, "between 500 and 400"),
        ({"smooth_um": 0.0}, "negative or zero"),
        ({"colour": 1.0}, "no setting colour"),
    ],
)
def test_settings_that_make_no_sense_are_refused(record: dict[str, float], sentence: str) -> None:
    with pytest.raises(UserInputError, match=sentence):
        DetectSpec.from_json(record)
    assert DetectSpec.from_json(DetectSpec().to_json()) == DetectSpec()


def test_generated_slides_of_all_scanners_reach_the_aim(tmp_path: Path) -> None:
    scores = {}
    for k, spec in enumerate(cohort(CohortSpec(seed=900, n_slides=4, size_px=(800, 800)))):
        scanner = list(SCANNERS)[k]
        made = draw_slide(tmp_path, replace(spec, name=f"s{k}", scanner=scanner, artefacts=()))
        table = detect(made.slide_path, tmp_path / "c")
        with Slide.open(made.slide_path) as slide:
            reference = read_cells(made.truth.cells_table, slide.info).table
        scores[scanner] = score_nuclei(table, reference, 0.5)
    pairs = sum(score.n_pairs for score in scores.values())
    total = sum(score.n_detected + score.n_reference for score in scores.values())
    assert total > 1500
    assert 2 * pairs / total >= 0.80
    assert min(score.f1 for score in scores.values()) >= 0.75


def test_a_real_field_reaches_the_aim(data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "hgsc_nest.jpg"
    if not path.exists():
        pytest.skip(f"hgsc_nest.jpg is not in {data_dir}")
    table = detect(path, tmp_path, mpp=0.5)
    with Slide.open(path, 0.5) as slide:
        reference = read_cells(path.with_suffix(".geojson"), slide.info).table
    score = score_nuclei(table, reference, 0.5)
    assert score.n_reference == 1295
    assert score.f1 >= 0.70
    assert abs(score.n_detected / score.n_reference - 1) < 0.35
