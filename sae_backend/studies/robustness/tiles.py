"""Which slides, tiles and columns the study of scanner and stain compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn import decomposition

from sae_backend.correlation.engine import correlate
from sae_backend.correlation.result import PEARSON, CorrelationSpec
from sae_backend.statistics.slide_parts import SlidePart
from sae_backend.statistics.split import BLOCK, CHOOSE, REPORT, half_of
from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.framework.result import Arrays
from sae_backend.studies.methods.labels.folds import Units, form_units, frequent
from sae_backend.studies.methods.labels.predictability import MIN_GROUPS, PredictSpec, sampled_tiles
from sae_backend.studies.robustness.array_names import BIOLOGY, CONTROL, FEATURES, MATCHED, PCA, RAW, REST
from sae_backend.studies.robustness.roles import LEVEL

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rows = sparse.csr_array | npt.NDArray[Any]

_PCA_TILES: Final = 10_000
_N_COMPONENTS: Final = 50
_MIN_ACTIVE: Final = 5
_ROWS: Final = 8192


@dataclass(frozen=True)
class JudgedTiles:
    """Sampled tiles of the slides that report, whose label is known.

    Attributes
    ----------
    slides, tiles
        Numbers of the slides, and of the sampled tiles of each.
    units
        Labels, patients and slides of these tiles.
    held_out
        Whether none of their patients chose anything.
    note
        Why not, empty where so.
    left_out
        Labels that too few of the judged patients have.
    """

    slides: tuple[int, ...]
    tiles: tuple[Ints, ...]
    units: Units
    held_out: bool
    note: str
    left_out: tuple[str, ...] = ()


def control_number(inputs: StudyInput) -> int | None:
    """Number of the set of an encoder with random weights, None where there is none beside the first."""
    return next((i for i, some in enumerate(inputs.sets) if i and some.model.get("is_control")), None)


def usable_tiles(inputs: StudyInput) -> list[npt.NDArray[np.bool_]]:
    """Tiles of each slide, bool (N,), that the first set has activations for, and the control, too, where there is one."""
    control = control_number(inputs)
    first = inputs.sets[0].valid
    return (
        list(first)
        if control is None
        else [a & b for a, b in zip(first, inputs.sets[control].valid, strict=True)]
    )


def labelled(inputs: StudyInput, fact: str) -> list[int]:
    """Numbers of the slides that have the label and a valid tile."""
    valid = usable_tiles(inputs)
    return [k for k, label in enumerate(inputs.fact(fact)) if label and valid[k].any()]


def slide_units(inputs: StudyInput, fact: str, slides: Sequence[int]) -> Units:
    """Labels and patients of slides, which stand for their tiles."""
    labels = inputs.fact(fact)
    return form_units(
        [labels[k] for k in slides], [inputs.slides[k].unit for k in slides], [f"{k:09d}" for k in slides]
    )


def judged_tiles(inputs: StudyInput, fact: str, spec: PredictSpec) -> JudgedTiles | None:
    """Sample the tiles that the label is read from; None where no slide has the label.

    They are those of the held-out half; all where nothing is held out, or there are not two labels that 3 patients
    of that half have. Slides of rarer labels take no part.
    """
    known = labelled(inputs, fact)
    if not known:
        return None
    valid = usable_tiles(inputs)
    masks = {k: valid[k] for k in known}
    note = "nothing was held out, as there is too little" if inputs.halves is None else ""
    if inputs.halves is not None:
        reporting = half_of(inputs.parts(0, known), inputs.halves, REPORT)
        number = {inputs.slides[k].name: k for k in known}
        half = {number[part.slide]: part.valid & valid[number[part.slide]] for part in reporting}
        half = {k: mask for k, mask in half.items() if mask.any()}
        enough = frequent(inputs, fact, sorted(half), MIN_GROUPS)
        if enough:
            masks = {k: half[k] for k in enough}
        else:
            note = f"in the held-out half no two values of {fact} have {MIN_GROUPS} patients each"
    masks = {k: masks[k] for k in frequent(inputs, fact, sorted(masks), MIN_GROUPS)} or masks
    held_out = not note and inputs.halves is not None and inputs.halves.unit != BLOCK
    if not note and not held_out:
        note = "one half of each slide chose, the other is judged"
    slides = tuple(sorted(masks))
    usable = [np.flatnonzero(masks[k]) for k in slides]
    taken = sampled_tiles([tiles.size for tiles in usable], spec)
    tiles = tuple(some[chosen] for some, chosen in zip(usable, taken, strict=True))
    labels, sizes = inputs.fact(fact), [some.size for some in tiles]
    left_out = {labels[k] for k in known} - {labels[k] for k in slides}
    units = form_units(
        np.repeat([labels[k] for k in slides], sizes),
        np.repeat([inputs.slides[k].unit for k in slides], sizes),
        np.repeat([f"{k:09d}" for k in slides], sizes),
    )
    return JudgedTiles(slides, tiles, units, held_out, note, tuple(sorted(left_out)))


def with_cells(inputs: StudyInput, side: str) -> list[SlidePart]:
    """Slides of a half (`choose` or `report`) that have cells; all that have where nothing is held out."""
    parts = [
        part for part in inputs.parts(0) if part.counts.size and np.isfinite(part.counts).all(axis=1).any()
    ]
    if inputs.halves is None:
        return parts
    half = half_of(parts, inputs.halves, CHOOSE if side == CHOOSE else REPORT)
    return [part for part in half if part.valid.any()]


def cell_correlations(
    inputs: StudyInput, draws: Mapping[str, int], progress: Callable[[str, int, int], None]
) -> Arrays:
    """Best type of each feature on the discovery half, and its r on the held-out half.

    Returns
    -------
    dict
        `type` (F,), -1 for none; `choose_r`, `choose_p`: largest r and its family-wise p where chosen; `r`, `r_low`,
        `r_high`, `p`: the same pair where reported; `n` (2, 2): tiles and units of the two halves. Empty without
        cells.
    """
    known = [
        c
        for c in range(len(inputs.type_names))
        if any(np.isfinite(slide.counts[:, c]).any() for slide in inputs.slides)
    ]
    choosing, reporting = with_cells(inputs, CHOOSE), with_cells(inputs, REPORT)
    if not known or not choosing or not reporting:
        return {}
    names = [inputs.type_names[c] for c in known]
    spec = CorrelationSpec(
        draws["n_bootstrap"],
        draws["n_permutations"],
        seed=draws["seed"],
        min_active=_MIN_ACTIVE,
        statistics=(PEARSON,),
    )
    found = []
    for stage, parts in (("choose", choosing), ("report", reporting)):
        some = [SlidePart(**{**vars(part), "counts": part.counts[:, known]}) for part in parts]
        found.append(correlate(some, names, spec, lambda a, b, s=stage: progress(f"correlate: {s}", a, b)))  # type: ignore[misc]
    chosen, reported = (each.statistics[PEARSON] for each in found)
    size = np.nan_to_num(np.abs(chosen.value), nan=-1.0)
    best = size.argmax(axis=1)
    row = np.arange(len(size))
    fine = size[row, best] >= 0
    nan = np.where(fine, 1.0, np.nan)
    return {
        "type": np.where(fine, np.array(known)[best], -1).astype(np.int64),
        "choose_r": chosen.value[row, best] * nan,
        "choose_p": chosen.p_fwer[row, best] * nan,
        "r": reported.value[row, best] * nan,
        "r_low": reported.ci_low[row, best] * nan,
        "r_high": reported.ci_high[row, best] * nan,
        "p": reported.p_fwer[row, best] * nan,
        "n": np.array([[each.n_tiles, each.n_clusters] for each in found]),
        "unit": np.array(found[1].unit),
    }


def feature_groups(inputs: StudyInput, cells: Arrays) -> dict[str, Ints]:
    """Numbers of the features of each group; only all of them where no feature follows cells.

    A feature follows cells where its r beats chance (family-wise p of 0.05 or less) on the discovery half. The matched
    ones are others, each firing about as often there as one of these.
    """
    n_features = inputs.sets[0].n_features
    groups = {FEATURES: np.arange(n_features)}
    if not cells:
        return groups
    follows = np.flatnonzero(np.nan_to_num(cells["choose_p"], nan=1.0) <= LEVEL)
    if not follows.size:
        return groups
    active = np.zeros(n_features, np.int64)
    for part in with_cells(inputs, CHOOSE):
        active += np.diff(part.features.indptr)
    others = np.setdiff1d(np.flatnonzero(active > 0), follows)
    left, matched = others[np.argsort(active[others], kind="stable")], []
    rates = active[left]
    for feature in follows[np.argsort(-active[follows], kind="stable")]:
        if not left.size:
            break
        place = int(np.searchsorted(rates, active[feature]))
        near = [i for i in (place - 1, place) if 0 <= i < left.size]
        closest = min(near, key=lambda i: abs(int(rates[i]) - int(active[feature])))
        matched.append(left[closest])
        left, rates = np.delete(left, closest), np.delete(rates, closest)
    groups[BIOLOGY] = follows
    if others.size:
        groups[MATCHED], groups[REST] = np.sort(np.array(matched, np.int64)), others
    return groups


def tile_rows(
    inputs: StudyInput, judged: JudgedTiles, groups: Mapping[str, Ints], seed: int
) -> dict[str, Rows]:
    """Columns of the judged tiles by source: groups of features, raw dimensions, principal components, control.

    The axes are those of tiles of the discovery half.
    """
    some = inputs.sets[0]
    pairs = list(zip(judged.slides, judged.tiles, strict=True))
    stacked = sparse.csc_array(
        sparse.vstack([sparse.csr_array(some.features[k])[tiles] for k, tiles in pairs])
    )
    found: dict[str, Rows] = {name: sparse.csr_array(stacked[:, columns]) for name, columns in groups.items()}
    dense = _vectors(inputs, pairs)
    if dense is not None:
        found[RAW] = dense
        axes = _axes(inputs, seed)
        if axes is not None:
            found[PCA] = np.asarray(axes.transform(dense), np.float32)
    control = control_number(inputs)
    if control is not None:
        other = inputs.sets[control].features
        found[CONTROL] = sparse.csr_array(
            sparse.vstack([sparse.csr_array(other[k])[tiles] for k, tiles in pairs])
        )
    return found


def raw_means(
    inputs: StudyInput, slides: Sequence[int], step: Callable[[int, int], None] = lambda *_: None
) -> Floats | None:
    """Mean vector of each slide over its valid tiles, float64 (S, d); None where vectors are missing or not finite.

    `step` takes (slides done, slides) every few thousand tiles, and may raise to end it.
    """
    found: list[Floats] = []
    for k in slides:
        vectors, keep = inputs.sets[0].vectors[k], np.flatnonzero(inputs.sets[0].valid[k])
        if vectors is None or not keep.size:
            return None
        summed = np.zeros(vectors.shape[1])
        for a in range(0, keep.size, _ROWS):
            step(len(found), len(slides))
            summed += np.asarray(vectors[keep[a : a + _ROWS]], np.float64).sum(axis=0)
        found.append(summed / keep.size)
    stacked = np.stack(found)
    return stacked if bool(np.isfinite(stacked).all()) else None


def _vectors(inputs: StudyInput, pairs: Sequence[tuple[int, Ints]]) -> npt.NDArray[np.float32] | None:
    """Vectors of some tiles, None where some are missing or not finite."""
    found = []
    for k, tiles in pairs:
        vectors = inputs.sets[0].vectors[k]
        if vectors is None:
            return None
        found.append(np.asarray(vectors[tiles], np.float32))
    stacked = np.concatenate(found)
    return stacked if bool(np.isfinite(stacked).all()) else None


def _axes(inputs: StudyInput, seed: int) -> decomposition.PCA | None:
    valid = inputs.sets[0].valid
    masks = {k: valid[k] for k in range(len(inputs.slides)) if valid[k].any()}
    if inputs.halves is not None:
        number = {slide.name: k for k, slide in enumerate(inputs.slides)}
        half = half_of(inputs.parts(0), inputs.halves, CHOOSE)
        masks = {number[part.slide]: part.valid for part in half if part.valid.any()} or masks
    usable = [np.flatnonzero(mask) for mask in masks.values()]
    taken = sampled_tiles([tiles.size for tiles in usable], PredictSpec(seed=seed, most_tiles=_PCA_TILES))
    pairs = [(k, tiles[some]) for k, tiles, some in zip(masks, usable, taken, strict=True)]
    vectors = _vectors(inputs, pairs)
    if vectors is None or len(vectors) < 2:
        return None
    n = min(_N_COMPONENTS, vectors.shape[1], len(vectors) - 1)
    return decomposition.PCA(
        n, svd_solver="covariance_eigh" if len(vectors) > vectors.shape[1] else "full"
    ).fit(vectors)
