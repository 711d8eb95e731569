"""Writes a brain cohort: volumes, masks, the case table with its reports, and counts. In parallel, all or nothing.

OUT/cases.parquet      one row a study; truth: side, lobes, parts, volumes, shift of the midline, and the mask file
OUT/volumes/*.nii.gz   one file a sequence, int16, brain only, in the orientation of some scanner or tool
OUT/masks/*.nii.gz     uint8, of every study: 0 none, 1 necrotic core, 2 oedema, 4 enhancing (BraTS)
OUT/cohort.json        what made it; stamped synthetic
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

from medley.core.errors import MedleyError, choose
from medley.core.files import whole_folder, write_json
from medley.core.labels import BRAIN_LABELS
from medley.core.records import SEQUENCES, Case, ImageRef
from medley.core.seeds import generator
from medley.core.workers import spread
from medley.data.cases import CaseTable, read_cases, write_cases
from medley.data.cohorts.brain.draw import draw
from medley.data.cohorts.brain.nifti import write_nifti
from medley.data.cohorts.brain.plan import DIFFICULTIES
from medley.data.cohorts.brain.reports import write_report
from medley.data.cohorts.brain.sampling import plan_study
from medley.data.cohorts.brain.truth import labels_of, truth_of

VERSION = 3  # of the generator: raise it whenever the same seed gives other bytes
SOURCE = "medley-brain-cohort"
MIN_PX, MAX_PX = 32, 192
_CHUNK = 8


def generate(
    out: Path | str,
    cases: int,
    seed: int,
    difficulty: str = "default",
    px: int = 128,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    sequences: Sequence[str] = SEQUENCES,
) -> CaseTable:
    """Write `cases` generated studies to the new folder `out` and return their table (paths absolute).

    A volume has `px` x `px` voxels in each of `px` / 2 slices, for each of the `sequences`, whose bytes do not depend
    on which others are written. The same seed gives the same bytes for any number of `workers`, and study i is the same
    in a cohort of any size. `progress` is told after every few studies how many are done. Raises MedleyError for a bad
    number, an unknown sequence, or an `out` that holds files already.
    """
    choose(difficulty, DIFFICULTIES, "difficulty")
    for name, value, least in (
        ("cases", cases, 1),
        ("seed", seed, 0),
        ("px", px, MIN_PX),
        ("workers", 1 if workers is None else workers, 1),
    ):
        if value < least:
            raise MedleyError(f"cohort: {name} is {value}; it must be at least {least}")
    if px > MAX_PX or px % 2:
        raise MedleyError(f"cohort: px is {px}; for volumes it must be even and at most {MAX_PX}")
    for sequence in sequences:
        choose(sequence, dict.fromkeys(SEQUENCES), "sequence")
    if not sequences:
        raise MedleyError("cohort: no sequence is named; name at least one of " + ", ".join(SEQUENCES))
    out = Path(out)
    with whole_folder(out) as folder:
        (folder / "volumes").mkdir()
        (folder / "masks").mkdir()
        rows: list[Case] = []
        make = partial(make_case, folder, seed, difficulty, px, tuple(sequences))
        for row in spread(make, range(cases), workers or os.cpu_count() or 1):
            rows.append(row)
            if progress is not None and (len(rows) % _CHUNK == 0 or len(rows) == cases):
                progress(len(rows))
        write_cases(folder / "cases.parquet", rows, BRAIN_LABELS)
        write_json(folder / "cohort.json", _summary(rows, seed, difficulty, px, sequences))
    return read_cases(out / "cases.parquet")


def make_case(folder: Path, seed: int, difficulty: str, px: int, sequences: Sequence[str], index: int) -> Case:
    """Draw study `index`, write its volumes and mask under `folder`, and return its row.

    Products of matrices run on one thread: on two they add up in another order, and one study of 60 had a voxel that
    was off by one grey level, which is another file.
    """
    plan = plan_study(seed, index, difficulty)
    with _pools().limit(limits=1):
        drawn = draw(plan, px, sequences)
    images = []
    for sequence in sequences:
        name = f"volumes/{plan.case_id}-{sequence}.nii.gz"
        packed = write_nifti(folder / name, drawn.images[sequence], drawn.grid, plan.pose)
        images.append(ImageRef(sequence, name, hashlib.sha256(packed).hexdigest()))
    truth = truth_of(drawn, plan.pose) | {
        "segmentation": f"masks/{plan.case_id}.nii.gz",
        "difficulty": difficulty,
    }
    write_nifti(folder / truth["segmentation"], drawn.labels, drawn.grid, plan.pose)
    return Case(
        case_id=plan.case_id,
        patient_id=plan.patient_id,
        study_id=plan.case_id,
        images=tuple(images),
        text={"report": write_report(truth, generator(seed, "report", index))},
        labels=labels_of(truth),
        truth=truth,
        sex=plan.anatomy.sex,
        age_years=plan.anatomy.age_years,
        source=SOURCE,
        synthetic=True,
    )


@cache
def _pools() -> ThreadpoolController:
    """What computes on several threads here: looking for it takes longer than drawing a study."""
    return ThreadpoolController()


def _summary(rows: list[Case], seed: int, difficulty: str, px: int, sequences: Sequence[str]) -> dict[str, Any]:
    ill = [row.truth for row in rows if not row.truth["healthy"]]
    return {
        "synthetic": True,
        "what": "generated brain MRI, grown on the MNI152 template; no patient was scanned",
        "generator": SOURCE,
        "generator_version": VERSION,
        "seed": seed,
        "difficulty": difficulty,
        "px": px,
        "sequences": list(sequences),
        "cases": len(rows),
        "patients": len({row.patient_id for row in rows}),
        "healthy": len(rows) - len(ill),
        "sides": dict(sorted(Counter(truth["sides"] for truth in ill).items())),
        "side_lobe": dict(sorted(Counter(" ".join(pair) for truth in ill for pair in truth["side_lobe"]).items())),
        "positives": {label: sum(row.labels[label] == 1 for row in rows) for label in BRAIN_LABELS},
    }
