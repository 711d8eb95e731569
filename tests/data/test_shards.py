"""Shards equal files bit for bit, survive what stops them, and only ever grow."""

from __future__ import annotations

import csv
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from medley.cli.shards import shards as shards_command
from medley.core.errors import MedleyError
from medley.core.files import sha256
from medley.core.records import Case, ImageRef
from medley.core.seeds import generator
from medley.data import shards as module
from medley.data.cases import CaseTable, write_cases
from medley.data.preprocess.film import load_film
from medley.data.shards import ShardReport, build_shards, open_shards

PX = 32


def make_table(folder: Path, count: int, hashed: bool = True) -> CaseTable:
    """Films of many sizes and formats, two a case; every third says its view."""
    cases = []
    for index in range(count):
        rng = generator("shards", index)
        path = folder / f"film{index}.{('png', 'jpg')[index % 2]}"
        if not path.exists():
            Image.fromarray(rng.integers(0, 256, rng.integers(20, 90, 2), np.uint8)).save(path)
        view = "PA" if index % 3 == 0 else "UNKNOWN"
        image = ImageRef(view, str(path), sha256(path) if hashed else None)
        cases.append(Case(f"c{index}", f"p{index // 2}", f"s{index}", (image,)))
    return write_cases(folder / "cases.parquet", cases, [])


def assert_equal_to_files(table: CaseTable, folder: Path) -> None:
    shards = open_shards(folder)
    for case in table.cases:
        for image in case.images:
            ours, theirs = shards.film(image), load_film(image.path, PX, image.view)
            assert np.array_equal(ours.pixels, theirs.pixels)
            assert (ours.view, ours.placement) == (theirs.view, theirs.placement)


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("workers", [1, 2])
def test_shards_and_files_give_the_same_tensors(tmp_path, monkeypatch, workers, hashed):
    monkeypatch.setattr(module, "FILMS_PER_SHARD", 5)
    table = make_table(tmp_path, 12, hashed)
    seen = []
    report = build_shards(table, tmp_path / "out", PX, workers, lambda done, total: seen.append((done, total)))
    assert (report.added, report.kept, report.skipped, report.shards) == (12, 0, (), 3)
    assert seen == [(done, 12) for done in range(1, 13)]
    assert_equal_to_files(table, tmp_path / "out")


def test_a_table_that_has_grown_only_adds(tmp_path):
    small, grown = make_table(tmp_path, 4), make_table(tmp_path, 9)
    build_shards(small, tmp_path / "out", PX)
    before = {path: (path.stat().st_mtime_ns, sha256(path)) for path in (tmp_path / "out").glob("shard-*")}
    report = build_shards(grown, tmp_path / "out", PX)
    assert (report.added, report.kept, report.shards) == (5, 4, 2)
    assert all((path.stat().st_mtime_ns, sha256(path)) == was for path, was in before.items())
    assert_equal_to_files(grown, tmp_path / "out")
    again = build_shards(grown, tmp_path / "out", PX)
    assert (again.added, again.kept) == (0, 9)


def test_one_content_is_stored_once_and_a_changed_file_is_a_new_film(tmp_path):
    table = make_table(tmp_path, 3, hashed=False)
    copy = replace(table.cases[0], case_id="copy")
    twice = CaseTable((*table.cases, copy), ())
    assert build_shards(twice, tmp_path / "out", PX).added == 3
    path = Path(table.cases[0].images[0].path)
    Image.fromarray(generator("other").integers(0, 256, (50, 60), np.uint8)).save(path)
    with pytest.raises(MedleyError, match="is not in the shards"):
        open_shards(tmp_path / "out").film(table.cases[0].images[0])
    assert build_shards(table, tmp_path / "out", PX).added == 1
    assert_equal_to_files(table, tmp_path / "out")


