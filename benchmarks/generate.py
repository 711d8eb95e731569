"""How fast are reports written? Batches with one cache, against one film at a time through transformers' own generate.

    python benchmarks/generate.py [--sizes tiny paper] [--precision fp32 bf16] [--batches 1 2 4 8] [--out FILE.json]

Each film becomes a section of exactly 80 tokens, greedy: seconds a film for seeing (vision tower, queries, fusion) and
for writing (decoder, with the probability of every word). The peer is the loop that is usually written: for each film
`model(film)` and transformers' `generate` with its cache, of the very same model at the same precision, without
probabilities. `ratio` is of both together, `ratio_writing` of the writing alone: a batch saves in the decoder, which
reads all its weights for every word, and nothing in the tower, whose work grows with the films. Weights are random, so
that anyone can run it: the time does not depend on what is written; `same_tokens` is the share of words that both wrote
(bf16 rounds a batch otherwise than a lone film). Beam rows stand beside without a peer; the best pass of each counts.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

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
PAD, END, HEADER = 0, 1, 2  # of Flan-T5, and any word that a section begins with


def build(size: str, precision: str) -> CheXQuery:
    """The family at one size with random weights, ready to answer."""
    seed_torch("generate", 0)
    config = build_config(FAMILY.config, FAMILY.sizes[size], size)
    if size == "paper":
        processor = FAMILY.sketch(config)
    else:
        decoder = small_t5(
            TINY_WORDS, PAD, END, config.decoder_dim, config.decoder_layers, config.heads, config.dropout
        )
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


@dataclass
class Pass:
    """One way over all films: seconds until the films were seen and until the words were said, and the words."""

    see_s: float = 0.0
    write_s: float = 0.0
    said: list[list[int]] = field(default_factory=list)


@torch.inference_mode()
def ours(model: CheXQuery, films: Batch, size: int, beams: int) -> Pass:
    """Sections of all films and how likely each word is, `size` films at once."""
    done = Pass()
    for start in range(0, len(films), size):
        begin = time.perf_counter()
        output = model(part_of(films, slice(start, start + size)))
        seen = time.perf_counter()
        prefixes = [[HEADER]] * len(output.memory_BMD)
        found = model.decoder.generate(
            output.memory_BMD, output.is_memory_BM, prefixes, [PAD], TOKENS, beams, least=TOKENS
        )
        done.said += [words for words, _ in found]
        done.see_s += seen - begin
        done.write_s += time.perf_counter() - seen
    return done


@torch.inference_mode()
def peer(model: CheXQuery, films: Batch) -> Pass:
    """The same, one film at a time, by transformers alone."""
    done = Pass()
    (t5,) = model.decoder._t5
    for index in range(len(films)):
        begin = time.perf_counter()
        output = model(part_of(films, slice(index, index + 1)))
        seen = time.perf_counter()
        row = t5.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=output.memory_BMD),
            attention_mask=output.is_memory_BM.long(),
            decoder_input_ids=torch.tensor([[PAD, HEADER]]),
            decoder_attention_mask=torch.tensor([[0, 1]]),
            do_sample=False,
            min_new_tokens=TOKENS,
            max_new_tokens=TOKENS,
            suppress_tokens=[PAD],
        )
        done.said.append(row[0, 2:].tolist())
        done.see_s += seen - begin
        done.write_s += time.perf_counter() - seen
    return done


def measure(size: str, precision: str, batches: Sequence[int], beams: int, count: int, passes: int) -> list[dict]:
    """Rows of one size and precision, the peer's first."""
    model = build(size, precision)
    films = films_of(model, count)
    ways: dict[tuple[str, int, int], Callable[[], Pass]] = {("peer", 1, 1): partial(peer, model, films)}
    ways |= {("ours", batch, 1): partial(ours, model, films, batch, 1) for batch in batches}
    ways |= {("ours", max(batches), beams): partial(ours, model, films, max(batches), beams)}
    best: dict[tuple[str, int, int], Pass] = {}
    for _ in range(passes):
        for way, run in ways.items():
            done = run()
            if way not in best or done.see_s + done.write_s < best[way].see_s + best[way].write_s:
                best[way] = done
    theirs = best["peer", 1, 1]
    rows = []
    for (who, batch, wide), done in best.items():
        row: dict[str, object] = {"size": size, "precision": precision, "who": who, "batch": batch, "beams": wide}
        row |= {"films_s": count / (done.see_s + done.write_s), "see_s": done.see_s / count}
        row |= {"write_s": done.write_s / count}
        if wide == 1:
            words = [pair for a, b in zip(done.said, theirs.said, strict=True) for pair in zip(a, b, strict=True)]
            row["same_tokens"] = sum(a == b for a, b in words) / len(words)
            row["ratio"] = (theirs.see_s + theirs.write_s) / (done.see_s + done.write_s)
            row["ratio_writing"] = theirs.write_s / done.write_s
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=("tiny", "paper"), default=("tiny", "paper"))
    parser.add_argument("--precision", nargs="+", choices=("fp32", "bf16"), default=("fp32", "bf16"))
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 2, 4, 8))
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--out", type=Path)
    said = parser.parse_args()
    machine = {"machine": platform.processor() or platform.machine(), "threads": torch.get_num_threads(), **versions()}
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    columns = ("size", "precision", "who", "batch", "beams", "films_s", "see_s", "write_s", "ratio", "ratio_writing")
    columns = (*columns, "same_tokens")
    print(" ".join(f"{name:>13}" for name in columns))
    rows: list[dict] = []
    for size in said.sizes:
        for precision in said.precision:
            found = measure(size, precision, said.batches, said.beams, said.films, said.passes)
            for row in found:
                cells = (row.get(name, "") for name in columns)
                print(" ".join(f"{c:>13.3f}" if isinstance(c, float) else f"{c:>13}" for c in cells), flush=True)
            rows += found
    if said.out:
        write_json(said.out, {"machine": machine, "tokens": TOKENS, "films": said.films, "rows": rows})


if __name__ == "__main__":
    main()
