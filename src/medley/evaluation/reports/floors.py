"""Floors made of texts alone: what a report scores that nobody wrote for this patient.

Each answers the same cases as the system, in the sections that their references have, and is scored as the system is.
`constant_normal` says one normal report of everybody (of brains `constant_healthy`; `constant_lesion` reports a lesion,
`majority_side` the most frequent one of training), `most_frequent` the training report that stands there most often,
`nearest_text` copies the report of the training study whose note (indication, history) is nearest. A system that reads
the image should be above all of them. `nearest_reference` copies the training report that is nearest to the true one: a
ceiling of what copying can reach, since it knows the answer.

Every copy is made section by section, from the training studies that have the section. Among equally near ones the
text that most of them share is taken, then the one that is most frequent in training, then the first by its letters: no
order of the studies matters, and a study that is near to nothing gets the most frequent report.

Shapes: N scored studies, M training studies.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Case, Prediction, target_sections
from medley.evaluation.reports import brain_floors
from medley.evaluation.reports.tasks import BRAIN, CHEST
from medley.evaluation.text.sections import joined

CONSTANT_NORMAL = {
    "findings": "The heart is normal in size. The mediastinal contours are within normal limits. The lungs are clear. "
    "There is no pleural effusion or pneumothorax. The bony structures are intact.",
    "impression": "No acute cardiopulmonary abnormality.",
}
CONSTANTS = {CHEST: {"constant_normal": CONSTANT_NORMAL}, BRAIN: brain_floors.CONSTANTS}
_COPIES = ("most_frequent", "nearest_text", "nearest_reference")
OF_TEXTS = {
    CHEST: (*CONSTANTS[CHEST], *_COPIES),
    BRAIN: (*CONSTANTS[BRAIN], brain_floors.MAJORITY, *_COPIES),
}
_COPYING = (
    "most_frequent, nearest_text and nearest_reference copy training reports section by section, nearest by cosine of "
    "TF-IDF of words and pairs, among equals the most frequent"
)
_SAYING = {
    task: "; ".join(f"{name} says '{says['findings']}' and '{says['impression']}'" for name, says in of.items())
    for task, of in CONSTANTS.items()
}
DEFINITIONS = {
    CHEST: f"floors/1: {_SAYING[CHEST]}; {_COPYING}",
    BRAIN: f"floors/1: {_SAYING[BRAIN]}; {brain_floors.DEFINITION}; {_COPYING}",
}
SAME = 1e-9  # likenesses nearer than this are equal: sums of the same numbers in another order
IN_MEMORY = 2**24  # likenesses held at once (128 MB)


class TextFloors(NamedTuple):
    """Name -> the floor's answers to the scored cases; and of those that there cannot be, name -> why."""

    floors: dict[str, list[Prediction]]
    ceilings: dict[str, list[Prediction]]
    absent: dict[str, str]


def text_floors(
    predictions: Sequence[Prediction],
    train: Sequence[Case],
    notes: Mapping[str, str | None],
    train_notes: Mapping[str, str | None] | None = None,
) -> TextFloors:
    """All floors that need no model. `train` is empty where no training reports are at hand.

    `notes` are those of the scored and of the training cases, by case id, as `data.notes.make_notes` reads them; where
    the training cases are of another table, whose ids may be the same, theirs are `train_notes`.
    """
    task = predictions[0].task
    made: dict[str, list[Prediction] | str] = {
        **{name: constant(predictions, says) for name, says in CONSTANTS[task].items()},
        **({brain_floors.MAJORITY: majority_side(predictions, train)} if task == BRAIN else {}),
        "most_frequent": most_frequent(predictions, train),
        "nearest_text": nearest_text(predictions, train, notes, train_notes),
        "nearest_reference": nearest_reference(predictions, train),
    }
    there = {name: lines for name, lines in made.items() if not isinstance(lines, str)}
    ceilings = {name: there.pop(name) for name in ("nearest_reference",) if name in there}
    return TextFloors(there, ceilings, {name: why for name, why in made.items() if isinstance(why, str)})


def constant_normal(predictions: Sequence[Prediction]) -> list[Prediction]:
    """One normal report of a chest film for everybody."""
    return constant(predictions, CONSTANT_NORMAL)


def constant(predictions: Sequence[Prediction], says: Mapping[str, str]) -> list[Prediction]:
    """One report for everybody; a section that is neither findings nor impression gets both."""
    whole = joined(says)
    return [_said(one, {section: says.get(section, whole) for section in _asked(one)}) for one in predictions]


def majority_side(predictions: Sequence[Prediction], train: Sequence[Case]) -> list[Prediction] | str:
    """The report of a lesion on the most frequent side of the training lesions, with the lobes and components that are
    worth saying of everybody; or why there is none."""
    if isinstance(reports := _reports(predictions, train), str):
        return reports
    says = brain_floors.majority_report(train)
    return says if isinstance(says, str) else constant(predictions, says)


def most_frequent(predictions: Sequence[Prediction], train: Sequence[Case]) -> list[Prediction] | str:
    """The text that most training reports share, section by section; or why there is none."""
    nothing_M = np.zeros(len(train))
    return nearest_report(predictions, train, (nothing_M for _ in predictions))


