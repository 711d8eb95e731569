"""The findings that a report system gives beside its text: scored as those of a system of findings are.

They are another answer than the text, and may say something else than it does. Their metrics have the prefix
`auxiliary/`, their labels stand under the head `auxiliary`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from medley.core.records import Prediction
from medley.evaluation.findings.scorecard import TASK, chest_findings_scorecard
from medley.evaluation.fitted.calibration import Calibration
from medley.evaluation.fitted.thresholds import Thresholds
from medley.evaluation.floors.paired import paired_floors
from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard.card import LabelScores, Protocol
from medley.evaluation.scorecard.report_kinds import kind_of
from medley.evaluation.statistics import Metric

HEAD = "auxiliary"
PREFIX = f"{HEAD}/"
SHOWN = ("auroc_macro", "ap_macro", "ece")  # what is null, with the reason, where there are no such findings


@dataclass(frozen=True)
class Auxiliary:
    """Their metrics, their labels, what was left to say of them, and how thresholds were fitted."""

    metrics: dict[str, Metric]
    per_label: dict[str, Mapping[str, LabelScores]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    protocol: dict[str, str | None] = field(default_factory=dict)


def score_auxiliary(
    predictions: Sequence[Prediction],
    floors: Mapping[str, Sequence[Prediction]],
    *,
    thresholds: Thresholds | None,
    calibration: Calibration | None,
    protocol: Protocol,
    bootstrap: int,
    seed: int,
) -> Auxiliary:
    """`scores` against `labels`, and beside them the scores of the floors that give findings too (black images).

    Raises MedleyError where some predictions have scores and others have not.
    """
    if why := _why_not(predictions):
        if not kind_of(predictions[0].task).asks_findings:
            return Auxiliary({})
        return Auxiliary({f"{PREFIX}{name}": Metric(None, None, 0, why) for name in SHOWN})
    system = _as_findings(predictions)
    with_findings = {name: _as_findings(lines) for name, lines in floors.items() if all(one.scores for one in lines)}
    beside = paired_floors(system, with_findings, bootstrap=bootstrap, seed=seed)
    card = chest_findings_scorecard(
        system,
        thresholds=thresholds,
        calibration=calibration,
        protocol=protocol,
        provenance={},
        floors={},
        bootstrap=bootstrap,
        seed=seed,
    )
    # what the card of the reports says itself, or does not show
    ours = ("the protocol does not state", "intervals of", "no subgroups", "subgroups by")
    return Auxiliary(
        metrics={f"{PREFIX}{name}": metric for name, metric in {**card.metrics, **beside.metrics}.items()},
        per_label={HEAD: card.per_label[FUSED]},
        warnings=tuple(f"findings beside the text: {line}" for line in card.warnings if not line.startswith(ours)),
        protocol={f"{HEAD}_{key}": card.protocol[key] for key in ("metric_definitions", "thresholds", "calibration")},
    )


def _as_findings(predictions: Sequence[Prediction]) -> list[Prediction]:
    return [replace(one, task=TASK, heads={}, images=()) for one in predictions]


def _why_not(predictions: Sequence[Prediction]) -> str | None:
    if not any(one.scores for one in predictions):
        return "the predictions hold no scores of findings beside the text"
    scored = {name for one in predictions for name in one.scores}
    if not any(one.labels.get(name) is not None for one in predictions for name in scored):
        return "no label of the findings beside the text is known"
    return None
