"""What another seed does and what other training tiles do, told apart with a reference SAE."""

from __future__ import annotations

from typing import Any

import numpy as np

from sae_backend.statistics.number_text import count_text
from sae_backend.studies.framework.report import Bars, Figure, Table
from sae_backend.studies.universality.findings import (
    MeanDifference,
    PairFindings,
    Reference,
    UniversalityFindings,
)

_BACK, _CLOSER = "come back", "closer than random"


def _counted(pair: PairFindings, least: float) -> tuple[int, int, int]:
    """Features that fire often enough, that come back, and that do so closer than random directions."""
    return pair.n_live[0], int(pair.comes_back(least).sum()), int(pair.is_matched(least).sum())


def _pairs(
    found: UniversalityFindings, reference: Reference
) -> list[tuple[PairFindings, PairFindings, MeanDifference]]:
    """For each SAE that both were matched with: the first set's pair, the reference's, their difference."""
    return [
        (found.pair_with(like.set), like, difference)
        for like, difference in zip(reference.pairs, reference.differences, strict=True)
        if like.is_judged and found.pair_with(like.set).is_judged
    ]


def _alone(found: UniversalityFindings, reference: Reference) -> PairFindings | None:
    """The first set with the reference, None where it could not be judged."""
    pair = found.pair_with(reference.set)
    return pair if pair.is_judged else None


def _share(counts: tuple[int, int, int], with_closer: bool = True) -> str:
    n, back, strict = counts
    closer = f", {strict:,} of them closer than random directions come" if with_closer else ""
    return f"{back:,} of {n:,} ({back / n:.0%}{closer})"


def reference_words(found: UniversalityFindings, least: float) -> str:
    """Sentences on like and unlike pairs; empty where it is not known on which tiles the SAEs were trained."""
    sets, about = found.sets, found.reference
    first = sets[0].title
    if about is None:
        same = [some.title for some in sets[1:] if some.training_tiles == "same"]
        if not same:
            return ""
        return (
            f"Training tiles: {first} was trained on the same slides and tiles as {', '.join(same)}, so that other "
            "tiles are no reason for a feature not to come back there."
        )
    known = "was trained on other tiles than the SAEs of this study"
    if not about.has_other_tiles:
        known = "is not on record as trained on the tiles of the SAEs of this study"
    texts = [
        f"Seed or tiles: {first} {known}, so its pairs may differ in both. A reference, an SAE of the same recipe and seed "
        f"trained on these tiles ({found.n_slides} slides), was therefore matched, too."
    ]
    for unlike, like, difference in _pairs(found, about):
        title = found.title_of(like)
        closer = bool(like.n_random and unlike.n_random)
        texts.append(
            f"In {title}, {_share(_counted(like, least), closer)} features of the reference come back (same tiles), and "
            f"{_share(_counted(unlike, least), closer)} of those of {first}."
        )
        if difference.value is not None:
            texts.append(
                f"Mean held-out r of the pairs: {like.mean_r:.2f} and {unlike.mean_r:.2f}, difference "
                f"{difference.value:+.2f} ({_interval(difference, like)})."
            )
    alone = _alone(found, about)
    if alone is not None:
        texts.append(
            f"In the reference itself, which has the seed of {first} and so the same start of the training, "
            f"{_share(_counted(alone, least), bool(alone.n_random))} features of {first} come back: this "
            "pair differs in the tiles alone."
        )
    return " ".join([*texts, _sum(found, about, least)]).strip()


def _interval(difference: MeanDifference, pair: PairFindings) -> str:
    if difference.low is None:
        return "no interval"
    n, unit = pair.n_units[1], pair.unit
    return f"95 % interval {difference.low:+.2f} to {difference.high:+.2f}, {n} units drawn again for both: {unit}"


def _sum(found: UniversalityFindings, reference: Reference, least: float) -> str:
    """Shares that do not come back with other tiles alone and with another seed alone; the latter a mean over SAEs."""
    parts: list[str] = []
    gone: list[float] = []
    sets, is_other = found.sets, reference.has_other_tiles
    alone = _alone(found, reference)
    if alone is not None:
        n, back, _ = _counted(alone, least)
        gone.append(1 - back / n)
        tiles = "other tiles" if is_other else "tiles not on record as the same"
        parts.append(
            f"with {tiles} and the same seed, {gone[-1]:.0%} of the features of {sets[0].title} do not come back"
        )
    # SAEs of another width differ in more than the seed.
    width = sets[reference.set].n_features
    counts = [
        _counted(like, least) for _, like, _ in _pairs(found, reference) if sets[like.set].n_features == width
    ]
    if counts:
        gone.append(float(np.mean([1 - back / n for n, back, _ in counts])))
        parts.append(
            f"with another seed and the same tiles, {gone[-1]:.0%} of those of the reference do not (mean over {count_text(len(counts), 'SAE')})"
        )
    if not parts:
        return ""
    text = f"So {'; '.join(parts)}."
    if len(gone) == 2 and min(gone) > 0:
        both = "Both matter" if is_other else "Both matter, the tiles if they were others"
        return f"{text} {both}; these shares have no interval, so which matters more cannot be concluded."
    return f"{text} {'These shares have' if len(gone) == 2 else 'This share has'} no interval."


