"""Heat lies on the original film, on one scale for the films of a study."""

from __future__ import annotations

import numpy as np
import pytest

from medley.data.preprocess.geometry import place, unfit
from medley.explain.overlay import SCALES, Shown, heats_of, overlay


@pytest.mark.parametrize("method", sorted(SCALES))
def test_the_peak_goes_back_to_the_place_on_a_film_that_is_not_square(method):
    """A tall film is padded left and right on the square; the heat of a patch must not stay shifted by the padding."""
    placement = place(400, 200, 64)
    patches = np.zeros((8, 8), np.float32)
    patches[1, 4] = 1  # y at 1.5 / 8 of the height; x at 4.5 / 8 of the square, which is 5 / 8 of the film
    heat_HW = unfit(heats_of([patches], method, 64)[0], placement)
    assert heat_HW.shape == (400, 200)
    y, x = np.unravel_index(heat_HW.argmax(), heat_HW.shape)
    assert abs(y - 75) <= 12
    assert abs(x - 125) <= 12
    assert heat_HW.max() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("method", sorted(SCALES))
def test_a_film_that_was_hardly_looked_at_looks_like_it(method):
    strong, weak = np.zeros((4, 4)), np.zeros((4, 4))
    strong[1, 1], weak[2, 2] = 0.9, 0.02
    first, second = heats_of([strong, weak], method, 32)
    assert first.max() == pytest.approx(1, abs=0.01)
    assert second.max() < 0.05


def test_attention_that_prefers_nothing_looks_like_nothing():
    assert heats_of([np.full((4, 4), 1 / 16)], "queries", 32)[0].max() == pytest.approx(0, abs=1e-5)
    assert heats_of([np.zeros((4, 4))], "hirescam", 32)[0].max() == 0
    slight = np.full((4, 4), 1 / 16)
    slight[2, 1] *= 1.5
    assert 0 < heats_of([slight], "queries", 32)[0].max() < 0.3


@pytest.mark.parametrize("words", [None, {"$x_$": 0.5, "fell \\frac{": -0.25}])
def test_every_film_is_shown_and_a_note_is_no_formula(words):
    from matplotlib.text import Text

    films = [Shown("PA", np.zeros((40, 20)), np.zeros((40, 20)), 0.0), Shown("LATERAL", *[np.eye(30)] * 2, 0.7)]
    figure = overlay(films, "case {1}: Edema 0.50", "queries", words)
    figure.canvas.draw()
    said = "\n".join(text.get_text() for text in figure.findobj(Text))
    for part in ("case {1}", "PA", "LATERAL", "nothing here speaks for it", "highest 0.7"):
        assert part in said
    assert ("+0.50" in said) == (words is not None)
