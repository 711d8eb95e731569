"""What all readers keep to: the table of readers, values made plain, hashes, import cost."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from pathlib import Path

import pytest

from medley.core.errors import MedleyError
from medley.core.records import Case, ImageRef
from medley.data.readers import READERS, load
from medley.data.readers.hashing import with_hashes
from medley.data.readers.reading import Reading, Remarks
from medley.data.readers.studies import age_of, box, sex_of, view_of


@pytest.mark.parametrize("name", READERS)
def test_every_reader_says_how_to_obtain_the_data_and_its_tree(name):
    module = load(name)
    assert "Tree" in module.HELP
    assert "How to obtain" in module.HELP or name in ("folder", "brain_folder", "join")  # data of one's own
    assert module.ROOTS
    assert max(len(line) for line in module.HELP.splitlines()) <= 120


def test_an_unknown_reader_names_the_nearest():
    with pytest.raises(MedleyError, match="did you mean 'chexpert'"):
        load("chexprt")


def test_readers_load_without_the_heavy_packages():
    code = "import sys, medley.data.readers as r; [r.load(n) for n in r.READERS];"
    code += "print([m for m in ('torch', 'polars', 'sklearn', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("said", "view"),
    [
        ("PA", "PA"),
        ("AP Supine", "AP"),
        ("AP erect", "AP"),
        ("AP AXIAL", "AP"),
        ("L", "LATERAL"),
        ("LL", "LATERAL"),
        ("XTABLE LATERAL", "LATERAL"),
        ("left lateral", "LATERAL"),
        ("postero-anterior", "PA"),
        ("antero-posterior", "AP"),
        ("Frontal", "UNKNOWN"),
        ("LAO", "UNKNOWN"),
        ("SWIMMERS", "UNKNOWN"),
        ("", "UNKNOWN"),
        ("PAPA", "UNKNOWN"),
    ],
)
def test_views(said, view):
    assert view_of(said) == view


@pytest.mark.parametrize(
    ("said", "years"), [("58", 58), ("058Y", 58), ("018M", 1.5), ("65.0", 65), ("120", 120), ("0.5", 0.5)]
)
def test_ages(said, years):
    assert age_of(said, "row", Remarks()) == years


@pytest.mark.parametrize("said", ["", "0", "nan", "411", "-3", "50+", "inf", "999Y"])
def test_ages_that_are_not_known(said):
    assert math.isnan(age_of(said, "row", Remarks()))


def test_sexes():
    assert [sex_of(said) for said in ("F", "Female", "male", "M ", "Unknown", "", "O")] == [
        "F",
        "F",
        "M",
        "M",
        None,
        None,
        None,
    ]


def test_a_box_is_cut_at_the_film():
    assert box("Mass", "a.png", (900, -10, 200, 110), (1000, 1000))["box"] == [0.9, 0, 1, 0.1]


def test_hashes_and_a_file_that_went_away(tmp_path):
    (tmp_path / "a").write_bytes(b"film")
    images = [ImageRef("PA", str(tmp_path / name)) for name in ("a", "gone")]
    cases = [
        Case("both", "1", "1", tuple(images)),
        Case("none", "2", "2", tuple(images[1:])),
        Case("text", "3", "3", tuple(images[1:]), {"note": "Cough."}),
        Case("report only", "4", "4", (), {"findings": "Clear."}),
    ]
    seen: list[int] = []
    reading = with_hashes(Reading(tuple(cases), ()), seen.append)
    assert [(case.case_id, len(case.images)) for case in reading.cases] == [
        ("both", 1),
        ("text", 0),
        ("report only", 0),
    ]
    assert reading.cases[0].images[0].sha256 == hashlib.sha256(b"film").hexdigest()
    assert reading.left_out == 3
    assert seen == [4, 0, 0, 0]
    assert "gone" in reading.remarks[0]


def test_the_docs_name_every_reader():
    text = (Path(__file__).parents[3] / "docs" / "readers.md").read_text(encoding="utf-8")
    for name in READERS:
        assert f"## `{name}`" in text