def reference_short(found: UniversalityFindings, least: float) -> str:
    """One sentence for whoever has no time for more; empty without a reference."""
    if found.reference is None:
        return ""
    texts = [
        f"{_share(_counted(like, least), with_closer=False)} come back in {found.title_of(like)}"
        for _, like, _ in _pairs(found, found.reference)
    ]
    if not texts:
        return ""
    return f"Of the features of a reference, trained on the same tiles as these, {' and '.join(texts)}."


def reference_figure(found: UniversalityFindings, least: float) -> Figure | None:
    """Share of the features that come back, of the first set and of the reference; None without a reference."""
    reference = found.reference
    if reference is None or not _pairs(found, reference):
        return None
    sets, names = found.sets, list[str]()
    values: list[tuple[float, float]] = []
    counts: list[str] = []
    for unlike, like, _ in _pairs(found, reference):
        title = found.title_of(like)
        both = [_counted(each, least) for each in (unlike, like)]
        counts.append(f"{title}: {both[0][0]:,} and {both[1][0]:,}")
        for place, what in ((1, _BACK), (2, _CLOSER)):
            if place == 2 and not (like.n_random and unlike.n_random):
                continue
            names.append(f"{title}: {what}")
            values.append((100 * both[0][place] / both[0][0], 100 * both[1][place] / both[1][0]))
    alone = _alone(found, reference)
    if alone is not None:
        n, *several = _counted(alone, least)
        for number, what in zip(several, (_BACK, _CLOSER), strict=True):
            if what == _BACK or alone.n_random:
                names.append(f"reference: {what}")
                values.append((100 * number / n, np.nan))
    columns = np.array(values)
    tiles = "other tiles" if reference.has_other_tiles else "tiles not on record as the same"
    return Figure(
        key="reference",
        title="Another seed, and other training tiles",
        caption=(
            "Share of the features that come back in each SAE, and those closer than random directions come, of "
            f"{sets[0].title} ({tiles}) and of the reference (same tiles, other seed). At the right the pair of both, "
            f"which have the same seed. Features judged: {'; '.join(counts)}. No intervals: features are no independent units; the "
            "table has the mean r with an interval."
        ),
        x_label="",
        y_label="features, %",
        marks=[Bars(columns[:, 0], sets[0].title), Bars(columns[:, 1], "reference")],
        x_names=names,
    )


def reference_table(found: UniversalityFindings, least: float) -> Table | None:
    """One row a pair of SAEs: what they differ in, and how many features come back; None without a reference."""
    reference = found.reference
    if reference is None:
        return None
    sets = found.sets
    rows = [(each, "other" if each.set != reference.set else "same") for each in found.pairs]
    like = {each.set: each for each in reference.pairs}
    rows = [(each, seed) for each, seed in rows if each.set in like or each.set == reference.set]
    rows += [(each, "other") for each in like.values()]
    differences = dict(zip(like, reference.differences, strict=True))
    columns: dict[str, list[Any]] = {
        key: [] for key in (
            "features of", "in", "training tiles", "seed", "features judged", "come back", "closer than random",
            "mean r held out", "low", "high", "less that of the first SAE", "difference low", "difference high",
        )
    }  # fmt: skip
    for each, seed in rows:
        of, number = each.of, each.set
        n, back, strict = _counted(each, least)
        difference = differences[number] if of else MeanDifference()
        same_width = sets[of].n_features == sets[number].n_features
        row = (
            sets[of].title, sets[number].title, "same" if of else reference.first_tiles,
            seed if same_width else "same, other width", n, back, strict if each.n_random else None,
            each.mean_r, *each.mean_r_interval, difference.value, difference.low, difference.high,
        )  # fmt: skip
        for values, value in zip(columns.values(), row, strict=True):
            values.append(value)
    return Table(
        key="reference",
        title="Another seed, and other training tiles",
        columns={key: list(values) for key, values in columns.items()},
        notes={
            "training tiles": "Of the two SAEs; unknown where the card of one does not say.",
            "come back": "Above what exchanged units give.",
            "closer than random": "Those of them that random dictionaries do not come as close to.",
            "mean r held out": "Of all pairs; low and high are the 95 % interval over units.",
            "less that of the first SAE": "Mean r of the reference's pairs less that of the first SAE's; the same units drawn again for both.",
        },
    )