def _run(code: str, *arguments: Path | str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_killed_in_the_third_shard_the_first_two_are_kept_and_the_rest_is_done_again(tmp_path):
    table = make_table(tmp_path, 12)
    code = """
    import os, signal, sys
    from medley.data import shards
    from medley.data.cases import read_cases
    shards.FILMS_PER_SHARD = 4
    def progress(done, total):
        if done == 10:
            open(sys.argv[2] + "/.shard-00002.npy.dead.tmp", "w").write("half")
            os.kill(os.getpid(), signal.SIGKILL)
    shards.build_shards(read_cases(sys.argv[1]), sys.argv[2], 32, 1, progress)
    """
    assert _run(code, tmp_path / "cases.parquet", tmp_path / "out").returncode == -signal.SIGKILL
    assert len(open_shards(tmp_path / "out")) == 8
    report = build_shards(table, tmp_path / "out", PX)
    assert (report.added, report.kept) == (4, 8)
    assert not list((tmp_path / "out").glob(".*"))
    assert_equal_to_files(table, tmp_path / "out")


def test_killed_between_pixels_and_rows_the_shard_is_written_again(tmp_path):
    table = make_table(tmp_path, 3)
    build_shards(table, tmp_path / "out", PX)
    (tmp_path / "out" / "shard-00000.json").unlink()  # what such a kill leaves
    assert len(open_shards(tmp_path / "out")) == 0
    assert build_shards(table, tmp_path / "out", PX).shards == 1
    assert_equal_to_files(table, tmp_path / "out")


def test_a_disk_without_room_is_one_line_and_finished_shards_stay(tmp_path):
    make_table(tmp_path, 12)
    code = """
    import resource, sys
    from medley.core.errors import MedleyError
    from medley.data import shards
    from medley.data.cases import read_cases
    table = read_cases(sys.argv[1])
    shards.FILMS_PER_SHARD = 4
    def progress(done, total):
        if done == 5:  # from here no file may grow beyond 2000 bytes: a write fails half-way, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    try:
        shards.build_shards(table, sys.argv[2], 32, 1, progress)
    except MedleyError as error:
        print(error)
    """
    printed = _run(code, tmp_path / "cases.parquet", tmp_path / "out").stdout
    assert "shard-00001.npy: File too large; 4 films in finished shards are kept; make room" in printed
    assert printed.count("\n") == 1
    assert len(open_shards(tmp_path / "out")) == 4
    assert not list((tmp_path / "out").glob(".*"))


def test_unreadable_films_are_skipped_listed_and_the_rest_is_done(tmp_path):
    table = make_table(tmp_path, 6, hashed=False)
    paths = [Path(case.images[0].path) for case in table.cases]
    paths[1].write_bytes(paths[1].read_bytes()[:300])
    paths[2].unlink()
    report = build_shards(table, tmp_path / "out", PX)
    assert report.added == 4
    assert {one.case_id for one in report.skipped} == {"c1", "c2"}
    with (tmp_path / "out" / "skipped.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["case_id"], row["path"]) for row in rows} == {("c1", str(paths[1])), ("c2", str(paths[2]))}
    assert all(row["path"] in row["reason"] for row in rows)
    with pytest.raises(MedleyError, match=r"film1\.jpg is not in the shards .* medley shards"):
        open_shards(tmp_path / "out").film(table.cases[1].images[0])
    make_table(tmp_path, 6)  # the missing one comes back
    assert len(build_shards(make_table(tmp_path, 6), tmp_path / "out", PX).skipped) == 1


def test_a_file_that_is_not_the_tables_is_not_taken_for_it(tmp_path):
    table = make_table(tmp_path, 2)
    Image.fromarray(generator("other").integers(0, 256, (50, 60), np.uint8)).save(table.cases[0].images[0].path)
    (skipped,) = build_shards(table, tmp_path / "out", PX).skipped
    assert "sha256 differs" in skipped.reason


def test_another_size_version_or_folder_is_refused_by_name(tmp_path, monkeypatch):
    table = make_table(tmp_path, 2)
    build_shards(table, tmp_path / "out", PX)
    with pytest.raises(MedleyError, match="holds films of 32 px, not 64"):
        open_shards(tmp_path / "out", 64)
    with pytest.raises(MedleyError, match="holds films of 32 px, not 64"):
        build_shards(table, tmp_path / "out", 64)
    with pytest.raises(MedleyError, match="holds no shards; medley shards"):
        open_shards(tmp_path / "nowhere")
    with pytest.raises(MedleyError, match="holds other files"):
        build_shards(table, tmp_path, PX)
    monkeypatch.setattr(module, "PREPROCESSING_VERSION", 99)
    with pytest.raises(MedleyError, match="preprocessing version 1, and this Medley has version 99"):
        open_shards(tmp_path / "out")


def test_damaged_shards_are_named(tmp_path):
    build_shards(make_table(tmp_path, 3), tmp_path / "out", PX)
    shard = tmp_path / "out" / "shard-00000.npy"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(MedleyError, match=r"shard-00000\.npy is missing or cut short"):
        open_shards(tmp_path / "out")
    shard.unlink()
    with pytest.raises(MedleyError, match=r"remove .*shard-00000\.json"):
        build_shards(make_table(tmp_path, 3), tmp_path / "out", PX)


def test_two_runs_do_not_write_one_folder(tmp_path):
    table = make_table(tmp_path, 2)

    def progress(done: int, total: int) -> None:
        with pytest.raises(MedleyError, match="another medley shards is writing"):
            build_shards(table, tmp_path / "out", PX)

    build_shards(table, tmp_path / "out", PX, progress=progress)


def test_one_run_can_wait_for_another(tmp_path):
    table = make_table(tmp_path, 2)
    second: list[Future[ShardReport]] = []
    with ThreadPoolExecutor() as pool:

        def progress(done: int, total: int) -> None:
            if not second:
                second.append(pool.submit(build_shards, table, tmp_path / "out", PX, wait=True))

        build_shards(table, tmp_path / "out", PX, progress=progress)
    assert second[0].result().added == 0, "it found all that the first had written"


def _sum_of_first(shards, image) -> int:
    return int(shards.film(image).pixels.sum())


def test_shards_travel_to_worker_processes_without_their_pixels(tmp_path):
    table = make_table(tmp_path, 3)
    build_shards(table, tmp_path / "out", PX)
    shards = open_shards(tmp_path / "out")
    image = table.cases[0].images[0]
    here = _sum_of_first(shards, image)
    assert len(pickle.dumps(shards)) < 500
    assert _sum_of_first(pickle.loads(pickle.dumps(shards)), image) == here
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_sum_of_first, (shards, image)) == here


def test_pixels_are_views_of_the_file_that_nobody_can_change(tmp_path):
    table = make_table(tmp_path, 2)
    build_shards(table, tmp_path / "out", PX)
    pixels = open_shards(tmp_path / "out").film(table.cases[0].images[0]).pixels
    assert not pixels.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0] = 1


@pytest.fixture
def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(shards_command)
    return app


def test_the_command_and_its_exit_codes(tmp_path, command):
    table = make_table(tmp_path, 3)
    arguments = [str(tmp_path / "cases.parquet"), "--out", str(tmp_path / "out"), "--px", "32", "--workers", "1"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0
    assert "3 films of 32 px in 1 shard" in done.stdout
    os.truncate(table.cases[1].images[0].path, 100)
    assert CliRunner().invoke(command, arguments).exit_code == 0  # its pixels are there already
    arguments[2] = str(tmp_path / "fresh")
    assert (
        CliRunner().invoke(command, [*arguments[:2], str(tmp_path / "fresh"), *arguments[3:], "--json"]).exit_code == 1
    )
    for case in table.cases:
        os.truncate(case.images[0].path, 10)
    nothing = CliRunner().invoke(command, [*arguments[:2], str(tmp_path / "none"), *arguments[3:]])
    assert isinstance(nothing.exception, MedleyError)
    assert "no film of" in str(nothing.exception)
