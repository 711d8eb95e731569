"""CheXpert's 14 labels from the human MeSH coding of an Open-i report (`Opacity/lung/base/left`).

Every report was coded by hand (Demner-Fushman et al. 2016), so this is a table, not a labeler: no text is read. Coders
mostly leave out what is only possible and miss some of what is there; present is the side to trust.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from medley.core.labels import CHEXPERT_14, NO_FINDING

# Head of a MeSH term -> labels; a head with a second word is matched as `head/...word...`.
_MESH = {
    "Mediastinum": ("Enlarged Cardiomediastinum",),
    "Cardiomegaly": ("Cardiomegaly",),
    "Cardiac Shadow/enlarged": ("Cardiomegaly",),
    "Opacity": ("Lung Opacity",),
    "Airspace Disease": ("Lung Opacity",),
    "Infiltrate": ("Lung Opacity",),
    "Consolidation": ("Lung Opacity", "Consolidation"),
    "Nodule": ("Lung Lesion",),
    "Mass": ("Lung Lesion",),
    "Pulmonary Edema": ("Edema",),
    "Pulmonary Congestion": ("Edema",),
    "Heart Failure": ("Edema",),
    "Pneumonia": ("Pneumonia",),
    "Pulmonary Atelectasis": ("Atelectasis",),
    "Pneumothorax": ("Pneumothorax",),
    "Hydropneumothorax": ("Pneumothorax", "Pleural Effusion"),
    "Pleural Effusion": ("Pleural Effusion",),
    "Hemothorax": ("Pleural Effusion",),
    "Thickening/pleura": ("Pleural Other",),
    "Cicatrix/pleura": ("Pleural Other",),
    "Pleura": ("Pleural Other",),
    "Fractures, Bone": ("Fracture",),
    "Catheters, Indwelling": ("Support Devices",),
    "Tube, Inserted": ("Support Devices",),
    "Implanted Medical Device": ("Support Devices",),
    "Medical Device": ("Support Devices",),
    "Surgical Instruments": ("Support Devices",),
    "Stents": ("Support Devices",),
    "Spinal Fusion": ("Support Devices",),  # its screws and rods are what the film shows
    "normal": (NO_FINDING,),
}


def mesh_labels(terms: Sequence[str]) -> dict[str, float]:
    """CheXpert-14 from the MeSH terms of one report (`Opacity/lung/base/left`); not coded -> all not known."""
    terms = [term.strip() for term in terms if term.strip()]
    if not terms or terms == ["No Indexing"]:
        return dict.fromkeys(CHEXPERT_14, math.nan)
    present: set[str] = set()
    for term in terms:
        head, *qualifiers = term.split("/")
        present.update(_MESH.get(head.strip(), ()))
        for qualifier in qualifiers:
            present.update(_MESH.get(f"{head}/{qualifier.strip()}", ()))
    return {label: float(label in present) for label in CHEXPERT_14}
