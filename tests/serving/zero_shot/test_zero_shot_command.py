"""`medley zero-shot` from a model on the disk to a scorecard, and what a kill, a bad volume and a bad model cost."""

from __future__ import annotations

import json
import shutil

import nibabel
import pytest

from medley.data.cases import read_cases, write_cases
from medley.data.splits import read_splits
from medley.serving.zero_shot.model import SliceReader

RECIPE = """
family: braingemma3d
size: toy
seed: 5
data: {cases: COHORT/cases.parquet, splits: COHORT/splits.json, notes: {regime: none}}
stages: {towers: {epochs: 1}, contrastive: {epochs: 1}, warmup: {epochs: 1}, lora: {epochs: 1}}
trainer: {precision: fp32}
evaluate: {bootstrap: 20}
"""


@pytest.fixture
def asked(monkeypatch):
    """The slices of each call of the model, in order."""
    calls: list[list] = []
    original = SliceReader.ask

    def ask(self, pictures, prompt, **how):
        calls.append(list(pictures))
        return original(self, pictures, prompt, **how)

    monkeypatch.setattr(SliceReader, "ask", ask)
    return calls


def command(model, brains, out, *more):
    data = ("--cases", brains / "cases.parquet", "--splits", brains / "splits.json")
    return ("zero-shot", model, *data, "--out", out, "--slices", 4, "--max-tokens", 6, "--device", "cpu", *more)


