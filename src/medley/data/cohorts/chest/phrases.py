"""The words of the generated reports: for each finding several ways to say it, and true ways to say what is absent.

Placeholders: {side} {zone} {where} {base} for the place, {grade} {degree} {extent} for the severity as it is said of a
process, of a change, of a size. Spelling and terms are those of North American reports.
"""

from __future__ import annotations

from collections.abc import Sequence

GRADE = {
    "mild": ("mild", "small", "minor", "slight"),
    "moderate": ("moderate",),
    "severe": ("severe", "large", "extensive", "marked"),
}
EXTENT = {  # grade as said of something that has a size rather than an extent
    "mild": ("small", "tiny", "small"),
    "moderate": ("moderate", "moderate-sized", "medium-sized"),
    "severe": ("large", "sizeable", "large"),
}
DEGREE = {"mild": ("mild", "slight"), "moderate": ("moderate",), "severe": ("severe", "marked")}
ZONE = {"upper": ("upper", "upper"), "middle": ("mid", "middle"), "lower": ("lower", "lower")}

# {side} {zone} {grade} {degree} {extent} {where}; one list a (label, kind), "*" for any kind
FINDINGS: dict[tuple[str, str], Sequence[str]] = {
    ("Cardiomegaly", "*"): (
        "The heart is {degree}ly enlarged.",
        "There is {degree} cardiomegaly.",
        "{degree} enlargement of the cardiac silhouette.",
        "The cardiac silhouette is {degree}ly enlarged.",
    ),
    ("Enlarged Cardiomediastinum", "*"): (
        "The mediastinum is widened.",
        "There is {degree} widening of the upper mediastinum.",
        "The cardiomediastinal silhouette is enlarged, with {degree} mediastinal widening.",
        "{degree} mediastinal widening is present.",
    ),
    ("Edema", "*"): (
        "There is {degree} pulmonary edema with septal lines.",
        "Bilateral perihilar opacities and Kerley B lines in keeping with {degree} pulmonary edema.",
        "{degree} interstitial edema in both lungs.",
        "Vascular redistribution and peribronchial cuffing, consistent with {degree} pulmonary edema.",
    ),
    ("Consolidation", "*"): (
        "There is {grade} consolidation in {where}.",
        "{grade} consolidation of {where}.",
        "Dense airspace consolidation occupies {where}.",
        "Consolidation is seen in {where}.",
    ),
    ("Pneumonia", "*"): (
        "{grade} consolidation with air bronchograms in {where}, consistent with pneumonia.",
        "There is consolidation in {where} with surrounding patchy opacities, compatible with pneumonia.",
        "Patchy airspace consolidation in {where}, in keeping with {grade} pneumonia.",
    ),
    ("Atelectasis", "plate"): (
        "Linear atelectasis at {base}.",
        "There are bands of plate-like atelectasis at {base}.",
        "Discoid atelectasis is seen at {base}.",
        "{degree} subsegmental atelectasis at {base}.",
    ),
    ("Atelectasis", "lobar"): (
        "There is {side} {zone} lobe atelectasis.",
        "Volume loss with atelectasis of the {side} {zone} lobe.",
        "Wedge-shaped opacity in keeping with collapse and atelectasis of the {side} {zone} lobe.",
    ),
    ("Lung Lesion", "nodule"): (
        "Nodular opacities in {where}.",
        "There is pulmonary nodularity in {where}, with well-defined margins.",
        "Several well-defined pulmonary nodules in {where}.",
    ),
    ("Lung Lesion", "mass"): (
        "There is a {extent} mass in {where}.",
        "A rounded mass lies in {where}.",
        "{extent} lung mass in {where}.",
    ),
    ("Lung Lesion", "cavity"): (
        "There is a cavitary lesion in {where}.",
        "A thick-walled cavitating lung lesion is seen in {where}.",
    ),
    ("Lung Lesion", "calcified"): (
        "Calcified pulmonary nodules in {where}.",
        "There is calcified nodularity in {where}, a lung lesion of granulomatous type.",
    ),
    ("Lung Opacity", "reticular"): (
        "Reticular opacities in {where}.",
        "There is a coarse reticular opacity in {where}.",
        "Increased interstitial markings form a reticular opacity in {where}.",
    ),
    ("Lung Opacity", "haze"): (
        "Hazy opacity in {where}.",
        "There is an ill-defined hazy opacity projecting over {where}.",
        "Nonspecific {degree} opacity in {where}.",
    ),
    ("Pneumothorax", "apical"): (
        "There is a {extent} {side} apical pneumothorax.",
        "{extent} {side} pneumothorax with a visible pleural line at the apex.",
        "A {side} pneumothorax is present, {extent} in size.",
    ),
    ("Pneumothorax", "basal"): (
        "There is a {extent} {side} pneumothorax collecting at the base.",
        "Deep {side} costophrenic sulcus and a pleural line, in keeping with a {extent} pneumothorax.",
    ),
    ("Pleural Effusion", "free"): (
        "There is a {extent} {side} pleural effusion.",
        "{extent} {side} pleural effusion with a meniscus.",
        "Blunting of the {side} costophrenic angle by a {extent} pleural effusion.",
    ),
    ("Pleural Effusion", "layering"): (
        "There is a {extent} layering {side} pleural effusion.",
        "Veil-like opacity of the {side} hemithorax in keeping with a {extent} layering pleural effusion.",
    ),
    ("Pleural Other", "thickening"): (
        "{side} lateral pleural thickening.",
        "There is {degree} pleural thickening along the {side} chest wall.",
    ),
    ("Pleural Other", "cap"): (
        "{side} apical pleural thickening.",
        "There is a {side} apical pleural cap of {degree} thickness.",
    ),
    ("Pleural Other", "plaques"): (
        "Calcified pleural plaques on the {side}.",
        "There are {side} calcified pleural plaques.",
    ),
    ("Fracture", "ribs"): (
        "There are displaced {side} rib fractures.",
        "Displaced fractures of several {side} ribs.",
        "Several {side} ribs are fractured with displacement.",
    ),
    ("Fracture", "clavicle"): (
        "There is a displaced fracture of the {side} clavicle.",
        "{side} clavicular fracture with displacement.",
    ),
    ("Support Devices", "pacemaker"): (
        "A {side} chest wall pacemaker with its leads is in place.",
        "{side}-sided cardiac pacemaker is noted.",
    ),
    ("Support Devices", "central line"): (
        "A {side} central venous catheter ends over the superior vena cava.",
        "{side} central line with its tip projecting over the SVC.",
    ),
    ("Support Devices", "endotracheal tube"): (
        "An endotracheal tube is in place.",
        "The endotracheal tube ends above the carina.",
    ),
    ("Support Devices", "gastric tube"): (
        "A nasogastric tube extends below the diaphragm.",
        "An enteric tube courses into the stomach.",
    ),
    ("Support Devices", "sternal wires"): ("Median sternotomy wires are present.", "Sternotomy wires are intact."),
    ("Support Devices", "chest tube"): ("A {side} chest tube is in place.", "{side}-sided thoracostomy tube is noted."),
    ("Support Devices", "ECG leads"): ("ECG leads overlie the chest.", "Monitoring leads project over the chest."),
}

