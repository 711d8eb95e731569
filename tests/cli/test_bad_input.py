"""Bad input: one clear line and the right exit code; a batch skips it, counts it, and keeps the good cases."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medley.core.records import Case, ImageRef
from medley.data.cases import write_cases


def picture(size: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (size, size), dtype=np.uint8))


def truncated_jpeg(path: Path) -> None:
    picture(400).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def dicom(path: Path, frames: int, with_pixels: bool) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, generate_uid()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality = "DX"
    if with_pixels:
        data.Rows = data.Columns = 32
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
        data.BitsAllocated, data.BitsStored, data.HighBit, data.NumberOfFrames = 8, 8, 7, frames
        data.PixelData = np.random.default_rng(0).integers(0, 255, frames * 1024, dtype=np.uint8).tobytes()
    data.save_as(path, enforce_file_format=True)


BAD_FILMS = {
    "truncated.jpg": (truncated_jpeg, "is damaged"),
    "empty.png": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "text.png": (lambda path: path.write_text("Dear colleague,\n"), "it is a text file"),
    "three.dcm": (lambda path: dicom(path, 3, True), "3 frames"),
    "nothing.dcm": (lambda path: dicom(path, 1, False), "pixel data"),
    "flat.png": (lambda path: Image.new("L", (64, 64), 90).save(path), "has one value in every pixel"),
    "small.png": (lambda path: picture(8).save(path), "at least 16"),
    "missing.png": (lambda path: None, "does not exist"),
    "folder.png": (lambda path: path.mkdir(), "is a folder"),
}


@pytest.fixture
def films(tmp_path) -> Path:
    """A folder of every bad film, and two good ones."""
    folder = tmp_path / "films[" / "x]"  # "[/x]" must not be read as markup
    folder.mkdir(parents=True)
    for name, (make, _) in BAD_FILMS.items():
        make(folder / name)
    picture().save(folder / "good.png")
    picture(80).save(folder / "fine.png")
    return folder


def one_line(err: str) -> str:
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    assert lines[0].startswith("medley: ")
    return lines[0]


@pytest.mark.parametrize("name", BAD_FILMS)
def test_a_bad_film_alone_is_exit_2_with_its_name_and_reason(medley, toy_run, films, name):
    code, printed, err = medley("predict", toy_run, films / name)
    assert code == 2
    assert printed == ""
    said = one_line(err)
    assert name in said
    assert BAD_FILMS[name][1] in said.replace("PixelData", "pixel data")


def test_a_batch_keeps_every_good_case_and_lists_the_others(medley, toy_run, films, tmp_path):
    rows = [f"{name}," for name in BAD_FILMS] + ["good.png,cough", "fine.png,", 'good.png,"fever,\nand [/b] chills"']
    rows.insert(3, "good.png," + "a" * 150_000)
    rows.insert(5, ",a study without a film")
    (films / "list.csv").write_text("study,text\n" + "\n".join(rows) + "\n")
    out = tmp_path / "out"
    code, _, err = medley("predict", toy_run, "--cases", films / "list.csv", "--out", out)
    assert code == 1, err
    assert "3 answered, 11 skipped" in err
    predictions = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    answers = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert len(predictions) == len(answers) == 3
    assert len({line["case_id"] for line in predictions}) == 3, "one film asked twice is two studies"
    skipped = (out / "skipped.csv").read_text()
    for name, (_, reason) in BAD_FILMS.items():
        assert name in skipped
        assert reason in skipped.replace("PixelData", "pixel data")
    assert "150,000 characters" in skipped
    assert "line 7,a study needs at least one image file" in skipped
    assert not list(out.rglob("*.tmp"))


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_study_keeps_its_good_film_in_a_batch_and_says_which_it_lost(medley, toy_run, films, tmp_path, command):
    (films / "list.csv").write_text("study,case_id\ngood.png+text.png,a\nfine.png,b\nempty.png+flat.png,c\n")
    out = tmp_path / "out"
    code, _, err = medley(command, toy_run, "--cases", films / "list.csv", "--out", out)
    assert code == 1, err
    assert "answered without a film of this study: " in err.replace("\n", " ")
    if command == "predict":
        assert "2 answered, 1 skipped" in err
        assert "1 study answered without a film that cannot be read" in err
        answers = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    else:
        told = json.loads((out / "explanations.json").read_text())
        answers = told["explanations"]
        assert [one["case_id"] for one in told["skipped"]] == ["c"]
        assert "a: answered without a film of this study" in told["warnings"][0]
    unread = {one["case_id"]: one["films_not_read"] for one in answers}
    assert [len(unread["a"]), len(unread["b"])] == [1, 0]
    assert "text.png" in unread["a"][0]


def test_two_films_of_one_name_are_two_studies(medley, toy_run, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        picture().save(tmp_path / folder / "film.png")
    films = (tmp_path / "a" / "film.png", tmp_path / "b" / "film.png")
    code, _, err = medley("predict", toy_run, *films, "--out", tmp_path / "out")
    assert code == 0, err
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["case_id"] for line in lines] == [str(film) for film in films]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("file,text\na.png,x\n", "lacks the column 'study'"),
        ("studdy\na.png\n", "lacks the column 'study'"),
        ("study,note\na.png,x\n", "unknown column 'note'"),
        ("study,text\na.png,cough, fever\n", "line 2: 3 fields for 2 columns"),
        ("study\n", "holds a header and no studies"),
        ("study;text\na.png;cough\n", "separated by ';'"),
        ("", "lacks the column 'study'"),
        (b"\xff\xfe\x00study", "is not a CSV in UTF-8"),
    ],
)
def test_a_bad_table_of_studies_is_one_line(medley, toy_run, tmp_path, content, said):
    path = tmp_path / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, _, err = medley("predict", toy_run, "--cases", path)
    assert code == 2
    assert said in one_line(err)


def test_a_note_of_100_000_characters_is_one_line(medley, toy_run, square_films):
    code, _, err = medley("predict", toy_run, square_films / "001-PA.png", "--text", "a" * 100_000)
    assert code == 2
    assert "the note has 100,000 characters; a note has at most 20,000" in one_line(err)
    assert len(err) < 2000


RECIPE = "family: cxr_reasoner\nsize: toy\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("data: {cohort: cxr_reasoner, cases: 40}\ntrainr: {}\n", "unknown key 'trainr'; did you mean 'trainer'?"),
        ("data: {cohort: cxr_reasoner, cases: 40}\nmodel: {fusoin: late}\n", "did you mean 'fusion'"),
        ("data: {cohort: cxr_reasoner, cases: 40}\nstages: {joint: {epochs: 0}}\n", "'stages.joint.epochs'"),
        ("data: {cases: SQUARES/cases.parquet, splits: SQUARES/splits.json, shards: null, labels: [Edmea]}\n",
         "unknown label 'Edmea'; did you mean 'Edema'?"),
        ("data: {cases: SQUARES/none.parquet, splits: SQUARES/splits.json}\n", "does not exist"),
        ("data: {cases: SQUARES/splits.json, splits: SQUARES/splits.json}\n", "is JSON, not a case table"),
        ("data: {cases: SQUARES/cases.parquet, splits: SQUARES/cases.parquet}\n", "is not JSON"),
        ("data: {cohort: cxr_resoner, cases: 40}\n", "did you mean 'cxr_reasoner'"),
        ("data: {cases: SQUARES/cases.parquet, splits: SQUARES/splits.json, shards: null}\n"
         "model: {vision: nobody/nothing}\n", "vision 'nobody/nothing' cannot be loaded"),
        ("data: [1\n", "is not YAML"),
    ],
)  # fmt: skip
def test_a_bad_recipe_is_one_line_and_leaves_nothing(medley, square_films, tmp_path, monkeypatch, content, said):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("MEDLEY_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE + content.replace("SQUARES", str(square_films)))
    code, _, err = medley("train", path, "--out", tmp_path / "run")
    assert code == 2
    assert said in one_line(err)
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_is_a_folder_and_an_out_that_is_a_file(medley, square_films, toy_run, tmp_path):
    code, _, err = medley("train", tmp_path, "--out", tmp_path / "run")
    assert code == 2
    assert "is a folder, not a YAML file" in one_line(err)
    recipe = tmp_path / "r.yaml"
    data = f"data: {{cases: {square_films}/cases.parquet, splits: {square_films}/splits.json, shards: null}}\n"
    recipe.write_text(RECIPE + data)
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for command in (
        ("train", recipe, "--out", taken),
        ("evaluate", toy_run, "--out", taken),
        ("predict", toy_run, square_films / "001-PA.png", "--out", taken),
        ("split", square_films / "cases.parquet", "--out", taken / "s.json"),
        ("shards", square_films / "cases.parquet", "--px", 32, "--out", taken),
        ("cohort", "cxr_reasoner", "--cases", 2, "--seed", 1, "--out", taken),
    ):
        code, _, err = medley(*command)
        assert code == 2, command
        assert "taken" in one_line(err)
        assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda run: (run / "1-joint" / "weights.safetensors").unlink(), "holds no weights; train first"),
        (lambda run: (run / "1-joint" / "weights.safetensors").write_bytes(b"x"), "not a whole safetensors file"),
        (lambda run: (run / "config.yaml").unlink(), "holds no config.yaml"),
        (lambda run: shutil.rmtree(run / "processor"), "holds no processor"),
        (lambda run: (run / "data.json").write_text("{"), "is not JSON"),
        (lambda run: shutil.rmtree(run), "does not exist; a run is a folder"),
        (lambda run: (run / "processor" / "towers.json").unlink(), "towers.json does not exist"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_run_that_is_not_whole_is_one_line(medley, toy_run, square_films, tmp_path, make, said, command):
    run = Path(shutil.copytree(toy_run, tmp_path / "run"))
    make(run)
    code, _, err = medley(command, run, *([square_films / "001-PA.png"] if command == "predict" else []))
    assert code == 2
    assert said in one_line(err)


def test_a_hub_id_that_cannot_be_fetched_is_one_line(medley, square_films, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    code, _, err = medley("predict", "owner/no-such-run", square_films / "001-PA.png")
    assert code == 2
    assert "cannot be fetched from the hub" in one_line(err)


@pytest.mark.parametrize("content", [None, "family: cxr_reasoner\nsizee: tiny\n"])
def test_a_wrong_recipe_is_told_before_torch_is_loaded(tmp_path, content):
    if content is not None:
        (tmp_path / "r.yaml").write_text(content)
    code = "import sys; from medley.cli.main import run\ntry: run(sys.argv[1:])\nfinally: print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "train", str(tmp_path / "r.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "r.yaml" in one_line(done.stderr)
    assert done.stdout.strip() == "False"


def test_evaluate_needs_cases_and_splits_together_and_a_part_that_is_there(medley, toy_run, square_films):
    code, _, err = medley("evaluate", toy_run, "--cases", square_films / "cases.parquet")
    assert code == 2
    assert "--cases and --splits go together" in one_line(err)
    code, _, err = medley("evaluate", toy_run, "--part", "tset")
    assert code == 2
    assert "did you mean 'test'" in one_line(err)


def test_a_csv_with_a_missing_column_is_one_line(medley, tmp_path):
    picture().save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("file,Edema\na.png,1\n")
    out = tmp_path / "cases.parquet"
    code, _, err = medley("index", "folder", "--root", tmp_path, "--out", out, "--map", "patient_id=patient")
    assert code == 2
    assert "column" in one_line(err)
    (tmp_path / "labels.csv").write_text("Edema\n1\n")
    code, _, err = medley("index", "folder", "--root", tmp_path, "--out", out)
    assert code == 2
    assert "column" in one_line(err)
    assert not (tmp_path / "cases.parquet").exists()


@pytest.mark.parametrize("shards", ["auto", "null"])
def test_training_goes_on_without_the_films_that_cannot_be_read_and_says_so(
    medley, films, tmp_path, monkeypatch, shards
):
    monkeypatch.setenv("MEDLEY_CACHE", str(tmp_path / "cache"))
    names = ["good.png", "fine.png", "text.png"] * 10
    cases = [
        Case(f"c{i}", f"p{i}", "1", (ImageRef("PA", str(films / name)),), {}, {"Edema": float(i % 2)}, source="x")
        for i, name in enumerate(names)
    ]
    write_cases(tmp_path / "cases.parquet", cases, ("Edema",))
    assert medley("split", tmp_path / "cases.parquet", "--out", tmp_path / "splits.json")[0] == 0
    recipe = tmp_path / "r.yaml"
    data = f"data: {{cases: {tmp_path}/cases.parquet, splits: {tmp_path}/splits.json, shards: {shards}}}\n"
    recipe.write_text(RECIPE + data + "stages: {joint: {epochs: 1, best_by: loss}}\ntrainer: {precision: fp32}\n")
    code, _, err = medley("train", recipe, "--out", tmp_path / "run")
    assert code == 1, err
    assert "1 film cannot be read: left out" in err
    assert "text.png" in err
    sizes = json.loads((tmp_path / "run" / "data.json").read_text())["sizes"]
    assert sum(sizes.values()) == 20, "two in three are good"


def test_a_full_disk_during_shards_keeps_what_is_finished_and_goes_on(square_films, tmp_path):
    """RLIMIT_FSIZE stands for the full disk: the shard's file cannot be written to its end."""
    out = tmp_path / "shards"
    limited = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from medley.cli.main import run
