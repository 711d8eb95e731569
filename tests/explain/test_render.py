"""The picture of an answer shows every finding, the note and the heat where it belongs."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.records import Film, Placement
from medley.explain.render import Bar, overview


@pytest.fixture
def film() -> Film:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:, 16:48] = 90
    return Film("PA", pixels, Placement(100, 50, 64, 0.64, 0, 16))


def texts(figure) -> str:
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_everything_that_was_said_is_in_the_picture(film):
    bars = [Bar("Edema", 0.8, 0.5, 0.6), Bar("Fracture", 0.1, None, None)]
    maps = {"Edema": [np.eye(4, dtype=np.float32) / 4]}
    figure = overview([film], bars, maps, "Cough $5 and <b>_x_ for ^^ a week", "case {1}", {"Edema": 1.0})
    figure.canvas.draw()
    said = texts(figure)
    for word in ("Edema", "Fracture", "Cough $5 and", "case {1}", "✓ Edema"):
        assert word in said
    assert "✓ Fracture" not in said


def test_a_note_with_dollar_signs_is_no_formula(film):
    figure = overview([film], [Bar("Edema", 0.5, None, None)], {}, "costs $\\frac{1}{ and $x_$", "$\\bad{")
    figure.canvas.draw()


@pytest.mark.parametrize("films", [1, 2, 4])
@pytest.mark.parametrize("maps", [0, 1, 5])
def test_any_number_of_films_and_maps_has_room(film, films, maps):
    heat = {f"Label {index}": [np.random.default_rng(0).random((4, 4))] * films for index in range(maps)}
    figure = overview([film] * films, [Bar("Edema", 0.5, 0.5, None)], heat, None, "x")
    figure.canvas.draw()
    assert "no note" in texts(figure)
    assert texts(figure).count("where it was read") == maps
