"""Where the queries of the parts of the chest look is scored against their masks, and against the mean of all masks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import medley
from medley.core.labels import ANATOMY
from medley.core.records import Film
from medley.serving.explaining import anatomy
from medley.serving.explaining.anatomy import score_anatomy
from medley.serving.scoring.run import other_source


@pytest.fixture(scope="module")
def scores(predictor, source):
    return score_anatomy(predictor, source, "test", own=source, resamples=40)


@pytest.fixture
def seeing(monkeypatch):
    """A trained model that looks where the parts lie, and untrained ones that look everywhere."""

    def made_up(predictor, known, model=None):
        if model is not None:
            return np.full((len(known.studies), len(ANATOMY), 6, 6), 1 / 36, np.float32)
        return F.adaptive_avg_pool2d(torch.from_numpy(known.covers_NRrr), 12).numpy()

    monkeypatch.setattr(anatomy, "_maps", made_up)


def test_a_model_that_looks_where_the_parts_lie_beats_the_mean_mask(predictor, source, seeing):
    found = score_anatomy(predictor, source, "test", own=source, resamples=40)
    assert found.metrics["anatomy_iou"].value > 0.9
    assert all(found.metrics[f"{part}/anatomy_iou"].value > 0.85 for part in ANATOMY)
    assert found.floors["mean_mask"]["anatomy_iou"] < 0.6, "each part lies at one of two places"
    assert found.floors["untrained"]["anatomy_iou"] < 0.3
    for floor in ("mean_mask", "untrained"):
        over = found.metrics[f"trained_minus_{floor}/anatomy_iou"]
        gap = found.metrics["anatomy_iou"].value - found.floors[floor]["anatomy_iou"]
        assert over.value == pytest.approx(gap)
        assert over.ci95[0] > 0
    assert not any("mean mask" in line for line in found.warnings)


def test_every_number_is_there_with_its_interval_and_its_protocol(predictor, source, scores):
    known = [case for case in source.parts["test"] if "anatomy" in case.truth]
    assert 0 < len(known) < len(source.parts["test"])
    assert scores.facts["anatomy"]["studies"] == scores.metrics["anatomy_iou"].n == len(known)
    for name in ("anatomy_iou", "anatomy_mass_in_mask"):
        metric = scores.metrics[name]
        assert metric.ci95[0] <= metric.value <= metric.ci95[1]
        assert metric.value == pytest.approx(np.mean([scores.metrics[f"{part}/{name}"].value for part in ANATOMY]))
        for floor in ("mean_mask", "untrained"):
            assert 0 < scores.floors[floor][name] < 1
    facts = scores.facts["anatomy"]
    assert set(facts["cuts"]) == set(ANATOMY)
    assert facts["chosen_on"] == "dev"
    assert facts["ceiling"]["anatomy_iou"] > scores.metrics["anatomy_iou"].value
    assert json.loads(json.dumps(dict(scores.facts))) == scores.facts


def test_a_model_that_knows_no_more_than_the_mean_mask_is_told_so(scores):
    assert any("do not beat the mean mask" in line for line in scores.warnings)
    assert any("does not say that its queries were taught" in line for line in scores.warnings)


def test_the_maps_are_those_of_the_parts_on_the_film_that_has_the_masks(predictor, source, monkeypatch):
    """Query q looks at patch q of the second film; the first film is the lateral."""
    known = anatomy._known(predictor, source, "test", 4)
    lateral = Film("LATERAL", known.studies[0].films[0].pixels, known.studies[0].films[0].placement)
    swapped = [replace(s, films=(lateral, s.films[0])) for s in known.studies]
    places = predictor.model.vision.grid[0] * predictor.model.vision.grid[1]
    whole = predictor.model.queries.forward

    def looking(tokens_BKD, is_token_BK):
        states, weights_BQK = whole(tokens_BKD, is_token_BK)
        weights_BQK = torch.zeros_like(weights_BQK)
        for query in range(weights_BQK.shape[1]):
            weights_BQK[:, query, places + query % places] = 1
        return states, weights_BQK

    monkeypatch.setattr(predictor.model.queries, "forward", looking)
    maps = anatomy._maps(predictor, replace(known, studies=tuple(swapped), views=(1,) * len(swapped)))
    first = len(predictor.labels)
    for part in range(len(ANATOMY)):
        assert maps[0, part].argmax() == (first + part) % places
    away = anatomy._maps(predictor, replace(known, studies=tuple(swapped), views=(0,) * len(swapped)))
    assert away.max() == 0


def test_what_cannot_be_scored_is_none_or_said(predictor, source, toy_run, report_films):
    of_findings = medley.load(toy_run)
    assert score_anatomy(of_findings, source, "test") is None, "it has no such queries"
    plain = other_source(predictor, report_films / "cases.parquet", report_films / "splits.json", "test")
    assert score_anatomy(predictor, plain, "test", own=plain) is None, "nobody knows where anything lies"
    alone = score_anatomy(predictor, source, "test", resamples=10)
    assert "mean_mask" not in alone.floors
    assert any("mean_mask is missing" in line for line in alone.warnings)


def test_the_cuts_are_chosen_elsewhere(predictor, source, seeing):
    assert score_anatomy(predictor, source, "dev", own=source, resamples=5).facts["anatomy"]["chosen_on"] == "train"
