"""Flips, where left and right mean something."""

from __future__ import annotations

import pytest
from checks_data import a_case, a_table

from medley.data.checks.duplicates import NEAR, Pair
from medley.data.checks.looks import Look
from medley.data.checks.sides import check_sides, flips_of

SIDED = a_table([a_case(0, text={"findings": "Left lower lobe pneumonia."})])
SIDELESS = a_table([a_case(0, text={"findings": "The right atrium is not mentioned here. Pneumonia."})])


def flips(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return flips_of(path)


@pytest.mark.parametrize(
    "text",
    [
        "trainer: {flip: 0.5}",
        "trainer: {augment: {horizontal_flip: true}}",
        "augment: [rotate, RandomHorizontalFlip]",
        "augment: [{name: mirror, p: 1}, {hflip: {p: 0.5}}]",
    ],
)
def test_flips_under_laterality_fail_however_they_are_written(tmp_path, text):
    check = check_sides(SIDED, [], flips(tmp_path, text))
    assert check.status == "failed"
    assert "recipe.yaml" in check.examples[0]
    assert check_sides(SIDELESS, [], flips(tmp_path, text)).status == "warning"


@pytest.mark.parametrize(
    "text", ["trainer: {augment: true}", "trainer: {flip: 0}", "a: {hflip: {p: 0.0}}", "a: {vertical_flip: true}"]
)
def test_what_is_off_or_no_flip_is_fine(tmp_path, text):
    assert check_sides(SIDED, [], flips(tmp_path, text)).status == "ok"


def test_films_that_were_mirrored_before_they_came_here():
    pair = Pair(Look("case0", "a.png", "PA"), Look("case1", "b.png", "PA"), NEAR, 0.99, "mirrored")
    check = check_sides(SIDED, [pair])
    assert (check.status, check.count) == ("failed", 1)
    assert "a.png = b.png" in check.examples[0]


@pytest.mark.parametrize(
    "table",
    [
        a_table([a_case(0, labels={"left_pneumonia": 1.0})], ("left_pneumonia",)),
        a_table([a_case(0, truth={"findings": [{"label": "Edema", "side": "left"}]})]),
    ],
)
def test_sides_are_found_in_labels_and_truth(table, tmp_path):
    assert check_sides(table, [], flips(tmp_path, "flip: 1")).status == "failed"


def test_without_sides_or_recipe_there_is_nothing_to_check():
    assert check_sides(SIDELESS, []).status == "not applicable"
    assert "--recipe" in check_sides(SIDED, []).says
