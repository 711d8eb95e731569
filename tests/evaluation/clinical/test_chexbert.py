"""The CheXbert adapter on a tiny random BERT, saved in the format of the published file."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, BertTokenizerFast

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.evaluation.clinical.chexbert import CLASSES, HEADS, CheXbert

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "no", "effusion", "edema", "small", ".")


@pytest.fixture
def content() -> dict:
    """What the published file holds, at toy size; head k answers class k % 4, whatever the text is."""
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(WORDS), hidden_size=64, num_hidden_layers=1, num_attention_heads=1)
    state = {f"module.bert.{name}": tensor for name, tensor in BertModel(config).state_dict().items()}
    state["module.bert.embeddings.position_ids"] = torch.arange(512)[None]  # of the transformers of its time
    for index in range(len(HEADS)):
        head = nn.Linear(64, 2 if index == 13 else 4)
        with torch.no_grad():
            head.bias[index % 4 if index < 13 else 1] = 50.0
        state |= {f"module.linear_heads.{index}.{name}": tensor for name, tensor in head.state_dict().items()}
    return {"epoch": 8, "model_state_dict": state, "optimizer_state_dict": {"state": {}, "param_groups": []}}


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "words")
    return tmp_path / "words"


def save(tmp_path: Path, content: object) -> Path:
    torch.save(content, tmp_path / "chexbert.pth")
    return tmp_path / "chexbert.pth"


def test_no_finding_is_the_last_head_and_the_rest_keep_their_order():
    """The order by which others have rotated CheXbert's labels (the authors' src/constants.py)."""
    assert (HEADS[0], HEADS[1], HEADS[8], HEADS[9], HEADS[12], HEADS[13]) == (
        "Enlarged Cardiomediastinum",
        "Cardiomegaly",
        "Pneumothorax",
        "Pleural Effusion",
        "Support Devices",
        "No Finding",
    )


def test_labels_come_by_name(tmp_path: Path, content: dict, words: Path) -> None:
    labels = CheXbert.load(save(tmp_path, content), words)(["No effusion.", "small edema"])
    assert len(labels) == 2
    assert set(labels[0]) == set(CHEXPERT_14)
    for index, name in enumerate(HEADS[:-1]):
        assert labels[1][name] == pytest.approx(CLASSES[index % 4], nan_ok=True), name
    assert labels[1]["No Finding"] == 1


def test_a_text_alone_equals_itself_in_company(tmp_path: Path, content: dict, words: Path) -> None:
    state = content["model_state_dict"]
    for name in [name for name in state if name.startswith("module.linear_heads") and name.endswith("bias")]:
        state[name].zero_()  # now the text decides
    labeler = CheXbert.load(save(tmp_path, content), words)
    texts = ["no effusion .", "small edema " * 40, "edema", "no effusion ."] * 10
    together, alone = labeler(texts), [labeler([text])[0] for text in texts]
    assert [{k: str(v) for k, v in row.items()} for row in together] == [
        {k: str(v) for k, v in row.items()} for row in alone
    ]


def test_odd_texts(tmp_path: Path, content: dict, words: Path) -> None:
    labeler = CheXbert.load(save(tmp_path, content), words)
    assert labeler([]) == []
    empty, long, odd = labeler([" \n", "edema " * 10_000, "😀\x00"])
    assert all(math.isnan(value) for value in empty.values())
    assert long["No Finding"] == odd["No Finding"] == 1


def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path: Path, content: dict, words: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    state = content["model_state_dict"]
    fewer = {name: t for name, t in state.items() if ".linear_heads.13." not in name}
    turned = dict(state) | {
        f"module.linear_heads.0.{part}": state[f"module.linear_heads.13.{part}"] for part in ("weight", "bias")
    }
    broken = {name: t for name, t in state.items() if "attention.self.query.weight" not in name}
    (tmp_path / "text.pth").write_text("not a file of weights")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil(), protocol=2))
    for path, rule in (
        (tmp_path / "absent.pth", "does not exist"),
        (tmp_path / "text.pth", "no file of tensors alone"),
        (tmp_path / "plain.pth", "no file of tensors alone"),
    ):
        with pytest.raises(MedleyError, match=rule):
            CheXbert.load(path, words)
    for holds, rule in (
        ({"model_state_dict": state, "x": Evil()}, "no file of tensors alone"),
        ([1, 2], "no 'model_state_dict'"),
        ({"model_state_dict": fewer}, "has 13 linear heads"),
        ({"model_state_dict": turned}, "another label order"),
        ({"model_state_dict": broken}, "its BERT does not fit"),
    ):
        with pytest.raises(MedleyError, match=rule):
            CheXbert.load(save(tmp_path, holds), words)
    assert not (tmp_path / "ran").exists(), "nothing in a file of weights is run"


def test_a_tokenizer_that_does_not_fit_is_refused(tmp_path: Path, content: dict, words: Path) -> None:
    (words / "vocab.txt").write_text("\n".join((*WORDS, "more")))
    BertTokenizerFast(str(words / "vocab.txt")).save_pretrained(tmp_path / "other")
    with pytest.raises(MedleyError, match="11 words against 10"):
        CheXbert.load(save(tmp_path, content), tmp_path / "other")
    with pytest.raises(MedleyError, match="cannot be had"):
        CheXbert.load(save(tmp_path, content), tmp_path / "nowhere")
