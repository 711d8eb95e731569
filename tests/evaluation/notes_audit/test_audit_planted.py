"""One planted failure for each static check, which that check finds; and what looks like one and is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from medley.core.records import Case
from medley.core.seeds import generator
from medley.data.source import LeakBudget
from medley.evaluation.notes_audit.aurocs import aurocs
from medley.evaluation.notes_audit.budget import text_in_budget
from medley.evaluation.notes_audit.given import film_thumbnails
from medley.evaluation.notes_audit.information import no_codes, shares, template
from medley.evaluation.notes_audit.lexicon import lexicon_scan, named_findings, naming_notes, naming_real_text
from medley.evaluation.notes_audit.overlap import overlap
from medley.evaluation.notes_audit.probes import fit_text_probes, patient_folds
from medley.evaluation.notes_audit.readers import outside
from medley.evaluation.notes_audit.regeneration import column_order, one_note_a_study, permutation_row, permuted_labels
from medley.evaluation.notes_audit.subject import Subject
from medley.evaluation.notes_audit.tolerance import SLACK, fall_of_own_to_wrong_note, fall_with_wrong_note


@pytest.fixture(scope="module")
def sim(ward) -> Subject:
    return ward.subject("sim")


def with_notes(subject: Subject, change) -> Subject:
    """The subject with every note rewritten by change(case, note)."""
    return dataclasses.replace(subject, notes={c.case_id: change(c, subject.notes[c.case_id]) for c in subject.cases})


def scan(subject: Subject):
    return lexicon_scan(subject, naming_notes(subject))


@pytest.mark.parametrize(
    "words",
    ["Evaluate for edema", "no effusion", "R/O PNA, ?pneumonia", "collapsed lung", "enlarged heart", "cardiomegally",
     "s/p chest tube", "pneumothoraces"],
)  # fmt: skip
def test_1_a_single_note_that_names_a_finding_is_found(sim, words):
    planted = with_notes(sim, lambda case, note: f"Cough. {words}." if case.case_id == "c0007" else note)
    row = scan(planted)
    assert (row.status, row.value) == ("failed", 1.0)
    assert list(row.details["examples"]) == ["c0007"]
    assert scan(sim).status == "passed"


def test_1_label_names_of_the_table_count_whatever_they_are():
    assert named_findings("known Zebra Lung", ["Zebra Lung"]) == ["zebra lung"]
    assert named_findings("zebralungs", ["Zebra Lung"]) == []


def test_2_a_label_told_by_length_alone_is_over_the_budget(sim):
    """No word repeats, so no word is a code; how many there are tells."""

    def longer(case: Case, note: str | None) -> str:
        rng = generator("filler", case.case_id)
        words = 40 if case.labels["Fracture"] else 4
        return " ".join("".join(rng.choice(list("abcdefgh"), 6)) for _ in range(words))

    planted = with_notes(sim, longer)
    row = text_in_budget(planted, fit_text_probes(planted), LeakBudget())
    assert row.status == "failed"
    assert row.details["labels"]["outside"]["Fracture"]["value"] > 0.95
    assert "outside" in row.found
    assert no_codes(planted).status == "not applicable"  # no word stands in five notes


def test_2_patients_are_never_on_both_sides_of_a_fold(ward):
    patients = [case.patient_id for case in ward.cases]
    fold_N = patient_folds(patients, seed=3)
    assert set(fold_N) == set(range(5))
    assert len({(patient, fold) for patient, fold in zip(patients, fold_N, strict=True)}) == len(set(patients))


def test_2_a_note_that_is_its_patient_tells_nothing_new():
    """Two studies of a patient with the same labels and the same unique note: a leak only across folds."""
    cases = tuple(
        Case(f"c{i}", f"p{i // 2}", str(i % 2), labels={"Edema": float(generator(i // 2).random() < 0.4)})
        for i in range(300)
    )
    notes = {case.case_id: f"name{case.patient_id} word{case.patient_id}" for case in cases}
    subject = Subject(cases, ("Edema",), notes, "real")
    row = text_in_budget(subject, fit_text_probes(subject), LeakBudget(macro=0.6))
    assert row.status == "passed", row.found


def test_2_outside_sees_marks_and_case_but_no_word():
    same, other = outside(["abc, def.", "xyz, uvw."])
    assert (same == other).all()
    assert (outside(["abc. def."]) != same).any()
    assert (outside([""]) != same).any()


def test_2_a_frozen_bert_reads_words_where_a_folder_is_given(sim, tmp_path):
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fall", "cough"]))
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=7, **size)).save_pretrained(tmp_path)
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    told = with_notes(sim, lambda case, _: "fall" if case.labels["Fracture"] else "cough")
    row = text_in_budget(told, fit_text_probes(told, tmp_path), LeakBudget())
    assert row.details["labels"]["frozen BERT"]["Fracture"]["value"] > 0.99
    assert row.details["frozen_bert"] == "read"
    assert row.status == "failed"


def test_3_a_code_in_a_fifth_of_the_sick_is_found_although_the_probe_keeps_the_budget(sim):
    def coded(case: Case, note: str | None) -> str | None:
        rng = generator("code", case.case_id)
        sick = case.labels["Fracture"] == 1 and rng.random() < 0.4
        return f"{note or 'Cough'}. Seen by Dr Quux" if sick else note

    planted = with_notes(sim, coded)
    row = no_codes(planted)
    assert row.status == "failed"
    assert "quux" in row.details["codes"]["Fracture"]
    assert list(row.details["codes"]) == ["Fracture"]
    assert text_in_budget(planted, fit_text_probes(planted), LeakBudget()).status == "passed"


def test_3_a_switch_of_templates_is_a_code(sim):
    """The same words, told under a header only where nothing was found."""

    def switched(case: Case, note: str | None) -> str:
        return f"History: {note or 'cough'}" if case.labels["No Finding"] else f"{note or 'cough'} history"

    assert "No Finding" in no_codes(with_notes(sim, switched)).details["codes"]
    assert template("Chief complaint: cough. History: none.") == "<template chief complaint: history:>"
    assert template("") == "<no note>"


def test_3_shares_are_the_mutual_information_of_scikit_learn():
    from sklearn.metrics import mutual_info_score

    rng = generator("shares")
    labels = (rng.random(4000) < 0.3).astype(float)
    has = np.stack([rng.random(4000) < 0.2 + 0.5 * labels, labels == 1, rng.random(4000) < 0.5], 1)
    share, low, p = shares(has, labels)
    entropy = -(labels.mean() * np.log(labels.mean()) + (1 - labels.mean()) * np.log(1 - labels.mean()))
    for column in range(3):
        raw = mutual_info_score(labels, has[:, column]) / entropy
        assert share[column] == pytest.approx(max(0, raw - 1 / (8000 * entropy)), abs=1e-9)
    assert share[1] == pytest.approx(1, abs=1e-3)
    assert (low < share + 1e-12).all()
    assert p[0] < 1e-20
    assert p[2] > 1e-4


def test_4_and_8_a_rule_that_writes_labels_is_found(ward):
    leaky = ward.subject("seed_leaky")
    row = permuted_labels(leaky, fit_text_probes(leaky), ward.films, LeakBudget())
    assert row.status == "failed"
    assert row.value > 2 * row.bound
    order = column_order(leaky)
    assert order.status == "failed"
    assert order.details["example"]


def test_4_shows_the_one_label_that_failed():
    """Of fourteen labels one follows the note: the macro hardly falls, and is not what the row may show."""
    rng = generator("one label")
    names = [f"finding {i}" for i in range(14)]
    y = (rng.random((600, 14)) < 0.3).astype(float)
    film = 1.5 * y + rng.normal(size=y.shape)
    permuted = np.concatenate([rng.normal(size=(600, 1)), film[:, 1:]], 1)
    patients = [str(i) for i in range(600)]
    table = aurocs(y, {"film": film, "permuted": permuted}, names, patients, [("film", "permuted")])
    row = permutation_row(table, LeakBudget(), "film", "permuted", "a reader")
    fall = table.label_drops["film - permuted"]["finding 0"].value
    assert (row.status, row.value) == ("failed", fall)
    assert row.value > row.bound
    assert "finding 0 falls by" in row.found
    assert "macro falls" not in row.found


def test_4_several_draws_of_other_labels_count_as_their_mean():
    rng = generator("draws")
    y = (rng.random((300, 1)) < 0.4).astype(float)
    draws = y[..., None] + rng.normal(size=(300, 1, 3))
    each = [aurocs(y, {"a": draws[..., i]}, ["Edema"], list("ab") * 150).macro["a"].value for i in range(3)]
    assert aurocs(y, {"a": draws}, ["Edema"], list("ab") * 150).macro["a"].value == pytest.approx(np.mean(each))


def test_4_the_leaky_control_fails_on_few_studies_too(ward):
    """Half of the ward: one draw of other labels would be too noisy."""
    leaky = ward.subject("seed_leaky")
    few = dataclasses.replace(leaky, cases=leaky.cases[:200])
    assert permuted_labels(few, fit_text_probes(few), ward.films, LeakBudget()).status == "failed"


def test_4_films_are_read_only_where_a_rule_writes_notes_and_unreadable_ones_are_left_out(ward):
    def film(case: Case) -> np.ndarray | None:
        side = 31 if case.case_id == "c0002" else 48
        return None if case.case_id == "c0001" else np.zeros((side, side), np.uint8)

    few = dataclasses.replace(ward.subject("sim"), cases=ward.cases[:5])
    assert list(film_thumbnails(few, film)) == ["c0000", "c0003", "c0004"]
    assert film_thumbnails(dataclasses.replace(few, regenerate=None), film) == {}


def test_4_falls_with_wrong_notes_follow_from_the_budget():
    assert fall_with_wrong_note(0.8, 0.5) == SLACK  # a note that knows nothing disturbs nothing
    assert fall_with_wrong_note(0.5, 0.7) == SLACK
    falls = [fall_with_wrong_note(0.73, note) for note in (0.6, 0.7, 0.85, 0.99)]
    assert falls == sorted(falls)
    assert falls[1] == pytest.approx(0.0553, abs=2e-3)
    assert falls[-1] < 0.73 - 0.5
    assert fall_of_own_to_wrong_note(0.73, 0.7) > fall_with_wrong_note(0.73, 0.7)


def test_4_the_best_answer_falls_as_the_formula_says():
    """Drawn from normals: film d' 1, note d' of AUROC 0.7, weighed as well as can be."""
    from medley.evaluation.ranking import auroc

    rng = generator("normals")
    y = (rng.random(200_000) < 0.5).astype(float)
    d_note = 2**0.5 * 0.5244
    film, note = y + rng.normal(size=len(y)), d_note * y + rng.normal(size=len(y))
    other = rng.permutation(note)
    fall = auroc(y, film) - auroc(y, film + d_note * other)
    assert fall == pytest.approx(fall_with_wrong_note(float(auroc(y, film)), 0.7), abs=0.004)
    swap = auroc(y, film + d_note * note) - auroc(y, film + d_note * other)
    assert swap == pytest.approx(fall_of_own_to_wrong_note(float(auroc(y, film)), 0.7), abs=0.006)


def test_8_and_9_a_rule_without_a_key_is_found(sim):
    calls = iter(range(1_000_000))

    def unseeded(cases):
        return {case.case_id: f"cough for {next(calls)} days" for case in cases}

    planted = dataclasses.replace(sim, regenerate=unseeded)
    assert column_order(planted).status == "failed"
    row = one_note_a_study(planted)
    assert (row.status, row.value) == ("failed", float(len(sim.cases)))
    assert one_note_a_study(sim).status == column_order(sim).status == "passed"


def test_9_two_rows_of_one_study_with_two_notes_are_found(sim):
    first = sim.cases[0]
    twin = dataclasses.replace(first, case_id="lateral")
    notes = {**sim.notes, "lateral": "another story"}
    torn = Subject((*sim.cases, twin), sim.labels, notes, "real")
    row = one_note_a_study(torn)
    assert (row.status, row.value) == ("failed", 1.0)
    assert row.details["torn"] == [[first.patient_id, first.study_id]]
    same = dataclasses.replace(torn, notes={**notes, "lateral": sim.notes[first.case_id]})
    assert one_note_a_study(same).status == "passed"


LONG = "Seventy year old man who fell from a ladder while he was painting his barn and now cannot take a deep breath"


def parted(sim: Subject, notes: dict[str, str]) -> Subject:
    ids = [case.case_id for case in sim.cases]
    parts = {"train": tuple(ids[:240]), "dev": tuple(ids[240:280]), "test": tuple(ids[280:])}
    return dataclasses.replace(sim, parts=parts, notes={**sim.notes, **notes})


def test_10_long_notes_copied_from_train_are_found_with_words_changed(sim):
    copied = {"c0001": LONG, "c0302": LONG.lower().replace("seventy", "eighty"), "c0303": LONG + "."}
    row = overlap(parted(sim, copied))
    assert row.status == "failed"
    assert row.details["pairs"] == [["c0302", "c0001"], ["c0303", "c0001"]]


def test_10_short_common_notes_are_counted_and_no_fault(sim):
    row = overlap(parted(sim, dict.fromkeys(("c0001", *(f"c{i:04d}" for i in range(290, 390))), "Cough.")))
    assert row.status == "passed"
    assert "100 shorter ones coincide" in row.found
    assert overlap(sim).status == "not applicable"


def test_11_real_text_that_names_the_finding_is_listed(sim):
    text = {"c0003": "Eval for pneumothorax", "c0005": "s/p chest tube"}
    real = dataclasses.replace(with_notes(sim, lambda case, _: text.get(case.case_id, "cough")), regime="real")
    row = naming_real_text(real, naming_notes(real))
    assert row.status == "failed"
    assert list(row.details["cases"]) == ["c0003", "c0005"]
    assert naming_real_text(sim, {}).status == "not applicable"
