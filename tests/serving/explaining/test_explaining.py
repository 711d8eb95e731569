"""Maps of a run are scored where lesions are marked, in one go, and only there."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

import medley
from medley.core.files import write_json
from medley.data.cases import read_cases, write_cases
from medley.data.splits import make_split, write_splits
from medley.explain import methods, score
from medley.serving.explaining import run as explaining
from medley.serving.explaining.marked import maps_of, marked_studies, random_model
from medley.serving.explaining.run import score_run
from medley.serving.scoring import run as scoring

PLACES = {"Edema": (5, 5), "Fracture": (30, 8), "Lung Opacity": (18, 26)}  # y, x of tests/conftest's squares, 10 px


def with_boxes(folder, square_films, change=lambda case, boxes: boxes):
    """The square films with a reader's box on the frontal film for each label that is present."""
    rows = []
    for case in read_cases(square_films / "cases.parquet").cases:
        image = next(image for image in case.images if image.view != "LATERAL").path.rsplit("/", 1)[-1]
        boxes = [
            {"label": label, "image": image, "box": [x / 40, y / 48, (x + 10) / 40, (y + 10) / 48]}
            for label, (y, x) in PLACES.items()
            if case.labels[label] == 1
        ]
        rows.append(dataclasses.replace(case, truth={"boxes": change(case, boxes)}))
    table = write_cases(folder / "boxes.parquet", rows, list(PLACES))
    write_splits(folder / "boxes.json", make_split(table, by="stratified", seed=1, fractions=(0.2, 0.3, 0.5)))
    return folder / "boxes.parquet", folder / "boxes.json"


@pytest.fixture(scope="module")
def predictor(toy_run):
    return medley.load(toy_run)


@pytest.fixture(scope="module")
def source(predictor, square_films, tmp_path_factory):
    return scoring.other_source(predictor, *with_boxes(tmp_path_factory.mktemp("boxes"), square_films), "test")


@pytest.fixture(scope="module")
def scores(predictor, source):
    return score_run(predictor, source, "test", resamples=40)


def test_every_method_and_every_floor_has_its_numbers(scores, tmp_path):
    best = scores.facts["method"]
    assert best in ("queries", "gradcam", "hirescam", "rollout")
    assert scores.facts["chosen_on"] == "dev"
    assert best == max(scores.facts["pointing_game_there"], key=scores.facts["pointing_game_there"].__getitem__)
    for name in score.METRICS:
        assert scores.metrics[name] == scores.metrics[f"{best}/{name}"]
        for method in ("queries", "gradcam", "hirescam", "rollout"):  # the toy tower is a ViT
            metric = scores.metrics[f"{method}/{name}"]
            assert metric.ci95[0] <= metric.value <= metric.ci95[1]
        for floor in ("chance", "centre", "shuffled", "same_label", "randomised"):
            assert 0 <= scores.floors[floor][name] <= 1
    for name in ("deletion", "insertion"):
        assert 0 <= scores.metrics[name].value <= 1
        gap = scores.metrics[name].value - scores.floors["shuffled"][name]
        assert scores.metrics[f"trained_minus_shuffled/{name}"].value == pytest.approx(gap)
    gap = scores.metrics["pointing_game"].value - scores.floors["randomised"]["pointing_game"]
    assert scores.metrics["trained_minus_randomised/pointing_game"].value == pytest.approx(gap)
    assert scores.facts["averaged"] == ["Fracture"]
    assert scores.facts["left_out"] == {"Edema": "not focal", "Lung Opacity": "not focal"}
    assert set(scores.per_label) == set(PLACES)
    assert scores.per_label["Fracture"]["iou"].value == pytest.approx(scores.metrics["iou"].value)
    write_json(tmp_path / "facts.json", scores.facts)  # it goes into the scorecard
    assert json.loads((tmp_path / "facts.json").read_text())["randomised_check"]["models"] == 5


@pytest.mark.parametrize("asked", [["queries", "hirescam"], ["hirescam", "queries"]])
def test_the_best_method_is_the_best_on_dev_whatever_it_is_worth_where_it_is_scored(
    predictor, source, monkeypatch, asked
):
    """HiResCAM points into every lesion of dev and into none of test, the queries the reverse."""
    dev = {case.case_id for case in source.parts["dev"]}

    def made_up(predictor, marked, method, model=None):
        points = (marked.lesions.case_ids[0] in dev) == (method == "hirescam")
        masks = marked.lesions.masks_PX.reshape(-1, score.SQUARE_PX, score.SQUARE_PX).astype(np.float32)
        return list(masks if points else 1 - masks)

    monkeypatch.setattr(explaining, "maps_of", made_up)
    found = score_run(predictor, source, "test", resamples=10, methods=asked)
    assert found.facts["method"] == "hirescam"
    assert found.facts["chosen_on"] == "dev"
    assert found.facts["pointing_game_there"]["hirescam"] == pytest.approx(1)
    assert found.facts["pointing_game_there"]["queries"] < 0.5
    assert found.metrics["queries/pointing_game"].value == pytest.approx(1), (
        "the better one here, and not the one that was chosen"
    )
    assert found.metrics["pointing_game"] == found.metrics["hirescam/pointing_game"]
    assert found.metrics["pointing_game"].value < 0.5


