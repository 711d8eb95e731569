"""Text towers: any BERT of the Hugging Face hub or a local folder, or a small one from scratch with its own words.

ids [B, L], mask [B, L]  ->  tokens [B, L, D]   (all of them: pooling is the fusion's business)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError, cannot_load
from medley.encoders.pretrained import load_backbone

_WITH_POOLER = ("bert", "roberta", "xlm-roberta", "camembert", "ernie", "megatron-bert")  # DistilBERT has none
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class TextSpec:
    """What a text tower is, before any weight is there; saved with every run as plain JSON."""

    name: str | None  # the hub id or folder it came from; None for a small one of ours
    config: Mapping[str, Any]  # the Hugging Face config


class TextTower(nn.Module):
    """A BERT-like encoder without its pooler; `dim` is the width D of a token."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.dim = int(backbone.config.hidden_size)  # type: ignore[union-attr,arg-type]
        self.pretrained = False  # whether from_pretrained gives the frozen part of it back

    def forward(self, ids_BL: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
        """Token states [B, L, D]; padding is masked out of the attention."""
        return self.backbone(input_ids=ids_BL, attention_mask=mask_BL.long()).last_hidden_state


def describe_text(name: str) -> TextSpec:
    """The spec of a Hugging Face id or a local folder. Raises MedleyError when its config cannot be had."""
    from transformers import AutoConfig

    try:
        return TextSpec(name, AutoConfig.from_pretrained(name).to_dict())
    except (OSError, ValueError) as error:
        raise cannot_load("text", name, error) from error


def small_bert(vocab_size: int, dim: int, layers: int, dropout: float) -> TextSpec:
    """The spec of a small BERT for a vocabulary of its own."""
    heads = max(1, dim // 32)
    config = {"model_type": "bert", "vocab_size": vocab_size, "hidden_size": dim, "intermediate_size": 4 * dim}
    config |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout, "max_position_embeddings": 512}
    return TextSpec(None, {**config, "num_hidden_layers": layers, "num_attention_heads": heads})


def build_text(spec: TextSpec, pretrained: bool) -> TextTower:
    """The tower of a spec, with its pretrained weights or with random ones (to lay saved weights over)."""
    from transformers import AutoConfig, AutoModel

    options = {"add_pooling_layer": False} if spec.config["model_type"] in _WITH_POOLER else {}
    if spec.name is None or not pretrained:
        return TextTower(AutoModel.from_config(AutoConfig.for_model(**spec.config), **options))
    tower = TextTower(load_backbone("text", spec.name, **options))
    tower.pretrained = True
    return tower


def load_tokenizer(name: str) -> Any:
    """The tokenizer of a hub id or local folder."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise cannot_load("tokenizer", name, error) from error


def train_tokenizer(
    texts: Iterable[str], vocab_size: int = 4000, lowercase: bool = True, more: Sequence[str] = ()
) -> Any:
    """A WordPiece tokenizer learned from these texts (Schuster & Nakajima 2012), in the hub's format.

    `more` are special tokens beside the usual ones, which no text is read as.

    The trainer numbers the letters inside words in the order of a hash table, and breaks ties by number. So they are
    numbered beforehand: the same texts give the same tokenizer.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    texts = list(texts)
    normalizer, splitter = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    words = {word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))}
    inner = sorted({letter for word in words for letter in word[1:]})
    numbered = [*_SPECIAL, *more, *(f"##{letter}" for letter in inner)]

    def tokenizer_of(vocabulary: dict[str, int]) -> Any:
        made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        made.normalizer, made.pre_tokenizer = normalizer, splitter
        made.decoder = decoders.WordPiece()
        return made

    draft = tokenizer_of({})
    trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=numbered, show_progress=False)
    draft.train_from_iterator(texts, trainer)
    tokenizer = tokenizer_of(draft.get_vocab())  # in which the letters are no special tokens
    ids = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        extra_special_tokens=list(more),
    )


def encode_texts(
    tokenizer: Any, texts: Sequence[str | None], most: int, at_least: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """ids_BL and is_word_BL: cut after `most` tokens, padded to the longest and to `at_least`; None has no word."""
    given = [text or "" for text in texts]
    coded = tokenizer(given, truncation=True, max_length=most, padding="longest", return_tensors="pt")
    ids_BL, is_word_BL = coded["input_ids"], coded["attention_mask"].bool()
    short = max(0, at_least - ids_BL.shape[1])
    ids_BL = nn.functional.pad(ids_BL, (0, short), value=tokenizer.pad_token_id)
    is_word_BL = nn.functional.pad(is_word_BL, (0, short))
    return ids_BL, is_word_BL & torch.tensor([text is not None for text in texts])[:, None]


def word_shares(tokenizer: Any, text: str, most: int, shares_L: Sequence[float]) -> dict[str, float]:
    """The share of each word as written, in lower case: its tokens' shares added up, and those of its repetitions."""
    coded = tokenizer(text, truncation=True, max_length=most)
    found: dict[str, float] = {}
    for position, word in enumerate(coded.word_ids()):
        if word is not None:
            span = coded.word_to_chars(word)
            written = text[span.start : span.end].lower()
            found[written] = found.get(written, 0.0) + shares_L[position]
    return found


@torch.no_grad()
def name_vectors(name: str, phrases: Sequence[str], width: int, length: float) -> torch.Tensor:
    """What a text encoder of the hub makes of each phrase, [phrases, width]: the mean of its tokens, less the mean over
    the phrases, scaled to `length`. Raw vectors of short phrases lie nearly parallel (Ethayarajh 2019).

    Raises MedleyError where the encoder cannot be had, or is of another width.
    """
    tokenizer, tower = load_tokenizer(name), build_text(describe_text(name), pretrained=True).eval()
    if tower.dim != width:
        raise MedleyError(f"'{name}' gives vectors of {tower.dim}, wanted {width}: set model.query_init: random")
    ids_CL, mask_CL = encode_texts(tokenizer, list(phrases), most=32)
    tokens_CLD, mask_CL1 = tower(ids_CL, mask_CL), mask_CL[..., None]
    vectors_CD = (tokens_CLD * mask_CL1).sum(1) / mask_CL1.sum(1)
    vectors_CD = vectors_CD - vectors_CD.mean(0)
    return length * nn.functional.normalize(vectors_CD, dim=-1)
