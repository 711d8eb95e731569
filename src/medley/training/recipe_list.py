"""A list of recipes: one recipe, and what each run of a comparison changes of it. What an ablation is written as.

    base: tiny.yaml                  # beside the list, or an absolute path
    runs:
      whole: {}
      average: {model: {inflation: average}}
      without_contrastive: {drop: [contrastive]}

`medley train LIST.yaml` trains one run after the other into RUN/<name>; a run that is finished is not trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from medley.core.config import Config, build_config, merged, read_yaml, with_settings
from medley.core.errors import MedleyError, choose
from medley.training.recipe import Recipe, resolve_recipe

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


class RecipeList(Config):
    """The document."""

    base: str
    """The recipe that all runs begin with; relative to the list's folder."""
    runs: dict[str, dict[str, Any]] = Field(min_length=1)
    """Run -> keys of the recipe that it changes; `drop` names stages that it skips."""


def is_list(document: Mapping[str, Any]) -> bool:
    """Whether a document is a list of recipes, and not one of them."""
    return "base" in document or "runs" in document


def load_recipe_list(path: Path | str, settings: Sequence[str] = ()) -> dict[str, Recipe]:
    """Run -> its recipe, fully resolved; `settings` are laid over all of them, after each run's own changes.

    Every run is checked before the first is trained. Raises MedleyError with run, key, rule and the nearest right name.
    """
    path = Path(path)
    listed = build_config(RecipeList, read_yaml(path), str(path))
    base = read_yaml(path.parent / listed.base)
    recipes = {}
    for name, changes in listed.runs.items():
        if not name or set(name) - _PLAIN:
            raise MedleyError(f"{path}: run '{name}': a name is made of small letters, digits, _ and -: it is a folder")
        where = f"{path}: run '{name}'"
        changes, drop = {**changes}, changes.get("drop", [])
        changes.pop("drop", None)
        document = with_settings(merged({**base, "demo": {}}, changes), settings)
        recipe = resolve_recipe(document, where)
        for stage in drop:
            choose(stage, recipe.stages, f"stage of {where}")
        kept = {stage: how for stage, how in recipe.stages.items() if stage not in drop}
        if not kept:
            raise MedleyError(f"{where}: drop leaves no stage to train")
        recipes[name] = recipe.model_copy(update={"stages": kept})
    return recipes
