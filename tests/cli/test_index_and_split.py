"""`medley index` and `medley split` as a user runs them: files written, exit codes, what is printed."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from medley.cli import index, split
from medley.core.errors import MedleyError
from medley.core.files import sha256
from medley.data.cases import read_cases
from medley.data.readers import READERS, load
from medley.data.splits import read_splits

app = typer.Typer()
app.add_typer(index.app, name="index")
app.command("split")(split.split)


def run(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def fails(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, MedleyError), result.output
    return str(result.exception)


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "patient_id", "view", "Effusion", "Mass"))
        for number in range(60):
            Image.fromarray(np.full((4, 4), number, np.uint8)).save(root / f"images/{number}.png")
            writer.writerow((f"images/{number}.png", f"p{number // 2}", "PA", number % 2, int(number % 3 == 0)))
    return root


def test_index_writes_a_table_with_hashes_and_prints_it_as_json(data):
    out = data / "cases.parquet"
    printed = json.loads(run("index", "folder", "--root", data, "--out", out, "--json").stdout)
    table = read_cases(out)
    assert (printed["studies"], printed["patients"], printed["images"], printed["left_out"]) == (60, 30, 60, 0)
    assert printed["labels"]["Pleural Effusion"] == {"present": 30, "absent": 30, "uncertain": 0, "not_known": 0}
    assert printed["digest"] == table.digest
    image = table.cases[0].images[0]
    assert image.sha256 == sha256(image.path)


def test_a_table_beside_its_images_can_be_moved(data, tmp_path):
    run("index", "folder", "--root", data, "--out", data / "cases.parquet", "--no-hash")
    data.rename(tmp_path / "moved")
    image = read_cases(tmp_path / "moved/cases.parquet").cases[0].images[0]
    assert sha256(image.path)
    assert image.sha256 is None


def test_exit_1_when_rows_were_left_out_and_the_rest_is_written(data):
    (data / "images/7.png").unlink()
    result = run("index", "folder", "--root", data, "--out", data / "cases.parquet", code=1)
    assert "image not on disk: 1 row left out, first images/7.png" in result.stdout
    assert len(read_cases(data / "cases.parquet")) == 59


def test_boxes_are_counted_and_a_split_without_its_test_part_is_said(data):
    with (data / "boxes.csv").open("w", newline="") as file:
        rows = [("images/1.png", "p1", "[[1, 1, 2, 2]]", "train"), ("images/2.png", "p2", "", "train")]
        csv.writer(file).writerows([("file", "patient_id", "where", "part"), *rows])
    arguments = ["index", "folder", "--root", data, "--csv", data / "boxes.csv", "--out", data / "cases.parquet"]
    arguments += ["--map", "boxes=where:Mass", "--map", "boxes_px=4", "--map", "split=part"]
    printed = json.loads(run(*arguments, "--json").stdout)
    assert printed["boxes"] == 1
    assert printed["official_splits"] == {"folder": {"train": 2}}
    said = " ".join(run(*arguments).stdout.split())
    assert "boxes: 1" in said
    assert "official split folder: train 2 (without its test part: cannot be split by it)" in said


def test_nothing_usable_is_an_error_and_writes_nothing(data):
    for path in (data / "images").iterdir():
        path.unlink()
    assert "60 rows left out" in fails("index", "folder", "--root", data, "--out", data / "cases.parquet")
    assert not (data / "cases.parquet").exists()


def test_map_and_labels_reach_the_reader(data):
    out = data / "cases.parquet"
    run("index", "folder", "--root", f"root={data}", "--out", out, "--map", "patient_id=file", "--labels", "Mass")
    table = read_cases(out)
    assert table.labels == ("Mass",)
    assert table.cases[0].patient_id == "images/0.png"


def test_wrong_words_are_named(data):
    out = data / "cases.parquet"
    assert "did you mean 'folder'" in fails("index", "foldr", "--root", data, "--out", out)
    assert "must be WHAT=COLUMN" in fails("index", "folder", "--root", data, "--out", out, "--map", "patient_id")
    assert "unknown root 'jpgs'; did you mean 'jpg'" in fails(
        "index", "mimic_cxr", "--root", f"jpgs={data}", "--out", out
    )
    assert "given twice" in fails("index", "folder", "--root", data, "--root", data, "--out", out)
    assert "No such option" in run("index", "chexpert", "--root", data, "--out", out, "--map", "a=b", code=2).output


@pytest.mark.parametrize("name", READERS)
def test_help_of_a_reader_keeps_its_tree_and_hides_what_it_lacks(name):
    printed = run("index", name, "--help").output
    module = load(name)
    for line in module.HELP.splitlines():
        assert line.strip() in printed
    assert ("--map" in printed.split("Options:")[1]) == ("columns" in module.OPTIONS)
    assert ("--labels" in printed.split("Options:")[1]) == ("labels" in module.OPTIONS)


def test_help_of_the_group_lists_all_readers():
    printed = run("index", "--help").output
    assert all(name in printed for name in READERS)


@pytest.fixture
def table(data):
    run("index", "folder", "--root", data, "--out", data / "cases.parquet", "--no-hash")
    return data / "cases.parquet"


def test_split_writes_a_manifest_that_fits_and_warns_of_scarce_labels(table, tmp_path):
    out = tmp_path / "splits.json"
    result = run("split", table, "--out", out, "--by", "stratified", "--seed", 3, "--fractions", "0.5,0.2,0.3")
    manifest = read_splits(out, read_cases(table))
    assert (manifest.by, manifest.seed, manifest.fractions) == ("stratified", 3, (0.5, 0.2, 0.3))
    assert "fewer than 10 positives in test: Pleural Effusion, Mass" in " ".join(result.stdout.split())


def test_split_as_json_counts_per_part(table, tmp_path):
    printed = json.loads(run("split", table, "--out", tmp_path / "s.json", "--by", "stratified", "--json").stdout)
    assert sum(part["studies"] for part in printed["parts"].values()) == 60
    assert sum(part["positives"]["Pleural Effusion"] for part in printed["parts"].values()) == 30
    assert all(part["studies"] == 2 * part["patients"] for part in printed["parts"].values())


def test_split_mistakes_are_named(table, tmp_path):
    out = tmp_path / "s.json"
    assert "three numbers are needed" in fails("split", table, "--out", out, "--fractions", "a,b,c")
    assert "did you mean 'hash'" in fails("split", table, "--out", out, "--by", "hsh")
    assert "carries no official split 'chexpert'" in fails("split", table, "--out", out, "--official", "chexpert")
    assert "does not exist" in fails("split", tmp_path / "none.parquet", "--out", out)
    assert not out.exists()
