"""A list of recipes is checked whole before anything is trained, and each run changes what it says and nothing else."""

from __future__ import annotations

import pytest

from medley.core.errors import MedleyError
from medley.training.recipe import load_recipe
from medley.training.recipe_list import is_list, load_recipe_list

BASE = """
family: chexquery
size: toy
data: {cohort: chexquery, cases: 40, notes: {regime: none}}
stages: {towers: {epochs: 1}, align: {epochs: 1}, joint: {epochs: 1}}
demo: {data: {cases: 10}}
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "base.yaml").write_text(BASE)

    def write(text: str):
        (tmp_path / "list.yaml").write_text(text)
        return tmp_path / "list.yaml"

    return write


def test_each_run_changes_what_it_says_and_no_more(write):
    path = write("base: base.yaml\nruns:\n  whole: {}\n  two: {model: {pooled: 2}}\n  short: {drop: [align]}\n")
    found = load_recipe_list(path, ["seed=5"])
    assert list(found) == ["whole", "two", "short"]
    plain = load_recipe(path.parent / "base.yaml", ["seed=5"]).model_copy(update={"demo": {}})
    assert found["whole"] == plain
    assert found["two"].model["pooled"] == 2
    assert found["two"].model_copy(update={"model": plain.model}) == plain
    assert list(found["short"].stages) == ["towers", "joint"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("base: base.yaml\nruns: {a: {model: {poled: 2}}}\n", r"run 'a': model: unknown key 'poled'.*pooled"),
        ("base: base.yaml\nruns: {a: {drop: [alig]}}\n", r"stage of .*run 'a'.*align"),
        ("base: base.yaml\nruns: {a: {drop: [towers, align, joint]}}\n", "leaves no stage"),
        ("base: base.yaml\nruns: {../a: {}}\n", "small letters"),
        ("base: nowhere.yaml\nruns: {a: {}}\n", "nowhere.yaml does not exist"),
        ("base: base.yaml\nrun: {a: {}}\n", "unknown key 'run'.*runs"),
    ],
)
def test_a_mistake_in_one_run_stops_all_with_its_name(write, text, says):
    path = write(text)
    assert is_list({"base": 1})
    with pytest.raises(MedleyError, match=says):
        load_recipe_list(path)
