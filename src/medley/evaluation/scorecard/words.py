"""What the scorecard's page says in plain words: names of numbers, and a sentence under each table and picture."""

from __future__ import annotations

SYNTHETIC = "SYNTHETIC: made from generated cases. These numbers say nothing about patients."
LEAKY = "LEAKY: this system was trained on notes that give the answer away. Its numbers show a leak, not a skill."

AVERAGES = {
    "auroc_macro": "AUROC, mean over labels",
    "auroc_micro": "AUROC, labels pooled",
    "auroc_chexpert5": "AUROC, mean of CheXpert's five",
    "ap_macro": "Average precision, mean over labels",
    "ap_micro": "Average precision, labels pooled",
    "f1_macro": "F1, mean over labels",
    "f1_micro": "F1, labels pooled",
    "precision_macro": "Precision, mean over labels",
    "recall_macro": "Recall (sensitivity), mean over labels",
    "specificity_macro": "Specificity, mean over labels",
    "mcc_macro": "Matthews correlation, mean over labels",
    "accuracy_macro": "Accuracy, mean over labels",
}
CALIBRATION = {
    "ece": "Calibration error ↓",
    "ece_if_calibrated": "… if these scores were true",
    "ece_calibrated": "… after calibration ↓",
    "ece_calibrated_if_calibrated": "… if those scores were true",
    "brier": "Brier score ↓",
    "brier_calibrated": "… after calibration ↓",
}
PER_LABEL = {
    "auroc": "AUROC",
    "ap": "AP",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "mcc": "MCC",
}
EXPLANATIONS = {
    "pointing_game": "Pointing game (within 3 %)",
    "pointing_game_exact": "Pointing game (exact)",
    "mass_in_mask": "Mass in mask",
    "iou": "Overlap (IoU)",
    "deletion": "Deletion ↓",
    "insertion": "Insertion",
}
EXPLANATION_FLOORS = {
    "chance": "By chance",
    "centre": "A spot in the middle of the film",
    "randomised": "A network with random weights",
    "shuffled": "Maps of other patients",
    "same_label": "Maps of other patients with the same finding",
}
SUBGROUP_AXES = {
    "sex": "By sex",
    "age": "By age in years",
    "view": "By view of the study",
    "image_view": "By view of the single image",
    "source": "By source",
}

FLOORS_INTRO = (
    "A score means little alone. Each line is a poorer answer to the same studies; the last column is what the system "
    "is above it, with the 95 % interval over patients. Only where that interval lies above 0 is the floor beaten."
)
AVERAGES_INTRO = (
    "AUROC: how often a positive study is ranked above a negative one; 0.5 is guessing, 1 is perfect. Average "
    "precision: how pure the top of the ranking is. The rest counts calls at thresholds that were "
    "chosen on other patients. In brackets: the 95 % interval over patients. A dash could not be computed, and the end "
    "of the page says why; an empty cell is not measured of that answer."
)
LABELS_INTRO = (
    "The system's own answer. Recall: the share of the ill who are called. Specificity: the share of the healthy who "
    "are not. Precision: the share of calls that are right."
)
CALIBRATION_INTRO = (
    "Does a said 30 % come true three times in ten? The calibration error is the mean distance between what was said "
    "and what happened; no finite set of patients shows 0, so it is read beside what the same scores would show if "
    "they were true."
)
SUBGROUPS_INTRO = (
    "The same system on some of the patients only. Averages are over the labels that the group has "
    "enough cases of. Small groups have wide intervals: a difference inside them is none."
)
EXPLANATIONS_INTRO = (
    "Where the system looked, held against marked lesions. Pointing game: how often the hottest point lies in the "
    "lesion, or within 3 % of the film's side of it; thin lesions live by that tolerance, so the exact share stands "
    "beside it. Mass in mask: the share of the heat that does. Overlap: of the hot area with the lesion. Deletion and "
    "insertion: what is left of the answer while the hottest places are blurred away, and what comes back while they "
    "are shown first. The floors below are maps that know nothing of this patient."
)
CAPTIONS = {
    "floors": "The system and its floors on one line each, with 95 % intervals. The further to the right the better; "
    "on the dashed line an answer knows nothing.",
    "labels": "AUROC label by label with 95 % intervals (filled), and what the floors reach (hollow). Labels below the "
    "line stand in no average: they have too few cases, or are No Finding, the absence of the others.",
    "roc": "The share of the ill who are found against the share of the healthy who are alarmed, at every threshold: "
    "the nearer to the upper left corner the better; on the grey line the score says nothing. "
    "In brackets: positives of cases with a known label.",
    "pr": "The share of calls that are right against the share of the ill who are found; the flat line is what "
    "calling everybody would give.",
    "reliability": "What was said against what happened, label by label, in groups of equal size: on the grey line a "
    "said 30 % comes true three times in ten. Hollow: as the system said it; filled: after calibration.",
}
ALTS = {
    "floors": "Dot plot of the mean AUROC of the system and of each floor; the table above holds the same numbers",
    "labels": "Dot plot of the AUROC of each label; the table above holds the same numbers",
    "roc": "ROC curve of each label",
    "pr": "Curve of precision against recall of each label",
    "reliability": "Reliability diagram of each label",
}
