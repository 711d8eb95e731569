"""The words of the chest film: how findings, healthy anatomy, sides, zones and severity are written.

Shorthand as in `phrases.expand`: `{a|b}` is a choice, an empty choice leaves the word out. Labels are CheXpert-14
(Irvin et al. 2019) and NIH's extras (Wang et al. 2017); `IMPLIES` leads from the extras to CheXpert's. Which words
CheXpert counts as which label follows its labeler's published description where it is known; the lists are our own.
"""

from __future__ import annotations

from medley.core.labels import HIERARCHY, NO_FINDING
from medley.language.phrases import Term

# A finer word is also a coarser label: what NIH calls a Mass, CheXpert calls a Lung Lesion.
IMPLIES = {
    "Mass": ("Lung Lesion",),
    "Nodule": ("Lung Lesion",),
    "Infiltration": ("Lung Opacity",),
    "Pleural Thickening": ("Pleural Other",),
    "Heart Failure": ("Edema",),
    "Vascular Congestion": ("Edema",),
    "Infection": ("Pneumonia",),
}
# Said of effusions, and of scars as well: at most uncertain.
HINTS = {"Blunted Costophrenic Angle": ("Pleural Effusion",)}

_HEART = "{heart|cardiac|cardiopericardial|cardio pericardial}"
_OUTLINE = "{silhouette|silhouettes|contour|contours|shadow|outline|size|}"

