"""Checks 4 to 7 and 11 of a trained model, from its predictions under other notes and other films.

`Trials` holds what the model answered for the same studies of one part: with their own notes (`own`), and with
something changed (`serving.note_trials` asks it). Nothing here knows a model.

Shapes: N studies, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.records import Prediction
from medley.core.seeds import generator
from medley.data.source import LeakBudget
from medley.evaluation.notes_audit.aurocs import Aurocs, aurocs, low, shown
from medley.evaluation.notes_audit.budget import readings
from medley.evaluation.notes_audit.regeneration import permutation_row
from medley.evaluation.notes_audit.subject import Row, Subject, not_applicable, verdict
from medley.evaluation.notes_audit.tolerance import fall_of_own_to_wrong_note, fall_with_wrong_note

FILM = "image_only"  # the head that reads the film alone
_BINS = 10  # of pre-test probability
NO_RUN = "this asks a trained model: give one with --run"


@dataclass(frozen=True)
class Trials:
    """The predictions of one part under each change, in the same order of studies; what was not tried is left out.

    own, permuted (notes written from other labels), swapped (notes of other patients), no_note, canned (one note for
    all), grey (own notes, films without content).
    """

    predictions: Mapping[str, Sequence[Prediction]]
    thresholds: Mapping[str, float]  # label -> threshold of the fused answer, for the flip rate

    def scores(self, labels: Sequence[str]) -> dict[str, np.ndarray]:
        """Fused scores [N, L] of each trial, and `film`: the film alone, or the answer without notes."""
        found = {
            name: np.array([[one.scores[label] for label in labels] for one in some], float)
            for name, some in self.predictions.items()
        }
        own = self.predictions["own"]
        if all(FILM in one.heads for one in own):
            found["film"] = np.array([[one.heads[FILM][label] for label in labels] for one in own], float)
        else:
            found["film"] = found["no_note"]
        return found


def audit_trials(
    trials: Trials, labels: Sequence[str], budget: LeakBudget, seed: int, generated: bool = True
) -> dict[int, Row]:
    """The rows of checks 4 to 7 for a model; check 4 only where notes could be written from other labels.

    `generated` says that nobody wrote the notes: check 7 then holds values against the budget, as check 2 does.
    """
    own = trials.predictions["own"]
    labels = [label for label in labels if label in own[0].scores]
    truth_NL = np.array([[_known(one.labels.get(label)) for label in labels] for one in own], float)
    scores = trials.scores(labels)
    drops = [("own", "swapped"), ("film", "no_note"), ("film", "canned"), ("own", "film")]
    if "permuted" in scores:
        drops.append(("film", "permuted"))
    table = aurocs(truth_NL, scores, labels, [one.patient_id for one in own], drops, seed)
    if table.drops["own - swapped"].ci95 is None:
        why = table.drops["own - swapped"].error or "not defined"
        return {number: not_applicable(number, why) for number in (4, 5, 6, 7)}
    rows = {5: _swap(table, trials, budget), 6: _without(table, budget), 7: _grey(table, budget, generated)}
    if "permuted" in scores:
        rows[4] = permutation_row(table, budget, "film", "permuted", f"the run on {len(own)} studies")
    return rows


def _known(value: int | None) -> float:
    return np.nan if value is None else float(value)


def _swap(table: Aurocs, trials: Trials, budget: LeakBudget) -> Row:
    """Check 5. What the answer loses with another patient's note, and how many decisions turn."""
    fall = table.drops["own - swapped"]
    bound = fall_of_own_to_wrong_note(table.macro["film"].value or 0.5, budget.macro)
    pairs = list(zip(trials.predictions["own"], trials.predictions["swapped"], strict=True))
    decisions = [
        (own.scores[label] >= threshold, other.scores[label] >= threshold)
        for own, other in pairs
        for label, threshold in trials.thresholds.items()
        if label in own.scores
    ]
    flips = float(np.mean([one != other for one, other in decisions])) if decisions else None
    turned = f"{flips:.1%} of the decisions turn" if flips is not None else "no thresholds, so no flip rate"
    return verdict(
        5,
        low(fall) <= bound,
        fall.value,
        bound,
        f"AUROC falls from {shown(table.macro['own'])} to {shown(table.macro['swapped'])} by {shown(fall)}; {turned}",
        "the answer rests on the note more than a note within the budget deserves; read the text-only head's scores",
        flip_rate=flips,
        fall=fall.as_json(),
    )


