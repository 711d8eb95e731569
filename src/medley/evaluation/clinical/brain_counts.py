"""What each brain report brings to the metrics, and the metrics as functions of the reports' weights.

Of four kinds of labels (`KINDS`) the counts of what is said, what is true, and both; of each metric that is a mean over
reports the report's own value. A metric is a function of sums of these, so an interval reads no text again.

Shapes: M reports, L labels of a kind, K rows of sums, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medley.core.labels import BRAIN_LOBES, BRAIN_SIDES
from medley.evaluation.classification import macro_labels
from medley.evaluation.clinical.brain_seed import VOCABULARIES, seed_f1
from medley.evaluation.clinical.brain_truth import PAIRS, BrainFacts, Names
from medley.evaluation.clinical.counts import Counts
from medley.evaluation.clinical.facts import Key, Weighted
from medley.evaluation.ranking import ratio

KINDS = {"laterality": "sides", "anatomy": "lobes", "side_lobe": "side_lobe", "pathology": "components"}
LESION_ONLY, HEALTHY_ONLY = "_lesion_only", "_healthy_only"
LATERALITY, SPECIFICITY, SENSITIVITY = "laterality_accuracy", "healthy_specificity", "lesion_sensitivity"
BALANCED, HALLUCINATION, FACTS = "lesion_balanced_accuracy", "hallucination_rate", "facts_f1_example"
# means over reports of something that is or is not: they have Wilson's interval
PROPORTIONS = (LATERALITY, SPECIFICITY, SENSITIVITY, HALLUCINATION, *(f"{kind}_f1{HEALTHY_ONLY}" for kind in KINDS))
PER_LABEL = ("f1", "precision", "recall")


@dataclass(frozen=True)
class BrainCounts:
    """Of M reports. `means` holds (value, 1 where the report has one), each [M]; the value is 0 where it has none."""

    of_kind: Mapping[str, Counts]
    lesion_M: np.ndarray  # 1 where the brain is known to have a lesion
    means: Mapping[str, tuple[np.ndarray, np.ndarray]]

    @cached_property
    def macro(self) -> dict[str, tuple[list[int], dict[str, str]]]:
        """Kind -> the columns of its macro average, and its labels that are left out, with the reason."""
        found = {}
        for kind, of in self.of_kind.items():
            truth_ML = np.where(of.known_NL > 0, of.true_NL, np.nan)
            found[kind] = macro_labels(truth_ML, list(of.names))
        return found

    def stacked(self, other: BrainCounts) -> BrainCounts:
        """The reports of both, one system under the other, for `statistics.permutation_test`."""
        return BrainCounts(
            {kind: of.stacked(other.of_kind[kind]) for kind, of in self.of_kind.items()},
            np.concatenate([self.lesion_M, other.lesion_M]),
            {
                name: (np.concatenate([ours[0], other.means[name][0]]), np.concatenate([ours[1], other.means[name][1]]))
                for name, ours in self.means.items()
            },
        )

    def statistics(self, macro_of: BrainCounts | None = None) -> Weighted:
        """The function from weights [M, R] to every metric; nan where one is not defined.

        Which labels stand in a macro average is decided once, on all reports, or on those of `macro_of`: the reports
        once, where these counts hold them twice, for two systems.
        """
        macro = {kind: columns for kind, (columns, _) in (macro_of or self).macro.items()}
        names = list(self.means)
        means_2KM = np.array([rows for name in names for rows in self.means[name]])

        def metrics(weights_MR: np.ndarray) -> dict[Key, np.ndarray]:
            values: dict[Key, np.ndarray] = {}
            for kind, of in self.of_kind.items():
                values |= _of_kind(kind, of, self.lesion_M, macro[kind], weights_MR)
            sums_2KR = means_2KM @ weights_MR
            for row, name in enumerate(names):
                values["", None, name] = ratio(sums_2KR[2 * row], sums_2KR[2 * row + 1])
            values["", None, BALANCED] = (values["", None, SPECIFICITY] + values["", None, SENSITIVITY]) / 2
            return values

        return metrics


def count_brains(
    truths: Sequence[BrainFacts],
    said: Sequence[BrainFacts],
    healthy: Sequence[bool],
    texts: Sequence[tuple[str, str]],
    components: Sequence[str],
) -> BrainCounts:
    """The counts of M reports; `healthy` is whether each says so (`BrainReading.says_healthy`), `texts` hypothesis and
    reference, `components` those that are asked for."""
    names = {"laterality": BRAIN_SIDES, "anatomy": BRAIN_LOBES, "side_lobe": PAIRS, "pathology": tuple(components)}
    of_kind = {
        kind: _counts(names[kind], [getattr(one, part) for one in truths], [getattr(one, part) for one in said])
        for kind, part in KINDS.items()
    }
    lesion_M = np.array([one.lesion is True for one in truths], float)
    healthy_M = np.array([one.lesion is False for one in truths], float)
    sided_M = np.array([bool(one.lesion and one.sides) for one in truths], float)
    right_M = np.array([one.sides == of.sides for one, of in zip(truths, said, strict=True)], float)
    asked = frozenset(components)
    hallucinated = [_hallucinates(*each, asked) for each in zip(truths, said, strict=True)]
    facts = [_facts_f1(*each, asked) for each in zip(truths, said, healthy, strict=True)]
    means = {
        LATERALITY: (right_M * sided_M, sided_M),
        SPECIFICITY: (np.array(healthy, float) * healthy_M, healthy_M),
        SENSITIVITY: (np.array([bool(one.lesion) for one in said], float) * lesion_M, lesion_M),
        HALLUCINATION: _mean(hallucinated),
        FACTS: _mean(facts),
    }
    for kind, part in KINDS.items():
        empty_M = np.array([not getattr(one, part) for one in said], float)
        means[f"{kind}_f1{HEALTHY_ONLY}"] = (empty_M * healthy_M, healthy_M)
    for metric in VOCABULARIES:
        scores_M, has_M = _mean([seed_f1(*pair, metric) if pair[1].strip() else None for pair in texts])
        means[metric] = (scores_M, has_M)
        for suffix, of_M in ((LESION_ONLY, lesion_M), (HEALTHY_ONLY, healthy_M)):
            means[metric + suffix] = (scores_M * of_M, has_M * of_M)
    return BrainCounts(of_kind, lesion_M, means)


def _counts(names: Sequence[str], truths: Sequence[Names | None], said: Sequence[Names | None]) -> Counts:
    known_M1 = np.array([[truth is not None] for truth in truths], float)
    true_ML, said_ML = (
        np.array([[name in (of or ()) for name in names] for of in some], float).reshape(len(truths), len(names))
        for some in (truths, said)
    )
    return Counts(tuple(names), true_ML * known_M1, said_ML * known_M1, np.broadcast_to(known_M1, true_ML.shape).copy())


def _hallucinates(true: BrainFacts, of: BrainFacts, asked: Names) -> bool | None:
    """Whether the report asserts a component or a pair that is not true, or a lesion in a healthy brain; None where the
    truth of one of these is not known."""
    if true.lesion is None or true.components is None or true.side_lobe is None:
        return None
    if not true.lesion and of.lesion:
        return True
    said = (of.components or frozenset()) & asked | (of.side_lobe or frozenset())
    return not said <= true.components | true.side_lobe


def _facts_f1(true: BrainFacts, of: BrainFacts, healthy: bool, asked: Names) -> float | None:
    """F1 of the report's components and pairs together; of a healthy brain whether the report calls it so."""
    if true.lesion is None or true.components is None or true.side_lobe is None:
        return None
    if not true.lesion:
        return float(healthy)
    truth = true.components & asked | true.side_lobe
    said = (of.components or frozenset()) & asked | (of.side_lobe or frozenset())
    return 2 * len(truth & said) / (len(truth) + len(said)) if truth else None


