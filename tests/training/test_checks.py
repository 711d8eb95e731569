"""What would train the wrong thing is told before the first step."""

from __future__ import annotations

import dataclasses

import pytest

from medley.core.errors import MedleyError
from medley.core.files import read_json
from medley.core.records import Case
from medley.training.checks import hierarchy_breaks, hierarchy_holds
from medley.training.stages import train


def cases(*labels: dict[str, float]) -> list[Case]:
    return [Case(f"c{i}", f"p{i}", "1", labels=each) for i, each in enumerate(labels)]


def test_a_pair_counts_where_the_child_is_there_and_the_parent_is_known():
    some = cases(
        {"Pneumonia": 1, "Consolidation": 0, "Lung Opacity": 1},
        {"Pneumonia": 1, "Consolidation": -1},
        {"Pneumonia": 0, "Consolidation": 0},
        {"Edema": 1, "Lung Opacity": 1},
    )
    assert hierarchy_breaks(some) == (1, 3)
    assert not hierarchy_holds(some)
    assert hierarchy_holds(cases({"Edema": 1}, {"Fracture": 1})), "nothing is broken where nothing is known"
    assert hierarchy_holds([*some[:1], *cases({"Edema": 1, "Lung Opacity": 1}) * 60]), "a slip is no other convention"


def test_a_penalty_that_the_labels_break_is_refused(toy_recipe, tmp_path, monkeypatch):
    """NIH's labels: 369 films of pneumonia, of which at most 25 are also labelled as consolidation."""
    from medley.training import stages

    opened = stages.open_source

    def broken(*args, **options):
        source = opened(*args, **options)
        for part in source.parts.values():
            part[:] = [dataclasses.replace(c, labels={**c.labels, "Lung Opacity": 0.0, "Edema": 1.0}) for c in part]
        return source

    monkeypatch.setattr(stages, "open_source", broken)
    with pytest.raises(MedleyError, match=r"in 72 of 72 pairs .* set model\.hierarchy: 0"):
        train(toy_recipe(), tmp_path / "run", audit=False)
    assert not (tmp_path / "run").exists()


def test_the_run_says_whether_its_labels_obey_the_hierarchy_and_what_its_stage_was(toy_recipe, tmp_path):
    from medley.core.config import read_yaml
    from medley.core.weights import load_tensors

    run = train(toy_recipe(stages={"joint": {"epochs": 1}}), tmp_path / "run")
    assert read_json(run / "data.json")["hierarchy_holds"] is True
    stage = read_yaml(run / "1-joint" / "config.yaml")["stages"]["joint"]
    assert all(stage[key] is not None for key in ("best_by", "warmup", "weight_decay", "batch", "epochs"))
    _, facts = load_tensors(run / "1-joint" / "weights.safetensors")
    assert {"medley", "torch", "timm", "transformers", "config", "preprocessing", "labels"} <= facts.keys()
    assert facts["config"]["image_px"] == 48
