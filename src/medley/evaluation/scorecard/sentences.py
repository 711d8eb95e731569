"""The page's section on where written sentences were read: a table held against the rest of the same report."""

from __future__ import annotations

from medley.core.counts import counted
from medley.evaluation.scorecard import page
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.numbers import NULL, number
from medley.evaluation.scorecard.tables import cell

COLUMNS = {"sentences/pointing_game": "Pointing game", "sentences/mass_in_mask": "Mass in mask"}
FLOORS = {
    "other_sentences": "the other sentences of the same report, on the same lesion",
    "even_map": "a map that prefers nothing",
}
INTRO = (
    "Where a sentence was read is the attention of its words to the pooled tokens, of these to the queries, and of the "
    "queries to the film, multiplied: ways that were open, and no proof of a cause. Where a sentence rightly says that "
    "a finding is there, its map is held against where that lies. If it is no better than the rest of its report, such "
    "maps tell of the film and nothing of the sentence."
)


def sentences_section(card: Scorecard) -> list[str]:
    """Heading, sentence, table; nothing where no sentence could be held against a lesion."""
    metric = card.metrics.get("sentences/pointing_game")
    if metric is None or metric.value is None:
        return []
    rows = [["Sentences that name the lesion", *(cell(card.metrics.get(name)) for name in COLUMNS)]]
    for floor, words in FLOORS.items():
        if floor in card.floors:
            values = [card.floors[floor].get(name) for name in COLUMNS]
            rows.append([f"Floor: {words}", *(NULL if value is None else number(value) for value in values)])
        above = [card.metrics.get(f"trained_minus_{floor}/{name}") for name in COLUMNS]
        if any(above):
            rows.append(["… they are above it by", *(cell(metric, "+") for metric in above)])
    facts = card.provenance.get("explanations", {}).get("sentences", {})
    said = [f"On {counted(metric.n, 'lesion')} that a sentence names"]
    if facts.get("likeness") is not None:
        said.append(
            f"The maps of a report's sentences are {facts['likeness']:.2f} alike on average (cosine; 1: the same)"
        )
    body = [page.heading("Where its sentences were read"), page.paragraph(INTRO)]
    return [*body, page.table(("", *COLUMNS.values()), rows, label="Sentences"), page.bullets(said)]
