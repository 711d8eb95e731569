"""Our reading of brain reports on real ones: TextBraTS, beside what a language model took out of them, and captions.

The structured extractions are machine-made and no gold: where the two differ, either may be wrong. Most differences are
lobes that the extraction leaves out.
"""

from __future__ import annotations

import csv
import json

import pytest

from medley.core.labels import BRAIN_LOBES
from medley.language.brain import read_brain
from medley.language.sides import swap_sides

PARTS = {"edema": "Edema", "necrosis": "Necrosis", "mass effect": "Mass_Effect"}
REGIONS = {**{lobe: lobe for lobe in BRAIN_LOBES}, "basal ganglia": "deep", "parieto": "parietal"}


@pytest.fixture(scope="module")
def extracted(real_data) -> list[dict]:
    path = real_data / "brain_mri" / "textbrats" / "volumetric_extractions_LLM.json"
    return [one for one in json.loads(path.read_text()).values() if one.get("Pathologies")]


def _pairs(pathologies: dict) -> set[tuple[str, str]]:
    found = set()
    for part in ("Lesion", "Edema", "Necrosis"):
        for one in pathologies.get(part) or ():
            side, region = (str(one.get(key) or "").lower() for key in ("Side", "Region"))
            lobes = {lobe for word, lobe in REGIONS.items() if word in region}
            sides = {"bilateral": ("left", "right")}.get(side, (side,))
            found |= {(each, lobe) for each in sides for lobe in lobes if each in ("left", "right")}
    return found


def test_pairs_of_side_and_lobe_are_those_of_the_extraction(extracted):
    said = true = both = 0
    for one in extracted:
        ours, theirs = set(read_brain(one["Original_Text"]).side_lobe), _pairs(one["Pathologies"])
        said, true, both = said + len(ours), true + len(theirs), both + len(ours & theirs)
    assert len(extracted) > 360
    assert both / true > 0.99, "hardly a pair is missed"
    assert both / said > 0.97, "the others are named in the text, and not in the extraction"


def test_components_are_those_of_the_extraction(extracted):
    agree = sum(
        {name for name in PARTS if name in read_brain(one["Original_Text"]).asserted}
        == {name for name, key in PARTS.items() if one["Pathologies"].get(key)}
        for one in extracted
    )
    assert agree / len(extracted) > 0.99


def test_every_report_is_of_a_lesion_and_none_of_a_healthy_brain(extracted):
    for one in extracted:
        reading = read_brain(one["Original_Text"])
        assert reading.says_lesion
        assert not reading.says_normal, one["Original_Text"]
        assert reading.ended


def test_a_mirrored_report_is_read_on_the_other_side(extracted):
    other = {"left": "right", "right": "left", "bilateral": "bilateral", None: None}
    for one in extracted:
        before, after = read_brain(one["Original_Text"]), read_brain(swap_sides(one["Original_Text"]))
        assert after.side == other[before.side]
        assert {(other[side], lobe) for side, lobe in before.side_lobe} == set(after.side_lobe)


def test_captions_of_any_head_are_read_without_a_crash(real_data):
    with (real_data / "brain_mri" / "medpix_head_mr_2d" / "images.csv").open(newline="") as file:
        captions = {row["caption"] for row in csv.DictReader(file)}
    healthy = [text for text in captions if read_brain(text).says_healthy]
    assert len(captions) > 300
    assert len(healthy) < 0.03 * len(captions), "nearly all show something"
