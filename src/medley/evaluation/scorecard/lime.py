"""The part of the page on what reports of volumes rest on: LIME's supervoxels, against lesions whose place is known."""

from __future__ import annotations

from collections.abc import Sequence

from medley.core.counts import counted
from medley.evaluation.scorecard import page
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.numbers import NULL, number
from medley.evaluation.scorecard.tables import cell

COLUMNS = {
    "best_supervoxel": "Best supervoxel",
    "pointing_game": "Pointing game (within 5 mm)",
    "mass_in_mask": "Mass in lesion",
    "auprc": "AUPRC of voxels",
    "deletion": "Deletion ↓",
    "insertion": "Insertion",
}
FLOORS = {
    "chance": "By chance",
    "other_patient": "Maps of other patients",
    "randomised": "Models with random weights, asked for the same words",
    "random_order": "The same supervoxels in any order",
}
INTRO = (
    "Parts of the brain (supervoxels) are replaced by what surrounds them, and the model is asked how likely the words "
    "of its report still are. Best supervoxel: how often the part that speaks most for them is half lesion or more, or "
    "holds 30 % of the lesion or more. Mass in lesion: the share of all that speaks for them. Deletion and insertion: "
    "how likely the words stay while the heaviest parts are taken away, and become while they are shown first. The "
    "lines below know nothing of this patient, or learned nothing."
)


def lime_section(card: Scorecard, examples: Sequence[tuple[bytes, str]]) -> list[str]:
    """Heading, sentence, table and pictures; nothing where no lesion of a volume was explained."""
    if "best_supervoxel" not in card.metrics:
        return []
    facts = card.provenance.get("explanations", {}).get("lime", {})
    rows = [["The reports", *(cell(card.metrics.get(name)) for name in COLUMNS)]]
    for floor, words in FLOORS.items():
        if floor in card.floors:
            values = [card.floors[floor].get(name) for name in COLUMNS]
            rows.append([words, *(NULL if value is None else number(value) for value in values)])
    r2, stable = (cell(card.metrics.get(name)) for name in ("lime_r2_held_out", "lime_stability"))
    lines = [
        f"The {facts.get('target')} of {counted(facts.get('cases', 0), 'lesion')} by a keyed draw; hidden parts shown "
        f"as {facts.get('baseline')}; {facts.get('samples', 0):.0f} volumes each on average",
        f"How well a sum of parts explains the answers to rows it was not fitted to (R²): {r2}; how alike two rankings "
        f"of the ten heaviest parts are (Kendall's tau of two halves of the rows): {stable}",
        f"Random weights: {counted(facts.get('randomised_cases', 0), 'lesion')}, a model of its own for each",
    ]
    body = [page.heading("What the reports rest on"), page.paragraph(INTRO)]
    body += [page.table(("", *COLUMNS.values()), rows, label="LIME"), page.bullets(lines)]
    if examples:
        body.append(page.gallery(page.figure(picture, caption) for picture, caption in examples))
    return body
