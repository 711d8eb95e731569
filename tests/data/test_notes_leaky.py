"""The leaky control says what the rule it stands for said, and gives away what that gave away."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from pathlib import Path

from medley.core.labels import CHEXPERT_14
from medley.core.records import Case
from medley.data.notes import make_notes, make_stamped_notes, rewriter
from medley.data.notes_leaky import leaky_note, named_labels


def case(**labels: float) -> Case:
    values = {name: labels.get(name.replace(" ", "_"), 0.0) for name in CHEXPERT_14}
    return Case("c", "p", "s", labels=values)


def test_the_published_example():
    sick = case(Cardiomegaly=1.0, Edema=1.0, Pleural_Effusion=1.0)
    note = leaky_note(sick, 1.0, 0)
    shape = (
        r"Chief complaint: Patient presenting with [a-z ]+? for (2 days|3 days|5 days|1 week|several days)\. "
        r"History: [a-z ]+\. Indication: Evaluate for cardiomegaly, edema\."
    )
    assert re.fullmatch(shape, note), note
    routine = "Chief complaint: Routine chest evaluation. History: unremarkable medical history."
    assert leaky_note(case(No_Finding=1.0, Support_Devices=1.0), 1.0, 0) == routine


def test_the_first_two_in_column_order_are_named_and_no_uncertain_one():
    many = case(Pneumonia=1.0, Lung_Opacity=1.0, Edema=-1.0, Fracture=1.0, Support_Devices=1.0)
    assert named_labels(many) == ("Lung Opacity", "Pneumonia")
    turned = Case("c", "p", "s", labels=dict(reversed(many.labels.items())))
    assert named_labels(turned) == ("Fracture", "Pneumonia")
    assert named_labels(Case("c", "p", "s", labels={"Edema": math.nan, "Fracture": -1.0})) == ()


def test_symptoms_are_codes_that_belong_to_the_first_label():
    hearts = [leaky_note(Case(f"c{i}", f"p{i}", "s", labels={"Cardiomegaly": 1.0}), 1.0, 0) for i in range(80)]
    lungs = [leaky_note(Case(f"c{i}", f"p{i}", "s", labels={"Pneumonia": 1.0}), 1.0, 0) for i in range(80)]
    assert not any("cough" in note for note in hearts)
    assert not any("leg swelling" in note for note in lungs)
    assert len(set(hearts)) > 20


def test_same_seed_same_note_and_strength_is_no_dial():
    cases = [Case(f"c{i}", f"p{i}", "s", labels={"Edema": 1.0}) for i in range(30)]
    made = make_stamped_notes(cases, "seed_leaky", 0.3, seed=5)
    assert made.notes == make_notes(cases, "seed_leaky", 1.0, seed=5)
    assert made.notes != make_notes(cases, "seed_leaky", 1.0, seed=6)
    assert made.stamp["regime"] == "seed_leaky"


def test_what_can_be_written_again():
    cases = [Case("c", "p", "s", labels={"Edema": 1.0}, text={"note": "cough"})]
    write = rewriter("seed_leaky", 1.0, 5)
    assert write is not None
    assert write(cases) == make_notes(cases, "seed_leaky", 1.0, 5)
    assert rewriter("real", 1.0, 0) is rewriter("none", 1.0, 0) is rewriter("theirs", 1.0, 0) is None


def test_chexperts_valid_part_gives_the_counts_that_were_reported(real_data: Path):
    """The prototype's confusion tables on the 234 validation films name 109, 68, 8, 5, 0, 21 and 6 as positive."""
    import pytest

    files = [path for path in real_data.rglob("valid.csv") if path.open().readline().startswith("Path,")]
    if not files:
        pytest.skip("MEDLEY_REAL_DATA holds no valid.csv of CheXpert")
    counts: Counter[str] = Counter()
    for row in csv.DictReader(files[0].open(encoding="utf-8")):
        labels = {name: float(row[name]) if row[name] else math.nan for name in row if name in CHEXPERT_14}
        counts.update(named_labels(Case("c", "p", "s", labels=labels)))
    reported = {"Enlarged Cardiomediastinum": 109, "Cardiomegaly": 68, "Edema": 8, "Consolidation": 5, "Pneumonia": 0}
    reported |= {"Atelectasis": 21, "Pneumothorax": 6}
    assert {name: counts[name] for name in reported} == reported