def lines_of(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def test_predictions_hold_what_is_true_and_the_record_what_was_asked(medley, tiny_model, brains, tmp_path, asked):
    out = tmp_path / "out"
    code, printed, err = medley(*command(tiny_model, brains, out))
    assert code == 0, err
    assert printed.strip() == str(out / "predictions.jsonl")
    table = read_cases(brains / "cases.parquet")
    test = read_splits(brains / "splits.json", table).parts["test"]
    lines = lines_of(out)
    assert [line["case_id"] for line in lines] == list(test)
    assert len(asked) == len(test)
    assert all(len(pictures) == 4 and any(picture.any() for picture in pictures) for pictures in asked)
    for line in lines:
        case = table.by_id[line["case_id"]]
        assert line["task"] == "brain_report"
        assert line["patient_id"] == case.patient_id
        assert line["reference"] == {"report": case.text["report"]}
        assert line["truth"]["healthy"] == case.truth["healthy"]
        assert line["truth"].get("side_lobe", []) == case.truth.get("side_lobe", [])
        assert line["extra"]["cut_at_max_tokens"]
        assert line["extra"]["tokens"] == 6
    assert f"{len(test)} of {len(test)} answers cut at 6 tokens" in err
    record = json.loads((out / "zero_shot.json").read_text())
    assert record["results"]["cut_at_max_tokens"] == len(test)
    settings = record["settings"]
    assert settings["slices"] == 4
    assert settings["table"] == table.digest
    assert "patient's left is on the left" in settings["prompt"]["instruction"]
    assert record["model_type"] == "gemma3"
    assert record["command"].startswith("medley zero-shot ")


def test_a_run_that_is_killed_goes_on_and_ends_as_an_unbroken_one(medley, tiny_model, brains, tmp_path, monkeypatch):
    code, _, err = medley(*command(tiny_model, brains, tmp_path / "whole"))
    assert code == 0, err
    original, calls = SliceReader.ask, []

    def killed_at_the_third(self, pictures, prompt, **how):
        calls.append(how["seed"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, pictures, prompt, **how)

    monkeypatch.setattr(SliceReader, "ask", killed_at_the_third)
    out = tmp_path / "broken"
    code, _, err = medley(*command(tiny_model, brains, out))
    assert code == 130
    assert not (out / "predictions.jsonl").exists()
    code, _, err = medley(*command(tiny_model, brains, out))
    assert code == 0, err
    assert "2 of them before" in err
    whole = lines_of(tmp_path / "whole")
    assert len(calls) == len(whole) + 1, "the third was asked twice, no other"
    assert lines_of(out) == whole
    calls.clear()
    code, _, err = medley(*command(tiny_model, brains, out, "--seed", 1))
    assert code == 2
    assert "holds answers to another question (seed is '0' there and '1' now)" in err
    assert not calls


def test_a_limit_may_grow(medley, tiny_model, brains, tmp_path, asked):
    out = tmp_path / "out"
    for limit in (1, 3):
        code, _, err = medley(*command(tiny_model, brains, out, "--limit", limit))
        assert code == 0, err
        assert len(lines_of(out)) == limit
    assert len(asked) == 3


def test_black_slices_are_a_floor_of_the_score(medley, tiny_model, brains, tmp_path, asked):
    data = ("--train", brains / "cases.parquet", "--splits", brains / "splits.json", "--bootstrap", 50)
    assert medley(*command(tiny_model, brains, tmp_path / "own"))[0] == 0
    asked.clear()
    assert medley(*command(tiny_model, brains, tmp_path / "black", "--black"))[0] == 0
    assert len(asked) == 1, "the same pictures are asked once"
    assert not any(picture.any() for picture in asked[0])
    black = ("--floor", f"black_images={tmp_path / 'black' / 'predictions.jsonl'}")
    own = tmp_path / "own" / "predictions.jsonl"
    code, printed, err = medley("score", own, *data, *black, "--out", tmp_path / "card")
    assert code == 0, err
    for floor in ("constant_healthy", "constant_lesion", "majority_side", "most_frequent", "black_images"):
        assert f"floor: {floor}" in printed
    assert "ceiling: nearest_reference" in printed
    card = json.loads((tmp_path / "card" / "scorecard.json").read_text())
    assert card["protocol"]["truth"] == "table"


def test_the_score_compares_with_the_evaluation_of_a_run(medley, tiny_model, brains, tmp_path):
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(RECIPE.replace("COHORT", str(brains)))
    code, _, err = medley("train", recipe, "--out", tmp_path / "run")
    assert code == 0, err
    assert medley(*command(tiny_model, brains, tmp_path / "zero"))[0] == 0
    zero = tmp_path / "zero" / "predictions.jsonl"
    code, printed, err = medley("evaluate", tmp_path / "run", "--floor", f"general={tmp_path / 'zero'}")
    assert code == 0, err
    assert "floor: general" in printed
    protocol = json.loads((tmp_path / "run" / "evaluation" / "scorecard.json").read_text())["protocol"]
    data = ("--train", brains / "cases.parquet", "--splits", brains / "splits.json", "--bootstrap", 20)
    stated = (f"--state=notes={protocol['notes']}", f"--state=aggregation={protocol['aggregation']}")
    code, _, err = medley("score", zero, *data, *stated, "--out", tmp_path / "card")
    assert code == 0, err
    how = ("--bootstrap", 20, "--permutations", 20)
    code, printed, err = medley("compare", tmp_path / "run", tmp_path / "card", *how)
    assert code == 0, err
    assert "side_lobe_f1" in printed


def test_a_volume_that_cannot_be_read_is_skipped_and_counted(medley, tiny_model, brains, tmp_path):
    folder = shutil.copytree(brains, tmp_path / "cohort")
    table = read_cases(folder / "cases.parquet")
    first = read_splits(folder / "splits.json", table).parts["test"][0]
    [image] = table.by_id[first].images
    nibabel.Nifti1Image(nibabel.load(image.path).get_fdata()[:, :, 0], None).to_filename(image.path)
    out = tmp_path / "out"
    code, _, err = medley(*command(tiny_model, folder, out))
    assert code == 1
    assert "skipped 1: " in err
    [_, row] = (out / "skipped.csv").read_text().splitlines()
    assert row.startswith(f"{first},")
    assert first not in [line["case_id"] for line in lines_of(out)]
    code, _, err = medley("score", out / "predictions.jsonl", "--train", folder / "cases.parquet", "--bootstrap", 0)
    assert code == 0, err


def test_bad_input_is_one_line_and_exit_2(medley, tiny_model, brains, tmp_path):
    table = read_cases(brains / "cases.parquet")
    (tmp_path / "films").mkdir()
    write_cases(tmp_path / "films" / "cases.parquet", table.cases, table.labels)
    (tmp_path / "words.txt").write_text("What is wrong?")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for arguments, words in (
        (command(tmp_path / "none", brains, tmp_path / "a"), "cannot be loaded"),
        (command(tiny_model, brains, tmp_path / "a", "--part", "tets"), "did you mean 'test'"),
        (command(tiny_model, brains, tmp_path / "a", "--sequence", "flare"), "did you mean 'flair'"),
        (
            command(tiny_model, brains, tmp_path / "a", "--sequence", "t2"),
            "no case of the part 'test' has a t2: there is flair",
        ),
        (command(tiny_model, brains, tmp_path / "a", "--slices", 65), "1 to 64 can be shown"),
        (command(tiny_model, brains, tmp_path / "a", "--convention", "neurologic"), "did you mean 'neurological'"),
        (command(tiny_model, brains, tmp_path / "a", "--prompt", tmp_path / "words.txt"), "has 0 lines '---'"),
        (command(tiny_model, brains, tmp_path / "a", "--prompt", tmp_path / "none.txt"), "No such file"),
        (command(tiny_model, brains, tmp_path / "full"), "holds other files"),
        (command(tiny_model, tmp_path / "films", tmp_path / "a"), "splits.json"),
    ):
        code, _, err = medley(*arguments)
        assert code == 2, words
        assert words in " ".join(err.split()), (words, err)
        assert len(err.strip().splitlines()) == 1, err
        assert not (tmp_path / "a").exists()
