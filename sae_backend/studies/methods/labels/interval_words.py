"""What the intervals of an AUROC rest on, in words."""

from __future__ import annotations


def interval_limits(draws_over: str) -> str:
    """What the intervals of an AUROC rest on; runs of earlier versions do not say over whom they were drawn."""
    if draws_over:
        return (
            f"Intervals of an AUROC come from draws over {draws_over}; draws that lack a label are thrown away, and where those "
            "are more than a tenth there is no interval. They are widened, as folds share what they learn from, and rough with "
            "few patients."
        )
    return (
        "Intervals of an AUROC were drawn within patients of the same labels and are too narrow where nobody shares those of a "
        "patient; a new run draws over all patients."
    )
