"""The scorecard of anybody's outputs: a file of predictions, with what a case table says of its cases.

It is the same scorecard as that of our own runs, made of the same functions. What the file, the table and the user do
not say, the scorecard says is not stated.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.about import VERSION
from medley.core.errors import MedleyError, choose, nearest
from medley.core.files import sha256, write_json
from medley.core.records import Prediction
from medley.evaluation.findings.scorecard import chest_findings_scorecard
from medley.evaluation.fitted.calibration import Calibration, fit_calibration
from medley.evaluation.fitted.thresholds import Thresholds, fit_thresholds
from medley.evaluation.floors.paired import paired_floors, with_floors
from medley.evaluation.floors.simple import Floor, all_negative_floor, prevalence_floor
from medley.evaluation.predictions.arrays import FUSED, head_tables
from medley.evaluation.predictions.known_cases import KnownCases, named
from medley.evaluation.predictions.lines import TASKS, one_task, read_predictions, write_predictions
from medley.evaluation.predictions.report_table import read_reports_csv
from medley.evaluation.predictions.table import TASK as CSV_TASK
from medley.evaluation.predictions.table import read_predictions_csv
from medley.evaluation.reports.beside import Answers
from medley.evaluation.reports.floors import OF_TEXTS
from medley.evaluation.reports.of_others import TextOptions, score_reports
from medley.evaluation.reports.tasks import REPORT_TASKS
from medley.evaluation.scorecard.card import Protocol, Scorecard
from medley.evaluation.scorecard.files import write_scorecard

FINDINGS = "chest_findings"
PREDICTIONS, THRESHOLDS, CALIBRATION = "predictions.jsonl", "thresholds.json", "calibration.json"
DEV = "dev"
# of the tasks that have a scorecard
RESERVED_FLOORS = {FINDINGS: ("prevalence", "all_negative", "text_only"), **OF_TEXTS}


@dataclass(frozen=True)
class FittedOn:
    """How thresholds and calibration are fitted on the predictions of a dev part."""

    path: Path
    thresholds: str = "max_f1"  # the criterion, as in `fit_thresholds`
    calibration: str = "platt"  # the method, as in `fit_calibration`; none: no calibration


@dataclass(frozen=True)
class Scored:
    """A scorecard with all that stands beside it."""

    card: Scorecard
    predictions: list[Prediction]
    thresholds: Thresholds | None
    calibration: Calibration | None
    lacking: list[str]  # cases of the part that nobody predicted
    copied: Mapping[str, Sequence[Prediction]] = field(default_factory=dict)  # floors that were made here, of reports

    def write(self, out: Path) -> Path:
        """All files of a scorecard, and what it was made of: the predictions (JSON lines), thresholds, calibration."""
        if (out / "config.yaml").is_file():  # whose thresholds are its own
            raise MedleyError(f"{out} is a run; choose another folder")
        write_predictions(out / PREDICTIONS, self.predictions)
        # those of an earlier scorecard that this one lacks are taken away
        for name in dict.fromkeys(name for of in OF_TEXTS.values() for name in of):
            if name in self.copied:
                write_predictions(out / "floors" / f"{name}.jsonl", self.copied[name])
            else:
                (out / "floors" / f"{name}.jsonl").unlink(missing_ok=True)
        for name, record in ((THRESHOLDS, self.thresholds), (CALIBRATION, self.calibration)):
            if record is None:
                (out / name).unlink(missing_ok=True)  # of another scorecard, written here before
            else:
                write_json(out / name, record.to_json())
        provenance = {**self.card.provenance, "predictions": sha256(out / PREDICTIONS)[:16]}
        return write_scorecard(replace(self.card, provenance=provenance), out, self.predictions)


def score_file(
    path: Path,
    *,
    task: str | None = None,
    known: KnownCases | None = None,
    part: str = "test",
    dev: FittedOn | None = None,
    floors: Mapping[str, Path] | None = None,
    texts: TextOptions | None = None,
    stated: Mapping[str, Any] | None = None,
    command: str = "",
    bootstrap: int = 1000,
    seed: int = 0,
) -> Scored:
    """Score a file of predictions: JSON lines, or a CSV.

    `known` gives the truth, patients, subgroups and parts; the scored cases must then be of `part`, and those of `dev`
    of the dev part. `floors` are files of poorer answers to the same cases, by name, such as the same system's on black
    images; each is paired with the system. `texts` is of reports alone. `stated` are protocol keys that no table tells,
    as `stated_protocol` reads them. Raises MedleyError for a task that has no scorecard, and for files that are not as
    their formats say or do not fit the table or each other.
    """
    if task is not None and task not in TASKS:
        raise MedleyError(f"unknown task '{task}'{nearest(task, TASKS)}")
    predictions = read_any(path, task, known.patients if known else None)
    task = task or predictions[0].task
    if task not in RESERVED_FLOORS:
        raise MedleyError(f"the task {task} has no scorecard yet; there is one for {', '.join(RESERVED_FLOORS)}")
    if texts is not None and task not in REPORT_TASKS:
        raise MedleyError(
            f"--tokens, --wordnet, --encoder, --chexbert and --scorer are of reports; {path} holds {task}"
        )
    predictions = _with_truth(one_task(predictions, task), path, known, part)
    lacking = known.lacking(predictions, part) if known else []
    thresholds = calibration = None
    if dev is not None:
        thresholds, calibration = _fit(dev, task, known)
    of_files = {name: _of_floor(name, file, task, predictions) for name, file in (floors or {}).items()}
    how: dict[str, Any] = {
        "thresholds": thresholds,
        "calibration": calibration,
        "protocol": _protocol(known, part, stated or {}),
        "provenance": _provenance(path, dev, command),
        "bootstrap": bootstrap,
        "seed": seed,
    }
    copied: dict[str, list[Prediction]] = {}
    if task == FINDINGS:
        card = _findings(predictions, known, of_files, how)
    else:
        predictions, card, copied = score_reports(predictions, path, known, of_files, texts or TextOptions(), how)
    card = _warned(card, predictions, known, lacking, part)
    return Scored(card, predictions, thresholds, calibration, lacking, copied)


def _findings(
    predictions: list[Prediction], known: KnownCases | None, floors: Answers, how: Mapping[str, Any]
) -> Scorecard:
    """The scorecard of findings, and beside it the floors of the user's files."""
    card = chest_findings_scorecard(predictions, floors=_constants(predictions, known), **how)
    beside = paired_floors(predictions, floors, bootstrap=how["bootstrap"], seed=how["seed"])
    return with_floors(card, beside, {})


