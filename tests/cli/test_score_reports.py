"""`medley score` of reports as a user runs it: what is printed and written, and one line for what cannot be done."""

from __future__ import annotations

import json

import pytest

SAYS = ("Left pleural effusion.", "Cardiomegaly.", "The lungs are clear.", "Right rib fracture. Edema.")


@pytest.fixture
def theirs(tmp_path):
    """Forty reports, each fourth of them wrong."""
    lines = [
        {
            "case_id": f"c{i}",
            "patient_id": f"p{i}",
            "task": "chest_report",
            "hypothesis": {"findings": SAYS[i % 4 if i % 4 else 2]},
            "reference": {"findings": SAYS[i % 4]},
        }
        for i in range(40)
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path / "p.jsonl"


def test_numbers_on_stdout_words_on_stderr_files_in_the_folder(medley, theirs, tmp_path):
    code, printed, err = medley("score", theirs, "--bootstrap", 120, "--out", tmp_path / "card")
    assert code == 0
    assert "clinical_f1_micro_14" in printed
    assert "meteor" in printed
    assert "null: no WordNet" in printed
    assert "floor: constant_normal" in printed
    assert "By more than its interval it beats one normal report" in " ".join(err.split())
    assert "the floor most_frequent is missing" in " ".join(err.split())
    for name in ("scorecard.json", "scorecard.html", "by_report.csv", "metrics.csv", "per_label.csv", "labels.png"):
        assert (tmp_path / "card" / name).is_file(), name
    assert (tmp_path / "card" / "floors" / "constant_normal.jsonl").is_file()

    code, printed, _ = medley("score", theirs, "--bootstrap", 0, "--json", "--tokens", "13a")
    card = json.loads(printed)
    assert (code, card["task"]) == (0, "chest_report")
    assert "13a tokens" in card["protocol"]["metric_definitions"]
    assert card["metrics"]["bleu_1"]["error"] == "no interval: no resamples were asked for"


def test_what_cannot_be_done_is_one_line(medley, theirs, tmp_path):
    file = tmp_path / "a file"
    file.write_text("x")
    (tmp_path / "empty").mkdir()
    strange = tmp_path / "strange.jsonl"
    strange.write_text(theirs.read_text().replace('"c3"', '"z"'))
    for arguments, rule in (
        (("--out", file / "in it"), "is not a folder"),
        (("--task", "chest_findings"), "holds no predictions of task chest_findings; it holds chest_report"),
        (("--floor", f"black_images={strange}"), "floor black_images lacks case 'c3', unlike the system"),
        (("--floor", "black_images"), "it must be NAME=..., as in black_images=black.jsonl"),
        (("--floor", f"a={strange}", "--floor", f"a={strange}"), "'a' is given twice"),
        (("--scorer", "green='x"), "the quotes of the command do not close"),
        (("--encoder", "dir@last"), "it must be DIR or DIR@LAYER"),
        (("--encoder", tmp_path / "none"), "is no folder"),
        (("--chexbert", f"{tmp_path / 'none.pth'}@words"), "none.pth"),
        (("--tokens", "13b"), "did you mean '13a'"),
        (("--dev", theirs), f"--dev {theirs}: no prediction has 'scores' of findings"),
        (("--wordnet", tmp_path / "none"), f"{tmp_path / 'none'} holds no WordNet"),
        (("--wordnet", tmp_path / "empty"), f"medley doctor --wordnet {tmp_path / 'empty'} makes one there"),
    ):
        code, _, err = medley("score", theirs, *arguments, "--bootstrap", 0)
        assert code == 2, arguments
        assert rule in " ".join(err.split()), arguments
        assert len(err.strip().splitlines()) == 1, err


def test_a_label_that_nothing_knows_is_named_with_the_nearest(medley, theirs, tmp_path):
    lines = [json.loads(line) for line in theirs.read_text().splitlines()]
    odd = tmp_path / "odd.jsonl"
    for labels, scores, refused in (
        ({"Oedemaa": 1}, {}, True),
        ({"Oedema": 1, "Hernia": 0}, {}, False),
        ({"Scapula alata": 1}, {"Scapula alata": 0.4}, False),
    ):
        odd.write_text("".join(json.dumps({**line, "labels": labels, "scores": scores}) + "\n" for line in lines))
        code, _, err = medley("score", odd, "--bootstrap", 0)
        assert (code == 2) == refused, labels
        named = f"{odd} (case 'c0'): 'labels': unknown label 'Oedemaa'; did you mean 'Edema'?"
        assert (named in " ".join(err.split())) == refused
