"""One run of the correlations from beginning to end: halves, statistics, baselines, selectivity.

The result is arrays and plain JSON, as they are stored and exported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial as bind
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.correlation.baselines import Best, best_columns, n_steps
from sae_backend.correlation.engine import correlate, group_types
from sae_backend.correlation.representations import SAE, TITLES, representations
from sae_backend.correlation.result import REASONS, CorrelationResult, CorrelationSpec
from sae_backend.correlation.selectivity import selectivity
from sae_backend.correlation.sparse_probes import KS
from sae_backend.errors import UserInputError
from sae_backend.statistics.slide_parts import AssembledTiles, SlidePart, assemble
from sae_backend.statistics.split import BLOCK, CHOOSE, REPORT, Halves, half_of

Progress = Callable[[str, int, int], None]
_Halves = tuple[AssembledTiles, AssembledTiles]

_OPTIMISM: Final = (
    "The best of many features looks better on the tiles that chose it than elsewhere; p (family) takes that into "
    "account, r does not, and R2 of the probes is that of the tiles they learned from."
)
_WHOLE: Final = f"Nothing was held out: there are too few patients, slides or tiles. {_OPTIMISM}"
_NOT_ASKED: Final = f"Nothing was held out, as was asked for. {_OPTIMISM}"
_NO_VECTORS: Final = (
    "The features could not be compared with other columns of the embeddings: the embeddings of some slides are "
    "missing, or are not finite."
)


@dataclass(frozen=True)
class RunInput:
    """What is correlated.

    Attributes
    ----------
    parts
        The slides.
    type_names
        Names of the C columns of the counts.
    is_count
        Which of them are counts of cells (C,).
    halves
        Who chooses and who reports; None to use all for both.
    hold_out
        Whether it was wished to hold half out.
    baselines
        Whether to judge the baselines, too.
    """

    parts: Sequence[SlidePart]
    type_names: Sequence[str]
    is_count: npt.NDArray[np.bool_]
    halves: Halves | None = None
    hold_out: bool = True
    baselines: bool = True


@dataclass(frozen=True)
class RunResult:
    """Arrays by name, and everything that is needed to understand them, as plain JSON."""

    arrays: Mapping[str, npt.NDArray[Any]]
    meta: Mapping[str, Any]


def run(given: RunInput, spec: CorrelationSpec, progress: Progress) -> RunResult:
    """Correlate; `progress` takes (stage, done, total) and may raise to end it.

    Raises
    ------
    MismatchError
        If the parts do not belong together.
    UserInputError
        If there are no parts, a half is empty, or a covariate is not there.
    """
    choosing, reporting = list(given.parts), list(given.parts)
    arrays: dict[str, npt.NDArray[Any]] = {}
    if given.halves is not None:
        choosing, reporting = _both_halves(given.parts, given.halves)
        chosen = correlate(
            choosing,
            given.type_names,
            spec,
            lambda done, total: progress("choose", done, total),
            given.is_count,
            values_only=True,
        )
        arrays |= {f"{name}/choose": pairs.value for name, pairs in chosen.statistics.items()}
    result = correlate(
        reporting,
        given.type_names,
        spec,
        lambda done, total: progress("correlate", done, total),
        given.is_count,
    )
    arrays |= result.arrays()
    first = next(iter(spec.statistics))
    pairs = result.statistics[first]
    arrays |= selectivity(pairs.value, pairs.p_fwer).arrays()
    if given.baselines:
        chosen_r = arrays.get("pearson/choose", arrays.get("pearson/value"))
        found = _baselines(given, (choosing, reporting), spec, chosen_r, progress)
        for name, best in found.items():
            arrays |= best.arrays(name)
    return RunResult(arrays, _meta(given, spec, result, arrays))


def _both_halves(parts: Sequence[SlidePart], halves: Halves) -> tuple[list[SlidePart], list[SlidePart]]:
    found = half_of(parts, halves, CHOOSE), half_of(parts, halves, REPORT)
    for some, verb in zip(found, ("chooses", "reports"), strict=True):
        if not any(part.valid.any() for part in some):
            raise UserInputError(
                f"None of the slides that take part has tiles in the half that {verb}.",
                "Draw new halves, or correlate without holding half out.",
            )
    return found


def _baselines(
    given: RunInput,
    halves: tuple[Sequence[SlidePart], Sequence[SlidePart]],
    spec: CorrelationSpec,
    chosen_r: npt.NDArray[Any] | None,
    progress: Progress,
) -> dict[str, Best]:
    n_types = len(given.type_names)
    # The patterns of missing numbers are those of all tiles, so that both halves are grouped alike.
    groups = [columns for columns, _ in group_types(given.parts, n_types, given.is_count)]
    steps = _Steps(progress, sum(n_steps(given.parts, columns.size) for columns in groups))
    judged: list[tuple[npt.NDArray[np.int64], dict[str, Best]]] = []
    for columns in groups:
        steps(0)
        choosing, reporting = (_assembled(parts, columns, spec) for parts in halves)
        known = representations(choosing, spec.seed, reporting, bind(steps, 0))
        found: dict[str, Best] = {}
        for name, representation in known.items():
            own = chosen_r[:, columns] if name == SAE and chosen_r is not None else None
            found[name] = best_columns(representation, choosing, reporting, spec, steps, own)
            steps.end_part()
        judged.append((columns, found))
    joined: dict[str, Best] = {}
    for columns, found in judged:
        for name in TITLES:
            # What not all groups can be compared with, as embeddings are missing, would stand there half empty.
            if all(name in each for _, each in judged):
                joined[name] = _placed(found[name], columns, n_types, joined.get(name))
    steps.end()
    return joined


class _Steps:
    """Progress of several parts that each count from 0."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total = progress, total
        self._before = self._done = 0

    def __call__(self, done: int) -> None:
        self._done = min(max(self._done, self._before + done), self._total)
        self._progress("baselines", self._done, self._total)

    def end_part(self) -> None:
        self._before = self._done

    def end(self) -> None:
        self._progress("baselines", self._total, self._total)


