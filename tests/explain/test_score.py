"""The scores of maps: what a perfect, an even, a constant and a wrong map get, and what stands beside them."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.explain import floors, score
from medley.explain.averages import averaged, macro, mean_over_cases, scored_labels

PX = score.SQUARE_PX


def disc(y: float, x: float, radius: float = 10) -> np.ndarray:
    rows, columns = np.mgrid[:PX, :PX]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def scattered(n: int, labels=("Lung Lesion", "Fracture")) -> tuple[score.Marks, list[tuple[int, int]]]:
    """n lesions of n patients at places of their own."""
    at = [tuple(generator("scattered", i).integers(15, PX - 15, 2).tolist()) for i in range(n)]
    rows = [(f"case-{i}", f"patient-{i}", labels[i % len(labels)], disc(*place)) for i, place in enumerate(at)]
    return score.marks(rows), at


def bell(y: float, x: float, width: float = 8) -> np.ndarray:
    rows, columns = np.mgrid[:PX, :PX]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2)).astype(np.float32)


def test_a_map_that_points_wins_and_one_that_points_elsewhere_does_not():
    lesions, at = scattered(4)
    right = score.own(score.measure(score.read_maps([bell(*place) for place in at]), lesions, 0.5))
    assert right["pointing_game"].tolist() == [1] * 4
    assert (right["mass_in_mask"] > 0.4).all()
    assert (right["iou"] > 0.7).all()
    wrong = score.read_maps([bell((y + 64) % PX, x) for y, x in at])
    assert score.own(score.measure(wrong, lesions, 0.5))["pointing_game"].tolist() == [0] * 4


def test_the_mask_itself_as_a_map_scores_one():
    lesions, at = scattered(3)
    perfect = score.own(score.measure(score.read_maps([disc(*place) for place in at]), lesions, 0.5))
    for name in score.METRICS:
        np.testing.assert_allclose(perfect[name], 1, rtol=1e-5)


@pytest.mark.parametrize("grid", [(1, 1), (8, 8), (PX, PX)])
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_map_scores_what_chance_scores(grid, value):
    """It has its maximum in the lesion, as everywhere: no win."""
    lesions, _ = scattered(4)
    flat = score.own(score.measure(score.read_maps([np.full(grid, value)] * 4), lesions, 0.5))
    even = floors.chance(lesions)
    np.testing.assert_allclose(flat["pointing_game"], even["pointing_game"], rtol=1e-5)
    np.testing.assert_allclose(flat["mass_in_mask"], even["mass_in_mask"], rtol=1e-5)
    assert flat["pointing_game"].max() < 0.1
    assert flat["iou"].max() == 0, "nothing stands out of it"


def test_maxima_that_tie_count_by_their_share():
    lesions = score.marks([("a", "a", "Fracture", disc(30, 30))])
    twice = np.zeros((PX, PX), np.float32)
    twice[30, 30] = twice[100, 100] = 1
    assert score.own(score.measure(score.read_maps([twice]), lesions, 0.5))["pointing_game"][0] == pytest.approx(0.5)


def test_the_tolerance_is_three_per_cent_of_the_side():
    lesions = score.marks([("a", "a", "Fracture", disc(64, 64))])
    for beyond, hit in ((3, 1), (4, 0)):
        one = np.zeros((PX, PX), np.float32)
        one[64, 64 + 10 + beyond] = 1
        values = score.own(score.measure(score.read_maps([one]), lesions, 0.5))
        assert values["pointing_game"][0] == hit
        assert values["pointing_game_exact"][0] == 0


def test_a_coarse_map_keeps_its_place():
    coarse = np.zeros((8, 8), np.float32)
    coarse[1, 6] = 1  # centre at 1.5 / 8 and 6.5 / 8 of the square
    lesions = score.marks([("a", "a", "Fracture", disc(24, 104, 5))])
    assert score.own(score.measure(score.read_maps([coarse]), lesions, 0.5))["pointing_game"][0] == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_a_map_that_is_not_finite_or_negative_is_refused(bad):
    with pytest.raises(MedleyError, match="map 0 of 1 holds nan, infinity or negative numbers"):
        score.read_maps([np.array([[1.0, bad]])])


def test_an_empty_mask_is_refused():
    with pytest.raises(MedleyError, match="case 'a': the mask of Fracture is empty"):
        score.marks([("a", "a", "Fracture", np.zeros((PX, PX), bool))])


def test_the_cut_of_iou_is_the_one_that_overlaps_best():
    lesions, at = scattered(12, labels=("Fracture",))
    maps = score.read_maps([bell(*place, width=8) for place in at])
    best = score.best_cut(maps, lesions)
    assert best == pytest.approx(np.exp(-(10**2) / (2 * 8**2)), abs=0.05), "where the bell is as wide as the lesion"
    values = {cut: score.own(score.measure(maps, lesions, cut))["iou"].mean() for cut in score.CUTS}
    assert best == max(values, key=values.__getitem__)


def test_floors_of_maps_that_follow_the_case_and_of_maps_that_follow_the_label():
    """Lesions of a label lie about one place, one for each label. A map of that place knows the label alone."""
    home = {"Fracture": (30, 30), "Lung Lesion": (90, 90)}
    rows, at = [], []
    for i in range(40):
        label = ("Fracture", "Lung Lesion")[i % 2]
        y, x = (int(c + generator("home", i).integers(-25, 25)) for c in home[label])
        at.append((y, x))
        rows.append((f"c{i}", f"p{i}", label, disc(y, x, 6)))
    lesions = score.marks(rows)
    of_case = score.measure(score.read_maps([bell(*place) for place in at]), lesions, 0.5)
    of_label = score.measure(score.read_maps([bell(*home[row[2]]) for row in rows]), lesions, 0.5)
    points = {"case": macro(score.own(of_case), lesions.labels)["pointing_game"]}
    points["label"] = macro(score.own(of_label), lesions.labels)["pointing_game"]
    same = macro(floors.of_others(of_case, lesions, same_label=True), lesions.labels)["pointing_game"]
    other = macro(floors.of_others(of_case, lesions), lesions.labels)["pointing_game"]
    assert points["case"] == 1
    assert other < same < 0.4, "other people's maps of the label lead nearer than anybody's"
    assert floors.of_others(of_label, lesions, same_label=True)["pointing_game"] == pytest.approx(
        score.own(of_label)["pointing_game"]
    ), "a map that knows the label alone is its own floor"


def test_other_maps_are_of_other_patients():
    """Two lesions of one patient at one place: the twin's map would be a hit."""
    rows = [(f"c{i}", "p0" if i < 2 else f"p{i}", "Fracture", disc(30, 30 + 40 * (i // 2))) for i in range(4)]
    lesions = score.marks(rows)
    values = score.measure(score.read_maps([bell(30, 30 + 40 * (i // 2)) for i in range(4)]), lesions, 0.5)
    assert floors.of_others(values, lesions)["pointing_game"][:2].tolist() == [0, 0]
    lone = score.marks([rows[0]])
    assert np.isnan(floors.of_others(score.measure(score.read_maps([bell(30, 30)]), lone, 0.5), lone)["pointing_game"])


def random_models(maps_of, lesions: score.Marks, models: int = 5) -> list[dict[str, np.ndarray]]:
    return [score.measure(score.read_maps(maps_of(number)), lesions, 0.5) for number in range(models)]


def test_the_check_of_random_weights_passes_maps_that_know_nothing_and_fails_an_edge_detector():
    lesions, at = scattered(60)

    def nothing(number: int) -> list[np.ndarray]:
        return [generator("nothing", number, i).random((8, 8)) for i in range(60)]

    def edges(number: int) -> list[np.ndarray]:
        return [bell(*at[i]) if i % 3 else nothing(number)[i] for i in range(60)]

    passed = floors.randomised_check(random_models(nothing, lesions), lesions)
    assert passed["passed"] is True
    assert passed["dealt_anew"][0] <= passed["pointing_game"] <= passed["dealt_anew"][1]
    failed = floors.randomised_check(random_models(edges, lesions), lesions)
    assert failed["passed"] is False
    assert failed["pointing_game"] > failed["dealt_anew"][1] + 0.3


def test_the_check_of_random_weights_passes_maps_that_shun_the_lesion():
    """A method that draws what is there from the film points there; away from it is nothing it could be praised for."""
    places = (30, 90)
    lesions = score.marks([(f"c{i}", f"p{i}", "Fracture", disc(places[i % 2], 30)) for i in range(20)])

    def elsewhere(number: int) -> list[np.ndarray]:
        return [bell(places[(i + (i > number)) % 2], 30) for i in range(20)]

    shunned = floors.randomised_check(random_models(elsewhere, lesions), lesions)
    assert shunned["pointing_game"] < shunned["dealt_anew"][0]
    assert shunned["passed"] is True


def test_what_cannot_be_dealt_is_neither_passed_nor_failed():
    lesions, at = scattered(1)
    check = floors.randomised_check(random_models(lambda number: [bell(*at[0])], lesions), lesions)
    assert check["passed"] is None
    assert check["dealt_anew"] is None


def test_the_mean_is_over_focal_labels_with_ten_lesions():
    labels = ["Fracture"] * 10 + ["Lung Lesion"] * 30 + ["Pneumothorax"] * 9 + ["Cardiomegaly"] * 50
    values = np.repeat([1.0, 0.5, 0.0, 0.0], [10, 30, 9, 50])
    patients = [f"p{i}" for i in range(len(labels))]
    kept, why = scored_labels(labels)
    assert set(kept) == {"Fracture", "Lung Lesion"}
    assert why == {"Pneumothorax": "9 lesions, fewer than 10", "Cardiomegaly": "not focal"}
    overall, per_label = averaged({"pointing_game": values}, labels, patients, resamples=50, seed=0)
    assert overall["pointing_game"].value == pytest.approx(0.75), "labels count alike, however many lesions they have"
    assert overall["pointing_game"].n == 40
    assert per_label["Cardiomegaly"]["pointing_game"].value == 0
    assert macro({"pointing_game": values}, labels)["pointing_game"] == pytest.approx(0.75)


def test_where_no_label_has_ten_there_is_no_score_but_a_reason():
    overall, per_label = averaged({"iou": np.ones(3)}, ["Fracture"] * 3, list("abc"), resamples=20, seed=0)
    assert overall["iou"].value is None
    assert overall["iou"].error == "no focal finding has 10 marked lesions"
    assert per_label["Fracture"]["iou"].value == 1


def test_intervals_resample_patients_and_not_lesions():
    """Twenty lesions of two patients, one always right and one always wrong: nothing is known between 0 and 1."""
    values = {"pointing_game": np.repeat([0.0, 1.0], 10)}
    overall, _ = averaged(values, ["Fracture"] * 20, ["a"] * 10 + ["b"] * 10, resamples=400, seed=0)
    assert overall["pointing_game"].ci95 == (0, 1)
    each, _ = averaged(values, ["Fracture"] * 20, [str(i) for i in range(20)], resamples=400, seed=0)
    low, high = each["pointing_game"].ci95
    assert 0.2 < low < 0.4 < 0.6 < high < 0.8
    assert mean_over_cases(values, ["a"] * 20, resamples=20, seed=0)["pointing_game"].error.startswith("no interval")
