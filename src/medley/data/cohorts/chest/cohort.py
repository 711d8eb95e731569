"""Writes a chest cohort: films, masks, the case table with its reports, and counts. In parallel, all or nothing.

OUT/cases.parquet   one row a study; truth: findings with side, zone, severity, box and area, and the mask file
OUT/films/*.png     uint8, 0 air, 255 dense; the lateral of a study ends in -lateral
OUT/masks/*.npz     of each study that has findings: one mask a present label, of its frontal film
OUT/anatomy/*.npz   where heart, lungs and the rest of the chest lie on that film (`core.labels.ANATOMY`)
OUT/cohort.json     what made it; stamped synthetic
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from medley.core.errors import MedleyError, choose
from medley.core.files import whole_folder, write_json
from medley.core.labels import CHEXPERT_14
from medley.core.records import Case, ImageRef
from medley.core.seeds import generator
from medley.core.workers import spread
from medley.data.cases import CaseTable, read_cases, write_cases
from medley.data.cohorts.chest.draw import Drawn, draw_frontal
from medley.data.cohorts.chest.lateral import draw_lateral
from medley.data.cohorts.chest.plan import DIFFICULTIES, StudyPlan
from medley.data.cohorts.chest.reports import write_report
from medley.data.cohorts.chest.sampling import plan_study

VERSION = 4  # of the generator: raise it whenever the same seed gives other bytes
SOURCE = "medley-chest-cohort"
MIN_PX = 32
_CHUNK = 8


def generate(
    out: Path | str,
    cases: int,
    seed: int,
    difficulty: str = "default",
    px: int = 224,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> CaseTable:
    """Write `cases` generated studies to the new folder `out` and return their table (paths absolute).

    The same seed gives the same bytes for any number of `workers`, and study i is the same in a cohort of any size.
    `progress` is told after every few studies how many are done. Raises MedleyError for a bad number or an `out` that
    holds files already.
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
    out = Path(out)
    with whole_folder(out) as folder:
        (folder / "films").mkdir()
        (folder / "masks").mkdir()
        (folder / "anatomy").mkdir()
        rows: list[Case] = []
        draw = partial(make_case, folder, seed, difficulty, px)
        for row in spread(draw, range(cases), workers or os.cpu_count() or 1):
            rows.append(row)
            if progress is not None and (len(rows) % _CHUNK == 0 or len(rows) == cases):
                progress(len(rows))
        write_cases(folder / "cases.parquet", rows, CHEXPERT_14)
        write_json(folder / "cohort.json", _summary(rows, seed, difficulty, px))
    return read_cases(out / "cases.parquet")


def make_case(folder: Path, seed: int, difficulty: str, px: int, index: int) -> Case:
    """Draw study `index`, write its films and masks under `folder`, and return its row."""
    plan = plan_study(seed, index, difficulty)
    drawn = draw_frontal(plan, px)
    images = [_save_film(folder, f"films/{plan.case_id}.png", plan.pose.view, drawn.film)]
    if plan.lateral:
        images.append(_save_film(folder, f"films/{plan.case_id}-lateral.png", "LATERAL", draw_lateral(plan, px)))
    truth: dict = {"findings": truth_of(plan, drawn), "difficulty": difficulty}
    truth["anatomy"] = f"anatomy/{plan.case_id}.npz"
    write_masks(folder / truth["anatomy"], drawn.anatomy)
    if drawn.masks:
        truth["masks"] = f"masks/{plan.case_id}.npz"
        write_masks(folder / truth["masks"], drawn.masks)
    return Case(
        case_id=plan.case_id,
        patient_id=plan.patient_id,
        study_id=plan.case_id,
        images=tuple(images),
        text=write_report(plan, generator(seed, "report", index)),
        labels=plan.labels,
        truth=truth,
        sex=plan.patient.sex,
        age_years=plan.patient.age_years,
        source=SOURCE,
        synthetic=True,
    )


def truth_of(plan: StudyPlan, drawn: Drawn) -> list[dict]:
    """One entry a finding: label, kind, side (the patient's), zone, severity word and number, box [x0, y0, x1, y1] in
    pixels (x1, y1 exclusive; null where nothing of it is on the film) and area_px. Labels that only follow from
    another (Lung Opacity from a pneumonia) have no entry; their masks are in the mask file."""
    entries = []
    for finding, mask in zip(plan.findings, drawn.by_finding, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1] if len(rows) else None
        entries.append(
            {
                "label": finding.label,
                "kind": finding.kind,
                "side": finding.side,
                "zone": finding.zone,
                "severity": finding.grade,
                "severity_value": round(finding.severity, 3),
                "box": box,
                "area_px": int(mask.sum()),
            }
        )
    return entries


def _save_film(folder: Path, name: str, view: str, film: np.ndarray) -> ImageRef:
    png = io.BytesIO()  # not straight into the file: of a full disk, Pillow may say only "encoder error"
    Image.fromarray(film).save(png, format="PNG", compress_level=2)
    (folder / name).write_bytes(png.getvalue())
    return ImageRef(view, name, hashlib.sha256(png.getvalue()).hexdigest())


def write_masks(path: Path, masks: dict[str, np.ndarray]) -> None:
    """Write masks as an npz whose bytes depend on nothing but the masks (numpy's own savez stamps the time)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for label in sorted(masks):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, masks[label].astype(bool), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{label}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED)


def read_masks(path: Path | str) -> dict[str, np.ndarray]:
    """The masks of one study: label -> bool [px, px]. Raises MedleyError for a file that is missing or no mask file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {label: archive[label].astype(bool) for label in archive.files}
    except FileNotFoundError as error:
        raise MedleyError(f"{path} does not exist; a study without findings has no mask file") from error
    except (ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise MedleyError(f"{path} is not a mask file of a cohort: {error}") from error


def _summary(rows: list[Case], seed: int, difficulty: str, px: int) -> dict:
    return {
        "synthetic": True,
        "what": "generated chest films; no patient was filmed",
        "generator": SOURCE,
        "generator_version": VERSION,
        "seed": seed,
        "difficulty": difficulty,
        "px": px,
        "cases": len(rows),
        "patients": len({row.patient_id for row in rows}),
        "laterals": sum(len(row.images) > 1 for row in rows),
        "positives": {label: sum(row.labels[label] == 1 for row in rows) for label in CHEXPERT_14},
    }