def _of_floor(name: str, path: Path, task: str, predictions: Sequence[Prediction]) -> list[Prediction]:
    """A floor's answers with the truth of the scored cases; a truth of its own must be the same."""
    if name in RESERVED_FLOORS[task]:
        raise MedleyError(f"--floor {name}={path}: {name} is made here; give the floor another name")
    by_case = {prediction.case_id: prediction for prediction in predictions}
    patients = {case_id: prediction.patient_id for case_id, prediction in by_case.items()}
    lines = read_any(path, task, patients)
    return [
        replace(line, labels=by_case[line.case_id].labels) if line.case_id in by_case and not line.labels else line
        for line in lines
    ]


def read_any(path: Path, task: str | None, patients: Mapping[str, str] | None = None) -> list[Prediction]:
    """Predictions of a file: a CSV by its name, else JSON lines. `patients` is case_id -> patient_id, for a CSV that
    does not say it; a CSV of reports needs its `task`."""
    ending = path.suffix.lower()
    if ending in (".tsv", ".xlsx", ".xls", ".parquet"):
        raise MedleyError(f"{path}: predictions are JSON lines (.jsonl) or a CSV separated by commas (.csv)")
    if ending != ".csv":
        return read_predictions(path, task)
    if task in REPORT_TASKS:
        return read_reports_csv(path, task, patients)
    if task not in (None, CSV_TASK):
        raise MedleyError(f"{path}: a CSV holds predictions of {CSV_TASK}, not of {task}; write JSON lines")
    return read_predictions_csv(path, patients)


