"""BERTScore (Zhang et al. 2020): each word piece of one text matched to the most alike of the other, by an encoder.

F1 of bert-score 0.3 without idf and without baseline rescaling: precision is the mean over the hypothesis' pieces of
the cosine with their nearest piece of the reference, recall the other way round. The marks that begin and end a text
may be a nearest piece but are not averaged over. The number means nothing without the encoder and the layer, which the
definition names; texts longer than the encoder reads are cut.

Shapes: H pieces of a hypothesis, F of its reference, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.core.files import sha256

PAIRS = 32  # encoded at once


@dataclass(frozen=True)
class Encoder:
    """An encoder that `save_pretrained` wrote, and which of its layers is read; 0 is the embedding, None the last."""

    folder: Path
    layer: int | None = None

    def describe(self) -> str:
        """Folder name, layer, and the digest of its weights."""
        weights = sorted(path for ending in ("*.safetensors", "*.bin") for path in self.folder.glob(ending))
        digests = ", ".join(sha256(path)[:12] for path in weights)
        return f"{self.folder.name}, layer {'last' if self.layer is None else self.layer}, weights {digests}"


def bertscore_f1(hypotheses: Sequence[str], references: Sequence[str], encoder: Encoder) -> np.ndarray:
    """F1 of each pair [N]; 0 where the hypothesis is empty, as in bert-score.

    Raises MedleyError for a folder that holds no encoder with its tokenizer, and for a layer that it does not have.
    """
    import torch

    if not encoder.folder.is_dir():
        raise MedleyError(f"BERTScore: {encoder.folder} is no folder; give one that save_pretrained wrote")
    tokenizer, model = _load(encoder.folder.resolve(), encoder.describe())
    layers = int(model.config.num_hidden_layers)
    layer = layers if encoder.layer is None else encoder.layer
    if not 0 <= layer <= layers:
        raise MedleyError(f"BERTScore: layer is {layer}; the encoder {encoder.folder} has 0 … {layers}")
    longest = min(tokenizer.model_max_length, int(getattr(model.config, "max_position_embeddings", 2**30)))
    if model.config.model_type in ("roberta", "xlm-roberta", "camembert"):
        longest = min(longest, int(model.config.max_position_embeddings) - 2)  # two places stand for padding
    lead = " " if type(tokenizer).__name__.startswith(("Roberta", "GPT2")) else ""  # a first word as any other

    def pieces(texts: Sequence[str]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Unit vectors [F, D] of each text, and which of them are words and not marks [F]."""
        encoded = tokenizer(
            [lead + text.strip() if text.strip() else "" for text in texts],
            truncation=True,
            max_length=longest,
            padding=True,
            return_tensors="pt",
        )
        states = model(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"], output_hidden_states=True
        ).hidden_states[layer]
        vectors = torch.nn.functional.normalize(states.float(), dim=-1)
        marks = torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id])
        words = ~torch.isin(encoded["input_ids"], marks)
        real = encoded["attention_mask"].bool()
        return [(vectors[i][real[i]], words[i][real[i]]) for i in range(len(texts))]

    scores = np.zeros(len(hypotheses))
    order = sorted(range(len(hypotheses)), key=lambda i: len(hypotheses[i]) + len(references[i]))
    with torch.inference_mode():
        for start in range(0, len(order), PAIRS):
            chunk = order[start : start + PAIRS]
            texts = sorted({text for i in chunk for text in (hypotheses[i], references[i])}, key=lambda t: (len(t), t))
            by_text = dict(zip(texts, pieces(texts), strict=True))
            for i in chunk:
                scores[i] = _f1(*by_text[hypotheses[i]], *by_text[references[i]])
    return scores


@lru_cache(maxsize=1)
def _load(folder: Path, described: str) -> tuple[Any, Any]:
    """The tokenizer and the encoder, once for all sections and floors; `described` holds the digest of its weights."""
    from medley.encoders.pretrained import load_backbone
    from medley.encoders.text import load_tokenizer

    return load_tokenizer(str(folder)), load_backbone("BERTScore encoder", str(folder)).eval()


def _f1(ours_HD: Any, words_H: Any, theirs_FD: Any, words_F: Any) -> float:
    if not words_H.any() or not words_F.any():
        return 0.0
    alike_HF = ours_HD @ theirs_FD.T
    precision = alike_HF.max(dim=1).values[words_H].mean()
    recall = alike_HF.max(dim=0).values[words_F].mean()
    total = float(precision + recall)
    return float(2 * precision * recall) / total if total else 0.0
