"""Facts of a brain case as numbers, and a head that knows which token said what."""

from __future__ import annotations

import math

import torch

from medley.core.records import Case
from medley.core.seeds import seed_torch
from medley.decoders.facts import FACT_WORDS, PLACES, PlacedFacts, places_of
from medley.decoders.prompt import patient_words, report_text


def case(**truth) -> Case:
    return Case("c", "p", "s", truth=truth)


def test_places_are_those_of_the_truth_none_where_healthy_and_unknown_where_nobody_knows():
    values = places_of(case(healthy=False, sides="bilateral", side_lobe=[["left", "frontal"], ["right", "deep"]]))
    said = {place for place, value in zip(PLACES, values, strict=True) if value}
    assert said == {"bilateral", "left frontal", "right deep"}
    assert not any(places_of(case(healthy=True)))
    only = places_of(case(healthy=False, sides="left"))
    assert only[:3] == [1.0, 0.0, 0.0]
    assert all(math.isnan(value) for value in only[3:])
    assert all(math.isnan(value) for value in places_of(case()))


def test_a_place_is_read_off_which_token_speaks():
    """Every token says the same, at one of eight places: a pool could not tell, the flattened tokens can."""
    seed_torch("placed", 0)
    head = PlacedFacts(torch.full((8,), 0.125), tokens=8, dim=6, narrow=4)
    assert torch.allclose(head.facts.bias, torch.logit(torch.full((8,), 0.125)))
    tokens = torch.zeros(8, 8, 6)
    tokens[torch.arange(8), torch.arange(8)] = torch.randn(6)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(head(tokens), torch.eye(8)).backward()
        optimizer.step()
    assert (head(tokens).argmax(1) == torch.arange(8)).all()


def test_words_that_say_what_is_where():
    said = "No edema in the left-sided frontal lobe, temporally not; a LESION of the brainstem compresses nothing."
    assert [match[0] for match in FACT_WORDS.finditer(said)] == [
        "No",
        "edema",
        "left",
        "frontal",
        "not",
        "brainstem",
        "compresses",
    ]


def test_a_report_is_one_line_and_findings_and_impression_are_one():
    assert report_text({"report": " A lesion\n in the left lobe"}) == "A lesion in the left lobe."
    assert report_text({"findings": "A lesion.", "impression": "Glioma?"}) == "A lesion. Glioma?"
    assert report_text({"impression": "Normal"}) == "Normal."
    assert report_text({}) is None
    assert report_text({"report": " "}) is None


def test_of_a_patient_is_said_what_is_known():
    assert patient_words(Case("c", "p", "s", sex="F", age_years=61.2)) == "The patient is a 61-year-old woman."
    assert patient_words(Case("c", "p", "s", age_years=40)) == "The patient is a 40-year-old person."
    assert patient_words(Case("c", "p", "s", sex="M")) == "The patient is a man."
    assert patient_words(Case("c", "p", "s")) == ""
