"""The tables of the scorecard's page. A cell is a value with its interval below it; none is made here.

A dash is what could not be computed, which `missing` gives the reason for. What was never asked of a row is left empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from medley.core.counts import counted
from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard import page
from medley.evaluation.scorecard.card import Axis, LabelScores, Scorecard
from medley.evaluation.scorecard.findings_headline import ordered_floors, verdicts, words_of
from medley.evaluation.scorecard.numbers import NULL, number, said
from medley.evaluation.scorecard.words import AVERAGES, CALIBRATION, EXPLANATION_FLOORS, EXPLANATIONS, PER_LABEL
from medley.evaluation.statistics import Metric

DELTA = "fused_minus_"
EXPLANATION = "explanation"  # the head of per_label that holds the scores of the maps


def floors_table(card: Scorecard) -> str:
    """One row a floor: what it is, its AUROC, what the system is above it, and what follows."""
    rows = []
    for verdict in verdicts(card):
        value = NULL if verdict.value is None else number(verdict.value)
        state = verdict.state + (f": {verdict.meaning}" if verdict.meaning else "")
        above = NULL if verdict.above is None else cell(verdict.above, "+")
        rows.append((capital(verdict.words), capital(state), value, above))
    return page.table(("Floor", "Verdict", "AUROC", "The system is above it by"), rows)


def averages_table(card: Scorecard) -> str:
    """One row a metric, one column a head, and the constant answers beside them."""
    heads = heads_of(card)
    constants = [name for name in ("all_negative", "prevalence") if name in card.floors]
    rows = []
    for name, words in AVERAGES.items():
        values = [cell(card.metrics.get(name if head == FUSED else f"{head}/{name}")) for head in heads]
        if any(values):
            rows.append([words, *values, *(_of_floor(card, floor, name) for floor in constants)])
    header = ["", *map(head_words, heads), *(f"Floor: {words_of(floor)}" for floor in constants)]
    return page.table(header, rows, label="Averages")


def labels_table(card: Scorecard) -> str:
    """The system's answer label by label, with the support of each."""
    rows = []
    for label, scores in card.per_label[FUSED].items():
        row = [label, f"{scores.positives}\u00a0/\u00a0{scores.positives + scores.negatives}"]
        row += [cell(scores.metrics.get(name)) for name in PER_LABEL]
        rows.append([*row, NULL if scores.threshold is None else number(scores.threshold)])
    return page.table(["Label", "Positive / known", *PER_LABEL.values(), "Called from"], rows, label="Label by label")


def labels_beside_floors(card: Scorecard) -> str:
    """AUROC of each label: the system, its other heads, and the floors that have one a label."""
    others = [head for head in heads_of(card) if head != FUSED]
    floors = [name for name in ordered_floors(card) if name not in ("prevalence", *others)]
    floors = [name for name in floors if any(key.startswith("auroc/") for key in card.floors[name])]
    rows = []
    for label, scores in card.per_label[FUSED].items():
        heads = [cell(_metric(card, head, label, "auroc")) for head in others]
        beside = [_of_floor(card, floor, f"auroc/{label}") for floor in floors]
        rows.append([label, cell(scores.metrics.get("auroc")), *heads, *beside])
    header = ["Label", "The system", *map(head_words, others), *(capital(words_of(floor)) for floor in floors)]
    return page.table(header, rows, label="AUROC of each label beside its floors")


def calibration_table(card: Scorecard) -> str:
    """Mean over labels first, then each label: raw and calibrated, beside what true probabilities would show."""
    names = [name for name in CALIBRATION if name in card.metrics]
    rows = [["Mean over labels", *(cell(card.metrics[name]) for name in names)]]
    for label, scores in card.per_label[FUSED].items():
        rows.append([label, *(cell(scores.metrics.get(name)) for name in names)])
    return page.table(["", *(CALIBRATION[name] for name in names)], rows, label="Calibration")


def axis_table(axis: Axis, label: str) -> str:
    """One row a subgroup: how many, over which labels, and the averages that it has."""
    names = [name for name in AVERAGES if any(name in group.metrics for group in axis.groups.values())]
    rows = []
    for group, scores in axis.groups.items():
        values = [cell(scores.metrics.get(name)) for name in names]
        rows.append([group, str(scores.studies), str(scores.patients), str(len(scores.labels)), *values])
    header = [
        "",
        "Studies",
        "Patients",
        "Labels averaged",
        *(AVERAGES[name].removesuffix(", mean over labels") for name in names),
    ]
    return page.table(header, rows, label=label)


