"""A tiny model of MedGemma's kind with its processor, saved as on the hub, and a table of a few drawn brains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

TEMPLATE = (
    "{{ bos_token }}{% for turn in messages %}<start_of_turn>{{ turn['role'] }}\n{% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}<start_of_image>{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MARKS = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
TURNS = ("<start_of_turn>", "<end_of_turn>", "<unused94>", "<unused95>")


def save_tiny(folder: Path, *, template: str | None = TEMPLATE, context: int = 8192) -> Path:
    """Gemma 3 with two small layers, pictures of 28 x 28 pixels as four tokens, one token a letter; random weights."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        Gemma3Config,
        Gemma3ForConditionalGeneration,
        Gemma3ImageProcessor,
        Gemma3Processor,
        PreTrainedTokenizerFast,
    )

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate((*MARKS, *letters))}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        **{f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")},
        extra_special_tokens={
            "image_token": "<image_soft_token>",
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
        },
    )
    tokenizer.add_tokens(list(TURNS), special_tokens=True)
    number = tokenizer.convert_tokens_to_ids
    words = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    words |= {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "query_pre_attn_scalar": 16}
    words |= {"layer_types": ["full_attention"] * 2, "max_position_embeddings": context}
    words |= {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    sight = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Gemma3Config(
        text_config=words,
        vision_config={**sight, "image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
        boi_token_index=number("<start_of_image>"),
        eoi_token_index=number("<end_of_image>"),
        image_token_index=number("<image_soft_token>"),
        eos_token_id=[1, number("<end_of_turn>")],
    )
    torch.manual_seed(0)
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    pictures = Gemma3ImageProcessor(size={"height": 28, "width": 28}, image_seq_length=4)
    processor = Gemma3Processor(pictures, tokenizer, chat_template=template, image_seq_length=4)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def save_model():
    """`save_tiny`, for a test that needs another one."""
    return save_tiny


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """The folder of the tiny model; what writes into it copies it first."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def brains(tmp_path_factory) -> Path:
    """A folder with 24 drawn brains of FLAIR and their split: cases.parquet, splits.json."""
    from medley.data.cohorts.brain.cohort import generate
    from medley.data.splits import make_split, write_splits

    folder = tmp_path_factory.mktemp("brains") / "cohort"
    table = generate(folder, 24, seed=3, px=32, workers=1, sequences=("flair",))
    write_splits(folder / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.5, 0.25, 0.25)))
    return folder
