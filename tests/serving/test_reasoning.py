"""The differential says only what the prediction holds, ranked, and says it about the model's outputs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.core.seeds import generator
from medley.language.mentions import find_mentions
from medley.serving.reasoning import HEADLINE, FindingEvidence, band_of, differential, gather_evidence
from medley.serving.verifier import verify

ZONES = ("right upper zone", "left lower zone", "both lower zones", "mediastinum", "outside the lungs", None)
TOKENS = ("pneumonia", "no", 'left "effusion"', "shortness of breath", "R/O mass\nfoo", "“quoted”", "", "😀")


def random_evidence(seed: int) -> tuple[FindingEvidence, ...]:
    random = generator("evidence", seed)
    scores = {label: float(random.beta(0.5, 0.5)) for label in CHEXPERT_14}
    thresholds = {label: None if random.random() < 0.1 else float(random.uniform(0.01, 0.95)) for label in scores}
    alone = {label: float(random.random()) for label in scores} if random.random() < 0.7 else None
    zones = {label: ZONES[int(random.integers(len(ZONES)))] for label in scores}
    tokens = {label: [TOKENS[i] for i in random.permutation(len(TOKENS))[:3]] for label in scores}
    return gather_evidence(scores, thresholds, alone, zones, tokens)


@pytest.mark.parametrize(
    ("probability", "threshold", "band"),
    [
        (0.67, 0.5, "likely"),
        (0.66, 0.5, "possible"),
        (0.34, 0.5, "possible"),
        (0.33, 0.5, "unlikely"),
        (0.10, 0.05, "likely"),  # a rare finding at twice its threshold
        (0.85, 0.90, "possible"),
        (0.5, None, "possible"),
        (1.0, 1.0, "likely"),
        (0.0, 0.0, "unlikely"),
        (0.2, 0.0, "likely"),
        (0.0, 0.3, "unlikely"),
        (1.0, 0.3, "likely"),
    ],
)
def test_bands(probability: float, threshold: float | None, band: str) -> None:
    assert band_of(probability, threshold) == band


def test_bands_rise_with_probability() -> None:
    order = ("unlikely", "possible", "likely")
    for threshold in (0.03, 0.2, 0.5, 0.9):
        ranks = [order.index(band_of(p / 200, threshold)) for p in range(201)]
        assert ranks == sorted(ranks)


def test_the_differential_passes_its_own_verifier() -> None:
    for seed in range(300):
        evidence = random_evidence(seed)
        text = differential(evidence).text
        checked = verify(text, evidence)
        assert checked.removed == (), (seed, checked.removed)
        assert checked.text == text
        assert checked.faithfulness in (None, 1.0)


def test_it_names_no_label_that_the_prediction_lacks() -> None:
    for seed in range(50):
        evidence = random_evidence(seed)[3:7]
        text = differential([FindingEvidence(**{**vars(f), "top_note_tokens": ()}) for f in evidence]).text
        own = {finding.label for finding in evidence}
        parents = {m.label for m in find_mentions(text)} - own
        assert parents <= {"Lung Opacity", "Consolidation"}  # only `against` of the whole prediction may add a parent
        assert {label for label in CHEXPERT_14 if label in text} - own <= {
            "Lung Opacity",
            "Consolidation",
            "No Finding",
        }


def test_ranked_by_band_then_probability() -> None:
    scores = {"Edema": 0.5, "Pneumonia": 0.9, "Fracture": 0.4, "Cardiomegaly": 0.8, "No Finding": 0.9}
    thresholds = {"Edema": 0.5, "Pneumonia": 0.5, "Fracture": 0.05, "Cardiomegaly": 0.99, "No Finding": 0.1}
    result = differential(gather_evidence(scores, thresholds))
    assert [line.split(":")[0] for line in result.lines] == ["1. Pneumonia", "2. Fracture", "3. Edema"]
    assert result.text.startswith(HEADLINE)
    assert "No support for Cardiomegaly at 80 %." in result.text


def test_what_the_note_added_and_what_speaks_against() -> None:
    evidence = gather_evidence(
        {"Pneumonia": 0.7, "Consolidation": 0.04, "Lung Opacity": 0.6, "No Finding": 0.8},
        {"Pneumonia": 0.4, "Consolidation": 0.5, "Lung Opacity": 0.5, "No Finding": 0.3},
        image_only={"Pneumonia": 0.15},
        zones={"Pneumonia": "left lower zone"},
        note_tokens={"Pneumonia": ["fever", "cough"]},
    )
    pneumonia = evidence[0]
    assert pneumonia.delta_from_note == pytest.approx(0.55)
    assert pneumonia.side == "left"
    line = differential(evidence).lines[0]
    for part in ("likely, 70 %", "threshold 40 %", "left lower zone", "+55 points", "“fever”, “cough”"):
        assert part in line
    assert "parent label Consolidation is unlikely at 4 %" in line
    assert "without the note gives 15 %" in line
    assert "healthy film at 80 %" in line
    assert "without the note it is 15 %, across the threshold" in line


def test_nothing_near_and_nothing_at_all() -> None:
    nothing = differential(gather_evidence({"Edema": 0.0, "Fracture": 0.004}, {"Edema": 0.5, "Fracture": 0.5}))
    assert nothing.lines == ()
    assert "None of the labels comes near its threshold." in nothing.text
    assert "Fracture at under 1 %, Edema at 0 %" in nothing.text
    assert differential(()).lines == ()


def test_no_line_contradicts_its_own_rounding() -> None:
    """Both numbers are written so that they differ, and the way between them is their difference as written."""
    pattern = re.compile(r"(?:over |under )?([\d.]+) %, threshold (?:over |under )?([\d.]+) %.* ([\d.]+) points? away")
    for seed in range(1000):
        random = generator("rounding", seed)
        threshold = float(random.uniform(0.02, 0.98))
        near = float(np.clip(threshold + random.choice([0.1, 0.01, 0.001, 0.0001]) * random.normal(), 0, 1))
        [line] = differential(gather_evidence({"Edema": near}, {"Edema": threshold})).lines or [""]
        if "away" not in line or "less than" in line:
            continue
        shown, cut, away = pattern.search(line).groups()
        assert shown != cut, line
        if "over" not in line and "under" not in line:
            assert float(away) == pytest.approx(abs(float(shown) - float(cut)), abs=1e-9), line
            assert (float(shown) > float(cut)) == (near > threshold), line
        assert float(away) > 0
        assert ", 1 points" not in line


def test_close_to_its_threshold() -> None:
    def line(probability: float, threshold: float) -> str:
        return differential(gather_evidence({"Edema": probability}, {"Edema": threshold})).lines[0]

    assert "44.6 %, threshold 45.4 %" in line(0.446, 0.454)
    assert "reaching 45.4 %, 0.8 points away" in line(0.446, 0.454)
    assert "falling below 45 %, 1 point away" in line(0.46, 0.45)
    assert "falling below 45 %, just on it" in line(0.45, 0.45)
    assert "less than 0.001 points away" in line(0.4500001, 0.45)


def test_the_hierarchy_speaks_only_where_the_labels_obey_it() -> None:
    scores = {"Pneumonia": 0.8, "Consolidation": 0.02, "Lung Opacity": 0.9}
    cuts = dict.fromkeys(scores, 0.5)
    assert "parent label Consolidation" in differential(gather_evidence(scores, cuts)).text
    freely = gather_evidence(scores, cuts, hierarchy=False)
    assert "parent label" not in differential(freely).text
    lone = {"Lung Opacity": 0.9, "Pneumonia": 0.02}
    assert "more specific kind" in differential(gather_evidence(lone, dict.fromkeys(lone, 0.5))).text
    assert differential(gather_evidence(lone, dict.fromkeys(lone, 0.5), hierarchy=False)).ranked[0].against == ()


def test_without_a_note_the_film_alone_is_known_and_nothing_is_said_of_a_note() -> None:
    [edema] = gather_evidence({"Edema": 0.8}, {"Edema": 0.5}, {"Edema": 0.1}, has_note=False)
    assert edema.probability_image_only == 0.1
    assert edema.delta_from_note is None
    assert "note" not in differential([edema]).lines[0]


def test_bad_tables_are_named() -> None:
    with pytest.raises(MedleyError, match="did you mean 'Edema'"):
        gather_evidence({"Edema": 0.2}, {"Edem": 0.5})
    for scores, thresholds in (({"Edema": 1.2}, {}), ({"Edema": float("nan")}, {}), ({"Edema": 0.1}, {"Edema": -1.0})):
        with pytest.raises(MedleyError, match="must lie between 0 and 1"):
            gather_evidence(scores, thresholds)
