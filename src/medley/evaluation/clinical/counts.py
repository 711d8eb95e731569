"""What each report brings to the clinical metrics: for every label whether it is said, whether it is true, and both.

A metric is a function of sums of these counts over reports, so an interval needs the counts once and no text again.

Labels of texts are 1, 0, -1 (uncertain) and nan (never mentioned), as `language.labeler` gives them. A label that is
never mentioned is not said: it counts as 0, in hypothesis and reference alike. A text of which every label is nan, No
Finding too, could not be read: a hypothesis of that kind claims nothing, and a reference is not known. In a case table
nan is not known. What is not known is left out, cell by cell.

Shapes: N reports, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.errors import MedleyError
from medley.core.labels import UNCERTAIN, require_labels

Labels = Mapping[str, float | None]


@dataclass(frozen=True)
class Counts:
    """One row a report, one column a label; `true` and `said` are 0 where the truth of a cell is not known."""

    names: tuple[str, ...]
    true_NL: np.ndarray  # float 0 or 1
    said_NL: np.ndarray
    known_NL: np.ndarray

    @property
    def hit_NL(self) -> np.ndarray:
        """1 where a label is both said and true."""
        return self.true_NL * self.said_NL

    def columns(self, names: Sequence[str]) -> list[int]:
        """The columns of these labels; MedleyError names one that is not there."""
        return [self.names.index(name) for name in require_labels(names, self.names, "clinical labels")]

    def stacked(self, other: Counts) -> Counts:
        """The reports of both, one system under the other, for `statistics.permutation_test`."""
        if self.names != other.names or len(self.true_NL) != len(other.true_NL):
            raise MedleyError("two systems can be compared only on the same reports and the same labels")
        pairs = ((self.true_NL, other.true_NL), (self.said_NL, other.said_NL), (self.known_NL, other.known_NL))
        return Counts(self.names, *(np.concatenate(pair) for pair in pairs))


def count_reports(
    truths: Sequence[Labels],
    said: Sequence[Labels],
    names: Sequence[str],
    *,
    uncertain: int,
    truth_is_text: bool,
) -> Counts:
    """The counts of N reports. `uncertain` is what -1 becomes, 1 or 0, on both sides.

    `truth_is_text` says that the truths were read from texts (nan: not said, or all of them: nothing could be read) and
    not from a case table (nan or None: not known). Raises MedleyError for lists of unlike length, a label that a report
    lacks, and a value that is none.
    """
    if len(truths) != len(said):
        raise MedleyError(
            f"clinical metrics: {len(said)} hypotheses for {len(truths)} references; each needs the other"
        )
    if uncertain not in (0, 1):
        raise MedleyError(f"clinical metrics: uncertain is {uncertain}; it must count as 1 or as 0")
    true_NL, said_NL = _values(truths, names, "reference"), _values(said, names, "hypothesis")
    known_NL = ~np.isnan(true_NL)
    if truth_is_text:
        known_NL |= known_NL.any(axis=1, keepdims=True)
    known_NL = known_NL.astype(float)
    binary = [np.where(of_NL == UNCERTAIN, uncertain, np.nan_to_num(of_NL)) for of_NL in (true_NL, said_NL)]
    return Counts(tuple(names), binary[0] * known_NL, binary[1] * known_NL, known_NL)


def _values(reports: Sequence[Labels], names: Sequence[str], what: str) -> np.ndarray:
    """Labels as an array by name [N, L]."""
    rows = []
    for index, labels in enumerate(reports):
        missing = [name for name in names if name not in labels]
        if missing:
            raise MedleyError(
                f"{what} {index} has no label '{missing[0]}'; every report needs every label, nan if unsaid"
            )
        rows.append([np.nan if labels[name] is None else labels[name] for name in names])
    values_NL = np.array(rows, float).reshape(len(rows), len(names))
    odd = ~(np.isnan(values_NL) | np.isin(values_NL, (0.0, 1.0, UNCERTAIN)))
    if odd.any():
        row, column = np.argwhere(odd)[0]
        rule = "a label is 1, 0, -1 (uncertain) or nan"
        raise MedleyError(f"{what} {row}: '{names[column]}' is {values_NL[row, column]:g}; {rule}")
    return values_NL