FINDINGS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("Cardiomegaly",): (
        "{cardiomegaly|cardio megaly|megalocardia|biventricular enlargement}",
        "{cardiac|heart|left ventricular|biatrial} enlargement",
        "{enlarged|dilated} {left|right} {ventricle|ventricles}",
        f"{{enlarged|enlargement of|enlargement of the|prominence of the}} {_HEART} {_OUTLINE}",
        "{increased|large|prominent} {heart|cardiac|cardiopericardial} {silhouette|size|shadow|}",
        f"{_HEART} {{size|silhouette|}} {{is|appears|remains}} {{mildly|slightly|moderately|markedly|very|}} large",
    ),
    ("Enlarged Cardiomediastinum",): (
        "enlarged {cardiomediastinal|cardio mediastinal|mediastinal} {silhouette|contour|contours}",
        "{enlarged|widened|wide|enlargement of|widening of|prominence of} {the|} {superior|upper|} "
        "{mediastinum|cardiomediastinum}",
        "{mediastinal|cardiomediastinal|cardio mediastinal} {widening|enlargement|prominence|mass|masses}",
        "{enlargement|widening|prominence} of the {cardiomediastinal|cardio mediastinal|mediastinal} "
        "{silhouette|contour|contours}",
        "widened mediastinal {silhouette|contour|contours}",
    ),
    ("Lung Opacity",): (
        "{opacity|opacities|opacification|opacifications|opacified}",
        "{airspace|air space|alveolar} {disease|process|processes|shadowing|filling|opacity|opacities}",
        "{interstitial|parenchymal|reticular|reticulonodular} {disease|process|pattern|markings|marking|changes|"
        "change|prominence|thickening|abnormality|abnormalities|lung disease|density|densities}",
        "{increased|prominent|coarse|coarsened} {bronchovascular|lung|pulmonary} markings",
        "{hazy|patchy|streaky|linear|focal|basilar|ill defined|vague} {density|densities|shadowing}",
        "{increased|decreased} {density|translucency} {in|of|over|at} {the|} {left|right} "
        "{lung|base|lower lobe|upper lobe|middle lobe|apex}",
        "{ground glass|groundglass|reticulation|reticulations|haziness}",
    ),
    ("Infiltration",): ("{infiltrate|infiltrates|infiltration|infiltrations|infiltrative}",),
    ("Nodule",): ("{nodule|nodules|nodularity|nodular {interstitial|} {density|densities|opacity|opacities|lesion}}",),
    ("Mass",): (
        "{mass|masses|mass lesion|masslike {opacity|opacification|density|consolidation|lesion}}",
        "mass like {opacity|opacification|density|consolidation|lesion}",
    ),
    ("Lung Lesion",): (
        "{lesion|lesions|tumor|tumors|tumour|tumours|neoplasm|neoplasms|carcinoma|carcinomas|lump}",
        "{lung|bronchogenic} cancer",
        "{metastasis|metastases|metastatic disease|metastatic lesions}",
    ),
    ("Edema",): ("{edema|oedema|edematous|kerley {b|} lines}",),
    ("Vascular Congestion",): (
        "{pulmonary|vascular|venous|pulmonary vascular|pulmonary venous|central vascular|central|} congestion",
        "{cephalization|vascular {engorgement|redistribution|prominence}|pulmonary venous hypertension}",
        "{engorged|prominent|prominence of the} {central|} {pulmonary|} {vasculature|vascularity}",
        "{fluid|volume} overload",
    ),
    ("Heart Failure",): (
        "{heart failure|chf|congestive {failure|heart failure|change|changes}|cardiac decompensation}",
    ),
    ("Consolidation",): ("{consolidation|consolidations|consolidative|consolidated|consolidating}",),
    # MeSH files pneumonitis under Pneumonia.
    ("Pneumonia",): ("{pneumonia|pneumonias|pneumonic|bronchopneumonia|broncho pneumonia|pneumonitis}",),
    ("Infection",): ("{infection|infections|infectious {process|processes|disease|etiology|infiltrate|infiltrates}}",),
    ("Atelectasis",): (
        "{atelectasis|atelectases|atelectatic|atelectasia}",
        "{lobar|lung|segmental|subsegmental|} collapse",
        "collapsed {left|right|} {upper|lower|middle} lobe",
    ),
    ("Pneumothorax",): ("{pneumothorax|pneumothoraces|pneumothoraxes|ptx|pneumo thorax}",),
    ("Pneumothorax", "Pleural Effusion"): (
        "{hydropneumothorax|hydro pneumothorax|haemopneumothorax|hemopneumothorax}",
    ),
    ("Pleural Effusion",): (
        "{pleural|parapneumonic|subpulmonic|} {effusion|effusions}",
        "{pleural|fissural|loculated|layering|subpulmonic} fluid",
        "{hydrothorax|hemothorax|haemothorax|hemothoraces|haemothoraces}",
        "fluid {in|within|along|tracking along} the {left|right|} {pleural space|pleural spaces|fissure|fissures|"
        "major fissure|minor fissure}",
    ),
    ("Pleural Thickening",): ("{pleural|pleuroparenchymal|apical pleural|fissural} {thickening|thickenings}",),
    ("Pleural Other",): (
        "pleural {plaque|plaques|calcification|calcifications|scar|scarring|mass|masses|based mass|disease|reaction|"
        "abnormality|abnormalities|lesion|lesions}",
        "pleural {parenchymal {scarring|scar|thickening}|opacity}",
        "{pleural other|fibrothorax|apical cap|apical capping|empyema|mesothelioma|pleuroparenchymal scarring}",
    ),
    ("Fracture",): ("{fracture|fractures|fractured|broken rib|broken ribs}",),
    ("Support Devices",): (
        "{pacemaker|pacemakers|pacer|aicd|icd|defibrillator|pulse generator|generator|stimulator|neurostimulator|"
        "loop recorder}",
        "{pacing|pacer|pacemaker|ventricular|atrial|icd|aicd} {lead|leads|wire|wires|device|electrodes}",
        "{endotracheal|et|nasogastric|ng|orogastric|og|enteric|feeding|dobbhoff|dobhoff|chest|thoracostomy|"
        "tracheostomy|gastrostomy|drainage} {tube|tubes|tip}",
        "{tube|tubes|ett|tracheostomy|drain|drains|pigtail}",
        "{catheter|catheters|picc|picc line|port|portacath|port a cath|mediport|infusaport|cannula}",
        "{central|central venous|ij|internal jugular|subclavian|venous|dialysis|arterial|swan ganz|support} "
        "{line|lines|catheter|catheters|access}",
        "{support|medical|cardiac assist|monitoring|closure|cardiac} {device|devices|apparatus|equipment|hardware}",
        "{stent|stents|hardware|prosthesis|prostheses|prosthetic|arthroplasty|arthroplasties}",
        "{valve replacement|valve prosthesis|mechanical valve|artificial valve|prosthetic valve|valve}",
        "{sternotomy|sternal|cerclage} {wire|wires}",
        "{surgical|cholecystectomy|vascular|hemostatic|metallic} {clip|clips}",
        "{clip|clips|suture|sutures|staple line|surgical staples|spinal rod|rods|fixation {plate|plates|screw|screws}}",
        "{balloon pump|iabp|ecmo|swan ganz|vad|lvad|shunt}",
        "{ecg|ekg|monitoring|monitor|overlying} {lead|leads}",
        "{spinal|cervical|lumbar|anterior} fusion",
        "{occluder|bone anchor|bone anchors|coils|embolization coils|{catheter|line} tip}",
        "tip {in|at|overlying|projecting over|is visualized in|is visualized at|is at|is in} the {distal|proximal|mid|"
        "upper|high|} {svc|superior vena cava|right atrium|cavoatrial junction|caval atrial junction}",
    ),
    ("Emphysema",): ("{emphysema|emphysematous {change|changes|lungs|}|bullous disease|bullae|copd}",),
    ("Fibrosis",): ("{fibrosis|fibroses|fibrotic {change|changes|scarring|}}",),
    ("Hernia",): ("{hiatal|hiatus|diaphragmatic|} {hernia|hernias|herniae}",),
    (NO_FINDING,): (
        "{normal|negative|unremarkable} {chest|chest radiograph|chest radiographs|chest film|examination|study|"
        "chest x ray|chest xray|radiograph|film}",
        "{no finding|no findings|no abnormality|no abnormalities}",
    ),
}

