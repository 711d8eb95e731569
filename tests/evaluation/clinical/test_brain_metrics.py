"""Brain metrics: what a constant and a denial earn on the seed's count and on ours, and each definition by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brains_data import HEALTHY, LOBES, answered, brains, lesion, written

from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.evaluation.clinical.brain import read_brains
from medley.evaluation.clinical.brain_counts import KINDS, PROPORTIONS
from medley.evaluation.clinical.brain_seed import seed_f1
from medley.evaluation.clinical.brain_truth import PARTS
from medley.evaluation.statistics import bootstrap, paired_differences, patient_weights, permutation_test, wilson

CONSTANT = (
    "The lesion area is in the right frontal and parietal lobes. Edema surrounds the lesion. Necrosis is seen in the "
    "center of the tumor. Ventricular compression is observed as mass effect."
)
DENIED = "No edema, no necrosis, no mass lesion, no tumor, no compression."
# as in TextBraTS every report has a sentence on each of four things, whether it is there or not
TEMPLATE = (
    "The lesion area is in the {side} {lobe} lobe. {edema} surrounds the tumor. Necrosis is {seen}. The compression of "
    "the ventricles by the mass is {seen_too}."
)


def values(predictions: list[Prediction], resamples: int = 0) -> dict[str, float | None]:
    found = read_brains(predictions).measured(resamples=resamples, seed=0)
    return {name: metric.value for name, metric in found.metrics.items()}


def one(text: str, truth: dict, *, reference: str | None = None, case_id: str = "c") -> Prediction:
    said = {"report": written(truth) if reference is None else reference}
    return Prediction(case_id, f"p{case_id}", "brain_report", hypothesis={"report": text}, reference=said, truth=truth)


def templated(n: int = 60) -> list[Prediction]:
    """Lesions alone, each in a report of TextBraTS's four sentences."""
    rng, made = np.random.default_rng(0), []
    for i in range(n):
        side, lobe = str(rng.choice(["left", "right"])), str(rng.choice(LOBES))
        there = [name for name in ("edema", "necrosis", "mass effect") if rng.random() < 0.5]
        said = TEMPLATE.format(
            side=side,
            lobe=lobe,
            edema="Edema" if "edema" in there else "No edema",
            seen="present" if "necrosis" in there else "not observed",
            seen_too="present" if "mass effect" in there else "not observed",
        )
        made.append(one("", lesion([(side, lobe)], tuple(there)), reference=said, case_id=f"c{i}"))
    return made


def test_a_constant_and_a_denial_score_high_on_the_seeds_count_and_near_the_floor_on_ours() -> None:
    predictions = templated()
    constant, denied = values(answered(predictions, CONSTANT)), values(answered(predictions, DENIED))
    assert constant["pathology_f1_seed"] > 0.95, "the words of the template are in every reference"
    assert denied["pathology_f1_seed"] > 0.85, "a denied word is a word"
    assert constant["side_lobe_f1"] < 0.2
    assert constant["pathology_f1"] < 0.7, "it says of everybody what half have"
    assert constant["laterality_accuracy"] < 0.65
    for name in ("side_lobe_f1", "pathology_f1", "laterality_accuracy", "lesion_sensitivity", "anatomy_f1"):
        assert denied[name] == 0, name
    mixed = [*predictions, *(one("", {"healthy": True}, case_id=f"h{i}") for i in range(40))]
    for text in (CONSTANT, DENIED, HEALTHY, ""):
        balanced = values(answered(mixed, text))["lesion_balanced_accuracy"]
        assert balanced <= 0.5, "one answer for everybody tells nobody apart"
    assert values(answered(mixed, CONSTANT))["healthy_specificity"] == 0
    right = values([replace(each, hypothesis=each.reference) for each in mixed])
    assert {right[name] for name in ("side_lobe_f1", "pathology_f1", "laterality_accuracy", "healthy_specificity")} == {
        1
    }


