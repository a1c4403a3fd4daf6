"""Tells the study of scanner and stain; thresholds move the roles of features and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from sae_backend.studies.framework.report import Number, Report, Threshold
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.robustness import caveats, figures, tables, text
from sae_backend.studies.robustness.array_names import FEATURES
from sae_backend.studies.robustness.findings import ScannerFindings
from sae_backend.studies.robustness.roles import LEVEL, ROLES, find_roles

LEAST_R: Final = "least_r"
LEAST_EFFECT: Final = "least_effect"
_R: Final = 0.2
_EFFECT: Final = 0.3


def make_report(result: StudyResult, thresholds: Mapping[str, float]) -> Report:
    """Tell how well the scanner is read, which features it moves, and what is confounded with it."""
    findings = ScannerFindings.of(result)
    limits = thresholds_of(thresholds)
    axes = findings.axes
    roles = find_roles(axes, *limits)
    found = [text.read_words(findings, fact) for fact in findings.facts]
    found += [
        text.effect_words(findings),
        text.role_words(findings, roles, limits),
        text.index_words(findings),
        text.paired_words(findings),
        text.stress_words(findings),
    ]
    drawn = [
        *(figures.reading(findings, fact) for fact in findings.facts),
        figures.quadrant(findings, roles, limits),
        figures.effects(findings),
        figures.neighbours(findings),
        *figures.agreement(findings),
        figures.stress_lines(findings),
        figures.stress_features(findings),
    ]
    told = [
        tables.features_table(findings, axes, roles, limits),
        tables.reading_table(findings),
        tables.confounding_table(findings),
        tables.stress_table(findings),
    ]
    return Report(
        found="\n".join(text for text in found if text),
        limits=caveats.limits(findings),
        warnings=caveats.warnings(findings),
        figures=[figure for figure in drawn if figure is not None],
        tables=[table for table in told if table is not None],
        thresholds=[
            Threshold(LEAST_R, "Least |r| with a cell type", 0.0, 1.0, 0.01, limits[0]),
            Threshold(LEAST_EFFECT, f"Least effect of {findings.fact}", 0.0, 1.0, 0.01, limits[1]),
        ],
        short=text.short(findings, roles),
    )


def thresholds_of(thresholds: Mapping[str, float]) -> tuple[float, float]:
    """Least |r| and least effect from which a role follows."""
    return float(thresholds.get(LEAST_R, _R)), float(thresholds.get(LEAST_EFFECT, _EFFECT))


def numbers(result: StudyResult, thresholds: Mapping[str, float]) -> list[Number]:
    """How well labels are read and from what, effects, roles, neighbours, agreement and the stress test."""
    findings = ScannerFindings.of(result)
    found = []
    for fact in findings.facts:
        about, sizes = findings.readings[fact], findings.effects[fact].sizes
        for name in about.sources:
            one = about.score(name)
            if one is not None:
                title = f"AUROC of the {fact} from {findings.titles[name]}"
                found.append(Number(title, one.auroc, one.ci_low, one.ci_high))
            if name == FEATURES and not about.index_reasons[name]:
                index = about.index_of(name)
                title = f"robustness index of the features, {fact}"
                found.append(Number(title, index.value, index.low, index.high))
        if sizes is not None:
            n = int((np.nan_to_num(sizes.p_family, nan=1.0) <= LEVEL).sum())
            found.append(Number(f"features that differ between values of {fact}", n))
    roles = find_roles(findings.axes, *thresholds_of(thresholds))
    found += [
        Number(f"{name} features, {findings.fact}", int((roles == k).sum())) for k, name in enumerate(ROLES)
    ]
    if findings.paired.features is not None:
        icc = text.median(findings.paired.features.icc_a)
        found.append(Number("median ICC(A,1) of paired scans", icc))
    if findings.stress.features is not None:
        for kind, moved in zip(findings.stress.kinds, findings.stress.features.median, strict=True):
            found.append(Number(f"median feature moved by {kind.strongest} (SD)", float(moved[-1])))
    return found
