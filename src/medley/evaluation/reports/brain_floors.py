"""What nobody's report says of a brain: that it is healthy, a lesion, the most frequent lesion of the training part.

The constant floor is the better of the first two in each metric: a system must be above both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LOBES, BRAIN_SIDES
from medley.core.records import Case, target_sections
from medley.evaluation.clinical.brain_truth import BrainFacts, merged, pair_name, sources, told, true_by_text
from medley.language.brain import BOTH, read_brain
from medley.language.labeler import join_sections

MAJORITY = "majority_side"
CONSTANTS = {
    "constant_healthy": {
        "findings": "The brain parenchyma shows normal signal intensity. No focal lesion, edema or mass effect is "
        "seen. The ventricles and sulci are normal in size. The midline structures are in place.",
        "impression": "Normal MRI of the brain without focal abnormality.",
    },
    "constant_lesion": {
        "findings": "The lesion area is in the right frontal and parietal lobes with a mixture of high and low "
        "signals. Edema is significant and surrounds the lesion. Necrosis is observed in the center of the lesion. "
        "Ventricular compression is observed.",
        "impression": "Tumor of the right frontal and parietal lobes with edema, necrosis and mass effect.",
    },
}
DEFINITION = (
    "majority_side says the most frequent side of training lesions, those of its lobes that give everybody the best F1 "
    "of pairs there, and the components that most of them have"
)
_WORDS = {"deep": "basal ganglia", "insula": "insula", "cerebellum": "cerebellum", "brainstem": "brainstem"}


def majority_report(train: Sequence[Case]) -> dict[str, str] | str:
    """Section -> text; or why there is none."""
    facts = _facts(train)
    lesions = [one for one in facts if one.lesion]
    sides = Counter(side for one in lesions for side in one.sides or ())
    if not sides:
        return "no training study is known to have a lesion on a side"
    side = max(BRAIN_SIDES, key=lambda name: sides[name])
    where = " and ".join(_places(lesions, side, len(facts)))
    shares = Counter(name for one in lesions for name in one.components or ())
    there = [name for name in BRAIN_COMPONENTS if 2 * shares[name] > len(lesions)]
    absent = [name for name in BRAIN_COMPONENTS if 0 < 2 * shares[name] <= len(lesions)]
    findings = [f"There is a lesion in the {where}{f' with {_listed(there)}' if there else ''}."]
    findings += [f"There is no {_listed(absent, 'or')}."] if absent else []
    return {"findings": " ".join(findings), "impression": f"Lesion of the {where}."}


def _places(lesions: Sequence[BrainFacts], side: str, studies: int) -> list[str]:
    """The lobes of the side, as many of the most frequent ones as give the best micro F1 when said of every study."""
    counts = Counter(pair for one in lesions for pair in one.side_lobe or ())
    on_side = BOTH if side == "bilateral" else (side,)
    found = {lobe: sum(counts[pair_name(each, lobe)] for each in on_side) for lobe in BRAIN_LOBES}
    lobes = sorted((lobe for lobe in BRAIN_LOBES if found[lobe]), key=lambda lobe: -found[lobe])
    if not lobes:
        return [f"{side} hemisphere{'s' if side == 'bilateral' else ''}"]

    def f1(many: int) -> float:
        return 2 * sum(found[lobe] for lobe in lobes[:many]) / (counts.total() + many * len(on_side) * studies)

    best = max(range(1, len(lobes) + 1), key=f1)
    return [f"{side} {_WORDS.get(lobe) or f'{lobe} lobe'}" for lobe in lobes[:best]]


def _facts(train: Sequence[Case]) -> list[BrainFacts]:
    table = [told(case.truth, f"training case '{case.case_id}'") for case in train]
    texts = [true_by_text(read_brain(join_sections(target_sections(case)))) for case in train]
    of_part = sources(table)
    return [merged(one, text, of_part) for one, text in zip(table, texts, strict=True)]


def _listed(names: Sequence[str], last: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
