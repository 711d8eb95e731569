"""Answers that need no anatomy: which source a film comes from, and how it was taken and stored.

Where two sources are told apart by background, size, spacing, file format or histogram, and one has more of a label
than the other, a model learns the source and is praised for the label (Zech et al. 2018; DeGrave et al. 2021). A linear
probe reads those features only, grouped by patient; its AUROC has an interval over patients.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medley.core.counts import counted
from medley.core.seeds import generator
from medley.data.cases import CaseTable
from medley.data.checks.looks import Look
from medley.data.checks.probes import FEW, Auroc, auroc, probe
from medley.data.checks.result import FAILED, OK, WARNING, Check, not_applicable

TELLS_SOURCE_AUROC = 0.7  # lower end of the interval
GIVES_CLASS_AUROC = 0.65  # of "which source" as the only feature, on a label
TELLS_LABEL_AUROC = 0.75  # of acquisition features on a label, lower end: warning; and
GIVES_LABEL_AUROC = 0.9  # failed; of the source alone, which no probe can tell: warning
_MOST_FILMS = 5000
_OF_FILMS = "it asks films; volumes are asked by healthy-from-file and source-from-file"


def check_source(table: CaseTable, looks: Sequence[Look], seed: int = 0) -> Check:
    """Can a probe tell the sources apart, and does the source tell a label? Both together are the leak.

    A source that gives a label away almost by itself is a warning whatever the probe says: a network sees more.
    """
    name = "source-signature"
    films = _sample([look for look in looks if look.thumb is not None], seed)
    if not films and any(look.volume is not None for look in looks):
        return not_applicable(name, _OF_FILMS)
    sources = np.array([table.by_id[look.case_id].source for look in films])
    names, counts = np.unique(sources, return_counts=True)
    large = [str(source) for source, count in zip(names, counts, strict=True) if count >= FEW]
    if len(large) < 2:
        return not_applicable(name, f"{counted(len(large), 'source')} with {FEW} readable films and more; it takes two")
    features = np.stack([np.r_[look.acquisition, look.histogram] for look in films])
    patients = [table.by_id[look.case_id].patient_id for look in films]
    probes = {source: probe(features, sources == source, patients, seed) for source in large}
    told = {source: one for source, one in probes.items() if one}
    if not told:
        return not_applicable(name, "the sources have too few patients for a probe")
    given = _source_tells_label(table, large)
    best_source = max(told, key=lambda source: told[source].value)
    best = told[best_source]
    numbers = {
        "source_auroc": {source: [one.value, one.low, one.high] for source, one in told.items()},
        "label_auroc_of_source": {label: round(value, 4) for label, value in given.items()},
    }
    says = f"'{best_source}' is told from the rest with AUROC {best}, by background, size and histogram alone"
    lines = [f"{label}: the source alone has AUROC {value:.3f}" for label, value in given.items()]
    bad = [line for line, value in zip(lines, given.values(), strict=True) if value >= GIVES_CLASS_AUROC]
    if best.low < TELLS_SOURCE_AUROC:
        almost = [line for line, value in zip(lines, given.values(), strict=True) if value >= GIVES_LABEL_AUROC]
        if almost:
            todo = "a network may see more than the probe: score within one source, or balance the label within each"
            given_away = counted(len(almost), "label")
            wrong = f"the source gives {given_away} away, though no probe tells it from the film: {almost[0]}"
            return Check(name, WARNING, len(almost), wrong, todo, tuple(almost), numbers)
        return Check(name, OK, 0, f"the sources look alike: {says}", numbers=numbers)
    if not bad:
        todo = "no label goes with the source now; keep it so, and report scores by source"
        return Check(name, WARNING, 1, f"{says}; it tells no label", todo, (), numbers)
    todo = "train and score within one source, or balance every label within each; never mix COVID and other films"
    wrong = f"{says}, and it gives {counted(len(bad), 'label')} away: {bad[0]}"
    return Check(name, FAILED, len(bad), wrong, todo, tuple(bad), numbers)


def _source_tells_label(table: CaseTable, sources: Sequence[str]) -> dict[str, float]:
    """label -> AUROC of "the share of positives in my source" on the label: what knowing the source is worth."""
    out = {}
    for label in table.labels:
        rows = [
            (case.source, case.labels[label])
            for case in table.cases
            if case.source in sources and case.labels.get(label) in (0.0, 1.0)
        ]
        values = np.array([value for _, value in rows])
        if not FEW <= values.sum() <= len(values) - FEW:
            continue
        of = np.array([source for source, _ in rows])
        share = {source: values[of == source].mean() for source in set(of.tolist())}
        out[label] = auroc(values == 1, np.array([share[source] for source in of]))
    return out


def check_acquisition(table: CaseTable, looks: Sequence[Look], seed: int = 0) -> Check:
    """Do size, spacing, depth, format and the edges of the film tell a label, whatever the `source` column says?"""
    name = "acquisition-shortcut"
    films = _sample([look for look in looks if look.thumb is not None and look.view != "LATERAL"], seed)
    if not films and any(look.volume is not None for look in looks):
        return not_applicable(name, _OF_FILMS)
    if not films or not table.labels:
        return not_applicable(name, "no readable frontal film, or no labels")
    features = np.stack([look.acquisition for look in films if look.acquisition is not None])
    cases = [table.by_id[look.case_id] for look in films]
    told: dict[str, Auroc] = {}
    for label in table.labels:
        values = np.array([case.labels.get(label, np.nan) for case in cases])
        known = np.isin(values, (0.0, 1.0))
        patients = [case.patient_id for case, yes in zip(cases, known, strict=True) if yes]
        if found := probe(features[known], values[known] == 1, patients, seed):
            told[label] = found
    if not told:
        return not_applicable(name, f"no label has {FEW} films and patients with and without it")
    numbers = {"auroc": {label: [one.value, one.low, one.high] for label, one in told.items()}}
    order = sorted(told, key=lambda label: -told[label].low)
    lines = [f"{label}: AUROC {told[label]}" for label in order]
    given = [line for line, label in zip(lines, order, strict=True) if told[label].low >= GIVES_LABEL_AUROC]
    hints = [line for line, label in zip(lines, order, strict=True) if told[label].low >= TELLS_LABEL_AUROC]
    todo = "look how the films of this label were made; crop borders, resize alike, and report the floor beside it"
    if hints:
        bad = given or hints
        wrong = f"size, format and edges of the film alone tell {counted(len(bad), 'label')}: {bad[0]}"
        return Check(name, FAILED if given else WARNING, len(bad), wrong, todo, tuple(bad), numbers)
    return Check(name, OK, 0, f"size, format and edges tell no label; the most {lines[0]}", numbers=numbers)


def _sample(films: list[Look], seed: int) -> list[Look]:
    """At most _MOST_FILMS of them, for the probe: more would not change its answer."""
    if len(films) <= _MOST_FILMS:
        return films
    chosen = generator("check-data probe", seed, len(films)).choice(len(films), _MOST_FILMS, replace=False)
    return [films[row] for row in sorted(chosen.tolist())]
