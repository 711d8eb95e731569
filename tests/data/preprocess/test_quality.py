"""The gate: what the header says, what a drawn chest looks like, which way up, and exposure."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.seeds import generator
from medley.data.preprocess.geometry import fit
from medley.data.preprocess.quality import film_quality
from medley.data.preprocess.raw import FilmHeader

HEADER = FilmHeader(format="DICOM", bits=12, modality="DX", body_part="CHEST")


def drawn_chest(px: int = 160) -> np.ndarray:
    """A schematic frontal film: air around the neck, a light body, two dark lungs, a heart towards the right edge."""
    y, x = np.mgrid[0 : 1 : px * 1j, 0 : 1 : px * 1j]

    def ellipse(x0: float, y0: float, rx: float, ry: float) -> np.ndarray:
        return 1 / (1 + np.exp(np.clip((((x - x0) / rx) ** 2 + ((y - y0) / ry) ** 2 - 1) * 8, -50, 50)))

    body = ellipse(0.5, 0.75, 0.62, 0.7)
    film = 0.05 + 0.62 * body + 0.12 * ellipse(0.5, 0.5, 0.06, 0.9) * body
    film -= 0.42 * (ellipse(0.29, 0.45, 0.15, 0.33) + ellipse(0.71, 0.45, 0.15, 0.33))
    film += 0.4 * ellipse(0.57, 0.64, 0.14, 0.14) + 0.25 * ellipse(0.5, 1.0, 0.6, 0.22)
    film += 0.03 * np.sin(y * 60) * body + generator("chest").normal(0, 0.01, film.shape)
    return film.clip(0, 1).astype(np.float32)


def test_a_drawn_chest_passes_upright_and_not_otherwise():
    chest = drawn_chest()
    quality = film_quality(chest, HEADER)
    assert (quality.is_chest_film, quality.view_guess, quality.exposure, quality.reasons) == (True, "frontal", "ok", ())
    for quarter in (1, 2, 3):
        turned = film_quality(np.rot90(chest, quarter))
        assert not turned.is_chest_film
        assert turned.turned_degrees == 90 * quarter
    negative = film_quality(1 - chest)
    assert negative.inverted
    assert not negative.is_chest_film
    assert "black and white are exchanged" in negative.reasons[0]


def test_padding_and_quantising_do_not_change_the_verdict():
    chest = drawn_chest()[:, 10:-10]
    square, _ = fit(chest, 128)
    exact, padded = film_quality(chest), film_quality(square)
    assert padded.is_chest_film == exact.is_chest_film
    assert padded.chest_probability == pytest.approx(exact.chest_probability, abs=0.1)


def _not_chest() -> dict[str, np.ndarray]:
    rng = generator("not chest")
    y, x = np.mgrid[0:1:128j, 0:1:128j]
    page = np.ones((200, 150))
    page[10:190:8, 10:140] = rng.random((23, 130)) > 0.5
    return {
        "noise": rng.random((128, 128)),
        "gradient": x,
        "page": page,
        "disc": ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1) * 0.8 + 0.1,
        "checkers": np.indices((128, 128)).sum(0) // 16 % 2,
        "nearly empty": np.pad(np.ones((4, 4)), 60),
    }


@pytest.mark.parametrize("name", sorted(_not_chest()))
def test_what_is_no_film_does_not_pass(name):
    quality = film_quality(_not_chest()[name].astype(np.float32))
    assert not quality.is_chest_film
    assert quality.view_guess == "unknown"
    assert quality.reasons


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (FilmHeader("DICOM", 12, modality="CT"), "modality CT"),
        (FilmHeader("DICOM", 12, modality="CR", body_part="HIP"), "body part HIP"),
        (FilmHeader("PNG", 8, colour=0.2), "in colour"),
    ],
)
def test_the_header_overrules_the_picture(header, reason):
    quality = film_quality(drawn_chest(), header)
    assert not quality.is_chest_film
    assert reason in quality.reasons[0]


@pytest.mark.parametrize("part", ["", "CHEST", "THORAX PA", "RIBS"])
def test_chest_by_other_names(part):
    assert film_quality(drawn_chest(), FilmHeader("DICOM", 12, modality="CR", body_part=part)).is_chest_film


def test_exposure_is_named_and_clipping_counted():
    chest = drawn_chest()
    white, black, grey = chest * 0.1 + 0.9, chest * 0.15, chest * 0.1 + 0.5
    assert film_quality(white).exposure == "under"
    assert film_quality(black).exposure == "over"
    assert any("low contrast" in reason for reason in film_quality(grey).reasons)
    burnt = chest.clip(0.01, 0.99)
    burnt[:40], burnt[40:80] = 0, 1
    quality = film_quality(burnt)
    assert quality.clipped_black == pytest.approx(0.25, abs=0.03)
    assert quality.clipped_white == pytest.approx(0.25, abs=0.03)
