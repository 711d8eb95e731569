"""NIH ChestX-ray14 (Wang et al. 2017): 112,120 frontal films of 30,805 patients, 14 text-mined labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from medley.core.errors import MedleyError, nearest
from medley.core.labels import NIH_14, NO_FINDING, canonical
from medley.data.readers.reading import Reading, Remarks, find_image, find_table, read_rows, require_table, root_of
from medley.data.readers.studies import Studies, age_of, box, sex_of, view_of

HELP = """Read NIH ChestX-ray14.

How to obtain it:
  nihcc.app.box.com/v/ChestXray-NIHCC, or Kaggle nih-chest-xrays/data.
  Terms: free use with a link to the NIH page and a citation of Wang et al., CVPR 2017.

Tree:
  Data_Entry_2017.csv (or Data_Entry_2017_v2020.csv)   [train_val_list.txt test_list.txt]   [BBox_List_2017.csv]
  images/00000001_000.png   or   images_001/images/00000001_000.png ... images_012/images/

What becomes of it:
  14 labels, mined from reports (about 90 % right by the authors' own account): named is 1, not named is 0; there is no
  uncertain and no blank. `No Finding` means that none of the 14 was named: all are 0. It is no label of its own, and no
  promise of a healthy film.
  Each film is one study of its patient. An impossible age (there are some above 120) is not known.
  Boxes go to the truth, in fractions of the film (theirs are pixels of 1024 x 1024).
  Official split `nih_chestxray14`: train_val_list and test_list, by patient; the dev part is drawn from train_val."""
ROOTS = {"root": "the folder of Data_Entry_2017*.csv and images/ or images_001/ ..."}
OPTIONS: dict[str, str] = {}

_LISTS = {"train_val_list.txt": "train", "test_list.txt": "test"}
_BOX_FRAME_PX = (1024, 1024)


def read(roots: Mapping[str, Path], csv: Path | None = None) -> Reading:
    """Read the release, or the part of it that is on disk. Raises MedleyError for a label that the dataset lacks."""
    root = root_of(roots, "root", ROOTS)
    remarks = Remarks()
    table = csv or require_table(root, ["Data_Entry_2017_v2020.csv", "Data_Entry_2017*.csv"], "Data_Entry_2017 table")
    folders = [root / "images", *sorted(root.glob("images_*/images"))]
    parts = _read_lists(root, remarks)
    boxes = _read_boxes(root, remarks)
    studies = Studies("nih_chestxray14", remarks)
    seen: set[str] = set()
    needed = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
    for line, row in read_rows(table, needed, remarks):
        where, name = f"{table.name} line {line}", row["Image Index"]
        if name in seen:
            remarks.leave_out("image listed twice", f"{name} in {where}")
            continue
        seen.add(name)
        image = find_image((folder / name for folder in folders), name, remarks)
        if image is None:
            continue
        truth: dict = {"boxes": boxes[name]} if name in boxes else {}
        if name in parts:
            truth["official_split"] = {"nih_chestxray14": parts[name]}
        studies.add(
            Path(name).stem,
            row["Patient ID"],
            Path(name).stem,
            image,
            view_of(row["View Position"]),
            labels=_labels(row["Finding Labels"], where),
            truth=truth,
            sex=sex_of(row["Patient Gender"]),
            age_years=age_of(row["Patient Age"], where, remarks),
        )
    return studies.reading(NIH_14)


def _labels(finding: str, where: str) -> dict[str, float]:
    names = [canonical(name) for name in finding.split("|") if name]
    unknown = [name for name in names if name not in (*NIH_14, NO_FINDING)]
    if unknown:
        raise MedleyError(f"{where}: unknown finding '{unknown[0]}'{nearest(unknown[0], NIH_14)}")
    if not names:
        return dict.fromkeys(NIH_14, math.nan)
    return {label: float(label in names) for label in NIH_14}


def _read_lists(root: Path, remarks: Remarks) -> dict[str, str]:
    parts: dict[str, str] = {}
    for name, part in _LISTS.items():
        path = root / name
        if path.is_file():
            for image in path.read_text(encoding="utf-8").split():
                if parts.setdefault(image, part) != part:
                    raise MedleyError(f"{image} stands in both {' and '.join(_LISTS)} of {root}")
        else:
            remarks.say(f"{root} holds no {name}: the official split is not whole")
    return parts


def _read_boxes(root: Path, remarks: Remarks) -> dict[str, list]:
    """image -> boxes. The header of the file is broken into `Bbox [x`, `y`, `w`, `h]`: it is one quoted-less list."""
    path = find_table(root, ["BBox_List_2017*.csv", "BBox_list_2017*.csv"])
    boxes: dict[str, list] = {}
    if path is None:
        return boxes
    columns = ("Bbox [x", "y", "w", "h]")
    for line, row in read_rows(path, ("Image Index", "Finding Label", *columns), remarks):
        try:
            x, y, width, height = (float(row[column]) for column in columns)
        except ValueError as error:
            raise MedleyError(f"{path} line {line}: a box is four numbers x, y, w, h: {error}") from error
        one = box(row["Finding Label"], row["Image Index"], (x, y, width, height), _BOX_FRAME_PX)
        boxes.setdefault(row["Image Index"], []).append(one)
    return boxes
