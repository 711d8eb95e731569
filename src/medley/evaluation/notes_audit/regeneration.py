"""Checks 4, 8 and 9: write the notes anew, from other labels, from shuffled columns, and by the same seed.

Check 4 without a run uses a fusion of its own: a probe of the film (logistic regression on 32x32 thumbnails) and the
probe of words, put together by one more logistic regression that was fitted on true notes, all out of fold.

Shapes: N studies, L labels, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from medley.core.records import Case
from medley.core.seeds import generator
from medley.data.source import LeakBudget
from medley.evaluation.notes_audit.aurocs import Aurocs, aurocs, low, shown
from medley.evaluation.notes_audit.probes import FOLDS, MOST_STUDIES, TextProbes, fit_probe, score_words
from medley.evaluation.notes_audit.subject import Notes, Row, Subject, not_applicable, verdict
from medley.evaluation.notes_audit.tolerance import fall_with_wrong_note

_COMPONENTS = 64  # of the thumbnails, before the probe of films
_TELLS = 0.55  # AUROC
_SHUFFLES = 3  # of the label columns
_DRAWS, _MANY = 8, 1000  # of other labels: one draw is noisy where studies are few
_NO_RULE = "no rule writes these notes, so they cannot be written anew"


def permuted_labels(
    subject: Subject, probes: TextProbes, thumbnails: Mapping[str, np.ndarray] | None, budget: LeakBudget
) -> Row:
    """Check 4. With notes written from another study's labels, the fused answer must return to that of the film.

    `thumbnails` has rows of `floors.thumbnails` by case_id. Fitted on true notes; fails where the fused AUROC lies
    below that of the film alone by more than a note within the budget can explain (`tolerance`) and by more than its
    interval.
    """
    if subject.regenerate is None:
        return not_applicable(4, _NO_RULE)
    kept = [i for i, case in enumerate(probes.cases) if case.case_id in (thumbnails or ())]
    if thumbnails is None:
        return not_applicable(4, "no film was read to put beside the notes")
    if len(kept) < 2 * FOLDS:
        return not_applicable(4, f"films to put beside the notes could be read of {len(kept)} studies only")
    fewest = min(int((probes.fold_N[kept] != fold).sum()) for fold in range(FOLDS))
    if fewest < 2:
        return not_applicable(4, f"without one fold of the patients {fewest} of {len(kept)} studies are left to fit on")
    cases = [probes.cases[i] for i in kept]
    labels_NL, fold_N = probes.labels_NL[kept], probes.fold_N[kept]
    words = replace(probes.words, fold_N=fold_N)
    films_NL = _film_scores(np.stack([thumbnails[case.case_id] for case in cases]), labels_NL, fold_N)
    others_NL = [
        score_words(words, subject.texts(cases, subject.regenerate(subject.with_permuted_labels(cases, draw))))
        for draw in range(_DRAWS if len(cases) < _MANY else 1)
    ]
    own_fused_NL, *others_fused_NL = _fuse(films_NL, (probes.scores["words"][kept], *others_NL), labels_NL, fold_N)
    table = aurocs(
        labels_NL,
        {"film": films_NL, "fused": own_fused_NL, "permuted": np.stack(others_fused_NL, axis=-1)},
        subject.labels,
        [case.patient_id for case in cases],
        drops=[("film", "permuted"), ("fused", "film")],
        seed=subject.seed,
    )
    return permutation_row(table, budget, "film", "permuted", f"a probe on {len(cases)} studies")


def permutation_row(table: Aurocs, budget: LeakBudget, film: str, permuted: str, who: str) -> Row:
    """The verdict of check 4 from the AUROCs of the film alone and of film and permuted notes."""
    drop = table.drops[f"{film} - {permuted}"]
    if drop.value is None or drop.ci95 is None:
        return not_applicable(4, f"{who}: {drop.error}")
    bound = fall_with_wrong_note(table.macro[film].value or 0.5, budget.macro)
    over = [("macro", drop, bound)] if low(drop) > bound else []
    falls = table.label_drops[f"{film} - {permuted}"]
    for label, fall in falls.items():
        alone = table.labels[film][label]
        tells = low(alone) > _TELLS  # a film that tells nothing of a label has nowhere to fall from
        most = fall_with_wrong_note(alone.value or 0.5, budget.label)
        if tells and low(fall, of=len(falls)) > most:
            over.append((label, fall, most))
    over.sort(key=lambda one: (one[0] != "macro", one[2] - (one[1].value or 0.0)))
    worst = over[0] if over else ("macro", drop, bound)
    aurocs_found = f"film {shown(table.macro[film])}, film and permuted notes {shown(table.macro[permuted])}"
    fell = "".join(f"; {name} falls by {shown(fall)}, more than {most:.3f}" for name, fall, most in over)
    return verdict(
        4,
        not over,
        worst[1].value,
        worst[2],
        f"{who}: {aurocs_found}{fell}",
        "the answer follows the note against the film: the notes tell more than a history can",
        macro={name: metric.as_json() for name, metric in table.macro.items()},
        labels={name: {k: m.as_json() for k, m in by.items()} for name, by in table.labels.items()},
        drops={name: metric.as_json() for name, metric in table.drops.items()},
    )


def _film_scores(pixels_NF: np.ndarray, labels_NL: np.ndarray, fold_N: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fewest = int(min((fold_N != fold).sum() for fold in range(FOLDS)))
    components = min(_COMPONENTS, fewest - 1, pixels_NF.shape[1])
    reader = make_pipeline(PCA(components, svd_solver="randomized", random_state=0), StandardScaler())
    return fit_probe(reader, pixels_NF, labels_NL, fold_N).score(pixels_NF)


def _fuse(
    films_NL: np.ndarray, notes: tuple[np.ndarray, ...], labels_NL: np.ndarray, fold_N: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Fused log-odds [N, L] with each of `notes`; fitted on the films and the first notes of the other folds. nan for a
    label of which one of them could not be read."""
    from sklearn.linear_model import LogisticRegression

    fused = tuple(films_NL.copy() for _ in notes)
    for column in range(labels_NL.shape[1]):
        read = [np.stack([films_NL[:, column], text_NL[:, column]], 1) for text_NL in notes]
        known = ~np.isnan(labels_NL[:, column])
        if np.isnan(read[0]).any():
            for fused_NL in fused:
                fused_NL[:, column] = np.nan
            continue
        for fold in range(FOLDS):
            fitted, asked = known & (fold_N != fold), fold_N == fold
            if not asked.any():
                continue
            model = LogisticRegression(C=10.0, solver="liblinear").fit(read[0][fitted], labels_NL[fitted, column])
            for fused_NL, read_N2 in zip(fused, read, strict=True):
                fused_NL[asked, column] = model.decision_function(read_N2[asked])
    return fused


