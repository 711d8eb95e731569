"""Reports of brain MRI as `facts.Facts`: sides, lobes, pairs of both, and components that are said, against the truth.

Metrics without a note are micro F1: 2 right / (said + true) over all reports, the healthy ones' false claims among the
said. "Possible" counts as said. Proportions have Wilson's interval, all else that of the patient-clustered bootstrap.

Shapes: M reports, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.labels import BRAIN_COMPONENTS
from medley.core.records import Prediction
from medley.evaluation import statistics
from medley.evaluation.clinical.brain_counts import (
    BALANCED,
    FACTS,
    HALLUCINATION,
    HEALTHY_ONLY,
    LATERALITY,
    LESION_ONLY,
    PER_LABEL,
    PROPORTIONS,
    SENSITIVITY,
    SPECIFICITY,
    BrainCounts,
    count_brains,
)
from medley.evaluation.clinical.brain_truth import BrainFacts, merged, said, sources, true_by_text, truth_of, words_of
from medley.evaluation.clinical.facts import OURS, TABLE, TEXT, Key, LabelSupport, Measured, Weighted
from medley.evaluation.ranking import ratio
from medley.evaluation.statistics import NO_RESAMPLES, Metric, wilson, with_interval
from medley.language.brain import BrainReading, read_brain
from medley.language.labeler import join_sections

DEFINITIONS = (
    "brain/1: texts are read by medley.language.brain; possible counts as said, unmentioned as absent; f1: micro over "
    "all reports, a healthy brain's false claims counted; macro: mean over labels with 10 positives and 10 negatives; "
    "lesion_only: over brains with a lesion; healthy_only: the share of healthy brains of which nothing of the kind is "
    "said; laterality: bilateral is a class of its own, unmentioned is wrong, healthy left out; healthy_specificity: "
    "nothing is said to be there, the brain is called normal, the text is finished; hallucination: a component or a "
    "pair of side and lobe that is not true, or a lesion in a healthy brain; _seed: keywords, as BrainGemma3D counts"
)
_ONE_PATIENT = "no interval: one patient only"


def read_brains(predictions: Sequence[Prediction]) -> BrainReports:
    """Read hypotheses, references and truths once; every distinct text is read once.

    Each part of the truth (healthy, sides, lobes, pairs, components) is that of `Prediction.truth` where every
    prediction tells it, else what the reference says. Raises MedleyError, naming the case, for a truth that is none,
    and where no brain is known to be sick or healthy.
    """
    if not predictions:
        raise MedleyError("brain metrics: there are no predictions to score")
    known: dict[str, BrainReading] = {}

    def read(text: str) -> BrainReading:
        if text not in known:
            known[text] = read_brain(text)
        return known[text]

    table = [truth_of(one) for one in predictions]
    references = [join_sections(one.reference) for one in predictions]
    hypotheses = [join_sections(one.hypothesis) for one in predictions]
    of_references = [read(text) for text in references]
    of_part = sources(table)
    truths = [merged(one, true_by_text(of), of_part) for one, of in zip(table, of_references, strict=True)]
    components, unseen = _asked(truths, of_references, of_part["components"])
    readings = [read(text) for text in hypotheses]
    return BrainReports(
        case_ids=tuple(one.case_id for one in predictions),
        patient_ids=tuple(one.patient_id for one in predictions),
        truths=tuple(truths),
        readings=tuple(readings),
        texts=tuple(zip(hypotheses, references, strict=True)),
        truth=words_of(of_part),
        components=components,
        remarks=(*unseen, *_remarks(predictions, truths, readings, hypotheses, of_part)),
    )


@dataclass(frozen=True)
class BrainReports:
    """What M reports say (`readings`) and what is true. The heads of its labels are `brain_counts.KINDS`."""

    case_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    truths: tuple[BrainFacts, ...]
    readings: tuple[BrainReading, ...]
    texts: tuple[tuple[str, str], ...]  # hypothesis, reference
    truth: str  # where the truth comes from
    components: tuple[str, ...]  # those that are asked for
    remarks: tuple[str, ...] = ()

    @property
    def definitions(self) -> dict[str, str]:
        asked = ", ".join(self.components)
        return {"clinical": DEFINITIONS, "truth": self.truth, "labeler": OURS, "components": asked}

    @property
    def needs_reference(self) -> bool:
        return self.truth == TEXT

    @cached_property
    def counts(self) -> BrainCounts:
        of_readings = [said(reading) for reading in self.readings]
        healthy = [reading.says_healthy for reading in self.readings]
        return count_brains(self.truths, of_readings, healthy, self.texts, self.components)

    def statistics(self) -> Weighted:
        return self.counts.statistics()

    def pooled(self, other: BrainReports) -> Weighted:
        if self.case_ids != other.case_ids or self.patient_ids != other.patient_ids:
            raise MedleyError("two systems can be compared only on the same reports in one order")
        if self.truths != other.truths or self.components != other.components:
            raise MedleyError("two systems can be compared only where the same is true of each report")
        return self.counts.stacked(other.counts).statistics(macro_of=self.counts)

    def measured(self, *, resamples: int, seed: int) -> Measured:
        of_weights = self.statistics()
        points = of_weights(np.ones((len(self.case_ids), 1)))
        drawn = resamples > 0
        samples = statistics.bootstrap(of_weights, self.patient_ids, resamples=resamples, seed=seed) if drawn else {}
        found = {key: self._metric(key, float(value), samples.get(key)) for key, (value,) in points.items()}
        return Measured(
            metrics={metric: found[head, label, metric] for head, label, metric in found if label is None},
            per_label={kind: self._per_label(kind, found) for kind in self.counts.of_kind},
            left_out={
                f"{name} ({kind})": why
                for kind, (_, left_out) in self.counts.macro.items()
                for name, why in left_out.items()
                if kind != "side_lobe"  # of which most are rare
            },
        )

    def by_report(self) -> dict[str, np.ndarray]:
        return {name: ratio(value_M, has_M) for name, (value_M, has_M) in self.counts.means.items()}

    def _metric(self, key: Key, value: float, samples_R: np.ndarray | None) -> Metric:
        _, label, metric = key
        n, patients = self._cases(key), len(set(self.patient_ids))
        if np.isnan(value):
            return Metric(None, None, n, self._why(key))
        if label is None and metric in PROPORTIONS:
            return wilson(value * n, n) if patients > 1 else Metric(value, None, n, _ONE_PATIENT)
        if samples_R is None:
            return Metric(value, None, n, NO_RESAMPLES)
        return with_interval(value, samples_R, n=n, n_patients=patients)

    def _per_label(self, kind: str, found: Mapping[Key, Metric]) -> dict[str, LabelSupport]:
        of = self.counts.of_kind[kind]
        sums = [rows.sum(0).astype(int).tolist() for rows in (of.true_NL, of.said_NL, of.known_NL)]
        return {
            name: LabelSupport(
                sums[0][i], sums[1][i], sums[2][i], {metric: found[kind, name, metric] for metric in PER_LABEL}
            )
            for i, name in enumerate(of.names)
        }

    def _cases(self, key: Key) -> int:
        """Reports under a metric."""
        head, label, metric = key
        if label is None and metric == BALANCED:
            return int(sum(self.counts.means[name][1].sum() for name in (SPECIFICITY, SENSITIVITY)))
        if label is None and metric in self.counts.means:
            return int(self.counts.means[metric][1].sum())
        of = self.counts.of_kind[head or metric.partition("_f1")[0]]
        known_M = of.known_NL.any(axis=1)
        return int((known_M & (self.counts.lesion_M > 0)).sum() if metric.endswith(LESION_ONLY) else known_M.sum())

    def _why(self, key: Key) -> str:
        """The reason in words for a metric that is nan on all reports."""
        head, label, metric = key
        if label is not None:
            of = self.counts.of_kind[head]
            column = of.names.index(label)
            if metric == "precision":
                return "the hypotheses never say it" if not of.said_NL[:, column].any() else "not defined"
            return "no positive reference" if of.known_NL[:, column].any() else "not known of any brain"
        if "_seed" in metric:
            whose = "lesion" if metric.endswith(LESION_ONLY) else "healthy" if metric.endswith(HEALTHY_ONLY) else ""
            return f"no {whose} brain has a reference text".replace("  ", " ")
        if metric == LATERALITY:
            return "no lesion has a side that is known"
        if metric in (HALLUCINATION, FACTS):
            return "of no brain pairs of side and lobe and components are known"
        lacking = {SPECIFICITY: "healthy", SENSITIVITY: "lesion", BALANCED: self._one_kind_of_brain}.get(metric)
        if lacking or metric.endswith(HEALTHY_ONLY):
            return f"no {lacking or 'healthy'} brain is among the studies"
        kind = metric.partition("_f1")[0]
        if metric.endswith("_macro"):
            left_out = self.counts.macro[kind][1]
            return "no label has 10 positives and 10 negatives: " + ", ".join(f"{n} ({w})" for n, w in left_out.items())
        return f"no {_NOUNS[kind]} is true of any brain"

    @property
    def _one_kind_of_brain(self) -> str:
        return "healthy" if not self.counts.means[SPECIFICITY][1].any() else "lesion"


_NOUNS = {"laterality": "side", "anatomy": "lobe", "side_lobe": "pair of side and lobe", "pathology": "component"}


def _asked(
    truths: Sequence[BrainFacts], references: Sequence[BrainReading], source: str
) -> tuple[tuple[str, ...], list[str]]:
    """(the components that are asked for, remarks). What a table knows and the references, if there are any, never name
    is not asked: FLAIR shows no enhancement, and a report of it cannot either."""
    named = {name for reading in references for name in reading.findings}
    true = {name: sum(name in (one.components or ()) for one in truths) for name in BRAIN_COMPONENTS}
    if source != TABLE or not any(reading.says_anything for reading in references):
        return BRAIN_COMPONENTS, []
    unseen = [name for name in BRAIN_COMPONENTS if true[name] and name not in named]
    remarks = [
        f"{name} is true of {counted(true[name], 'brain')} and no reference names it: in no metric" for name in unseen
    ]
    return tuple(name for name in BRAIN_COMPONENTS if name not in unseen), remarks


def _remarks(
    predictions: Sequence[Prediction],
    truths: Sequence[BrainFacts],
    readings: Sequence[BrainReading],
    hypotheses: Sequence[str],
    of_part: Mapping[str, str],
) -> list[str]:
    """What a reader must know of these reports."""
    n, remarks = len(predictions), []
    if unknown := sum(one.lesion is None for one in truths):
        why = "their references call the brain neither sick nor healthy"
        remarks.append(f"{unknown} of {n} brains are not known to have a lesion or to be healthy: {why}")
    if unsided := sum(bool(one.lesion) and not one.sides for one in truths):
        remarks.append(f"{counted(unsided, 'lesion')} without a side that is known: not asked for laterality")
    written = [reading for reading, text in zip(readings, hypotheses, strict=True) if text.strip()]
    if unread := sum(not reading.says_anything for reading in written):
        remarks.append(f"nothing can be read in {unread} of {len(written)} hypotheses: they claim nothing")
    if cut := sum(not reading.ended for reading in written):
        remarks.append(f"{cut} of {len(written)} hypotheses are not finished: none of them is a healthy report")
    told = [part for part in of_part if of_part[part] == TEXT and any(one.truth.get(part) for one in predictions)]
    if told:
        remarks.append(f"not every prediction's truth tells {', '.join(told)}: read from the references for all")
    return remarks
