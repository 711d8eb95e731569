"""What was fitted on the dev part says on whom, so that no number rests on patients who chose it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from medley.core.config import Config, build_config
from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.records import Prediction


class FittedOnDev(Config):
    """A record of values that were fitted on cases, with the ids of those cases and of their patients."""

    case_ids: tuple[str, ...]
    """The cases they were fitted on."""
    patient_ids: tuple[str, ...]
    """The patients of those cases."""
    weights: str = ""
    """Digest of the weights whose scores they were fitted on; empty where it was not recorded."""

    def seen_in(self, patient_ids: Iterable[str]) -> list[str]:
        """The patients among these that took part in the fitting."""
        return sorted(set(self.patient_ids) & set(patient_ids))

    def why_not_on(self, patient_ids: Iterable[str], what: str, case_ids: Iterable[str] = ()) -> str | None:
        """Why `what` ("thresholds", say) must not be used on these patients and cases; None where it may."""
        scored = set(patient_ids)
        if seen := self.seen_in(scored):
            return f"{what} fitted on {len(seen)} of the {counted(len(scored), 'scored patient')}, first '{seen[0]}'"
        if cases := sorted(set(self.case_ids) & set(case_ids)):
            return f"{what} fitted on {len(cases)} of the scored cases under other patient ids, first '{cases[0]}'"
        return None

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` reads back to an equal record."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, content: Any, where: str) -> Self:
        """The record from `to_json`'s dict. Raises MedleyError naming `where`, the key and the rule."""
        if not isinstance(content, Mapping):
            raise MedleyError(f"{where}: it must be an object with {', '.join(cls.model_fields)}")
        return build_config(cls, content, where)


def ids_of(predictions: Sequence[Prediction]) -> dict[str, tuple[str, ...]]:
    """The ids that a record keeps of the predictions it was fitted on."""
    return {
        "case_ids": tuple(prediction.case_id for prediction in predictions),
        "patient_ids": tuple(sorted({prediction.patient_id for prediction in predictions})),
    }
