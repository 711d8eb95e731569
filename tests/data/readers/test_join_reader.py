"""Tables of several sources become one, and nothing in it is of two patients."""

from __future__ import annotations

import math

import pytest

from medley.core.errors import MedleyError
from medley.core.records import Case, ImageRef
from medley.data.cases import read_cases, write_cases
from medley.data.readers.join import read


def table(folder, name, *ids, labels=("Lesion",), source="", **truth):
    folder = folder / name
    folder.mkdir()
    cases = [
        Case(
            i,
            f"p{i}",
            i,
            (ImageRef("flair", f"{i}.nii.gz", None),),
            labels={labels[0]: 1.0},
            truth=truth,
            source=source,
        )
        for i in ids
    ]
    return write_cases(folder / "cases.parquet", cases, labels).path


def test_all_rows_are_there_with_their_files_and_what_is_known(tmp_path):
    ill = table(tmp_path, "ill", "a", "b", source="BraTS", segmentation="masks/a.nii.gz")
    well = table(tmp_path, "well", "c", labels=("Edema",), healthy=True)
    found = read({"ill": ill, "well": well})
    assert [case.case_id for case in found.cases] == ["a", "b", "c"]
    assert [case.source for case in found.cases] == ["BraTS", "BraTS", "well"]
    assert found.labels == ("Lesion", "Edema")
    assert found.cases[0].truth["segmentation"] == str(tmp_path / "ill/masks/a.nii.gz")
    assert found.cases[2].images[0].path == str(tmp_path / "well/c.nii.gz")
    assert math.isnan(found.cases[2].labels["Lesion"])
    assert found.cases[2].labels["Edema"] == 1
    assert "Lesion is not known of well" in found.remarks
    again = write_cases(tmp_path / "all.parquet", found.cases, found.labels)
    assert read_cases(again.path).cases == tuple(found.cases)


def test_one_id_in_two_tables_and_one_table_alone_are_refused(tmp_path):
    first, second = table(tmp_path, "x", "a"), table(tmp_path, "y", "b", "a")
    with pytest.raises(MedleyError, match="case_id 'a' stands in x and in y"):
        read({"x": first, "y": second})
    with pytest.raises(MedleyError, match="two case tables or more"):
        read({"x": first})
    with pytest.raises(MedleyError, match="name each with --root"):
        read({"x": first, "y": second}, tmp_path / "a.csv")
