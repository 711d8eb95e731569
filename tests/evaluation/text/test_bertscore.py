"""BERTScore against its definition in plain loops, on a tiny encoder with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.evaluation.text import text_statistics
from medley.evaluation.text.bertscore import Encoder, bertscore_f1

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "heart",
    "lungs",
    "are",
    "is",
    "large",
    "clear",
    "no",
    ".",
]
SAID = ["the heart is large.", "", "lungs are clear", "no"]
RIGHT = ["the heart is clear", "lungs are clear", "the lungs are clear and no heart is large", "heart " * 80]
# F1 of bert-score 0.3.13 with the encoder below, layer -> pair; its empty hypothesis is 0 by its own rule, with
# transformers 5 it can no longer be asked
THEIRS = {1: [0.905696, 0.0, 0.8496183, 0.5073658], 2: [0.9765691, 0.0, 0.9610042, 0.8468952]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("encoder")
    (place / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(place / "vocab.txt"), model_max_length=32).save_pretrained(place)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    model = BertModel(config)
    rng = generator("BERTScore's encoder")  # weights that stay the same whatever the version of torch
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            drawn = torch.from_numpy(rng.normal(0, 0.3, tuple(parameter.shape))).float()
            parameter.copy_(1 + drawn if "LayerNorm.weight" in name else drawn)
    model.save_pretrained(place)
    return place


def by_definition(said: str, right: str, folder: Path, layer: int) -> float:
    tokenizer, model = BertTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder).eval()
    vectors, words = [], []
    for text in (said, right):
        ids = tokenizer(text, truncation=True, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            vectors.append(model(ids, output_hidden_states=True).hidden_states[layer][0].double().numpy())
        words.append([i for i, number in enumerate(ids[0].tolist()) if number not in (2, 3)])
    if not words[0]:
        return 0.0

    def nearest(vector: np.ndarray, others: np.ndarray) -> float:
        return max(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other) for other in others)

    precision = np.mean([nearest(vectors[0][i], vectors[1]) for i in words[0]])
    recall = np.mean([nearest(vectors[1][i], vectors[0]) for i in words[1]])
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("layer", [1, None])
def test_it_is_the_definition_whatever_the_company(folder: Path, layer: int | None) -> None:
    expected = [by_definition(*pair, folder, 2 if layer is None else layer) for pair in zip(SAID, RIGHT, strict=True)]
    assert bertscore_f1(SAID, RIGHT, Encoder(folder, layer)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("layer", [1, 2])
def test_the_package_bert_score(folder: Path, layer: int) -> None:
    assert bertscore_f1(SAID, RIGHT, Encoder(folder, layer)) == pytest.approx(THEIRS[layer], abs=1e-5)


def test_it_stands_among_the_others_and_names_its_encoder(folder: Path) -> None:
    found = text_statistics([*SAID, "heart"], [*RIGHT, ""], encoder=Encoder(folder, 1))
    metric = found.metrics(["a", "b", "c", "d", "e"], resamples=20, seed=0)["bertscore_f1"]
    assert metric.n == 4
    assert metric.value == pytest.approx(bertscore_f1(SAID, RIGHT, Encoder(folder, 1)).mean())
    assert "layer 1, weights " in found.definitions


def test_no_encoder_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MedleyError, match=r"layer is 3; the encoder .* has 0 … 2"):
        bertscore_f1(SAID, RIGHT, Encoder(folder, 3))
    with pytest.raises(MedleyError, match="is no folder"):
        bertscore_f1(SAID, RIGHT, Encoder(tmp_path / "none"))