def test_the_seeds_count_is_its_own_to_the_letter() -> None:
    assert seed_f1("No edema.", "Edema!", "pathology_f1_seed") == 1
    assert seed_f1("lesions, masses", "lesion mass", "pathology_f1_seed") == 0, "it knows no plural"
    assert seed_f1("left-sided", "left", "laterality_f1_seed") == 0, "nor a hyphen"
    assert seed_f1("edema\nmass", "edema mass", "pathology_f1_seed") == 0, (
        "nor a line break: neither word is between spaces"
    )
    assert seed_f1("", "", "anatomy_f1_seed") == 1
    assert seed_f1("frontal", "", "anatomy_f1_seed") == 0
    assert seed_f1("frontal lobe", "frontal, parietal lobe", "anatomy_f1_seed") == pytest.approx(2 / 3)
    healthy = [one(HEALTHY, {"healthy": True}, case_id=f"h{i}") for i in range(3)]
    assert values(healthy)["laterality_f1_seed"] == 1, "healthy brains lift the seed's means"


def test_each_definition_by_hand() -> None:
    studies = [
        one(
            "Lesion in the left frontal lobe with edema. No mass effect.",
            lesion([("left", "frontal")], ("edema", "mass effect")),
            case_id="a",
        ),
        one("Lesion in the left frontal lobe.", lesion([("right", "frontal"), ("right", "parietal")]), case_id="b"),
        one("Bilateral frontal lesions with necrosis.", lesion([("left", "frontal")], ("necrosis",)), case_id="c"),
        one("No lesion is seen.", lesion([("left", "frontal")], ("edema",)), case_id="d"),
        one("The brain is normal.", {"healthy": True}, case_id="e"),
        one("The brain is normal. Possible edema.", {"healthy": True}, case_id="f"),
        one("The brain is nor", {"healthy": True}, case_id="g"),
    ]
    found = values(studies)
    assert found["laterality_accuracy"] == pytest.approx(1 / 4), "wrong, bilateral and unmentioned are wrong"
    assert found["laterality_f1"] == pytest.approx(2 * 1 / (4 + 3))
    assert found["side_lobe_f1"] == pytest.approx(2 * 2 / (5 + 4)), "a: 1 of 1; c: 1 of 2 said; b and d: none"
    assert found["anatomy_f1"] == pytest.approx(2 * 3 / (5 + 3))
    assert found["pathology_f1"] == pytest.approx(2 * 2 / (4 + 3)), "edema, necrosis; the healthy one's edema is said"
    assert found["pathology_f1_lesion_only"] == pytest.approx(2 * 2 / (4 + 2))
    assert found["pathology_f1_healthy_only"] == pytest.approx(2 / 3)
    assert found["lesion_sensitivity"] == pytest.approx(3 / 4)
    assert found["healthy_specificity"] == pytest.approx(1 / 3), "neither a possible edema nor a cut text"
    assert found["lesion_balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 3) / 2)
    assert found["hallucination_rate"] == pytest.approx(3 / 7), "b: a pair, c: a pair, f: edema of a healthy brain"
    facts = [2 * 2 / (3 + 2), 0, 2 * 2 / (2 + 3), 0, 1, 0, 0]
    assert found["facts_f1_example"] == pytest.approx(np.mean(facts))
    by_report = read_brains(studies).by_report()
    assert by_report["facts_f1_example"] == pytest.approx(facts)
    assert by_report["laterality_accuracy"][:4].tolist() == [1, 0, 0, 0]
    assert np.isnan(by_report["laterality_accuracy"][4:]).all()
    labels = read_brains(studies).measured(resamples=0, seed=0).per_label
    edema = labels["pathology"]["edema"]
    assert (edema.positives, edema.said, edema.known) == (2, 2, 7)
    assert edema.metrics["recall"].value == pytest.approx(1 / 2)
    assert labels["side_lobe"]["left frontal"].said == 3


def test_the_truth_is_the_predictions_own_or_what_the_reference_says_part_by_part() -> None:
    predictions = brains(30)
    told, read = read_brains(predictions), read_brains([replace(each, truth={}) for each in predictions])
    assert (told.truth, read.truth) == ("table", "reference text")
    ours, theirs = (of.measured(resamples=0, seed=0).metrics for of in (told, read))
    for name, metric in ours.items():
        assert metric.value == pytest.approx(theirs[name].value), f"{name}: these references say what is true"
    half = [
        replace(each, truth={key: value for key, value in each.truth.items() if key != "components"})
        for each in predictions
    ]
    assert read_brains(half).truth == "table: healthy, sides, lobes, side_lobe; reference text: components"
    other = [replace(each, reference={"report": "Lesion in the left insula."}) for each in predictions]
    assert read_brains(other).truths == told.truths, "a mask is believed before a text"
    lacking = [replace(predictions[0], truth={}), *predictions[1:]]
    assert any("not every prediction's truth tells" in line for line in read_brains(lacking).remarks)


def test_what_the_references_cannot_say_is_not_asked() -> None:
    enhancing = [lesion([("left", "frontal")], ("edema", "enhancement"))] * 3
    studies = [one("Left frontal lesion with edema.", truth, case_id=f"c{i}") for i, truth in enumerate(enhancing)]
    found = read_brains(studies)
    assert "enhancement" not in found.components
    assert found.remarks == ("enhancement is true of 3 brains and no reference names it: in no metric",)
    assert values(studies)["pathology_f1"] == 1
    named = [replace(each, reference={"report": "Enhancing left frontal lesion with edema."}) for each in studies]
    assert values(named)["pathology_f1"] < 1
    silent = [replace(each, reference={}) for each in studies]
    assert values(silent)["pathology_f1"] < 1, "without references the table is asked in full"


def test_proportions_have_wilsons_interval_and_all_else_that_of_patients() -> None:
    read = read_brains(brains(60))
    found = read.measured(resamples=60, seed=3).metrics
    samples = bootstrap(read.statistics(), read.patient_ids, resamples=60, seed=3)
    for name in PROPORTIONS:
        n = found[name].n
        assert found[name].ci95 == wilson(found[name].value * n, n).ci95, name
    for kind in KINDS:
        bounds = np.percentile(samples["", None, f"{kind}_f1"], (2.5, 97.5))
        assert found[f"{kind}_f1"].ci95 == pytest.approx(tuple(bounds)), kind
    assert found["lesion_balanced_accuracy"].n == 60


def test_a_resample_is_the_score_of_the_reports_that_it_draws() -> None:
    predictions = brains(40)
    read = read_brains(predictions)
    weights_NR = patient_weights(read.patient_ids, range(3), seed=1)
    drawn = read.statistics()(weights_NR)
    for column in range(3):
        again = [
            replace(each, case_id=f"{each.case_id}-{copy}")
            for each, count in zip(predictions, weights_NR[:, column], strict=True)
            for copy in range(int(count))
        ]
        points = read_brains(again).statistics()(np.ones((len(again), 1)))
        for key, (value,) in points.items():
            if not key[2].endswith("_macro"):  # over labels that all the reports decide
                assert drawn[key][column] == pytest.approx(value, nan_ok=True), key


def test_two_systems_are_compared_on_the_same_reports() -> None:
    good, bad = read_brains(brains(40, 0.95)), read_brains(brains(40, 0.3))
    key = ("", None, "side_lobe_f1")
    found = paired_differences(good.statistics(), bad.statistics(), good.patient_ids, resamples=100, seed=0)[key]
    assert found.ci95[0] > 0
    assert permutation_test(good.pooled(bad), good.patient_ids, permutations=99, seed=0)[key].p == pytest.approx(0.01)
    with pytest.raises(MedleyError, match="same reports in one order"):
        good.pooled(read_brains(brains(40)[::-1]))
    with pytest.raises(MedleyError, match="where the same is true of each report"):
        good.pooled(read_brains(brains(40, seed=9)))


@pytest.mark.parametrize(
    ("truth", "rule"),
    [
        ({"healthy": "yes"}, "case 'c': truth 'healthy' is 'yes'; it must be true, false or null"),
        ({"sides": "lefft"}, "unknown name 'lefft' in truth 'sides'; did you mean 'left'"),
        ({"sides": {"Edema": "left"}}, "truth 'sides' is .* it must be one of left, right, bilateral"),
        ({"lobes": "frontal"}, "truth 'lobes' is 'frontal'; it must be a list"),
        ({"lobes": ["frontel"]}, "unknown name 'frontel' in truth 'lobes'; did you mean 'frontal'"),
        ({"components": ["oedema"]}, "unknown name 'oedema' in truth 'components'; did you mean 'edema'"),
        ({"side_lobe": [["left"]]}, "truth 'side_lobe' holds .* it must be a list of"),
        ({"side_lobe": "left frontal"}, "truth 'side_lobe' is 'left frontal'; it must be a list of"),
        ({"healthy": True, "lobes": ["frontal"]}, "calls the brain healthy and gives 'lobes'; it is one or the other"),
        ({"healthy": True, "components": ["edema"]}, "calls the brain healthy and gives 'components'"),
    ],
)
def test_a_truth_that_is_none_is_named(truth: dict, rule: str) -> None:
    with pytest.raises(MedleyError, match=rule) as told:
        read_brains([one("Lesion.", truth, reference="")])
    assert "\n" not in str(told.value)


def test_what_is_not_defined_is_null_with_its_reason() -> None:
    healthy = [one(HEALTHY, {"healthy": True}, case_id=f"h{i}") for i in range(3)]
    found = read_brains(healthy).measured(resamples=20, seed=0)
    reasons = {name: metric.error for name, metric in found.metrics.items() if metric.value is None}
    assert reasons["laterality_accuracy"] == "no lesion has a side that is known"
    assert reasons["side_lobe_f1"] == "no pair of side and lobe is true of any brain"
    assert (
        reasons["lesion_sensitivity"] == reasons["lesion_balanced_accuracy"] == "no lesion brain is among the studies"
    )
    assert all(reasons.values())
    assert found.metrics["healthy_specificity"].value == 1
    sick = values([one("Left frontal lesion.", lesion([("left", "frontal")]), case_id=f"c{i}") for i in range(3)])
    assert (sick["healthy_specificity"], sick["lesion_balanced_accuracy"]) == (None, None)
    [alone] = brains(1, healthy=0)
    for metric in read_brains([alone]).measured(resamples=20, seed=0).metrics.values():
        assert metric.ci95 is None
        assert metric.error
    nothing = read_brains([one("Lesion.", {}, reference="x")]).measured(resamples=20, seed=0).metrics
    assert nothing["pathology_f1"].value is None
    assert nothing["hallucination_rate"].error == "of no brain pairs of side and lobe and components are known"
    with pytest.raises(MedleyError, match="no predictions to score"):
        read_brains([])


def test_odd_answers_claim_nothing_and_are_counted() -> None:
    truth = lesion([("left", "frontal")], ("edema",))
    odd = ["", "😀", "脑", "left " * 10_000, "no edema and " * 3_000]
    read = read_brains([one(text, truth, case_id=f"c{i}") for i, text in enumerate(odd)])
    found = {name: metric.value for name, metric in read.measured(resamples=5, seed=0).metrics.items()}
    assert found["lesion_sensitivity"] == 0
    assert found["laterality_accuracy"] == pytest.approx(1 / 5), "who says a side says a side"
    assert any("nothing can be read in 2 of 4 hypotheses" in line for line in read.remarks)
    assert any("4 of 4 hypotheses are not finished" in line for line in read.remarks)


def test_every_part_of_a_truth_may_be_missing() -> None:
    whole = lesion([("left", "frontal")], ("edema",))
    for part in PARTS:
        truth = {key: of for key, of in whole.items() if key != part}
        study = one("Left frontal lesion with edema.", truth, reference=written(whole))
        read = read_brains([study])
        assert read.truths[0].lesion is True, part
        assert values([study])["side_lobe_f1"] == 1, "the reference says the rest"
