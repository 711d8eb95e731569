"""Check 3: is any word, or any shape of a note, a code for a label?

For each pair of a feature (a word, two words, the template, no note at all) and a label: the mutual information, as the
share of the label's entropy that the feature takes away (the uncertainty coefficient, Theil 1970): 0 says nothing,
1 gives the label away. An honest symptom is associated with its disease, so being significant is no fault. A pair
fails when it is significant (hypergeometric test, Benjamini-Hochberg over all pairs) *and* the lower end of its share's
interval lies above `MOST_SHARE`: the largest of thousands of shares is large by chance where studies are few.

Shapes: N studies, F features, L labels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from medley.evaluation.classification import MIN_SUPPORT
from medley.evaluation.notes_audit.probes import MOST_STUDIES
from medley.evaluation.notes_audit.subject import Row, Subject, not_applicable, verdict
from medley.evaluation.statistics.intervals import Z95

MOST_SHARE = 0.10  # of three simulated tables at full strength the largest share was 0.045; label names have 0.9 to 1
RATE = 0.05  # of false discoveries among the pairs that are listed
_RAREST = 5  # studies that a feature must have and must lack
_LISTED = 25
_HEADER = re.compile(r"[A-Za-z][A-Za-z ]{0,30}:")


def template(note: str) -> str:
    """The skeleton of a note: its headers and its punctuation without the words between."""
    if not note:
        return "<no note>"
    headers = [match[0].lower() for match in _HEADER.finditer(note)]
    return f"<template {' '.join(headers) or 'without headers'}>"


def features(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Names of the features, and which study has which, bool [N, F]; too rare and too common ones are left out."""
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"\w+|[^\w\s]", dtype=np.uint8)
    words = counter.fit_transform([text or "<no note>" for text in texts])
    often = np.asarray(words.sum(0, dtype=np.int64)).ravel()
    kept = np.flatnonzero((often >= _RAREST) & (often <= len(texts) - _RAREST))
    names = list(counter.get_feature_names_out()[kept])
    shapes = [template(text) for text in texts]
    columns = [words[:, kept].toarray().astype(bool)]
    for shape in sorted(set(shapes)):
        column = np.array([one == shape for one in shapes])
        if _RAREST <= column.sum() <= len(texts) - _RAREST:
            names.append(shape)
            columns.append(column[:, None])
    return names, np.concatenate(columns, axis=1)


def shares(has_NF: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(share of the label's entropy that each feature takes away [F], its lower end [F], two-sided p [F]).

    Over the known labels; corrected for the bias of small samples (Miller and Madow 1955) and never below 0. The lower
    end is 1.96 standard errors below (delta method).
    """
    from scipy.stats import hypergeom

    known = ~np.isnan(labels_N)
    has_KF, positive_K = has_NF[known], labels_N[known] == 1
    n, positives, having_F = len(positive_K), int(positive_K.sum()), has_KF.sum(0)
    both_F = has_KF[positive_K].sum(0)
    cells = np.stack([both_F, having_F - both_F, positives - both_F, n - positives - having_F + both_F]) / n
    outer = np.stack(
        [having_F * positives, having_F * (n - positives), (n - having_F) * positives, (n - having_F) * (n - positives)]
    ) / (n * n)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(cells > 0, np.log2(cells / outer), 0.0)
    bits_F = (cells * gain).sum(0)
    error_F = np.sqrt(np.maximum(0.0, (cells * gain**2).sum(0) - bits_F**2) / n)
    rate = positives / n
    entropy = -(rate * np.log2(rate) + (1 - rate) * np.log2(1 - rate))
    bits_F = np.maximum(0.0, bits_F - 1 / (2 * n * np.log(2)))
    above = hypergeom.sf(both_F - 1, n, positives, having_F)
    below = hypergeom.cdf(both_F, n, positives, having_F)
    return bits_F / entropy, (bits_F - Z95 * error_F) / entropy, np.minimum(1.0, 2 * np.minimum(above, below))


def no_codes(subject: Subject) -> Row:
    """Check 3. No feature of the notes takes away more than a tenth of a label's entropy."""
    from scipy.stats import false_discovery_control

    cases = subject.sample(MOST_STUDIES)
    names, has_NF = features(subject.texts(cases))
    labels_NL = subject.truth(cases)
    enough = [i for i, column in enumerate(labels_NL.T) if min((column == 1).sum(), (column == 0).sum()) >= MIN_SUPPORT]
    if not enough:
        return not_applicable(3, f"no label has 10 positives and 10 negatives among {len(cases)} studies")
    if not names and len({*subject.texts(cases)}) > 1:
        return not_applicable(3, f"no word stands in {_RAREST} of the {len(cases)} notes and is lacking in {_RAREST}")
    if not names:
        return verdict(3, True, 0.0, MOST_SHARE, "all notes are the same: there is nothing to compare", "")
    found = [shares(has_NF, labels_NL[:, i]) for i in enough]
    share_LF, low_LF, p_LF = (np.stack(parts) for parts in zip(*found, strict=True))
    significant_LF = false_discovery_control(p_LF.ravel()).reshape(p_LF.shape) <= RATE
    codes_LF = significant_LF & (low_LF > MOST_SHARE)
    worst = np.argsort(-np.where(significant_LF, share_LF, -1).ravel())[:_LISTED]
    listed = [
        {
            "label": subject.labels[enough[i]],
            "feature": names[j],
            "share": float(share_LF[i, j]),
            "low": max(0.0, float(low_LF[i, j])),
        }
        for i, j in zip(*np.unravel_index(worst, share_LF.shape), strict=True)
        if significant_LF[i, j]
    ]
    most = max(0.0, float(low_LF[significant_LF].max())) if significant_LF.any() else 0.0
    top = "; ".join(
        f"'{one['feature']}' takes {one['share']:.2f} of {one['label']} (at least {one['low']:.2f})"
        for one in listed[:3]
    )
    found_words = f"{int(codes_LF.sum())} codes, {int(significant_LF.sum())} associations"
    return verdict(
        3,
        not codes_LF.any(),
        most,
        MOST_SHARE,
        f"{found_words} among {significant_LF.size} pairs" + (f": {top}" if top else ""),
        "look at the listed words: what only sick (or only healthy) patients' notes can say is a label, not a history",
        listed=listed,
        codes={
            subject.labels[enough[i]]: [names[j] for j in np.flatnonzero(codes_LF[i])[:_LISTED]]
            for i in range(len(enough))
            if codes_LF[i].any()
        },
        studies=len(cases),
    )
