"""A run that writes, and studies of which it is known where the parts of the chest lie."""

from __future__ import annotations

import pytest

import medley
from medley.serving.scoring.run import other_source


@pytest.fixture(scope="module")
def predictor(report_run):
    return medley.load(report_run)


@pytest.fixture(scope="module")
def source(predictor, known_anatomy):
    return other_source(predictor, known_anatomy / "cases.parquet", known_anatomy / "splits.json", "test")