# Said to be missing, these deny more than themselves; said to be there, they say nothing that has a label.
_TROUBLE = "{abnormality|abnormalities|disease|process|processes|finding|findings|pathology|changes}"
_NOW = "{acute|active|acute or active|acute radiographic|significant|definite|focal}"
ANYTHING = {
    "all": (
        f"{_NOW} {{cardiopulmonary|cardio pulmonary|cardiothoracic|intrathoracic|thoracic|chest|radiographic "
        f"cardiopulmonary|cardiac or pulmonary|cardiac pulmonary or pleural|}} {_TROUBLE}",
        f"cardiopulmonary {_TROUBLE}",
        "abnormality detected",
    ),
    "lungs": (f"{_NOW} {{pulmonary|lung|parenchymal}} {_TROUBLE}",),
    "bones": (
        f"{{acute|definite|acute displaced|focal|significant|}} {{bony|bone|osseous|skeletal|rib|osseous structure}} "
        f"{_TROUBLE}",
    ),
}

# Look alike, and are not the finding.
OTHER_THINGS = (
    "negative",  # "negative chest": a word that is known; "negative for" is a denial
    "{pericardial|joint|knee|elbow|middle ear} {effusion|effusions}",
    "{peripheral|leg|ankle|pedal|soft tissue|subcutaneous|cerebral|limb|extremity|pitting|bone marrow} {edema|oedema}",
    "{subcutaneous|soft tissue|mediastinal|surgical} emphysema",
    "{mass effect|body mass|body mass index|muscle mass|bone mass|lean mass}",
    "{bone|bony|soft tissue|osseous|calcific|calcified} {density|densities|lesion|lesions}",
    "{skin|bone|bony|osseous|lytic|sclerotic|blastic} {lesion|lesions}",
    "{no|without} {prior|previous|comparison} {chest|chest x ray|study|studies|examination}",
    "{vertebral|vertebral body|compression|tracheal|airway|wedge|end plate|endplate} collapse",
    "collapse of {the|a|} {trachea|vertebra|vertebral body|vertebral bodies|lower thoracic vertebra}",
    "{radiation|hypersensitivity|chemical} pneumonitis",
    "{urinary tract|skin|ear|wound|viral upper respiratory|granulomatous|histoplasmosis} infection",
    "{symptoms|signs} of infection",
    "{ischemic|ischaemic|coronary|valvular|congenital|} heart {disease|attack|rate|rhythm|sounds|murmur|block}",
    "{mitral|aortic|tricuspid|cardiac|heart} valve {calcification|calcifications|disease}",
    "valve {calcification|calcifications}",
    "{umbilical|inguinal|ventral|disc|disk|brain} {hernia|herniation}",
)

