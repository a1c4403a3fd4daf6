"""The studies: what each answers and needs, and how its result is told. Free of what is slow to load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from sae_backend.errors import UserInputError
from sae_backend.studies.framework.report import Number, Shown
from sae_backend.studies.framework.result import StudyResult

Show = Callable[[StudyResult, Mapping[str, float]], Shown]
Numbers = Callable[[StudyResult, Mapping[str, float]], Sequence[Number]]


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes
    ----------
    kind
        Its name on the command line.
    title
        Its name for people.
    question
        What it answers, in one sentence.
    needs
        What it needs, in one sentence.
    defaults
        Settings and their values where nobody says otherwise, as plain JSON.
    format
        Raised when results of earlier versions can no longer be told.
    """

    kind: str
    title: str
    question: str
    needs: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    format: int = 1

    def show(self, result: StudyResult, knobs: Mapping[str, float] | None = None) -> Shown:
        """Tell a result; `knobs` are thresholds that the user moved."""
        module = import_module(f"sae_backend.studies.{self.kind}.shown")
        show: Show = module.show
        return show(result, knobs or {})

    def numbers(self, result: StudyResult, knobs: Mapping[str, float] | None = None) -> Sequence[Number]:
        """The numbers that sum a result up, to be set beside those of another run."""
        module = import_module(f"sae_backend.studies.{self.kind}.numbers")
        numbers: Numbers = module.numbers
        return numbers(result, knobs or {})


STUDIES: Final = (
    Study(
        "depth",
        "Depth",
        "At which depth of the encoder do features follow cells best, and does the scanner fade on the way?",
        "Slides of several patients with cells, and the encoder's weights; embeds the chosen blocks in one pass and "
        "trains an SAE on each.",
        {
            "layers": None,
            "seed": 0,
            "expansion": 8,
            "epochs": None,
            "fact": "scanner",
            "feature": None,
            "n_bootstrap": 2000,
            "n_permutations": 999,
            "n_shuffles": 199,
            "n_random": 19,
            "most_tiles": 1500,
        },
        format=4,
    ),
    Study(
        "robustness",
        "Scanner and stain",
        "How well can the scanner or site be read from the features, and which features depend on it?",
        "Slides from at least two scanners or sites, several patients each; cells tell biology from technique.",
        {
            "fact": "scanner",
            "label": None,
            "paired_by": None,
            "stress_tiles": 200,
            "neighbours": 10,
            "seed": 0,
        },
    ),
    Study(
        "domain",
        "Out of domain",
        "Do features chosen on one cohort keep their meaning on another?",
        "Two cohorts, told apart by a column of the slide table such as site or organ, with cells in both.",
        {"fact": "site", "a": None, "b": None, "retrain": True, "epochs": None, "seed": 0},
        format=2,
    ),
    Study(
        "encoders",
        "Two encoders",
        "Does a pathology encoder give features that a natural-image encoder or random weights do not?",
        "The same slides analysed with two encoders and the control, each with its SAE, and cells.",
        {"encoders": None, "seed": 0, "n_bootstrap": 2000, "n_permutations": 999},
        format=2,
    ),
    Study(
        "universality",
        "Universality",
        "Which features come back in another SAE, and which are private to this one?",
        "Analysed slides; trains SAEs with other seeds, and a reference on the same tiles where this one was trained on "
        "others, or takes two SAEs of the project.",
        {
            "seeds": 2,
            "expansions": (),
            "with_sets": (),
            "seed": 0,
            "min_active": 20,
            "n_null": 99,
            "n_random": 39,
            "n_boot": 1000,
        },
        format=3,
    ),
    Study(
        "geometry",
        "Geometry",
        "Which features belong together, and which are duplicates or splits of one another?",
        "Analysed slides with one SAE.",
        {
            "seed": 0,
            "min_active": 20,
            "n_null": 99,
            "n_resamples": 30,
            "n_boot": 1000,
            "least_r": 0.1,
            "share": 0.8,
            "same_cosine": 0.9,
            "plane": "umap",
        },
    ),
    Study(
        "slides",
        "Slides and patients",
        "How do slides and patients differ in their features, and do two groups differ?",
        "Analysed slides; to compare groups, a column of the slide table with two values and several patients each.",
        {"fact": None, "a": None, "b": None, "within": None, "measure": "mean", "seed": 0},
        format=3,
    ),
)


def study(kind: str) -> Study:
    """Give the study of that name.

    Raises
    ------
    UserInputError
        When there is none.
    """
    found = next((one for one in STUDIES if one.kind == kind), None)
    if found is None:
        names = ", ".join(one.kind for one in STUDIES)
        raise UserInputError(f"There is no study {kind!r}.", f"Choose one of {names}.")
    return found
