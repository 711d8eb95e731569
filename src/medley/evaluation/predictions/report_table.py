"""Reports from a CSV: one study a row, as a loop over somebody's model writes them.

    case_id               names the study
    patient_id            whose study it is; may be left out where a case table tells it
    report                what the system wrote; or, section by section, hypothesis/<section>: hypothesis/findings
    reference             the true report; or reference/<section>; may be left out where a case table tells it
    sex, age_years, view, source   may be left out; for subgroups

A cell may hold lines, in quotes. An empty report is one: the system wrote nothing of that study. Any other column is an
error: nothing of a file is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medley.core.errors import MedleyError, nearest
from medley.core.records import TARGET_SECTIONS, Prediction
from medley.evaluation.predictions.csv_rows import patient_of, read_rows, require_patients
from medley.evaluation.predictions.lines import GROUP_KEYS, parse_prediction
from medley.evaluation.predictions.table import HEAD, LABEL, SCORE, TASK, group_of

_SHORT = {"report": "hypothesis/report", "reference": "reference/report"}
_PARTS = ("hypothesis", "reference")
_NAMES = ("case_id", "patient_id", *_SHORT, *GROUP_KEYS)
_RULE = f"columns are {', '.join(_NAMES)}, or hypothesis/<section> and reference/<section>"


def read_reports_csv(path: Path | str, task: str, patients: Mapping[str, str] | None = None) -> list[Prediction]:
    """The rows as predictions of a task that writes reports, in their order.

    `patients` is case_id -> patient_id of a case table, asked where the file has no such column. Raises MedleyError
    naming file, row, column and rule.
    """
    path = Path(path)

    def check(header: Sequence[str]) -> None:
        seen: dict[str, str] = {}
        for column in header:
            _check_column(path, column, task)
            twin = seen.setdefault(_SHORT.get(column, column), column)
            if list(header).count(column) > 1 or twin != column:
                raise MedleyError(f"{path}: the columns '{twin}' and '{column}' are of one name; drop one")
        require_patients(path, header, patients is not None)
        if not any(_SHORT.get(column, column).startswith("hypothesis/") for column in header):
            raise MedleyError(f"{path}: there is no column report, or hypothesis/<section>; {_RULE}")

    return [_prediction(row, where, task, patients) for where, row in read_rows(path, _RULE, check)]


def _check_column(path: Path, column: str, task: str) -> None:
    part, slash, section = column.partition("/")
    if column in _NAMES or (slash and part in _PARTS and section in TARGET_SECTIONS):
        return
    if column.startswith((SCORE, LABEL, HEAD)):
        rule = f"with such a column a CSV holds predictions of {TASK}, not of {task}"
        raise MedleyError(f"{path}: the column '{column}': {rule}")
    if column in TARGET_SECTIONS:
        raise MedleyError(f"{path}: the column '{column}': name it 'hypothesis/{column}' or 'reference/{column}'")
    if slash and part in _PARTS:
        raise MedleyError(f"{path}: unknown section in column '{column}'{nearest(section, TARGET_SECTIONS)}")
    hint = nearest(column, _NAMES)
    raise MedleyError(f"{path}: unknown column '{column}'{hint if hint.startswith('; did you mean') else f'; {_RULE}'}")


def _prediction(row: Mapping[str, str], where: str, task: str, patients: Mapping[str, str] | None) -> Prediction:
    texts: dict[str, dict[str, str]] = {part: {} for part in _PARTS}
    for column, text in row.items():
        part, slash, section = _SHORT.get(column, column).partition("/")
        if slash and (part == "hypothesis" or text):
            texts[part][section] = text
    content = {
        "case_id": row["case_id"],
        "patient_id": patient_of(row, where, patients),
        "task": task,
        "group": group_of(row, f"{where} (case '{row['case_id']}')"),
        **texts,
    }
    return parse_prediction(content, where)
