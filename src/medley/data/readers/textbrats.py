"""Brain tumours with reports: BraTS volumes, and the TextBraTS reports on their FLAIR (Shi et al. 2025)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError, UnreadableImage
from medley.core.files import read_json
from medley.core.labels import BRAIN_LABELS
from medley.core.records import SEQUENCES, Case, ImageRef
from medley.data.preprocess.volume.nifti import is_nifti, stem
from medley.data.preprocess.volume.sequences import UNKNOWN, is_mask, sequence_of
from medley.data.readers.lesions import labels_of, plain_report, reading, truth_of_segmentation
from medley.data.readers.reading import Reading, Remarks, find_table, optional_root, read_rows, root_of
from medley.data.readers.studies import age_of

HELP = """Read BraTS tumour volumes with their segmentations, and TextBraTS reports where they are given.

How to obtain it:
  Volumes: BraTS 2020 training data, after registration: www.med.upenn.edu/cbica/brats2020, or Kaggle
  awsaf49/brats20-dataset-training-validation. Newer years: synapse.org. Research use; no redistribution.
  Reports: TextBraTSData.zip, named at github.com/Jupitern52/TextBraTS, with Train.json and Test.json there.

Tree:
  --root brats=DIR   BraTS20_Training_001/BraTS20_Training_001_{flair,t1,t1ce,t2,seg}.nii or .nii.gz, name_mapping.csv,
                     survival_info.csv; or newer: BraTS-GLI-00001-000/BraTS-GLI-00001-000-{t2f,t1n,t1c,t2w,seg}.nii.gz
  --root text=DIR    BraTS20_Training_001/BraTS20_Training_001_flair_text.txt, Train.json, Test.json (here or one above)

What becomes of it:
  One folder is one study; its images are flair, t1, t1c (t1ce), t2. The report is text["report"], white space
  collapsed; one of fewer than 20 letters is none. The reports were drafted by GPT-4o and refined by experts.
  Sides, lobes, components and volumes in the truth come from the segmentation (1 core, 2 oedema, 4 or 3 enhancing), on
  the patient's own midline, not from the text: some reports name lobes that the segmentation does not support. Labels
  Lesion, Edema, Necrosis likewise; Mass Effect and Midline Shift are not known.
  truth.grade is HGG or LGG from name_mapping.csv; the age is that of survival_info.csv.
  It takes about a second a study.
  Train.json fold 1, fold 0, Test.json: train, dev, test of the official split `textbrats` (220, 56, 93).

medley split --by stratified keeps healthy x side x grade even over the parts."""
ROOTS = {"brats": "folders of volumes", "text": "folders of reports, with Train.json and Test.json (optional)"}
OPTIONS: dict[str, str] = {}

_LEAST_LETTERS = 20
_FOLD = {1: "train", 0: "dev"}
_VISIT = re.compile(r"^(BraTS-[A-Za-z]+-\d+)-\d+$")  # since 2023: patient and time point


def read(roots: Mapping[str, Path], csv: Path | None = None) -> Reading:
    """Read the folders. `csv` names name_mapping.csv where it lies elsewhere. Raises MedleyError."""
    root, text = root_of(roots, "brats", ROOTS), optional_root(roots, "text", ROOTS)
    remarks = Remarks()
    grades = _column(csv or find_table(root, ["name_mapping*.csv"]), "Grade", remarks)
    ages = _column(find_table(root, ["survival_info*.csv"]), "Age", remarks)
    parts = _official(root, text)
    cases, seen = [], set()
    for folder in sorted({path.parent for path in root.rglob("*.nii*") if is_nifti(path)}):
        case_id = folder.name
        images, segmentation = _files(folder, remarks)
        if not images:
            continue
        if case_id in seen:
            remarks.leave_out("two folders of one name", str(folder))
            continue
        seen.add(case_id)
        truth = _truth(case_id, images, segmentation, remarks)
        if case_id in grades:
            truth["grade"] = grades[case_id]
        if case_id in parts:
            truth["official_split"] = {"textbrats": parts[case_id]}
        if "flair" not in images:
            remarks.count("study without a FLAIR", case_id, "study")
        visit = _VISIT.match(case_id)
        cases.append(
            Case(
                case_id=case_id,
                patient_id=visit[1] if visit else case_id,
                study_id=case_id,
                images=tuple(ImageRef(name, str(path)) for name, path in images.items()),
                text=_report(text, case_id, remarks),
                labels=labels_of(truth),
                truth=truth,
                age_years=age_of(ages.get(case_id, ""), case_id, remarks),
                source="textbrats" if text else "brats",
            )
        )
    _say_what_lacks(parts, seen, remarks)
    return reading(cases, BRAIN_LABELS, remarks)


def _files(folder: Path, remarks: Remarks) -> tuple[dict[str, Path], Path | None]:
    """Sequence -> file in the order of SEQUENCES, and the segmentation. The file's own part of the name counts."""
    images: dict[str, Path] = {}
    masks = []
    for path in sorted(folder.iterdir()):
        if not is_nifti(path) or path.name.startswith("."):
            continue
        own = stem(path).removeprefix(folder.name)
        if is_mask(own):  # one file of BraTS 2020 is called W39_1998.09.19_Segm.nii
            masks.append(path)
            continue
        name = sequence_of(own)
        if name == UNKNOWN:
            remarks.count("volume of no known sequence passed over", str(path), "file")
        elif path.stat().st_size == 0:
            remarks.leave_out("image file of 0 bytes", str(path))
        elif name in images:
            remarks.count("two files of one sequence, the first is taken", str(path), "file")
        else:
            images[name] = path
    if len(masks) > 1:
        remarks.count("two segmentations, none is taken", str(folder), "study")
    ordered: dict[str, Path] = {name: images[name] for name in SEQUENCES if name in images}
    return ordered, masks[0] if len(masks) == 1 else None


