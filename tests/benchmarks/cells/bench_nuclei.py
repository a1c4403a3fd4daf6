"""How many nuclei the detector finds, how well types are told apart, and how fast.

Run as ``python -m tests.benchmarks.cells.bench_nuclei [--data FOLDER] [--size 1500]``. The settings of the detector were
chosen on `hgsc_nest.jpg` and on generated slides of the seeds 11 and 12; the slides drawn here have other seeds.
Centres match within 4 um, one to one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from sae_backend.cells.counts import read_cells
from sae_backend.cells.nuclei.classifier import TypeModel, train_types
from sae_backend.cells.nuclei.detection import detect_nuclei, load_detected
from sae_backend.cells.nuclei.segmentation import DetectSpec
from sae_backend.cells.nuclei.tiling import detect_tile, plan_tiles
from sae_backend.cells.table import CellTable
from sae_backend.slides.slide import Slide
from sae_backend.slides.tissue import find_tissue
from sae_backend.synthetic.scanners import SCANNERS
from sae_backend.synthetic.slide import DemoSlide, draw_slide
from sae_backend.synthetic.specs import CohortSpec, SlideSpec, cohort
from tests.backend.cells.nuclei.evaluation import count_errors, score_nuclei

LABELS = 40
HEAD = f"{'slide':28} {'n':>5} {'found':>5} {'precision':>9} {'recall':>6} {'F1':>5}   recall by type"


def silent(_stage: str, _done: int, _total: int) -> None:
    """Take no notice of the progress."""


def held_out(size: int) -> list[SlideSpec]:
    """Slides of every scanner without artefacts, and slides of two domains as cohorts have them."""
    specs = []
    for k, spec in enumerate(cohort(CohortSpec(seed=501, n_slides=len(SCANNERS), size_px=(size, size)))):
        scanner = list(SCANNERS)[k]
        specs.append(replace(spec, name=f"clean {scanner}", scanner=scanner, artefacts=()))
    for domain in ("first", "second"):
        for spec in cohort(CohortSpec(seed=502, n_slides=3, size_px=(size, size), domain=domain)):
            worn = ", ".join(spec.artefacts) or "clean"
            specs.append(replace(spec, name=f"{domain} {spec.scanner}, {worn}"))
    return specs


def compare(
    name: str, slide: Path, cells: Path, cache: Path, mpp: float | None
) -> tuple[CellTable, CellTable]:
    """Print a line on a slide; returns the detected and the reference cells."""
    with Slide.open(slide, mpp) as opened:
        found = load_detected(detect_nuclei(opened, DetectSpec(), cache, silent)).table
        reference = read_cells(cells, opened.info).table
        match = score_nuclei(found, reference, opened.info.require_mpp())
    n_types = len(reference.type_names)
    hit = np.bincount(reference.type_index[match.reference], minlength=n_types)
    recall = hit / np.bincount(reference.type_index, minlength=n_types)
    by_type = ", ".join(f"{t} {r:.2f}" for t, r in zip(reference.type_names, recall, strict=True))
    print(
        f"{name[:28]:28} {match.n_reference:5} {match.n_detected:5} {match.precision:9.3f} {match.recall:6.3f} "
        f"{match.f1:5.3f}   {by_type}"
    )
    return found, reference


def trained(found: CellTable, reference: CellTable, mpp: float) -> TypeModel:
    """A model of at most 40 labels a type, picked by chance from the nuclei that match a reference cell."""
    match = score_nuclei(found, reference, mpp)
    kinds = reference.type_index[match.reference]
    rng = np.random.default_rng(0)
    labels = {}
    for kind in np.unique(kinds):
        for pair in rng.permutation(np.flatnonzero(kinds == kind))[:LABELS]:
            labels[int(match.detected[pair])] = reference.type_names[kind]
    return train_types(found, labels, seed=0)


def print_model(model: TypeModel) -> None:
    """Print what cross-validation says of a model."""
    scores = model.scores
    print(
        f"  {model.n_labels} labels, {scores.n_folds} folds: balanced accuracy {scores.balanced_accuracy:.3f} "
        f"(always the most frequent type: {scores.baseline_balanced_accuracy:.3f})"
    )
    for score in scores.types:
        print(
            f"    {score.name:18} n {score.n:3}  precision {score.precision:.2f}  recall {score.recall:.2f}  "
            f"F1 {score.f1:.2f}"
        )


def print_counts(name: str, model: TypeModel, found: CellTable, reference: CellTable, mpp: float) -> None:
    """Print the counts by type of a slide, and how often matched nuclei were given the right type."""
    typed = model.propose(found).applied(found)
    match = score_nuclei(found, reference, mpp)
    given = np.array(typed.type_names)[typed.type_index[match.detected]]
    true = np.array(reference.type_names)[reference.type_index[match.reference]]
    recall = np.mean([np.mean(given[true == kind] == kind) for kind in np.unique(true)])
    counts = ", ".join(
        f"{c.name} {c.n_detected}/{c.n_reference}" + (f" ({c.error:+.0%})" if c.n_reference else "")
        for c in count_errors(typed, reference)
    )
    print(f"{name[:28]:28} balanced accuracy {recall:.2f}   {counts}")


def print_speed(slide: Path, mpp: float | None) -> None:
    """Time the tiles of a slide one after the other in this thread."""
    with Slide.open(slide, mpp) as opened:
        plan = plan_tiles(opened.info, find_tissue(opened), DetectSpec())
        start = time.process_time()
        for tile in range(plan.n_tiles):
            detect_tile(opened, plan, tile)
        seconds = time.process_time() - start
        area_px = sum((b - t) * (r - left) for t, left, b, r in map(plan.core, range(plan.n_tiles)))
    rate = area_px / seconds / 1e6
    print(f"{slide.name}: {rate:.2f} Mpx/s or {rate * plan.scale.mpp**2:.2f} mm2/s per core")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SPARSESCOPE_TEST_DATA"))
    parser.add_argument("--size", type=int, default=1500)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        drawn: list[tuple[str, DemoSlide]] = []
        for k, spec in enumerate(held_out(args.size)):
            drawn.append((spec.name, draw_slide(root, replace(spec, name=f"s{k}"))))
        print(HEAD)
        if args.data is not None:
            nest = Path(args.data) / "hgsc_nest.jpg"
            real = compare("hgsc_nest (tuned on)", nest, nest.with_suffix(".geojson"), root / "c", 0.5)
        found = [
            (name, *compare(name, d.slide_path, d.truth.cells_table, root / "c", None)) for name, d in drawn
        ]
        for group, part in (("clean", [f for f in found if "clean" in f[0]]), ("all", found)):
            scores = [score_nuclei(detected, reference, 0.5) for _, detected, reference in part]
            pairs = sum(score.n_pairs for score in scores)
            total = sum(score.n_detected + score.n_reference for score in scores)
            print(f"{len(part)} generated slides, {group}, together: F1 {2 * pairs / total:.3f}")
        if args.data is not None:
            print("\nTypes, trained on hgsc_nest; counts proposed/reference")
            model = trained(*real, 0.5)
            print_model(model)
            print_counts("hgsc_nest itself", model, *real, 0.5)
        # The slide with the most nuclei of its rarest type teaches; all types are on it.
        teacher = max(found, key=lambda entry: np.bincount(entry[2].type_index, minlength=6).min())
        print(f"\nTypes, trained on {teacher[0]}; counts proposed/true")
        model = trained(*teacher[1:], 0.5)
        print_model(model)
        for name, detected, reference in found:
            print_counts(name, model, detected, reference, 0.5)
        print()
        print_speed(drawn[0][1].slide_path, None)
        if args.data is not None:
            print_speed(Path(args.data) / "CMU-1-Small-Region.svs", None)


if __name__ == "__main__":
    main()
