"""The labeler: a report's text to CheXpert's 14 labels, by name, with our one lexicon and our one negation.

    label_text("No effusion. Possible left lower lobe pneumonia.")
    -> Pleural Effusion 0, Pneumonia -1, Consolidation -1, Lung Opacity -1, No Finding 0, all else nan

It follows the labeler of Irvin et al. 2019 in what a label is: a mention, its polarity with scope, the strongest claim
of the report wins, and No Finding comes last, from all the others. The phrases (`chest`), the reach of denials and
hedges (`negation`) and the rules of the hierarchy (`core.labels`) are our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from medley.core.labels import CHEXPERT_14, HIERARCHY, NO_FINDING, NOT_KNOWN, UNCERTAIN
from medley.language import chest
from medley.language.mentions import ABSENT, PERHAPS, PRESENT, find_mentions
from medley.language.sentences import INPUT_HEADERS, split_sentences

# What stands under these headers says nothing of this film: what was asked, what was before, what should be done next.
NOT_REPORTED = INPUT_HEADERS | {"recommendation"}
_VALUES = {PRESENT: 1.0, PERHAPS: UNCERTAIN, ABSENT: 0.0}
_RANK = {1.0: 3, UNCERTAIN: 2, 0.0: 1}  # not known has no rank
_POSITIVE = (1.0, UNCERTAIN)


def label_text(
    text: str, labels: Iterable[str] = CHEXPERT_14, *, finer: bool = True, parents: bool = True
) -> dict[str, float]:
    """One value a label: 1 present, 0 absent, -1 uncertain, nan never mentioned; present > uncertain > absent.

    What stands under INDICATION, HISTORY, COMPARISON, TECHNIQUE or RECOMMENDATION does not count. With `finer`, a finer
    word also counts as the label it belongs to (`chest.IMPLIES`: a nodule is a Lung Lesion); with `parents`, parents
    follow their children (`core.labels.HIERARCHY`: an edema is a Lung Opacity). Without both, a label is only what its
    own words say. No Finding is 1 where nothing but devices is present or uncertain, 0 where something is, and nan where
    nothing was reported. A name of `labels` that the lexicon does not have is nan.
    """
    values: dict[str, float] = {}
    for mention in find_mentions(text, skip=NOT_REPORTED):
        if mention.label == NO_FINDING:
            continue  # a consequence of all the others, below
        if mention.polarity == ABSENT and mention.side in ("left", "right"):
            continue  # "the right lung is clear" says nothing of the left one
        value = _VALUES[mention.polarity]
        for label, meant in ((mention.label, value), *(_coarser(mention.label, value) if finer else ())):
            values[label] = _stronger(values.get(label, NOT_KNOWN), meant)
    for child, above in reversed(HIERARCHY.items()) if parents else ():  # Pneumonia, Consolidation, Lung Opacity
        for parent in above if values.get(child) in _POSITIVE else ():
            values[parent] = _stronger(values.get(parent, NOT_KNOWN), values[child])
    if any(value in _POSITIVE for label, value in values.items() if label != "Support Devices"):
        values[NO_FINDING] = 0.0
    else:
        values[NO_FINDING] = 1.0 if _reports_something(text) else NOT_KNOWN
    return {label: values.get(label, NOT_KNOWN) for label in labels}


def label_report(
    sections: Mapping[str, str], labels: Iterable[str] = CHEXPERT_14, *, finer: bool = True, parents: bool = True
) -> dict[str, float]:
    """The labels of a report that is held in sections (`findings`, `impression`, ...), as `label_text` reads them.

    A section keeps its name as a header, so that an `indication` does not count here either; headers inside a section's
    own text hold, too.
    """
    return label_text(join_sections(sections), labels, finer=finer, parents=parents)


def join_sections(sections: Mapping[str, str]) -> str:
    """One text with a header before each section; `report` (a text without parts) has none. Blank ones are left out."""
    parts = [(name.strip(), text.strip()) for name, text in sections.items() if text.strip()]
    return "\n\n".join(text if name.lower() == "report" else f"{name.upper()}: {text}" for name, text in parts)


def _coarser(label: str, value: float) -> list[tuple[str, float]]:
    """What a finer word says of coarser labels; denied, it says nothing: no nodule is not yet no lesion."""
    if value == 0.0:
        return []
    hints = [(coarse, UNCERTAIN) for coarse in chest.HINTS.get(label, ())]
    return [(coarse, value) for coarse in chest.IMPLIES.get(label, ())] + hints


def _stronger(one: float, other: float) -> float:
    return one if _RANK.get(one, 0) >= _RANK.get(other, 0) else other


def _reports_something(text: str) -> bool:
    reported = (sentence for sentence in split_sentences(text) if sentence.section not in NOT_REPORTED)
    return any(char.isalpha() for sentence in reported for char in text[sentence.start : sentence.end])
