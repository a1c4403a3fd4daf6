"""A study in sentences: its head, what it found, what cannot be said, and with what it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy.typing as npt

from desktop_app.store import StudyRecord
from sae_backend.errors import StoreError
from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.registry import study
from sae_backend.studies.framework.report import Report
from sae_backend.studies.framework.result import StudyResult

SHORT: Final = "In short: "


def headline(record: StudyRecord) -> str:
    """Which study, of what, on how much."""
    first = record.sets[0]["model"]
    slides = record.request["slides"]
    patients = {entry["patient"] for entry in slides if entry.get("patient")}
    n = f"{count_text(len(slides), 'slide')}"
    if patients:
        n += f" of {count_text(len(patients), 'patient')}"
    control = " (control, random weights)" if first.get("is_control") else ""
    what = f"{first['encoder']}{control}, block {first['layer']}, SAE {record.sae_digest[:8]}"
    if len(record.sets) > 1:
        what += f" ({record.sets[0]['title']}), with {', '.join(one['title'] for one in record.sets[1:])}"
    return f"{study(record.kind).title}: {record.name}. {what}; {n}."


def render(
    record: StudyRecord, arrays: Mapping[str, npt.NDArray[Any]], thresholds: Mapping[str, float] | None = None
) -> Report:
    """What a stored study says.

    Raises
    ------
    StoreError
        When it was made by a version of the program whose results this one cannot tell.
    """
    one = study(record.kind)
    other = StoreError(
        f"{one.title}, {record.name}, was done by another version of the program, which wrote its result in another "
        "form.",
        "It is kept as it is: do the study again with the same settings, or open it with that version.",
    )
    if record.request.get("format") != one.format:
        raise other
    try:
        return one.report(StudyResult.from_stored(arrays, record.meta), thresholds)
    except (KeyError, IndexError, ValueError, TypeError, AssertionError) as error:
        # Arrays that are damaged, or of a form that nobody marked.
        raise other from error


def paragraphs(record: StudyRecord, report: Report) -> list[str]:
    """Everything in the order in which it should be read."""
    parts = [headline(record), study(record.kind).question]
    if report.short:
        parts.append(f"{SHORT}{report.short}")
    parts += [f"Note: {warning}" for warning in report.warnings]
    parts += report.found.split("\n")
    if report.limits:
        parts.append(f"What cannot be said: {report.limits}")
    parts.append(made_with(record))
    return parts


def made_with(record: StudyRecord) -> str:
    """Settings and versions with which the study can be made again."""
    spec = ", ".join(f"{key} {setting_word(value)}" for key, value in record.request["spec"].items())
    versions = ", ".join(f"{name} {number}" for name, number in record.request["versions"].items())
    return f"Made {record.created_at[:16].replace('T', ' ')} UTC. Settings: {spec}. Versions: {versions}."


def setting_word(value: object) -> str:
    """The value of a setting in words."""
    if value is None or value == []:
        return "not set"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
