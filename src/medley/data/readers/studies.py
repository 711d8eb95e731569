"""Rows -> studies: the values of a row (view, sex, age, label) made plain, and the rows of one study made one Case."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError
from medley.core.labels import NOT_KNOWN, canonical
from medley.core.records import VIEWS, Case, ImageRef
from medley.data.readers.reading import Reading, Remarks

_LABELS = {"": NOT_KNOWN, "nan": NOT_KNOWN}
_LABELS |= {text: float(text) for text in ("1", "0", "-1", "1.0", "0.0", "-1.0")}
_STRENGTH = {1.0: 3, -1.0: 2, 0.0: 1}  # rows of one study disagree: what one row saw outweighs what another did not
_BOX_ALIASES = {"Infiltrate": "Infiltration"}  # NIH's box list spells it so
MAX_AGE_YEARS = 120
_ORDER = ("PA", "AP", "UNKNOWN", "LATERAL")  # of the images of a case: frontals first
assert set(_ORDER) == set(VIEWS)


def view_of(text: str) -> str:
    """A dataset's word for a projection as one of VIEWS: 'AP Supine' -> AP, 'LL' -> LATERAL, oblique -> UNKNOWN."""
    words = re.sub(r"[^A-Z]+", " ", text.upper()).split()
    joined = " ".join(words)
    if {"LATERAL", "L", "LL", "RL", "LAT"} & set(words) and "DECUBITUS" not in words:
        return "LATERAL"
    if "PA" in words or "POSTERO ANTERIOR" in joined or "POSTEROANTERIOR" in joined:
        return "PA"
    if "AP" in words or "ANTERO POSTERIOR" in joined or "ANTEROPOSTERIOR" in joined:
        return "AP"
    return "UNKNOWN"


def sex_of(text: str) -> str | None:
    """F, M or None (unknown, other, blank)."""
    return {"F": "F", "FEMALE": "F", "M": "M", "MALE": "M"}.get(text.strip().upper())


def age_of(text: str, where: str, remarks: Remarks) -> float:
    """Age in years; nan when blank, 0 (unknown in CheXpert and Open-i), not a number, or impossible (counted)."""
    text = text.strip()
    months = re.fullmatch(r"0*(\d+)([YMDW])", text.upper())  # DICOM's age string, in NIH's first release: 058Y
    if months:
        years = int(months[1]) / {"Y": 1, "M": 12, "W": 52.18, "D": 365.25}[months[2]]
        return years if years <= MAX_AGE_YEARS else _not_an_age(text, where, remarks)
    if not text or text.lower() == "nan":
        return math.nan
    try:
        years = float(text)
    except ValueError:
        return _not_an_age(text, where, remarks)
    if years == 0 or math.isnan(years):
        return math.nan
    return years if 0 < years <= MAX_AGE_YEARS else _not_an_age(text, where, remarks)


def _not_an_age(text: str, where: str, remarks: Remarks) -> float:
    remarks.count("age is no number of years in (0, 120], taken as not known", f"'{text}' in {where}")
    return math.nan


def label_of(value: str, column: str, where: str) -> float:
    """1, 0, -1 or nan; anything else is a MedleyError that names the row and the column."""
    try:
        return _LABELS[value.lower()]
    except KeyError:
        rule = "a label must be 1, 0, -1 (uncertain) or blank"
        raise MedleyError(f"{where}: column '{column}' holds '{value}'; {rule}") from None


def box(label: str, image: str, xywh: Sequence[float], frame_px: tuple[float, float]) -> dict[str, Any]:
    """A lesion box for `truth["boxes"]` from x, y, width, height in pixels of a `frame_px` (width, height) image."""
    x, y, width, height = xywh
    corners = (x / frame_px[0], y / frame_px[1], (x + width) / frame_px[0], (y + height) / frame_px[1])
    name = canonical(_BOX_ALIASES.get(label, label))
    return {"label": name, "image": image, "box": [round(min(max(c, 0.0), 1.0), 5) for c in corners]}


