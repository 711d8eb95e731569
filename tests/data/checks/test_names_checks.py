"""The answer in the file name and in the header."""

from __future__ import annotations

import pytest
from checks_data import a_case, a_table, draw_film
from PIL import Image, PngImagePlugin
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medley.core.records import ImageRef
from medley.data.checks.headers import read_header
from medley.data.checks.looks import Look, look_at
from medley.data.checks.names import check_file_names, check_headers

LABELS = ("No Finding", "Pneumonia")


def named(path_of, cases=40):
    rows = [a_case(i, labels={"Pneumonia": float(i % 2), "No Finding": float(1 - i % 2)}) for i in range(cases)]
    return a_table(rows, LABELS), [Look(f"case{i}", path_of(i), "PA") for i in range(cases)]


@pytest.mark.parametrize(
    "path_of",
    [
        lambda i: f"/data/{'pneumonia' if i % 2 else 'normal'}/{i:04d}.png",
        lambda i: f"/data/train/img_{i:04d}_{'Pneumonia' if i % 2 else 'NoFinding'}.png",
        lambda i: f"/data/person{i}_{'bacteria' if i % 2 else 'x'}_{i}.jpeg",
        lambda i: f"/data/{'b' if i % 2 else 'a'}/{i:04d}.png",
    ],
)
def test_a_path_that_tells_the_class_fails(path_of):
    check = check_file_names(*named(path_of))
    assert check.status == "failed"
    assert check.examples


@pytest.mark.parametrize(
    "path_of",
    [
        lambda i: f"/data/pneumonia_study/{i:04d}.png",  # a word that all share tells nothing
        lambda i: f"/data/{i // 10}/{i:08d}_{i % 3:03d}.png",
        lambda i: f"/data/site{'AB'[i // 2 % 2]}/{i}.png",
    ],
)
def test_numbers_and_words_that_go_with_no_label_are_fine(path_of):
    assert check_file_names(*named(path_of)).status == "ok"


def test_a_png_whose_text_names_the_finding(tmp_path):
    looks, rows = [], []
    for i in range(24):
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", "bilateral pneumonia" if i % 2 else "routine film")
        path = tmp_path / f"{i}.png"
        Image.fromarray((draw_film(i, 48) * 255).astype("uint8")).save(path, pnginfo=info)
        looks.append(look_at((f"case{i}", ImageRef("PA", str(path)))))
        rows.append(a_case(i, labels={"Pneumonia": float(i % 2)}))
    check = check_headers(a_table(rows, LABELS), looks)
    assert (check.status, check.count) == ("failed", 12)
    assert "Comment: bilateral pneumonia" in check.examples[0]
    blank = [Look(f"case{i}", "x", "PA") for i in range(24)]
    assert check_headers(a_table(rows, LABELS), blank).status == "not applicable"


def test_dicom_words_are_read_in_sequences_and_names_of_persons_and_places_are_not(tmp_path):
    item = Dataset()
    item.RequestedProcedureDescription = "CHEST PA, pneumonia"
    dataset = Dataset()
    dataset.PatientName = "Mass^Edema"
    dataset.PatientID = "EDEMA-1"
    dataset.InstitutionName = "Mass General"
    dataset.StudyDescription = "Chest film"
    dataset.AdmittingDiagnosesDescription = ["known COVID", "smoker"]
    dataset.StudyDate = "20200131"
    dataset.ImagerPixelSpacing = [0.143, 0.143]
    dataset.RequestAttributesSequence = Sequence([item])
    dcmwrite(tmp_path / "a.dcm", dataset, implicit_vr=False, little_endian=True)
    whole = (tmp_path / "a.dcm").read_bytes()
    header = read_header(str(tmp_path / "a.dcm"), "DICOM")
    assert {words for _, words in header.texts} == {"Chest film", "known COVID smoker", "CHEST PA, pneumonia"}
    assert header.dates == (("StudyDate", "20200131"),)
    assert header.spacing_mm == 0.143
    (tmp_path / "b.dcm").write_bytes(whole.replace(b"0.143\\0.143", b"none\\nothin"))
    assert read_header(str(tmp_path / "b.dcm"), "DICOM").texts == header.texts


def test_damaged_elements_are_counted_and_a_header_that_has_them_is_not_found_clean(tmp_path):
    dataset = Dataset()
    dataset.StudyDescription = "Chest film"
    dataset.ImagerPixelSpacing = [0.143, 0.143]
    dcmwrite(tmp_path / "a.dcm", dataset, implicit_vr=False, little_endian=True)
    broken = (tmp_path / "a.dcm").read_bytes().replace(b"DS", b"FD")  # a length that is no multiple of eight
    (tmp_path / "b.dcm").write_bytes(broken)
    headers = [read_header(str(tmp_path / f"{name}.dcm"), "DICOM") for name in "ab"]
    assert [header.damaged for header in headers] == [(), ("ImagerPixelSpacing",)]
    table = a_table([a_case(i, labels={"Pneumonia": float(i)}) for i in range(2)], LABELS)
    looks = [Look(f"case{i}", f"{i}.dcm", "PA", header=header) for i, header in enumerate(headers)]
    check = check_headers(table, looks)
    assert (check.status, check.count) == ("warning", 1)
    assert "1 element of 1 header cannot be read and were not searched" in check.says
    assert check.examples == ("1.dcm: ImagerPixelSpacing",)
    assert check_headers(table, looks[:1]).status == "ok"


def test_the_header_of_a_jpeg_has_its_comment_and_its_compression(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray((draw_film(1, 48) * 255).astype("uint8")).save(path, quality=60, comment="edema", dpi=(254, 254))
    header = read_header(str(path), "JPEG")
    assert ("comment", "edema") in header.texts
    assert header.spacing_mm == pytest.approx(0.1)
    assert header.compression > 10
