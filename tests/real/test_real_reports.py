"""A model that writes, asked about real films: DICOM of several makers is answered or refused by name."""

from __future__ import annotations

import json


def test_chest_dicoms_get_a_report_and_other_bodies_none(medley, report_run, real_data, tmp_path):
    chest = sorted((real_data / "dicom/chest_cr").glob("*.dcm"))
    brain = next((real_data / "dicom/non_chest").glob("MR4_BRAIN_RLE*"))
    code, _, err = medley("predict", report_run, *chest, brain, "--out", tmp_path / "out")
    assert code == 1, err
    answers = [json.loads(line) for line in (tmp_path / "out" / "answers.jsonl").read_text().splitlines()]
    assert [one["case_id"] for one in answers] == [film.name for film in chest]
    assert all(one["report"] and one["labels"] for one in answers)
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == len(chest)
    assert "is no chest film: the header says modality MR" in (tmp_path / "out" / "skipped.csv").read_text()