def explanations_table(card: Scorecard) -> str:
    """What the maps of the best method score over all focal findings, what their floors do, and each finding's."""
    names = [name for name in EXPLANATIONS if name in card.metrics]
    rows = [["All focal findings", *(cell(card.metrics[name]) for name in names), ""]]
    for floor, words in EXPLANATION_FLOORS.items():
        if floor in card.floors:
            rows.append([f"Floor: {words}", *(_of_floor(card, floor, name) for name in names), ""])
    for label, scores in card.per_label[EXPLANATION].items():
        rows.append([label, *(cell(scores.metrics.get(name)) for name in names), str(scores.positives)])
    return page.table(["", *(EXPLANATIONS[name] for name in names), "Lesions"], rows, label="Explanations")


def explanation_lines(card: Scorecard) -> list[str]:
    """Whose maps these are, and whether they come from what the system learned."""
    facts = card.provenance.get("explanations", {})
    chosen = f", chosen on the {facts['chosen_on']} part" if facts.get("chosen_on") else ""
    over = f"{counted(facts.get('lesions', 0), 'lesion')} on {counted(facts.get('studies', 0), 'film')}"
    lines = [f"Method: {facts.get('method')}{chosen}; {over}"]
    above = card.metrics.get("trained_minus_randomised/pointing_game")
    if above is not None and above.value is not None:
        beaten = above.ci95 is not None and above.ci95[0] > 0
        follows = "the maps follow what it learned" if beaten else "the maps do not depend on what it learned"
        lines.append(f"Pointing game less that of random weights: {said(above, '+')}; {follows}")
    if left_out := facts.get("left_out"):
        lines.append(f"Not averaged: {', '.join(f'{label} ({why})' for label, why in left_out.items())}")
    return lines


def gap_lines(axis: Axis) -> list[str]:
    """The two groups that lie furthest apart, in words."""
    lines = []
    for name, gap in axis.largest_gap.items():
        found = gap.difference
        if found.value is None:
            continue
        apart = f"{gap.better} lies {said(found, '+')} above {gap.worse}"
        line = f"Largest gap in {AVERAGES.get(name, name)}: {apart}, over {counted(len(gap.labels), 'label')} of both"
        if found.ci95 is None:
            line += f" ({found.error})"
        nothing = found.ci95 is not None and found.ci95[0] <= 0
        lines.append(line + (": no difference that these studies can show." if nothing else "."))
    return lines


def differences(card: Scorecard) -> list[str]:
    """What calling nothing would give, and what the system is above its other heads on the same patients."""
    lines = []
    if accuracy := card.floors.get("all_negative", {}).get("accuracy_macro"):
        share = f"{100 * accuracy:.1f} %"
        lines.append(
            f"Calling nothing would be right in {share} of cases, and find nobody: accuracy alone says nothing."
        )
    for head in heads_of(card)[1:]:
        metric = card.metrics.get(f"{DELTA}{head}/auroc_macro")
        if metric is not None and metric.value is not None:
            words = head_words(head).lower()
            worse = metric.ci95 is not None and metric.ci95[1] < 0
            follows = ": it is worse than that head alone." if worse else "."
            lines.append(f"The system minus {words}, on the same patients: {said(metric, '+')} AUROC{follows}")
    return lines


def settings_table(settings: Mapping[str, object], label: str) -> str:
    """Keys and values as they stand in scorecard.json."""
    rows = [(key, _setting(value)) for key, value in settings.items()]
    return page.table(("", ""), rows, label=label)


def _setting(value: object) -> str:
    if value is None:
        return "not stated"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def heads_of(card: Scorecard) -> list[str]:
    """The system's answer and its other heads; neither differences nor maps."""
    return [head for head in card.per_label if not head.startswith(DELTA) and head != EXPLANATION]


def head_words(head: str) -> str:
    """The name of a head for a reader."""
    known = {FUSED: "The system", "image_level": "Image by image"}
    return known.get(head, head.replace("_", " ").capitalize())


def capital(words: str) -> str:
    """With a capital at its head, and all other letters as they are."""
    return words[:1].upper() + words[1:]


def cell(metric: Metric | None, sign: str = "") -> str:
    """The value, and below it its interval, which no narrow column breaks in two."""
    return said(metric, sign, between="\n").replace(", ", ",\N{NO-BREAK SPACE}")


def _of_floor(card: Scorecard, floor: str, name: str) -> str:
    """A floor's value; empty where the floor was not asked for it."""
    if name not in card.floors[floor]:
        return ""
    value = card.floors[floor][name]
    return NULL if value is None else number(value)


def _metric(card: Scorecard, head: str, label: str, name: str) -> Metric | None:
    scores: LabelScores | None = card.per_label[head].get(label)
    return scores.metrics.get(name) if scores else None
