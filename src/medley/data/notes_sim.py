"""Simulated notes (regime `sim`): what a patient with these findings might have told before the film was taken.

    age, sex -> comorbidities -> symptoms <- findings          (notes_causal.yaml; noisy-OR, every row with its source)

Generators are kept apart: one decides what is true of the patient and sees the labels; the others decide how it is
written (which truths are told, their order, wording, denials, typos, whether there is a note at all) and never see
them. So the wording carries nothing, and `strength` 0 leaves notes that know only age and sex.

The labels are given here and the patient is drawn to fit them; so findings move the odds of comorbidities as well.
It is a simulation for engineering and teaching: scores with such notes are no clinical result.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from medley.core.labels import HIERARCHY, UNCERTAIN
from medley.core.records import Case
from medley.core.seeds import generator
from medley.language.chest import IMPLIES

DEFAULT_AGE_YEARS = 55.0  # where the age is not known


@dataclass(frozen=True)
class CausalTable:
    """The table as read; `digest` names its contents and is stamped into every file of notes."""

    missing_note: float
    silent: float
    comorbidities: Mapping[str, Mapping[str, Any]]
    symptoms: Mapping[str, Mapping[str, Any]]
    surface: Mapping[str, Any]
    digest: str


@cache
def causal_table() -> CausalTable:
    """The table that ships with Medley."""
    raw = files("medley.data").joinpath("notes_causal.yaml").read_bytes()
    table = yaml.safe_load(raw)
    parts = {name: table[name] for name in ("missing_note", "silent", "comorbidities", "symptoms", "surface")}
    return CausalTable(**parts, digest=hashlib.sha256(raw).hexdigest()[:16])


def simulate_note(case: Case, strength: float, seed: int, telling: int = 0) -> str | None:
    """One study's note, or None (a note is missing with the table's probability). Same seed, same note.

    Another `telling` is the same patient's story in other words: what is true of the patient stays, and whether there
    is a note at all; which of it is told, in what order and wording, is drawn anew.
    """
    table = causal_table()
    key = (case.patient_id, case.study_id)
    truth = generator(seed, "note truth", *key)
    if generator(seed, "note missing", *key).random() < table.missing_note:
        return None
    findings = _findings(case, seed)
    history = [
        name for name in table.comorbidities if truth.random() < _comorbidity(table, name, case, findings, strength)
    ]
    causes = findings | set(history)
    felt = [name for name in table.symptoms if truth.random() < _symptom(table, name, causes, strength)]
    symptoms = [] if truth.random() < table.silent else felt
    told = (*key, telling) if telling else key
    text = _write(table, case, symptoms, history, generator(seed, "note words", *told))
    return _manner(text, table.surface["shorthand"], generator(seed, "note manner", *told))


def _findings(case: Case, seed: int) -> set[str]:
    """The findings that act: present ones, an uncertain one by the toss of a coin, and the coarser names of each."""
    found: set[str] = set()
    for label, value in case.labels.items():
        coin = (seed, "note coin", case.patient_id, case.study_id, label)
        if value == 1 or (value == UNCERTAIN and generator(*coin).random() < 0.5):
            found.update((label, *IMPLIES.get(label, ()), *HIERARCHY.get(label, ())))
    return found


def _comorbidity(table: CausalTable, name: str, case: Case, findings: set[str], strength: float) -> float:
    row = table.comorbidities[name]
    ages = sorted(row["prevalence"])
    age = DEFAULT_AGE_YEARS if math.isnan(case.age_years) else case.age_years
    log_odds = _logit(float(np.interp(age, ages, [row["prevalence"][a] for a in ages])))
    if case.sex == "M":
        log_odds += math.log(row["male_odds"])
    log_odds += strength * sum(math.log(odds["factor"]) for odds in row["odds"] if odds["finding"] in findings)
    return _sigmoid(log_odds)


def _symptom(table: CausalTable, name: str, causes: set[str], strength: float) -> float:
    """Noisy-OR: P = 1 - (1 - base) * product of (1 - w) over the causes that are there, w = (p - base) / (1 - base).

    For a finding, p is first drawn towards base on the log-odds scale by `strength`; comorbidities keep theirs.
    """
    row = table.symptoms[name]
    base = row["base"]
    spared = 1.0 - base
    for cause in row["rows"]:
        if cause["cause"] in causes:
            scale = 1.0 if cause["cause"] in table.comorbidities else strength
            p = _sigmoid(_logit(base) + scale * (_logit(cause["p"]) - _logit(base)))
            spared *= (1.0 - p) / (1.0 - base)
    return 1.0 - spared


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def _write(
    table: CausalTable, case: Case, symptoms: list[str], history: list[str], surface: np.random.Generator
) -> str:
    """The words. One family of templates for everyone; nothing here may look at the labels."""

    def pick(options: list[str]) -> str:
        return options[int(surface.integers(len(options)))]

    def some(items: list[str], most: int) -> list[str]:
        return [items[i] for i in surface.permutation(len(items))[:most]]

    words = table.surface
    told = some(symptoms, int(surface.integers(3, 8)))
    absent = [name for name in table.symptoms if name not in symptoms]
    denied = some(absent, int(surface.integers(0, 4)))
    known = some(history, int(surface.integers(1, 4)))
    complaint = pick(words["joiners"]).join(pick(table.symptoms[name]["words"]) for name in told)
    complaint = f"{complaint} {pick(words['durations'])}" if complaint else pick(words["quiet"])
    denials = ", ".join(pick(table.symptoms[name]["denied"]) for name in denied)
    past = ", ".join(pick(table.comorbidities[name]["words"]) for name in known)
    past = f"{pick(words['history_openers'])} {past}" if past else pick(words["quiet_history"])
    parts = [part.strip() for part in (complaint, denials, past) if part.strip()]
    if surface.random() < 0.3:
        parts = [parts[i] for i in surface.permutation(len(parts))]
    if surface.random() < 0.25:
        parts = parts[: max(1, len(parts) - 1)]
    if surface.random() < 0.7:
        parts = [part for part in (_who(case, surface), *parts) if part]
    return ". ".join(parts)


def _who(case: Case, surface: np.random.Generator) -> str:
    style = int(surface.integers(3))
    age = "" if math.isnan(case.age_years) else f"{case.age_years:.0f}"
    if case.sex is None:
        return f"{age}-year-old patient" if age else ""
    sex = {"F": ("woman", "female", "F"), "M": ("man", "male", "M")}[case.sex][style]
    if not age:
        return "Woman" if case.sex == "F" else "Man"
    return (f"{age}-year-old {sex}", f"{age} year old {sex}", f"{age}{sex}")[style]


def _manner(text: str, shorthand: Mapping[str, str], surface: np.random.Generator) -> str:
    """Hurry: shorthand, letter case, a full stop or none, and now and then two letters exchanged."""
    short, slip, case, stop = surface.random(4)
    if short < 0.3:
        text = " ".join(shorthand.get(word, word) for word in text.split(" "))
    if slip < 0.15:
        at = int(surface.integers(len(text) - 1))
        if text[at : at + 2].isalpha():
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    text = text.lower() if case < 0.2 else text.upper() if case < 0.27 else text[:1].upper() + text[1:]
    return text + "." if stop < 0.7 else text
