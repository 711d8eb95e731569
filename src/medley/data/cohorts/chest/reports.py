"""The two sections of a study's report, in varied words, every one of them true to what was drawn.

Sentences name side, zone and grade of the findings of the plan; absences are stated only where the label is absent.
Wording, order and length are drawn from the study's own generator, independent of the labels but for their content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medley.core.labels import NO_FINDING
from medley.data.cohorts.chest import phrases
from medley.data.cohorts.chest.plan import Finding, StudyPlan

Rng = np.random.Generator

_URGENT = ("Pneumothorax", "Pneumonia", "Edema", "Consolidation", "Fracture", "Pleural Effusion", "Lung Lesion")


def write_report(plan: StudyPlan, rng: Rng) -> dict[str, str]:
    """The sections `findings` and `impression` of a study."""
    spoken = [_say(rng, _templates(f), f) for f in plan.findings]
    absent = _absences(plan.labels, rng)
    rng.shuffle(spoken)
    sentences = spoken + absent if rng.random() < 0.65 else absent + spoken
    if rng.random() < 0.3:
        rng.shuffle(sentences)
    if rng.random() < 0.35:
        view = {
            "PA": ("PA view of the chest.", "Upright frontal chest radiograph."),
            "AP": ("Portable AP view of the chest.",),
        }
        sentences.insert(0, _pick(rng, view[plan.pose.view]))
    return {"findings": " ".join(sentences), "impression": _impression(plan, rng)}


def _impression(plan: StudyPlan, rng: Rng) -> str:
    if plan.labels[NO_FINDING] == 1:
        return _pick(rng, phrases.NORMAL)
    rank = {label: place for place, label in enumerate(_URGENT)}
    ordered = sorted(plan.findings, key=lambda f: (rank.get(f.label, len(rank)), f.label))
    if all(f.label == "Support Devices" for f in ordered):
        return f"{_in_place(ordered)} {_pick(rng, phrases.NORMAL[:1] + phrases.NORMAL[2:4])}"
    medical = [f for f in ordered if f.label != "Support Devices" or rng.random() < 0.4]
    lines = [_sentence(_fill(rng, _pick(rng, _short_templates(f)), f)) for f in medical]
    lines = list(dict.fromkeys(lines))
    if len(lines) > 1 and rng.random() < 0.5:
        return " ".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    return " ".join(lines)


def _in_place(devices: Sequence[Finding]) -> str:
    return _sentence(" and ".join(phrases.DEVICE[f.kind].format(side=f.side) for f in devices) + " in place")


def _absences(labels: Mapping[str, float], rng: Rng) -> list[str]:
    """Some of the true absences, each subject once."""
    wanted = int(rng.integers(2, 7))
    said: set[str] = set()
    out: list[str] = []
    for place in rng.permutation(len(phrases.ABSENT)):
        sentence, needs = phrases.ABSENT[place]
        if len(out) < wanted and not said & set(needs) and all(labels[label] == 0 for label in needs):
            out.append(sentence)
            said |= set(needs)
    return out


def _templates(finding: Finding) -> Sequence[str]:
    """The ways to say a finding in full."""
    key = (finding.label, finding.kind)
    if finding.side == "bilateral" and key in phrases.BOTH_SIDES:
        return phrases.BOTH_SIDES[key]
    return phrases.FINDINGS.get(key) or phrases.FINDINGS[finding.label, "*"]


def _short_templates(finding: Finding) -> Sequence[str]:
    """The ways to name a finding in an impression."""
    if finding.side == "bilateral" and finding.label in phrases.SHORT_BOTH_SIDES:
        return phrases.SHORT_BOTH_SIDES[finding.label]
    return phrases.SHORT_KIND.get((finding.label, finding.kind)) or phrases.SHORT[finding.label]


def _say(rng: Rng, templates: Sequence[str], finding: Finding) -> str:
    return _sentence(_fill(rng, _pick(rng, templates), finding))


def _fill(rng: Rng, template: str, finding: Finding) -> str:
    zone, both = _pick(rng, phrases.ZONE.get(finding.zone, (finding.zone,))), finding.side == "bilateral"
    where = phrases.WHERE_BOTH if both else phrases.WHERE
    return template.format(
        side=finding.side,
        zone=zone,
        where=_pick(rng, where).format(side=finding.side, zone=zone),
        base="both lung bases" if both else f"the {finding.side} lung base",
        grade=_pick(rng, phrases.GRADE[finding.grade]),
        degree=_pick(rng, phrases.DEGREE[finding.grade]),
        extent=_pick(rng, phrases.EXTENT[finding.grade]),
        bone="rib" if finding.kind == "ribs" else finding.kind,
        s="s" if finding.kind == "ribs" else "",
        device=phrases.DEVICE.get(finding.kind, "").format(side=finding.side),
    )


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith(".") else text + "."


def _pick(rng: Rng, choices: Sequence[str]) -> str:
    return str(choices[int(rng.integers(len(choices)))])