@dataclass
class _Draft:
    patient_id: str
    study_id: str
    images: dict[str, ImageRef] = field(default_factory=dict)
    text: dict[str, list[str]] = field(default_factory=dict)  # section -> what its rows say, each once
    labels: dict[str, float] = field(default_factory=dict)
    truth: dict[str, Any] = field(default_factory=dict)
    sex: str | None = None
    age_years: float = math.nan


class Studies:
    """Collects rows; the rows of one `case_id` become one Case with all its views, frontals first."""

    def __init__(self, source: str, remarks: Remarks):
        self._source, self._remarks = source, remarks
        self._drafts: dict[str, _Draft] = {}

    def add(
        self,
        case_id: str,
        patient_id: str,
        study_id: str,
        image: Path | None = None,
        view: str = "UNKNOWN",
        text: Mapping[str, str] | None = None,
        labels: Mapping[str, float] | None = None,
        truth: Mapping[str, Any] | None = None,
        sex: str | None = None,
        age_years: float = math.nan,
        where: str = "",
    ) -> None:
        """One row: an image (or None where the text is the point) and what the row says of its study.

        `where` names the row in errors.
        """
        draft = self._drafts.setdefault(case_id, _Draft(patient_id, study_id))
        if draft.patient_id != patient_id:
            raise MedleyError(
                f"{where}{': ' if where else ''}study '{case_id}' belongs to patient '{patient_id}' here and to "
                f"'{draft.patient_id}' in a row before it; mend the row, or give every patient study ids of his own"
            )
        if image is not None:
            if str(image) in draft.images:
                self._remarks.leave_out("the same image stands twice in its study", f"{image.name} of {case_id}")
            else:
                draft.images[str(image)] = ImageRef(view, str(image))
        for section, words in (text or {}).items():
            if words.strip() and words.strip() not in draft.text.setdefault(section, []):
                draft.text[section].append(words.strip())
        if not draft.labels:
            draft.labels = dict(labels or {})
        elif labels and labels != draft.labels:
            for name, value in labels.items():
                self._add_label(case_id, draft, name, value)
        for key, value in (truth or {}).items():
            if isinstance(value, list):  # boxes: each row brings those of its image
                draft.truth[key] = [*draft.truth.get(key, []), *value]
            elif draft.truth.setdefault(key, value) != value:
                raise MedleyError(f"study '{case_id}' has two values of {key}: {draft.truth[key]} and {value}")
        draft.sex = draft.sex or sex
        draft.age_years = age_years if math.isnan(draft.age_years) else draft.age_years

    def _add_label(self, case_id: str, draft: _Draft, name: str, value: float) -> None:
        known = draft.labels.get(name, NOT_KNOWN)
        if value in _STRENGTH and known in _STRENGTH and value != known:
            kept = "rows of one study disagree on a label, present kept before uncertain before absent"
            self._remarks.count(kept, f"{name} of {case_id}", "value")
        draft.labels[name] = max(known, value, key=lambda v: _STRENGTH.get(v, 0))

    def reading(self, labels: Sequence[str]) -> Reading:
        """The studies as cases. Raises MedleyError, with what was left out and why, when there are none."""
        if not self._drafts:
            why = "; ".join(self._remarks.lines()) or "the table has no rows"
            raise MedleyError(f"no usable study was found: {why}")
        cases = tuple(
            Case(
                case_id=case_id,
                patient_id=draft.patient_id,
                study_id=draft.study_id,
                images=tuple(sorted(draft.images.values(), key=lambda image: (_ORDER.index(image.view), image.path))),
                text={section: "\n".join(words) for section, words in draft.text.items() if words},
                labels={name: draft.labels.get(name, NOT_KNOWN) for name in labels},
                truth=draft.truth,
                sex=draft.sex,
                age_years=draft.age_years,
                source=self._source,
            )
            for case_id, draft in self._drafts.items()
        )
        return Reading(cases, tuple(labels), self._remarks.lines(), self._remarks.left_out)
