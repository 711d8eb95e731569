"""The recipe of the real films on 60 of them at toy size, as a user runs it: index, split, train, evaluate, predict."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from medley.core.labels import NIH_14

RECIPE = Path(__file__).parents[2] / "recipes/cxr_reasoner/nih_1000.yaml"
COLUMNS = ",".join(name.replace("Pleural Effusion", "Effusion").replace(" ", "_") for name in NIH_14)
FILMS = 60
TOY = (
    "size=toy",
    "model={image_px: 48, vision: test_vit, vision_level: -1}",
    "stages.joint={epochs: 1, batch: 12, best_by: loss}",  # a dev part of 12 has no label with 10 positives
    "trainer.precision=fp32",
    "evaluate.bootstrap=20",
)


@pytest.fixture
def films(real_data, tmp_path, monkeypatch) -> Path:
    """A table of every twelfth film, pneumonia and not, beside nothing else; the films stay where they are."""
    monkeypatch.setenv("MEDLEY_CACHE", str(tmp_path / "cache"))
    with (real_data / "cxr_labels/nih_1000/labels.csv").open() as file:
        rows = list(csv.DictReader(file))[::12][:FILMS]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_the_recipe_end_to_end_on_real_films(medley, real_data, films):
    root, cases, splits, run = real_data / "cxr_labels/nih_1000", *(films / n for n in ("c.parquet", "s.json", "run"))
    steps = [
        ("index", "folder", "--root", root, "--csv", films / "labels.csv", "--labels", COLUMNS, "--out", cases),
        ("split", cases, "--by", "stratified", "--out", splits),
    ]
    settings = [f"data.cases={cases}", f"data.splits={splits}", *TOY]
    steps.append(("train", RECIPE, "--out", run, *(part for one in settings for part in ("--set", one))))
    steps.append(("evaluate", run, "--json"))
    said = {}
    for step in steps:
        code, said[step[0]], errors = medley(*step)
        assert code == 0, errors

    card = json.loads(said["evaluate"])
    assert card["protocol"]["notes"] == "none"
    assert card["protocol"]["synthetic"] is False
    assert set(card["per_label"]["fused"]) == set(NIH_14)
    macro = card["metrics"]["auroc_macro"]  # twelve test films: no label has 10 positives, so there is no macro
    assert macro["value"] is None
    assert macro["error"]
    assert {"prevalence", "thumbnail_probe"} <= set(card["floors"])

    film = min((root / "images").glob("*.jpg"))
    code, out, errors = medley("predict", run, film, "--json")
    assert code == 0, errors
    probability = {label["name"]: label["p_raw"] for label in json.loads(out)["labels"]}
    assert set(probability) == set(NIH_14)
    assert all(0 < value < 1 for value in probability.values())
