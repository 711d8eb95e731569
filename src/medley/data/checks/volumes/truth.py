"""What a brain table knows of its studies: labels and truth that cannot both be, reports that say the other side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medley.core.counts import counted
from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LABELS, BRAIN_LOBES, BRAIN_SIDES
from medley.core.records import Case, target_sections
from medley.data.cases import CaseTable
from medley.data.checks.looks import Look
from medley.data.checks.result import FAILED, OK, WARNING, Check, not_applicable, verdict
from medley.data.checks.volumes.dataset import is_healthy
from medley.data.checks.volumes.masks import masks_of
from medley.data.checks.volumes.reading import is_brain_table, read_report

NAMES = ("brain-truth", "report-fits-truth")
_WHOLE_ML, _SHIFT_MM = 800.0, 40.0  # no brain has a larger lesion or shift and is scanned
_ROUNDED_ML, _ROUNDED_SHARE = 0.1, 0.01
_OF_MASK = ("Edema", "Necrosis")  # what a segmentation tells of a label; mass effect and shift it does not
_WRONG_SHARE, _FEW = 0.1, 3  # of reports that contradict the truth: more is no slip of a reader


def check_truth(table: CaseTable) -> Check:
    """`failed` where labels, sides, lobes, parts and volumes of a study contradict one another or cannot be."""
    name = NAMES[0]
    told = [case for case in table.cases if case.truth or any(case.labels.get(label) == 1 for label in BRAIN_LABELS)]
    if not is_brain_table(table) or not told:
        return not_applicable(name, "the table is of no brains" if not is_brain_table(table) else "it knows no truth")
    bad = [
        f"case {case.case_id}: {line}"
        for case in told
        for line in (*_labels(case), *_places(case.truth), *_sizes(case.truth))
    ]
    wrong = f"{counted(len(bad), 'time')} what a study's truth or labels say cannot be"
    todo = "mend the table that was indexed, or the segmentation that it follows, and index again"
    return verdict(name, bad, f"labels and truth agree in {counted(len(told), 'study')}", wrong, todo)


def _labels(case: Case) -> list[str]:
    """Health and parts against the label columns."""
    truth, said = case.truth, []
    healthy = truth.get("healthy")
    present = [label for label in BRAIN_LABELS if case.labels.get(label) == 1]
    if healthy is True:
        said += [f"it is healthy, and {label} is 1" for label in present]
        said += [
            f"it is healthy, and has {key}" for key in ("sides", "lobes", "components", "lesions") if truth.get(key)
        ]
    if healthy is False and case.labels.get("Lesion") == 0:
        said.append("it has a lesion, and Lesion is 0")
    parts = truth.get("components")
    if isinstance(parts, list):
        of_label = {label: label.lower() for label in BRAIN_LABELS if label.lower() in BRAIN_COMPONENTS}
        said += [
            f"it has {part}, and {label} is 0"
            for label, part in of_label.items()
            if part in parts and case.labels.get(label) == 0
        ]
        said += [
            f"{label} is 1, and its parts lack it"
            for label in _OF_MASK
            if label in present and label.lower() not in parts
        ]
    return said


def _places(truth: Mapping[str, Any]) -> list[str]:
    said = []
    sides, lobes, pairs = truth.get("sides"), truth.get("lobes"), truth.get("side_lobe")
    if sides is not None and sides not in BRAIN_SIDES:
        said.append(f"sides is '{sides}', none of {', '.join(BRAIN_SIDES)}")
    for key, known in (("lobes", BRAIN_LOBES), ("components", BRAIN_COMPONENTS)):
        odd = [one for one in truth.get(key) or () if one not in known]
        if odd:
            said.append(f"{key} has '{odd[0]}', none of {', '.join(known)}")
    shares = [float(share) for _, _, share in truth.get("shares") or ()]
    if any(not 0 <= share <= 1 for share in shares) or sum(shares) > 1 + _ROUNDED_SHARE:
        said.append(f"the lobes' shares of its lesion are {', '.join(f'{share:g}' for share in shares)}")
    if not pairs:
        return said
    told_sides, told_lobes = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    if sides in ("left", "right") and sides not in told_sides:
        said.append(f"sides is {sides}, and all of side_lobe is {', '.join(sorted(told_sides))}")
    if lobes is not None and set(lobes) != told_lobes:
        said.append(f"lobes are {', '.join(lobes) or 'none'}, and those of side_lobe {', '.join(sorted(told_lobes))}")
    return said


def _sizes(truth: Mapping[str, Any]) -> list[str]:
    said = []
    volumes = {name: float(value) for name, value in (truth.get("volumes_ml") or {}).items()}
    said += [f"{name} has {value:g} ml" for name, value in volumes.items() if not 0 <= value <= _WHOLE_ML]
    whole = volumes.get("whole", math.nan)
    parts = sum(value for name, value in volumes.items() if name != "whole")
    if parts > whole + _ROUNDED_ML:
        said.append(f"its parts have {parts:g} ml, the whole lesion {whole:g}")
    if truth.get("healthy") is False and whole == 0:
        said.append("it has a lesion of 0 ml")
    shift = truth.get("shift_mm")
    if shift is not None and not 0 <= shift <= _SHIFT_MM:
        said.append(f"its midline is shifted by {shift:g} mm")
    return said


def check_reports(table: CaseTable, looks: Sequence[Look]) -> Check:
    """Does the report say the side of the truth (or, where that is silent, of the mask), and is it healthy where the
    truth is? `failed` where a tenth of them and more do not; single ones are a warning: readers slip."""
    name = NAMES[1]
    masks = masks_of(looks)
    compared, bad, wider = 0, [], 0
    for case in table.cases if is_brain_table(table) else ():
        healthy = is_healthy(case)
        text = "\n".join(target_sections(case).values())
        if healthy is None or not text:
            continue
        reading = read_report(text)
        compared += 1
        said = ""
        mask = masks.get(case.case_id)
        true = case.truth.get("sides") or (mask.sides if mask else None)
        if healthy and reading.says_lesion:
            said = f"it is healthy, and the report tells of {', '.join(reading.asserted)}"
        elif not healthy and reading.says_healthy:
            said = "it has a lesion, and the report calls the brain healthy"
        elif not healthy and true in BRAIN_SIDES and reading.side and reading.side != true:
            if "bilateral" in (true, reading.side):
                wider += 1
            else:
                said = f"the lesion is on the {true}, and the report says {reading.side}"
        if said:
            bad.append(f"case {case.case_id}: {said}: {_short(text)}")
    if not compared:
        return not_applicable(
            name,
            "no study has a report and is known to be healthy or not"
            if is_brain_table(table)
            else "the table is of no brains",
        )
    numbers = {"compared": compared, "contradict": len(bad), "one_side_against_bilateral": wider}
    also = f"; {wider} more say one side where it is bilateral, or the reverse" if wider else ""
    if not bad:
        return Check(
            name,
            OK,
            0,
            f"truth and report agree on health and side in {counted(compared, 'study')}{also}",
            numbers=numbers,
        )
    says = f"{len(bad)} of {counted(compared, 'report')} contradict the truth on health or side{also}"
    many = len(bad) >= max(_FEW, _WRONG_SHARE * compared)
    todo = "one: a slip of the reader, correct or drop it; many: volumes, masks or reports were mirrored or mixed up"
    return Check(name, FAILED if many else WARNING, len(bad), says, todo, tuple(bad), numbers)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 90 else text[:87] + "..."
