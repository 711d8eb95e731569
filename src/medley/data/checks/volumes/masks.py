"""Does each segmentation lie on its volume, and on the side where the lesion is?"""

from __future__ import annotations

from collections.abc import Sequence

from medley.core.counts import counted
from medley.data.cases import CaseTable
from medley.data.checks.looks import Look
from medley.data.checks.result import FAILED, OK, WARNING, Check, not_applicable
from medley.data.checks.volumes.dataset import is_healthy
from medley.data.checks.volumes.study import MaskFacts

NAME = "masks-fit-volumes"
_OUTSIDE_SHARE, _STICKS_OUT_SHARE = 0.5, 0.15  # of a lesion where there is no brain: failed, warning
_ML_APART = 0.1  # relative difference between the truth's volume and the mask's
_FEW_ML = 0.5
_ENOUGH = 8  # lesions of one side, before it is said that masks are mirrored
_MIRRORED_SHARE = 0.6  # of them darker than the same place on the other side


def check_masks(table: CaseTable, looks: Sequence[Look]) -> Check:
    """`failed` where a segmentation cannot be read, has another grid, lies outside the brain or contradicts the truth's
    health, side or volume; and where most lie opposite of what is bright on FLAIR or T2."""
    masks = masks_of(looks)
    if not masks:
        named = any(case.truth.get("segmentation") for case in table.cases)
        why = (
            "no study with a segmentation has a volume that can be read" if named else "the truth names no segmentation"
        )
        return not_applicable(NAME, why)
    wrong = [mask.problem for mask in masks.values() if mask.problem]
    doubts: list[str] = []
    for case_id, mask in masks.items():
        if mask.problem:
            continue
        here = f"case {case_id}: {mask.path}"
        wrong += [
            f"{here} {said}"
            for said in _contradictions(table.by_id[case_id].truth, is_healthy(table.by_id[case_id]), mask)
        ]
        if mask.outside >= _OUTSIDE_SHARE:
            wrong.append(f"{here}: {mask.outside:.0%} of the lesion lie outside the brain")
        elif mask.outside >= _STICKS_OUT_SHARE:
            doubts.append(f"{here}: {mask.outside:.0%} of the lesion lie outside the brain")
    sided = {case_id: mask.brighter for case_id, mask in masks.items() if mask.brighter is not None}
    darker = [case_id for case_id, value in sided.items() if value < 0]
    numbers = {"masks": len(masks), "of_one_side": len(sided), "darker_than_the_other_side": len(darker)}
    if len(sided) >= _ENOUGH and len(darker) > _MIRRORED_SHARE * len(sided):
        wrong.insert(0, f"{len(darker)} of {len(sided)} lesions are darker than the same place on the other side")
    todo = (
        "write each mask with its image's affine, from the same file; where sides disagree, find out what was mirrored"
    )
    if wrong:
        says = f"{counted(len(wrong), 'contradiction')} between {len(masks)} masks and their volumes or truth"
        return Check(NAME, FAILED, len(wrong), says, todo, (*wrong, *doubts), numbers)
    if doubts:
        says = f"{counted(len(doubts), 'mask')} that stick out of the brain"
        return Check(NAME, WARNING, len(doubts), says, todo, tuple(doubts), numbers)
    fine = f"{counted(len(masks), 'mask')}, each on its volume and of one mind with the truth"
    bright = (
        f"; {len(sided) - len(darker)} of {len(sided)} lesions of one side are brighter than the other" if sided else ""
    )
    return Check(NAME, OK, 0, fine + bright, numbers=numbers)


def masks_of(looks: Sequence[Look]) -> dict[str, MaskFacts]:
    """case_id -> what is known of its segmentation."""
    studies = ((look.case_id, look.volume.study) for look in looks if look.volume is not None)
    return {case_id: study.mask for case_id, study in studies if study is not None and study.mask is not None}


def _contradictions(truth, healthy: bool | None, mask: MaskFacts) -> list[str]:
    said = []
    if healthy and mask.whole_ml > 0:
        said.append(f"marks {mask.whole_ml:g} ml, and the study is called healthy")
    if healthy is False and mask.whole_ml == 0:
        said.append("marks nothing, and the study is said to have a lesion")
    sides = truth.get("sides")
    if sides in ("left", "right") and mask.sides in ("left", "right") and sides != mask.sides:
        said.append(f"lies on the {mask.sides}, and the truth says {sides}")
    volumes = truth.get("volumes_ml")
    whole = volumes.get("whole") if isinstance(volumes, dict) else None
    if isinstance(whole, int | float) and abs(whole - mask.whole_ml) > max(_FEW_ML, _ML_APART * mask.whole_ml):
        said.append(f"marks {mask.whole_ml:g} ml, and the truth says {whole:g}")
    return said
