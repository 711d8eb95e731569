"""The words of the field for what a chest film shows, and what follows from what.

Labels are keyed by name everywhere, never by position. A value is 1 (present), 0 (absent), -1 (uncertain: the report
says "possible") or nan (not known: never mentioned, never asked). Which of -1 and nan a model learns from is a policy
of the recipe (`data/policies.py`), so the case table keeps them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isnan

from medley.core.errors import MedleyError, nearest

NOT_KNOWN = float("nan")
UNCERTAIN = -1.0
NO_FINDING = "No Finding"

# Irvin et al. 2019 (CheXpert), in the order of its CSV columns.
CHEXPERT_14 = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
CHEXPERT_5 = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")

# Wang et al. 2017 (NIH ChestX-ray14), in the canonical spelling of this table.
NIH_14 = (
    "Atelectasis",
    "Cardiomegaly",
    "Pleural Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural Thickening",
    "Hernia",
)

# The parts of the chest that a frontal film shows and a mask can be drawn of; left and right are the patient's.
ANATOMY = ("cardiac", "left_lung", "right_lung", "mediastinum", "diaphragm", "spine")

# What a report of a brain tumour on MRI says: side, place, and what the lesion is made of or does. "deep" is basal
# ganglia, thalamus, internal capsule and corpus callosum.
BRAIN_SIDES = ("left", "right", "bilateral")
BRAIN_LOBES = ("frontal", "parietal", "temporal", "occipital", "insula", "deep", "cerebellum", "brainstem")
BRAIN_COMPONENTS = ("edema", "necrosis", "enhancement", "mass effect", "midline shift")
LOBE_SHARE = 0.15  # of the whole lesion, from which a lobe counts as involved
SIDE_SHARE = 0.10  # of the whole lesion, from which the smaller side makes it bilateral
BRAIN_LABELS = ("Lesion", "Edema", "Necrosis", "Mass Effect", "Midline Shift")  # of its case table: what FLAIR shows

ALIASES = {
    "Effusion": "Pleural Effusion",
    "Infiltrate": "Infiltration",
    "Enlarged Cardiomediastinal Silhouette": "Enlarged Cardiomediastinum",
    "Airspace Opacity": "Lung Opacity",
    "Opacity": "Lung Opacity",
    "Oedema": "Edema",
    "Pulmonary Edema": "Edema",
    "Pulmonary Oedema": "Edema",
    "No Findings": "No Finding",
    "Normal": "No Finding",
}
_BY_LOWER = {name.lower(): name for name in (*CHEXPERT_14, *NIH_14)} | {
    alias.lower(): name for alias, name in ALIASES.items()
}

# child -> parents (Irvin et al. 2019, figure 1): where the child is present, so are its parents.
HIERARCHY = {
    "Cardiomegaly": ("Enlarged Cardiomediastinum",),
    "Lung Lesion": ("Lung Opacity",),
    "Edema": ("Lung Opacity",),
    "Consolidation": ("Lung Opacity",),
    "Pneumonia": ("Lung Opacity", "Consolidation"),
    "Atelectasis": ("Lung Opacity",),
}


def canonical(name: str) -> str:
    """The one spelling of a label: aliases resolved, underscores and letter case mended; unknown names pass through."""
    plain = " ".join(name.replace("_", " ").split())
    return _BY_LOWER.get(plain.lower(), plain)


def require_labels(asked: Iterable[str], known: Iterable[str], where: str) -> list[str]:
    """`asked` in canonical spelling; raises MedleyError naming the nearest label when one is not in `known`."""
    known, out = list(known), []
    for name in asked:
        if canonical(name) not in known:
            raise MedleyError(f"{where}: unknown label '{name}'{nearest(canonical(name), known)}")
        out.append(canonical(name))
    return out


def hierarchy_breaks(labels: Mapping[str, float]) -> list[tuple[str, str]]:
    """(child, parent) pairs where the child is present and the parent is known to be absent."""
    return [
        (child, parent)
        for child, parents in HIERARCHY.items()
        for parent in parents
        if labels.get(child) == 1 and labels.get(parent) == 0
    ]


def is_known(value: float) -> bool:
    """True for 0 and 1; False for uncertain and not known."""
    return not isnan(value) and value != UNCERTAIN
