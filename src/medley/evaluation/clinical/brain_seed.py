"""Laterality, anatomy and pathology F1 as BrainGemma3D's authors count: beside ours, to be held against their table.

The text in lower case, each of `. , ; ! ? ( )` a space; a keyword is there where it stands between two spaces. Of each
report the F1 of its set of keywords with that of the reference: 1 where both are empty, 0 where only the reference is;
the mean over all reports. It knows no negation, no plural and no hyphen, and any report with the usual words scores.
"""

from __future__ import annotations

VOCABULARIES = {
    "laterality_f1_seed": ("left", "right", "bilateral"),
    "anatomy_f1_seed": ("frontal", "parietal", "temporal", "occipital", "cerebellum", "ventricle", "periventricular"),
    "pathology_f1_seed": ("edema", "necrosis", "enhancement", "compression", "tumor", "mass", "lesion"),
}
_SPACES = str.maketrans(dict.fromkeys(".,;!?()", " "))


def keywords(text: str, metric: str) -> frozenset[str]:
    """The keywords of one of the three metrics that a text holds."""
    padded = f" {text.lower().translate(_SPACES)} "
    return frozenset(word for word in VOCABULARIES[metric] if f" {word} " in padded)


def seed_f1(hypothesis: str, reference: str, metric: str) -> float:
    """The score of one report."""
    said, true = keywords(hypothesis, metric), keywords(reference, metric)
    if not true:
        return float(not said)
    return 2 * len(said & true) / (len(said) + len(true))
