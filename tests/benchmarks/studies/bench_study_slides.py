"""How often the study of slides is wrong: `python -m tests.benchmarks.studies.bench_study_slides [worlds]`.

Null: features vary by patient, groups are drawn at random. A test over slides is shown beside it.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import stats

from sae_backend.studies.framework.run import run_study
from sae_backend.studies.slides.profiles import profile_slides
from tests.backend.studies.test_slides import GROUPS, N_FEATURES, PLANTED, patients
from tests.worlds.study import PROGRESS


def main() -> None:
    """Print a small table."""
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{worlds} worlds each, 16 patients with 5 slides, {N_FEATURES} features, effects of patients")
    family = rate = naive = shared = 0
    for seed in range(worlds):
        inputs = patients(1000 + seed, shift=0.0, slides_each=5)
        arrays = run_study("slides", inputs, {**GROUPS, "seed": seed}, PROGRESS).arrays
        family += bool((arrays["group/p"] <= 0.05).any())
        rate += bool((arrays["group/q"] <= 0.05).any())
        shared += bool(arrays["shared_p"][0] <= 0.05)
        values = profile_slides(inputs.sets[0], PROGRESS).mean
        cases = np.array([slide.facts["group"] == "cases" for slide in inputs.slides])
        naive += bool((stats.mannwhitneyu(values[cases], values[~cases]).pvalue * N_FEATURES <= 0.05).any())
    print(f"null: any family-wise p <= 0.05        {family / worlds:6.1%}")
    print(f"null: any q <= 0.05                    {rate / worlds:6.1%}")
    print(f"null: the same over slides, Bonferroni {naive / worlds:6.1%}")
    print(f"null: alike slides share the group     {shared / worlds:6.1%}")
    hits = [
        run_study("slides", patients(3000 + seed, slides_each=5), GROUPS, PROGRESS).arrays["group/p"][PLANTED]
        for seed in range(worlds)
    ]
    print(f"planted difference found               {np.mean(np.array(hits) <= 0.05):6.1%}")


if __name__ == "__main__":
    main()
