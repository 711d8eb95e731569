"""Real films: DICOM of several makers and syntaxes, the chest gate's false alarms, and shards of real JPEGs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from medley.core.errors import UnreadableImage
from medley.core.files import sha256
from medley.core.records import Case, ImageRef
from medley.data.cases import write_cases
from medley.data.preprocess.film import load_film, read_film
from medley.data.preprocess.quality import film_quality
from medley.data.preprocess.raw import RawFilm
from medley.data.shards import build_shards, open_shards


def _lungs_are_darker(pixels: np.ndarray) -> bool:
    height, width = pixels.shape
    rows = slice(height // 3, height // 2)
    right, middle, left = (
        pixels[rows, int(width * a) : int(width * b)].mean() for a, b in [(0.2, 0.35), (0.45, 0.55), (0.65, 0.8)]
    )
    return right < middle and left < middle


def test_chest_dicoms_come_out_with_dark_lungs_whatever_their_photometric_interpretation(real_data):
    chest = real_data / "dicom/chest_cr"
    windowed = read_film(next(chest.glob("RG1*")))  # MONOCHROME1, 15 bit, JPEG 2000, with a window
    plain = read_film(next(chest.glob("RSNA*")))  # MONOCHROME2, 8 bit, JPEG
    for film in (windowed, plain):
        assert _lungs_are_darker(film.pixels)
        assert film.view == "PA"
        assert film_quality(film.pixels, film.header).reasons == ()
    mislabelled = read_film(next(chest.glob("Fake*")))  # the RSNA film with MONOCHROME1 written over it
    assert np.allclose(mislabelled.pixels, 1 - plain.pixels)
    assert film_quality(mislabelled.pixels, mislabelled.header).inverted


def test_one_picture_in_four_syntaxes_is_one_picture(real_data):
    odd = real_data / "dicom/odd_syntax"
    little = read_film(odd / "MR_small.dcm").pixels
    for name in ("RLE", "bigendian", "implicit"):
        assert np.array_equal(read_film(odd / f"MR_small_{name}.dcm").pixels, little)
    brain = real_data / "dicom/non_chest"
    j2k = read_film(brain / "MR4_BRAIN_J2KR.dcm").pixels
    for name in ("JLSL", "RLE"):
        assert np.array_equal(read_film(brain / f"MR4_BRAIN_{name}.dcm").pixels, j2k)


def _read_or_reason(path: Path) -> RawFilm | str:
    try:
        return read_film(path)
    except UnreadableImage as error:
        return str(error)


def test_no_dicom_of_another_part_or_modality_passes(real_data):
    for path in sorted((real_data / "dicom/non_chest").glob("*.dcm")) + sorted(
        (real_data / "dicom/odd_syntax").glob("*.dcm")
    ):
        film = _read_or_reason(path)
        if isinstance(film, str):
            assert re.search("plug-in: pip install|is a damaged DICOM", film)
            continue
        assert not film_quality(film.pixels, film.header).is_chest_film, path.name


@pytest.mark.parametrize(
    ("folder", "every", "allowed"), [("nih_1000", 7, 0.02), ("covid_ieee8023", 4, 0.07), ("covid_figure1", 1, 0.02)]
)
def test_false_alarms_of_the_chest_gate(real_data, folder, every, allowed):
    paths = sorted((real_data / "cxr_labels" / folder / "images").iterdir())[::every]
    refused = [path.name for path in paths if not film_quality(read_film(path).pixels).is_chest_film]
    assert len(refused) / len(paths) <= allowed, refused


def test_photographs_and_text_do_not_pass(real_data):
    for path in sorted((real_data / "faces").glob("*.png")):
        film = read_film(path)
        assert not film_quality(film.pixels, film.header).is_chest_film, path.name


def test_shards_of_real_films_equal_the_files(real_data, tmp_path):
    paths = sorted((real_data / "cxr_labels/covid_figure1/images").iterdir())[:12]
    paths += sorted((real_data / "dicom/chest_cr").iterdir())
    cases = [
        Case(f"c{index}", f"p{index}", f"s{index}", (ImageRef("UNKNOWN", str(path), sha256(path)),))
        for index, path in enumerate(paths)
    ]
    build_shards(write_cases(tmp_path / "cases.parquet", cases, []), tmp_path / "out", 96)
    shards = open_shards(tmp_path / "out")
    for case in cases:
        ours, theirs = shards.film(case.images[0]), load_film(case.images[0].path, 96)
        assert np.array_equal(ours.pixels, theirs.pixels)
        assert (ours.view, ours.placement) == (theirs.view, theirs.placement)
