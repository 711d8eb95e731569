"""Scorers that live elsewhere: RadGraph, GREEN, RaTEScore or anything else, in a process and an environment of its own.

Their pins cannot touch ours, because nothing is shared but two files of JSON lines. The command is called as

    COMMAND... INPUT OUTPUT          for example   /opt/radgraph/bin/python radgraph_scorer.py INPUT OUTPUT

INPUT   one line a report:   {"case_id": "c1", "hypothesis": "No effusion.", "reference": "Small effusion."}
OUTPUT  first line:          {"scorer": "radgraph", "version": "0.1.18", "higher_is_better": true}
        then one a report:   {"case_id": "c1", "scores": {"radgraph_f1": 0.62}}
        or, where it fails:  {"case_id": "c1", "error": "text longer than the model takes"}

Every case of INPUT stands once in OUTPUT, in any order, with the same names of scores; exit code 0. What the command
prints is not read, save the last line of stderr where it fails. A score of one report makes the mean over reports a
function of case weights, so it has intervals and paired tests like any metric here. A metric that failed for one
report is null for all, with the reason: a mean over those that went well would flatter.

Shapes: N reports, R resamples.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.files import write_text
from medley.evaluation import statistics
from medley.evaluation.ranking import ratio
from medley.evaluation.statistics import NO_RESAMPLES, Metric, with_interval

TIMEOUT_S = 4 * 3600.0
_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")  # of our environment; the scorer's interpreter has its own


@dataclass(frozen=True)
class Pair:
    """One report: what was written, and what should have been."""

    case_id: str
    patient_id: str
    hypothesis: str
    reference: str


@dataclass(frozen=True)
class ExternalScores:
    """Scores of N reports in the order of the pairs; nan where the scorer failed, and `errors` says why."""

    scorer: str
    version: str
    higher_is_better: bool
    scores: dict[str, np.ndarray]  # metric -> [N]
    errors: dict[str, str]  # case_id -> reason

    def statistics(self) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Every metric as a function of the reports' weights [N, R]: the weighted mean, nan where a report failed."""

        def metrics(weights_NR: np.ndarray) -> dict[str, np.ndarray]:
            total_R = weights_NR.sum(0)
            return {name: ratio(scores_N @ weights_NR, total_R) for name, scores_N in self.scores.items()}

        return metrics

    def metrics(self, patient_ids: Sequence[str], *, resamples: int, seed: int) -> dict[str, Metric]:
        """The means over reports with their patient-clustered intervals; null where the scorer failed for a report.

        `resamples` 0: no intervals.
        """
        of_weights = self.statistics()
        points = of_weights(np.ones((len(patient_ids), 1)))
        samples = statistics.bootstrap(of_weights, patient_ids, resamples=resamples, seed=seed) if resamples else {}
        n, n_patients = len(patient_ids), len(set(patient_ids))
        found = {}
        for name, (value,) in points.items():
            if np.isnan(value):
                found[name] = Metric(None, None, n, self._why(name))
            elif not samples:
                found[name] = Metric(float(value), None, n, NO_RESAMPLES)
            else:
                found[name] = with_interval(float(value), samples[name], n=n, n_patients=n_patients)
        return found

    def _why(self, name: str) -> str:
        failed = int(np.isnan(self.scores[name]).sum())
        case_id, reason = next(iter(self.errors.items()))
        return f"{self.scorer} failed for {counted(failed, 'report')}, first case '{case_id}': {reason}"


