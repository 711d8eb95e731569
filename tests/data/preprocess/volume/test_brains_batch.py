"""medley preprocess brains: every good study is written, every bad one has its row, and an ended run goes on."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from brain_data import turned, write_dicom_series

from medley.core.errors import MedleyError, MissingExtra
from medley.core.records import Case, ImageRef, VolumeGrid
from medley.data.cases import write_cases
from medley.data.preprocess.volume.batch import preprocess_brains
from medley.data.preprocess.volume.find import find_studies
from medley.data.preprocess.volume.grid import TINY_GRID
from medley.data.preprocess.volume.nifti import read_nifti, write_nifti
from medley.data.preprocess.volume.volume import load_volume


@pytest.fixture
def folder(tmp_path, bare) -> Path:
    """A BraTS study of two sequences and a segmentation, two subjects in one folder, a DICOM series, and bad files."""
    brains = tmp_path / "brains"
    labels = np.zeros(bare.values.shape, np.uint8)
    labels[12:20, 28:36, 20:28] = 2
    one = "BraTS20_Training_001/BraTS20_Training_001"
    files = {
        f"{one}_flair.nii.gz": turned(bare.values, bare.affine, "LPS"),
        f"{one}_t1ce.nii.gz": turned(bare.values, bare.affine, "LPS"),
        f"{one}_seg.nii.gz": turned(labels, bare.affine, "LPS"),
        "flat/sub-01_FLAIR.nii.gz": (bare.values, bare.affine),
        "flat/sub-02_FLAIR.nii.gz": (bare.values, bare.affine),
    }
    for name, (values, affine) in files.items():
        write_nifti(brains / name, values, affine)
    write_dicom_series(brains / "series", *turned(np.rint(bare.values), bare.affine, "LPS"))
    (brains / "cut_t1.nii.gz").write_bytes((brains / "flat/sub-01_FLAIR.nii.gz").read_bytes()[:900])
    (brains / "table.txt").write_text("none")
    return brains


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "brains.csv").open(newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


GOOD = {"BraTS20_Training_001", "flat__sub-01_FLAIR", "flat__sub-02_FLAIR", "series"}


def test_studies_are_found_with_their_sequences_and_masks(folder):
    studies, passed = find_studies(folder)
    assert {study.name for study in studies} == GOOD | {"cut_t1"}
    brats = next(study for study in studies if study.name.startswith("BraTS"))
    assert [name for name, _ in brats.files] == ["flair", "t1c"]
    assert brats.segmentation.name.endswith("_seg.nii.gz")
    assert next(study for study in studies if study.name == "series").files == (("flair", folder / "series"),)
    assert passed == {"not a volume by its name": 1}


def test_good_studies_are_written_and_bad_ones_told(folder, tmp_path):
    out = tmp_path / "out"
    studies, _ = find_studies(folder, out)
    preprocess_brains(studies, out, TINY_GRID)
    rows = rows_of(out)
    assert {name for name, row in rows.items() if row["error"]} == {"cut_t1"}
    assert "cut off" in rows["cut_t1"]["error"]
    assert rows["BraTS20_Training_001"]["axes"] == "LPS LPS"
    for name in GOOD:
        assert (out / name / "slices.png").stat().st_size > 1000
        assert rows[name]["mask"] == "stripped"
        assert float(rows[name]["outline"]) > 0.6
    source = folder / "BraTS20_Training_001/BraTS20_Training_001_flair.nii.gz"
    volume = load_volume({"flair": source}, TINY_GRID)
    written = read_nifti(out / "BraTS20_Training_001/flair.nii.gz")
    assert np.array_equal(written.values, volume.voxels[0].transpose(2, 1, 0))
    assert read_nifti(out / "BraTS20_Training_001/edema.nii.gz", labels=True).values.max() == 255
    assert not list(out.rglob("*.tmp"))


def test_what_is_done_is_kept_and_what_changed_is_done_anew(folder, tmp_path, bare):
    out = tmp_path / "out"
    studies, _ = find_studies(folder, out)
    first = preprocess_brains(studies, out, TINY_GRID)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("done.json")}
    write_nifti(folder / "flat/sub-02_FLAIR.nii.gz", bare.values * 2 + 1, bare.affine)
    (out / "series/flair.nii.gz").unlink()
    again = preprocess_brains(studies, out, TINY_GRID)
    anew = {path.parent.name for path, at in before.items() if path.stat().st_mtime_ns != at}
    assert anew == {"flat__sub-02_FLAIR", "series"}
    assert [row.case for row in again] == [row.case for row in first]
    assert next(row for row in again if row.case.startswith("BraTS")) == next(r for r in first if r.case[0] == "B")


def test_a_killed_run_goes_on_where_it_was(folder, tmp_path):
    out = tmp_path / "out"
    code = "from medley.cli.main import run; run()"
    command = [sys.executable, "-c", code, "preprocess", "brains", str(folder), str(out), "--shape", "32x64x64"]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for _ in range(600):
        if list(out.rglob("done.json")):
            break
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("done.json")}
    assert kept
    assert not (out / "brains.csv").exists()
    ended = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1, ended.stderr  # the cut file is skipped
    assert json.loads(ended.stdout)["written"] == 4
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())
    assert set(rows_of(out)) == GOOD | {"cut_t1"}
    assert not list(out.rglob("*.tmp"))


def test_several_processes_write_the_same_bytes(folder, tmp_path):
    studies, _ = find_studies(folder / "flat")
    for name, workers in (("one", 1), ("two", 2)):
        preprocess_brains(studies, tmp_path / name, TINY_GRID, workers=workers)
    for path in (tmp_path / "one").rglob("*.nii.gz"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_tables_of_volumes(folder, tmp_path):
    (folder / "list.csv").write_text(
        "case_id,flair,t1c,segmentation\n"
        "a,flat/sub-01_FLAIR.nii.gz,,\n"
        "b/c,series,BraTS20_Training_001/BraTS20_Training_001_t1ce.nii.gz,\n"
    )
    studies, _ = find_studies(folder / "list.csv")
    assert [(study.name, [name for name, _ in study.files]) for study in studies] == [
        ("a", ["flair"]),
        ("b__c", ["flair", "t1c"]),
    ]
    (folder / "paths.csv").write_text("path\nflat/sub-01_FLAIR.nii.gz\nseries\n")
    studies, _ = find_studies(folder / "paths.csv")
    assert [study.files[0][0] for study in studies] == ["flair", "flair"]
    case = Case("c", "p", "s", (ImageRef("flair", str(folder / "flat/sub-01_FLAIR.nii.gz")),), truth={"healthy": True})
    write_cases(tmp_path / "cases.parquet", [case], [])
    assert [study.name for study in find_studies(tmp_path / "cases.parquet")[0]] == ["c"]
    (folder / "odd.csv").write_text("id,paths\n1,x\n")
    with pytest.raises(MedleyError, match="lacks a column of flair, t1, t1c, t2 or path; did you mean 'paths'"):
        find_studies(folder / "odd.csv")
    (tmp_path / "bare").mkdir()
    with pytest.raises(MedleyError, match="holds no brain volume"):
        find_studies(tmp_path / "bare")
    with pytest.raises(MedleyError, match="nowhere does not exist"):
        find_studies(tmp_path / "nowhere")


def test_the_command_and_its_exit_codes(folder, tmp_path, medley):
    small = ("--shape", "16x32x32")
    code, said, _ = medley("preprocess", "brains", folder, tmp_path / "out", *small, "--json")
    result = json.loads(said)
    assert code == 1
    assert (result["written"], [one["case"] for one in result["skipped"]]) == (4, ["cut_t1"])
    assert result["masks"] == {"stripped": 4}
    code, said, _ = medley("preprocess", "brains", folder / "flat", tmp_path / "flat", *small)
    assert code == 0
    assert "2 studies written" in said
    code, _, error = medley("preprocess", "brains", folder / "cut_t1.nii.gz", tmp_path / "none", *small)
    assert code == 2
    assert "no study of" in error
    code, _, error = medley("preprocess", "brains", folder, tmp_path / "x", "--shape", "64")
    assert code == 2
    assert "--shape 64: it must be depth x height x width" in error


def test_a_neighbours_mask_is_not_taken_for_a_name_that_begins_alike(tmp_path, bare):
    for name in ("p1_flair", "p1_t1", "p10_flair", "p10_t1"):
        write_nifti(tmp_path / f"{name}.nii.gz", bare.values, bare.affine)
    write_nifti(tmp_path / "p10_seg.nii.gz", bare.brain.astype(np.uint8), bare.affine)
    found = {study.name: study.segmentation for study in find_studies(tmp_path)[0]}
    assert found == {"p1": None, "p10": tmp_path / "p10_seg.nii.gz"}


def test_what_other_settings_left_half_written_is_not_taken_for_done(tmp_path, bare, monkeypatch):
    """Ended while it wrote with other settings over a finished study; then the first settings again."""
    for name in ("flair", "t1"):
        write_nifti(tmp_path / "in" / "a" / f"{name}.nii.gz", bare.values, bare.affine)
    studies, _ = find_studies(tmp_path / "in")
    out, other = tmp_path / "out", VolumeGrid((16, 32, 32), TINY_GRID.fov_mm)
    preprocess_brains(studies, out, TINY_GRID)
    before = {path.name: path.read_bytes() for path in (out / "a").iterdir()}

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("medley.data.preprocess.volume.pictures.slices_picture", ended)
        with pytest.raises(KeyboardInterrupt):
            preprocess_brains(studies, out, other)
    assert (out / "a" / "flair.nii.gz").read_bytes() != before["flair.nii.gz"]
    preprocess_brains(studies, out, TINY_GRID)
    assert {path.name: path.read_bytes() for path in (out / "a").iterdir()} == before
    (out / "a" / "t1.nii.gz").write_bytes(before["t1.nii.gz"][:100])  # and what was damaged since is made again
    preprocess_brains(studies, out, TINY_GRID)
    assert (out / "a" / "t1.nii.gz").read_bytes() == before["t1.nii.gz"]
    (tmp_path / "t.csv").write_text("case_id,flair\n..,in/a/flair.nii.gz\n")
    with pytest.raises(MedleyError, match="which no folder can be"):
        find_studies(tmp_path / "t.csv")


def test_a_source_is_never_written_over(tmp_path, bare):
    write_nifti(tmp_path / "in" / "a" / "flair.nii.gz", bare.values, bare.affine)
    before = (tmp_path / "in" / "a" / "flair.nii.gz").read_bytes()
    [row] = preprocess_brains(find_studies(tmp_path / "in")[0], tmp_path / "in", TINY_GRID)
    assert "choose another OUT" in row.error
    assert (tmp_path / "in" / "a" / "flair.nii.gz").read_bytes() == before


def test_another_folder_s_study_of_the_same_name_is_not_written_over(tmp_path, bare):
    for name, files in (("one", ("a", "b")), ("two", ("a", "c"))):
        for file in files:
            write_nifti(tmp_path / name / file / "flair.nii.gz", bare.values + len(name + file), bare.affine)
    write_nifti(tmp_path / "two" / "a" / "flair.nii.gz", bare.values * 3, bare.affine)
    out = tmp_path / "out"
    preprocess_brains(find_studies(tmp_path / "one")[0], out, TINY_GRID)
    before = (out / "a" / "flair.nii.gz").read_bytes()
    rows = {row.case: row for row in preprocess_brains(find_studies(tmp_path / "two")[0], out, TINY_GRID)}
    assert "one/a/flair.nii.gz; choose another OUT" in rows["a"].error
    assert not rows["c"].error
    assert (out / "a" / "flair.nii.gz").read_bytes() == before
    assert set(rows_of(out)) == {"a", "b", "c"}  # b of the first folder lies there still


def test_n4_without_its_package_is_told_before_anything_is_read(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("medley.data.preprocess.volume.bias.installed", lambda module: False)
    with pytest.raises(MissingExtra, match="N4 bias field correction needs the package antspyx"):
        preprocess_brains(find_studies(folder)[0], tmp_path / "out", TINY_GRID, n4=True)
    assert not (tmp_path / "out").exists()


def test_an_empty_argument_is_not_the_folder_one_stands_in(folder, medley):
    code, _, error = medley("preprocess", "brains", folder / "flat", "")
    assert code == 2
    assert "is empty; is a shell variable not set?" in error
