"""Notes written from the labels (regime `seed_leaky`): the audit's positive control, never a way to a result.

A published prototype wrote its notes by this rule, for its test part too, and then reported what it read off them:

    Chief complaint: Patient presenting with S1 [and S2] for D. History: H. Indication: Evaluate for L1, L2.
    Chief complaint: Routine chest evaluation. History: unremarkable medical history.        (nothing is positive)

L1, L2 are the first two positive labels in the table's column order; No Finding and Support Devices are never named,
nor is an uncertain label. S and H come from pools that belong to L1. So a note leaks four times: it names labels, its
template says whether there are any, its symptoms are codes for labels, and what it leaves out follows column order.
Enlarged Cardiomediastinum and Cardiomegaly stand first in CheXpert's order: a text model has AUROC 1.000 on them.

The rule is inferred from the notes that the prototype printed and held against the positives of its confusion tables;
which symptom goes with which label is our own choice. Unlike the prototype's, these notes are seeded, one a study.
"""

from __future__ import annotations

from medley.core.labels import NO_FINDING
from medley.core.records import Case
from medley.core.seeds import generator

NAMED = 2  # labels that a note names at most
_NEVER_NAMED = frozenset({NO_FINDING, "Support Devices"})

_ROUTINE = "Chief complaint: Routine chest evaluation. History: unremarkable medical history."
_DURATIONS = ("2 days", "3 days", "5 days", "1 week", "several days")
_NO_HISTORY = ("no significant past medical history", "unremarkable medical history")

# label -> (symptoms, histories); a label that is not here has the last pools
_HEART = (
    ("shortness of breath", "leg swelling", "fatigue", "palpitations"),
    ("history of heart failure", "hypertension", "coronary artery disease"),
)
_LUNG = (("cough", "fever", "productive cough"), _NO_HISTORY)
_POOLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Enlarged Cardiomediastinum": _HEART,
    "Cardiomegaly": _HEART,
    "Edema": (("dyspnea", "leg swelling", "fatigue"), ("history of heart failure", "renal disease")),
    "Consolidation": _LUNG,
    "Pneumonia": _LUNG,
    "Lung Opacity": (("cough", "fever", "shortness of breath"), _NO_HISTORY),
    "Pneumothorax": (("sudden chest pain", "dyspnea"), _NO_HISTORY),
    "Pleural Effusion": (("dyspnea", "chest discomfort"), ("history of heart failure", "renal disease")),
    "Fracture": (("chest wall pain", "pain after a fall"), _NO_HISTORY),
}
_OTHER = (("chest discomfort", "cough", "shortness of breath"), _NO_HISTORY)


def named_labels(case: Case) -> tuple[str, ...]:
    """The labels that the note of this study names: the first two positive ones, in the order of the case's labels."""
    positive = [label for label, value in case.labels.items() if value == 1 and label not in _NEVER_NAMED]
    return tuple(positive[:NAMED])


def leaky_note(case: Case, strength: float, seed: int) -> str:
    """One study's note. Same seed, same note; `strength` is `sim`'s and changes nothing: a code has no dial."""
    labels = named_labels(case)
    if not labels:
        return _ROUTINE
    rng = generator(seed, "leaky note", case.patient_id, case.study_id)
    pool, histories = _POOLS.get(labels[0], _OTHER)
    symptoms = [pool[i] for i in rng.permutation(len(pool))[: int(rng.integers(1, 3))]]
    duration, history = (options[int(rng.integers(len(options)))] for options in (_DURATIONS, histories))
    return (
        f"Chief complaint: Patient presenting with {' and '.join(symptoms)} for {duration}. "
        f"History: {history}. Indication: Evaluate for {', '.join(labels).lower()}."
    )
