"""A report of a structured truth, in one of very many wordings: what was drawn is said, what was not may be denied.

It is written from the truth alone, so that training may tell the same truth in other words in every epoch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medley.core.labels import BRAIN_LOBES
from medley.core.records import Case
from medley.core.seeds import generator
from medley.data.cohorts.brain import phrases

Rng = np.random.Generator
_LARGE_ML = (9.0, 45.0)  # of the whole lesion: where small ends and large begins; of oedema two thirds of it
_LOBES = ("frontal", "parietal", "temporal", "occipital")
_ONE_SIDE = {
    "insula": ("the {side} insula",),
    "deep": ("the {side} basal ganglia", "the {side} deep gray matter"),
    "cerebellum": ("the {side} cerebellum", "the {side} cerebellar hemisphere"),
    "brainstem": ("the {side} side of the brainstem", "the {side} brainstem"),
}
_BOTH_SIDES = {
    "insula": ("the bilateral insula",),
    "deep": ("the bilateral basal ganglia", "the bilateral deep gray matter"),
    "cerebellum": ("the bilateral cerebellum", "both cerebellar hemispheres"),
    "brainstem": ("both sides of the brainstem", "the brainstem on both sides"),
}


def write_report(truth: Mapping[str, Any], rng: Rng) -> str:
    """One of the reports of this truth (as the cohort's case table holds it); the draw is `rng`'s."""
    return _healthy(rng) if truth["healthy"] else _ill(truth, rng)


def retell(case: Case, telling: int) -> Case:
    """The case with the report that says the same in other words; the same words for the same `telling`."""
    said = write_report(case.truth, generator("retold", case.case_id, telling))
    return dataclasses.replace(case, text={**case.text, "report": said})


def _healthy(rng: Rng) -> str:
    first = _pick(rng, phrases.NORMAL)
    parts = [_pick(rng, part) for part in phrases.NORMAL_PARTS]
    order = rng.permutation(len(parts))[: int(rng.integers(1, 5))]
    sentences = [first, *(parts[place] for place in order)]
    if rng.random() < 0.5:
        sentences.append(_pick(rng, phrases.STATEMENTS))
    return " ".join(dict.fromkeys(sentences))


def _ill(truth: Mapping[str, Any], rng: Rng) -> str:
    components = set(truth["components"])
    necrotic = "necrosis" in components
    many = len(truth.get("lesions", ())) > 1
    volumes = truth.get("volumes_ml", {})
    words = {
        "place": _place(truth["side_lobe"], rng),
        "size": _pick(rng, phrases.SIZES[_grade(volumes.get("whole"), 1.0)]),
        "signal": _pick(rng, phrases.SIGNALS[necrotic]),
        "uneven": _pick(rng, phrases.UNEVEN[necrotic]),
        "extent": _pick(rng, phrases.EXTENTS[_grade(volumes.get("edema"), 0.67)]),
        "ventricle": _ventricle(truth),
        "mm": str(round(float(truth.get("shift_mm", 0)))),
        "other": "",
    }
    first = _pick(rng, phrases.MANY if many else phrases.ONE)
    opening = [first]
    if "{signal}" not in first and rng.random() < 0.4:
        opening.append(_pick(rng, phrases.SIGNAL))
    sides = {side for side, _ in truth["side_lobe"]}
    if truth["sides"] == "bilateral" and len(sides) == 1:
        words["other"] = "right" if sides == {"left"} else "left"
        opening.append(_pick(rng, phrases.CROSSES))
    rest = _parts(components, rng)
    if rng.random() < 0.5:
        rng.shuffle(rest)
    said = " ".join(_fill(sentence, words) for sentence in (*opening, *rest))
    return said.replace("The lesion ", "The largest lesion ").replace(" the lesion", " the lesions") if many else said


def _parts(components: set[str], rng: Rng) -> list[str]:
    """Sentences on what the lesion is made of and does: all that is present, some of what is absent."""
    said = []
    for name, present, absent, chance in (
        ("edema", phrases.EDEMA, phrases.NO_EDEMA, 0.6),
        ("necrosis", phrases.NECROSIS, phrases.NO_NECROSIS, 0.5),
    ):
        if name in components:
            said.append(_pick(rng, present))
        elif rng.random() < chance:
            said.append(_pick(rng, absent))
    if "mass effect" in components:
        said.append(_pick(rng, phrases.EFFECT))
        if "midline shift" in components:
            said.append(_pick(rng, phrases.SHIFT))
        elif rng.random() < 0.6:
            said.append(_pick(rng, phrases.NO_SHIFT))
    elif "midline shift" in components:
        said.append(_pick(rng, phrases.SHIFT))
    elif rng.random() < 0.65:
        if rng.random() < 0.5:
            said.append(_pick(rng, phrases.NO_EFFECT_NO_SHIFT))
        else:
            said += [_pick(rng, phrases.NO_EFFECT)] + [_pick(rng, phrases.NO_SHIFT)] * int(rng.random() < 0.5)
    return said


def _place(pairs: Sequence[Sequence[str]], rng: Rng) -> str:
    """Where the lesion is: lobes that share a side are named together, a lobe of both sides once."""
    where = {lobe: {side for side, other in pairs if other == lobe} for lobe in BRAIN_LOBES}
    named = []
    for sides in ({"left", "right"}, {"left"}, {"right"}):
        both = len(sides) == 2
        lobes = [lobe for lobe in _LOBES if where[lobe] == sides]
        side = "" if both else next(iter(sides))
        if lobes and both:
            lead = _pick(rng, ("both", "the bilateral"))
            named.append(f"{lead} {_listed(lobes)} lobes")
        elif lobes:
            named.append(f"the {side} {_listed(lobes)} lobe{'s' if len(lobes) > 1 else ''}")
        for lobe, ways in (_BOTH_SIDES if both else _ONE_SIDE).items():
            if where[lobe] == sides:
                named.append(_pick(rng, ways).format(side=side))
    return _listed(named)


def _ventricle(truth: Mapping[str, Any]) -> str:
    lobes = {lobe for _, lobe in truth["side_lobe"]}
    if lobes <= {"cerebellum", "brainstem"}:
        return "the fourth ventricle"
    return f"the {truth['sides']} lateral ventricle" if truth["sides"] != "bilateral" else "the lateral ventricle"


def _grade(millilitres: float | None, scale: float) -> str:
    if millilitres is None:
        return "medium"
    small, large = (limit * scale for limit in _LARGE_ML)
    return "small" if millilitres < small else "large" if millilitres > large else "medium"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _fill(template: str, words: Mapping[str, str]) -> str:
    text = " ".join(template.format_map(words).split())
    for vowel in "aeiou":
        text = text.replace(f" a {vowel}", f" an {vowel}").replace(f"A {vowel}", f"An {vowel}")
    return text[0].upper() + text[1:]


def _pick(rng: Rng, choices: Sequence[str]) -> str:
    return str(choices[int(rng.integers(len(choices)))])
