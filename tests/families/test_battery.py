"""Every family of the literal table passes every check of the battery, and every recipe loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from medley.core.config import read_yaml
from medley.families import FAMILIES, get_family
from medley.training.battery import CHECKS, Subject
from medley.training.recipe import load_recipe
from medley.training.recipe_list import is_list, load_recipe_list

FILES = sorted((Path(__file__).parents[2] / "recipes").glob("*/*.yaml"))
LISTS = [path for path in FILES if is_list(read_yaml(path))]
RECIPES = [path for path in FILES if path not in LISTS]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_conformance(family, check):
    assert CHECKS[check](Subject(get_family(family))) is None


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_recipe_loads_alone_and_as_a_demo(path):
    recipe = load_recipe(path)
    assert recipe.family == path.parent.name
    assert list(recipe.stages)
    load_recipe(path, demo=True)


@pytest.mark.parametrize("path", LISTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_list_of_recipes_loads(path):
    assert all(recipe.family == path.parent.name for recipe in load_recipe_list(path).values())


@pytest.mark.parametrize(
    "changes",
    [
        {"fusion": "gated"},
        {"fusion": "concat"},
        {"fusion": "late"},
        {"loss": "weighted", "views": 1},
        {"loss": "asymmetric"},
        {"loss": "focal", "query_layers": 2},
        {"three_class": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("check", ["builds", "gradients", "overfits", "company"])
def test_every_variant_conforms(changes, check):
    assert CHECKS[check](Subject(get_family("cxr_reasoner"), changes=changes)) is None