def _without(table: Aurocs, budget: LeakBudget) -> Row:
    """Check 6. Without a note, and with one and the same for all, the answer must come back to that of the film."""
    bound = fall_with_wrong_note(table.macro["film"].value or 0.5, budget.macro)
    falls = {name: table.drops[f"film - {name}"] for name in ("no_note", "canned")}
    worst = max(falls.values(), key=low)  # what is held against the bound
    film = shown(table.macro["film"])
    return verdict(
        6,
        all(low(fall) <= bound for fall in falls.values()),
        worst.value,
        bound,
        f"film {film}, no note {shown(table.macro['no_note'])}, canned note {shown(table.macro['canned'])}",
        "the model has unlearnt to read films without notes: raise model.drop_note, or report image_only",
        falls={name: fall.as_json() for name, fall in falls.items()},
    )


def _grey(table: Aurocs, budget: LeakBudget, generated: bool) -> Row:
    """Check 7. With grey films the answer knows what the note says, which must keep to the budget."""
    macro, *labels = readings("grey", table, ["grey"], budget, generated)
    over = sorted((one for one in (macro, *labels) if one.over > 0), key=lambda one: -one.over)
    first = over[0] if over else macro
    too_much = ", ".join(f"{one.of} {shown(one.metric)} over {one.bound:g}" for one in over)
    return verdict(
        7,
        not over,
        first.metric.value,
        first.bound,
        f"grey films: macro AUROC {shown(macro.metric)}" + (f"; {too_much}" if over else ""),
        "the note alone answers: the notes leak, or the table's notes were written after the film",
        labels={one.of: one.metric.as_json() for one in labels},
    )


def naming_strata(row: Row, subject: Subject, trials: Trials, naming: Mapping[str, list[str]]) -> Row:
    """Check 11 with a run: AUROC where the note names a finding, where not, and at balanced pre-test probability."""
    own = trials.predictions["own"]
    labels = [label for label in subject.labels if label in own[0].scores]
    truth_NL = np.array([[_known(one.labels.get(label)) for label in labels] for one in own], float)
    scores = trials.scores(labels)
    chosen = {name: scores[name] for name in ("own", "film")}
    names_N = np.array([one.case_id in naming for one in own])
    patients = [one.patient_id for one in own]
    parts, strata = [], {}
    for stratum, of_N in (("named", names_N), ("not named", ~names_N)):
        if not of_N.any():
            parts.append(f"{stratum}: no study")
            continue
        of_stratum = [patient for patient, inside in zip(patients, of_N, strict=True) if inside]
        some = {name: values[of_N] for name, values in chosen.items()}
        table = aurocs(truth_NL[of_N], some, labels, of_stratum, [("own", "film")], subject.seed)
        strata[stratum] = {name: metric.as_json() for name, metric in {**table.macro, **table.drops}.items()}
        parts.append(f"{stratum} ({of_N.sum()}): {shown(table.macro['own'])}, film {shown(table.macro['film'])}")
    if "text_only" in own[0].heads:
        text_NL = np.array([[one.heads["text_only"][label] for label in labels] for one in own], float)
        matched_NL = balanced(truth_NL, text_NL, subject.seed)
        table = aurocs(matched_NL, {**chosen, "text": text_NL}, labels, patients, [("own", "film")], subject.seed)
        strata["balanced"] = {name: metric.as_json() for name, metric in {**table.macro, **table.drops}.items()}
        parts.append(
            f"balanced pre-test probability: {shown(table.macro['own'])}, film {shown(table.macro['film'])}, "
            f"text {shown(table.macro['text'])}"
        )
    found = f"{row.found}; {'; '.join(parts)}"
    return Row(row.number, row.status, found, row.value, row.bound, row.advice, {**row.details, "strata": strata})


def balanced(truth_NL: np.ndarray, text_NL: np.ndarray, seed: int) -> np.ndarray:
    """Labels with as many positives as negatives in each tenth of the text's score; the others become nan.

    On what is left the text tells next to nothing, and what a system gains there it did not take from the note.
    """
    kept_NL = np.full(truth_NL.shape, np.nan)
    for column in range(truth_NL.shape[1]):
        known = np.flatnonzero(~np.isnan(truth_NL[:, column]))
        order = known[np.argsort(text_NL[known, column], kind="stable")]
        for index, some in enumerate(np.array_split(order, _BINS)):
            rng = generator("notes audit", "balance", seed, column, index)
            kinds = [some[truth_NL[some, column] == value] for value in (0.0, 1.0)]
            size = min(map(len, kinds))
            for kind in kinds:
                drawn = rng.permutation(kind)[:size]
                kept_NL[drawn, column] = truth_NL[drawn, column]
    return kept_NL
