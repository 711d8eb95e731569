"""Brain MRI of volunteers in BIDS, without reports: OpenNeuro ds000221 and its like."""

from __future__ import annotations

import csv as csv_module
import math
import re
from collections.abc import Mapping
from pathlib import Path

from medley.core.errors import MedleyError
from medley.core.labels import BRAIN_LABELS
from medley.core.records import SEQUENCES, Case, ImageRef
from medley.core.seeds import key64
from medley.data.preprocess.volume.nifti import is_nifti, stem
from medley.data.readers.lesions import reading
from medley.data.readers.reading import Reading, Remarks, root_of
from medley.data.readers.studies import age_of, sex_of

HELP = """Read healthy controls in BIDS: sub-*/[ses-*/]anat/*_FLAIR.nii.gz and what lies beside it.

How to obtain it:
  openneuro.org/datasets/ds000221 (MPI-Leipzig Mind-Brain-Body, 318 participants), CC0. Any BIDS folder of volunteers.

Tree:
  participants.tsv   sub-010002/ses-01/anat/sub-010002_ses-01_acq-highres_FLAIR.nii.gz   ..._T1w.nii.gz   ..._T2w.nii.gz
  anat/ and ses-*/ may be missing. The raw files, not ones whose affine was lost on the way.

What becomes of it:
  One subject at one session is one study; its images are FLAIR, T1w, T1w with a ce- entity (t1c), T2w. Of several
  acquisitions highres goes first, then the first by name. Everyone is healthy: truth.healthy, all labels absent.
  Nobody wrote a report. The text is one of eight sentences that find nothing, chosen by a hash of the study's id (the
  same on every machine), and truth.report_from says `template`: a score on it measures nothing but that sentence.
  participants.tsv: gender or sex; age, of which a range such as 25-30 counts as its middle.

WARNING: controls of one dataset and patients of another are told apart by the dataset. Send both through `medley
preprocess brains`, run `medley check-data`, and do not believe a specificity from such a table alone."""
ROOTS = {"root": "the BIDS folder with sub-*/"}
OPTIONS: dict[str, str] = {}

NORMAL_REPORTS = (
    "The brain parenchyma shows normal signal on FLAIR.",
    "No focal signal abnormality is seen in the brain parenchyma.",
    "The FLAIR images are unremarkable, without a focal lesion.",
    "Both hemispheres show normal signal and no mass lesion.",
    "No abnormal high signal is seen in either hemisphere, and the ventricles are of normal size.",
    "The ventricles and sulci are of normal size, and no lesion is seen.",
    "Normal brain on FLAIR, without edema, necrosis or mass effect.",
    "The midline is central, and no lesion is seen in the brain.",
)
_SUFFIX = {"FLAIR": "flair", "T1w": "t1", "T2w": "t2"}


def read(roots: Mapping[str, Path], csv: Path | None = None) -> Reading:
    """Read the folder. `csv` names participants.tsv where it lies elsewhere. Raises MedleyError."""
    root = root_of(roots, "root", ROOTS)
    remarks = Remarks()
    if csv is not None and not csv.is_file():
        raise MedleyError(f"--csv {csv} is not a file; participants.tsv is meant")
    people = _participants(csv or root / "participants.tsv", remarks)
    if not any(root.glob("sub-*")):
        raise MedleyError(f"{root} holds no folder sub-*: it is no BIDS folder, or not its top; mend --root")
    studies: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for path in sorted(root.glob("sub-*/**/*.nii*")):
        found = re.match(r"(sub-[A-Za-z0-9]+)(?:_(ses-[A-Za-z0-9]+))?_(?:.*_)?(FLAIR|T1w|T2w)$", stem(path))
        if not is_nifti(path):
            continue
        if found is None:
            remarks.count("volume of another kind, or not named as BIDS wants, passed over", str(path), "file")
            continue
        if path.stat().st_size == 0:
            remarks.leave_out("image file of 0 bytes", str(path))
            continue
        name = "t1c" if found[3] == "T1w" and "_ce-" in path.name else _SUFFIX[found[3]]
        studies.setdefault((found[1], found[2] or ""), {}).setdefault(name, []).append(path)
    cases = []
    for (subject, session), files in sorted(studies.items()):
        case_id = "_".join(filter(None, (subject, session)))
        person = people.get(subject, {})
        cases.append(
            Case(
                case_id=case_id,
                patient_id=subject,
                study_id=case_id,
                images=tuple(ImageRef(name, str(_chosen(files[name], remarks))) for name in SEQUENCES if name in files),
                text={"report": NORMAL_REPORTS[key64("normal report", case_id) % len(NORMAL_REPORTS)]},
                labels=dict.fromkeys(BRAIN_LABELS, 0.0),
                truth={"healthy": True, "report_from": "template"},
                sex=sex_of(person.get("sex") or person.get("gender") or ""),
                age_years=_age(person.get("age", ""), subject, remarks),
                source=root.resolve().name,
            )
        )
        if "flair" not in files:
            remarks.count("study without a FLAIR", case_id, "study")
    return reading(cases, BRAIN_LABELS, remarks)


def _chosen(paths: list[Path], remarks: Remarks) -> Path:
    if len(paths) > 1:
        remarks.count("several acquisitions of one sequence, one is taken", str(paths[0]), "study")
    return min(paths, key=lambda path: ("acq-highres" not in path.name, path.name))


def _participants(table: Path, remarks: Remarks) -> dict[str, dict[str, str]]:
    """Subject -> its row, column names in lower case; n/a is blank. Empty, and said, where there is no table."""
    if not table.is_file():
        remarks.say(f"{table.name} is not there: sex and age are not known")
        return {}
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv_module.DictReader(file, delimiter="\t", restval=""))
    if rows and "participant_id" not in rows[0]:
        raise MedleyError(f"{table} lacks the column 'participant_id'; BIDS wants it, parted by tabs")
    people = {}
    for row in rows:
        values = {str(name).strip().lower(): str(value).strip() for name, value in row.items() if name}
        subject = values["participant_id"]
        plain = {name: "" if value.lower() == "n/a" else value for name, value in values.items()}
        people[subject if subject.startswith("sub-") else f"sub-{subject}"] = plain
    return people


def _age(text: str, subject: str, remarks: Remarks) -> float:
    years = re.fullmatch(r"(\d+(?:\.\d+)?)\s*[-–]\s*(\d+(?:\.\d+)?)", text)
    if years:
        return (float(years[1]) + float(years[2])) / 2
    return age_of(text, subject, remarks) if text else math.nan
