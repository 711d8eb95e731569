"""One film twice, whatever was done to the copy; and two films that only look alike."""

from __future__ import annotations

import io

import numpy as np
import pytest
from checks_data import FILM_PX, a_case, a_table, draw_film, save_film
from PIL import Image

from medley.core.seeds import generator
from medley.data.checks.alignment import SAME_FILM, SURE_FILM, SURE_FRONTAL, correlate
from medley.data.checks.duplicates import (
    NEAR,
    SAME_FILE,
    SAME_PIXELS,
    Pair,
    check_duplicates,
    crowd_of,
    find_pairs,
    mirrored_pairs,
)
from medley.data.checks.fingerprint import PARTNERS, candidates, content, fingerprints, thumbnail
from medley.data.checks.looks import Look, look_at_all

FILMS = [draw_film(number) for number in range(10)]
THUMBS = np.stack([thumbnail(film) for film in FILMS])
NO = np.zeros(len(FILMS), bool)


def jpeg(film):
    file = io.BytesIO()
    Image.fromarray(np.rint(film * 255).astype(np.uint8)).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file), np.float32) / 255


def resized(film, height, width):
    return np.asarray(Image.fromarray(film).resize((width, height), Image.Resampling.BILINEAR))


COPIES = {
    "jpeg": jpeg,
    "resized": lambda film: resized(film, 70, 70),
    "squashed": lambda film: resized(film, 64, 120),
    "cropped": lambda film: film[8:, :-8],
    "cropped on all sides": lambda film: film[8:-8, 8:-8],
    "gamma": lambda film: film**2,
    "inverted": lambda film: 1 - film,
    "mirrored": lambda film: film[:, ::-1],
    "padded": lambda film: np.pad(film, ((0, 0), (30, 20))),
    "padded white": lambda film: np.pad(film, 25, constant_values=1.0),
    "negative and mirrored": lambda film: 1 - film[:, ::-1],
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_agrees_with_its_original_and_strangers_do_not(kind):
    copies = np.stack([thumbnail(np.ascontiguousarray(COPIES[kind](film))) for film in FILMS])
    both = np.concatenate([THUMBS, copies])
    own = np.stack([np.arange(len(FILMS)), np.arange(len(FILMS)) + len(FILMS)], 1)
    negative = np.full(len(FILMS), kind in ("inverted", "negative and mirrored"))
    mirrored = np.full(len(FILMS), "mirrored" in kind)
    assert correlate(both, own, negative, mirrored).min() > SAME_FILM
    strangers = np.stack([own[:, 0], np.roll(own[:, 1], 1)], 1)
    assert correlate(both, strangers, negative, mirrored).max() < SAME_FILM


def test_the_frame_around_a_film_is_no_content():
    film = FILMS[0]
    assert content(np.pad(film, ((40, 30), (20, 50)))).shape == film.shape
    assert content(np.pad(film, 40, constant_values=1.0)).shape == film.shape
    assert content(np.full((40, 40), 0.5, np.float32)).shape == (40, 40)


def test_fingerprints_of_negatives_are_negative_and_mirrors_are_those_of_mirrored_films():
    plain, mirrored = fingerprints(THUMBS)
    assert np.allclose(np.linalg.norm(plain, axis=1), 1, atol=1e-5)
    assert np.allclose(fingerprints(255 - THUMBS)[0], -plain, atol=1e-4)
    assert np.allclose(fingerprints(THUMBS[:, :, ::-1])[0], mirrored, atol=1e-4)


def test_the_search_finds_what_a_loop_finds_across_blocks(monkeypatch):
    rng = generator("search")
    prints = rng.standard_normal((300, 8)).astype(np.float32)
    prints /= np.linalg.norm(prints, axis=1, keepdims=True)
    mirrored = np.roll(prints, 1, axis=1)
    monkeypatch.setattr("medley.data.checks.fingerprint.PARTNERS", 300)
    monkeypatch.setattr("medley.data.checks.fingerprint._ROWS", 50)
    monkeypatch.setattr("medley.data.checks.fingerprint._COLUMNS", 64)
    pairs, negative, turned = candidates(prints, mirrored, 0.7, threads=2)
    found = {(*pair, bool(n), bool(t)) for pair, n, t in zip(pairs.tolist(), negative, turned, strict=True)}
    wanted = set()
    for kind, theirs in ((False, prints), (True, mirrored)):
        products = prints @ theirs.T
        for i, j in zip(*np.nonzero(np.abs(products) >= 0.7), strict=True):
            if i < j:
                wanted.add((int(i), int(j), bool(products[i, j] < 0), kind))
    assert len(wanted) > 100
    assert found == wanted


def test_of_each_film_only_the_likest_partners_are_looked_at_and_a_twin_is_never_lost():
    rng = generator("crowd")
    crowd = rng.standard_normal((400, 64)).astype(np.float32) * 0.2 + 1
    crowd[399] = crowd[7]
    crowd /= np.linalg.norm(crowd, axis=1, keepdims=True)
    pairs, _, _ = candidates(crowd, -np.roll(crowd, 1, axis=1) * 0, 0.5)
    assert len(pairs) <= 2 * 400 * PARTNERS
    assert [7, 399] in pairs.tolist()


def pairs_of(folder, films):
    """films: (patient, pixels or bytes of another file, name)."""
    cases = []
    for i, (patient, pixels, name) in enumerate(films):
        path = save_film(folder / name, pixels)
        cases.append(a_case(i, patient_id=patient, image=path))
    table = a_table(cases)
    return table, find_pairs(look_at_all(table))


def test_exact_copies_are_told_by_bytes_and_by_pixels(tmp_path):
    film = FILMS[0]
    films = [("p", film, "a.png"), ("q", film, "b.png"), ("r", film, "c.bmp"), ("s", FILMS[1], "d.png")]
    table, pairs = pairs_of(tmp_path, films)
    assert sorted(pair.kind for pair in pairs) == [SAME_FILE, SAME_PIXELS, SAME_PIXELS]
    across, between, within = check_duplicates(pairs, table.by_id, None)
    assert (across.status, between.status, within.status) == ("not applicable", "failed", "ok")
    assert between.count == 3


def test_pairs_are_told_apart_by_part_and_patient(tmp_path):
    one, two, three = FILMS[:3]
    films = [
        ("p", one, "a.png"),
        ("q", jpeg(one), "b.png"),  # another patient, another part
        ("r", two, "c.png"),
        ("s", two**1.5, "d.png"),  # another patient, same part
        ("t", three, "e.png"),
        ("t", three[4:], "f.png"),  # same patient
    ]
    table, pairs = pairs_of(tmp_path, films)
    assert {pair.kind for pair in pairs} == {NEAR}
    parts = ["train", "test", "train", "train", "dev", "dev"]
    part_of = {f"case{i}": part for i, part in enumerate(parts)}
    across, between, within = check_duplicates(pairs, table.by_id, part_of)
    assert (across.status, across.count) == ("failed", 1)
    assert "a.png" in across.examples[0]
    assert "b.png" in across.examples[0]
    assert (between.status, between.count) == ("warning", 1)
    assert (within.status, within.numbers["alike"]) == ("ok", 1)


@pytest.mark.parametrize(
    ("views", "correlation", "sure"),
    [
        (("PA", "AP"), SURE_FRONTAL, True),
        (("PA", "AP"), SURE_FRONTAL - 0.01, False),
        (("LATERAL", "LATERAL"), SURE_FILM - 0.01, False),
        (("PA", "UNKNOWN"), SURE_FILM - 0.01, False),
        (("LATERAL", "LATERAL"), SURE_FILM, True),
    ],
)
def test_a_pair_that_may_be_strangers_is_a_warning_and_fails_nothing(views, correlation, sure):
    one, other = (Look(f"case{i}", f"{i}.png", view) for i, view in enumerate(views))
    pair = Pair(one, other, NEAR, correlation)
    assert pair.sure is sure
    cases = {f"case{i}": a_case(i) for i in range(2)}
    _, between, _ = check_duplicates([pair], cases, None)
    across, _, _ = check_duplicates([pair], cases, {"case0": "train", "case1": "test"})
    for check in (across, between):
        assert (check.status, check.count) == ("failed" if sure else "warning", 1)
        assert check.numbers["to_look_at"] == int(not sure)
        assert ("look at these" in check.todo) is not sure


def test_the_limit_rises_with_the_crowd_of_generated_films_and_real_ones_keep_theirs(tmp_path, monkeypatch):
    """Strangers of one drawing come nearer the more there are; a clean cohort of any size fails nothing."""
    assert crowd_of(3000) == 0
    assert crowd_of(40_000) == pytest.approx(0.08)
    one, other = (Look(f"case{i}", f"{i}.png", "LATERAL") for i in range(2))
    assert Pair(one, other, NEAR, SURE_FILM + 0.01).sure
    assert not Pair(one, other, NEAR, SURE_FILM + 0.01, crowd=crowd_of(40_000)).sure
    assert Pair(one, other, NEAR, 0.99, crowd=crowd_of(10**7)).sure, "a copy is found in any crowd"
    table, _ = pairs_of(tmp_path, [("p", FILMS[0], "a.png"), ("q", jpeg(FILMS[0]), "b.png")])
    monkeypatch.setattr("medley.data.checks.duplicates.crowd_of", lambda films: 0.01 * films)
    for generated, crowd in (((), 0.0), (("case0",), 0.0), (("case0", "case1"), 0.02)):
        [pair] = find_pairs(look_at_all(table), generated=generated)
        assert (pair.crowd, pair.real) == (crowd, crowd == 0)


def test_generated_strangers_that_look_alike_give_nobody_work():
    looks = [Look(f"case{i}", f"{i}.png", "LATERAL") for i in range(2)]
    cases = {f"case{i}": a_case(i) for i in range(2)}
    for real, todo in ((True, "look at these"), (False, "nothing need be done")):
        _, between, _ = check_duplicates([Pair(*looks, NEAR, 0.82, real=real)], cases, None)
        assert between.status == "warning"
        assert todo in between.todo


def test_sure_pairs_and_pairs_to_look_at_are_counted_apart():
    looks = [Look(f"case{i}", f"{i}.png", "LATERAL") for i in range(4)]
    pairs = [Pair(looks[0], looks[1], NEAR, 0.82), Pair(looks[2], looks[3], NEAR, 0.97)]
    _, between, _ = check_duplicates(pairs, {f"case{i}": a_case(i) for i in range(4)}, None)
    assert (between.status, between.count) == ("failed", 1)
    assert "0.970" in between.examples[0]
    assert "1 pair of one film under two patient ids (0 exact)" in between.says
    assert "1 pair under two patient ids to look at" in between.says


def test_both_parts_of_a_pair_are_named():
    looks = [Look(f"case{i}", f"{i}.png", "PA") for i in range(6)]
    pairs = [Pair(looks[i], looks[i + 1], NEAR, 0.97) for i in (0, 2, 4)]
    parts = dict(zip((look.case_id for look in looks), ("test", "dev", "dev", "test", "train", "dev"), strict=True))
    across, _, _ = check_duplicates(pairs, {f"case{i}": a_case(i) for i in range(6)}, parts)
    assert "3 pairs of one film in two parts (dev and test 2, train and dev 1)" in across.says
    assert [line.partition(":")[0] for line in across.examples] == ["test and dev", "dev and test", "train and dev"]


def test_of_identical_films_the_one_that_is_in_a_part_is_told(tmp_path):
    """The first of two identical films is in no part: its copy in train still leaks into test."""
    film, stranger = FILMS[:2]
    films = [("p", film, "a.png"), ("q", film, "b.png"), ("r", jpeg(film), "c.png"), ("s", stranger, "d.png")]
    table, _ = pairs_of(tmp_path, films)
    for part_of in (
        {"case1": "train", "case2": "test", "case3": "dev"},
        {"case0": "dev", "case1": "train", "case2": "test", "case3": "dev"},
    ):
        pairs = find_pairs(look_at_all(table), part_of=part_of)
        told = {frozenset((pair.one.case_id, pair.other.case_id)) for pair in pairs if pair.kind == NEAR}
        assert told == {frozenset((case_id, "case2")) for case_id in part_of if case_id in ("case0", "case1")}
        across, _, _ = check_duplicates(pairs, table.by_id, part_of)
        assert "train and test 1" in across.says


def test_a_chain_of_many_identical_films_joins_all_its_parts(monkeypatch):
    """Only neighbours of a large group are told: those in parts come first, with none between that is in no part."""
    monkeypatch.setattr("medley.data.checks.duplicates._TELL_ALL", 3)
    looks = [Look(f"case{i}", f"{i}.png", "PA", pixel_sha256="same", thumb=THUMBS[0]) for i in range(6)]
    part_of = {"case1": "test", "case3": "train"}
    across, _, _ = check_duplicates(
        find_pairs(looks, part_of=part_of), {f"case{i}": a_case(i) for i in range(6)}, part_of
    )
    assert (across.status, across.count) == ("failed", 1)


def test_mirrored_copies_are_known_as_such(tmp_path):
    _, pairs = pairs_of(tmp_path, [("p", FILMS[0], "a.png"), ("q", FILMS[0][:, ::-1], "b.png")])
    assert [pair.turned for pair in mirrored_pairs(pairs)] == ["mirrored"]


def test_strangers_are_no_pairs_and_one_film_is_no_search(tmp_path):
    _, pairs = pairs_of(tmp_path, [(str(i), film, f"{i}.png") for i, film in enumerate(FILMS)])
    assert pairs == []
    assert pairs_of(tmp_path / "one", [("p", FILMS[0], "a.png")])[1] == []
    assert FILMS[0].shape == (FILM_PX, FILM_PX)
