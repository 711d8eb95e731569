"""Floors are paired with the system on the scorecard's own resamples, and the seed of these is what the card says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medley.evaluation.findings.scorecard import chest_findings_scorecard
from medley.evaluation.floors.paired import PairedFloors, paired_floors
from medley.evaluation.scorecard.card import Protocol

OF_FLOOR, ABOVE = "note/auroc_macro", "fused_minus_note/auroc_macro"


@pytest.fixture
def system(make):
    return make(120)


def paired(system, seed: int) -> PairedFloors:
    """The text-only head as a floor of its own."""
    alone = [replace(p, scores=p.heads["text_only"], heads={}) for p in system]
    return paired_floors(system, {"note": alone}, bootstrap=60, seed=seed)


def test_the_same_seed_gives_the_same_resamples_and_another_seed_others(system) -> None:
    first, again, other = paired(system, 1), paired(system, 1), paired(system, 2)
    assert first == again
    for name in (OF_FLOOR, ABOVE):
        assert first.metrics[name].value == other.metrics[name].value, "no seed moves a value"
        assert first.metrics[name].ci95 != other.metrics[name].ci95
    of_label = (found.by_label["fused_minus_note"]["Edema"].ci95 for found in (first, other))
    assert next(of_label) != next(of_label)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_seed_that_the_card_records_gives_its_intervals_and_no_other_does(system, seed: int) -> None:
    how = {"thresholds": None, "protocol": Protocol(), "provenance": {}, "floors": {}}
    card = chest_findings_scorecard(system, **how, bootstrap=60, seed=seed)
    assert card.provenance["bootstrap_seed"] == seed
    recorded, other = paired(system, card.provenance["bootstrap_seed"]), paired(system, seed + 1)
    for here, there in ((OF_FLOOR, "text_only/auroc_macro"), (ABOVE, "fused_minus_text_only/auroc_macro")):
        assert recorded.metrics[here].ci95 == pytest.approx(card.metrics[there].ci95, abs=1e-12)
        assert other.metrics[here].ci95 != pytest.approx(card.metrics[there].ci95, abs=1e-12)
