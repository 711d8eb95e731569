"""Open-i in its three layouts, and the labels from its MeSH coding."""

from __future__ import annotations

import math

import polars as pl
import pytest

from medley.core.errors import MedleyError
from medley.data.readers import openi
from medley.data.readers.openi_mesh import mesh_labels

XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><meta type="rr"/><uId id="CXR{n}"/><docSource>CXR</docSource>
<MedlineCitation Owner="Indiana University"><Article PubModel="Electronic"><Abstract>
<AbstractText Label="COMPARISON">None.</AbstractText>
<AbstractText Label="INDICATION">Positive TB test</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">Normal chest x-XXXX.</AbstractText>
</Abstract></Article></MedlineCitation>
<MeSH><major>{mesh}</major><automatic>x</automatic></MeSH>
<parentImage id="CXR{n}_IM-0001-3001"><caption>{caption}</caption></parentImage>{more}
</eCitation>"""
LATERAL = '<parentImage id="CXR{n}_IM-0001-4001"><caption>Xray Chest PA and Lateral</caption></parentImage>'


@pytest.fixture
def release(tmp_path, film):
    folder = tmp_path / "NLMCXR_reports/ecgen-radiology"
    folder.mkdir(parents=True)
    two = {"caption": "Xray Chest PA and Lateral", "more": LATERAL.format(n=1)}
    (folder / "1.xml").write_text(XML.format(n=1, findings="No effusion.", mesh="normal", **two))
    one = {"caption": "CHEST PORTABLE AP", "more": ""}
    (folder / "2.xml").write_text(XML.format(n=2, findings="", mesh="Cardiomegaly/mild", **one))
    (folder / "3.xml").write_text("<eCitation><uId")
    for name in ("CXR1_IM-0001-3001", "CXR1_IM-0001-4001"):
        film(tmp_path / f"NLMCXR_png/{name}.png")
    return tmp_path


def test_xml_release(release):
    reading = openi.read({"reports": release})
    first, second = reading.cases
    assert first.text == {
        "indication": "Positive TB test",
        "findings": "No effusion.",
        "impression": "Normal chest x-XXXX.",
    }
    assert "findings" not in second.text
    assert [image.view for image in first.images] == ["UNKNOWN", "UNKNOWN"]  # the caption names two views for two films
    assert second.images == ()  # its film is not on disk: the report stays
    assert (first.labels["No Finding"], second.labels["Cardiomegaly"], second.labels["No Finding"]) == (1, 1, 0)
    assert reading.left_out == 1
    assert any("not XML" in remark for remark in reading.remarks)


def test_the_view_of_a_lone_film_comes_from_its_caption(release, film):
    film(release / "NLMCXR_png/CXR2_IM-0001-3001.png")
    assert openi.read({"reports": release}).cases[1].images[0].view == "AP"


def test_projections_beside_the_xml_give_the_views(release, table):
    rows = [(1, "1_IM-0001-4001.dcm.png", "Frontal"), (1, "1_IM-0001-3001.dcm.png", "Lateral")]
    table(release / "indiana_projections.csv", ("uid", "filename", "projection"), *rows)
    images = openi.read({"reports": release}).cases[0].images
    assert [(image.view, image.path[-8:-4]) for image in images] == [("UNKNOWN", "4001"), ("LATERAL", "3001")]


@pytest.fixture
def kaggle(tmp_path, film, table):
    header = ("uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression")
    rows = [
        (1, "normal", "normal", "Xray Chest PA and Lateral", "Positive TB test", "None.", "Clear.", "Normal."),
        (2, "Opacity/lung/base/left;Pneumonia", "Opacity", "Chest, 2 views", "Cough", "", "Opacity.", "Pneumonia."),
    ]
    table(tmp_path / "indiana_reports.csv", header, *rows)
    films = [(1, "1_IM-0001-4001.dcm.png", "Frontal"), (1, "1_IM-0001-3001.dcm.png", "Lateral")]
    films += [(2, "2_IM-0652-1001.dcm.png", "Frontal")]
    table(tmp_path / "indiana_projections.csv", ("uid", "filename", "projection"), *films)
    for _, name, _ in films:
        film(tmp_path / "images/images_normalized" / name)
    return tmp_path


def test_kaggle_layout(kaggle):
    first, second = openi.read({"reports": kaggle}).cases
    assert [image.view for image in first.images] == ["PA", "LATERAL"]  # the caption says which frontal it is
    assert [image.view for image in second.images] == ["UNKNOWN"]
    assert (second.labels["Lung Opacity"], second.labels["Pneumonia"], second.labels["Edema"]) == (1, 1, 0)


def test_images_may_lie_elsewhere(kaggle, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("films")
    (kaggle / "images/images_normalized").rename(elsewhere / "images_normalized")
    reading = openi.read({"reports": kaggle, "images": elsewhere})
    assert sum(len(case.images) for case in reading.cases) == 3


@pytest.fixture
def parquet(tmp_path):
    frame = pl.DataFrame(
        {
            "uid": ["CXR1", "CXR2", "CXR3"],
            "indication": ["TB", None, None],
            "findings": ["Clear.", "Effusion.", None],
            "impression": [None, "Effusion.", None],
            "mesh_major": [["normal"], ["No Indexing"], None],
            "images": [["CXR1_a", "CXR1_b"], None, ["CXR3_a"]],
            "views": [["PA", "PA"], None, ["AP"]],
            "age": [23.0, None, 0.0],
            "sex": ["Female", None, "Male"],
            "mesh_indexed": [True, False, None],
            "gold_Effusion": [0.0, 1.0, None],
            "gold_Hernia": [0.0, 0.0, None],
        }
    )
    frame.write_parquet(tmp_path / "openi_reports.parquet")
    return tmp_path


def test_parquet_keeps_reports_without_films(parquet):
    reading = openi.read({"reports": parquet})
    assert [case.case_id for case in reading.cases] == ["CXR1", "CXR2"]
    assert reading.left_out == 1  # CXR3: neither text nor film
    assert math.isnan(reading.cases[1].labels["No Finding"])  # never coded
    assert reading.cases[0].truth["official_split"] == {"r2gen_iu": "train"}
    assert reading.cases[1].truth["official_split"] == {"r2gen_iu": "test"}
    assert (reading.cases[0].sex, reading.cases[0].age_years) == ("F", 23)


def test_one_tag_on_all_films_is_the_protocols_not_theirs(parquet, film):
    for name in ("CXR1_a", "CXR1_b", "CXR3_a"):
        film(parquet / f"images/{name}.png")
    cases = openi.read({"reports": parquet}).cases
    assert [image.view for image in cases[0].images] == ["UNKNOWN", "UNKNOWN"]
    assert [image.view for image in cases[2].images] == ["AP"]


def test_gold_labels_without_hernia_and_only_where_coded(parquet, kaggle):
    reading = openi.read({"reports": parquet}, csv=parquet / "openi_reports.parquet", labels="gold")
    assert "Hernia" not in reading.labels
    assert reading.cases[0].labels["Pleural Effusion"] == 0
    assert math.isnan(reading.cases[1].labels["Pleural Effusion"])
    (parquet / "openi_reports.parquet").unlink()
    with pytest.raises(MedleyError, match=r"gold needs openi_reports\.parquet"):
        openi.read({"reports": kaggle}, labels="gold")


def test_mesh_heads_and_qualified_heads():
    found = mesh_labels(["Thickening/pleura/apex/bilateral", "Cardiac Shadow/enlarged/mild", "Hydropneumothorax"])
    assert {label for label, value in found.items() if value == 1} == {
        "Pleural Other",
        "Cardiomegaly",
        "Pneumothorax",
        "Pleural Effusion",
    }
    assert mesh_labels(["Thickening/lung"])["Pleural Other"] == 0
    assert mesh_labels(["Calcified Granuloma/lung/hilum"])["No Finding"] == 0  # a finding, though none of the 14


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(MedleyError, match=r"holds no ecgen-radiology/\*\.xml"):
        openi.read({"reports": tmp_path})
