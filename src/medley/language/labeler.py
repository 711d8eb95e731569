"""The labeler: a report's text to CheXpert's 14 labels, by name, with our one lexicon and our one negation.

    label_text("No effusion. Possible left lower lobe pneumonia.")
    -> Pleural Effusion 0, Pneumonia -1, Consolidation -1, Lung Opacity -1, No Finding 0, all else nan

It follows the labeler of Irvin et al. 2019 in what a label is: a mention, its polarity with scope, the strongest claim
of the report wins, and No Finding comes last, from all the others. The phrases (`chest`), the reach of denials and
hedges (`negation`) and the rules of the hierarchy (`core.labels`) are our own. `side_text` reads the sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from medley.core.labels import CHEXPERT_14, HIERARCHY, NO_FINDING, NOT_KNOWN, UNCERTAIN
from medley.core.records import INPUT_SECTIONS
from medley.language import chest
from medley.language.mentions import ABSENT, PERHAPS, PRESENT, can_be_read, find_mentions
from medley.language.sentences import NOT_REPORTED

DEVICES = "Support Devices"
_VALUES = {PRESENT: 1.0, PERHAPS: UNCERTAIN, ABSENT: 0.0}
_RANK = {1.0: 3, UNCERTAIN: 2, 0.0: 1}  # not known has no rank
_POSITIVE = (1.0, UNCERTAIN)


def label_text(
    text: str,
    labels: Iterable[str] = CHEXPERT_14,
    *,
    finer: bool = True,
    parents: bool = True,
    device_is_finding: bool = False,
) -> dict[str, float]:
    """One value a label: 1 present, 0 absent, -1 uncertain, nan never mentioned; present > uncertain > absent.

    What stands under INDICATION, HISTORY, COMPARISON, TECHNIQUE or RECOMMENDATION does not count. With `finer`, a finer
    word also counts as the label it belongs to (`chest.IMPLIES`: a nodule is a Lung Lesion); with `parents`, parents
    follow their children (`core.labels.HIERARCHY`: an edema is a Lung Opacity). Without both, a label is only what its
    own words say. No Finding is 1 where nothing is present or uncertain, 0 where something is, and nan where nothing
    can be read: no text, another language (`can_be_read`). A device is no finding to CheXpert's labeler, but is one to
    its human readers (`device_is_finding`). A name of `labels` that the lexicon does not have is nan.
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
    counted = {label: value for label, value in values.items() if device_is_finding or label != DEVICES}
    if any(value in _POSITIVE for value in counted.values()):
        values[NO_FINDING] = 0.0
    else:
        values[NO_FINDING] = 1.0 if counted or can_be_read(text, skip=NOT_REPORTED) else NOT_KNOWN
    return {label: values.get(label, NOT_KNOWN) for label in labels}


def side_text(text: str) -> dict[str, str]:
    """Label -> left, right or bilateral, of the findings that the text calls present or uncertain and gives a side.

    Finer words count as the label they belong to. A finding on the left in one sentence and on the right in another is
    bilateral. What has no side in the text is left out.
    """
    told: dict[str, set[str]] = {}
    for mention in find_mentions(text, skip=NOT_REPORTED):
        if mention.side is not None and mention.polarity != ABSENT:
            for label in (mention.label, *chest.IMPLIES.get(mention.label, ())):
                told.setdefault(label, set()).add(mention.side)
    return {label: sides.pop() if len(sides) == 1 else "bilateral" for label, sides in told.items()}


def join_sections(sections: Mapping[str, str]) -> str:
    """What was written from the image as one text: first what has no header of ours, then findings and impression."""
    headed = ("findings", "impression")
    plain = [text.strip() for name, text in sections.items() if name not in (*INPUT_SECTIONS, *headed)]
    under = [f"{name.upper()}: {sections[name].strip()}" for name in headed if sections.get(name, "").strip()]
    return "\n\n".join([*filter(None, plain), *under])


def _coarser(label: str, value: float) -> list[tuple[str, float]]:
    """What a finer word says of coarser labels; denied, it says nothing: no nodule is not yet no lesion."""
    if value == 0.0:
        return []
    hints = [(coarse, UNCERTAIN) for coarse in chest.HINTS.get(label, ())]
    return [(coarse, value) for coarse in chest.IMPLIES.get(label, ())] + hints


def _stronger(one: float, other: float) -> float:
    return one if _RANK.get(one, 0) >= _RANK.get(other, 0) else other