# of findings on both sides, where the sentence above speaks of one
BOTH_SIDES: dict[tuple[str, str], Sequence[str]] = {
    ("Pleural Effusion", "free"): (
        "There are {extent} bilateral pleural effusions.",
        "{extent} bilateral pleural effusions with menisci.",
        "Blunting of both costophrenic angles by {extent} pleural effusions.",
    ),
    ("Pleural Effusion", "layering"): (
        "There are {extent} layering bilateral pleural effusions.",
        "Veil-like opacity of both hemithoraces in keeping with {extent} layering pleural effusions.",
    ),
    ("Pleural Other", "thickening"): (
        "Bilateral pleural thickening along the chest wall.",
        "There is {degree} bilateral pleural thickening.",
    ),
    ("Pleural Other", "cap"): ("Bilateral apical pleural thickening.", "There are bilateral apical pleural caps."),
    ("Pleural Other", "plaques"): ("Calcified pleural plaques on both sides.", "Bilateral calcified pleural plaques."),
}

# a sentence and the labels that must all be absent for it to be true
ABSENT: Sequence[tuple[str, tuple[str, ...]]] = (
    ("No pneumothorax.", ("Pneumothorax",)),
    ("There is no pneumothorax.", ("Pneumothorax",)),
    ("No pleural effusion.", ("Pleural Effusion",)),
    ("The costophrenic angles are sharp, without effusion.", ("Pleural Effusion",)),
    ("No pleural effusion or pneumothorax.", ("Pleural Effusion", "Pneumothorax")),
    ("There is neither pleural effusion nor pneumothorax.", ("Pleural Effusion", "Pneumothorax")),
    ("The heart is normal in size.", ("Cardiomegaly",)),
    ("Heart size is within normal limits.", ("Cardiomegaly",)),
    ("The cardiomediastinal silhouette is normal.", ("Cardiomegaly", "Enlarged Cardiomediastinum")),
    ("Mediastinal contours are unremarkable.", ("Enlarged Cardiomediastinum",)),
    ("No focal consolidation.", ("Consolidation",)),
    ("There is no evidence of consolidation.", ("Consolidation",)),
    ("The lungs are clear.", ("Lung Opacity",)),
    ("Both lungs are clear and well aerated.", ("Lung Opacity",)),
    ("No pulmonary edema.", ("Edema",)),
    ("The pulmonary vasculature is normal, without edema.", ("Edema",)),
    ("No acute fracture is seen.", ("Fracture",)),
    ("The visualized bones are intact, without fracture.", ("Fracture",)),
    ("No pulmonary nodule or mass.", ("Lung Lesion",)),
    ("No suspicious lung lesion.", ("Lung Lesion",)),
    ("No atelectasis.", ("Atelectasis",)),
)
NORMAL = (
    "No acute cardiopulmonary abnormality.",
    "Normal chest radiograph.",
    "No acute cardiopulmonary process.",
    "No evidence of acute cardiopulmonary disease.",
    "Unremarkable chest radiograph.",
)
SHORT = {
    "Cardiomegaly": ("{degree} cardiomegaly", "cardiomegaly", "enlarged heart"),
    "Enlarged Cardiomediastinum": ("widened mediastinum", "mediastinal widening"),
    "Edema": ("{degree} pulmonary edema", "pulmonary edema"),
    "Consolidation": ("consolidation in {where}", "{grade} consolidation of {where}"),
    "Pneumonia": ("pneumonia in {where}", "consolidation consistent with pneumonia in {where}"),
    "Lung Opacity": ("nonspecific opacity in {where}", "opacity in {where}"),
    "Pneumothorax": ("{extent} {side} pneumothorax", "{side} pneumothorax"),
    "Pleural Effusion": ("{extent} {side} pleural effusion", "{side} pleural effusion"),
    "Fracture": ("{side} {bone} fracture{s}", "displaced {side} {bone} fracture{s}"),
    "Support Devices": ("{device} in place", "{device} as described"),
}
SHORT_KIND = {
    ("Atelectasis", "plate"): ("atelectasis at {base}", "linear atelectasis at {base}"),
    ("Atelectasis", "lobar"): ("{side} {zone} lobe atelectasis", "atelectasis of the {side} {zone} lobe"),
    ("Lung Lesion", "nodule"): ("nodular lesion in {where}", "pulmonary nodules in {where}"),
    ("Lung Lesion", "mass"): ("{extent} mass in {where}", "lung mass in {where}"),
    ("Lung Lesion", "cavity"): ("cavitary lung lesion in {where}",),
    ("Lung Lesion", "calcified"): ("calcified nodules in {where}",),
    ("Pleural Other", "thickening"): ("{side} pleural thickening",),
    ("Pleural Other", "cap"): ("{side} apical pleural thickening",),
    ("Pleural Other", "plaques"): ("{side} calcified pleural plaques", "calcified pleural plaques on the {side}"),
}
DEVICE = {
    "pacemaker": "{side} pacemaker",
    "central line": "{side} central venous catheter",
    "endotracheal tube": "endotracheal tube",
    "gastric tube": "enteric tube",
    "sternal wires": "sternotomy wires",
    "chest tube": "{side} chest tube",
    "ECG leads": "monitoring leads",
}
WHERE = ("the {side} {zone} lung zone", "the {side} {zone} zone", "the {zone} {side} lung", "the {side} {zone} lung")

WHERE_BOTH = ("the {zone} zones of both lungs", "both {zone} lung zones")

SHORT_BOTH_SIDES = {
    "Pleural Effusion": ("{extent} bilateral pleural effusions", "bilateral pleural effusions"),
    "Pleural Other": ("bilateral pleural thickening or plaques",),
}
