"""Why a number of the findings scorecard is missing, and what a reader of the others must know.

A metric that cannot be computed is null with a reason in words; a label that an average leaves out is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from medley.core.labels import CHEXPERT_5
from medley.core.records import Prediction
from medley.evaluation.classification import MIN_SUPPORT, support
from medley.evaluation.scorecard import Protocol
from medley.evaluation.tables import FUSED, Table
from medley.evaluation.thresholds import Thresholds

Key = tuple[str, str | None, str]  # head, label (None: all of them), metric
Cuts = dict[str, tuple[float, str | None]]  # label -> (threshold or nan, why it is nan)


def usable_thresholds(
    head: str, names: Sequence[str], predictions: Sequence[Prediction], thresholds: Thresholds | None
) -> Cuts:
    """The thresholds that may be used on these patients."""
    if thresholds is None:
        return dict.fromkeys(names, (np.nan, "no thresholds: none were fitted on a dev part"))
    scored = {prediction.patient_id for prediction in predictions}
    if seen := thresholds.seen_in(scored):
        reason = f"thresholds were fitted on {len(seen)} of the {len(scored)} scored patients, first '{seen[0]}'"
        return dict.fromkeys(names, (np.nan, reason))
    found = {name: thresholds.of(head, name) for name in names}
    return {name: (np.nan if value is None else value, reason) for name, (value, reason) in found.items()}


def cases_of(key: Key, truth: Table, images: Table | None, columns: Sequence[int]) -> int:
    """How many studies (images, at image level) with a known label the metric rests on."""
    head, label, metric = key
    if label is not None:
        return int((~np.isnan(truth.labels_NL[:, truth.names.index(label)])).sum())
    if metric == "auroc_chexpert5":
        columns = [i for i, name in enumerate(truth.names) if name in CHEXPERT_5]
    rows = images if head == "image_level" and images is not None else truth
    return int((~np.isnan(rows.labels_NL[:, list(columns)])).any(axis=1).sum())


def why_undefined(key: Key, truth: Table, columns: Sequence[int], cuts: Mapping[str, Cuts]) -> str:
    """The reason in words for a metric that is nan on all cases."""
    head, label, metric = key
    if label is not None:
        positives, negatives, _ = (int(n[truth.names.index(label)]) for n in support(truth.labels_NL))
        if metric == "f1" and cuts[head][label][1]:
            return str(cuts[head][label][1])
        if not positives + negatives:
            return "no case with a known label"
        return "no positive case" if not positives else "no negative case"
    if metric == "auroc_chexpert5":
        if missing := [name for name in CHEXPERT_5 if name not in truth.names]:
            return f"not scored: {', '.join(missing)}"
        positives_L, negatives_L, _ = support(truth.labels_NL)
        one_class = [name for name in CHEXPERT_5 if not (positives_L * negatives_L)[truth.names.index(name)]]
        return f"of one class only: {', '.join(one_class)}"
    if not columns:
        return f"no label has {MIN_SUPPORT} positives and {MIN_SUPPORT} negatives"
    if metric.startswith("f1"):  # no label of the average has a threshold
        return next(reason for _, reason in (cuts[head][truth.names[i]] for i in columns) if reason)
    return "an image of each class is needed for every label of the average"


def warnings_of(
    predictions: Sequence[Prediction],
    tables: Mapping[str, Table],
    left_out: Mapping[str, str],
    protocol: Protocol,
    cuts: Mapping[str, Cuts],
) -> list[str]:
    """What a reader of the numbers must know, one line each."""
    truth, warnings = tables[FUSED], []
    if left_out:
        named = "; ".join(f"{name} ({why})" for name, why in left_out.items())
        warnings.append(f"left out of the averages for want of {MIN_SUPPORT} positives and negatives: {named}")
    known = {name for prediction in predictions for name, value in prediction.labels.items() if value is not None}
    if unscored := sorted(known - set(truth.names)):
        warnings.append(f"labelled but not scored, so in no number here: {', '.join(unscored)}")
    for head, table in tables.items():
        flat = [name for i, name in enumerate(table.names) if np.ptp(table.scores_NL[:, i]) == 0]
        if flat and len(predictions) > 1:
            warnings.append(f"head {head} gives every case the same score for {', '.join(flat)}")
    for head, of_label in cuts.items():
        reasons = {name: why for name, (_, why) in of_label.items() if why}
        if len(set(reasons.values())) == 1 and len(reasons) == len(of_label):
            why = next(iter(reasons.values()))
            warnings.append(f"head {head}: no F1, precision, recall, specificity or accuracy: {why}")
        elif reasons:
            named = "; ".join(f"{name} ({why})" for name, why in reasons.items())
            warnings.append(f"head {head}: without a threshold, so in no F1: {named}")
    without_images = sum(not prediction.images for prediction in predictions)
    if 0 < without_images < len(predictions):
        warnings.append(f"image level leaves out {without_images} studies whose prediction holds no images")
    of_reports = ("section", "text_cleaning")  # findings have neither
    if unstated := [name for name, value in asdict(protocol).items() if value is None and name not in of_reports]:
        warnings.append(f"the protocol does not state: {', '.join(unstated)}")
    return warnings