# Anatomy that reports call normal or not -> the group of states it can be in.
SUBJECTS = {
    "heart": (
        f"{_HEART} {_OUTLINE}",
        "{size of the heart|heart silhouette}",
    ),
    "mediastinum": ("{mediastinum|mediastinal|superior mediastinum} {silhouette|silhouettes|contour|contours|width|}",),
    "cardiomediastinum": (
        "{cardiomediastinal|cardio mediastinal|cardiomediastinum|cardiac mediastinal} "
        "{silhouette|silhouettes|contour|contours|outline|size|}",
    ),
    "lungs": ("{lung|lungs|lung fields|lung field|lung parenchyma|lung bases|lung apices|hemithorax}",),
    "pleura": ("{pleural space|pleural spaces|pleura|pleural surfaces}",),
    "angle": (
        "{costophrenic|costo phrenic|cp|lateral costophrenic|posterior costophrenic} "
        "{angle|angles|sulcus|sulci|recess|recesses}",
    ),
    "vessels": (
        "{pulmonary|lung|} {vasculature|vascularity|vascular markings|vascular pattern}",
        "pulmonary {vessels|vascular}",
    ),
    "bones": (
        "{bones|ribs|rib cage|skeleton|bony thorax|bony structures|osseous structures|skeletal structures|"
        "visualized bones|clavicles|bony elements}",
    ),
}

# group -> what a normal state denies. Clear lungs deny what lies in them, a sharp angle denies fluid.
_IN_LUNGS = ("Lung Opacity", *(child for child, parents in HIERARCHY.items() if "Lung Opacity" in parents))
NORMAL_DENIES = {
    "heart": ("Cardiomegaly",),
    "mediastinum": ("Enlarged Cardiomediastinum",),
    "cardiomediastinum": ("Enlarged Cardiomediastinum", "Cardiomegaly"),
    "lungs": _IN_LUNGS,
    "pleura": ("Pleural Effusion", "Pneumothorax", "Pleural Other"),
    "angle": ("Pleural Effusion",),
    "vessels": ("Edema",),
    "bones": ("Fracture",),
}
NORMAL_STATES = (
    "{normal|unremarkable|within normal limits|within the normal limits|within normal range|wnl|intact|sharp|clear}",
    "{nonenlarged|non enlarged}",
    "{normal in {size|contour|caliber|appearance|size and contour|size and configuration|size and shape}}",
    "{near|at|} {the|} {upper limits|upper limit|upper} {of|} normal {in size|limits|}",  # large, and normal still
    "{near|} {top|high} normal {in size|limits|}",
    "{of|} normal {size|contour|size and contour|caliber}",
)
# abnormal word -> group -> label. A group that a word says nothing about is left out.
ABNORMAL_STATES: dict[str, dict[str, str]] = {
    "{enlarged|dilated|increased in size}": {
        "heart": "Cardiomegaly",
        "mediastinum": "Enlarged Cardiomediastinum",
        "cardiomediastinum": "Enlarged Cardiomediastinum",
    },
    "{widened|wide|widening}": {
        "mediastinum": "Enlarged Cardiomediastinum",
        "cardiomediastinum": "Enlarged Cardiomediastinum",
    },
    "{prominent|increased}": {
        "heart": "Cardiomegaly",
        "mediastinum": "Enlarged Cardiomediastinum",
        "cardiomediastinum": "Enlarged Cardiomediastinum",
    },
    "{blunted|blunting|obscured|effaced|blunting of {the|} {left|right|bilateral|posterior|lateral|}}": {
        "angle": "Blunted Costophrenic Angle",
    },
    "{congested|engorged|cephalized|indistinct}": {"vessels": "Vascular Congestion"},
    "{hazy|opaque|whited out}": {"lungs": "Lung Opacity"},
    "collapsed": {"lungs": "Atelectasis"},
}
# Between normal and not; reports say it of the heart.
BORDERLINE_STATES = ("borderline {enlarged|prominent|size|in size|enlargement|normal|}",)

