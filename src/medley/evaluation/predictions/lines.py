"""`predictions.jsonl`: one study a line, the only thing that evaluation reads of a system, ours or anybody's.

The rules are strict, since a score is worth what its input is worth: a line that breaks one is named by file, line
number, key and rule. Label names of chest tasks are brought to the one spelling of `core.labels`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from numbers import Real
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError, nearest
from medley.core.files import whole_file
from medley.core.labels import canonical
from medley.core.records import VIEWS, Prediction

TASKS = ("chest_findings", "chest_report", "brain_report", "syndrome")
GROUP_KEYS = ("sex", "age_years", "view", "source")
_REQUIRED = ("case_id", "patient_id", "task")
_HALF = re.compile("[\ud800-\udfff]")  # of a character: JSON can hold it, no file of text can
_KEYS = tuple(field.name for field in fields(Prediction))


def read_predictions(path: Path | str, task: str | None = None) -> list[Prediction]:
    """The predictions of a file, in its order; of one task, where `task` names it.

    Raises MedleyError, naming file, line, key and rule, for a line that is not as DESIGN says, for a case that stands
    twice in one task, and for a file that holds nothing (of this task).
    """
    path = Path(path)
    if path.is_dir():
        raise MedleyError(f"{path} is a folder; name the file of predictions in it")
    if not path.is_file():
        raise MedleyError(f"{path} does not exist; `medley evaluate RUN` or another system writes predictions")
    if task is not None and task not in TASKS:
        raise MedleyError(f"unknown task '{task}'{nearest(task, TASKS)}")
    predictions: list[Prediction] = []
    lines: dict[tuple[str, str], int] = {}
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                prediction = _parse_line(line, f"{path}, line {number}")
                first = lines.setdefault((prediction.task, prediction.case_id), number)
                if first != number:
                    rule = f"the case stands already in line {first}; one line is one study"
                    raise MedleyError(f"{path}, line {number}: case_id '{prediction.case_id}': {rule}")
                if task in (None, prediction.task):
                    predictions.append(prediction)
    except UnicodeDecodeError as error:
        raise MedleyError(f"{path} is not a text file in UTF-8: {error}") from error
    if not predictions:
        held = f"; it holds {', '.join(sorted({held for held, _ in lines}))}" if lines else ""
        raise MedleyError(f"{path} holds no predictions{f' of task {task}' if task else ''}{held}")
    return predictions


def write_predictions(path: Path | str, predictions: Sequence[Prediction]) -> None:
    """Write the lines whole. What `read_predictions` would refuse, this refuses too, by position and case."""
    lines, seen = [], set()
    for row, prediction in enumerate(predictions):
        where = f"{path}, prediction {row}"
        checked = parse_prediction(prediction.as_json(), where)
        if (checked.task, checked.case_id) in seen:
            raise MedleyError(f"{where}: case_id '{checked.case_id}' stands twice; one line is one study")
        seen.add((checked.task, checked.case_id))
        try:
            lines.append(json.dumps(checked.as_json(), ensure_ascii=False, allow_nan=False).encode())
        except (TypeError, ValueError) as error:  # a tensor or a nan in `truth` or `extra`
            raise MedleyError(f"{where} (case '{checked.case_id}') does not fit JSON: {error}") from error
    with whole_file(path) as temporary:
        temporary.write_bytes(b"".join(line + b"\n" for line in lines))


def one_task(predictions: Sequence[Prediction], task: str) -> list[Prediction]:
    """The predictions, checked: at least one, all of this task, no case twice. Raises MedleyError."""
    if not predictions:
        raise MedleyError(f"there are no predictions to score for {task}")
    counts = Counter(prediction.task for prediction in predictions)
    if set(counts) != {task}:
        held = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        raise MedleyError(f"the predictions are of {held}; this scorecard is of {task} alone: choose with --task")
    [(case_id, times)] = Counter(prediction.case_id for prediction in predictions).most_common(1)
    if times > 1:
        raise MedleyError(f"case_id '{case_id}' stands {times} times in the predictions; one line is one study")
    return list(predictions)


def _parse_line(line: str, where: str) -> Prediction:
    try:
        content = json.loads(line, object_pairs_hook=_no_key_twice)
    except MedleyError as error:
        raise MedleyError(f"{where}: {error}") from error
    except ValueError as error:  # of json, also for a number of thousands of digits
        raise MedleyError(f"{where} is not JSON: {error}; one line holds one object") from error
    except RecursionError as error:
        raise MedleyError(f"{where} is nested too deeply to be a prediction") from error
    return parse_prediction(content, where)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, times in Counter(key for key, _ in pairs).items():
        if times > 1:
            raise MedleyError(f"the key '{key}' stands {times} times in one object")
    return dict(pairs)


def parse_prediction(content: Any, where: str) -> Prediction:
    """A `Prediction` from the object of one line; `where` begins every error."""
    if not isinstance(content, Mapping):
        raise MedleyError(f"{where} is a {type(content).__name__}; it must be an object with {', '.join(_REQUIRED)}")
    for key in content:
        if key not in _KEYS:
            raise MedleyError(f"{where}: unknown key '{key}'{nearest(str(key), _KEYS)}")
    for key in _REQUIRED:
        if not isinstance(content.get(key), str) or not content[key].strip():
            given = f"is {content[key]!r}" if key in content else "is missing"
            raise MedleyError(f"{where}: '{key}' {given}; it must be a text that is not empty")
    task, where = content["task"], f"{where} (case '{content['case_id']}')"
    if task not in TASKS:
        raise MedleyError(f"{where}: unknown task '{task}'{nearest(task, TASKS)}")
    chest = task.startswith("chest_")

    def part(key: str) -> Mapping[str, Any]:
        return _object(content.get(key), f"{where}: '{key}'")

    for key in part("group"):
        if key not in GROUP_KEYS:
            raise MedleyError(f"{where}: unknown key '{key}' in 'group'{nearest(key, GROUP_KEYS)}")
    return Prediction(
        case_id=content["case_id"],
        patient_id=content["patient_id"],
        task=task,
        scores=_scores(part("scores"), chest, f"{where}: 'scores'"),
        labels=_labels(part("labels"), chest, f"{where}: 'labels'"),
        heads={
            head: _scores(_object(scores, f"{where}: 'heads/{head}'"), chest, f"{where}: 'heads/{head}'")
            for head, scores in part("heads").items()
        },
        images=_images(content.get("images"), chest, where),
        hypothesis=_sections(content.get("hypothesis"), f"{where}: 'hypothesis'"),
        reference=_sections(content.get("reference"), f"{where}: 'reference'"),
        truth=dict(part("truth")),
        group=dict(part("group")),
        extra=dict(part("extra")),
    )


def _object(value: Any, where: str, rule: str = "an object") -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise MedleyError(f"{where} is {value!r:.60}; it must be {rule}")
    return value


def _by_label(values: Mapping[str, Any], chest: bool, where: str) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, value in values.items():
        label = canonical(name) if chest else name
        if label in named:
            raise MedleyError(f"{where} names the label '{label}' twice, the second time as '{name}'")
        named[label] = value
    return named


def _scores(values: Mapping[str, Any], chest: bool, where: str) -> dict[str, float]:
    scores = _by_label(values, chest, where)
    for label, value in scores.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:  # refuses nan, too
            raise MedleyError(f"{where}: the score of '{label}' is {value!r:.60}; it must be a probability in [0, 1]")
        scores[label] = float(value)
    return scores


def _labels(values: Mapping[str, Any], chest: bool, where: str) -> dict[str, int | None]:
    labels = _by_label(values, chest, where)
    for label, value in labels.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, Real) or value not in (0, 1)):
            rule = "it must be 1, 0 or null (not known)"
            raise MedleyError(f"{where}: '{label}' is {value!r:.60}; {rule}")
        labels[label] = None if value is None else int(value == 1)
    return labels


def _images(value: Any, chest: bool, where: str) -> tuple[dict[str, Any], ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise MedleyError(f"{where}: 'images' is {value!r:.60}; it must be a list, one object an image")
    images = []
    for index, image in enumerate(value):
        here = f"{where}: 'images/{index}'"
        image = _object(image, here)
        for key in image:
            if key not in ("view", "scores"):
                raise MedleyError(f"{here}: unknown key '{key}'{nearest(key, ('view', 'scores'))}")
        view = image.get("view", "UNKNOWN")
        for one in str(view).split("+") if chest else ():  # PA+LATERAL: two films that were read together
            if one not in VIEWS:
                raise MedleyError(f"{here}: unknown view '{one}'{nearest(one, VIEWS)}")
        images.append({"view": view, "scores": _scores(_object(image.get("scores"), here), chest, f"{here}: 'scores'")})
    return tuple(images)


def _sections(value: Any, where: str) -> dict[str, str]:
    rule = "a text, or an object with a text for each section"
    sections = {"report": value} if isinstance(value, str) else _object(value, where, rule)
    for section, text in sections.items():
        if not isinstance(text, str):
            raise MedleyError(f"{where}: section '{section}' is {text!r:.60}; it must be a text")
    return {section: _HALF.sub("\N{REPLACEMENT CHARACTER}", text) for section, text in sections.items()}
