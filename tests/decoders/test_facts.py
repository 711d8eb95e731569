"""Facts of a brain case as numbers, and a head that knows which token said what."""

from __future__ import annotations

import math

import pytest
import torch

from medley.core.records import Case
from medley.core.seeds import seed_torch
from medley.decoders.facts import FACT_WORDS, PLACES, PlacedFacts, SeenFacts, coherent, places_of
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


def test_a_lobe_that_is_nearly_involved_is_nearly_a_place():
    shares = [["left", "frontal", 0.7], ["left", "insula", 0.16], ["left", "deep", 0.06], ["right", "deep", 0.08]]
    soft = case(healthy=False, sides="left", side_lobe=[["left", "frontal"], ["left", "insula"]], shares=shares)
    values = dict(zip(PLACES, places_of(soft), strict=True))
    assert values["left frontal"] == 1.0
    assert values["left insula"] == pytest.approx(0.6), "a lobe counts from 15 %"
    assert values["left deep"] == values["right deep"] == values["right frontal"] == 0.0
    assert values["bilateral"] == pytest.approx(0.3), "the smaller side counts from 10 %"
    assert values["left"] == pytest.approx(0.7)
    assert values["right"] == 0.0
    hard = places_of(case(healthy=False, sides="left", side_lobe=[["left", "frontal"], ["left", "insula"]]))
    assert [value > 0.5 for value in values.values()] == [value > 0.5 for value in hard]


def test_shares_alone_make_no_place_known():
    values = places_of(case(healthy=False, sides="left", shares=[["left", "deep", 1.0]]))
    assert values[:3] == [1.0, 0.0, 0.0]
    assert all(math.isnan(value) for value in values[3:])


def test_of_many_lobes_the_largest_share_counts_though_it_is_small():
    shares = [["left", lobe, 0.14] for lobe in ("frontal", "parietal", "temporal", "occipital", "insula", "deep")]
    values = places_of(case(healthy=False, sides="left", side_lobe=[["left", "frontal"]], shares=shares))
    assert [place for place, value in zip(PLACES, values, strict=True) if value > 0.5] == ["left", "left frontal"]


def test_eighths_of_patches_lie_where_their_patch_lies():
    seen = SeenFacts(torch.full((24,), 0.1), (2, 3, 4), 5)
    with torch.no_grad():
        seen.patch.weight.zero_()
        seen.patch.bias.copy_(torch.arange(24.0))  # regions, then depth, height, width of the eighth
        seen.patch.weight[:, 0] = 100.0
        patches = torch.zeros(1, 24, 5)
        patches[0, :, 0] = torch.arange(24.0)
        _, maps = seen(patches)
    assert maps.shape == (1, 3, 4, 6, 8)
    for d, h, w in ((0, 0, 0), (3, 5, 7), (2, 1, 6)):
        patch = (d // 2 * 3 + h // 2) * 4 + w // 2
        assert float(maps[0, 1, d, h, w]) == 100 * patch + 8 + 4 * (d % 2) + 2 * (h % 2) + w % 2


def test_what_is_told_can_be_true_together():
    def told(lesion: float = 1.0, edema: float = 1.0, likeliest: str = "left deep", **calls: float) -> dict[str, float]:
        names = ("lesion", "edema", *PLACES)
        calls = {"lesion": lesion, "edema": edema, **{name.replace("_", " "): call for name, call in calls.items()}}
        called = torch.tensor([[calls.get(name, -1.0) for name in names]])
        logits = torch.tensor([[-1.0 if name == likeliest else -2.0 for name in names]])
        return {name: call for name, call in zip(names, coherent(called, logits)[0].tolist(), strict=True) if call > -1}

    assert told(left_deep=1.0) == {"lesion": 1.0, "edema": 1.0, "left": 1.0, "left deep": 1.0}
    assert told(lesion=-1.0, left_deep=1.0, bilateral=1.0) == {}, "nothing without a lesion"
    assert told() == told(left_deep=1.0), "no lesion without a lobe"
    assert told(right=1.0) == told(), "a side is that of its lobes"
    both = told(left_deep=1.0, right_frontal=1.0, left=1.0)
    assert both == {"lesion": 1.0, "edema": 1.0, "bilateral": 1.0, "left deep": 1.0, "right frontal": 1.0}
    nearly = told(left_deep=1.0, right_frontal=0.5)
    assert [nearly[side] for side in ("left", "right", "bilateral")] == [-0.5, -0.5, 0.5]
    alone = told(left_deep=1.0, bilateral=1.0)
    assert "bilateral" in alone, "the other side may have less than a lobe must hold"
    assert "left" not in alone


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
