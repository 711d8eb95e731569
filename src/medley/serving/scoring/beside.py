"""Floors that somebody else answered: a model of 2D slices that was trained on the same data, a model that was never
trained on them, another toolkit's; each a file of predictions of the same cases, or the folder that holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from medley.core.errors import MedleyError
from medley.core.records import Case, Prediction
from medley.evaluation.score import RESERVED_FLOORS, read_any
from medley.serving.scoring.model_floors import Floors

_MADE_HERE = {"black_images", "mean_images", "shuffled_images", "no_note", "nearest_image", "nearest_findings", "probe"}
_MADE_HERE |= {"thumbnail_probe", "nearest_neighbour", "label_shuffled"}


def read_beside(files: Mapping[str, Path], task: str, cases: Sequence[Case]) -> Floors:
    """The answers of each file, one a case, in order.

    Raises MedleyError for the name of a floor that is made here, a file that cannot be read, a case without answer.
    """
    return {name: _read(name, path, task, cases) for name, path in files.items()}


def with_truth_of(floors: Floors, predictions: Sequence[Prediction]) -> Floors:
    """The same answers, held against what the system itself is held against."""
    return {
        name: [
            dataclasses.replace(line, labels=own.labels, reference=own.reference, truth=own.truth, group=own.group)
            for line, own in zip(lines, predictions, strict=True)
        ]
        for name, lines in floors.items()
    }


def _read(name: str, path: Path, task: str, cases: Sequence[Case]) -> list[Prediction]:
    where = f"--floor {name}={path}"
    if name in _MADE_HERE | set(RESERVED_FLOORS[task]):
        raise MedleyError(f"{where}: {name} is made here; give the floor another name")
    lines = {
        line.case_id: line for line in read_any(_file_of(path, where), task, {c.case_id: c.patient_id for c in cases})
    }
    lacking = [case.case_id for case in cases if case.case_id not in lines]
    if lacking:
        raise MedleyError(
            f"{where}: {len(lacking)} of the {len(cases)} scored cases have no answer there, first '{lacking[0]}'; a "
            "floor answers the same cases"
        )
    return [lines[case.case_id] for case in cases]


def _file_of(path: Path, where: str) -> Path:
    """The file itself, or that of a run or of a folder with a scorecard."""
    if not path.is_dir():
        return path
    for found in (path / "evaluation" / "predictions.jsonl", path / "predictions.jsonl"):
        if found.is_file():
            return found
    raise MedleyError(f"{where}: the folder holds no predictions.jsonl; `medley evaluate RUN` writes one")
