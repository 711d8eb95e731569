"""The two systems' tables, head by head, as functions of case weights: each alone, and both pooled for the exchange.

What depends on the order of the scores is exchanged as ranks within the system (as in Venkatraman and Begg 1996): a
system that is surer than the other orders its cases no better for it, and mixing raw scores of unlike scales would
blind the test to what the order shows.

Shapes: N rows of a table, S studies, L labels, R resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medley.core.errors import MedleyError
from medley.evaluation.classification import macro_labels
from medley.evaluation.compare.systems import System
from medley.evaluation.findings.metrics import Values, Weighted, fitted_metrics, ranked_metrics
from medley.evaluation.findings.scorecard import IMAGES
from medley.evaluation.fitted.usable import CALIBRATED, CALLED, Fits
from medley.evaluation.predictions.arrays import FUSED, Table, head_tables, image_table
from medley.evaluation.ranking import areas_of, rank
from medley.evaluation.scorecard.card import LabelScores
from medley.evaluation.statistics import Metric

_AVERAGES = ("_macro", "_micro", "_chexpert5")


@dataclass(frozen=True)
class Side:
    """One system's table of a head, its own thresholds and calibrated scores, and its scorecard for the reasons."""

    system: System
    table: Table
    fits: Fits | None  # None: of single images, for which nothing is fitted


@dataclass(frozen=True)
class PairedHead:
    """One head of both systems. `columns` are the labels of the averages, the same for both as the truth is."""

    name: str
    a: Side
    b: Side
    columns: list[int]

    def metrics(self) -> tuple[Weighted, Weighted, Weighted]:
        """Functions of the weights of the studies: A [S, R], B [S, R], and both, A's studies before B's [2S, R]."""
        a, b = (self._together(ranked_metrics(side.table, self.columns), side) for side in (self.a, self.b))
        return a, b, self._together(self._ranked_together(), self._pooled())

    def named(self, metric: str) -> str:
        """An average's name in a scorecard."""
        return metric if self.name == FUSED else f"{self.name}/{metric}"

    def own(self, side: Side, label: str | None, metric: str) -> Metric | None:
        """What the side's scorecard says of the metric."""
        if label is None:
            return side.system.card.metrics.get(self.named(metric))
        return scores_of(side.system, self.name, label).metrics.get(metric)

    def cases(self, label: str | None) -> int:
        """How many rows of A's table a metric of this label, or of the averages, rests on."""
        labels_NL = self.a.table.labels_NL
        of = self.columns if label is None else [self.a.table.names.index(label)]
        return int((~np.isnan(labels_NL[:, of])).any(axis=1).sum())

    def unlike(self, label: str | None, metric: str) -> str | None:
        """Why the two values of a metric are not of one kind; None where they are."""
        base = metric
        for suffix in _AVERAGES if label is None else ():
            base = base.removesuffix(suffix)
        for what, of in (("thresholds", CALLED), ("calibration", CALIBRATED)):
            ours, theirs = (side.system.card.protocol.get(what) for side in (self.a, self.b))
            if base in of and None not in (ours, theirs) and ours != theirs:
                return f"{what} of A: {ours}, of B: {theirs}"
        if label is not None or self.a.fits is None or self.b.fits is None or metric.endswith("_chexpert5"):
            return None
        ours, theirs = (side.fits.columns(base, self.columns) for side in (self.a, self.b) if side.fits)
        if not ours or not theirs or ours == theirs:
            return None
        odd = [self.a.table.names[i] for i in sorted({*ours} ^ {*theirs})]
        return f"A and B average over unlike labels: only one of them has a fit for {', '.join(odd)}"

    def _together(self, ranked: Weighted, side: Side) -> Weighted:
        """With what rests on thresholds and probabilities, where there are any."""
        if side.fits is None:
            return ranked
        fitted = fitted_metrics(side.table, self.columns, side.fits)
        return lambda weights_SR: {**ranked(weights_SR), **fitted(weights_SR)}

    def _pooled(self) -> Side:
        """The rows of A before those of B."""
        table = self._stacked([self.a.table.scores_NL, self.b.table.scores_NL])
        a, b = self.a.fits, self.b.fits
        if a is None or b is None:
            return Side(self.a.system, table, None)
        thresholds_NL = [np.broadcast_to(fits.thresholds_L, fits.calibrated_NL.shape) for fits in (a, b)]
        calibrated_NL = np.concatenate([a.calibrated_NL, b.calibrated_NL])
        return Side(self.a.system, table, Fits(np.concatenate(thresholds_NL), calibrated_NL, {}, {}))

    def _ranked_together(self) -> Weighted:
        """AUROC and average precision of pooled ranks: label by label, and for `micro` among all labels at once."""
        sides = (self.a.table, self.b.table)
        by_label = ranked_metrics(self._stacked([_ranks(table, axis=0) for table in sides]), self.columns)
        at_once = self._stacked([_ranks(table, axis=None) for table in sides])
        ranking = rank(at_once.labels_NL[:, self.columns], at_once.scores_NL[:, self.columns])

        def metrics(weights_SR: np.ndarray) -> Values:
            micro = areas_of(ranking, at_once.weights(weights_SR))
            return {**by_label(weights_SR), (None, "auroc_micro"): micro[0], (None, "ap_micro"): micro[1]}

        return metrics

    def _stacked(self, scores: list[np.ndarray]) -> Table:
        studies, sides = len(self.a.system.predictions), (self.a.table, self.b.table)
        return Table(
            self.a.table.names,
            np.concatenate([table.labels_NL for table in sides]),
            np.concatenate(scores),
            np.concatenate([self.a.table.study_N, self.b.table.study_N + studies]),
        )


