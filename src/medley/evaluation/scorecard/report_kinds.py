"""The kinds of reports that have a scorecard, and what their pages differ in: by which numbers a system is judged, what
its floors are, and how both are called. All else is one page for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from medley.core.errors import choose
from medley.core.labels import BRAIN_COMPONENTS, CHEXPERT_14
from medley.evaluation.scorecard.verdicts import FloorWords

LIKENESS = {"bleu_4": "BLEU-4", "rouge_l": "ROUGE-L", "meteor": "METEOR", "cider_d": "CIDEr-D"}
NEAREST_REFERENCE = {"nearest_reference": "the training report nearest to the true one"}
_NOBODY = (
    "a report that nobody wrote for the patient does as well",
    "a report that nobody wrote for the patient does better",
)


class Judged(NamedTuple):
    """A metric that every floor is asked for: its name in scorecard.json, and the heads of its three columns."""

    metric: str
    beaten: str  # of the verdict
    name: str  # of the value
    above: str  # of what the system is above the floor


class Elsewhere(NamedTuple):
    """Metrics in which a floor may hold that is beaten in the first: metric -> its name, and the sentence that says so
    with `{floors}`. With `named` the metrics are given in brackets."""

    metrics: Mapping[str, str]
    sentence: str
    named: bool = False


@dataclass(frozen=True)
class ReportKind:
    """Reports of one task."""

    title: str
    judged: tuple[Judged, ...]  # the first is the one that the first line is about
    name: str  # of that metric at the head of a sentence
    left_out_of: str  # the macro averages that labels without support are left out of
    over: str  # what it is an average over, with `{reports}`
    bracketed: tuple[str, str] | None  # another average in brackets behind it: metric, words
    shares: Mapping[str, str]  # proportions that the first line gives: metric -> of what
    elsewhere: tuple[Elsewhere, ...]
    asked: tuple[str, ...]  # clinical metrics that floors are scored in
    by_group: Mapping[str, str]  # metric -> its name, of subgroups
    labels: tuple[str, ...]  # in the averages of a subgroup
    floors: Mapping[str, FloorWords]
    telling: tuple[str, ...]  # floors by what they tell if they are not beaten, the most first
    ceilings: Mapping[str, str]
    panels: Mapping[str, str]  # of the picture of the floors: metric -> its axis
    heads: tuple[str, ...]  # of the labels that are drawn and spoken of
    ranked_by: str  # what examples are chosen by
    only_blind: tuple[str, ...]  # floors that show whether the images were read
    no_blind: str  # what is said where none of them is given
    asks_findings: bool  # whether findings beside the text are expected, and missed where there are none
    absent: Mapping[str, str]  # floors that somebody else's file lacks -> why, with `{name}`

    @property
    def metric(self) -> str:
        return self.judged[0].metric


_OF_COPIES = {
    "most_frequent": FloorWords("the most frequent training report for everybody", *_NOBODY),
    "no_note": FloorWords(
        "itself without the indication",
        "the indication adds nothing that these studies can show",
        "the indication makes it worse",
    ),
    "nearest_findings": FloorWords(
        "the training report with the nearest predicted findings",
        "copying by the findings that it predicts does as well as writing",
        "copying by the findings that it predicts does better than writing",
    ),
}
_NO_NEIGHBOURS = (
    "it takes the {images} or the system's own findings of the training part; give it with --floor {name}=FILE"
)

CHEST = ReportKind(
    title="Scorecard: reports of chest films",
    judged=(
        Judged("clinical_f1_micro_14", "In what it says", "Clinical F1", "The system is above it by"),
        Judged("laterality_accuracy", "In sides", "On the true side", "Above it by"),
    ),
    name="Clinical F1",
    left_out_of="clinical F1",
    over="micro over 14 labels of {reports}",
    bracketed=("clinical_f1_micro_13", "without No Finding"),
    shares={"laterality_accuracy": "of sided findings on their true side"},
    elsewhere=(
        Elsewhere(
            {"laterality_accuracy": "sides"},
            "But it does not put findings on their true side more often than {floors}.",
        ),
        Elsewhere(LIKENESS, "But in likeness of words it does not beat {floors}.", named=True),
    ),
    asked=(
        *("clinical_f1_micro_14", "clinical_f1_micro_13", "clinical_f1_micro_5"),
        *("clinical_f1_macro_14", "clinical_f1_example_14", "laterality_accuracy"),
    ),
    by_group={
        "clinical_f1_micro_14": "Clinical F1",
        "clinical_f1_micro_13": "… without No Finding",
        "laterality_accuracy": "On the true side",
        "bleu_4": "BLEU-4",
        "rouge_l": "ROUGE-L",
    },
    labels=CHEXPERT_14,
    floors={
        "constant_normal": FloorWords("one normal report for everybody", *_NOBODY),
        "most_frequent": _OF_COPIES["most_frequent"],
        "nearest_text": FloorWords(
            "the training report with the nearest indication",
            "the film adds nothing to the indication that these studies can show",
            "copying by the indication, without the film, does better",
        ),
        "no_note": _OF_COPIES["no_note"],
        "black_images": FloorWords(
            "itself on black films", "its score does not come from the film", "the film makes it worse"
        ),
        "shuffled_images": FloorWords(
            "itself on another patient's films",
            "its score does not come from the patient's own film",
            "another patient's film serves it better",
        ),
        "nearest_image": FloorWords(
            "the training report of the nearest film",
            "copying the report of a similar film does as well",
            "copying the report of a similar film does better",
        ),
        "nearest_findings": _OF_COPIES["nearest_findings"],
    },
    telling=("black_images", "shuffled_images", "constant_normal", "most_frequent"),
    ceilings={
        **NEAREST_REFERENCE,
        "nearest_true_findings": "the training report with the nearest true findings",
    },
    panels={"clinical_f1_micro_14": "clinical F1 (micro, 14)", "laterality_accuracy": "on the true side"},
    heads=("uncertain_1",),
    ranked_by="clinical_f1_example_14",
    only_blind=("black_images", "shuffled_images"),
    no_blind="no floor shows whether the films were read: give the same system's reports of black films, or of other "
    "patients', with --floor black_images=FILE or --floor shuffled_images=FILE",
    asks_findings=True,
    absent=dict.fromkeys(("nearest_image", "nearest_findings"), _NO_NEIGHBOURS.replace("{images}", "films")),
)

BRAIN = ReportKind(
    title="Scorecard: reports of brain MRI",
    judged=(
        Judged("side_lobe_f1", "In side and lobe", "Side and lobe F1", "The system is above it by"),
        Judged("laterality_accuracy", "In sides", "On the true side", "Above it by"),
        Judged("pathology_f1", "In pathology", "Pathology F1", "Above it by"),
        Judged("lesion_balanced_accuracy", "In sick or healthy", "Balanced accuracy", "Above it by"),
    ),
    name="Side and lobe F1",
    left_out_of="F1",
    over="micro over pairs of side and lobe in {reports}",
    bracketed=("pathology_f1", "pathology F1"),
    shares={
        "laterality_accuracy": "of lesions on their true side",
        "lesion_sensitivity": "of lesions reported",
        "healthy_specificity": "of healthy brains called healthy",
    },
    elsewhere=(
        Elsewhere(
            {"laterality_accuracy": "sides"},
            "But it does not put lesions on their true side more often than {floors}.",
        ),
        Elsewhere(
            {"pathology_f1": "pathology"},
            "But in what a lesion is made of and does it does not beat {floors}.",
        ),
        Elsewhere(
            {"lesion_balanced_accuracy": "sick or healthy"},
            "But it does not tell sick brains from healthy ones better than {floors}.",
        ),
        Elsewhere(LIKENESS, "But in likeness of words it does not beat {floors}.", named=True),
    ),
    asked=(
        *("side_lobe_f1", "laterality_accuracy", "laterality_f1", "anatomy_f1", "pathology_f1", "facts_f1_example"),
        *("lesion_balanced_accuracy", "healthy_specificity", "lesion_sensitivity", "hallucination_rate"),
        *("laterality_f1_seed", "anatomy_f1_seed", "pathology_f1_seed"),
    ),
    by_group={
        "side_lobe_f1": "Side and lobe F1",
        "laterality_accuracy": "On the true side",
        "pathology_f1": "Pathology F1",
        "lesion_sensitivity": "Lesions reported",
        "healthy_specificity": "Healthy called healthy",
        "rouge_l": "ROUGE-L",
    },
    labels=BRAIN_COMPONENTS,
    floors={
        "constant_healthy": FloorWords("one healthy report for everybody", *_NOBODY),
        "constant_lesion": FloorWords("one report of a lesion for everybody", *_NOBODY),
        "majority_side": FloorWords("the most frequent training lesion for everybody", *_NOBODY),
        "most_frequent": _OF_COPIES["most_frequent"],
        "nearest_text": FloorWords(
            "the training report with the nearest indication",
            "the volume adds nothing to the indication that these studies can show",
            "copying by the indication, without the volume, does better",
        ),
        "no_note": _OF_COPIES["no_note"],
        "black_images": FloorWords(
            "itself on empty volumes", "its score does not come from the volume", "the volume makes it worse"
        ),
        "mean_images": FloorWords(
            "itself on the mean training volume", "its score does not come from the volume", "the volume makes it worse"
        ),
        "shuffled_images": FloorWords(
            "itself on another patient's volume",
            "its score does not come from the patient's own volume",
            "another patient's volume serves it better",
        ),
        "probe": FloorWords(
            "a linear probe on an 8\u00d78\u00d78 volume",
            "brightness at large does as well",
            "brightness at large does better",
        ),
        "nearest_image": FloorWords(
            "the training report of the nearest volume",
            "copying the report of a similar volume does as well",
            "copying the report of a similar volume does better",
        ),
        "slices_2d": FloorWords(
            "a model of 2D slices trained on the same data",
            "reading in 3D adds nothing that these studies can show",
            "reading in 3D makes it worse",
        ),
        "nearest_findings": _OF_COPIES["nearest_findings"],
    },
    telling=(
        *("black_images", "mean_images", "shuffled_images", "constant_healthy", "constant_lesion", "majority_side"),
        "most_frequent",
    ),
    ceilings={
        **NEAREST_REFERENCE,
        "nearest_true_findings": "the training report with the nearest true findings",
    },
    panels={"side_lobe_f1": "side and lobe F1", "pathology_f1": "pathology F1"},
    heads=("pathology", "anatomy"),
    ranked_by="facts_f1_example",
    only_blind=("black_images", "mean_images", "shuffled_images"),
    no_blind="no floor shows whether the volumes were read: give the same system's reports of empty volumes, or of "
    "other patients', with --floor black_images=FILE or --floor shuffled_images=FILE",
    asks_findings=False,
    absent=dict.fromkeys(("nearest_image", "nearest_findings"), _NO_NEIGHBOURS.replace("{images}", "volumes")),
)

KINDS = {"chest_report": CHEST, "brain_report": BRAIN}


def kind_of(task: str) -> ReportKind:
    """The kind of reports of a task. Raises MedleyError for one that writes none."""
    return choose(task, KINDS, "task of a scorecard of reports")
