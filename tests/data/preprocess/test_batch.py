"""medley preprocess films: every good film is written, every bad one has its row."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from medley.cli.preprocess import app
from medley.core.errors import MedleyError
from medley.core.records import Case, ImageRef
from medley.core.seeds import generator
from medley.data.cases import write_cases
from medley.data.preprocess.batch import find_films, preprocess_films
from medley.data.preprocess.film import load_film


@pytest.fixture
def folder(tmp_path) -> Path:
    """Five films, two of one name, one without suffix; a damaged one, an empty one, and files that are none."""
    films = tmp_path / "films"
    (films / "deep").mkdir(parents=True)
    for index, name in enumerate(("a.png", "a.jpg", "deep/b.png", "deep/1.2.840.77", "c.tif")):
        pixels = generator("batch", index).integers(0, 256, (60, 40 + index), np.uint8)
        kind = {".png": "PNG", ".jpg": "JPEG", ".tif": "TIFF"}.get(Path(name).suffix, "PNG")
        Image.fromarray(pixels).save(films / name, format=kind)
    (films / "cut.png").write_bytes((films / "a.png").read_bytes()[:500])
    (films / "empty.jpg").touch()
    (films / "labels.csv").write_text("image,label\n")
    (films / ".hidden.png").write_text("")
    (films / "dangling").symlink_to(films / "nothing")
    return films


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "films.csv").open(newline="") as file:
        return {Path(row["source"]).name: row for row in csv.DictReader(file)}


def test_good_films_are_written_and_bad_ones_told(folder, tmp_path):
    out = tmp_path / "out"
    preprocess_films(find_films(folder, out), out, 32)
    rows = rows_of(out)
    assert set(rows) == {"a.png", "a.jpg", "b.png", "1.2.840.77", "c.tif", "cut.png", "empty.jpg"}
    assert {name for name, row in rows.items() if row["error"]} == {"cut.png", "empty.jpg"}
    names = {row["out"] for row in rows.values() if row["out"]}
    assert names == {"a.png.png", "a.jpg.png", "deep/b.png", "deep/1.2.840.77.png", "c.png"}
    for name, row in rows.items():
        if row["out"]:
            film = load_film(row["source"], 32)
            written = np.asarray(Image.open(out / row["out"]))
            assert np.array_equal(written, film.pixels), name
            assert (int(row["height"]), int(row["width"])) == (film.placement.height, film.placement.width)
            assert row["is_chest_film"] == "false"  # they are noise
            assert row["warnings"]


def test_the_output_is_not_read_again_when_it_lies_inside(folder):
    out = folder / "out"
    first = find_films(folder, out)
    preprocess_films(first, out, 32)
    assert find_films(folder, out) == first


def test_tables_of_paths(folder, tmp_path):
    (tmp_path / "list.csv").write_text("id,path\n1,films/a.png\n2,films/deep/b.png\n3,films/none.png\n4,\n")
    assert [path.name for path in find_films(tmp_path / "list.csv")] == ["a.png", "b.png", "none.png"]
    case = Case("c", "p", "s", (ImageRef("PA", str(folder / "a.png")), ImageRef("LATERAL", str(folder / "c.tif"))))
    write_cases(tmp_path / "cases.parquet", [case], [])
    assert [path.name for path in find_films(tmp_path / "cases.parquet")] == ["a.png", "c.tif"]
    (tmp_path / "odd.csv").write_text("id,paths\n1,films/a.png\n")
    with pytest.raises(MedleyError, match="lacks a column path; did you mean 'paths'"):
        find_films(tmp_path / "odd.csv")
    with pytest.raises(MedleyError, match="does not exist"):
        find_films(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(MedleyError, match="holds no films"):
        find_films(tmp_path / "bare")


def test_a_full_disk_leaves_a_list_of_what_is_written(folder, tmp_path):
    """RLIMIT_FSIZE stands for the full disk: from the fourth film on, no file may be as large as a film."""
    code = """
import resource, signal, sys
from pathlib import Path
from medley.core.errors import MedleyError
from medley.data.preprocess.batch import find_films, preprocess_films
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def progress(done, total):
    if done == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
try:
    preprocess_films(find_films(Path(sys.argv[1])), Path(sys.argv[2]), 32, progress)
except MedleyError as error:
    print(error)
"""
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(out)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "File too large; the 3 films before it are done and told of in" in done.stdout
    written = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert {row["out"] for row in rows_of(out).values() if row["out"]} == written
    assert len(rows_of(out)) == 3
    assert not list(out.rglob("*.tmp"))


def test_the_command_and_its_exit_codes(folder, tmp_path):
    main = typer.Typer()
    main.add_typer(app, name="preprocess")
    some = CliRunner().invoke(main, ["preprocess", "films", str(folder), str(tmp_path / "out"), "--px", "32", "--json"])
    assert some.exit_code == 1
    result = json.loads(some.stdout)
    assert result["passed_over"] == {".csv": 1, "": 1}
    assert (result["written"], len(result["skipped"])) == (5, 2)
    all_good = CliRunner().invoke(main, ["preprocess", "films", str(folder / "deep"), str(tmp_path / "deep")])
    assert all_good.exit_code == 0
    none = CliRunner().invoke(main, ["preprocess", "films", str(folder / "empty.jpg"), str(tmp_path / "none")])
    assert isinstance(none.exception, MedleyError)
    assert "no film of" in str(none.exception)