def paired_heads(a: System, b: System) -> tuple[dict[str, PairedHead], list[str]]:
    """(head -> both systems' tables of it, warnings of what only one of them has). The systems are `alike`."""
    tables = [head_tables(system.predictions) for system in (a, b)]
    columns, _ = macro_labels(tables[0][FUSED].labels_NL, tables[0][FUSED].names)
    warnings = []
    for name, ours, theirs in (("A", *tables), ("B", *reversed(tables))):
        if only := [head for head in ours if head not in theirs]:
            warnings.append(f"only {name} has the heads {', '.join(only)}: they are not compared")
    heads = {
        head: PairedHead(head, _side(a, head, table), _side(b, head, tables[1][head]), columns)
        for head, table in tables[0].items()
        if head in tables[1]
    }
    images = [image_table(system.predictions) for system in (a, b)]
    if images[0] is not None and images[1] is not None:
        if _views(a) == _views(b):
            heads[IMAGES] = PairedHead(IMAGES, Side(a, images[0], None), Side(b, images[1], None), columns)
        else:
            warnings.append("A and B did not score the same images of each study: image level is not compared")
    return heads, warnings


def scores_of(system: System, head: str, label: str) -> LabelScores:
    """A label's entry in the scorecard; MedleyError where it has none."""
    found = system.card.per_label.get(head, {}).get(label)
    if found is None:
        raise MedleyError(
            f"{system.path} has no per_label/{head}/{label}, and the predictions beside it do; score again"
        )
    return found


def _side(system: System, head: str, table: Table) -> Side:
    """The table with the thresholds that the scorecard holds, and with scores calibrated as it says they were."""
    thresholds_L = np.full(len(table.names), np.nan)
    calibrated_NL = np.full(table.scores_NL.shape, np.nan)
    for i, label in enumerate(table.names):
        scores = scores_of(system, head, label)
        if scores.threshold is not None:
            thresholds_L[i] = scores.threshold
        own = scores.metrics.get("ece_calibrated")
        curve = system.calibration.of(head, label)[0] if system.calibration else None
        if own is not None and own.value is not None and curve is not None:
            calibrated_NL[:, i] = curve(table.scores_NL[:, i])
    return Side(system, table, Fits(thresholds_L, calibrated_NL, {}, {}))


def _views(system: System) -> list[list[str]]:
    return [[str(image["view"]) for image in prediction.images] for prediction in system.predictions]


def _ranks(table: Table, axis: int | None) -> np.ndarray:
    """Midranks of the scores whose label is known, within each label (0) or among all (None); 0 for the others."""
    from scipy.stats import rankdata

    known_NL = ~np.isnan(table.labels_NL)
    ranks = rankdata(np.where(known_NL, table.scores_NL, np.nan), axis=axis, nan_policy="omit")
    return np.where(known_NL, ranks.reshape(known_NL.shape), 0)
