"""How far a note that keeps its budget can move an answer: the tolerances of checks 4 to 7.

A score of AUROC a tells sick from healthy like a normal score whose means lie d = sqrt(2) * z(a) apart, z being the
normal quantile. Let a film tell with d_i and a note with d_n, on their own, and let the answer weigh each by what it
knows, as the best answer does. Then the answer tells with

    sqrt(d_i^2 + d_n^2)                            where the note is the patient's own, and
    d_i^2 / sqrt(d_i^2 + d_n^2 (1 + d_n^2 / 4))    where it is somebody else's and only disturbs

(notes of the sick and of the healthy together spread by up to d_n / 2 more than those of either). With d_n of the
budget, the largest honest fall from the film alone to the answer with a wrong note follows; a system that falls farther
trusts its notes more than such notes deserve. Nothing here is fitted to a run.
"""

from __future__ import annotations

import math
from statistics import NormalDist

SLACK = 0.02  # AUROCs that differ by no more are called equal, here as elsewhere in Medley
_NORMAL = NormalDist()
_MOST = 0.9999


def fall_with_wrong_note(film_auroc: float, note_auroc: float) -> float:
    """AUROC of the film alone, less that of the best answer from film and note when the note is somebody else's.

    At least `SLACK`. Both AUROCs lie in [0, 1]; below 0.5 counts as knowing nothing.
    """
    film, note = _distance(film_auroc), _distance(note_auroc)
    if film == 0:
        return SLACK
    return max(SLACK, film_auroc - _auroc(_disturbed(film, note)))


def fall_of_own_to_wrong_note(film_auroc: float, note_auroc: float) -> float:
    """AUROC of the best answer with the patient's own note, less that with somebody else's; at least `SLACK`."""
    film, note = _distance(film_auroc), _distance(note_auroc)
    return max(SLACK, _auroc(math.hypot(film, note)) - _auroc(_disturbed(film, note)))


def _disturbed(film: float, note: float) -> float:
    """How far apart sick and healthy lie in the best answer, when its note is somebody else's."""
    return film * film / math.hypot(film, note * math.sqrt(1 + note * note / 4)) if film else 0.0


def _distance(auroc: float) -> float:
    return math.sqrt(2) * _NORMAL.inv_cdf(min(_MOST, max(0.5, auroc)))


def _auroc(distance: float) -> float:
    return _NORMAL.cdf(distance / math.sqrt(2))
