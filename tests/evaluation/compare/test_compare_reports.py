"""Two systems that write reports: differences, how surely, and every reason not to compare."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.files import sha256, write_json, write_text
from medley.core.labels import CHEXPERT_14
from medley.core.records import Prediction
from medley.evaluation.clinical.external import ExternalScores
from medley.evaluation.clinical.labels import NamedLabeler
from medley.evaluation.compare.differences import compare
from medley.evaluation.compare.words import sentences, words_of
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.reports.scorecard import chest_report_scorecard
from medley.evaluation.scorecard.card import Protocol
from medley.evaluation.scorecard.files import by_report_csv
from medley.evaluation.statistics import holm

PROTOCOL = Protocol("hospital", "t1", "s1", "test", "uncertain ignore; blank mask", "none")
SENTENCES = {
    "Cardiomegaly": "The heart is enlarged.",
    "Pleural Effusion": "There is a {side} pleural effusion.",
    "Pneumothorax": "There is a {side} pneumothorax.",
    "Edema": "There is pulmonary edema.",
}
QUICK = {"bootstrap": 100, "permutations": 200}


def written(findings: dict[str, str]) -> dict[str, str]:
    said = [SENTENCES[name].format(side=side) for name, side in findings.items()]
    return {
        "findings": " ".join(said) or "The heart is normal in size. The lungs are clear.",
        "impression": "Abnormal chest." if said else "No acute cardiopulmonary abnormality.",
    }


def reports(n: int, skill: float, seed: int = 0) -> list[Prediction]:
    """n studies, two a patient; each finding is told as it is with this probability, else by chance."""
    truths, chance = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    made = []
    for i in range(n):
        true = {name: str(truths.choice(["left", "right"])) for name in SENTENCES if truths.random() < 0.4}
        told = {}
        for name in SENTENCES:
            sure, guess, side = chance.random() < skill, chance.random() < 0.4, str(chance.choice(["left", "right"]))
            if name in true if sure else guess:
                told[name] = true.get(name, side) if sure else side
        made.append(
            Prediction(f"c{i}", f"p{i // 2}", "chest_report", hypothesis=written(told), reference=written(true))
        )
    return made


@pytest.fixture
def system(tmp_path):
    """system(name, predictions, ...) writes a scorecard with its predictions beside it, and gives the folder."""

    def write(name, predictions, *, protocol=PROTOCOL, **options):
        folder = tmp_path / name
        write_predictions(folder / "predictions.jsonl", predictions)
        card = chest_report_scorecard(
            predictions,
            floors={},
            ceilings={},
            absent={},
            protocol=protocol,
            provenance={"predictions": sha256(folder / "predictions.jsonl")[:16]},
            bootstrap=0,
            **options,
        )
        write_json(folder / "scorecard.json", card.as_json())
        write_text(folder / "by_report.csv", by_report_csv(card))
        return folder

    return write


@pytest.fixture
def good(system):
    return system("good", reports(60, 0.9))


@pytest.fixture
def poor(system):
    return system("poor", reports(60, 0.2))


def test_the_better_system_is_named_with_interval_and_p(good, poor):
    found = compare(good, poor, **QUICK)
    of = found.averages["clinical_f1_micro_14"]
    assert of.a - of.b == pytest.approx(of.difference.value)
    assert of.difference.ci95[0] > 0
    assert of.p_holm == of.permutation.p == of.permutation.smallest_p == pytest.approx(1 / 201), "it stands alone"
    words = sentences(found)
    assert words[0].startswith("A is better than B in micro clinical F1 (14 labels) by 0.")
    assert words[0].endswith("60 studies of 30 patients.")
    assert words[1].startswith("A is better than B in micro clinical F1 (13, without No Finding)")
    assert [line.partition(", adjusted")[0].partition("of ")[2] for line in words[2:]] == [
        "the clinical metrics",
        "the text metrics",
        "the text metrics of the findings",
        "the text metrics of the impression",
        "labels and metrics",
    ]
    json.dumps(found.as_json(), allow_nan=False)


def test_every_metric_of_every_section_is_there_with_the_scorecards_own_values(good, poor):
    found = compare(good, poor, **QUICK)
    card = json.loads((good / "scorecard.json").read_text())
    measured = {name for name in card["metrics"] if not name.startswith("auxiliary/")}
    assert set(found.averages) == measured
    for name in measured:
        of = found.averages[name]
        assert of.a == card["metrics"][name]["value"] or of.a == pytest.approx(card["metrics"][name]["value"], abs=1e-9)
        assert of.difference.value is not None or of.difference.error
    for head in ("uncertain_1", "uncertain_0"):
        assert found.per_label[head]["Edema"]["f1"].a == pytest.approx(
            card["per_label"][head]["Edema"]["metrics"]["f1"]["value"]
        )
    assert found.averages["bertscore_f1"].difference.error == "A and B: no encoder: BERTScore needs the folder of one"
    assert found.per_label["uncertain_1"]["Fracture"]["f1"].difference.error == "A and B: no positive reference"
    texts = [name for name in found.averages if name.startswith("impression/")]
    assert len(texts) == 13
    p_values = {name: of.permutation and of.permutation.p for name in texts for of in [found.averages[name]]}
    assert holm(p_values) == {name: found.averages[name].p_holm for name in texts}, "a section is a family of tests"


def test_p_is_that_of_exchanging_reports_by_patient(system):
    """Four patients, so that all 2^3 exchanges can be made by hand, by the scorecard itself."""
    ours, theirs = reports(8, 0.95, seed=3), reports(8, 0.3, seed=3)
    found = compare(system("a", ours), system("b", theirs), bootstrap=1, permutations=64)

    def values(predictions):
        return {name: of.value for name, of in _card(predictions).metrics.items() if not name.startswith("auxiliary/")}

    names, sizes = ("clinical_f1_micro_14", "laterality_accuracy", "findings/cider_d", "bleu_4"), []
    for pattern in range(2**4):
        swap = [(pattern >> (i // 2)) & 1 == 1 for i in range(8)]
        one = [b if s else a for a, b, s in zip(ours, theirs, swap, strict=True)]
        other = [a if s else b for a, b, s in zip(ours, theirs, swap, strict=True)]
        first, second = values(one), values(other)
        sizes.append([abs(first[name] - second[name]) for name in names])
    for column, name in enumerate(names):
        test = found.averages[name].permutation
        assert test.exact
        assert test.p == pytest.approx(np.mean([row[column] >= sizes[0][column] - 1e-9 for row in sizes])), name


def _card(predictions):
    return chest_report_scorecard(
        predictions, floors={}, ceilings={}, absent={}, protocol=PROTOCOL, provenance={}, bootstrap=0
    )


def test_swapping_the_systems_turns_every_difference(good, poor):
    one, other = compare(good, poor, **QUICK), compare(poor, good, **QUICK)
    for name, of in one.averages.items():
        turned = other.averages[name]
        if of.difference.value is None:
            assert turned.difference.value is None
            continue
        assert of.difference.value == pytest.approx(-turned.difference.value, abs=1e-12)
        assert of.permutation.p == turned.permutation.p
    assert sentences(other)[0].startswith("B is better than A in micro clinical F1")


def test_a_system_is_like_itself(good, system):
    found = compare(good, system("again", reports(60, 0.9)[::-1]), **QUICK)
    assert sentences(found) == ["A and B give every case the same answer: there is nothing to tell apart."]
    made = [of for of in found.averages.values() if of.difference.value is not None]
    assert {of.difference.value for of in made} == {0}
    assert {of.permutation.p for of in made} == {1}


def test_one_report_has_differences_without_intervals(system):
    found = compare(system("a", reports(1, 1.0, seed=2)), system("b", reports(1, 0.0, seed=2)), **QUICK)
    of = found.averages["findings/bleu_1"]
    assert of.difference.value is not None
    assert of.difference.error == "no interval: one patient only"
    assert of.permutation.error == "one patient only: there is nothing to exchange"
    assert len(sentences(found)) >= 1


def test_a_section_that_only_one_wrote_is_not_compared_by_itself(system):
    """Which can be where both users state what section they mean."""
    stated, ours = replace(PROTOCOL, section="all that was written"), reports(20, 0.9)
    part = [replace(one, hypothesis={"findings": one.hypothesis["findings"]}) for one in ours]
    found = compare(system("a", ours, protocol=stated), system("b", part, protocol=stated), **QUICK)
    assert "only A wrote the section impression: it is not compared by itself" in found.warnings
    assert not any(name.startswith("impression/") for name in found.averages)
    assert found.averages["bleu_1"].difference.value > 0, "what B left out is missed in the joined texts"


def test_metrics_have_names_for_a_reader():
    assert words_of("clinical_f1_macro_5_uncertain_0") == "macro clinical F1 (CheXpert's five), uncertain as absent"
    assert words_of("clinical_f1_macro_14_published") == "macro clinical F1 (14 labels), rare ones too"
    assert words_of("clinical_f1_example_13") == "clinical F1 by report (13, without No Finding)"
    assert words_of("bleu_4") == "BLEU-4"


def scored(version, values):
    return {"green": ExternalScores("green", version, True, {"score": np.array(values)}, {})}


def test_scores_of_others_are_compared_from_what_stands_beside_the_scorecards(system):
    ours, theirs = reports(40, 0.9), reports(40, 0.2)
    first, second = np.linspace(0.2, 1, 40), np.linspace(0, 0.8, 40)
    a, b = system("a", ours, external=scored("1", first)), system("b", theirs, external=scored("1", second))
    of = compare(a, b, **QUICK).averages["external/green/score"]
    assert of.difference.value == pytest.approx(0.2)
    assert of.p_holm == of.permutation.p == of.permutation.smallest_p, "a family of one"
    assert compare(a, system("turned", ours[::-1], external=scored("1", first[::-1])), **QUICK).averages[
        "external/green/score"
    ].difference.value == pytest.approx(0)

    found = compare(a, system("newer", theirs, external=scored("2", second)), **QUICK)
    assert "external/green/score" not in found.averages
    assert "scores of green are not compared: A has green 1, B green 2" in found.warnings

    content = (b / "by_report.csv").read_text()
    for changed, words in (
        (content.replace("c1,", "other,", 1), "by_report.csv is not of the cases"),
        (content.replace(f",{second[5]}", ",much", 1), "holds something that is no number"),
        (
            content.replace(f",{second[5]}", ",0.9", 1),
            "says external/green/score 0.4, and the predictions beside it give",
        ),
    ):
        (b / "by_report.csv").write_text(changed)
        refuses(a, b, words)
    (b / "by_report.csv").unlink()
    of = compare(a, b, **QUICK).averages["external/green/score"]
    assert (of.difference.value, of.difference.error) == (
        None,
        "B: by_report.csv beside its scorecard does not hold it",
    )


def test_what_needs_an_encoder_is_compared_without_it(good, poor):
    """BERTScore of both, as their scorecards hold it; of one alone there is a reason."""
    for folder, value in ((good, 0.75), (poor, 0.5)):
        card = json.loads((folder / "scorecard.json").read_text())
        card["metrics"]["bertscore_f1"].update(value=value, error=None)
        (folder / "scorecard.json").write_text(json.dumps(card))
        lines = (folder / "by_report.csv").read_text().splitlines()
        rows = [f"{line},{value}" for line in lines[1:]]
        (folder / "by_report.csv").write_text("\n".join([f"{lines[0]},bertscore_f1", *rows]))
    found = compare(good, poor, **QUICK)
    assert found.averages["bertscore_f1"].difference.value == pytest.approx(0.25)
    card["metrics"]["bertscore_f1"].update(value=None, error="no encoder")
    (poor / "scorecard.json").write_text(json.dumps(card))
    assert compare(good, poor, **QUICK).averages["bertscore_f1"].difference.error == "B: no encoder"


# Refusals: each by name, in one line.


def refuses(a, b, *words):
    with pytest.raises(MedleyError) as error:
        compare(a, b, **QUICK)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value), error.value


def test_what_was_not_measured_alike_is_refused(good, system):
    ours = reports(60, 0.2)
    refuses(
        good,
        system("tokens", ours, tokens="13a"),
        "metric_definitions: ",
        "only A has text/1: coco tokens",
        "tokens: A 'coco', B '13a'",
        "the same --tokens",
    )
    theirs = NamedLabeler("chexbert", lambda texts: [dict.fromkeys(CHEXPERT_14, 1.0) for _ in texts])
    read = [system(name, ours, labeler=theirs) for name in ("one", "other")]
    refuses(good, read[0], "labeler: A 'medley', B 'chexbert'")
    refuses(*read, "was labelled by chexbert", "score both without --chexbert")
    labelled = [replace(one, labels={"Edema": 1}) for one in ours]
    refuses(good, system("truth", labelled), "truth: A 'reference text', B 'table'")
    part = [replace(one, hypothesis={"findings": one.hypothesis["findings"]}) for one in ours]
    refuses(good, system("part", part), "section: A 'findings, impression, all joined', B 'findings, all joined'")
    refuses(good, system("split", ours, protocol=replace(PROTOCOL, split="s2")), "split: A 's1', B 's2'")


def test_what_another_labeler_read_is_not_read_again_by_ours(system):
    ours, theirs = reports(20, 0.9), reports(20, 0.2)
    other = NamedLabeler("edema, always", lambda texts: [dict.fromkeys(CHEXPERT_14, 0.0) | {"Edema": 1.0}] * len(texts))
    a, b = system("a", ours, labeler=other), system("b", theirs, labeler=other)
    refuses(a, b, "was labelled by edema, always: its texts are read by our rules", "score both without --chexbert")


def test_unlike_cases_and_truths_are_refused(good, system):
    ours = reports(60, 0.2)
    refuses(good, system("fewer", ours[:-1]), "1 case in A only: 'c59'")
    other = [replace(ours[0], reference={**ours[0].reference, "findings": "x " * 60}), *ours[1:]]
    refuses(good, system("other", other), "unlike truths: the reference 'findings' of case 'c0' is", "x x …' in B")
    known = [replace(one, labels={"Edema": i % 2}) for i, one in enumerate(ours)]
    more = [replace(one, labels={**one.labels, "Fracture": 0}) for one in known]
    refuses(system("known", known), system("more", more), "'Fracture' of case 'c0' is not known in A and 0 in B")
    moved = [replace(one, patient_id="p") for one in ours]
    refuses(good, system("moved", moved), "case 'c0' is of patient 'p0' in A and 'p' in B")
    sides = [replace(one, truth={"sides": {}}) for one in ours]
    refuses(good, system("sides", sides), "truth_of_sides: ")
    a, b = (
        system(name, [replace(one, truth={"sides": {"Pneumothorax": side}}) for one in ours])
        for name, side in (("left", "left"), ("right", "right"))
    )
    refuses(a, b, "unlike truths: truth/sides of case 'c0' is \"{'Pneumothorax': 'left'}\" in A")


def test_reports_and_findings_are_not_compared(good, make, tmp_path):
    from medley.evaluation.findings.scorecard import chest_findings_scorecard

    folder = tmp_path / "findings"
    write_predictions(folder / "predictions.jsonl", make(40))
    card = chest_findings_scorecard(make(40), thresholds=None, protocol=PROTOCOL, provenance={}, floors={}, bootstrap=0)
    write_json(folder / "scorecard.json", card.as_json())
    refuses(good, folder, "is of the task chest_report and B", "chest_findings: only systems of one task")


def test_a_scorecard_that_its_predictions_do_not_bear_out_is_refused(good, poor):
    content = json.loads((poor / "scorecard.json").read_text())

    def write(change):
        edited = json.loads(json.dumps(content))
        change(edited)
        (poor / "scorecard.json").write_text(json.dumps(edited))

    write(lambda card: card["metrics"]["findings/bleu_4"].update(value=0.99))
    refuses(good, poor, "says findings/bleu_4 0.99, and the predictions beside it give 0.")
    write(lambda card: card["per_label"]["uncertain_0"]["Edema"]["metrics"]["f1"].update(value=0.99))
    refuses(good, poor, "says per_label/uncertain_0/Edema/f1 0.99")
    for folder in (good, poor):
        card = json.loads((folder / "scorecard.json").read_text())
        card["protocol"]["metric_definitions"] = "text/0: coco tokens"
        (folder / "scorecard.json").write_text(json.dumps(card))
    refuses(good, poor, "was made with other metric definitions than this version's (text/0): score again")
    lines = (poor / "predictions.jsonl").read_text()
    (poor / "predictions.jsonl").write_text(lines + lines.splitlines()[0] + "\n")
    refuses(good, poor, "is not what scorecard.json was made of")
