"""Two systems that write brain reports: differences, how surely, and every reason not to compare."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from brains_data import brains

from medley.core.errors import MedleyError
from medley.core.files import sha256, write_json, write_text
from medley.evaluation.compare.differences import compare
from medley.evaluation.compare.words import sentences, words_of
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.reports.scorecard import brain_report_scorecard
from medley.evaluation.scorecard.card import Protocol
from medley.evaluation.scorecard.files import by_report_csv

QUICK = {"bootstrap": 100, "permutations": 200}


@pytest.fixture
def system(tmp_path):
    """system(name, predictions) writes a scorecard with its predictions beside it, and gives the folder."""

    def write(name, predictions):
        folder = tmp_path / name
        write_predictions(folder / "predictions.jsonl", predictions)
        card = brain_report_scorecard(
            predictions,
            floors={},
            ceilings={},
            absent={},
            protocol=Protocol("hospital", "t1", "s1", "test", "none", "none"),
            provenance={"predictions": sha256(folder / "predictions.jsonl")[:16]},
            bootstrap=0,
        )
        write_json(folder / "scorecard.json", card.as_json())
        write_text(folder / "by_report.csv", by_report_csv(card))
        return folder

    return write


@pytest.fixture
def good(system):
    return system("good", brains(60, 0.95))


@pytest.fixture
def poor(system):
    return system("poor", brains(60, 0.2))


def test_the_better_system_is_named_with_interval_and_p(good, poor):
    found = compare(good, poor, **QUICK)
    of = found.averages["side_lobe_f1"]
    assert of.difference.ci95[0] > 0
    assert of.p_holm == of.permutation.p == pytest.approx(1 / 201), "it stands alone"
    words = sentences(found)
    assert words[0].startswith("A is better than B in side and lobe F1 by 0.")
    assert words[0].endswith("60 studies of 30 patients.")
    assert [line.partition(", adjusted")[0].partition("of ")[2] for line in words[1:]] == [
        "the clinical metrics",
        "the text metrics",
        "labels and metrics of pathology",
        "labels and metrics of anatomy",
    ]
    assert "B is better" not in words[1], "fewer hallucinations are better, not worse"
    assert found.averages["hallucination_rate"].difference.value < 0
    json.dumps(found.as_json(), allow_nan=False)


def test_every_metric_is_there_with_the_scorecards_own_values(good, poor):
    found = compare(good, poor, **QUICK)
    card = json.loads((good / "scorecard.json").read_text())
    assert set(found.averages) == set(card["metrics"])
    for name, of in found.averages.items():
        assert of.a == card["metrics"][name]["value"] or of.a == pytest.approx(card["metrics"][name]["value"], abs=1e-9)
        assert of.difference.value is not None or of.difference.error
    assert set(found.per_label) == {"laterality", "anatomy", "side_lobe", "pathology"}
    edema = card["per_label"]["pathology"]["edema"]["metrics"]["recall"]["value"]
    assert found.per_label["pathology"]["edema"]["recall"].a == pytest.approx(edema)
    turned = compare(poor, good, **QUICK)
    for name, of in found.averages.items():
        if of.difference.value is not None:
            assert turned.averages[name].difference.value == pytest.approx(-of.difference.value, abs=1e-12), name


def test_metrics_have_names_for_a_reader():
    assert words_of("side_lobe_f1") == "side and lobe F1"
    assert words_of("pathology_f1_macro") == "macro pathology F1"
    assert words_of("anatomy_f1_seed_lesion_only") == "lobe F1 as BrainGemma3D counts, lesions alone"
    assert words_of("laterality_f1_healthy_only") == "laterality F1, healthy alone"
    assert words_of("auroc_macro") == "macro AUROC"


def test_unlike_truths_and_unlike_tasks_are_refused(good, system, tmp_path):
    turned = [
        replace(one, truth={**one.truth, "components": []}) if not one.truth["healthy"] else one for one in brains(60)
    ]
    with pytest.raises(MedleyError, match="unlike truths: truth/components of case 'c"):
        compare(good, system("other", turned), **QUICK)
    unknown = [replace(one, truth={}) for one in brains(60)]
    with pytest.raises(MedleyError, match="truth: A 'table', B 'reference text'"):
        compare(good, system("unknown", unknown), **QUICK)
    card = json.loads((good / "scorecard.json").read_text())
    card["metrics"]["side_lobe_f1"]["value"] = 0.99
    (good / "scorecard.json").write_text(json.dumps(card))
    with pytest.raises(MedleyError, match=r"says side_lobe_f1 0\.99, and the predictions beside it give 0\."):
        compare(good, good, **QUICK)
