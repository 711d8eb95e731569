"""How fast are reports written? Batches with one cache, against one film at a time through transformers' own generate.

    python benchmarks/generate.py [--sizes tiny paper] [--precision fp32 bf16] [--batches 1 2 4 8] [--out FILE.json]

Each film becomes a section of exactly 80 tokens, greedy, from film to words and their probabilities: vision tower,
queries, fusion, decoder. The peer is the loop that is usually written: for each film, `model(film)` and then
`T5ForConditionalGeneration.generate` with its cache, of the very same model, without probabilities. Weights are random,
so that anyone can run it: the time does not depend on what is written, and both are held to write the same tokens. Beam
rows stand beside without a peer. Peer and ours alternate; the best pass of each counts. Results also go to a JSON.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput

from medley.core.about import versions
from medley.core.config import build_config
from medley.core.files import write_json
from medley.core.labels import CHEXPERT_14
from medley.core.seeds import seed_torch
from medley.decoders.seq2seq import small_t5
from medley.encoders.vision2d import describe_vision
from medley.families.chexquery import FAMILY, Batch, CheXQuery, CheXQueryProcessor

TOKENS = 80
TINY_WORDS = 1500  # about what the tokenizer of the generated cohort knows
HEADER = 2  # any word: what a section begins with


def build(size: str, precision: str) -> CheXQuery:
    """The family at one size with random weights, ready to answer."""
    seed_torch("generate", 0)
    config = build_config(FAMILY.config, FAMILY.sizes[size], size)
    if size == "paper":
        processor = FAMILY.sketch(config)
    else:
        decoder = small_t5(TINY_WORDS, 0, 1, config.decoder_dim, config.decoder_layers, config.heads, config.dropout)
        prevalence = dict.fromkeys(CHEXPERT_14, 0.1)
        processor = CheXQueryProcessor(
            config, CHEXPERT_14, prevalence, None, describe_vision(config.vision), decoder, None
        )
    model = FAMILY.model(config, processor, pretrained=False).eval()
    return model.bfloat16() if precision == "bf16" else model


def films_of(model: CheXQuery, count: int) -> Batch:
    """`count` studies of one film of noise, at the model's own size."""
    px, views = model.config.image_px, model.config.views
    seed_torch("films", 0)
    dtype = next(model.parameters()).dtype
    is_film_BV = torch.arange(views).expand(count, views) == 0
    return Batch(
        films_BV1HW=torch.rand(count, views, 1, px, px, dtype=dtype),
        is_lateral_BV=torch.zeros(count, views, dtype=torch.bool),
        is_film_BV=is_film_BV,
        note_BL=torch.zeros(count, 1, dtype=torch.long),
        is_note_BL=torch.zeros(count, 1, dtype=torch.bool),
    )


def part_of(batch: Batch, rows: slice) -> Batch:
    return Batch(**{name: value[rows] for name, value in vars(batch).items() if value is not None})


@torch.inference_mode()
def ours(model: CheXQuery, films: Batch, size: int, beams: int = 1) -> list[list[int]]:
    """Sections of all films, `size` at once."""
    said: list[list[int]] = []
    for start in range(0, len(films), size):
        output = model(part_of(films, slice(start, start + size)))
        prefixes = [[HEADER]] * len(output.memory_BMD)
        said += model.decoder.generate(
            output.memory_BMD, output.is_memory_BM, prefixes, [0], TOKENS, beams, least=TOKENS
        )
        rows = [[HEADER, *row] for row in said[start:]]
        model.decoder.log_probabilities(output.memory_BMD, output.is_memory_BM, rows)
    return said


@torch.inference_mode()
def peer(model: CheXQuery, films: Batch) -> list[list[int]]:
    """The same, one film at a time, by transformers alone."""
    said = []
    for index in range(len(films)):
        output = model(part_of(films, slice(index, index + 1)))
        row = model.decoder._t5[0].generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=output.memory_BMD),
            attention_mask=output.is_memory_BM.long(),
            decoder_input_ids=torch.tensor([[HEADER]]),
            do_sample=False,
            min_new_tokens=TOKENS,
            max_new_tokens=TOKENS,
            suppress_tokens=[0],
        )
        said.append(row[0, 1:].tolist())
    return said
