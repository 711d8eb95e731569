"""The part of the page on what reports of brain MRI say: sick or healthy, side, lobe, pathology, and label by label."""

from __future__ import annotations

from medley.evaluation.scorecard import page
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.scorecard.tables import capital, cell

INTRO = (
    "What is said to be there is read from each report by rules and held against what is true of the brain. “Possible” "
    "counts as said, what is denied does not. F1: 2 × right / (said + true). What is neither said nor true counts for "
    "nothing."
)
RATES = {
    "lesion_sensitivity": "Lesions that are reported",
    "healthy_specificity": "Healthy brains of which nothing is said to be there, that are called normal, in a finished "
    "text",
    "lesion_balanced_accuracy": "The mean of both: what one answer for everybody leaves at 0.5",
    "laterality_accuracy": "Lesions on their true side; not mentioned is wrong, bilateral is a side of its own",
    "hallucination_rate": "Reports that name a component or a side and lobe that is not true, or a lesion in a healthy "
    "brain ↓",
    "facts_f1_example": "By report: F1 of components and places together; of a healthy brain 1 where it is called so",
}
KINDS = {
    "laterality": "Side",
    "anatomy": "Lobe",
    "side_lobe": "Side and lobe together",
    "pathology": "Components: edema, necrosis, mass effect, …",
}
AVERAGES = {
    "{}_f1": "All brains pooled",
    "{}_f1_macro": "Mean over labels with enough cases",
    "{}_f1_lesion_only": "Brains with a lesion alone",
    "{}_f1_healthy_only": "Healthy brains: nothing of it is said",
    "{}_f1_seed": "As BrainGemma3D counts",
    "{}_f1_seed_lesion_only": "… brains with a lesion alone",
}
SEED = (
    "BrainGemma3D's own count looks for single words and knows no negation: a report that denies everything, or says "
    "one thing of everybody, scores high in it. It stands here for comparison with its table alone."
)
LABELS_INTRO = (
    "Positive: how many brains truly have it, of those where that is known. Said: how many reports say it. Precision: "
    "the share of those that are right. Recall: the share of the positives that are said."
)


def brain_said(card: Scorecard) -> list[str]:
    """HTML, piece by piece."""
    rates = [[words, cell(card.metrics.get(name))] for name, words in RATES.items()]
    body = [page.heading("What the reports say"), page.paragraph(INTRO)]
    body.append(page.table(("", "Value"), rates, label="What the reports say"))
    rows = [[words, *(cell(card.metrics.get(name.format(kind))) for name in AVERAGES)] for kind, words in KINDS.items()]
    body += [page.subheading("F1"), page.table(("", *AVERAGES.values()), rows, label="F1"), page.paragraph(SEED)]
    body += [page.heading("Finding by finding"), page.paragraph(LABELS_INTRO)]
    body += [page.subheading(KINDS["pathology"]), _labels_table(card, "pathology")]
    for kind in ("anatomy", "laterality"):
        body += [page.subheading(KINDS[kind]), _labels_table(card, kind)]
    body.append(page.folded(KINDS["side_lobe"], _labels_table(card, "side_lobe")))
    return body


def _labels_table(card: Scorecard, head: str) -> str:
    rows = [_row(label, of) for label, of in card.per_label.get(head, {}).items()]
    header = ("Finding", "Positive / known", "Said", "F1", "Precision", "Recall")
    return page.table(header, rows, label=KINDS[head])


def _row(label: str, of: LabelScores) -> list[str]:
    support = f"{of.positives}\u00a0/\u00a0{of.positives + of.negatives}"
    values = [cell(of.metrics.get(name)) for name in ("f1", "precision", "recall")]
    return [capital(label), support, str(of.said), *values]
