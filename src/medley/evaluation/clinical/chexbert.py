"""CheXbert (Smit et al. 2020) as a labeler: the user's weights file, our label names, no code of its authors.

    labeler = CheXbert.load("chexbert.pth", "bert-base-uncased")      # weights by request from its authors
    read_labels(predictions, labeler=labeler, named="chexbert")

What the file holds, from the authors' repository (stanfordmlgroup/CheXbert, src/constants.py and
models/bert_labeler.py): `model_state_dict`, saved from several devices (prefix `module.`): a BERT, and under
`linear_heads.0 ... 13` one linear layer a label, in the order of `HEADS`. The heads of the 13 findings have four
classes (blank, positive, negative, uncertain); the last, No Finding, has two (blank, positive). The [CLS] state is
read. The names are keyed here once; nothing after this file knows an order. Labels are as the file gives them: a parent
does not follow its child.

Only tensors are read from the file (`weights_only=True`): a pickle could run code.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14, NO_FINDING, NOT_KNOWN, UNCERTAIN

HEADS = (*(name for name in CHEXPERT_14 if name != NO_FINDING), NO_FINDING)  # in the file No Finding is last
CLASSES = (NOT_KNOWN, 1.0, 0.0, UNCERTAIN)  # blank, positive, negative, uncertain
HEAD_DIM = 64  # of an attention head, in every published BERT; the weights do not tell how many heads there are
MAX_TOKENS = 512
BATCH = 32


class CheXbert(nn.Module):
    """A BERT with one linear head a label: `labeler(texts)` -> label -> 1, 0, -1, nan of each text."""

    def __init__(self, bert: nn.Module, heads: Mapping[str, nn.Linear], tokenizer: Any):
        super().__init__()
        self.bert = bert
        self.heads = nn.ModuleDict({_key(name): head for name, head in heads.items()})
        self.tokenizer = tokenizer
        self.eval()

    @classmethod
    def load(cls, weights: Path | str, tokenizer: Path | str, device: str = "cpu") -> CheXbert:
        """From the user's file and the tokenizer of `bert-base-uncased` (a hub id or a local folder).

        Raises MedleyError, in one line, for a file that is missing, holds more than tensors, or is of another model.
        """
        from transformers import AutoTokenizer, BertConfig, BertModel

        tensors = _read(Path(weights))
        bert = {name.removeprefix("bert."): t for name, t in tensors.items() if name.startswith("bert.")}
        bert = {name: t for name, t in bert.items() if not name.startswith("pooler.") and "position_ids" not in name}
        heads = dict(zip(HEADS, _heads(tensors, weights), strict=True))
        try:
            config = BertConfig(**_shape_of(bert))
            model = BertModel(config, add_pooling_layer=False)
            model.load_state_dict(bert)
        except (KeyError, RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[-1].strip()
            raise MedleyError(f"{weights}: its BERT does not fit: {first}; name CheXbert's own weights") from error
        try:
            words = AutoTokenizer.from_pretrained(str(tokenizer))
        except (OSError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise MedleyError(f"CheXbert's tokenizer '{tokenizer}' cannot be had ({first}); give its folder") from error
        if len(words) != config.vocab_size:
            pair = f"{len(words)} words against {config.vocab_size}"
            raise MedleyError(f"the tokenizer '{tokenizer}' is not that of {weights}: {pair}; use bert-base-uncased")
        return cls(model, heads, words).to(device)

    @torch.inference_mode()
    def forward(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """The labels of each text; alike lengths share a batch, so that little padding is computed."""
        plain = [" ".join(re.sub(r"[\r\n]+", " ", text).split()) for text in texts]
        order = sorted(range(len(plain)), key=lambda i: len(plain[i]))
        found: list[dict[str, float]] = [{} for _ in plain]
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = [plain[i] for i in rows]
            device = next(self.parameters()).device
            ids = self.tokenizer(batch, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
            ids = {name: ids[name].to(device) for name in ("input_ids", "attention_mask")}
            cls_BD = self.bert(**ids).last_hidden_state[:, 0]
            for name in HEADS:
                classes = self.heads[_key(name)](cls_BD).argmax(-1).tolist()
                for row, index in zip(rows, classes, strict=True):
                    found[row][name] = CLASSES[index] if plain[row] else NOT_KNOWN
        return found


def _key(name: str) -> str:
    return name.replace(" ", "_")


def _read(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise MedleyError(f"{path} does not exist; CheXbert's weights come from its authors (stanfordmlgroup/CheXbert)")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise MedleyError(f"{path} is no file of tensors alone, so it is not opened: {_first(error)}") from error
    tensors = content.get("model_state_dict") if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(t, torch.Tensor) for t in tensors.values()):
        raise MedleyError(f"{path} has no 'model_state_dict' of tensors; name the file that its authors give out")
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _heads(tensors: Mapping[str, torch.Tensor], path: Path | str) -> list[nn.Linear]:
    """The linear layers in the file's order; each must have the number of classes that its label has."""
    count = len({name.split(".")[1] for name in tensors if name.startswith("linear_heads.")})
    if count != len(HEADS):
        raise MedleyError(f"{path} has {count} linear heads, CheXbert has {len(HEADS)}: it is of another model")
    layers = []
    for index, name in enumerate(HEADS):
        weight, bias = (tensors.get(f"linear_heads.{index}.{part}") for part in ("weight", "bias"))
        classes = 2 if name == NO_FINDING else len(CLASSES)
        if weight is None or bias is None or weight.shape[0] != classes or bias.shape[0] != classes:
            given = "is missing" if weight is None or bias is None else f"has {weight.shape[0]} classes"
            raise MedleyError(f"{path}: head {index} ('{name}') {given}; it must have {classes}: another label order?")
        layer = nn.Linear(weight.shape[1], classes)
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers.append(layer)
    return layers


def _shape_of(bert: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """The config that the weights imply, so that no second file is needed."""
    vocab_size, dim = bert["embeddings.word_embeddings.weight"].shape
    return {
        "vocab_size": vocab_size,
        "hidden_size": dim,
        "num_hidden_layers": 1 + max(int(name.split(".")[2]) for name in bert if name.startswith("encoder.layer.")),
        "num_attention_heads": max(1, dim // HEAD_DIM),
        "intermediate_size": bert["encoder.layer.0.intermediate.dense.weight"].shape[0],
        "max_position_embeddings": bert["embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": bert["embeddings.token_type_embeddings.weight"].shape[0],
    }


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
