"""`medley explain` of a run that writes: pages of the queries and of the report, and cases whose masks are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


def test_two_views_and_an_indication(medley, report_run, report_films, tmp_path):
    study = f"PA={report_films}/000-PA.png+LATERAL={report_films}/000-LATERAL.png"
    asked = ("--target", "Edema", "--method", "queries", "--method", "hirescam", "--text", "costs $5", "--json")
    code, out, errors = medley("explain", report_run, study, *asked, "--out", tmp_path)
    assert code == 0, errors
    told = json.loads((tmp_path / "explanations.json").read_text())
    assert [one["method"] for one in told["explanations"]] == ["queries", "hirescam"]
    assert [json.loads(line) for line in out.splitlines()] == [*told["explanations"], *told["readings"]]
    (read,) = told["readings"]
    assert read["pictures"][0] == "00000-queries.png"
    for name in read["pictures"]:
        with Image.open(tmp_path / name) as picture:
            assert 600 < picture.width < 1000
    with np.load(tmp_path / read["maps"]) as maps:
        assert maps["queries_film_0"].shape[0] == len(read["queries"]) == 9
        assert maps["sentences_film_1"].shape[0] == len(read["sentences"])
    said = read["sentences"][0]
    assert sum(said["read_of"].values()) == pytest.approx(1)


def test_cases_of_a_table_are_held_against_their_masks(medley, report_run, known_anatomy, tmp_path):
    table = known_anatomy / "cases.parquet"
    code, _, errors = medley("explain", report_run, "case-001", "--cases", table, "--out", tmp_path)
    assert code == 0, errors
    told = json.loads((tmp_path / "explanations.json").read_text())
    assert [one["case_id"] for one in told["readings"]] == ["case-001"]
    held = {look["name"]: look["against_the_mask"] for one in told["readings"] for look in one["queries"]}
    assert set(held["query 4"] or {}) == set(), "this run was not taught where the parts lie"


def test_a_table_without_a_case_and_one_it_lacks_are_refused(medley, report_run, known_anatomy, tmp_path):
    table, out = known_anatomy / "cases.parquet", tmp_path / "out"
    for given, said in (((), "name the cases to explain"), (("case-9",), "first 'case-9'")):
        code, _, errors = medley("explain", report_run, *given, "--cases", table, "--out", out)
        assert code == 2
        assert said in errors
        assert len(errors.splitlines()) == 1
    assert not out.exists()
