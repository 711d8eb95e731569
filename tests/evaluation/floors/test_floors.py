"""Floors: a constant knows nothing, and the thumbnail probe finds what blurred brightness gives away, no more."""

from __future__ import annotations

import time

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.evaluation.floors.simple import (
    all_negative_floor,
    neighbour_scores,
    prevalence_floor,
    thumbnail_probe,
    thumbnails,
)

NAMES = ("bright corner", "fine grain", "never seen")


def films(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright corner survives the thumbnail; a checkerboard of one pixel does not."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, 3))
    labels[:, :2] = rng.random((n, 2)) < 0.4
    made = rng.normal(120, 20, size=(n, 64, 64))
    made[:, :16, :16] += 30 * labels[:, 0, None, None] * rng.random(n)[:, None, None]
    board = np.indices((64, 64)).sum(0) % 2 * 2 - 1
    made += 40 * labels[:, 1, None, None] * board
    return made.clip(0, 255).astype(np.uint8), labels


def test_the_probe_sees_the_corner_and_not_the_grain() -> None:
    train, test = films(400, 1), films(300, 2)
    start = time.process_time()
    floor = thumbnail_probe(*train, *test, NAMES)
    assert time.process_time() - start < 10
    assert floor["auroc/bright corner"] > 0.75
    assert abs(floor["auroc/fine grain"] - 0.5) < 0.1
    assert floor["auroc/never seen"] is None
    assert floor["auroc_macro"] == pytest.approx((floor["auroc/bright corner"] + floor["auroc/fine grain"]) / 2)
    assert thumbnail_probe(*train, *test, NAMES) == floor


def test_the_probe_leaves_unknown_labels_out() -> None:
    (train_films, train_labels), test = films(400, 1), films(300, 2)
    train_labels[::2, 0] = np.nan
    floor = thumbnail_probe(train_films, train_labels, *test, NAMES)
    assert floor["auroc/bright corner"] > 0.7


def test_a_label_of_one_class_in_train_has_no_probe_and_no_macro_that_skips_it() -> None:
    (train_films, train_labels), test = films(100, 1), films(300, 2)
    train_labels[:, 0] = 0
    floor = thumbnail_probe(train_films, train_labels, *test, NAMES)
    assert floor["auroc/bright corner"] is None
    assert floor["auroc_macro"] is None


def test_thumbnails_are_area_means() -> None:
    film = np.arange(64 * 64).reshape(1, 64, 64).astype(np.uint8)
    expected = film.reshape(32, 2, 32, 2).mean(axis=(1, 3)).ravel() / 255
    assert np.allclose(thumbnails(film)[0], expected, atol=1e-6)
    assert thumbnails(np.full((1, 50, 50), 7, np.uint8)) == pytest.approx(7 / 255)


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 16, 16), np.uint8), np.zeros((2, 64, 64)), np.zeros((64, 64), np.uint8)]
)
def test_other_films_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(MedleyError, match="uint8"):
        thumbnails(wrong)


def test_shapes_that_do_not_fit_are_refused() -> None:
    made, labels = films(20, 1)
    with pytest.raises(MedleyError, match="19 train films for 20 rows"):
        thumbnail_probe(made[:19], labels, made, labels, NAMES)
    with pytest.raises(MedleyError, match=r"\[N, 2\]"):
        thumbnail_probe(made, labels, made, labels, NAMES[:2])


def test_prevalence_by_hand() -> None:
    train = np.array([[1.0], [0], [0], [0], [np.nan]])  # says 0.25
    test = np.r_[np.ones(10), np.zeros(10), np.full(5, np.nan)][:, None]
    floor = prevalence_floor(train, test, ("Edema",))
    assert floor["auroc_macro"] == 0.5
    assert floor["ap_macro"] == pytest.approx(0.5)
    assert floor["brier"] == pytest.approx((0.75**2 + 0.25**2) / 2)
    assert floor["ece"] == pytest.approx(0.25)


def test_a_label_that_train_does_not_know_has_no_constant() -> None:
    test = np.r_[np.ones(10), np.zeros(10)][:, None]
    floor = prevalence_floor(np.full((5, 1), np.nan), test, ("Edema",))
    assert floor["auroc/Edema"] is None
    assert floor["auroc_macro"] is None


def test_calling_nothing_by_hand() -> None:
    labels = np.c_[np.r_[np.ones(10), np.zeros(30)], np.r_[np.ones(20), np.zeros(10), np.full(10, np.nan)]]
    floor = all_negative_floor(labels, ("Edema", "Fracture"))
    assert floor["auroc_macro"] == 0.5
    assert (floor["f1_macro"], floor["recall_macro"], floor["specificity_macro"]) == (0.0, 0.0, 1.0)
    assert floor["accuracy/Edema"] == 30 / 40
    assert floor["accuracy/Fracture"] == 10 / 30
    assert floor["accuracy_macro"] == pytest.approx((30 / 40 + 10 / 30) / 2)
    assert floor["precision_macro"] is None, "no call is neither right nor wrong"


def test_calling_nothing_where_no_label_has_cases() -> None:
    floor = all_negative_floor(np.full((5, 1), np.nan), ("Edema",))
    assert set(floor.values()) == {None}


def test_the_neighbour_is_the_film_that_looks_alike_whatever_its_brightness() -> None:
    rng = np.random.default_rng(0)
    shapes = rng.integers(0, 100, (5, 8, 8)).repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    labels = np.array([[1.0, 0], [0, 1], [1, 1], [0, 0], [1, np.nan]])
    scores = neighbour_scores(shapes, labels, (shapes[[3, 1, 4]] * 2 + 40).astype(np.uint8))
    assert scores[:2].tolist() == [[0, 0], [0, 1]]
    assert scores[2, 0] == 1
    assert scores[2, 1] in (0, 1), "the next film that knows the label is asked"
    assert np.isnan(neighbour_scores(shapes, np.c_[labels[:, 0], np.full(5, np.nan)], shapes)[:, 1]).all()
