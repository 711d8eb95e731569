"""What the page of a report scorecard says in plain words: names of numbers, a sentence for each table and picture."""

from __future__ import annotations

F1 = {
    "clinical_f1_micro": "Micro: all findings of all reports pooled",
    "clinical_f1_macro": "Macro: mean over labels with enough cases",
    "{}_published": "Macro as published: mean over all, 0 where a label never occurs",
    "clinical_f1_example": "By report: mean over reports",
}
GROUPS = {"14": "14 labels", "13": "13, without No Finding", "5": "CheXpert's five"}
UNCERTAIN = {"": "“Possible” counts as present", "_uncertain_0": "“Possible” counts as absent"}
TEXT = {
    "bleu_1": "BLEU-1",
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "bleu_4": "BLEU-4",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "rouge_l_coco": "ROUGE-L (COCO)",
    "meteor": "METEOR",
    "cider": "CIDEr (0 … 10)",
    "cider_d": "CIDEr-D (0 … 10)",
    "chrf": "chrF",
    "bertscore_f1": "BERTScore",
}
BESIDE = ("bleu_1", "bleu_4", "rouge_l", "meteor", "cider_d", "chrf", "bertscore_f1")  # asked of the floors too

FLOORS_INTRO = (
    "A score means little alone: most reports are alike, so a report that nobody wrote for the patient scores too. "
    "Each line is such an answer to the same studies; what the system is above it has a 95 % interval over patients, "
    "and only where that lies above 0 is the floor beaten."
)
CEILINGS_INTRO = (
    "Ceilings know the truth and copy a training report by it: what copying could reach at best, not what a system "
    "must reach."
)
CLINICAL_INTRO = (
    "Findings are read from each report by rules and held against what is true of the study. F1: 2 × right / (said + "
    "true). A finding that is neither said nor true counts for nothing."
)
SIDES_INTRO = (
    "Of all findings that truly have a side, the share that the report puts there; not mentioned, or without a side, "
    "is wrong."
)
LABELS_INTRO = (
    "Positive: how many studies truly have it, of those where that is known. Said: how many reports say it. Precision: "
    "the share of those that are right. Recall: the share of the positives that are said. The last column counts "
    "“possible” as absent, on both sides; all others as present."
)
TEXT_INTRO = (
    "How alike the words are, whatever they mean: “no edema” and “edema” share most of their letters. Read each "
    "number beside the same number of the floors."
)
EXTERNAL_INTRO = "Scorers of others, each in an environment of its own: means over reports."
AUXILIARY_INTRO = (
    "Beside its text the system gives each finding a probability: another answer than the text, which may disagree "
    "with it. Scored as those of a system of findings."
)
SUBGROUPS_INTRO = (
    "The same system on some of the patients only. All of these numbers move with how many of a group are ill, so two "
    "groups are not held against each other. Small groups have wide intervals."
)
CAPTIONS = {
    "floors": "The system, its floors (hollow) and its ceilings (squares), with 95 % intervals: what the reports say, "
    "and on which side. The further to the right the better.",
    "labels": "F1 finding by finding with 95 % intervals (filled), the share of the said that is right (triangle up) "
    "and of the true that is said (triangle down). Findings below the line have too few cases for the macro average. "
    "In brackets: positives of studies where it is known.",
}
ALTS = {
    "floors": "Dot plot of clinical F1 and laterality of the system, of each floor and ceiling; the tables hold the "
    "same numbers",
    "labels": "Dot plot of the F1 of each finding; the table above holds the same numbers",
}