def run_scorer(command: Sequence[str], pairs: Sequence[Pair], *, timeout_s: float = TIMEOUT_S) -> ExternalScores:
    """Run the scorer on all pairs. Raises MedleyError, in one line, for whatever is not as the protocol says."""
    if not command or not pairs:
        raise MedleyError(f"external scorer: {'there are no reports to score' if command else 'the command is empty'}")
    if len({pair.case_id for pair in pairs}) < len(pairs):
        raise MedleyError("external scorer: a case_id stands twice among the reports; one line is one report")
    with tempfile.TemporaryDirectory(prefix="medley-scorer-") as folder:
        given, answered = Path(folder) / "input.jsonl", Path(folder) / "output.jsonl"
        lines = [{"case_id": p.case_id, "hypothesis": p.hypothesis, "reference": p.reference} for p in pairs]
        write_text(given, "".join(json.dumps(line) + "\n" for line in lines))  # ASCII: any reader takes it
        _run([*command, str(given), str(answered)], timeout_s)
        if not answered.is_file():
            raise MedleyError(f"external scorer {command[0]}: it ended well and wrote no OUTPUT file; see the protocol")
        return _parse(answered.read_bytes(), pairs, f"external scorer {command[0]}")


def _run(command: Sequence[str], timeout_s: float) -> None:
    where = f"external scorer {command[0]}"
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=timeout_s, check=False)
    except FileNotFoundError as error:
        raise MedleyError(f"{where}: there is no such command; name the scorer's own interpreter and script") from error
    except PermissionError as error:
        raise MedleyError(f"{where}: it may not be run ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise MedleyError(f"{where}: not done after {timeout_s:g} s; give it more time or fewer reports") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise MedleyError(f"{where}: exit code {done.returncode}: {said[-1] if said else 'it said nothing'}")


def _parse(content: bytes, pairs: Sequence[Pair], where: str) -> ExternalScores:
    lines = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    rows = [_object(line, f"{where}, OUTPUT line {number}") for number, line in lines]
    if not rows or not isinstance(rows[0].get("scorer"), str) or not isinstance(rows[0].get("version"), str):
        raise MedleyError(f"{where}: the first line of OUTPUT must hold the texts 'scorer' and 'version'")
    higher = rows[0].get("higher_is_better", True)
    if not isinstance(higher, bool):
        raise MedleyError(f"{where}: 'higher_is_better' is {higher!r}; it must be true or false")
    place = {pair.case_id: index for index, pair in enumerate(pairs)}
    seen: set[str] = set()
    errors: dict[str, str] = {}
    scores: dict[str, np.ndarray] = {}
    for row in rows[1:]:
        case_id = row.get("case_id")
        if not isinstance(case_id, str) or case_id not in place:
            raise MedleyError(f"{where}: OUTPUT has the case_id {case_id!r}, which INPUT has not")
        if case_id in seen:
            raise MedleyError(f"{where}: case '{case_id}' stands twice in OUTPUT")
        seen.add(case_id)
        if "error" in row:
            errors[case_id] = " ".join(str(row["error"]).split()) or "no reason given"
            continue
        got = _scores(row, f"{where}: case '{case_id}'")
        if not scores:
            scores = {name: np.full(len(pairs), np.nan) for name in got}
        if set(got) != set(scores):
            raise MedleyError(f"{where}: case '{case_id}' has the scores {sorted(got)}, others {sorted(scores)}")
        for name, value in got.items():
            scores[name][place[case_id]] = value
    if missing := [case_id for case_id in place if case_id not in seen]:
        raise MedleyError(f"{where}: OUTPUT lacks case '{missing[0]}' ({len(missing)} of {len(pairs)} cases)")
    if not scores:
        case_id, reason = next(iter(errors.items()))
        raise MedleyError(f"{where}: it failed for every report, first case '{case_id}': {reason}")
    return ExternalScores(rows[0]["scorer"], rows[0]["version"], higher, scores, errors)


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:  # of UTF-8, too
        raise MedleyError(f"{where} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise MedleyError(f"{where} is no object")
    return row


def _scores(row: dict[str, Any], where: str) -> dict[str, float]:
    scores = row.get("scores")
    if not isinstance(scores, dict) or not scores:
        raise MedleyError(f"{where} has neither 'scores' nor 'error'")
    for name, value in scores.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise MedleyError(f"{where}: '{name}' is {value!r}; it must be a finite number, or the line an 'error'")
    return {name: float(value) for name, value in scores.items()}
