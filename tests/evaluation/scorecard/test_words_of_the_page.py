"""What the page says in words is true: of each floor, of what is null, and of what calibration did."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from medley.evaluation.findings.scorecard import chest_findings_scorecard
from medley.evaluation.fitted.calibration import fit_calibration
from medley.evaluation.fitted.thresholds import fit_thresholds
from medley.evaluation.floors.paired import paired_floors, with_floors
from medley.evaluation.floors.simple import all_negative_floor
from medley.evaluation.predictions.arrays import head_tables
from medley.evaluation.scorecard.body import scorecard_page
from medley.evaluation.scorecard.calibrated import calibration_said
from medley.evaluation.scorecard.card import LabelScores, Protocol, Scorecard
from medley.evaluation.scorecard.dots import labels_figure
from medley.evaluation.scorecard.headline import headline
from medley.evaluation.scorecard.missing import missing
from medley.evaluation.scorecard.numbers import interval, number, said
from medley.evaluation.statistics import Metric


def judged(above: Metric | None, *, floor: str = "text_only", value: float | None = 0.8) -> str:
    """The first line of a card with one floor, which the system is `above` by so much."""
    scores = LabelScores(20, 30, 0, None, {"auroc": Metric(0.8, (0.7, 0.9), 50)})
    metrics = {"auroc_macro": Metric(0.8, (0.7, 0.9), 50)}
    if above is not None:
        metrics[f"fused_minus_{floor}/auroc_macro"] = above
    card = Scorecard("chest_findings", {}, {}, metrics, {floor: {"auroc_macro": value}}, {"fused": {"Edema": scores}})
    return headline(card)


@pytest.mark.parametrize(
    ("above", "value", "sentence"),
    [
        (Metric(0.2, (0.1, 0.3), 50), 0.6, "By more than its interval it beats the note alone (0.600)."),
        (
            Metric(0.01, (-0.02, 0.03), 50),
            0.79,
            "It does not beat the note alone (0.790; difference +0.010 [−0.020, +0.030], may be chance), "
            "so the image adds nothing that these studies can show.",
        ),
        (
            Metric(-0.01, (-0.03, 0.02), 50),
            0.81,
            "It does not beat the note alone, which scores higher (0.810; difference −0.010 [−0.030, +0.020], "
            "may be chance), so the image adds nothing that these studies can show.",
        ),
        (
            Metric(-0.1, (-0.2, -0.05), 50),
            0.9,
            "By more than its interval it is worse than the note alone (0.900; difference −0.100 "
            "[−0.200, −0.050]), so with the image it does worse than with the note alone.",
        ),
        (
            Metric(None, None, 50, "the floor text_only has no answer for Edema"),
            None,
            "Nothing is known against the note alone: the floor text_only has no answer for Edema.",
        ),
        (
            Metric(0.1, None, 50, "no interval: too few cases"),
            0.7,
            "Whether it beats the note alone (0.700; difference +0.100) is not known: no interval: too few cases.",
        ),
    ],
)
def test_each_floor_is_judged_by_name(above: Metric, value: float | None, sentence: str) -> None:
    first, _, rest = judged(above, value=value).partition(" of 50 studies. ")
    assert first == "AUROC 0.800 (95 % interval [0.700, 0.900]), mean over 1 label"
    assert rest == sentence


def test_a_constant_is_judged_by_the_interval_of_the_system() -> None:
    assert "it beats the constant answer (0.500)" in judged(None, floor="prevalence", value=0.5)
    assert "It does not beat the constant answer (0.750;" in judged(None, floor="prevalence", value=0.75)


def test_floors_of_which_the_same_follows_share_a_sentence() -> None:
    scores = LabelScores(20, 30, 0, None, {"auroc": Metric(0.5, (0.4, 0.6), 50)})
    floors = {"prevalence": {"auroc_macro": 0.5}, "all_negative": {"auroc_macro": 0.5}}
    metrics = {"auroc_macro": Metric(0.5, (0.4, 0.6), 50)}
    line = headline(Scorecard("chest_findings", {}, {}, metrics, floors, {"fused": {"Edema": scores}}))
    assert line.count("so it ranks no better than chance") == 1
    assert (
        "It does not beat the constant answer (0.500; difference +0.000 [−0.100, +0.100]) and calling nothing" in line
    )


def test_without_an_interval_nothing_is_claimed() -> None:
    scores = LabelScores(20, 30, 0, None, {"auroc": Metric(0.8, None, 50)})
    alone = Metric(0.8, None, 1, "no interval: one patient only")
    card = Scorecard("chest_findings", {}, {}, {"auroc_macro": alone}, {}, {"fused": {"Edema": scores}})
    said_first = "AUROC 0.800, mean over 1 label of 1 study. It has no interval (one patient only), "
    assert headline(card) == said_first + "so it cannot be held against any floor."


def test_an_interval_is_never_a_dash_between_two_signs() -> None:
    assert interval((-0.021, -0.004), "+") == "[−0.021, −0.004]"
    assert number(-0.0001, "+") == "+0.000", "what rounds to 0 has no minus"
    assert said(Metric(None, error="x")) == "—"
    assert said(None) == ""


def odd_card(make) -> Scorecard:
    """A card with nulls of every kind: labels without fits, of one class, in small groups, and that a floor skips."""
    predictions = [
        replace(p, group={"sex": "FM"[i % 2], "view": "AP" if i < 4 else "PA"}, labels={**p.labels, "Edema": 1})
        for i, p in enumerate(make(120, images=True))
    ]
    dev = [replace(p, labels={**p.labels, "Atelectasis": 0}) for p in make(60, "dev")]
    truth = head_tables(predictions)["fused"]
    card = chest_findings_scorecard(
        predictions,
        thresholds=fit_thresholds(dev),
        calibration=fit_calibration(dev),
        protocol=Protocol(),
        provenance={"explanations": {"method": "queries", "lesions": 1, "studies": 1}},
        floors={"all_negative": all_negative_floor(truth.labels_NL, truth.names), "mine": {"auroc_macro": None}},
        bootstrap=20,
    )
    skips = [replace(p, scores={"Consolidation": 0.5}, heads={}, images=()) for p in predictions]
    card = with_floors(card, paired_floors(predictions, {"black_images": skips}, bootstrap=20), {})
    pointing = {"pointing_game": Metric(None, error="no focal finding has 10 marked lesions")}
    return replace(
        card,
        metrics={**card.metrics, **pointing},
        floors={**card.floors, "same_label": {"pointing_game": None}},
        per_label={**card.per_label, "explanation": {"Edema": LabelScores(1, 0, 0, None, pointing)}},
    )


def nulls_of(card: Scorecard) -> set[str]:
    """Whatever the JSON holds that could not be computed, by the end of its name."""
    content, found = card.as_json(), set()

    def walk(value, name: str) -> None:
        if isinstance(value, dict) and {"value", "error"} <= set(value):
            if value["value"] is None or value["error"]:
                found.add(name)
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, key)

    walk(content["metrics"], "")
    walk(content["per_label"], "")
    for axis in content["subgroups"].values():
        walk(axis["groups"], "")
    for floor in content["floors"].values():
        found |= {name.rpartition("/")[2] for name, value in floor.items() if value is None}
    return {name.rpartition("/")[2] for name in found}


def test_every_null_is_listed_with_its_reason(make) -> None:
    card = odd_card(make)
    lines = missing(card)
    assert all(": " in line for line in lines)
    listed = " ".join(line.partition(": ")[2] for line in lines)
    nulls = nulls_of(card)
    assert {"f1", "mcc", "ece_calibrated", "auroc", "precision_macro", "pointing_game", "Edema"} <= nulls
    assert [name for name in nulls if name not in listed] == []
    assert "threshold" in listed
    assert "floor black_images" in listed
    assert "floor mine" in listed
    text = " ".join(lines)
    assert "calling nothing makes no call that could be right: precision_macro of floor all_negative" in text
    assert "largest gap" in text, "one view has too few studies"
    assert "not defined" not in re.sub(r"is not defined for the floor", "", text), "each has a reason"


def test_the_page_has_no_dash_that_it_does_not_explain(make) -> None:
    card = odd_card(make)
    page = scorecard_page(card, {})
    assert "<td>—</td>" in page
    body, _, end = page.partition("What could not be computed, and why")
    assert "reasons</summary>" in end
    assert page.count("<table>") == page.count('<div class="wide"'), "each table scrolls in its own box"
    assert "\u2013" not in "".join(re.findall(r"<td>(.*?)</td>", body, re.DOTALL)), "no dash between two numbers"
    full = replace(
        card,
        metrics={"auroc_macro": Metric(0.8, (0.7, 0.9), 60), "ece": Metric(0.1, (0.0, 0.2), 60)},
        floors={},
        subgroups={},
        per_label={"fused": {"Mass": LabelScores(20, 30, 0, 0.5, {"auroc": Metric(0.8, (0.7, 0.9), 50)})}},
    )
    whole = scorecard_page(full, {})
    assert "—" not in whole
    assert "<p>Nothing.</p>" in whole


def test_counts_agree_with_their_nouns(make) -> None:
    page = scorecard_page(odd_card(make), {})
    text = re.sub(r"<[^>]+>", " ", page)
    assert "1 lesion on 1 film" in text
    for plural in ("studies", "patients", "labels", "lesions", "films", "remarks", "reasons", "positives", "negatives"):
        assert not re.search(rf"(?<![\d.,+]) 1 {plural}\b", text), plural


def test_the_page_and_the_card_say_when_calibration_made_it_worse(make) -> None:
    """Fitted on a dev part of another kind it must: there the system is right about everything that it denies."""
    predictions = make(240)

    def card(dev) -> Scorecard:
        how = {"thresholds": None, "protocol": Protocol(), "provenance": {}, "floors": {}, "bootstrap": 20}
        return chest_findings_scorecard(predictions, calibration=fit_calibration(dev), **how)

    unlike = [
        replace(p, scores={name: p.scores[name] ** 4 for name in p.scores}, heads={})
        for p in make(240, "dev", heads=())
    ]
    worse, better = card(unlike), card(make(240, "dev"))
    for found, grew in ((worse, True), (better, False)):
        assert (found.metrics["ece_calibrated"].value > found.metrics["ece"].value) is grew
        says, sentence = calibration_said(found.per_label["fused"])
        assert says is grew
        assert sentence in scorecard_page(found, {})
        assert number(found.metrics["ece"].value) in sentence
        assert number(found.metrics["ece_calibrated"].value) in sentence
        assert (
            any("made the error larger" in line for line in json.loads(json.dumps(found.as_json()))["warnings"]) is grew
        )
    assert calibration_said({}) is None


def test_a_marker_at_one_lies_within_the_axes(make) -> None:
    card = odd_card(make)
    perfect = {
        name: replace(scores, metrics={**scores.metrics, "auroc": Metric(1.0, (1.0, 1.0), 50)})
        for name, scores in card.per_label["fused"].items()
    }
    figure = labels_figure(replace(card, per_label={**card.per_label, "fused": perfect}))
    axes = figure.axes[0]
    figure.draw_without_rendering()
    edge = axes.transAxes.transform((1, 0))[0]
    marker = axes.transData.transform((1.0, 0))[0]
    assert edge - marker >= 3.5 * figure.dpi / 72, "half of a marker of 7 points"