run(sys.argv[1:])
"""
    arguments = ["shards", str(square_films / "cases.parquet"), "--px", "48", "--out", str(out), "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", limited, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert "make room and run the same command again" in one_line(done.stderr)
    assert not list(out.glob("shard-*")), "no shard that is not whole"
    assert not list(out.glob(".*.tmp"))
    again = [sys.executable, "-m", "medley.cli.main", *arguments, "--json"]
    done = subprocess.run(again, capture_output=True, text=True, check=True, timeout=120, env=dict(os.environ))
    assert json.loads(done.stdout)["added"] == 150


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["index", "folder", "--root", "{films}", "--csv", "{films}/list.csv"], "cases.parquet"),
        (["split", "{films}/cases.parquet"], "splits.json"),
        (["cohort", "cxr_reasoner", "--cases", "2", "--seed", "1", "--workers", "1"], "cohort"),
    ],
)
def test_a_full_disk_is_one_line_that_names_what_was_to_be_written(square_films, tmp_path, arguments, out):
    films = shutil.copytree(square_films, tmp_path / "films")
    (films / "list.csv").write_text("file,Edema\n" + "".join(f"{p.name},1\n" for p in films.glob("*-PA.png")))
    (tmp_path / "out").mkdir()
    limited = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
from medley.cli.main import run
run(sys.argv[1:])
"""
    command = [argument.format(films=films) for argument in arguments] + ["--out", str(tmp_path / "out" / out)]
    done = subprocess.run(
        [sys.executable, "-c", limited, *command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2, done.stderr
    line = one_line(done.stderr)
    assert str(tmp_path / "out" / out) in line
    assert "File too large" in line
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("predict",), ("train",), ("nonsense",), ("predict", "a", "--no-such-option"), ("check", "--size", "huge")],
)
def test_a_wrong_command_line_is_exit_2(medley, arguments):
    code, _, err = medley(*arguments)
    assert code == 2
    assert "Traceback" not in err