# phrase -> (side, zone); either may be None
PLACES: dict[str, tuple[str | None, str | None]] = {
    "{left|left sided|left side|lt|leftward}": ("left", None),
    "{right|right sided|right side|rt|rightward}": ("right", None),
    "{bilateral|bilaterally|both|bilat|{left|right} greater than {left|right}|{left|right} > {left|right}|"
    "{left|right} more than {left|right}|{right|left} and {left|right}|each}": ("bilateral", None),
    "{upper {zone|zones|lobe|lobes|lung|lung zone|lung zones}|apical|apex|apices|apically}": (None, "upper"),
    "{biapical|bi apical}": ("bilateral", "upper"),
    "{mid|middle} {zone|zones|lobe|lung|lung zone|lung zones}": (None, "middle"),
    "{perihilar|parahilar|hilar|hilum|midlung}": (None, "middle"),
    "{lower {zone|zones|lobe|lobes|lung|lung zone|lung zones}|base|bases|basal|basilar|basilarly|infrahilar}": (
        None,
        "lower",
    ),
    "{bibasilar|bibasal|bi basilar}": ("bilateral", "lower"),
    "{retrocardiac|lll}": ("left", "lower"),
    "{lingula|lingular}": ("left", "middle"),
    "lul": ("left", "upper"),
    "rul": ("right", "upper"),
    "rml": ("right", "middle"),
    "rll": ("right", "lower"),
}
SEVERITIES = {
    "{mild|mildly|small|minimal|minimally|minor|trace|tiny|slight|slightly|subtle|faint}": "mild",
    "{moderate|moderately|moderate sized|mild to moderate|small to moderate|medium sized}": "moderate",
    "{severe|severely|large|marked|markedly|massive|massively|extensive|gross|moderate to severe|moderate to large}": (
        "severe"
    ),
}

# What a patient or a referrer may call a finding. Simulated notes use neither these, nor the words above, nor anything
# that contains one of the stems.
LAY_WORDS = (
    "{collapsed|punctured|deflated} lung",
    "{fluid|water} {on|in|around} {the|her|his|my|} {lung|lungs|chest}",
    "{enlarged|big|large|swollen} heart",
    "{spot|spots|growth|shadow|patch} on {the|her|his|my|} {lung|lungs|x ray}",
    "{chest|lung} infection",
    "{broken|cracked|fractured} {rib|ribs|bone|bones|collarbone}",
    "{air around the lung|lung collapse|heart strain|weak heart|double pneumonia|water lung}",
    "{rule out|r/o|evaluate for|assess for|looking for|exclude|query}",
)
STEMS = (
    *(
        "pneumo",
        "pleur",
        "atelect",
        "cardiomeg",
        "mediastin",
        "consolid",
        "edema",
        "effus",
        "fractur",
        "opaci",
        "opaque",
    ),
    *("lesion", "nodul", "tumor", "tumour", "metasta", "infiltr", "emphys", "fibros", "herni", "hydrothor", "hemothor"),
    *("pacemak", "catheter", "defibrill", "endotrach", "sternotom", "congest"),
)


def vocabulary() -> list[tuple[str, Term]]:
    """Every phrase of this page with what it is.

    Kinds: finding, anything, other, subject, normal, abnormal, borderline, place, severity.
    """
    entries = [(phrase, Term("finding", labels)) for labels, phrases in FINDINGS.items() for phrase in phrases]
    entries += [(phrase, Term("anything", group)) for group, phrases in ANYTHING.items() for phrase in phrases]
    entries += [(phrase, Term("other")) for phrase in OTHER_THINGS]
    entries += [(phrase, Term("subject", group)) for group, phrases in SUBJECTS.items() for phrase in phrases]
    entries += [(phrase, Term("normal")) for phrase in NORMAL_STATES]
    entries += [(phrase, Term("abnormal", groups)) for phrase, groups in ABNORMAL_STATES.items()]
    entries += [(phrase, Term("borderline")) for phrase in BORDERLINE_STATES]
    entries += [(phrase, Term("place", place)) for phrase, place in PLACES.items()]
    entries += [(phrase, Term("severity", severity)) for phrase, severity in SEVERITIES.items()]
    return entries
