"""Notes: what each regime may say, and how much a simulated note gives away: little at 1, nothing at 0."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from medley.cli.notes import app
from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.core.records import Case, ImageRef
from medley.core.seeds import generator
from medley.data.cases import write_cases
from medley.data.notes import REGIMES, clean_note, make_notes, make_stamped_notes, read_notes, write_notes
from medley.data.notes_sim import _comorbidity, _findings, _symptom, causal_table, simulate_note
from medley.language.chest import LAY_WORDS, STEMS
from medley.language.mentions import find_mentions
from medley.language.phrases import Term, Vocabulary, lower, tokens


def sick_cases(count: int, seed: int = 0) -> list[Case]:
    """Patients whose labels go together as in life, and know nothing of age and sex."""
    cases = []
    for i in range(count):
        random = generator("sick", seed, i)

        def happens(p: float, random: np.random.Generator = random) -> float:
            return float(random.random() < p)

        labels = dict.fromkeys(CHEXPERT_14, 0.0)
        labels["Cardiomegaly"] = happens(0.2)
        labels["Edema"] = happens(0.35 if labels["Cardiomegaly"] else 0.1)
        labels["Pleural Effusion"] = happens(0.5 if labels["Edema"] else 0.15)
        labels["Atelectasis"] = happens(0.35 if labels["Pleural Effusion"] else 0.12)
        labels["Pneumonia"] = happens(0.1)
        labels["Consolidation"] = max(labels["Pneumonia"], happens(0.05))
        for label in ("Lung Lesion", "Pneumothorax", "Fracture", "Pleural Other"):
            labels[label] = happens(0.07)
        labels["Support Devices"] = happens(0.5 if labels["Edema"] or labels["Pneumothorax"] else 0.2)
        labels["Enlarged Cardiomediastinum"] = max(labels["Cardiomegaly"], happens(0.06))
        inside = ("Edema", "Consolidation", "Atelectasis", "Lung Lesion")
        labels["Lung Opacity"] = max(happens(0.08), *(labels[label] for label in inside))
        labels["No Finding"] = float(not any(labels.values()))
        who = {"sex": "FM"[int(random.integers(2))], "age_years": float(random.integers(20, 90))}
        cases.append(Case(f"c{i}", f"p{i // 2}", f"s{i % 2}", labels=labels, **who))
    return cases


@pytest.fixture(scope="module")
def sick() -> list[Case]:
    return sick_cases(2000)


@pytest.fixture(scope="module")
def told(sick: list[Case]) -> dict[str, str | None]:
    return make_notes(sick, "sim", strength=1.0, seed=1)


def probe(cases: list[Case], notes: dict[str, str | None]) -> dict[str, float]:
    """AUROC a label of TF-IDF and logistic regression on the text alone, five folds by patient."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
    x = vectors.fit_transform([notes[case.case_id] or "" for case in cases])
    groups = [case.patient_id for case in cases]
    out = {}
    for label in CHEXPERT_14:
        y = np.array([case.labels[label] for case in cases])
        model = LogisticRegression(C=0.3, max_iter=300, class_weight="balanced")
        folds = GroupKFold(5)
        scores = cross_val_predict(model, x, y, cv=folds, groups=groups, method="decision_function")
        out[label] = roc_auc_score(y, scores)
    return out


def test_a_full_strength_note_tells_a_little(sick: list[Case], told: dict[str, str | None]) -> None:
    auroc = probe(sick, told)
    macro = np.mean([value for label, value in auroc.items() if label != "No Finding"])
    assert 0.55 < macro <= 0.70, (macro, auroc)
    assert max(auroc.values()) <= 0.85, auroc
    assert auroc["Pneumonia"] > 0.6  # it is information, not noise
    assert auroc["Fracture"] > 0.58


def test_at_strength_zero_a_note_tells_nothing(sick: list[Case]) -> None:
    auroc = probe(sick, make_notes(sick, "sim", strength=0.0, seed=1))
    macro = np.mean([value for label, value in auroc.items() if label != "No Finding"])
    assert abs(macro - 0.5) <= 0.04, (macro, auroc)


def test_at_strength_zero_labels_do_not_move_a_letter() -> None:
    """Stronger than any probe: other labels, same bytes."""
    for case in sick_cases(100):
        healthy = Case(**{**vars(case), "labels": {}})
        turned = Case(**{**vars(case), "labels": {label: 1.0 - value for label, value in case.labels.items()}})
        notes = [make_notes([one], "sim", 0.0, 5)[case.case_id] for one in (case, healthy, turned)]
        assert len(set(notes)) == 1


