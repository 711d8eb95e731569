"""Clinical F1 from per-report counts, as functions of case weights: micro, macro, by example, and label by label.

- micro: all (report, label) pairs of the group pooled.
- macro: mean of the F1 of the group's labels that have support (10 positives and 10 negatives, as everywhere here).
- macro, published: mean over all of the group's labels; one that is neither said nor true counts 0. So scikit-learn and
  f1chexbert average, and so published tables do; a rare label then moves it by chance.
- example: mean over reports of the F1 of its label sets; a report in which neither side says anything has none.

Groups: 14 are CheXpert's, 13 leave out No Finding, 5 are the competition's.

Shapes: N reports, L labels, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from medley.core.labels import CHEXPERT_5, CHEXPERT_14, NO_FINDING
from medley.evaluation.classification import macro_labels
from medley.evaluation.clinical.counts import Counts
from medley.evaluation.ranking import ratio

GROUPS = {"14": CHEXPERT_14, "13": tuple(name for name in CHEXPERT_14 if name != NO_FINDING), "5": CHEXPERT_5}
PER_LABEL = ("f1", "precision", "recall")

Values = dict[tuple[str | None, str], np.ndarray]  # (label, or None for an average; metric) -> [R]
Weighted = Callable[[np.ndarray], Values]


def clinical_f1(counts: Counts, support_of: Counts | None = None) -> Weighted:
    """The function from weights of the reports [N, R] to every metric; nan where one is not defined.

    Which labels stand in a macro average is decided once, on all reports (`macro_columns`), or on those of
    `support_of`: the reports once, where `counts` holds them twice, for two systems.
    """
    size = len(counts.names)
    groups = {group: counts.columns(names) for group, names in GROUPS.items()}
    supported = {group: macro_columns(support_of or counts, group)[0] for group in GROUPS}
    unknown_L = counts.known_NL.sum(0) == 0
    examples = [_examples(counts, groups[group]) for group in ("14", "13")]
    rows = [counts.hit_NL.T, counts.true_NL.T, counts.said_NL.T, *(np.stack(pair) for pair in examples)]
    rows_KN = np.concatenate(rows)

    def metrics(weights_NR: np.ndarray) -> Values:
        sums_KR = rows_KN @ weights_NR
        hit_LR, true_LR, said_LR = (sums_KR[start : start + size] for start in (0, size, 2 * size))
        f1_LR = _f1(hit_LR, true_LR, said_LR)
        values: Values = {}
        by_label = {"f1": f1_LR, "precision": ratio(hit_LR, said_LR), "recall": ratio(hit_LR, true_LR)}
        for metric, of_LR in by_label.items():
            values |= {(name, metric): of_LR[i] for i, name in enumerate(counts.names)}
        published_LR = ratio(2 * hit_LR, np.maximum(true_LR + said_LR, np.finfo(float).tiny))
        published_LR[unknown_L] = np.nan
        for group, columns in groups.items():
            values[None, f"clinical_f1_micro_{group}"] = _f1(
                hit_LR[columns].sum(0), true_LR[columns].sum(0), said_LR[columns].sum(0)
            )
            macro = f1_LR[supported[group]].mean(0) if supported[group] else np.full(weights_NR.shape[1], np.nan)
            values[None, f"clinical_f1_macro_{group}"] = macro
            values[None, f"clinical_f1_macro_{group}_published"] = published_LR[columns].mean(0)
        for row, group in ((3 * size, "14"), (3 * size + 2, "13")):
            values[None, f"clinical_f1_example_{group}"] = ratio(sums_KR[row], sums_KR[row + 1])
        return values

    return metrics


def example_f1(counts: Counts, group: str = "14") -> np.ndarray:
    """F1 of each report's label sets [N], of which the `clinical_f1_example` is the mean; nan where it has none."""
    f1_N, has_one_N = _examples(counts, counts.columns(GROUPS[group]))
    return np.where(has_one_N > 0, f1_N, np.nan)


def macro_columns(counts: Counts, group: str) -> tuple[list[int], dict[str, str]]:
    """The columns of a group's macro average, and its labels that are left out, with the reason."""
    columns = counts.columns(GROUPS[group])
    truth_NL = np.where(counts.known_NL > 0, counts.true_NL, np.nan)[:, columns]
    # No Finding is a label like any other here: `macro_labels` would leave it out by its name
    names = [f"label {name}" if name == NO_FINDING else name for name in GROUPS[group]]
    kept, left_out = macro_labels(truth_NL, names)
    return [columns[i] for i in kept], {name.removeprefix("label "): why for name, why in left_out.items()}


def why_undefined(counts: Counts, label: str | None, metric: str) -> str:
    """The reason in words for a metric that is nan on all reports."""
    if not counts.known_NL.any():
        return "no report has a known label"
    if label is None:
        if metric.endswith("_published"):
            unknown = [name for name, (_, _, known) in support(counts).items() if not known]
            return f"no report has a known label for {', '.join(unknown)}"
        if "_macro_" in metric:
            left_out = macro_columns(counts, metric.split("_")[3])[1]
            return "no label has 10 positives and 10 negatives: " + ", ".join(f"{n} ({w})" for n, w in left_out.items())
        return "no label is true of any report"
    column = counts.columns([label])[0]
    if metric == "precision":
        return "the hypotheses never say it" if not counts.said_NL[:, column].any() else "not defined"
    return "no positive reference" if counts.known_NL[:, column].any() else "no report has a known label"


def support(counts: Counts) -> Mapping[str, tuple[int, int, int]]:
    """Label -> (positive references, times said, reports with a known label)."""
    sums = [of_NL.sum(0).astype(int).tolist() for of_NL in (counts.true_NL, counts.said_NL, counts.known_NL)]
    return {name: (sums[0][i], sums[1][i], sums[2][i]) for i, name in enumerate(counts.names)}


def _f1(hit: np.ndarray, true: np.ndarray, said: np.ndarray) -> np.ndarray:
    """2 hit / (true + said); nan without a positive, where it would be 0 for the best of systems too."""
    return np.where(true > 0, ratio(2 * hit, true + said), np.nan)


def _examples(counts: Counts, columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """(F1 of each report's label sets, 0 where it has none; 1 where it has one), each [N]."""
    hit_N = counts.hit_NL[:, columns].sum(1)
    both_N = counts.true_NL[:, columns].sum(1) + counts.said_NL[:, columns].sum(1)
    return 2 * hit_N / np.maximum(both_N, 1), (both_N > 0).astype(float)
