"""A run of the correlations in words: the strongest features of each type, and what they have to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from desktop_app.store import CorrelationRecord
from sae_backend.correlation.representations import SAE
from sae_backend.correlation.result import PARTIAL
from sae_backend.statistics.resampling_units import MIN_CLUSTERS

Arrays = Mapping[str, npt.NDArray[Any]]


def strongest_text(record: CorrelationRecord, arrays: Arrays, n_top: int = 3) -> str:
    """The strongest features of every cell type, with n, unit, method, baselines and notes."""
    meta = record.meta
    return "\n".join(
        [
            facts_text(meta, _statistic(meta)),
            *_types(meta, arrays, n_top),
            *(f"Note: {note}" for note in meta["notes"]),
            f"Method: {meta['method']}.",
        ]
    )


_TITLES: Final = {
    "pearson": "Pearson's r",
    "spearman": "Spearman's rho",
    "log_pearson": "Pearson's r with log(1 + count)",
    "within": "Pearson's r pooled within slides",
    "partial": "Partial r",
}


def facts_text(meta: Mapping[str, Any], statistic: str = "pearson") -> str:
    """What the values stand on, in one sentence or two."""
    n = f"{meta['n_tiles']:,} tiles of {count_text(meta['n_slides'], 'slide')}"
    units = units_text(meta)
    drawn = f"; intervals and p from {units}" if is_judged(meta) else f"; {units}, so no interval and no p"
    start, split = f"{_TITLES[statistic]} over {n}", meta.get("split")
    if not meta.get("held_out") or not split:
        return f"{start}{drawn}. Features were chosen and reported on the same tiles."
    if split["unit"] == "half slide":
        return f"{start}{drawn}. This is one half of each slide; the other half chose the features."
    whole = split["n_choose"] + split["n_report"]
    return (
        f"{start}{drawn}. The half that reports ({split['n_report']} of {whole} {split['unit']}s) took no part in the "
        f"choice of features (seed {split['seed']})."
    )


def units_text(meta: Mapping[str, Any]) -> str:
    """How many patients, slides or blocks stand behind the numbers."""
    n, (head, _, rest) = meta["n_clusters"], str(meta["unit"]).partition(" ")
    return f"{count_text(n, head)}{' ' + rest if rest else ''}"


def is_judged(meta: Mapping[str, Any]) -> bool:
    """Whether a run has intervals and p."""
    return bool(meta.get("judged", meta["n_clusters"] >= MIN_CLUSTERS))


def _statistic(meta: Mapping[str, Any]) -> str:
    return "pearson" if "pearson" in meta["statistics"] else str(meta["statistics"][0])


def count_text(n: int, noun: str) -> str:
    """Give a number with its noun in singular or plural."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def value_text(value: float, low: float, high: float) -> str:
    """Value with its interval; what is not finite is not there."""
    if not np.isfinite(value):
        return "not defined"
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{_signed(value)} (no interval)"
    return f"{_signed(value)} (95 % interval {_signed(low)} to {_signed(high)})"


def _signed(value: float) -> str:
    """Two digits with a sign; what rounds to nothing has none."""
    text = f"{value:+.2f}"
    return text[1:] if float(text) == 0 else text


def _types(meta: Mapping[str, Any], arrays: Arrays, n_top: int) -> Iterator[str]:
    statistic = _statistic(meta)
    partial = None if statistic == PARTIAL else arrays.get(f"{PARTIAL}/value")
    fixed = " and ".join(map(str, meta.get("covariates", ())))
    pairs = {key: arrays[f"{statistic}/{key}"] for key in ("value", "ci_low", "ci_high", "p", "q")}
    chosen = arrays.get(f"{statistic}/choose", pairs["value"])
    for c, name in enumerate(meta["type_names"]):
        strength = np.nan_to_num(np.abs(chosen[:, c]), nan=-1.0)
        best = [int(f) for f in np.argsort(-strength, kind="stable")[:n_top] if strength[f] >= 0]
        yield f"{name}:" if best else f"{name}: no feature has a defined correlation"
        for f in best:
            text = value_text(*(float(pairs[key][f, c]) for key in ("value", "ci_low", "ci_high")))
            p = float(pairs["p"][f, c])
            if np.isfinite(p):
                text += f", family-wise p {p:.3g}"
            elif not np.isfinite(pairs["value"][f, c]):
                codes = arrays.get(f"{statistic}/reason", arrays.get("reason"))
                text += "" if codes is None else f": {meta['reasons'][int(codes[f, c])]}"
            if meta.get("held_out"):
                text += f"; where chosen {_signed(float(chosen[f, c]))}"
            if partial is not None and np.isfinite(partial[f, c]):
                p = float(arrays[f"{PARTIAL}/p"][f, c])
                text += f"; with {fixed} held fixed {_signed(float(partial[f, c]))}"
                text += f" (p {p:.3g})" if np.isfinite(p) else ""
            yield f"  feature {f:>6}  {text}"
        if best:
            yield from _beside(meta, arrays, statistic, c)


def _beside(meta: Mapping[str, Any], arrays: Arrays, statistic: str, c: int) -> Iterator[str]:
    """What the best of other columns reaches, and what chance alone does."""
    words = []
    for name in meta.get("baselines", []):
        value = float(arrays[f"baseline/{name}/value"][c])
        if name != SAE and np.isfinite(value):
            words.append(f"best of {meta['baseline_titles'][name]} {value:+.2f}")
    band = float(arrays[f"{statistic}/band"][c])
    if np.isfinite(band):
        words.append(f"by chance alone the best of all features exceeds {band:.2f} in 5 of 100 draws")
    if words:
        yield f"  beside    {'; '.join(words)}"
