"""What a comparison is made of where the systems write reports: likeness of words by section, and what the texts say.

The texts are read once, by the tokens that the protocol names; everything else is a product of matrices. What cannot
be read here (METEOR without WordNet, BERTScore, scorers of others) is taken from `by_report.csv`. Which labels stand in
a macro average is decided on the truth, so it is the same for both. The p are adjusted among the clinical metrics, the
text metrics of each section, the scores of others, and the labels and metrics of each head ("uncertain" as present and
as absent of chest reports; sides, lobes, pairs of both and components of brain reports).

Shapes: S studies, R resamples or exchanges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.errors import MedleyError
from medley.evaluation import text
from medley.evaluation.clinical.facts import OURS
from medley.evaluation.compare.by_report import FILE, read_by_report
from medley.evaluation.compare.record import Flat, Key, Weighted
from medley.evaluation.compare.systems import System
from medley.evaluation.ranking import ratio
from medley.evaluation.reports.statistics import Keyed, ReportStatistics, pooled_keyed, report_statistics
from medley.evaluation.scorecard.report_kinds import kind_of
from medley.evaluation.statistics import DeLongTest, Metric
from medley.evaluation.text.tokens import TOKENIZERS

JOINED = ""  # the group of what is measured on all sections at once
CLINICAL, TEXT, LABELS = "the clinical metrics", "the text metrics", "labels and metrics"
EXTERNAL, OTHERS = "external", "the scores of others"
HEADS = {"uncertain_1": LABELS, "uncertain_0": f"{LABELS}, uncertain as absent"}


def report_pair(a: System, b: System) -> ReportPair:
    """Both systems' reports, read once. Raises MedleyError where this version reads texts in another way."""
    first, second = (_read(system) for system in (a, b))
    warnings = []
    for name, ours, theirs in (("A", first, second), ("B", second, first)):
        if only := [prefix.rstrip("/") for prefix in ours.texts if prefix not in theirs.texts]:
            warnings.append(f"only {name} wrote the section {', '.join(only)}: it is not compared by itself")
    elsewhere, unlike = _read_elsewhere(a, b, first, [prefix for prefix in first.texts if prefix in second.texts])
    return ReportPair(a, b, first, second, tuple(elsewhere), (*warnings, *unlike))


@dataclass(frozen=True)
class ReportPair:
    """A `record.Pair`. The group of a key is its section, or for single labels the head that they stand under."""

    a: System
    b: System
    first: ReportStatistics
    second: ReportStatistics
    elsewhere: tuple[Key, ...]  # metrics that are not read off the texts here
    warnings: tuple[str, ...]
    stated: tuple[str, ...] = ("table", "split", "part", "label_policy", "section")

    @property
    def headline(self) -> Key:
        return Key(JOINED, None, kind_of(self.a.card.task).metric)

    @property
    def spoken(self) -> tuple[str, ...]:
        sections = [prefix.rstrip("/") for prefix in self.first.texts if prefix in self.second.texts]
        heads = kind_of(self.a.card.task).heads
        return (CLINICAL, *map(_text_family, sections), OTHERS, *map(_label_family, heads))

    def functions(self) -> tuple[Weighted, Weighted, Weighted]:
        a, b = _flat(self.first.keyed), _flat(self.second.keyed)
        both = _flat(pooled_keyed(self.first, self.second))
        ours_KS, theirs_KS = (self._elsewhere_KS(system) for system in (self.a, self.b))
        together_KS = np.concatenate([ours_KS, theirs_KS], axis=1)
        pairs = ((a, ours_KS), (b, theirs_KS), (both, together_KS))
        of_a, of_b, of_both = (_with_means(of, self.elsewhere, scores_KS) for of, scores_KS in pairs)
        return of_a, of_b, of_both

    def named(self, key: Key) -> str:
        return f"{key.group}/{key.metric}" if key.group else key.metric

    def own(self, side: str, key: Key) -> Metric | None:
        card = (self.a if side == "a" else self.b).card
        if key.label is None:
            return card.metrics.get(self.named(key))
        scores = card.per_label.get(key.group, {}).get(key.label)
        return None if scores is None else scores.metrics.get(key.metric)

    def cases(self, key: Key) -> int:
        own = self.own("a", key) or self.own("b", key)
        return own.n if own else len(self.first.case_ids)

    def unlike(self, key: Key) -> str | None:
        return None

    def undefined(self, side: str, key: Key) -> str:
        return f"{FILE} beside its scorecard does not hold it" if key in self.elsewhere else "not defined"

    def delong(self, key: Key) -> DeLongTest | None:
        return None

    def family(self, key: Key) -> str:
        if key.label is not None:
            return _label_family(key.group)
        if key.group.startswith(EXTERNAL):
            return OTHERS
        return _text_family(key.group) if key.metric in text.METRICS else CLINICAL

    def identical(self) -> bool:
        return all(
            ours.hypothesis == theirs.hypothesis
            for ours, theirs in zip(self.a.predictions, self.b.predictions, strict=True)
        )

    def _elsewhere_KS(self, system: System) -> np.ndarray:
        """The scores of single reports of the metrics that are not read here; nan where the scorecard has no value."""
        scores, nothing_S = read_by_report(system), np.full(len(system.predictions), np.nan)
        rows = []
        for key in self.elsewhere:
            own = system.card.metrics.get(self.named(key))
            known = own is not None and own.value is not None
            rows.append(scores.get(self.named(key), nothing_S) if known else nothing_S)
        return np.array(rows).reshape(len(rows), len(nothing_S))


