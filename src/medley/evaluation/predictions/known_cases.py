"""What a case table and its split say of cases that somebody else has scored: truth, patients, parts, subgroups.

A score is worth nothing where the scored cases were trained on, and flatters where the hard ones are missing. So the
table's word is held against the predictions' own, and each way in which they do not fit is told by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.labels import canonical
from medley.core.records import Case, Prediction, target_sections
from medley.data.cases import CaseTable, read_cases
from medley.data.policies import LabelPolicy
from medley.data.policies import apply as apply_policy
from medley.data.source import DataConfig
from medley.data.splits import PARTS, SplitManifest, read_splits
from medley.evaluation.reports.tasks import REPORT_TASKS
from medley.evaluation.scorecard.card import Protocol
from medley.evaluation.text.sections import joined

_NAMED = 3  # cases that an error names
_VIEWS: Sequence[str] = DataConfig.model_fields["views"].default  # the first of them is the view of the study

Labels = dict[str, int | None]


@dataclass(frozen=True)
class KnownCases:
    """A case table, its split where there is one, and what scoring makes of labels that are uncertain or blank."""

    table: CaseTable
    manifest: SplitManifest | None
    policy: LabelPolicy

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The table's labels in the one spelling of predictions."""
        return tuple(canonical(name) for name in self.table.labels)

    @cached_property
    def patients(self) -> dict[str, str]:
        """case_id -> patient_id."""
        return {case.case_id: case.patient_id for case in self.table.cases}

    @cached_property
    def part_of(self) -> dict[str, str]:
        """case_id -> its part; empty without a split."""
        parts = self.manifest.parts if self.manifest else {}
        return {case_id: part for part, ids in parts.items() for case_id in ids}

    def truth(self, case: Case) -> Labels:
        """Label -> 1, 0, or None (not known), as our own runs are scored: uncertain is not known."""
        values = apply_policy(case.labels, self.table.labels, self.policy, 0, case.case_id)
        return {name: int(value) if value in (0, 1) else None for name, value in zip(self.labels, values, strict=True)}

    def truths(self, part: str, names: Sequence[str]) -> np.ndarray:
        """Truth [N, L] of the cases of a part: 1, 0, nan."""
        assert self.manifest is not None
        rows = [self.truth(case) for case in self.table.pick(self.manifest.parts[part])]
        found = [[np.nan if (value := row.get(name)) is None else value for name in names] for row in rows]
        return np.array(found, float).reshape(len(rows), len(names))

    def protocol(self, part: str | None) -> Protocol:
        """What the table and the split state of a measurement on `part`."""
        return Protocol(
            reader="+".join(sorted({case.source for case in self.table.cases})),
            table=self.table.digest,
            split=self.manifest.digest if self.manifest else None,
            part=part if self.manifest else None,
            label_policy=self.policy.describe(),
            synthetic=all(case.synthetic for case in self.table.cases),
        )

    def joined(self, predictions: Sequence[Prediction], part: str, where: str) -> list[Prediction]:
        """The predictions with the table's truth, and with its sex, age, view and source where they state none.

        Raises MedleyError, naming the first cases, for cases that the table lacks or that are not of `part`, for
        another patient than the table's, and for a label that contradicts it.
        """
        if predictions[0].scores and not set(predictions[0].scores) & set(self.labels):
            scored = ", ".join(predictions[0].scores)
            raise MedleyError(f"{where}: {self.table.path} shares no label with the predictions, which score {scored}")
        cases = self.table.by_id
        self._refuse_strangers(predictions, where)
        self._refuse_other_parts(predictions, part, where)
        return [self._joined(prediction, cases[prediction.case_id], where) for prediction in predictions]

    def with_references(self, predictions: Sequence[Prediction]) -> tuple[list[Prediction], list[str]]:
        """The predictions with the table's reports and truths as what is true, and remarks on what that changed.

        Of a report those sections that some prediction writes; all of it where the study has none of them by name.
        """
        written = {name for one in predictions for name in one.hypothesis}
        found, others, lacking, unwritten = [], 0, 0, Counter[str]()
        for one in predictions:
            case = self.table.by_id[one.case_id]
            said = target_sections(case)
            reference = {name: text for name, text in said.items() if name in written} or said
            unwritten.update(set(said) - set(reference))
            lacking += bool(one.reference) and not reference
            others += bool(one.reference and reference) and joined(one.reference) != joined(reference)
            truth = REPORT_TASKS[one.task].truth(case.truth, f"{self.table.path}: case '{case.case_id}'")
            found.append(replace(one, reference=reference or one.reference, truth={**one.truth, **truth}))
        remarks = [
            f"the section '{name}' of {counted(n, 'reference')} is written by no prediction: left out"
            for name, n in sorted(unwritten.items())
        ]
        if others:
            remarks.append(
                f"{counted(others, 'reference')} of the predictions unlike the table's: scored by the table's"
            )
        if lacking:
            remarks.append(f"the table has no report of {counted(lacking, 'study')}: scored by the predictions' own")
        return found, remarks

    def training(self) -> list[Case]:
        """The cases of the training part; none without a split."""
        return list(self.table.pick(self.manifest.parts["train"])) if self.manifest else []

    def lacking(self, predictions: Sequence[Prediction], part: str) -> list[str]:
        """The cases of the part that have no prediction; none without a split, which alone can tell."""
        scored = {prediction.case_id for prediction in predictions}
        return [case_id for case_id in (self.manifest.parts[part] if self.manifest else ()) if case_id not in scored]

    def _refuse_strangers(self, predictions: Sequence[Prediction], where: str) -> None:
        strangers = [one.case_id for one in predictions if one.case_id not in self.table.by_id]
        if strangers:
            raise MedleyError(
                f"{where}: {self.table.path} lacks {len(strangers)} of the {counted(len(predictions), 'case')}: "
                f"{named(strangers)}; score them with the table that they come from"
            )

    def _refuse_other_parts(self, predictions: Sequence[Prediction], part: str, where: str) -> None:
        if self.manifest is None:
            return
        for other in (*(other for other in PARTS if other != part), None):
            found = [one.case_id for one in predictions if self.part_of.get(one.case_id) == other]
            if found:
                count = f"{len(found)} of the {counted(len(predictions), 'case')}"
                raise MedleyError(
                    f"{where}: in {other or 'no part of the split'}, not in {part}: {count}, {named(found)}; "
                    "leave them out, or name the part that is meant"
                )

    def _joined(self, prediction: Prediction, case: Case, where: str) -> Prediction:
        here = f"{where}: case '{case.case_id}'"
        if prediction.patient_id != case.patient_id:
            raise MedleyError(
                f"{here} is of patient '{prediction.patient_id}' there and of '{case.patient_id}' in {self.table.path}"
            )
        truth = self.truth(case)
        for label, value in prediction.labels.items():
            if value is not None and label in truth and value != truth[label]:
                stated = "not known" if truth[label] is None else truth[label]
                raise MedleyError(
                    f"{here}: '{label}' is {value} there and {stated} in {self.table.path} ({self.policy.describe()}); "
                    "leave the labels out of the predictions to score them by the table"
                )
        age = None if np.isnan(case.age_years) else case.age_years
        about = {"sex": case.sex, "age_years": age, "view": _view(case), "source": case.source or None}
        group = {key: value for key, value in about.items() if value is not None} | dict(prediction.group)
        return replace(prediction, labels={**prediction.labels, **truth}, group=group)


def known_cases(cases: Path, splits: Path | None, blank: str) -> KnownCases:
    """Read a table and its split. `blank` is what an empty label becomes: mask (not known) or negative."""
    table = read_cases(cases)
    manifest = None if splits is None else read_splits(splits, table)
    return KnownCases(table, manifest, LabelPolicy("ignore", blank))


def named(case_ids: Iterable[str]) -> str:
    """The first few of them."""
    case_ids = list(case_ids)
    more = f" and {len(case_ids) - _NAMED} more" if len(case_ids) > _NAMED else ""
    return ", ".join(f"'{case_id}'" for case_id in case_ids[:_NAMED]) + more


def _view(case: Case) -> str | None:
    views = [image.view for image in case.images if image.view in _VIEWS]
    return min(views, key=_VIEWS.index) if views else None
