"""The scorecard as a page that a clinician can read: first in words, then in numbers, then in pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping

from medley.evaluation import page
from medley.evaluation.headline import FLOORS, headline
from medley.evaluation.scorecard import Scorecard
from medley.evaluation.statistics import Metric
from medley.evaluation.tables import FUSED

STAMP = "SYNTHETIC: made from generated cases. These numbers say nothing about patients."
TITLES = {"chest_findings": "Scorecard: findings on chest films"}
DASH = "\u2060–\u2060"  # word joiners: an interval is not broken in two
METRICS = {
    "auroc_macro": "AUROC, mean over labels",
    "auroc_micro": "AUROC, labels pooled",
    "auroc_chexpert5": "AUROC, mean of CheXpert's five",
    "ap_macro": "Average precision, mean over labels",
    "f1_macro": "F1, mean over labels",
    "f1_micro": "F1, labels pooled",
    "ece": "Calibration error ↓",
    "ece_if_calibrated": "… that true probabilities would show",
    "brier": "Brier score ↓",
}
PER_LABEL = {
    "auroc": "AUROC",
    "ap": "AP",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
}
CAPTIONS = {
    "roc": "The share of the ill who are found against the share of the healthy who are alarmed, at every threshold: "
    "the nearer to the upper left corner the better; on the grey line the score says nothing. "
    "In brackets: positives of cases with a known label.",
    "pr": "The share of calls that are right against the share of the ill who are found; the flat line is what "
    "calling everybody would give.",
    "reliability": "What the system said against what happened, all labels together in 15 groups of equal size with "
    "95 % intervals: on the grey line a said 30 % comes true three times in ten. Below: how often each was said.",
}


def scorecard_page(card: Scorecard, pictures: Mapping[str, bytes]) -> str:
    """The whole page; `pictures` as `pictures.finding_pictures` makes them."""
    body = [page.paragraph(headline(card), lead=True)]
    if card.warnings:
        body += [page.heading("Before you quote a number"), page.bullets(card.warnings)]
    body += [page.heading("The numbers"), _averages(card)]
    body += [page.paragraph(line) for line in _differences(card)]
    body += [page.heading("Label by label"), _labels(card)]
    if missing := _missing(card):
        body.append(page.folded("What could not be computed, and why", page.bullets(missing)))
    body.append(page.heading("Pictures"))
    body.append(page.gallery(page.figure(picture, CAPTIONS[name]) for name, picture in pictures.items()))
    body += [page.heading("How it was measured"), page.folded("Protocol", _settings(card.protocol))]
    body.append(page.folded("Provenance", _settings(card.provenance)))
    stamp = STAMP if card.protocol.get("synthetic") else None
    return page.document(TITLES.get(card.task, f"Scorecard: {card.task}"), "\n".join(body), stamp=stamp)


def _heads(card: Scorecard) -> list[str]:
    return [head for head in card.per_label if not head.startswith("fused_minus_")]


def _words(head: str) -> str:
    return head.replace("_", " ").capitalize()


def _said(metric: Metric | None) -> str:
    if metric is None or metric.value is None:
        return "—"
    return f"{metric.value:.3f}" + (f"\n({metric.ci95[0]:.3f}{DASH}{metric.ci95[1]:.3f})" if metric.ci95 else "")


def _averages(card: Scorecard) -> str:
    """One row a metric, one column a head, then the floors that are no head."""
    heads, floors = _heads(card), [name for name in card.floors if name not in card.per_label]
    rows = []
    for name, words in METRICS.items():
        values = [_said(card.metrics.get(name if head == FUSED else f"{head}/{name}")) for head in heads]
        beside = [card.floors[floor].get(name) for floor in floors]
        rows.append([words, *values, *("—" if value is None else f"{value:.3f}" for value in beside)])
    if image_level := card.metrics.get("image_level/auroc_macro"):
        rows.append(["AUROC, mean over labels, image by image", _said(image_level), *[""] * (len(heads + floors) - 1)])
    header = ["", *map(_words, heads), *(f"Floor: {FLOORS.get(floor, floor)}" for floor in floors)]
    studies, patients = card.protocol.get("studies"), card.protocol.get("patients")
    caption = f"{studies} studies of {patients} patients; in brackets the 95 % interval over patients."
    return page.table(header, rows, caption=caption)


def _differences(card: Scorecard) -> list[str]:
    lines = []
    for name, metric in card.metrics.items():
        if name.startswith("fused_minus_") and metric.value is not None:
            head = name.removeprefix("fused_minus_").split("/")[0].replace("_", " ")
            interval = f" ({metric.ci95[0]:+.3f} to {metric.ci95[1]:+.3f})" if metric.ci95 else ""
            lines.append(f"Fused minus {head}, on the same patients: {metric.value:+.3f} AUROC{interval}.")
    return lines


def _labels(card: Scorecard) -> str:
    """The system's answer label by label; beside it the AUROC of the other heads and of the floors."""
    others = [head for head in _heads(card) if head != FUSED]
    floors = [name for name, floor in card.floors.items() if any(key.startswith("auroc/") for key in floor)]
    floors = [name for name in floors if name != "prevalence"]  # 0.5 by definition in every row
    rows = []
    for label, scores in card.per_label[FUSED].items():
        row = [label, f"{scores.positives}\u00a0/\u00a0{scores.positives + scores.negatives}"]
        row += [_said(scores.metrics.get(name)) for name in PER_LABEL]
        row.append("—" if scores.threshold is None else f"{scores.threshold:.3f}")
        row += [_said(card.per_label[head][label].metrics["auroc"]) for head in others]
        beside = [card.floors[floor].get(f"auroc/{label}") for floor in floors]
        rows.append([*row, *("—" if value is None else f"{value:.3f}" for value in beside)])
    header = ["Label", "Positive / known", *PER_LABEL.values(), "Called from"]
    header += [f"AUROC: {_words(head).lower()}" for head in others]
    header += [f"AUROC: {FLOORS.get(floor, floor)}" for floor in floors]
    return page.table(header, rows, caption="The fused answer. A dash is a number that could not be computed.")


def _missing(card: Scorecard) -> list[str]:
    """Reason by reason, the metrics that are null or without an interval because of it."""
    reasons: dict[str, list[str]] = {}
    named = dict(card.metrics)
    for head, labels in card.per_label.items():
        for label, scores in labels.items():
            named |= {f"{head}/{label}/{name}": metric for name, metric in scores.metrics.items()}
    for name, metric in named.items():
        if metric.error:
            reasons.setdefault(metric.error, []).append(name)
    return [f"{reason}: {', '.join(names)}" for reason, names in reasons.items()]


def _settings(settings: Mapping[str, object]) -> str:
    rows = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in settings.items()]
    return page.table(("", ""), [(key, "not stated" if value == "null" else value) for key, value in rows])
