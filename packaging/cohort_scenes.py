"""The states of the window that need a cohort: slides of several patients, as `sparsescope demo --cohort` draws them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PIL import Image
from PySide6.QtCore import Qt
from window_stage import Stage, StageError

from sae_backend.studies.framework.report import Points

DOWN: Final = Qt.Orientation.Vertical
CohortScene = Callable[[Stage, Path], Image.Image]
_KIND: Final = "robustness"
_FIGURE: Final = "roles"
_SETTINGS: Final = {"fact": "scanner", "stress_tiles": 0}


def studies(stage: Stage, folder: Path) -> Image.Image:
    """The quadrant of Scanner and stain, with the tiles behind its strongest biological feature."""
    if not stage.controller.projects.open_project(folder):
        raise StageError(f"{folder} is no project. Above the slide: {stage.window.notice.text}")
    stage.until(lambda: stage.session.features is not None, "the cohort's features")
    stage.arrange(1120, 900, "Results")
    panel, actions = stage.window.studies, stage.controller.studies
    stage.window.show_panel("Studies")
    panel.choose(_KIND)
    stage.quiet()
    if actions.view is None:
        actions.run(_SETTINGS)
        stage.until(lambda: actions.view is not None, "the study")
    stage.arrange(1120, 900, "Results")
    stage.give("Results", 500, DOWN)
    panel.result.choose_figure(_FIGURE)
    figure = panel.result.shown_figure
    assert figure is not None
    biological = next(mark for mark in figure.marks if isinstance(mark, Points) and "biolog" in mark.label)
    stage.controller.studies.targets.follow(biological.targets[int(biological.y.argmax())])
    galleries = panel.result.galleries
    stage.until(lambda: galleries.galleries[0].list.count() > 0, "the tiles of the feature")
    stage.quiet()
    return stage.grab(panel)


COHORT_SCENES: Final[dict[str, CohortScene]] = {scene.__name__: scene for scene in (studies,)}
