"""Clinical F1 equals scikit-learn's, stays a function of weights, and is null where it would say nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_5, CHEXPERT_14
from medley.evaluation.clinical.counts import count_reports
from medley.evaluation.clinical.f1 import GROUPS, clinical_f1, macro_columns, why_undefined


def draw(n: int, seed: int = 0) -> tuple[list[dict], list[dict]]:
    """Truths and noisy hypotheses with all four values; label k is rarer the later it stands."""
    rng = np.random.default_rng(seed)
    values, truths, said = np.array([1.0, 0.0, -1.0, np.nan]), [], []
    for _ in range(n):
        true_L = [rng.choice(values, p=(q, 0.4, 0.1, 0.5 - q)) for q in np.linspace(0.45, 0.1, len(CHEXPERT_14))]
        said_L = [rng.choice(values) if rng.random() < 0.3 else value for value in true_L]
        truths.append(dict(zip(CHEXPERT_14, true_L, strict=True)))
        said.append(dict(zip(CHEXPERT_14, said_L, strict=True)))
    return truths, said


def binary(labels: list[dict], names: tuple[str, ...], uncertain: int) -> np.ndarray:
    return np.array([[v[k] == 1 or (uncertain and v[k] == -1) for k in names] for v in labels]).astype(int)


@pytest.mark.parametrize("uncertain", [0, 1])
def test_equal_to_scikit_learn(uncertain: int) -> None:
    truths, said = draw(200)
    counts = count_reports(truths, said, CHEXPERT_14, uncertain=uncertain, truth_is_text=True)
    got = clinical_f1(counts)(np.ones((200, 1)))
    for group, names in GROUPS.items():
        y, p = binary(truths, names, uncertain), binary(said, names, uncertain)
        for average, name in (("micro", f"micro_{group}"), ("macro", f"macro_{group}_published")):
            assert got[None, f"clinical_f1_{name}"][0] == pytest.approx(f1_score(y, p, average=average), abs=1e-12)
        assert got[None, f"clinical_f1_macro_{group}"][0] == pytest.approx(f1_score(y, p, average="macro"), abs=1e-12)
    y, p = binary(truths, CHEXPERT_14, uncertain), binary(said, CHEXPERT_14, uncertain)
    both = (y.any(1)) | (p.any(1))
    assert got[None, "clinical_f1_example_14"][0] == pytest.approx(f1_score(y[both], p[both], average="samples"))
    for column, name in enumerate(CHEXPERT_14):
        assert got[name, "f1"][0] == pytest.approx(f1_score(y[:, column], p[:, column]), abs=1e-12)


def test_weights_are_repeated_reports() -> None:
    truths, said = draw(60, seed=1)
    times = np.random.default_rng(2).integers(0, 4, 60)
    weighted = clinical_f1(count_reports(truths, said, CHEXPERT_14, uncertain=1, truth_is_text=True))
    rows = np.repeat(np.arange(60), times)
    repeated = count_reports(
        [truths[i] for i in rows], [said[i] for i in rows], CHEXPERT_14, uncertain=1, truth_is_text=True
    )
    got, expected = weighted(times[:, None].astype(float)), clinical_f1(repeated)(np.ones((len(rows), 1)))
    for name in got:
        if "_macro_" not in name[1] or "_published" in name[1]:  # the macro's labels are chosen on all reports
            assert got[name][0] == pytest.approx(expected[name][0], abs=1e-9, nan_ok=True), name


def test_a_rare_label_is_left_out_of_the_macro_by_name_and_counts_in_the_published_one() -> None:
    truths, said = draw(200, seed=3)
    for labels in (*truths, *said):
        labels["Fracture"] = math.nan
    truths[0]["Fracture"] = 1.0  # missed
    counts = count_reports(truths, said, CHEXPERT_14, uncertain=1, truth_is_text=True)
    assert macro_columns(counts, "14")[1] == {"Fracture": "1 positive, 199 negatives"}
    got = clinical_f1(counts)(np.ones((200, 1)))
    assert got["Fracture", "f1"][0] == 0
    full = got[None, "clinical_f1_macro_14"][0]
    assert got[None, "clinical_f1_macro_14_published"][0] == pytest.approx(full * 13 / 14)


def test_what_is_not_known_is_left_out_and_what_is_not_said_is_absent() -> None:
    truth = dict.fromkeys(CHEXPERT_14, None) | {"Edema": 1, "Cardiomegaly": 0}
    said = dict.fromkeys(CHEXPERT_14, 1.0)
    of_table = count_reports([truth], [said], CHEXPERT_14, uncertain=1, truth_is_text=False)
    of_text = count_reports([truth], [said], CHEXPERT_14, uncertain=1, truth_is_text=True)
    assert of_table.said_NL.sum() == of_table.known_NL.sum() == 2
    assert of_text.said_NL.sum() == of_text.known_NL.sum() == 14
    got = clinical_f1(of_table)(np.ones((1, 1)))
    assert got[None, "clinical_f1_micro_14"][0] == pytest.approx(2 / 3)
    assert math.isnan(got["Fracture", "f1"][0])
    assert "known label" in why_undefined(of_table, "Fracture", "f1")
    assert math.isnan(got[None, "clinical_f1_macro_5_published"][0])
    assert "Atelectasis" in why_undefined(of_table, None, "clinical_f1_macro_5_published")
    assert "10 positives" in why_undefined(of_table, None, "clinical_f1_macro_5")


def test_healthy_reports_alone_have_no_f1_of_findings() -> None:
    healthy = dict.fromkeys(CHEXPERT_14, 0.0) | {"No Finding": 1.0}
    got = clinical_f1(count_reports([healthy] * 20, [healthy] * 20, CHEXPERT_14, uncertain=1, truth_is_text=True))
    values = got(np.ones((20, 1)))
    assert math.isnan(values[None, "clinical_f1_micro_13"][0]), "a system that says nothing must not score 1"
    assert math.isnan(values[None, "clinical_f1_example_13"][0])
    assert values[None, "clinical_f1_micro_14"][0] == 1


def test_bad_labels_are_named() -> None:
    good = dict.fromkeys(CHEXPERT_5, 1.0)
    kept = {"uncertain": 1, "truth_is_text": True}
    for truths, said, names, word in (
        ([good], [], CHEXPERT_5, "0 hypotheses for 1 references"),
        ([good], [{"Edema": 1.0}], CHEXPERT_5, "hypothesis 0 has no label 'Atelectasis'"),
        ([good | {"Edema": 0.4}], [good], CHEXPERT_5, "reference 0: 'Edema' is 0.4"),
    ):
        with pytest.raises(MedleyError, match=word):
            count_reports(truths, said, names, **kept)
    with pytest.raises(MedleyError, match="uncertain is 2"):
        count_reports([good], [good], CHEXPERT_5, uncertain=2, truth_is_text=True)
    with pytest.raises(MedleyError, match="unknown label 'Cardiomegali'; did you mean 'Cardiomegaly'"):
        count_reports([good], [good], CHEXPERT_5, **kept).columns(["Cardiomegali"])
