"""`medley score` and `medley compare` of brain reports as a user runs them."""

from __future__ import annotations

import json

import pytest

SICK = (
    "Left frontal lesion with edema.",
    "Right temporal lesion. No edema.",
    "Bilateral parietal lesions with necrosis.",
)
HEALTHY = "The brain is normal."


@pytest.fixture
def files(tmp_path):
    """name -> forty reports: `right` says what is true, `same` one thing of everybody."""
    made = {}
    for name in ("right", "same"):
        lines = [
            {
                "case_id": f"c{i}",
                "patient_id": f"p{i}",
                "task": "brain_report",
                "hypothesis": SICK[0] if name == "same" else true,
                "reference": true,
            }
            for i in range(40)
            for true in [(*SICK, HEALTHY)[i % 4]]
        ]
        made[name] = tmp_path / f"{name}.jsonl"
        made[name].write_text("".join(json.dumps(line) + "\n" for line in lines))
    return made


def test_numbers_floors_and_a_comparison(medley, files, tmp_path):
    for name, file in files.items():
        code, printed, err = medley("score", file, "--bootstrap", 120, "--out", tmp_path / name)
        assert code == 0, err
        rows = {line.split()[0]: line for line in printed.splitlines()}
        for metric in ("side_lobe_f1", "healthy_specificity", "pathology_f1_seed", "rouge_l", "floor:"):
            assert metric in rows, metric
        assert "floor: constant_lesion" in printed
        told = " ".join(err.split())
        assert "it beats one healthy report for everybody" in told
        assert ("But it does not tell sick brains from healthy ones better than" in told) == (name == "same")
        assert (tmp_path / name / "floors" / "constant_healthy.jsonl").is_file()
    code, printed, err = medley(
        "compare", tmp_path / "right", tmp_path / "same", "--bootstrap", 100, "--permutations", 99
    )
    assert code == 0, err
    lines = printed.splitlines()
    assert lines[0].startswith("A is better than B in side and lobe F1 by 0.")
    named = [line.split()[0] for line in lines if line and line[0].islower()]
    assert named[:2] == ["side_lobe_f1", "laterality_accuracy"]
    assert any(line.startswith("edema") for line in lines)


def test_the_card_as_json_says_its_task_and_truth(medley, files):
    code, printed, _ = medley("score", files["right"], "--bootstrap", 0, "--json")
    card = json.loads(printed)
    assert (code, card["task"], card["protocol"]["truth"]) == (0, "brain_report", "reference text")
    assert card["metrics"]["side_lobe_f1"]["value"] == 1
    code, _, err = medley("score", files["right"], "--chexbert", "weights.pth", "--bootstrap", 0)
    assert code == 2
    assert "--chexbert labels reports of chest films" in " ".join(err.split())
