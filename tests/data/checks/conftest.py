"""One clean generated cohort with its split: what no check may find fault with."""

from __future__ import annotations

from pathlib import Path

import pytest

from medley.data.cohorts import cohort_of
from medley.data.splits import make_split, write_splits


@pytest.fixture(scope="session")
def clean(tmp_path_factory) -> Path:
    """A folder with a small generated cohort and its split: cases.parquet, splits.json."""
    folder = tmp_path_factory.mktemp("clean")
    table = cohort_of("cxr_reasoner")(folder / "cohort", 40, seed=3, px=64, workers=1)
    write_splits(folder / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.6, 0.15, 0.25)))
    return folder


@pytest.fixture(scope="session")
def brains(tmp_path_factory) -> Path:
    """A folder with a small cohort of generated brains and its split: cohort/cases.parquet, splits.json."""
    folder = tmp_path_factory.mktemp("brains")
    table = cohort_of("braingemma3d")(folder / "cohort", 60, seed=5, px=48, workers=1, sequences=("flair", "t1"))
    write_splits(folder / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.6, 0.15, 0.25)))
    return folder
