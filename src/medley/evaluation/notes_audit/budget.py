"""Check 2: does the text alone tell more of the labels than the leak budget lets it?

Who has to prove what differs. Generated notes can be weakened by who makes them, so the value itself must keep the
budget. Real text is as it is, and a probe on sixty notes is noisy: it breaks the budget when the lower end of the
interval does, widened for the number of readings that are judged, since the largest of many is large by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medley.data.source import LeakBudget
from medley.evaluation.classification import MIN_SUPPORT
from medley.evaluation.notes_audit.aurocs import Aurocs, aurocs, low, shown
from medley.evaluation.notes_audit.probes import TextProbes
from medley.evaluation.notes_audit.subject import Row, Subject, not_applicable, verdict
from medley.evaluation.statistics import Metric

ENOUGH = 50  # positives, and negatives, from which on a label of generated notes is judged by its value
FEWEST_NOTES = 2 * MIN_SUPPORT
MACRO = "macro"


@dataclass(frozen=True)
class Reading:
    """One AUROC of one probe, and what of it is held against the budget."""

    probe: str
    of: str  # macro, or a label
    metric: Metric
    held: float  # the value, or the lower end of its interval
    key: str  # of LeakBudget
    bound: float

    @property
    def over(self) -> float:
        """By how much; not above 0 within the budget."""
        return self.held - self.bound

    def __str__(self) -> str:
        return f"{self.probe}: {self.of} {shown(self.metric)}"

    def as_json(self) -> dict[str, Any]:
        """What `medley train` says when it stops."""
        key = f"data.notes.leak_budget.{self.key}"
        return {"probe": self.probe, "of": self.of, **self.metric.as_json(), "budget": key, "bound": self.bound}


def text_in_budget(subject: Subject, probes: TextProbes, budget: LeakBudget) -> Row:
    """Check 2. The macro AUROC of every probe is at most `budget.macro`, that of each label at most `budget.label`.

    Generated notes: a label with 50 positives and 50 negatives is judged by its value, one with 10 of each by the lower
    end of its interval. Real text: always by that. A label with fewer is not judged, and named.
    """
    patients = [case.patient_id for case in probes.cases]
    told = sum(bool(subject.notes[case.case_id]) for case in probes.cases)
    if told < FEWEST_NOTES:
        return not_applicable(2, f"{told} of {len(patients)} studies have a note; probes need {FEWEST_NOTES}")
    table = aurocs(probes.labels_NL, probes.scores, subject.labels, patients, seed=subject.seed)
    if table.why_none:
        return not_applicable(2, f"{table.why_none} (among {len(patients)} studies)")
    generated = not subject.of_real_text
    read = [one for probe in table.labels for one in readings(probe, table, list(table.labels), budget, generated)]
    unjudged = {str(one): one.metric.error for one in read if not np.isfinite(one.held)}
    if len(unjudged) == len(read):
        return not_applicable(2, next(iter(unjudged.values())) or "no AUROC is defined")
    over = sorted((one for one in read if one.over > 0), key=lambda one: -one.over)
    unproven = [one for one in read if one.over <= 0 and (one.metric.value or 0) > one.bound]
    macros = [one for one in read if one.of == MACRO and one.metric.value is not None]
    first = over[0] if over else max(macros or read, key=lambda one: one.metric.value or 0)
    found = [_in_words(probe, [one for one in read if one.probe == probe], over) for probe in table.labels]
    if unproven:
        found.append(f"above the budget by value and not by interval: {', '.join(map(str, unproven[:3]))}")
    return verdict(
        2,
        not over,
        first.metric.value,
        first.bound,
        "; ".join(found),
        "mend the notes (generated ones: `medley notes make --lambda`; real ones: leave out what was written after the "
        f"film), or raise the recipe's data.notes.leak_budget.{first.key} and say why",
        over=[one.as_json() for one in over],
        not_judged={**table.left_out, **unjudged},
        **_details(table, budget, len(patients), "frozen BERT" in probes.scores),
    )


def readings(probe: str, table: Aurocs, probes: Sequence[str], budget: LeakBudget, generated: bool) -> list[Reading]:
    """The macro of a probe and each label, held against the budget; `probes` are all that are."""
    by_label = table.labels[probe]
    at_once = len(probes) * len(by_label)
    support = {label: min(table.positives[label], table.negatives[label]) for label in by_label}
    macro = judged(table.macro[probe], max(support.values()), len(probes), generated)
    found = [Reading(probe, MACRO, table.macro[probe], macro, "macro", budget.macro)]
    for label, metric in by_label.items():
        held = judged(metric, support[label], at_once, generated)
        found.append(Reading(probe, label, metric, held, "label", budget.label))
    return found


def _in_words(probe: str, readings: Sequence[Reading], over: Sequence[Reading]) -> str:
    macro, *labels = readings
    ordered = sorted(labels, key=lambda one: -(one.metric.value or 0.0))
    worst = [one for one in ordered if one in over]
    most = ", ".join(f"{one.of} {shown(one.metric)}" for one in (worst or ordered)[:3])
    count = f"{len(worst)} labels over {worst[0].bound:g}, most" if worst else "most"
    above = f" over {macro.bound:g}" if macro in over else ""
    return f"{probe}: macro {shown(macro.metric)}{above}, {count} {most}"


def judged(metric: Metric, support: int, of: int = 1, generated: bool = True) -> float:
    """What is held against the budget: of generated notes with enough support the value, else the lower end of the
    interval, one `of` several that are judged at once."""
    if metric.value is None:
        return -np.inf
    return metric.value if generated and support >= ENOUGH else low(metric, of)


def _details(table: Aurocs, budget: LeakBudget, studies: int, bert: bool) -> dict[str, Any]:
    return {
        "studies": studies,
        "bound_macro": budget.macro,
        "bound_label": budget.label,
        "macro": {probe: metric.as_json() for probe, metric in table.macro.items()},
        "labels": {p: {label: m.as_json() for label, m in by.items()} for p, by in table.labels.items()},
        "frozen_bert": "read" if bert else "not run: no folder of a BERT was given (--bert)",
    }
