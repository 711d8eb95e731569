"""What the label lists do not name: other diseases of a chest film, and plain words for findings that they do name.

Reading labels out of a report needs none of it. Holding a text to a prediction does: a sentence on tuberculosis says
more than fourteen labels can bear out, and "fluid on the lungs" claims an effusion or an edema. Shorthand as in
`phrases.expand`; the lists are our own, and a disease that they lack goes unseen.
"""

from __future__ import annotations

from medley.language.phrases import Term, overlaid

# Disease -> how it is written. No label list of ours has them.
DISEASES: dict[str, tuple[str, ...]] = {
    "Tuberculosis": (
        "{tuberculosis|tb|tuberculous {change|changes|disease|infection|infiltrate|infiltrates|cavity|}|tuberculoma}",
        "{miliary {disease|pattern|nodules}|koch's disease|ghon {complex|focus|lesion}}",
    ),
    "ARDS": (
        "{ards|{acute|adult|} respiratory distress syndrome|acute lung injury|diffuse alveolar damage|shock lung}",
    ),
    "Pulmonary Embolism": (
        "{pulmonary|lung|septic|} {embolism|embolisms|embolus|emboli|thromboembolism|thrombosis|thrombus}",
        "{pulmonary|lung} {infarct|infarcts|infarction}",
        "{pe|blood clot|blood clots|clot in the {left|right|} lung|clots in the lungs|hampton hump|hampton's hump}",
    ),
    "COVID-19": ("{covid 19|covid|covid19|sars cov 2|coronavirus {disease|infection|}} {pneumonitis|}",),
    "Sarcoidosis": ("{sarcoidosis|sarcoid}",),
    "Pneumoconiosis": ("{pneumoconiosis|silicosis|asbestosis|anthracosis|{black|coal worker's} lung}",),
    "Bronchiectasis": ("{bronchiectasis|bronchiectases|bronchiectatic {change|changes|}}",),
    "Bronchitis": ("{chronic|acute|} {bronchitis|bronchiolitis}", "{bronchial asthma|asthma|asthmatic}"),
    "Pneumonitis": ("{aspiration|hypersensitivity|radiation|chemical|lupus} {pneumonitis|alveolitis}", "alveolitis"),
    "Aspiration": ("{aspiration|aspirated {material|fluid|contents}|foreign body aspiration}",),
    "Interstitial Lung Disease": ("{ild|uip|nsip|honeycombing|honeycomb lung}",),
    "Abscess": ("{lung|pulmonary|} {abscess|abscesses}", "{cavitation|cavitations|cavitary {disease|process}}"),
    "Fungal Disease": ("{aspergillosis|aspergilloma|mycetoma|histoplasmosis|fungus ball|pneumocystis}",),
    "Granuloma": ("{calcified|} {granuloma|granulomas|granulomata|granulomatous disease}",),
    "Lymphadenopathy": (
        "{hilar|mediastinal|paratracheal|} {lymphadenopathy|adenopathy|lymph node enlargement}",
        "enlarged {hilar|mediastinal|} lymph nodes",
    ),
    "Lymphoma": ("{lymphoma|hodgkin's disease|thymoma|teratoma|leukemia|leukaemia}",),
    "Malignancy": ("{malignancy|malignancies|malignant {disease|process}|cancer|lymphangitic spread}",),
    "Pneumomediastinum": ("{pneumomediastinum|pneumopericardium|air in the mediastinum}",),
    "Pneumoperitoneum": ("{pneumoperitoneum|free {intraperitoneal|abdominal|subdiaphragmatic} {air|gas}}",),
    "Aortic Disease": (
        "{aortic|thoracic aortic|} {aneurysm|aneurysms|dissection|rupture}",
        "{tortuous|ectatic|unfolded|calcified|atherosclerotic} {thoracic|} aorta",
        "{aortic|thoracic aortic|} {atherosclerosis|ectasia|coarctation}",
    ),
    "Pericarditis": ("{pericarditis|tamponade|cardiac tamponade|hemopericardium|haemopericardium}",),
    "Heart Attack": ("{myocardial|acute myocardial} {infarct|infarction|ischemia|ischaemia}", "cardiomyopathy"),
    "Pulmonary Hypertension": ("pulmonary {arterial|} hypertension", "cor pulmonale"),
    "Scoliosis": ("{scoliosis|kyphosis|kyphoscoliosis|dextroscoliosis|levoscoliosis}",),
    "Bone Disease": (
        "{osteoporosis|osteopenia|osteomyelitis|spondylosis|osteoarthritis}",
        "{compression|vertebral} deformity",
    ),
    "Haemorrhage": ("{pulmonary|alveolar|lung} {hemorrhage|haemorrhage|contusion|contusions}", "lung laceration"),
    "Diaphragm": ("{elevated|raised|paralyzed|paralysed|ruptured} {left|right|} {hemidiaphragm|diaphragm}",),
    "Sepsis": ("{sepsis|septic shock}",),
}
# As above, and known to `chest.OTHER_THINGS`, so that an effusion of the pericardium is not read as one of the pleura.
LOOKALIKES: dict[str, tuple[str, ...]] = {
    "Pericardial Effusion": ("pericardial {effusion|effusions}",),
    "Subcutaneous Emphysema": ("{subcutaneous|soft tissue|mediastinal|surgical} emphysema",),
    "Vertebral Collapse": ("{vertebral|vertebral body} collapse",),
    "Heart Attack": ("heart attack",),
}
# Plain words -> the labels of which each claims one.
PLAIN_WORDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("Pneumothorax",): (
        "{air|gas} {in|within|inside} the {left|right|} {pleural space|pleural spaces|pleural cavity|pleura}",
        "{air|gas} {around|outside|outside of} {the|a|her|his|my|} {left|right|} {lung|lungs}",
        "{pleural|intrapleural|extrapulmonary} {air|gas}",
        "{punctured|deflated} {left|right|} lung",
    ),
    ("Pneumothorax", "Atelectasis"): ("collapsed {left|right|} lung", "lung {has|is|was} collapsed"),
    ("Pleural Effusion",): (
        "{fluid|water|blood|pus|liquid} {in|within|inside|around} the {left|right|} {pleural cavity|pleura}",
        "{fluid|water|liquid} {around|outside|outside of} {the|a|her|his|my|} {left|right|} {lung|lungs}",
    ),
    ("Pleural Effusion", "Edema"): (
        "{fluid|water|liquid} {on|in|inside|within} {the|a|her|his|my|both|} {left|right|} {lung|lungs|chest}",
        "{wet lung|wet lungs|water lung}",
    ),
    ("Cardiomegaly",): (
        "{big|bigger|swollen|dilated|oversized} heart",
        "heart {is|looks|appears} {too|very|} {big|swollen|dilated}",
    ),
    ("Lung Lesion", "Nodule", "Mass", "Lung Opacity", "Infiltration"): (
        "{spot|spots|growth|growths|shadow|shadows|patch|patches} {on|in} {the|a|her|his|my|} {left|right|} "
        "{lung|lungs|x ray}",
    ),
    ("Fracture",): (
        "{broken|cracked|snapped} {bone|bones|collarbone|clavicle|sternum|breastbone|shoulder}",
        "{rib|ribs|bone|bones|collarbone|clavicle|sternum} {is|are|was|were|appears|appear|looks|has been|have been} "
        "{broken|cracked|snapped}",
        "{break|breaks|crack} {in|of} {a|the|one|} {left|right|} {rib|ribs|bone|collarbone|clavicle}",
    ),
    ("Pneumonia",): ("aspiration pneumonia", "{chest|lung|pulmonary} infection"),
    ("Support Devices",): ("{pace maker|breathing tube|feeding line|drainage catheter}",),
}


def widen(entries: list[tuple[str, Term]]) -> list[tuple[str, Term]]:
    """The entries of a vocabulary with those of this page; where both know a phrase, this page has it."""
    ours = [(phrase, Term("finding", (disease,))) for disease, phrases in DISEASES.items() for phrase in phrases]
    ours += [(phrase, Term("finding", (disease,))) for disease, phrases in LOOKALIKES.items() for phrase in phrases]
    ours += [
        (phrase, Term("finding", (one_of(labels),))) for labels, phrases in PLAIN_WORDS.items() for phrase in phrases
    ]
    return overlaid(entries, ours)


def one_of(labels: tuple[str, ...]) -> str:
    """The name under which plain words for one of several labels are mentioned: `Pleural Effusion or Edema`."""
    return " or ".join(labels)


MEANT = {one_of(labels): labels for labels in PLAIN_WORDS if len(labels) > 1}