def column_order(subject: Subject) -> Row:
    """Check 8. The notes of a table whose label columns stand in another order are the same, byte for byte."""
    if subject.regenerate is None:
        return not_applicable(8, _NO_RULE)
    if len(subject.labels) < 2:
        return not_applicable(8, "one label has no order")
    cases = subject.sample(MOST_STUDIES)
    before, changed = subject.regenerate(cases), set()
    for shuffle in range(_SHUFFLES):
        order = generator("notes audit", "columns", subject.seed, shuffle).permutation(len(subject.labels))
        names = [subject.labels[i] for i in order]
        if shuffle == 0:
            names = list(reversed(subject.labels))  # one order that surely differs
        shuffled = [replace(case, labels=_ordered(case, names)) for case in cases]
        after = subject.regenerate(shuffled)
        changed |= {case.case_id for case in cases if after[case.case_id] != before[case.case_id]}
    example = min(changed, default=None)
    return verdict(
        8,
        not changed,
        len(changed) / len(cases),
        0.0,
        f"{len(changed)} of {len(cases)} notes change when the label columns do",
        "a rule that reads labels by place tells their order: make it read them by name",
        example=example,
    )


def _ordered(case: Case, names: Sequence[str]) -> dict[str, float]:
    """The labels of a case in this order, then those that the table's list lacks."""
    rest = [name for name in case.labels if name not in names]
    return {name: case.labels[name] for name in (*names, *rest) if name in case.labels}


def one_note_a_study(subject: Subject) -> Row:
    """Check 9. Rows of one study share their note, and the same rule and seed write the same bytes in any order."""
    studies: dict[tuple[str, str], set[str | None]] = {}
    for case in subject.cases:
        studies.setdefault((case.patient_id, case.study_id), set()).add(subject.notes[case.case_id])
    torn = sorted(study for study, notes in studies.items() if len(notes) > 1)
    differing = _differing(subject, subject.regenerate(tuple(reversed(subject.labelled)))) if subject.regenerate else []
    parts = [f"{len(torn)} of {len(studies)} studies have two different notes"]
    if subject.regenerate is None:
        parts.append("whether they can be written again is not known: " + _NO_RULE)
    else:
        parts.append(f"{len(differing)} of {len(subject.labelled)} notes differ when they are written again")
    return verdict(
        9,
        not torn and not differing,
        float(len(torn) + len(differing)),
        0.0,
        "; ".join(parts),
        "write one note a study, keyed by seed, patient and study; make the file anew where table or rule has changed",
        torn=[list(study) for study in torn[:10]],
        differing=differing[:10],
    )


def _differing(subject: Subject, again: Notes) -> list[str]:
    return [case.case_id for case in subject.labelled if again[case.case_id] != subject.notes[case.case_id]]
