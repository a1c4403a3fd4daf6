"""Whether clusters of directions come back in SAEs that were trained with another seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sae_backend.studies.framework.inputs import StudyInput
from sae_backend.studies.geometry.feature_clusters import Directions, best_jaccard, find_clusters
from sae_backend.studies.methods.matching.feature_matching import match
from sae_backend.studies.methods.matching.set_space import directions, same_space

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def again_in_seeds(
    given: StudyInput, numbers: Ints, labels: Ints, cut: float, alive: Callable[[], None]
) -> Floats | None:
    """Largest Jaccard index of each cluster with one of each further set in the same space (S, C); None without such a set.

    Features are the same where they are each other's partner one for one by cosine, at least `cut`; others are left
    out of both clusterings. NaN where fewer than two of a cluster have a partner.

    Parameters
    ----------
    given
        Sets, of which the first was clustered.
    numbers
        Features of the first set that take part (F,).
    labels
        Their clusters (F,), -1 for none.
    cut
        Cosine down to which clusters were merged.
    alive
        Called now and then; may raise.
    """
    found = []
    for other in given.sets[1:]:
        if not same_space(given.sets[0], other):
            continue
        theirs = directions(other, np.arange(other.n_features))
        theirs = theirs[theirs.any(axis=1)]
        own = directions(given.sets[0], numbers)
        again = find_clusters(Directions(theirs), cut, alive)
        step = max(1, 4_000_000 // max(1, len(theirs)))
        blocks = ((a, (own[a : a + step] @ theirs.T).astype(np.float64)) for a in range(0, len(own), step))
        pairs = match(blocks, (len(own), len(theirs)))
        known = np.nan_to_num(pairs.value, nan=-1.0) >= cut
        mapped = np.full(labels.size, -1, np.int64)
        mapped[known] = again[pairs.partner[known]]
        found.append(best_jaccard(labels, mapped, known))
    return np.array(found) if found else None
