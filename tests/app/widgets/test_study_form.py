"""The form of a study: what most leave as it is lies folded away, and what is put in reaches the study."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication, QDoubleSpinBox, QSpinBox, QToolButton

from desktop_app.project.studies.requirements import StudyOffer
from desktop_app.project.studies.settings import StudyOptions, form_settings
from desktop_app.widgets.studies.form import StudyForm
from sae_backend.studies.framework.registry import studies, study

NOTHING = StudyOffer("")


@pytest.fixture
def form(qtbot) -> StudyForm:
    made = StudyForm()
    qtbot.addWidget(made)
    made.show()
    return made


def named(form: StudyForm, name: str):
    return next(
        each
        for kind in (QSpinBox, QDoubleSpinBox)
        for each in form.findChildren(kind)
        if each.accessibleName() == name
    )


def test_geometry_can_be_changed_under_more_settings(form: StudyForm) -> None:
    form.show_fields(study("geometry"), NOTHING)
    # What is added to a form that is seen is shown by an event.
    QApplication.processEvents()
    fold = form.findChild(QToolButton)
    assert fold.text() == "More settings"
    fewest, share = named(form, "Fewest tiles of a feature"), named(form, "Overlap of duplicates")
    assert named(form, "Seed").isVisible() and not fewest.isVisible() and not share.isVisible()
    fold.click()
    assert fewest.isVisible() and share.isVisible()
    assert form.settings() == dict(study("geometry").defaults)
    fewest.setValue(50)
    share.setValue(0.65)
    fold.click()
    assert not fewest.isVisible()
    assert form.settings() == {**study("geometry").defaults, "min_active": 50, "share": 0.65}


@pytest.mark.parametrize("kind", [one.kind for one in studies()])
def test_what_every_form_gives_untouched_is_taken(form: StudyForm, kind: str) -> None:
    form.show_fields(study(kind), NOTHING)
    settings = form.settings()
    assert settings is not None
    StudyOptions(kind, settings)
    assert (form.findChild(QToolButton) is not None) == any(
        field.is_more for field in form_settings(study(kind))
    )