def test_strength_is_a_dial() -> None:
    table, causes = causal_table(), {"Pneumonia", "Consolidation", "Lung Opacity"}
    fever = [_symptom(table, "fever", causes, strength) for strength in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert fever == sorted(fever)
    assert fever[0] == pytest.approx(table.symptoms["fever"]["base"])
    assert _symptom(table, "fever", {"Pneumonia"}, 1.0) == pytest.approx(0.6)
    case = Case("c", "p", "s", sex="M", age_years=70)
    devices = [_comorbidity(table, "operation", case, {"Support Devices"}, s) for s in (0.0, 0.5, 1.0)]
    assert devices == sorted(devices)
    assert devices[0] == pytest.approx(_comorbidity(table, "operation", case, set(), 1.0))


def test_causes_combine_by_noisy_or() -> None:
    table = causal_table()
    base, pneumonia, fracture = 0.1, 0.24, 0.35  # sharp_pain
    spared = (1 - pneumonia) / (1 - base) * (1 - fracture) / (1 - base) * (1 - base)
    assert _symptom(table, "sharp_pain", {"Pneumonia", "Fracture"}, 1.0) == pytest.approx(1 - spared)


def test_no_note_names_a_finding(told: dict[str, str | None]) -> None:
    lay = Vocabulary([(phrase, Term("lay")) for phrase in LAY_WORDS])
    written = [note for note in told.values() if note]
    assert len(written) > 1500
    for note in written:
        low = lower(note)
        assert not find_mentions(note), note
        assert not lay.marks(tokens(low)), note
        assert not [stem for stem in STEMS if stem in low], note


def test_no_phrase_of_the_table_names_a_finding_in_any_pairing() -> None:
    table = causal_table()
    rows = (*table.symptoms.values(), *table.comorbidities.values())
    phrases = [phrase for row in rows for phrase in (*row["words"], *row.get("denied", ()))]
    random = generator("pairings")
    for phrase in phrases:
        for at in random.integers(len(phrases), size=25):
            assert not find_mentions(f"{phrase} and {phrases[at]}"), (phrase, phrases[at])


def test_every_disease_can_be_silent_and_every_symptom_can_be_innocent() -> None:
    """Each finding is also written with no complaint, each symptom also where nothing was found."""
    table = causal_table()
    for label in CHEXPERT_14:
        ill = [
            Case(f"{label}{i}", f"{label}{i}", "s", labels={label: 1.0}, sex="F", age_years=60.0) for i in range(120)
        ]
        notes = [(note or "").lower() for note in make_notes(ill, "sim").values()]
        assert any(quiet in note for note in notes for quiet in table.surface["quiet"]), label
    well = [Case(f"w{i}", f"w{i}", "s", labels={}, sex="F", age_years=60.0) for i in range(900)]
    notes = [(note or "").lower() for note in make_notes(well, "sim").values()]
    for name, row in table.symptoms.items():
        assert any(words.lower() in note for note in notes for words in row["words"]), name


def test_wording_is_independent_of_labels(sick: list[Case], told: dict[str, str | None]) -> None:
    """Whether there is a note, its letter case and its full stop: the same for the same study with other labels."""
    well = make_notes([Case(**{**vars(case), "labels": {}}) for case in sick], "sim", 1.0, 1)

    def manner(note: str | None) -> tuple[bool, ...]:
        return (note is None,) if note is None else (False, note.isupper(), note.endswith("."))

    assert [manner(told[c.case_id]) for c in sick] == [manner(well[c.case_id]) for c in sick]
    missing = sum(note is None for note in told.values()) / len(told)
    assert missing == pytest.approx(0.15, abs=0.03)


def test_same_seed_same_note_in_any_company(sick: list[Case]) -> None:
    alone = make_notes(sick[7:8], "sim", 1.0, 1)
    assert alone["c7"] == make_notes(sick[:50], "sim", 1.0, 1)["c7"]
    assert make_notes(sick[:50], "sim", 1.0, 1) != make_notes(sick[:50], "sim", 1.0, 2)
    views = Case(**{**vars(sick[7]), "images": (ImageRef("PA", "a.png"), ImageRef("LATERAL", "b.png"))})
    assert make_notes([views], "sim", 1.0, 1) == alone
    shuffled = Case(**{**vars(sick[7]), "labels": dict(reversed(sick[7].labels.items()))})
    assert make_notes([shuffled], "sim", 1.0, 1) == alone  # the order of the columns is not a channel


def test_a_story_told_again_changes_its_words_and_never_its_facts(sick: list[Case]) -> None:
    """What a patient has in one telling is not denied in another; who gave no note gives none."""
    table, changed, told_twice = causal_table(), 0, 0
    for case in sick[:300]:
        tellings = [simulate_note(case, 1.0, 1, telling) for telling in range(4)]
        assert tellings[0] == simulate_note(case, 1.0, 1)
        assert len({note is None for note in tellings}) == 1
        if tellings[0] is None:
            continue
        changed += len(set(tellings)) > 1
        small = [note.lower().replace("w/o", "without").replace("w/", "with") for note in tellings if note]
        for name in ("fever", "trauma", "leg_swelling", "palpitations", "weight_loss", "sore_throat", "wheeze"):
            row = table.symptoms[name]  # whose words are nobody else's
            denied = any(phrase.lower() in note for phrase in row["denied"] for note in small)
            has = any(phrase.lower() in strip_denials(note, table) for phrase in row["words"] for note in small)
            assert not (denied and has), (case.case_id, name, tellings)
            told_twice += has
    assert changed > 200
    assert told_twice > 100


def strip_denials(note: str, table) -> str:
    """The note without its denials, which hold the words of what they deny."""
    for row in table.symptoms.values():
        for phrase in sorted(row["denied"], key=len, reverse=True):
            note = note.replace(phrase.lower(), " ")
    return " ".join(re.sub("[.,;]", " ", note).split())


def test_telling_again_knows_no_more_of_the_labels_than_the_first_telling(sick: list[Case]) -> None:
    """At strength 0 no telling does; the words and the truths are drawn by generators that never meet."""
    well = [replace(case, labels=dict.fromkeys(CHEXPERT_14, 0.0)) for case in sick[:100]]
    ill = [replace(case, labels=dict.fromkeys(CHEXPERT_14, 1.0)) for case in sick[:100]]
    for telling in (0, 3):
        notes = [[simulate_note(case, 0.0, 1, telling) for case in cases] for cases in (well, ill)]
        assert notes[0] == notes[1]


def test_uncertain_is_a_coin_and_unknown_is_absent() -> None:
    draws = [
        "Pneumonia" in _findings(Case("c", "p", "s", labels={"Pneumonia": -1.0, "Edema": math.nan}), i)
        for i in range(400)
    ]
    assert 0.42 < np.mean(draws) < 0.58
    assert _findings(Case("c", "p", "s", labels={"Pneumonia": math.nan}), 0) == set()
    assert "Lung Lesion" in _findings(Case("c", "p", "s", labels={"Nodule": 1.0}), 0)


def test_odd_patients_have_notes_too() -> None:
    for sex in (None, "F", "M"):
        for age in (math.nan, 0.0, 15.0, 107.0):
            cases = [Case(f"c{i}", f"p{i}", "s", sex=sex, age_years=age, labels={}) for i in range(20)]
            assert any(make_notes(cases, "sim").values())


def test_every_row_of_the_table_has_a_source_or_says_that_it_is_assumed() -> None:
    table = causal_table()
    causes = {*CHEXPERT_14, *table.comorbidities}
    for name, row in table.symptoms.items():
        assert 0 < row["base"] < 1
        for entry in (row, *row["rows"]):
            assert entry.get("source") or entry.get("assumed") is True, (name, entry)
        for entry in row["rows"]:
            assert entry["cause"] in causes, entry
            assert row["base"] < entry["p"] < 1, (name, entry)
        assert row["words"]
        assert row["denied"]
    for name, row in table.comorbidities.items():
        assert row["assumed"] is True
        for entry in row["odds"]:
            assert entry["finding"] in CHEXPERT_14, (name, entry)
            assert entry["factor"] > 1
            assert entry["assumed"] is True
    covered = {entry["cause"] for row in table.symptoms.values() for entry in row["rows"]}
    covered |= {entry["finding"] for row in table.comorbidities.values() for entry in row["odds"]}
    assert covered >= set(CHEXPERT_14) - {"No Finding"}


def test_real_notes_come_from_before_the_film_only() -> None:
    text = {
        "indication": "XXXX-year-old male with ___ chest pain,  XXXX.",
        "history": "Smoker\x00.",
        "findings": "Pneumothorax.",
        "impression": "Pneumothorax.",
        "report": "Pneumothorax.",
    }
    notes = make_notes([Case("a", "p", "s", text=text), Case("b", "p", "s2", text={"findings": "Edema."})], "real")
    assert notes == {"a": "male with chest pain. Smoker.", "b": None}
    assert make_notes([Case("a", "p", "s", text=text)], "none") == {"a": None}


@pytest.mark.parametrize(
    ("note", "clean"),
    [
        ("Chest pain", "Chest pain"),
        ("  \n ", None),
        ("None.", None),
        ("N/A", None),
        ("XXXX XXXX.", None),
        ("XXXX-year-old female, 53XXXX", "female, 53"),
        ("XXXXyo man, karyotype 46,XX", "man, karyotype 46,XX"),
        ("pain x 3 days, ___ , fever", "pain x 3 days, fever"),
        ("a\u200bb\x07 c\r\n\td", "a b c d"),
        ("Fieber, Atemnot – seit gestern 😀", "Fieber, Atemnot – seit gestern 😀"),
        (None, None),
    ],
)
def test_clean_note(note: str | None, clean: str | None) -> None:
    assert clean_note(note, "here") == clean


def test_bad_notes_and_settings_are_one_clear_line() -> None:
    with pytest.raises(MedleyError, match="case 'c': the note is float, not a text"):
        clean_note(math.nan, "case 'c'")
    with pytest.raises(MedleyError, match="case 'c': the note has 100,000 characters"):
        make_notes([Case("c", "p", "s", text={"note": "x" * 100_000})], "real")
    with pytest.raises(MedleyError, match="did you mean 'sim'"):
        make_notes([], "simm")
    for strength in (-0.1, 1.5, math.nan):
        with pytest.raises(MedleyError, match="between 0 and 1"):
            make_notes([], "sim", strength)
    assert set(REGIMES) == {"none", "real", "sim", "seed_leaky"}


def test_a_file_of_notes_keeps_its_stamp(tmp_path: Path, sick: list[Case]) -> None:
    made = make_stamped_notes(sick[:30], "sim", 0.5, 3)
    write_notes(tmp_path / "notes.jsonl", made)
    back = read_notes(tmp_path / "notes.jsonl")
    assert back == made
    assert back.stamp == {"regime": "sim", "strength": 0.5, "seed": 3, "table_digest": causal_table().digest}
    assert make_stamped_notes([], "none").table_digest == ""


def test_broken_files_of_notes(tmp_path: Path, sick: list[Case]) -> None:
    path = tmp_path / "notes.jsonl"
    write_notes(path, make_stamped_notes(sick[:3], "sim"))
    good = path.read_text().splitlines()
    head = json.loads(good[0])
    broken = {
        "": "not a file of notes",
        "{}": "not a file of notes",
        "\n".join(good[1:]): "not a file of notes",
        "\n".join(good[:3]): "not whole",
        "\n".join([*good, good[1]]): "stands twice",
        "\n".join([good[0], "{nonsense"]): "line 2 is not JSON",
        "\n".join([good[0], "[1]"]): "line 2 is not a JSON object",
        "\n".join([good[0], '{"case_id": "a", "text": "b"}']): "a line holds case_id",
        "\n".join([good[0], '{"case_id": "a", "note": 3}']): "the note is int",
        json.dumps({**head, "sed": 1}): "unknown key 'sed'; did you mean 'seed'",
        json.dumps({k: v for k, v in head.items() if k != "seed"}): "lacks 'seed'",
    }
    for text, message in broken.items():
        path.write_text(text)
        with pytest.raises(MedleyError, match=message):
            read_notes(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MedleyError, match="UTF-8"):
        read_notes(path)
    with pytest.raises(MedleyError, match="medley notes make"):
        read_notes(tmp_path / "absent.jsonl")


def test_command(tmp_path: Path, sick: list[Case]) -> None:
    write_cases(tmp_path / "cases.parquet", sick[:40], CHEXPERT_14)
    out = tmp_path / "sim.jsonl"
    arguments = ["make", str(tmp_path / "cases.parquet"), "--regime", "sim", "--lambda", "0.5", "--out", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.output)
    assert (summary["studies"], summary["strength"], summary["regime"]) == (40, 0.5, "sim")
    assert summary["without_note"] == sum(note is None for note in read_notes(out).notes.values())
    assert len(summary["examples"]) == 3
    plain = CliRunner().invoke(app, arguments)
    assert "simulated" in plain.output
    assert "words a note" in plain.output
    bad = CliRunner().invoke(app, ["make", str(tmp_path / "absent.parquet"), "--regime", "sim", "--out", str(out)])
    assert isinstance(bad.exception, MedleyError)


def test_the_yaml_holds_no_key_that_nobody_reads() -> None:
    from importlib.resources import files

    table = yaml.safe_load(files("medley.data").joinpath("notes_causal.yaml").read_text(encoding="utf-8"))
    assert set(table) == {"version", "missing_note", "silent", "comorbidities", "symptoms", "surface"}
    used = {"durations", "quiet", "history_openers", "quiet_history", "joiners", "shorthand"}
    assert set(table["surface"]) == used