def _truth(case_id: str, images: Mapping[str, Path], segmentation: Path | None, remarks: Remarks) -> dict[str, Any]:
    if segmentation is None:
        remarks.count("no segmentation: side and parts are not known", case_id, "study")
        return {"healthy": False}
    try:
        return truth_of_segmentation(segmentation, next(iter(images.values())))
    except UnreadableImage as error:
        remarks.count("segmentation cannot be used: side and parts are not known", str(error), "study")
        return {"healthy": False}


def _report(text: Path | None, case_id: str, remarks: Remarks) -> dict[str, str]:
    if text is None:
        return {}
    for path in (text / case_id / f"{case_id}_flair_text.txt", text / f"{case_id}_flair_text.txt"):
        if path.is_file():
            report = plain_report(path.read_text(encoding="utf-8", errors="replace"))
            if damaged := report.count("\ufffd"):
                remarks.damaged(str(path), damaged)
            if len(report) >= _LEAST_LETTERS:
                return {"report": report}
    remarks.count("no report, or one of fewer than 20 letters: the study stays without", case_id, "study")
    return {}


def _column(table: Path | None, column: str, remarks: Remarks) -> dict[str, str]:
    """Case id -> value, by whichever column of the table holds BraTS ids."""
    out: dict[str, str] = {}
    if table is None:
        return out
    for _, row in read_rows(table, (column,), remarks):
        for name, value in row.items():
            if name.lower().replace("_", "").startswith("brats") and value and value.upper() != "NA" and row[column]:
                out[value] = row[column]
    return out


def _official(root: Path, text: Path | None) -> dict[str, str]:
    """Case id -> part, from TextBraTS's own lists; empty where they are not there."""
    places = [place for one in (text, root) if one for place in (one, one.parent)]
    parts: dict[str, str] = {}
    for name in ("Train.json", "Test.json"):
        path = next((place / name for place in places if (place / name).is_file()), None)
        if path is None:
            continue
        for entry in _entries(path):
            case_id = str(entry["image"][0]).partition("/")[0]
            part = "test" if name == "Test.json" else _FOLD[int(entry["fold"])]
            if parts.setdefault(case_id, part) != part:
                raise MedleyError(f"{path} puts {case_id} into {part}, and into {parts[case_id]} before it")
    return parts


def _entries(path: Path) -> list[dict[str, Any]]:
    content = read_json(path)
    entries = content.get("training") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise MedleyError(
            f"{path} is no list of TextBraTS: it needs 'training', in each 'fold' 0 or 1 and a list 'image'"
        )
    return entries


def _is_entry(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("fold"), int) or one["fold"] not in _FOLD:
        return False
    images = one.get("image")
    return isinstance(images, list) and bool(images) and isinstance(images[0], str)


def _say_what_lacks(parts: Mapping[str, str], seen: set[str], remarks: Remarks) -> None:
    absent = sorted(set(parts) - seen)
    if absent:
        remarks.say(f"{len(absent)} of the {len(parts)} studies of the official split are not here, first {absent[0]}")
