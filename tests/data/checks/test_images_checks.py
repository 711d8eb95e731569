"""Files that are not there, not whole, blank, or others than were indexed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from checks_data import a_case, a_table, draw_film, save_film

from medley.core.files import sha256
from medley.core.records import Case, ImageRef
from medley.data.checks.images import check_images
from medley.data.checks.looks import ACQUISITION_FEATURES, look_at_all


def spoilt(folder):
    good = save_film(folder / "good.png", draw_film(0, 64))
    whole = save_film(folder / "whole.jpg", draw_film(1, 64))
    cut = folder / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:700])
    empty = folder / "empty.png"
    empty.write_bytes(b"")
    text = folder / "text.png"
    text.write_text("<html>not found</html>", encoding="utf-8")
    flat = save_film(folder / "flat.png", np.full((40, 40), 0.5))
    rng = np.random.default_rng(0)
    blank = save_film(folder / "blank.jpg", 0.5 + 0.003 * rng.standard_normal((64, 64)))
    return [good, folder / "gone.png", cut, empty, text, flat, blank]


def test_each_kind_of_trouble_is_counted_and_named(tmp_path):
    table = a_table([a_case(i, image=path) for i, path in enumerate(spoilt(tmp_path))])
    checks = {check.name: check for check in check_images(table, look_at_all(table))}
    counts = {name: (check.status, check.count) for name, check in checks.items()}
    assert counts == {
        "missing-images": ("failed", 1),
        "damaged-images": ("failed", 3),
        "constant-images": ("failed", 2),
        "changed-images": ("not applicable", 0),  # the table has no hashes
        "studies-without-image": ("warning", 6),
    }
    assert "gone.png" in checks["missing-images"].examples[0]


def test_a_file_that_is_not_the_one_that_was_indexed(tmp_path):
    path = save_film(tmp_path / "a.png", draw_film(0, 64))
    case = a_case(0, image=path)
    same = replace(case, images=(ImageRef("PA", str(path), sha256(path)),))
    other = replace(case, images=(ImageRef("PA", str(path), "0" * 64),))
    assert all(check.status == "ok" for check in check_images(a_table([same]), look_at_all(a_table([same]))))
    looks = look_at_all(a_table([other]))
    changed = {check.name: check.status for check in check_images(a_table([other]), looks)}
    assert changed["changed-images"] == "failed"
    assert changed["studies-without-image"] == "ok"
    assert looks[0].readable


def test_a_look_is_the_same_by_any_number_of_workers_and_small(tmp_path):
    paths = [save_film(tmp_path / f"{i}.png", draw_film(i, 32)) for i in range(40)]
    table = a_table([a_case(i, image=path) for i, path in enumerate(paths)])
    done = []
    alone = look_at_all(table, 1, lambda *tick: done.append(tick))
    together = look_at_all(table, 2)
    assert done[-1] == (40, 40)
    for one, other in zip(alone, together, strict=True):
        assert (one.path, one.pixel_sha256) == (other.path, other.pixel_sha256)
        assert np.array_equal(one.thumb, other.thumb)
        assert np.array_equal(one.acquisition, other.acquisition)
    assert alone[0].acquisition.shape == (ACQUISITION_FEATURES,)
    assert alone[0].thumb.nbytes == 64 * 64


def test_a_table_without_images():
    table = a_table([Case("a", "p", "s")])
    assert {check.status for check in check_images(table, look_at_all(table))} == {"not applicable"}
