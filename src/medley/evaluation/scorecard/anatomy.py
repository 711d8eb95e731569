"""The part of the page on the maps of the chest's parts: where a system looks for the heart, against where it lies."""

from __future__ import annotations

from medley.core.counts import counted
from medley.core.labels import ANATOMY
from medley.evaluation.scorecard import page
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.numbers import NULL, number
from medley.evaluation.scorecard.tables import capital, cell

COLUMNS = {"anatomy_iou": "Overlap (IoU)", "anatomy_mass_in_mask": "Mass in mask"}
FLOORS = {
    "mean_mask": "the mean mask of the training studies as everybody's map",
    "untrained": "the same network with random weights",
}
INTRO = (
    "Some queries look for a part of the chest. Their maps are held against where the part lies: overlap of the map, "
    "cut to an area, with the part, and the share of the map's heat that lies in it. The floors below are maps that "
    "know nothing of this patient."
)


def anatomy_section(card: Scorecard) -> list[str]:
    """Heading, sentence, table; nothing where no part was scored."""
    if "anatomy_iou" not in card.metrics:
        return []
    facts = card.provenance.get("explanations", {}).get("anatomy", {})
    rows = [["All parts", *(cell(card.metrics.get(name)) for name in COLUMNS)]]
    for floor, words in FLOORS.items():
        if floor in card.floors:
            values = [card.floors[floor].get(name) for name in COLUMNS]
            rows.append([f"Floor: {words}", *(NULL if value is None else number(value) for value in values)])
            above = [card.metrics.get(f"trained_minus_{floor}/{name}") for name in COLUMNS]
            rows.append(["… the system is above it by", *(cell(metric, "+") for metric in above)])
    if (ceiling := facts.get("ceiling", {}).get("anatomy_iou")) is not None:
        rows.append(["Ceiling: the true places, as coarse as the map", number(ceiling), ""])
    for part in ANATOMY:
        rows.append([capital(part.replace("_", " ")), *(cell(card.metrics.get(f"{part}/{name}")) for name in COLUMNS)])
    body = [page.heading("Where it looks for the parts of the chest"), page.paragraph(INTRO)]
    body.append(page.table(("", *COLUMNS.values()), rows, label="Parts of the chest"))
    if studies := facts.get("studies"):
        cuts = f"; cut to an area at shares chosen on {facts['chosen_on']}" if facts.get("chosen_on") else ""
        body.append(page.bullets([f"On {counted(studies, 'study')} that are known to show them{cuts}"]))
    return body