def stated_protocol(statements: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE of protocol keys, read. Raises MedleyError for an unknown key, naming the nearest."""
    keys, stated = [item.name for item in fields(Protocol)], dict[str, Any]()
    for statement in statements:
        key, equals, value = (part.strip() for part in statement.partition("="))
        if not equals or not value:
            raise MedleyError(f"--state {statement}: it must be KEY=VALUE, as in notes=none")
        if key not in keys:
            raise MedleyError(f"--state {statement}: unknown protocol key '{key}'{nearest(key, keys)}")
        if key in stated:
            raise MedleyError(f"--state {statement}: '{key}' is stated twice")
        stated[key] = choose(value, {"true": True, "false": False}, "truth value") if key == "synthetic" else value
    return stated


def _protocol(known: KnownCases | None, part: str, stated: Mapping[str, Any]) -> Protocol:
    protocol = known.protocol(part) if known else Protocol()
    for key, value in stated.items():
        told = getattr(protocol, key)
        if known is not None and told is not None and told != value:
            raise MedleyError(f"--state {key}={value}: the case table says {key} {told}")
    return replace(protocol, **stated)


def _with_truth(predictions: list[Prediction], path: Path, known: KnownCases | None, part: str) -> list[Prediction]:
    if predictions[0].task in REPORT_TASKS:
        _refuse_unknown_labels(predictions, path, known)
    joined = known.joined(predictions, part, str(path)) if known else predictions
    unknown = all(value is None for prediction in joined for value in prediction.labels.values())
    if unknown and joined[0].task == FINDINGS:
        raise MedleyError(f"{path}: no label of any case is known; give the truth in it, or with --train CASES")
    return joined


def _refuse_unknown_labels(predictions: Sequence[Prediction], path: Path, known: KnownCases | None) -> None:
    """A report is held against the labels of its task: another is a slip, unless the system or the table has it too."""
    of_task = REPORT_TASKS[predictions[0].task].labels
    listed = {*of_task, *(known.labels if known else ())}
    for one in predictions:
        if odd := [name for name in one.labels if name not in listed and name not in one.scores]:
            where = f"{path} (case '{one.case_id}'): 'labels'"
            raise MedleyError(f"{where}: unknown label '{odd[0]}'{nearest(odd[0], of_task)}")


def _fit(dev: FittedOn, task: str, known: KnownCases | None) -> tuple[Thresholds, Calibration | None]:
    predictions = _with_truth(
        one_task(read_any(dev.path, task, known.patients if known else None), task), dev.path, known, DEV
    )
    if not any(one.scores for one in predictions):
        raise MedleyError(f"--dev {dev.path}: no prediction has 'scores' of findings, which thresholds are fitted on")
    try:
        thresholds = fit_thresholds(predictions, dev.thresholds)  # type: ignore[arg-type]
        if dev.calibration == "none":
            return thresholds, None
        return thresholds, fit_calibration(predictions, dev.calibration)  # type: ignore[arg-type]
    except MedleyError as error:
        raise MedleyError(f"--dev {dev.path}: {error}") from error


def _constants(predictions: Sequence[Prediction], known: KnownCases | None) -> dict[str, Floor]:
    truth = head_tables(predictions)[FUSED]
    floors = {"all_negative": all_negative_floor(truth.labels_NL, truth.names)}
    if known is not None and known.manifest is not None and known.manifest.parts["train"]:
        floors["prevalence"] = prevalence_floor(known.truths("train", truth.names), truth.labels_NL, truth.names)
    return floors


def _warned(
    card: Scorecard, predictions: Sequence[Prediction], known: KnownCases | None, lacking: Sequence[str], part: str
) -> Scorecard:
    """The card with what the table and the predictions do not have of each other."""
    warnings, protocol = [], dict(card.protocol)
    if lacking:
        protocol["studies_lacking"] = len(lacking)
        warnings.append(
            f"without a prediction, and so in no number here: {len(lacking)} of the {len(lacking) + len(predictions)} "
            f"cases of {part}: {named(lacking)}; scores flatter where the hard cases are missing"
        )
    unknown = sorted(set(predictions[0].scores) - set(known.labels)) if known else []
    if unknown:
        warnings.append(f"scored, but the case table has no such label: {', '.join(unknown)}")
    return replace(card, protocol=protocol, warnings=(*warnings, *card.warnings))


def _provenance(path: Path, dev: FittedOn | None, command: str) -> dict[str, str]:
    found = {"command": command, "file": str(path), "file_sha256": sha256(path)[:16]}
    if dev is not None:
        found |= {"dev_file": str(dev.path), "dev_file_sha256": sha256(dev.path)[:16]}
    versions = f"python {platform.python_version()}, numpy {np.__version__}"
    return {**found, "medley": VERSION, "versions": versions, "machine": f"{platform.machine()}, {platform.system()}"}
