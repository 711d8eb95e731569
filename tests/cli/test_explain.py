"""`medley explain` on the command line: pictures, raw maps, one list, and a batch that goes on."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image


def explanations(folder) -> dict:
    return json.loads((folder / "explanations.json").read_text())


def test_a_study_of_two_views_and_a_note(medley, toy_run, square_films, tmp_path):
    study = f"PA={square_films}/000-PA.png+LATERAL={square_films}/000-LATERAL.png"
    targets = ("--target", "fracture", "--target", "Edema")
    methods = [
        part for name in ("queries", "gradcam", "hirescam", "rollout", "occlusion") for part in ("--method", name)
    ]
    note = "fell down the stairs, costs $5"
    code, out, errors = medley(
        "explain", toy_run, study, *targets, *methods, "--text", note, "--out", tmp_path, "--json"
    )
    assert code == 0, errors
    told = explanations(tmp_path)["explanations"]
    assert [json.loads(line) for line in out.splitlines()] == told
    assert [one["label"] for one in told] == ["Fracture", "Edema"] * 5
    for one in told:
        assert Image.open(tmp_path / one["picture"]).width > 500
        with np.load(tmp_path / one["maps"]) as maps:
            assert sorted(maps) == ["film_0", "film_1"]
            assert all((maps[name] >= 0).all() for name in maps)
        assert [(film["height_px"], film["width_px"], film["view"]) for film in one["films"]] == [
            (48, 40, "PA"),
            (48, 40, "LATERAL"),
        ]
        for film in one["films"]:
            if film["peak_px"] is not None:
                assert 0 <= film["peak_px"][0] < 40
        words = one["note"]["words"]
        assert {"fell", "stairs"} <= set(words)
        moved = one["note"]["log_odds"] - one["note"]["log_odds_of_an_empty_note"]
        assert sum(words.values()) == pytest.approx(moved, abs=0.02 * abs(moved) + 0.002)


def test_without_target_or_note_the_strongest_findings_are_explained(medley, toy_run, square_films, tmp_path):
    code, _, errors = medley("explain", toy_run, square_films / "001-PA.png", "--out", tmp_path)
    assert code == 0, errors
    told = explanations(tmp_path)["explanations"]
    assert 1 <= len(told) <= 4
    assert re.search(r"^1 explanation, 0 studies skipped|^[2-4] explanations, 0 studies skipped", errors, re.MULTILINE)
    assert {one["method"] for one in told} == {"queries"}
    assert all("note" not in one for one in told)


def test_a_batch_goes_on_past_what_cannot_be_read(medley, toy_run, square_films, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no picture")
    studies = (square_films / "001-PA.png", tmp_path / "broken.png", tmp_path / "gone.png", square_films / "002-PA.png")
    code, _, errors = medley("explain", toy_run, *studies, "--target", "Edema", "--out", tmp_path / "out")
    assert code == 1
    listed = explanations(tmp_path / "out")
    assert [one["case_id"] for one in listed["explanations"]] == ["001-PA.png", "002-PA.png"]
    assert [one["case_id"] for one in listed["skipped"]] == ["broken.png", "gone.png"]
    assert "skipped gone.png" in errors
    code, _, errors = medley("explain", toy_run, tmp_path / "gone.png", "--out", tmp_path / "none")
    assert code == 2
    assert "the study could not be explained" in errors
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x.png", "--target", "Fractur"), "--target: unknown label 'Fractur'; did you mean 'Fracture'?"),
        (("x.png", "--method", "grad-cam"), "unknown method 'grad-cam'; did you mean 'gradcam'?"),
        ((), "no study was named"),
    ],
)
def test_what_is_asked_wrongly_is_named_and_nothing_is_written(medley, toy_run, tmp_path, arguments, said):
    code, _, errors = medley("explain", toy_run, *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert said in errors
    assert not (tmp_path / "out").exists()


def test_a_picture_travels_alone_so_the_warnings_go_with_it(medley, toy_run, square_films, tmp_path):
    """The toy run learned from its own square films; what its facts say is said, and two calls are never mixed."""
    out = tmp_path / "out"
    film = square_films / "001-PA.png"
    assert medley("explain", toy_run, film, "--target", "Edema", "--out", out)[0] == 0
    assert json.loads((out / "explanations.json").read_text())["warnings"] == []
    code, _, errors = medley("explain", toy_run, film, "--target", "Fracture", "--out", out)
    assert code == 2
    assert "holds explanations already" in errors
    assert not list(out.glob("*fracture*"))

    copied = tmp_path / "leaky"
    shutil.copytree(toy_run, copied)
    facts = json.loads((copied / "data.json").read_text())
    (copied / "data.json").write_text(json.dumps({**facts, "leaky": True, "synthetic": True}))
    code, _, errors = medley("explain", copied, film, "--target", "Edema", "--out", tmp_path / "second")
    assert code == 0
    assert "notes that give the labels away" in errors
    told = json.loads((tmp_path / "second" / "explanations.json").read_text())["warnings"]
    assert len(told) == 2


def test_a_wrong_method_is_refused_before_any_model_is_looked_for(medley, tmp_path):
    asked = ("x.png", "--method", "queries", "--method", "grad-cam", "--out", tmp_path / "out")
    code, _, errors = medley("explain", tmp_path / "no run", *asked)
    assert code == 2
    assert "unknown method 'grad-cam'; did you mean 'gradcam'?" in errors
