"""Ours against sacrebleu, rouge-score, NLTK and, by its kept numbers, pycocoevalcap with Stanford's tokens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mini_wordnet import write_mini_wordnet
from nltk.translate.meteor_score import single_meteor_score
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.evaluation.text import text_statistics
from medley.evaluation.text.ngrams import word_ngrams
from medley.evaluation.text.ptb import tokenize
from medley.evaluation.text.rouge import common_in_order
from medley.evaluation.text.tokens import tokenizer
from medley.evaluation.text.wordnet import assemble_wordnet, find_wordnet, read_wordnet

EXACT = 1e-9
GOLDEN = json.loads((Path(__file__).parent / "coco_scores.json").read_text(encoding="utf-8"))
SAID = [pair["hypothesis"] for pair in GOLDEN["pairs"]]
RIGHT = [pair["reference"] for pair in GOLDEN["pairs"]]


def of(found, name: str) -> float:
    return float(found.weighted(np.ones((len(found.parts[0].scored_N), 1)))[name][0])


def test_the_coco_tools() -> None:
    for pair in GOLDEN["pairs"]:
        assert tokenize(pair["hypothesis"]) == pair["hypothesis_tokens"].split()
        assert tokenize(pair["reference"]) == pair["reference_tokens"].split()
    found = text_statistics(SAID, RIGHT)
    for name in ("rouge_l_coco", "cider", "cider_d"):
        assert found.by_report()[name] == pytest.approx([pair[name] for pair in GOLDEN["pairs"]], abs=EXACT), name
    for name, value in GOLDEN["corpus"].items():
        assert of(found, name) == pytest.approx(value, abs=EXACT)


@pytest.mark.parametrize("tokens", ["coco", "13a"])
def test_bleu_is_that_of_sacrebleu_on_the_same_tokens(tokens: str) -> None:
    said, right = ([" ".join(tokenizer(tokens)(text)) for text in texts] for texts in (SAID, RIGHT))
    for few in (slice(None), slice(6, 7), slice(0, 2), slice(5, 7)):  # some without a run of four in common: smoothed
        found = text_statistics(SAID[few], RIGHT[few], tokens=tokens)
        for n in range(1, 5):
            theirs = BLEU(max_ngram_order=n, tokenize="none", force=True).corpus_score(said[few], [right[few]])
            if min(theirs.totals[:n]):  # sacrebleu says 0 where no hypothesis is long enough; here it is null
                assert of(found, f"bleu_{n}") == pytest.approx(theirs.score / 100, abs=EXACT)


def test_the_defaults_of_sacrebleu_on_raw_texts() -> None:
    found = text_statistics(SAID, RIGHT, tokens="13a")
    assert of(found, "bleu_4") == pytest.approx(BLEU().corpus_score(SAID, [RIGHT]).score / 100, abs=EXACT)
    assert of(found, "chrf") == pytest.approx(CHRF().corpus_score(SAID, [RIGHT]).score / 100, abs=EXACT)
    for said, right in (("no", "no effusion"), ("no effusion", "no"), ("x", "y")):
        theirs = CHRF().corpus_score([said], [[right]]).score / 100
        assert of(text_statistics([said], [right]), "chrf") == pytest.approx(theirs, abs=EXACT)


def test_rouge_score_report_by_report() -> None:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    theirs = [scorer.score(right, said) for said, right in zip(SAID, RIGHT, strict=True)]
    ours = text_statistics(SAID, RIGHT).by_report()
    for name, key in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        assert ours[name] == pytest.approx([score[key].fmeasure for score in theirs], abs=EXACT)


def test_common_in_order_is_the_table() -> None:
    rng = generator("common in order")
    for _ in range(50):
        first, second = (["abcd"[i] for i in rng.integers(4, size=rng.integers(0, 90))] for _ in range(2))
        table = np.zeros((len(first) + 1, len(second) + 1), int)
        for i, x in enumerate(first):
            for j, y in enumerate(second):
                table[i + 1, j + 1] = table[i, j] + 1 if x == y else max(table[i, j + 1], table[i + 1, j])
        assert common_in_order(first, second) == table[-1, -1]


def test_runs_do_not_cross_from_one_text_to_the_next() -> None:
    counts = list(word_ngrams([["a", "b"], [], ["b", "a", "b"], ["a"]], 3))
    assert [each.sum(axis=1).tolist() for each in counts] == [[2, 0, 3, 1], [1, 0, 2, 0], [0, 0, 1, 0]]
    assert counts[1].minimum(counts[1][[2, 2, 0, 0]]).sum(axis=1).tolist() == [1, 0, 1, 0]
    assert counts[2].shape == (4, 1)


def test_meteor_needs_the_synonym(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    assert isinstance(find_wordnet(None), str)
    assert assemble_wordnet(tmp_path / "data", write_mini_wordnet(tmp_path / "debian")) == "3.0"
    said, right = ["the physician saw a large heart"], ["the doctor saw a large heart"]
    found = text_statistics(said, right, wordnet=tmp_path / "data")
    # six of six words match in one piece: 1 - 0.5 (1 / 6)^3
    assert of(found, "meteor") == pytest.approx(1 - 0.5 / 6**3, abs=1e-12)
    apart = text_statistics(["the surgeon saw a small heart"], right, wordnet=tmp_path / "data")
    assert of(apart, "meteor") < 0.7
    reader = read_wordnet(tmp_path / "data")
    theirs = [single_meteor_score(tokenize(r), tokenize(s), wordnet=reader) for s, r in zip(SAID, RIGHT, strict=True)]
    ours = text_statistics(SAID, RIGHT, wordnet=tmp_path / "data").by_report()["meteor"]
    assert ours == pytest.approx(theirs, abs=1e-12)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "data")])
    assert not isinstance(find_wordnet(None), str)


def test_a_wordnet_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    debian = write_mini_wordnet(tmp_path / "debian")
    (debian / "index.sense").unlink()
    with pytest.raises(MedleyError, match=r"lacks index\.sense .*wordnet-sense-index"):
        assemble_wordnet(tmp_path / "data", debian)
    assert not (tmp_path / "data" / "corpora" / "wordnet").exists()
    (debian / "index.sense").touch()
    (debian / "index.noun").write_text("")
    with pytest.raises(MedleyError, match="physician"):
        assemble_wordnet(tmp_path / "data", debian)
    (tmp_path / "data" / "corpora" / "wordnet" / "lexnames").unlink()
    with pytest.raises(MedleyError, match="lacks lexnames"):
        text_statistics(["a"], ["a"], wordnet=tmp_path / "data")
