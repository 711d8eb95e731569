"""A batch never loses what it has answered: not to a full disk, not to a kill, not to a bad row, not to a rerun."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medley.cli.answers import answer_folder, file_name
from medley.cli.batch import read_requests
from medley.core.errors import MedleyError


def jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(folder: Path, content: str) -> Path:
    path = folder / "studies.csv"
    path.write_text(content, encoding="utf-8")
    return path


def films(square_films: Path, count: int) -> list[Path]:
    return [square_films / f"{index:03d}-PA.png" for index in range(count)]


def test_a_full_disk_keeps_what_was_answered_and_says_so(medley, toy_run, square_films, tmp_path, monkeypatch):
    drawn = []

    def draw(*_) -> bytes:
        drawn.append(1)
        if len(drawn) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/picture.png")
        return b"\x89PNG"

    monkeypatch.setattr("medley.serving.picture.draw_answer", draw)
    out = tmp_path / "out"
    code, _, err = medley("predict", toy_run, tmp_path / "none.png", *films(square_films, 5), "--out", out)
    assert code == 2
    last = err.splitlines()[-1]
    assert "No space left on device, at case '002-PA.png'; 2 answered before it are kept there; make room" in last
    for name in ("answers.jsonl", "predictions.jsonl"):
        assert [one["case_id"] for one in jsonl(out / name)] == ["000-PA.png", "001-PA.png"]
    assert "none.png" in (out / "skipped.csv").read_text()
    assert sorted(path.name for path in (out / "pictures").iterdir()) == ["000-PA.png", "001-PA.png"]
    assert not list(out.rglob("*.partial"))


def test_an_earlier_batch_is_never_mixed_with_a_new_one(medley, toy_run, square_films, tmp_path):
    out = tmp_path / "out"
    assert medley("predict", toy_run, *films(square_films, 2), "--out", out)[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for study in (square_films / "002-PA.png", tmp_path / "none.png"):
        code, _, err = medley("predict", toy_run, study, "--out", out)
        assert code == 2
        assert "is of an earlier batch; choose another --out" in err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    (out / "predictions.jsonl").unlink()
    (out / "answers.jsonl").rename(out / "answers.jsonl.partial")
    code, _, err = medley("predict", toy_run, square_films / "002-PA.png", "--out", out)
    assert code == 2
    assert "which was stopped" in err


def test_a_batch_in_which_all_failed_leaves_only_the_list_of_them_and_is_asked_again(
    medley, toy_run, square_films, tmp_path
):
    out = tmp_path / "out"
    code, printed, err = medley("predict", toy_run, tmp_path / "a.png", tmp_path / "b.png", "--out", out)
    assert (code, printed) == (2, "")
    assert len(err.splitlines()) == 1
    assert f"none of 2 studies could be answered: {tmp_path / 'a.png'} does not exist" in err
    assert f"; {tmp_path / 'b.png'} does not exist" in err
    assert [path.name for path in out.iterdir()] == ["skipped.csv"]
    assert medley("predict", toy_run, square_films / "001-PA.png", "--out", out)[0] == 0
    assert (out / "skipped.csv").read_text() == "case_id,reason\n"


def test_an_error_in_the_middle_gives_the_lists_their_names(toy_run, square_films, tmp_path):
    import medley

    predictor = medley.load(toy_run)
    out = tmp_path / "out"

    def stopped_after_two() -> None:
        with answer_folder(out) as folder:
            for film in films(square_films, 2):
                folder.keep(predictor.predict(film), None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_after_two()
    assert len(jsonl(out / "answers.jsonl")) == len(jsonl(out / "predictions.jsonl")) == 2


def test_bad_rows_are_skipped_by_their_line_in_the_file(medley, toy_run, square_films, tmp_path):
    for film in films(square_films, 2):
        shutil.copy(film, tmp_path)
    path = table(
        tmp_path,
        "study,text,case_id\n"
        '000-PA.png,"two\nlines",first\n'  # lines 2 and 3
        "001-PA.png,cough, fever,second\n"  # line 4
        "\n"
        "001-PA.png,,third\n"
        "001-PA.png,again,first\n"  # line 7
        '001-PA.png,"a "bad" quote",fourth\n'  # line 8
        "001-PA.png,,fifth\n",
    )
    out = tmp_path / "out"
    code, _, err = medley("predict", toy_run, "--cases", path, "--out", out)
    assert code == 1
    assert "3 answered, 3 skipped" in err
    assert [one["case_id"] for one in jsonl(out / "answers.jsonl")] == ["first", "third", "fifth"]
    with (out / "skipped.csv").open() as file:
        skipped = {row["case_id"]: row["reason"] for row in csv.DictReader(file)}
    assert set(skipped) == {"line 4", "line 7", "line 8"}
    assert "studies.csv, line 4: 4 fields for 3 columns; put a text that holds a comma in quotes" in skipped["line 4"]
    assert "case_id 'first' stands in line 2 already" in skipped["line 7"]
    assert "a quote stands at both ends" in skipped["line 8"]


def test_a_quote_that_is_never_closed_keeps_the_rows_before_it(tmp_path):
    requests = read_requests([], None, table(tmp_path, 'study,text\na.png,cough\nb.png,"fever\nc.png,\n'))
    assert [request.case_id for request in requests] == ["a.png", "line 3"]
    assert requests[0].fault is None
    assert "line 3" in requests[1].fault


def test_names_that_are_given_are_kept_and_all_are_different(tmp_path):
    path = table(tmp_path, "study,case_id\na.png,\na.png,\nb.png,a.png\nc.png,a.png (2)\n")
    names = [request.case_id for request in read_requests(["a.png", "a.png"], None, path)]
    assert names[-2:] == ["a.png", "a.png (2)"]
    assert len(set(names)) == len(names) == 6


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("study;text\na.png;cough\n", "separated by ';'; a CSV here is separated by commas"),
        ("study\ttext\na.png\tcough\n", "separated by a tab"),
        ("study,text\n", "holds a header and no studies"),
        ("study\n\n\n", "holds a header and no studies"),
        ('"study,text\na.png,x\n', "its header cannot be read"),
    ],
)
def test_a_table_that_is_none_is_refused_in_a_line(tmp_path, content, said):
    with pytest.raises(MedleyError) as error:
        read_requests([], None, table(tmp_path, content))
    assert said in str(error.value)


def test_pictures_are_named_by_their_case_and_stay_in_their_folder(medley, toy_run, square_films, tmp_path):
    ids = ["../../up", "a/b", "a-b", "胸部", "price $5_$6"]
    with (tmp_path / "studies.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["study", "text", "case_id"])
        rows.writerows([str(square_films / "001-PA.png"), "costs $5 and $6", case_id] for case_id in ids)
    out = tmp_path / "deep" / "out"
    code, _, err = medley("predict", toy_run, "--cases", tmp_path / "studies.csv", "--out", out)
    assert code == 0, err
    pictures = {one["case_id"]: one["evidence"]["picture"] for one in jsonl(out / "answers.jsonl")}
    assert list(pictures) == ids
    assert pictures["a-b"] != pictures["a/b"] == "pictures/a-b.png"
    assert len({name.lower() for name in pictures.values()}) == len(ids)
    for name in pictures.values():
        assert (out / name).resolve().parent == (out / "pictures").resolve()
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert len(list((out / "pictures").iterdir())) == len(ids)
    assert sorted(path.name for path in out.iterdir()) == [
        "answers.jsonl",
        "pictures",
        "predictions.jsonl",
        "skipped.csv",
    ]


def test_a_file_name_is_safe_and_its_own():
    taken: set[str] = set()
    names = [file_name(case_id, taken) for case_id in ("001-PA.png", "001-pa", "..", "", "a.dcm", "C:\\x|y*")]
    assert all(len(file_name("x" * 300 + end, taken)) < 100 for end in ("", "a", "b"))
    assert names == ["001-PA.png", "001-pa-2.png", "case.png", "case-2.png", "a.dcm.png", "C--x-y.png"]


def test_warnings_of_a_batch_are_counted_and_the_first_are_told(medley, toy_run, square_films, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    out = tmp_path / "out"
    code, _, err = medley("predict", toy_run, square_films / "001-PA.png", tmp_path / "noise.png", "--out", out)
    assert code == 0
    own = {one["case_id"]: one["warnings"] for one in jsonl(out / "answers.jsonl")}
    assert any("does not look like a chest film" in warning for warning in own["noise.png"])
    assert "answers with a warning of its own (all are in answers.jsonl):" in err
    assert err.count("has no thresholds") <= 1, "what is said of every answer is said once"
    assert "noise.png: " in err
    assert "does not look like a chest film" in err


def test_a_note_that_the_font_lacks_is_drawn_without_noise_and_the_answer_says_so(
    medley, toy_run, square_films, tmp_path, caplog, recwarn
):
    film = square_films / "001-PA.png"
    code, printed, err = medley("predict", toy_run, film, "--text", "咳嗽 cough", "--out", tmp_path / "out", "--json")
    assert code == 0
    assert "lyph" not in err + caplog.text + "".join(str(one.message) for one in recwarn)
    said = json.loads(printed)
    assert said["evidence"]["picture"] == "pictures/001-PA.png"
    assert any("the picture's font lacks 2 of the characters" in one for one in said["warnings"])
    assert said == jsonl(tmp_path / "out" / "answers.jsonl")[0], "what is printed is what is kept"
    _, printed, _ = medley("predict", toy_run, film, "--text", "plain", "--out", tmp_path / "plain", "--json")
    assert not any("font" in one for one in json.loads(printed)["warnings"])


def test_an_unfinished_run_answers_only_when_asked_to(medley, toy_run, square_films, tmp_path):
    from dataclasses import asdict

    from medley.core.weights import save_tensors
    from medley.training.checkpoint import Progress

    run = Path(shutil.copytree(toy_run, tmp_path / "run"))
    save_tensors(run / "1-joint" / "state.safetensors", {}, {"progress": asdict(Progress(step=7))})
    film = square_films / "001-PA.png"
    code, _, err = medley("predict", run, film, "--out", tmp_path / "out")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "stands at step 7" in err
    assert not (tmp_path / "out").exists()
    code, _, err = medley("predict", run, film, "--unfinished")
    assert code == 0
    assert "the training of this run has not finished" in err
