"""How fast are intervals for AUROC and average precision? A loop of scikit-learn calls against ours, in one run.

    python benchmarks/bootstrap_auc.py [--resamples 1000] [--peer-resamples 1000] [--out bootstrap_auc.json]
    python benchmarks/bootstrap_auc.py --large          # 10^6 cases, ours alone: time and peak memory

Both get the same labels, the same scores and the same draws of patients (two cases a patient, 14 labels, 2 to 40 %
positives, 2 % not known, some scores tied). The peer calls `roc_auc_score` and `average_precision_score` once a label
and resample on the drawn rows, which is how it is usually written. Drawing and sorting count for both. Times are CPU
seconds of one thread, so that other work on the machine is no part of them. All values that both computed are compared.
Where the peer is timed on fewer resamples, its time is scaled, and the output says so.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from medley.core.files import write_json
from medley.core.seeds import generator
from medley.evaluation.ranking import areas_of, rank
from medley.evaluation.statistics import bootstrap

LABELS = 14
SEED = 3


def draw(cases: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Labels and scores [N, L], and the patient of each case."""
    rng = generator("bootstrap auc", SEED, cases)
    labels_NL = (rng.random((cases, LABELS)) < np.linspace(0.02, 0.4, LABELS)).astype(float)
    scores_NL = 1 / (1 + np.exp(-labels_NL - rng.normal(size=labels_NL.shape)))
    scores_NL[:, ::3] = np.round(scores_NL[:, ::3], 3)
    labels_NL[rng.random(labels_NL.shape) < 0.02] = np.nan
    return labels_NL, scores_NL, [f"p{i // 2}" for i in range(cases)]


def ours(labels_NL: np.ndarray, scores_NL: np.ndarray, patient_ids: list[str], resamples: int) -> np.ndarray:
    """AUROC and average precision [2, L, R]."""
    rankings = [rank(labels_NL[:, i], scores_NL[:, i]) for i in range(LABELS)]

    def statistics(weights_NR: np.ndarray) -> dict[int, np.ndarray]:
        return {i: np.stack(areas_of(ranking, weights_NR)) for i, ranking in enumerate(rankings)}

    values = bootstrap(statistics, patient_ids, resamples=resamples, seed=SEED)
    return np.stack([values[i] for i in range(LABELS)], axis=1)


def peer(labels_NL: np.ndarray, scores_NL: np.ndarray, patient_ids: list[str], resamples: int) -> np.ndarray:
    """The same by a loop over resamples and labels."""
    names, patient_N = np.unique(patient_ids, return_inverse=True)
    rows = [np.flatnonzero(patient_N == patient) for patient in range(len(names))]
    known_NL = ~np.isnan(labels_NL)
    values = np.empty((2, LABELS, resamples))
    for r in range(resamples):
        drawn = generator(SEED, "patient bootstrap", r).integers(len(names), size=len(names))
        cases = np.concatenate([rows[patient] for patient in drawn])
        for i in range(LABELS):
            known = cases[known_NL[cases, i]]
            labels, scores = labels_NL[known, i], scores_NL[known, i]
            values[:, i, r] = roc_auc_score(labels, scores), average_precision_score(labels, scores)
    return values


def against_the_peer(cases: int, resamples: int, peer_resamples: int) -> dict[str, Any]:
    """CPU seconds of both, ours the best of three, and the largest difference of any value."""
    data = draw(cases)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        values = ours(*data, resamples)
        seconds.append(time.process_time() - start)
    start = time.process_time()
    theirs = peer(*data, peer_resamples)
    peer_s = (time.process_time() - start) * resamples / peer_resamples
    return {
        "cases": cases,
        "labels": LABELS,
        "resamples": resamples,
        "ours_s": min(seconds),
        "ours_all_s": seconds,
        "peer_s": peer_s,
        "peer_timed_on_resamples": peer_resamples,
        "ratio": peer_s / min(seconds),
        "largest_difference": float(np.abs(values[:, :, :peer_resamples] - theirs).max()),
    }


def large(cases: int, resamples: int) -> dict[str, Any]:
    """Time and peak memory of ours on many cases; the peak is of the whole process, data and imports included."""
    data = draw(cases)
    start, wall = time.process_time(), time.perf_counter()
    values = ours(*data, resamples)
    seconds, wall_s = time.process_time() - start, time.perf_counter() - wall
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts it in KiB
    low, high = np.percentile(values[0, -1], (2.5, 97.5))
    return {
        "cases": cases,
        "labels": LABELS,
        "resamples": resamples,
        "ours_s": seconds,
        "ours_wall_s": wall_s,
        "peak_gib": peak_gib,
        "last_label_auroc_ci95": [low, high],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, help="3000, or 1000000 with --large")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--peer-resamples", type=int, help="time the peer on fewer, and scale")
    parser.add_argument("--large", action="store_true", help="ours alone on 10^6 cases: time and peak memory")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.large:
        with threadpool_limits(1):
            result = large(options.cases or 1_000_000, options.resamples)
        seconds = f"{result['ours_s']:.0f} CPU s, {result['ours_wall_s']:.0f} s by the clock"
        print(f"{seconds}, peak memory {result['peak_gib']:.2f} GiB")
    else:
        peer_resamples = min(options.peer_resamples or options.resamples, options.resamples)
        with threadpool_limits(1):
            result = against_the_peer(options.cases or 3000, options.resamples, peer_resamples)
        scaled = "" if peer_resamples == options.resamples else f" (scaled from {peer_resamples} resamples)"
        print(f"ours {result['ours_s']:.2f} s, scikit-learn {result['peer_s']:.1f} s{scaled}: {result['ratio']:.0f} x")
        print(f"largest difference {result['largest_difference']:.1e}")
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__}
    if options.out:
        write_json(options.out, {**result, "versions": versions, "load": os.getloadavg()})


if __name__ == "__main__":
    main()