def _flat(keyed: Keyed) -> Weighted:
    return lambda weights_SR: {Key(*key): values_R for key, values_R in keyed(weights_SR).items()}


def _with_means(metrics: Weighted, keys: Sequence[Key], scores_KS: np.ndarray) -> Weighted:
    """The metrics, and the weighted means of these scores over the reports that have one."""
    has_KS = np.isfinite(scores_KS)
    known_KS = np.where(has_KS, scores_KS, 0.0)

    def together(weights_SR: np.ndarray) -> Flat:
        means_KR = ratio(known_KS @ weights_SR, has_KS.astype(float) @ weights_SR)
        return metrics(weights_SR) | dict(zip(keys, means_KR, strict=True))

    return together


def _read_elsewhere(
    a: System, b: System, first: ReportStatistics, prefixes: Sequence[str]
) -> tuple[list[Key], list[str]]:
    """(metrics that are not read off the texts here, warnings of scorers that only one has, or in another version)."""
    keys = [_key(prefix + name) for prefix in prefixes for name in first.texts[prefix].absent]
    ours, theirs = (system.card.protocol.get("external") or {} for system in (a, b))
    same = [name for name in ours if ours[name] == theirs.get(name)]
    warnings = [
        f"scores of {name} are not compared: A has {ours.get(name, 'none')}, B {theirs.get(name, 'none')}"
        for name in dict.fromkeys((*ours, *theirs))
        if name not in same
    ]
    others = [name for name in a.card.metrics if name.startswith(tuple(f"{EXTERNAL}/{scorer}/" for scorer in same))]
    return [*keys, *map(_key, others)], warnings


def _key(name: str) -> Key:
    group, _, metric = name.rpartition("/")
    return Key(group, None, metric)


def _read(system: System) -> ReportStatistics:
    """The texts read as the scorecard says: METEOR and BERTScore only where what they need is at hand."""
    protocol = system.card.protocol
    if (labeler := protocol.get("labeler")) != OURS:
        rule = "its texts are read by our rules here, and another labeler's cannot be compared"
        raise MedleyError(f"{system.path} was labelled by {labeler}: {rule}; score both without --chexbert")
    definitions, tokens = str(protocol.get("metric_definitions")), protocol.get("tokens")
    task = system.card.task
    found = report_statistics(system.predictions, task=task, tokens=tokens) if tokens in TOKENIZERS else None
    if found is None or not _same_definitions(definitions, found.definitions):
        what = f"{system.path} was made with other metric definitions than this version's"
        raise MedleyError(f"{what} ({definitions.partition(':')[0]}): score again")
    return found


def _same_definitions(theirs: str, ours: Mapping[str, str]) -> bool:
    """What needs WordNet or an encoder may be there and not here."""
    always = ours["text"].partition("; meteor:")[0].partition("; bertscore:")[0]
    return theirs.startswith(always) and theirs.endswith(ours["clinical"])


def _label_family(head: str) -> str:
    return HEADS.get(head, f"{LABELS} of {head.replace('_', ' ')}")


def _text_family(section: str) -> str:
    return f"{TEXT} of the {section}" if section else TEXT