def _assembled(
    parts: Sequence[SlidePart], columns: npt.NDArray[np.int64], spec: CorrelationSpec
) -> AssembledTiles:
    some = [replace(part, counts=np.asarray(part.counts)[:, columns]) for part in parts]
    return assemble(some, columns.size, spec.block_um, spec.cluster)


def _placed(best: Best, columns: npt.NDArray[np.int64], n_types: int, into: Best | None) -> Best:
    """Columns of one group of types at their place among all."""
    fields = {}
    for key, values in vars(best).items():
        whole = getattr(into, key) if into is not None else None
        if whole is None:
            shape = (*values.shape[:-1], n_types)
            whole = np.full(shape, -1 if values.dtype == np.int64 else np.nan, values.dtype)
        whole[..., columns] = values
        fields[key] = whole
    return Best(**fields)


def _meta(
    given: RunInput,
    spec: CorrelationSpec,
    result: CorrelationResult,
    arrays: Mapping[str, npt.NDArray[Any]],
) -> dict[str, Any]:
    notes = list(result.notes)
    split: dict[str, Any] | None = None
    if given.halves is not None:
        halves = given.halves
        split = {
            "unit": "half slide" if halves.unit == BLOCK else halves.unit,
            "seed": halves.seed,
            "n_choose": halves.n(CHOOSE),
            "n_report": halves.n(REPORT),
        }
        if halves.unit == BLOCK:
            notes.append(
                "One half of each slide chose, the other reports: this shows whether a feature holds on the rest "
                "of these slides, not on others."
            )
    else:
        notes.append(_WHOLE if given.hold_out else _NOT_ASKED)
    baselines = [name for name in TITLES if f"baseline/{name}/value" in arrays]
    if baselines == [SAE]:
        notes.append(_NO_VECTORS)
    return {
        "n_tiles": int(result.n_tiles),
        "n_slides": int(result.n_slides),
        "n_clusters": int(result.n_clusters),
        "unit": result.unit,
        "kind": result.kind,
        "method": result.method,
        "notes": notes,
        "type_names": list(result.type_names),
        "is_count": [bool(value) for value in given.is_count],
        "statistics": list(result.statistics),
        "reasons": list(REASONS),
        "hold_out": given.hold_out,
        "held_out": given.halves is not None,
        "split": split,
        "baselines": baselines,
        "baseline_titles": {name: TITLES[name] for name in baselines},
        "probe_k": list(KS),
        "interval": spec.interval,
        "covariates": list(spec.covariates),
        "judged": result.judged,
        "n_arrangements": dict(result.n_arrangements),
    }