def _mean(values: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
    has_M = np.array([value is not None for value in values], float)
    return np.array([value or 0.0 for value in values], float), has_M


def _of_kind(
    kind: str, of: Counts, lesion_M: np.ndarray, macro: list[int], weights_MR: np.ndarray
) -> dict[Key, np.ndarray]:
    hit_LR, true_LR, said_LR = (rows.T @ weights_MR for rows in (of.hit_NL, of.true_NL, of.said_NL))
    f1_LR = _f1(hit_LR, true_LR, said_LR)
    lesion_3R = np.stack([rows.sum(1) * lesion_M for rows in (of.hit_NL, of.true_NL, of.said_NL)]) @ weights_MR
    nothing_R = np.full(weights_MR.shape[1], np.nan)
    values: dict[Key, np.ndarray] = {
        ("", None, f"{kind}_f1"): _f1(hit_LR.sum(0), true_LR.sum(0), said_LR.sum(0)),
        ("", None, f"{kind}_f1_macro"): f1_LR[macro].mean(0) if macro else nothing_R,
        ("", None, f"{kind}_f1{LESION_ONLY}"): _f1(*lesion_3R),
    }
    by_label = {"f1": f1_LR, "precision": ratio(hit_LR, said_LR), "recall": ratio(hit_LR, true_LR)}
    for metric in PER_LABEL:
        values |= {(kind, name, metric): by_label[metric][i] for i, name in enumerate(of.names)}
    return values


def _f1(hit: np.ndarray, true: np.ndarray, said: np.ndarray) -> np.ndarray:
    """2 hit / (true + said); nan without a positive, where it would be 0 for the best of systems too."""
    return np.where(true > 0, ratio(2 * hit, true + said), np.nan)
