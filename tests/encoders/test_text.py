"""Text towers: padding has no say, tokenizers are the same for the same notes, and small ones need no download."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertConfig, DistilBertConfig

from medley.core.errors import MedleyError
from medley.encoders.text import TextSpec, build_text, describe_text, load_tokenizer, small_bert, train_tokenizer

NOTES = ["cough and fever for two days", "short of breath, swollen legs", "fell from a ladder"] * 5


def text_folder(path: Path, config=None) -> str:
    """A small BERT as the hub holds it, with a tokenizer of its own."""
    tokenizer = train_tokenizer(NOTES)
    small = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64}
    config = config or BertConfig(**small, num_hidden_layers=2, num_attention_heads=2)
    AutoModel.from_config(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


def test_padding_has_no_say():
    torch.manual_seed(0)
    tower = build_text(small_bert(50, 32, 2, 0.1), pretrained=False).eval()
    ids = torch.randint(5, 50, (2, 8))
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[1, 5:] = False
    with torch.no_grad():
        out = tower(ids, mask)
        other = ids.clone()
        other[1, 5:] = 7
        torch.testing.assert_close(tower(other, mask)[1, :5], out[1, :5])
        torch.testing.assert_close(tower(ids[1:, :5], mask[1:, :5])[0], out[1, :5])
    assert out.shape == (2, 8, tower.dim)


def test_the_same_notes_give_the_same_tokenizer():
    """The trainer's own numbering differs from call to call: seven in a row must agree."""
    first, second = train_tokenizer(NOTES), train_tokenizer(list(NOTES))
    assert all(train_tokenizer(NOTES).get_vocab() == first.get_vocab() for _ in range(6))
    assert first(NOTES)["input_ids"] == second(NOTES)["input_ids"]
    assert first("COUGH")["input_ids"] == first("cough")["input_ids"]
    ids = first("cough zebra")["input_ids"]
    assert (ids[0], ids[-1]) == (first.cls_token_id, first.sep_token_id)
    assert first.convert_ids_to_tokens(ids)[1] == "cough"
    assert first.tokenize("co##ugh") != ["co", "##ugh"], "letters are no special tokens"
    assert sorted(first.all_special_tokens) == ["[CLS]", "[MASK]", "[PAD]", "[SEP]", "[UNK]"]


def test_a_tokenizer_of_no_notes_still_reads_and_pads():
    tokenizer = train_tokenizer([])
    coded = tokenizer(["", "cough for a week"], padding="longest", return_tensors="pt")
    assert coded["input_ids"].shape == coded["attention_mask"].shape
    assert tokenizer.unk_token_id in coded["input_ids"][1]
    assert len(tokenizer) == 5


def test_a_tokenizer_survives_its_folder(tmp_path):
    first = train_tokenizer(NOTES)
    first.save_pretrained(tmp_path)
    second = load_tokenizer(str(tmp_path))
    text = "Short of breath & a new word: naïve"
    assert first(text)["input_ids"] == second(text)["input_ids"]
    assert second.pad_token_id == first.pad_token_id


def test_a_folder_gives_its_weights_without_the_pooler(tmp_path):
    name = text_folder(tmp_path / "bert")
    spec = describe_text(name)
    tower = build_text(spec, pretrained=True)
    assert tower.pretrained
    assert not any("pooler" in key for key, _ in tower.named_parameters())
    whole = AutoModel.from_pretrained(name)
    assert torch.equal(tower.backbone.embeddings.word_embeddings.weight, whole.embeddings.word_embeddings.weight)
    assert not build_text(spec, pretrained=False).pretrained


def test_a_bert_without_a_pooler_is_read_too(tmp_path):
    config = DistilBertConfig(vocab_size=99, dim=32, n_layers=1, n_heads=2, hidden_dim=64)
    tower = build_text(TextSpec(None, config.to_dict()), pretrained=False)
    assert tower(torch.randint(5, 99, (1, 4)), torch.ones(1, 4, dtype=torch.bool)).shape == (1, 4, 32)
    assert build_text(describe_text(text_folder(tmp_path / "distil", config)), pretrained=True).dim == 32


def test_what_cannot_be_had_is_one_line(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MedleyError, match="text 'nobody/nothing' cannot be loaded"):
        describe_text("nobody/nothing")
    with pytest.raises(MedleyError, match=r"tokenizer .* cannot be loaded"):
        load_tokenizer(str(tmp_path / "none"))
    name = text_folder(tmp_path / "bert")
    spec = describe_text(name)
    weights = tmp_path / "bert" / "model.safetensors"
    tensors = load_file(weights)
    save_file({key: value for key, value in tensors.items() if "layer.1" not in key}, weights, {"format": "pt"})
    with pytest.raises(MedleyError, match=r"lacks 16 tensors of its own architecture, first 'encoder\.layer\.1"):
        build_text(spec, pretrained=True)
    weights.unlink()
    with pytest.raises(MedleyError, match="cannot be loaded"):
        build_text(spec, pretrained=True)
