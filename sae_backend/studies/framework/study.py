"""What a study says of itself: everything that window, command line and worker have to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

from sae_backend.models.cards import EncoderCard
from sae_backend.studies.framework.report import Number, Report, Table
from sae_backend.studies.framework.result import StudyResult
from sae_backend.studies.framework.settings import Setting, check_settings

Analysis = TypeVar("Analysis")
Spec = Mapping[str, Any]
MakeReport = Callable[[StudyResult, Mapping[str, float]], Report]
Numbers = Callable[[StudyResult, Mapping[str, float]], Sequence[Number]]


@dataclass(frozen=True)
class AnalysedSet(Generic[Analysis]):
    """One autoencoder of a project, and its newest analysis of each slide on the current tiles.

    Attributes
    ----------
    title
        What it is called in figures.
    model
        As a `FeatureSet` has it.
    analyses
        By number of the slide.
    """

    title: str
    model: dict[str, Any]
    analyses: Mapping[int, Analysis]

    def covers(self, other: AnalysedSet[Analysis]) -> bool:
        """Whether it saw every slide that another saw."""
        return set(other.analyses) <= set(self.analyses)


class ChooseSets(Protocol):
    """Says which autoencoders a study looks at beside the current one, out of the others of the project."""

    def __call__(
        self, current: AnalysedSet[Analysis], others: Sequence[AnalysedSet[Analysis]], spec: Spec, /
    ) -> list[AnalysedSet[Analysis]]:
        """Choose them.

        Raises
        ------
        UserInputError
            When one that is needed is not there.
        """


def no_other_set(
    _current: AnalysedSet[Analysis], _others: Sequence[AnalysedSet[Analysis]], _spec: Spec
) -> list[AnalysedSet[Analysis]]:
    """For a study that looks at one autoencoder."""
    return []


@dataclass(frozen=True)
class RowKeys:
    """What two runs must share for their rows of a table to be about the same thing.

    Attributes
    ----------
    columns
        Columns that together name a row.
    feature_set
        Number of the feature set that feature numbers among them belong to; None where there are none.
    settings
        Settings that decide what the columns mean.
    is_set_in_key
        Whether the number in the table's key is that of the feature set.
    """

    columns: tuple[str, ...]
    feature_set: int | None = None
    settings: tuple[str, ...] = ()
    is_set_in_key: bool = False


@dataclass(frozen=True)
class FeatureScore:
    """A number of each feature that the feature table shows: the array (F,) of the result, its title and what it means."""

    array: str
    title: str
    note: str


Scores = Callable[[Mapping[str, Any], Spec, str], Sequence[FeatureScore]]
"""Takes meta and spec of a run and what it is called."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study. Its package has a module `study` with `run`, and a module `report` with `make_report` and `numbers`.

    Attributes
    ----------
    kind
        Its name on the command line.
    package
        Where it is: a dotted name.
    title
        Its name for people.
    question
        What it answers, in one sentence.
    needs
        What it needs, in one sentence.
    settings
        In the order of the command line.
    format
        Raised when results of earlier versions can no longer be told.
    needs_cells
        Whether cells and patients let it say more.
    column_says
        What a column of the slide table has to say, such as `scanner or site`, where it cannot do without one.
    least_encoders
        How many encoders must have seen the slides.
    other_sets
        Chooses autoencoders that it looks at beside the current one.
    check_encoder
        Refuses settings that do not fit the encoder of the current set.
    trains
        Whether it trains an autoencoder on the embeddings, which then have to be there.
    has_own_saes
        Whether it looks at SAEs of its own, so that it does not grow old when the project takes another.
    prepare
        Module, by its dotted name, whose `prepare(request, watch)` makes the sets it looks at; empty for the request's.
    equip
        Module whose `equip(inputs, request, watch)` lets it ask the encoder; empty where it does not.
    row_keys
        By key of a table what names its rows; a key that ends in a hyphen is that of tables with a number after it.
    scores
        Columns of the feature table that its newest run gives.
    has_clusters
        Whether its tables have clusters and groups of features that people give names to.
    """

    kind: str
    package: str
    title: str
    question: str
    needs: str
    settings: tuple[Setting, ...] = ()
    format: int = 1
    needs_cells: bool = False
    column_says: str = ""
    least_encoders: int = 1
    other_sets: ChooseSets = no_other_set
    check_encoder: Callable[[Spec, EncoderCard], None] | None = None
    trains: Callable[[Spec], bool] = lambda _spec: False
    has_own_saes: bool = False
    prepare: str = ""
    equip: str = ""
    row_keys: Mapping[str, RowKeys] = field(default_factory=dict)
    scores: Scores = lambda _meta, _spec, _run: ()
    has_clusters: bool = False

    @property
    def defaults(self) -> dict[str, Any]:
        """Value of each setting where nobody says otherwise."""
        return {setting.key: setting.default for setting in self.settings}

    def check(self, values: Spec) -> None:
        """Refuse settings that there are not, and values that make no sense.

        Raises
        ------
        UserInputError
        """
        check_settings(self.settings, values, f"The study {self.kind}")

    def keys_of(self, table: Table) -> RowKeys | None:
        """What names the rows of a table; None for one whose rows have no name or no numbers."""
        start = table.key.rstrip("0123456789")
        known = self.row_keys.get(table.key) or (self.row_keys.get(start) if start.endswith("-") else None)
        if known is None or not known.is_set_in_key:
            return known
        return replace(known, feature_set=int(table.key.removeprefix(start)))

    def report(self, result: StudyResult, thresholds: Mapping[str, float] | None = None) -> Report:
        """Report a result; `thresholds` are those that the user moved."""
        make: MakeReport = import_module(f"{self.package}.report").make_report
        return make(result, thresholds or {})

    def numbers(self, result: StudyResult, thresholds: Mapping[str, float] | None = None) -> Sequence[Number]:
        """The numbers that sum a result up, to be set beside those of another run."""
        numbers: Numbers = import_module(f"{self.package}.report").numbers
        return numbers(result, thresholds or {})
