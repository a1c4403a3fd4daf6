"""A generated cohort as a project: patients, sites and scanners, two groups, a second domain, glasses scanned often.

What is true of it is known, so that every study can be tried where its right answer is on record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from desktop_app.project.analysis_jobs import AnalyzeOptions, add_slide, import_cells
from desktop_app.project.correlation.options import CorrelateOptions
from desktop_app.project.run_jobs import analyze_slide, correlate_project
from desktop_app.store import Store
from sae_backend.models.bundled_models import SHIPPED_CONTROL, SHIPPED_ENCODER, sae_folder
from sae_backend.synthetic.domains import DOMAINS, REGIONS
from sae_backend.synthetic.specs import CohortSpec, SlideSpec, cohort, paired_scans
from sae_backend.synthetic.truth_files import is_drawn, truth_files
from sae_backend.worker.client import Backend, wait_for
from sae_backend.worker.requests import DrawRequest, Progress

Report = Callable[[Progress], None]

INFLAMED: Final = "inflamed"
QUIET: Final = "quiet"
_AGGREGATE: Final = REGIONS.index("lymphoid aggregate") - 1
_MORE: Final = 2.2
_LESS: Final = 0.45


@dataclass(frozen=True)
class CohortChoice:
    """How much is drawn.

    Attributes
    ----------
    n_slides
        Slides of the first cohort, two a patient; every second patient is inflamed.
    n_second
        Slides of the second cohort: another domain of tissue and dyes, two a patient.
    n_glasses
        Glasses, each of a patient of its own, that were scanned on all four scanners.
    size_px
        (height, width) of each.
    seed
        Decides all of it.
    """

    n_slides: int = 32
    n_second: int = 12
    n_glasses: int = 4
    size_px: tuple[int, int] = (2000, 2600)
    seed: int = 4100


@dataclass(frozen=True)
class CohortSlide:
    """A slide to be drawn and what the slide table says of it."""

    spec: SlideSpec
    facts: dict[str, str]


def cohort_slides(choice: CohortChoice) -> list[CohortSlide]:
    """All slides of the cohort in turn; the same choice gives the same slides."""
    first = cohort(CohortSpec(choice.seed, choice.n_slides, choice.size_px, artefact_share=0.3))
    second = cohort(
        CohortSpec(choice.seed + 1, choice.n_second, choice.size_px, "second", artefact_share=0.3)
    )
    glasses = cohort(
        CohortSpec(
            choice.seed + 2, choice.n_glasses, choice.size_px, artefact_share=0.0, slides_per_patient=1
        )
    )
    found = [_described(_grouped(spec), "first", "A") for spec in first]
    found += [_described(replace(spec, name=f"second-{spec.name}"), "second", "B") for spec in second]
    for number, glass in enumerate(glasses):
        for scan in paired_scans(replace(glass, name=f"glass-{number:02d}")):
            found.append(_described(scan, "glasses", "G", f"glass {number:02d}"))
    return found


def _grouped(spec: SlideSpec) -> SlideSpec:
    """A slide of the first cohort with as many lymphoid aggregates as its patient's group has."""
    share = list(spec.prevalence or DOMAINS[spec.domain].prevalence)
    share[_AGGREGATE] *= _MORE if _is_inflamed(spec) else _LESS
    total = sum(share)
    return replace(spec, prevalence=tuple(value * min(1.0, 0.95 / total) for value in share))


def _is_inflamed(spec: SlideSpec) -> bool:
    return int(spec.patient[1:]) % 2 == 0


def _described(spec: SlideSpec, name: str, prefix: str, glass: str = "") -> CohortSlide:
    group = (INFLAMED if _is_inflamed(spec) else QUIET) if name == "first" else ""
    facts = {
        "patient": f"{prefix}{spec.patient[1:]}",
        "site": spec.site,
        "scanner": spec.scanner,
        "cohort": name,
        "group": group,
        "glass": glass,
    }
    return CohortSlide(spec, {key: text for key, text in facts.items() if text})


def make_cohort(out: Path, backend: Backend, report: Report, choice: CohortChoice) -> Path:
    """Make the cohort's project in a folder, or what of it is not there yet; returns the project's folder.

    Slides are drawn, added with what the table says of them, given their true cells, analysed with the shipped
    encoder and with random weights, and correlated.

    Raises
    ------
    SparsescopeError
        When any link of the chain fails; a second call goes on.
    """
    folder, project = out / "slides", out / "project"
    slides = cohort_slides(choice)
    for number, one in enumerate(slides):
        report(Progress(0, "draw slides", number, len(slides), 0.0, None))
        if not is_drawn(folder, one.spec):
            wait_for(backend, backend.submit(DrawRequest(str(folder.absolute()), one.spec.to_json())), None)
    report(Progress(0, "draw slides", len(slides), len(slides), 0.0, None))
    with Store.open(project) if (project / "project.sqlite").is_file() else Store.create(project) as store:
        numbers = []
        for one in slides:
            slide = add_slide(store, folder / f"{one.spec.name}.tiff")
            numbers.append(slide.id)
            if not store.cells.version(slide.id):
                import_cells(store, slide.id, truth_files(folder, one.spec.name).cells_table)
        store.slide_values.set({number: one.facts for number, one in zip(numbers, slides, strict=True)})
        for encoder in (SHIPPED_CONTROL, SHIPPED_ENCODER):
            for place, number in enumerate(numbers):
                report(Progress(0, f"analyse slides with {encoder}", place, len(numbers), 0.0, None))
                options = AnalyzeOptions(encoder=encoder, sae_dir=sae_folder(encoder))
                analyze_slide(store, backend, number, options)
            report(Progress(0, f"analyse slides with {encoder}", len(numbers), len(numbers), 0.0, None))
        current = store.analyses.current()
        if current is not None and not any(
            run.sae_digest == current.sae_digest for run in store.correlations.all()
        ):
            correlate_project(store, backend, CorrelateOptions(n_bootstrap=1000), report)
    return project
