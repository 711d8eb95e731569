"""Iterative stratification (Sechidis, Tsoumakas, Vlahavas, ECML 2011) with patients as the units that move.

The rarest label that is still open is dealt out first, each of its patients to the part that still wants most of that
label; so a label of few positives is spread by its share, where chance would leave a part without it. A patient brings
all studies along, so what moves are counts, not single positives; patients with most of the label move first, while all
parts still want.      Shapes: P patients, L labels and, last, the number of studies, K parts
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medley.core.records import Case
from medley.core.seeds import generator


def patient_positives(cases: Sequence[Case], labels: Sequence[str]) -> dict[str, np.ndarray]:
    """patient -> its positives per label and its cases per stratum of the truth, and its cases as a last column, so
    that parts are of even size too."""
    strata = sorted({stratum for case in cases if (stratum := stratum_of(case))})
    out: dict[str, np.ndarray] = {}
    for case in cases:
        row = out.setdefault(case.patient_id, np.zeros(len(labels) + len(strata) + 1))
        stratum = stratum_of(case)
        row += [case.labels.get(label) == 1 for label in labels] + [stratum == one for one in strata] + [1]
    return out


def stratum_of(case: Case) -> str | None:
    """Which kind of brain a case is, healthy x side x grade as far as they are known: `left HGG`; None where the truth
    does not say whether it is healthy. A table of brains has few labels, so these are what its parts must share."""
    if "healthy" not in case.truth:
        return None
    if case.truth["healthy"]:
        return "healthy"
    return f"{case.truth.get('sides') or 'side not known'} {case.truth.get('grade', '')}".strip()


def deal(positives: Mapping[str, np.ndarray], fractions: Sequence[float], *key: object) -> dict[str, int]:
    """Iterative stratification: patient -> index into `fractions`. Independent of the order of the patients."""
    patients = sorted(positives)
    order = generator("split", *key).permutation(len(patients))
    patients = [patients[i] for i in order]
    counts_PL = np.array([positives[patient] for patient in patients]).reshape(len(patients), -1)
    shares_K = np.array(fractions)
    wanted_KL = shares_K[:, None] * counts_PL.sum(axis=0)
    open_P = np.ones(len(patients), bool)
    part_P = np.zeros(len(patients), int)
    while open_P.any():
        left_L = counts_PL[open_P].sum(axis=0)
        label = int(np.argmin(np.where(left_L > 0, left_L, np.inf)))  # the rarest; the last column is never rarer
        holders = np.flatnonzero(open_P & (counts_PL[:, label] > 0))
        holders = holders[np.argsort(-counts_PL[holders, label], kind="stable")]  # large patients first, while all fits
        for patient in holders:
            want_K = np.where(shares_K > 0, wanted_KL[:, label], -np.inf)
            best = np.flatnonzero(want_K == want_K.max())
            part = best[np.argmax(wanted_KL[best, -1])]  # a tie goes to the part that wants most cases
            part_P[patient] = part
            wanted_KL[part] -= counts_PL[patient]
        open_P[holders] = False
    return {patient: int(part) for patient, part in zip(patients, part_P, strict=True)}
