"""Near twins are those that brute force finds, and MinHash agrees as often as theory says."""

from __future__ import annotations

import numpy as np

from medley.core.seeds import generator
from medley.language.near_text import RUN, near_twins, similarity


def copied(words: tuple[str, ...], changed: int, rng: np.random.Generator) -> tuple[str, ...]:
    new = list(words)
    for at in rng.permutation(len(words))[:changed]:
        new[at] = "other"
    return tuple(new)


def runs(words):
    return {words[i : i + RUN] for i in range(len(words) - RUN + 1)}


def test_twins_are_those_that_brute_force_finds():
    rng = generator("twins")
    known = {f"k{i}": tuple(f"w{j}" for j in rng.integers(0, 40, size=30)) for i in range(300)}
    asked = {f"a{i}": copied(known[f"k{i}"], i % 6, rng) for i in range(300)}
    for least in (0.75, 0.8):
        found = {}
        for a, words in asked.items():
            alike = {k: len(runs(words) & runs(w)) / len(runs(words) | runs(w)) for k, w in known.items()}
            best = max(alike, key=alike.__getitem__)
            if alike[best] >= least:
                found[a] = best
                assert similarity(words, known[best]) == alike[best]
        assert dict(near_twins(asked, known, least)) == found
        assert 60 <= len(found) < 300, "copies with a word or two changed, and none with five"


def test_one_word_changed_or_added_in_a_report_of_usual_length_is_seen():
    rng = generator("usual length")
    words = tuple(f"w{j}" for j in range(46))
    assert similarity(words, copied(words, 1, rng)) > 0.85
    assert similarity(words, (*words[:20], "mild", *words[20:])) > 0.85
    assert dict(near_twins({"a": words[:40]}, {"b": tuple(f"x{j}" for j in range(40))})) == {}
