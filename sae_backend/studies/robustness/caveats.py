"""What cannot be said about scanner and stain, and what has to be known first."""

from __future__ import annotations

from typing import Final

import numpy as np

from sae_backend.statistics.number_text import count_text, p_is_text
from sae_backend.studies.methods.labels.confounding import COMPOSITION, Confounding, is_suspect
from sae_backend.studies.methods.labels.predictability import interval_limits
from sae_backend.studies.robustness.array_names import BIOLOGY
from sae_backend.studies.robustness.findings import ScannerFindings
from sae_backend.studies.robustness.roles import LEVEL

_DRIFT: Final = 0.01
_FEW_ARRANGEMENTS: Final = 40


def limits(found: ScannerFindings) -> str:
    """What cannot be said, and why."""
    fact = found.fact
    about = found.readings[fact]
    parts = [
        f"A {fact} that a linear model does not read from single tiles may still be there in another form, and one that it "
        "reads need not disturb any use of the features.",
        interval_limits(about.draws_over),
    ]
    if BIOLOGY in about.sources and not about.held_out:
        parts.append(
            f"The tiles that are judged also took part in choosing features that follow cells: {about.note}."
        )
    sizes = found.effect.sizes
    if sizes is not None and sizes.design != "within patients":
        parts.append(
            f"Values of {fact} hold different patients: an effect of {fact} may be one of their tissue. Only scans of the "
            "same glass can tell."
        )
    if not found.paired.reason:
        parts.append(
            "Paired tiles are matched by their place on the tile grid; a shift between scans lowers their agreement."
        )
    if not about.reason and about.n_folds < 3:
        parts.append(
            f"There are {about.n_folds} folds only, as a value of {fact} has {min(about.groups_per_class)} patients; "
            "what is read is read by models that learned from few."
        )
    if not found.stress.reason:
        parts.append("Changed pixels imitate stain, focus and compression; they are no other laboratory.")
    return " ".join(parts)


def warnings(found: ScannerFindings) -> list[str]:
    """What has to be known before anything is believed."""
    notes = [_confounded(found, one) for one in found.confounding]
    said = sorted(filter(None, notes), key=lambda text: "are confounded" not in text)
    about = found.reading
    if found.is_control:
        said.append(
            "The encoder has random weights: it is a control, and nothing here is evidence about a trained one."
        )
    if found.paired.reason and found.paired_by:
        said.append(f"Paired scans were not compared: {found.paired.reason}.")
    if found.stress.reason:
        said.append(f"The stress test was left out: {found.stress.reason.rstrip('.')}.")
    drift = found.stress.drift
    if drift is not None and drift > _DRIFT:
        said.append(
            f"Unchanged tiles that were encoded again differ from the stored activations by up to {drift:.1%} of the "
            "largest: the stress test compares like with like, but not with the stored ones."
        )
    for fact in found.facts:
        one = found.readings[fact]
        if not one.reason and one.left_out:
            said.append(
                f"Too few of the judged patients have the {fact} {', '.join(one.left_out)}: "
                f"{'it takes' if len(one.left_out) == 1 else 'they take'} no part in what is read."
            )
    if not about.reason and about.n_arrangements < _FEW_ARRANGEMENTS:
        said.append(
            f"Labels of so few patients can be exchanged in {about.n_arrangements} ways only: p of the {found.fact} cannot "
            f"be much below {2 / about.n_arrangements:.2g}, whatever the features hold."
        )
    if not about.reason and min(about.groups_per_class) < 5:
        few = about.classes[int(np.argmin(about.groups_per_class))]
        said.append(
            f"Only {count_text(min(about.groups_per_class), 'patient')} with the {found.fact} {few!r} are among those that "
            "are judged: p can hardly be small, and intervals are rough."
        )
    return said


def _confounded(found: ScannerFindings, one: Confounding) -> str:
    fact, column = found.fact, one.column
    if one.is_perfect:
        table = np.array(one.table)
        by_column = bool(((table > 0).sum(axis=0) == 1).all())
        first, second = (column, fact) if by_column else (fact, column)
        return (
            f"{fact.capitalize()} and {column} are confounded: every {first} has one {second} only "
            f"({count_text(one.n_groups, 'patient')}). Every result on the {fact} holds of the {column} just as "
            f"well, and no statistics can divide them; only slides of the same {column} with another {fact} can."
        )
    if not is_suspect(column, one.v, one.p):
        return ""
    p, corrected = one.p, one.p_holm
    is_shown = corrected <= LEVEL
    ps = p_is_text(p)
    ps += (
        ""
        if np.isnan(corrected)
        else f", after Holm for {count_text(_n_judged(found), 'column')} {corrected:.3f}"
    )
    ps += f", {count_text(one.n_groups, 'patient')}"
    chance = _by_chance(p, is_shown=is_shown)
    if column == COMPOSITION:
        verb = "differs" if is_shown else "may differ"
        return (
            f"The mix of cell types {verb} with the {fact} ({ps}): features that follow cells then differ with the {fact} "
            f"although they do nothing wrong, and the two cannot be separated here.{chance}"
        )
    verb = "go together" if is_shown else "may go together"
    strength = f"Cramér's V {one.v:.2f}, " if np.isfinite(one.v) else ""
    return (
        f"{fact.capitalize()} and {column} {verb} ({strength}{ps}): that part of what looks like an effect of the {fact} is one "
        f"of the {column} cannot be ruled out.{chance}"
    )


def _by_chance(p: float, *, is_shown: bool) -> str:
    """How easily a note comes about by chance; empty where it holds after Holm."""
    if is_shown:
        return ""
    if p <= LEVEL:
        return " About one column in twenty would give this note by chance."
    return " The note is given for the strength alone, which few patients reach by chance, too."


def _n_judged(found: ScannerFindings) -> int:
    return sum(np.isfinite(one.p) for one in found.confounding)
