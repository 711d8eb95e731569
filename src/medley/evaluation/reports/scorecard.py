"""The scorecard of reports: what they say, how alike their words are, and the floors that a report must be above.

A likeness of words is read beside the same likeness of a report that nobody wrote for this patient, and what a text
says beside what the truth is. Whatever cannot be computed is null with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.counts import counted
from medley.core.records import Prediction
from medley.evaluation import text
from medley.evaluation.clinical.facts import LabelSupport
from medley.evaluation.clinical.labels import NamedLabeler
from medley.evaluation.findings.warnings import few_resamples
from medley.evaluation.fitted.calibration import Calibration
from medley.evaluation.fitted.thresholds import Thresholds
from medley.evaluation.predictions.lines import one_task
from medley.evaluation.reports.auxiliary import score_auxiliary
from medley.evaluation.reports.beside import Answers, score_beside
from medley.evaluation.reports.external import External, external_by_report, external_metrics
from medley.evaluation.reports.floors import DEFINITIONS as TEXT_FLOORS
from medley.evaluation.reports.floors import OF_TEXTS
from medley.evaluation.reports.statistics import ReportStatistics, report_statistics
from medley.evaluation.reports.subgroups import report_subgroups
from medley.evaluation.reports.tasks import BRAIN, CHEST
from medley.evaluation.scorecard.card import LabelScores, Protocol, Scorecard
from medley.evaluation.scorecard.report_kinds import kind_of
from medley.evaluation.text.bertscore import Encoder

ONE_TEXT = 0.5  # a share of reports that are word for word the same which a reader should know of
CLEANING = "as written; control characters are spaces"


def chest_report_scorecard(predictions: Sequence[Prediction], **how: Any) -> Scorecard:
    """The scorecard of reports of chest films; `how` as for `report_scorecard`."""
    return report_scorecard(predictions, CHEST, **how)


def brain_report_scorecard(predictions: Sequence[Prediction], **how: Any) -> Scorecard:
    """The scorecard of reports of brain MRI; `how` as for `report_scorecard`."""
    return report_scorecard(predictions, BRAIN, **how)


def report_scorecard(
    predictions: Sequence[Prediction],
    task: str,
    *,
    floors: Answers,
    ceilings: Answers,
    absent: Mapping[str, str],
    protocol: Protocol,
    provenance: Mapping[str, Any],
    thresholds: Thresholds | None = None,
    calibration: Calibration | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    tokens: str = "coco",
    wordnet: Path | None = None,
    encoder: Encoder | None = None,
    labeler: NamedLabeler | None = None,
    external: External | None = None,
) -> Scorecard:
    """Score reports; `bootstrap` is the number of resamples of the patients, 0 for no intervals.

    `floors` and `ceilings` are whole predictions of the same cases; `absent` says of a floor why it could not be made.
    `thresholds` and `calibration` are of the findings beside the text. `tokens`, `wordnet`, `encoder` and `labeler` are
    those of `report_statistics`, `external` is what `run_scorers` gives. Raises MedleyError where the predictions are
    not one table of reports, where nothing can be held against them, and where a floor is of other cases.
    """
    predictions, kind = one_task(predictions, task), kind_of(task)
    read = partial(report_statistics, task=task, tokens=tokens, wordnet=wordnet, encoder=encoder, labeler=labeler)
    drawn = {"resamples": bootstrap, "seed": seed}
    system = read(predictions)
    measured = system.measured(**drawn)
    below, above = (
        score_beside(predictions, system, measured.metrics, answers, read, **drawn) for answers in (floors, ceilings)
    )
    findings = score_auxiliary(
        predictions,
        floors,
        thresholds=thresholds,
        calibration=calibration,
        protocol=protocol,
        bootstrap=bootstrap,
        seed=seed,
    )
    parted, of_subgroups = report_subgroups(predictions, system, **drawn)
    scorers = external or {}
    elsewhere = external_metrics(scorers, predictions, **drawn)
    sections = [prefix.removesuffix("/") for prefix in system.texts if prefix]
    protocol = replace(
        protocol,
        section=protocol.section or ", ".join([*sections, "all joined"]),
        text_cleaning=protocol.text_cleaning or CLEANING,
    )
    per_label = {head: _label_scores(labels, len(system.rows_M)) for head, labels in measured.per_label.items()}
    return Scorecard(
        task=task,
        protocol={
            **asdict(protocol),
            "studies": len(predictions),
            "patients": len(set(system.patient_ids)),
            "labels": list(measured.per_label[kind.heads[0]]),
            **_definitions(system),
            "external": {name: f"{of.scorer} {of.version}" for name, of in scorers.items() if not isinstance(of, str)},
            **findings.protocol,
        },
        provenance={
            **provenance,
            "bootstrap": bootstrap,
            "bootstrap_seed": seed,
            "text_versions": text.versions(),
            **({"text_floors": TEXT_FLOORS[task]} if {*floors, *ceilings} & {*OF_TEXTS[task]} else {}),
        },
        metrics={**measured.metrics, **elsewhere, **findings.metrics, **below.metrics, **above.metrics},
        floors=below.values,
        ceilings=above.values,
        per_label={**per_label, **findings.per_label},
        subgroups=parted,
        warnings=(
            *system.remarks,
            *_same_words(predictions),
            *(
                f"the {'ceiling' if name in kind.ceilings else 'floor'} {name} is missing: {why}"
                for name, why in absent.items()
            ),
            *_left_out(measured.left_out, kind.left_out_of),
            *(f"external scorer {name}: {of}" for name, of in scorers.items() if isinstance(of, str)),
            *findings.warnings,
            *of_subgroups,
            *_unstated(protocol),
            *few_resamples(bootstrap),
        ),
        by_case=_by_case(system, external_by_report(scorers, predictions)),
    )


def _definitions(system: ReportStatistics) -> dict[str, str]:
    """What a comparison holds to be the same: the words of all definitions, and what is true."""
    said = dict(system.definitions)
    return {"metric_definitions": f"{said.pop('text')}; {said.pop('clinical')}", **said}


def _label_scores(labels: Mapping[str, LabelSupport], reports: int) -> dict[str, LabelScores]:
    return {
        name: LabelScores(
            positives=of.positives,
            negatives=of.known - of.positives,
            unknown=reports - of.known,
            threshold=None,
            metrics=of.metrics,
            said=of.said,
        )
        for name, of in labels.items()
    }


def _by_case(system: ReportStatistics, of_scorers: Mapping[str, np.ndarray]) -> dict[str, dict[str, float | None]]:
    columns = {**system.by_report(), **of_scorers}
    return {
        case_id: {name: None if np.isnan(values_N[row]) else float(values_N[row]) for name, values_N in columns.items()}
        for row, case_id in enumerate(system.case_ids)
    }


def _same_words(predictions: Sequence[Prediction]) -> list[str]:
    """A system that says one thing to everybody may score well, so it is said."""
    texts = Counter(tuple(sorted(one.hypothesis.items())) for one in predictions)
    [(_, most)] = texts.most_common(1)
    if len(predictions) < 2 or most < ONE_TEXT * len(predictions):
        return []
    return [f"{most} of {len(predictions)} reports are word for word the same; {counted(len(texts), 'text')} in all"]


def _left_out(left_out: Mapping[str, str], averages: str) -> list[str]:
    if not left_out:
        return []
    named = "; ".join(f"{name} ({why})" for name, why in left_out.items())
    return [f"left out of the macro averages of {averages}: {named}"]


def _unstated(protocol: Protocol) -> list[str]:
    """What nobody said, of what there is to say of reports."""
    unstated = [name for name, value in asdict(protocol).items() if value is None]
    return [f"the protocol does not state: {', '.join(unstated)}"] if unstated else []