def nearest_text(
    predictions: Sequence[Prediction],
    train: Sequence[Case],
    notes: Mapping[str, str | None],
    train_notes: Mapping[str, str | None] | None = None,
) -> list[Prediction] | str:
    """The report of the training study with the nearest note; or why there can be none.

    A study without a note is near to nothing, and gets the most frequent report.
    """
    if isinstance(reports := _reports(predictions, train), str):
        return reports
    told = notes if train_notes is None else train_notes
    ours = [notes.get(one.case_id) or "" for one in predictions]
    theirs = [told.get(case.case_id) or "" for case in train]
    for which, texts in (("scored", ours), ("training", theirs)):
        if not any(map(_has_word, texts)):
            return f"no {which} study has an indication or another note"
    return nearest_report(predictions, train, _cosines(ours, theirs))


def nearest_reference(predictions: Sequence[Prediction], train: Sequence[Case]) -> list[Prediction] | str:
    """The training text that is nearest to the true one, section by section; or why there can be none."""
    reports = _reports(predictions, train)
    if isinstance(reports, str):
        return reports
    if not any(joined(one.reference) for one in predictions):
        return "no scored study has a reference"
    said: dict[str, dict[str, str]] = {one.case_id: {} for one in predictions}
    for section, known in reports.items():
        asked = [one for one in predictions if section in _asked(one)]
        if any(map(_has_word, known.texts)):
            rows = _cosines([one.reference.get(section, "") for one in asked], known.texts)
        else:
            rows = iter(np.zeros((len(asked), len(known.texts))))
        for one, likeness in zip(asked, rows, strict=True):
            said[one.case_id][section] = known.texts[known.best(likeness[known.text_K])]
    return [_said(one, said[one.case_id]) for one in predictions]


def nearest_report(
    predictions: Sequence[Prediction], train: Sequence[Case], likeness_NM: Iterable[np.ndarray]
) -> list[Prediction] | str:
    """Each study gets the report of the training study that is most like it; or why there can be none.

    `likeness_NM` gives for each scored study how like each training study is to it [M], finite, in any unit: notes,
    films, findings. Raises MedleyError where a row is not of that shape.
    """
    reports = _reports(predictions, train)
    if isinstance(reports, str):
        return reports
    found = []
    for one, likeness_M in zip(predictions, likeness_NM, strict=True):
        if np.shape(likeness_M) != (len(train),) or not np.isfinite(likeness_M).all():
            rule = f"one finite number for each of the {len(train)} training studies"
            raise MedleyError(f"nearest report of case '{one.case_id}': its likeness must be {rule}")
        texts = {section: reports[section] for section in _asked(one)}
        found.append(_said(one, {name: of.texts[of.best(likeness_M[of.study_K])] for name, of in texts.items()}))
    return found


class _Known(NamedTuple):
    """What training says in one section: K studies have it. `texts` are distinct, the most frequent first."""

    texts: list[str]
    text_K: np.ndarray  # which of the texts each study has
    study_K: np.ndarray  # which of the M studies it is

    def best(self, likeness_K: np.ndarray) -> int:
        """The text that most of the nearest studies share; of several, the more frequent in training."""
        nearest_K = likeness_K >= likeness_K.max() - SAME
        return int(np.bincount(self.text_K[nearest_K]).argmax())


def _reports(predictions: Sequence[Prediction], train: Sequence[Case]) -> dict[str, _Known] | str:
    """The training texts of every section that a scored reference has; or why nothing can be copied."""
    if not train:
        return "there are no training reports at hand"
    scored = {one.patient_id for one in predictions}
    if both := sorted(scored & {case.patient_id for case in train}):
        return f"patient '{both[0]}' is scored and among the training reports, which would be copied"
    reports = {}
    for section in dict.fromkeys(section for one in predictions for section in _asked(one)):
        said = [_section(target_sections(case), section) for case in train]
        study_K = np.array([number for number, text in enumerate(said) if text], int)
        if not len(study_K):
            return f"no training report has the section '{section}'"
        counts = Counter(said[number] for number in study_K)
        texts = sorted(counts, key=lambda text: (-counts[text], text))
        number_of = {text: number for number, text in enumerate(texts)}
        reports[section] = _Known(texts, np.array([number_of[said[number]] for number in study_K]), study_K)
    return reports


def _section(sections: Mapping[str, str], section: str) -> str:
    """A training report's text for a section; the whole of it for one that has no name of its own."""
    return sections.get(section, "") or (joined(sections) if section == "report" else "")


def _asked(one: Prediction) -> list[str]:
    """The sections that the reference has: no other is written. Without a reference those that the system writes, since
    a floor that says nothing would be none where the truth is a table's labels."""
    sections = one.reference if joined(one.reference) else one.hypothesis
    return [section for section, text in sections.items() if text.strip()]


def _said(one: Prediction, hypothesis: Mapping[str, str]) -> Prediction:
    """The case with its truth, answered by these words and nothing else."""
    return replace(one, hypothesis=dict(hypothesis), scores={}, heads={}, images=(), extra={})


def _has_word(text: str) -> bool:
    return re.search(r"\w", text) is not None


def _cosines(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[np.ndarray]:
    """For each of our texts, its cosine with each of theirs; words weigh as they are rare among theirs."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+")
    theirs_GM = words.fit_transform(theirs).T.tocsr()
    ours_NG = words.transform(ours)
    chunk = max(1, IN_MEMORY // len(theirs))
    for start in range(0, len(ours), chunk):
        yield from (ours_NG[start : start + chunk] @ theirs_GM).toarray()