def test_the_same_run_scores_the_same(predictor, source, scores):
    again = score_run(predictor, source, "test", resamples=40)
    assert again == scores


def test_at_most_so_many_studies_by_a_keyed_draw(predictor, source):
    few = marked_studies(predictor, source, "test", 5)
    assert len(few.studies) == 5
    names = [study.case.case_id for study in few.studies]
    assert names == [study.case.case_id for study in marked_studies(predictor, source, "test", 5).studies]
    assert names != [case.case_id for case in source.parts["test"][:5]]
    for p, s in enumerate(few.study_of):
        assert few.lesions.case_ids[p] == names[s]
        assert few.studies[s].films[few.views[s]].view == "PA"


def test_a_lesion_lies_where_the_film_is_bright(predictor, source):
    """The box, the film and the map share one square: what was drawn brighter is what the mask covers."""
    marked = marked_studies(predictor, source, "test", 20)
    for p, s in enumerate(marked.study_of):
        film = marked.studies[s].films[marked.views[s]].pixels
        mask = marked.lesions.masks_PX[p].reshape(score.SQUARE_PX, score.SQUARE_PX)
        y, x = (int(c.mean() * 48 / score.SQUARE_PX) for c in mask.nonzero())
        assert film[y - 2 : y + 3, x - 2 : x + 3].mean() > 120


def test_maps_of_single_studies_are_the_maps_of_the_batch(predictor, source):
    marked = marked_studies(predictor, source, "test", 6)
    together = maps_of(predictor, marked, "hirescam")
    for s, study in enumerate(marked.studies):
        columns = torch.tensor([[marked.columns[p] for p in marked.of_study(s)]])
        alone = methods.film_maps("hirescam", predictor.model, predictor.processor([study]), columns)
        for k, p in enumerate(marked.of_study(s)):
            torch.testing.assert_close(alone[0, k, marked.views[s]], torch.tensor(together[p]), rtol=1e-3, atol=1e-6)


def test_without_marked_lesions_there_is_nothing_to_score(predictor):
    assert score_run(predictor, scoring.own_source(predictor), "test", resamples=10) is None


def test_what_is_tuned_on_dev_is_not_scored_on_dev(predictor, source):
    assert score_run(predictor, source, "dev", resamples=10, methods=["queries"]).facts["chosen_on"] == "train"


def test_a_method_whose_maps_cannot_be_scored_is_null_with_the_reason(predictor, source, monkeypatch):
    def broken(model, batch, columns_BK):
        return torch.full((len(batch), columns_BK.shape[1], batch.films_BV1HW.shape[1], 3, 3), float("nan"))

    monkeypatch.setitem(methods.METHODS, "gradcam", broken)
    both = score_run(predictor, source, "test", resamples=10, methods=["gradcam", "queries"])
    assert both.facts["method"] == "queries"
    assert both.metrics["gradcam/iou"].value is None
    assert "nan" in both.metrics["gradcam/iou"].error
    alone = score_run(predictor, source, "test", resamples=10, methods=["gradcam"])
    assert alone.metrics["pointing_game"].value is None
    assert alone.floors == {}


def test_lesions_that_cannot_be_scored_are_counted(predictor, square_films, tmp_path):
    def odd(case, boxes):
        return [*boxes, {"label": "Hernia", "image": boxes[0]["image"], "box": [0, 0, 1, 1]}] if boxes else []

    source = scoring.other_source(predictor, *with_boxes(tmp_path, square_films, odd), "test")
    found = score_run(predictor, source, "test", resamples=10, methods=["queries"])
    assert any("lesions left out: the model has no such label" in warning for warning in found.warnings)


def test_where_dev_marks_nothing_nothing_is_chosen(predictor, source, square_films, tmp_path):
    dev = {case.case_id for case in source.parts["dev"]}
    paths = with_boxes(tmp_path, square_films, lambda case, boxes: [] if case.case_id in dev else boxes)
    silent = scoring.other_source(predictor, *paths, "test")
    found = score_run(predictor, silent, "test", resamples=10, methods=["hirescam"])
    assert found.facts["chosen_on"] is None
    assert found.facts["cut"] == 0.5
    assert any("dev marks no lesion to tune on: hirescam was not chosen" in warning for warning in found.warnings)


def test_another_table_is_tuned_on_the_dev_part_of_the_runs_own(predictor, source, square_films, tmp_path):
    """Its own dev part marks nothing, and it may have none."""
    dev = {case.case_id for case in source.parts["dev"]}
    paths = with_boxes(tmp_path, square_films, lambda case, boxes: [] if case.case_id in dev else boxes)
    other = scoring.other_source(predictor, *paths, "test")
    vars(other.table)["digest"] = "of another table"
    found = score_run(predictor, other, "test", resamples=10, own=source, methods=["queries"])
    assert found.facts["chosen_on"] == "dev of the run's own data"
    alone = score_run(predictor, source, "test", resamples=10, methods=["queries"])
    assert found.facts["pointing_game_there"] == alone.facts["pointing_game_there"]


def test_a_random_model_is_keyed_and_leaves_torchs_randomness_alone(predictor):
    before = torch.random.get_rng_state()
    first, again, second = random_model(predictor, 0), random_model(predictor, 0), random_model(predictor, 1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not first.training
    name = "queries.fused.queries_CD"
    weights = [model.state_dict()[name] for model in (first, again, second, predictor.model)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
