"""What does the published size of a family need? Step time, memory and throughput, of random weights on noise.

    python benchmarks/paper_size.py [cxr_reasoner chexquery braingemma3d] [--device cuda] [--batch 16] [--views 2]
        [--words 80] [--out FILE.json]

Every stage of the family takes optimiser steps (AdamW, bf16 autocast, nothing accumulated) on the same batch; then the
trained model answers, and a family that writes writes sections of `--words` words. Weights are random, so nothing here
says how good an answer is; a section ends only at its last word, so writing is timed at its longest. braingemma3d reads
one volume a study, learns reports of 2 x `--words`, and holds its language model as its config says (bf16).
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from medley.core.config import build_config
from medley.core.family import to_device
from medley.core.files import write_json
from medley.core.seeds import seed_torch
from medley.core.stage import freeze_all_but, rates_by_parameter, set_modes
from medley.families import get_family

WARM, TIMED = 3, 10


def made_up(family: str, config: Any, processor: Any, batch: int, views: int, words: int) -> Any:
    """A batch of noise in the shapes of real studies, with a note of the longest kind and reports of 2 x `words`."""
    if family == "braingemma3d":
        return made_up_brains(config, processor, batch, words)
    films_BV1HW = torch.rand(batch, views, 1, config.image_px, config.image_px)
    is_film_BV = torch.ones(batch, views, dtype=torch.bool)
    targets_BC = torch.randint(0, 2, (batch, len(processor.labels))).float()
    if family == "cxr_reasoner":
        from medley.families.cxr_reasoner import Batch

        words_BL = torch.randint(5, 2000, (batch, config.note_tokens))
        views_BV = torch.zeros(batch, views, dtype=torch.long)
        return Batch(films_BV1HW, views_BV, is_film_BV, words_BL, torch.ones_like(words_BL).bool(), targets_BC)
    from medley.families.chexquery import Batch as ReportBatch

    note_BL = torch.randint(5, 2000, (batch, max(1, config.note_tokens)))
    says_BT = torch.randint(5, 30000, (batch, 2 * words))
    places_BVRrr = torch.rand(batch, views, len(processor.regions), 32, 32)
    return ReportBatch(
        films_BV1HW=films_BV1HW,
        is_lateral_BV=torch.zeros(batch, views, dtype=torch.bool),
        is_film_BV=is_film_BV,
        note_BL=note_BL,
        is_note_BL=torch.ones_like(note_BL).bool(),
        targets_BC=targets_BC,
        words_BT=says_BT.roll(1, 1),
        says_BT=says_BT,
        places_BVRrr=places_BVRrr,
    )


def made_up_brains(config: Any, processor: Any, batch: int, words: int) -> Any:
    """Volumes of noise, the image inside a user's turn of 40 words, reports of 2 x `words`, facts and places."""
    from medley.decoders.facts import PLACES, REGIONS
    from medley.decoders.prompt import IMAGE
    from medley.families.braingemma3d import Batch

    turn = torch.tensor([[5] * 10 + [IMAGE] * processor.image_tokens + [7] * 30]).expand(batch, -1)
    words_BT = torch.randint(5, 30000, (batch, 2 * words))
    keys_B = torch.arange(1, batch + 1)
    return Batch(
        volumes_BSDHW=torch.rand(batch, len(config.sequences), *config.grid),
        prompt_BL=turn.contiguous(),
        facts_BF=torch.randint(0, 2, (batch, len(processor.labels) + len(PLACES))).float(),
        words_BT=words_BT,
        weights_BT=torch.ones(words_BT.shape),
        keys_B2=torch.stack([keys_B, keys_B], dim=1),
        places_BRdhw=torch.rand(batch, len(REGIONS), *processor.eighths),
    )


def clocked(work: Callable[[], object], device: str, warm: int = WARM, timed: int = TIMED) -> dict[str, float]:
    """Median seconds of a call and the most memory it held, in GiB; on the CPU the memory is not measured."""
    cuda = device.startswith("cuda")
    for _ in range(warm):
        work()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(timed):
        if cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    found = {"seconds": sorted(seconds)[len(seconds) // 2]}
    return {**found, "peak_gib": torch.cuda.max_memory_allocated() / 2**30} if cuda else found


def measure(name: str, device: str, batch: int, views: int, words: int) -> list[dict[str, Any]]:
    """A row for each stage, for answering, and for writing greedily."""
    family = get_family(name)
    config = build_config(family.config, family.sizes["paper"], name)
    processor = family.sketch(config)
    seed_torch("paper size", 0)
    model = family.model(config, processor, pretrained=False).to(device)
    made = to_device(made_up(name, config, processor, batch, views, words), torch.device(device))
    autocast = torch.autocast(device.split(":")[0], torch.bfloat16)
    rows = []
    for stage in family.stages(config, processor):
        rates = rates_by_parameter(model, stage)
        freeze_all_but(model, rates)
        set_modes(model)
        trained = [parameter for named, parameter in model.named_parameters() if named in rates]
        optimizer = torch.optim.AdamW(trained, lr=1e-6)

        def step(stage: Any = stage, optimizer: Any = optimizer) -> None:
            optimizer.zero_grad()
            with autocast:
                sums, counts = stage.objective.sums(model(made), made), stage.objective.counts(made)
            terms = [weight * sums[term] / counts[term] for term, weight in stage.objective.weights.items()]
            torch.stack(terms).sum().backward()
            optimizer.step()

        found = clocked(step, device)
        rows.append({"what": f"train, stage {stage.name}", "trained": sum(p.numel() for p in trained), **found})
        optimizer.zero_grad()
    model.eval()
    with torch.inference_mode(), autocast:
        rows.append({"what": "answer", **clocked(lambda: model(made), device)})
        if family.write is not None:
            write = _writer(name, model(made), model.decoder, batch, words)
            rows.append({"what": f"write {words} words", **clocked(write, device, 1, 3)})
    for row in rows:
        row["studies_per_second"] = batch / row["seconds"]
    return rows


def _writer(name: str, output: Any, decoder: Any, batch: int, words: int) -> Callable[[], object]:
    if name == "braingemma3d":
        never = int(decoder.lm.config.vocab_size) - 1  # an end that is hardly ever the likeliest word
        decoder.lm.generation_config.eos_token_id = None
        return lambda: decoder.generate(output.memory_BKE, output.prompt_BL, never, never, words)
    return lambda: decoder.generate(output.memory_BMD, output.is_memory_BM, [[7]] * batch, [7], words, least=words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", default=["cxr_reasoner", "chexquery"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--words", type=int, default=80)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    where = torch.cuda.get_device_name() if asked.device.startswith("cuda") else platform.processor()
    print(f"{where}, torch {torch.__version__}, batch {asked.batch}, {asked.views} films a study, bf16")
    found = {}
    for name in asked.families:
        found[name] = measure(name, asked.device, asked.batch, asked.views, asked.words)
        for row in found[name]:
            memory = f"{row['peak_gib']:8.2f} GiB" if "peak_gib" in row else ""
            print(f"{name:<14}{row['what']:<24}{row['seconds'] * 1000:10.1f} ms {memory}", end="")
            print(f"{row['studies_per_second']:10.1f} studies/s")
    if asked.out:
        write_json(asked.out, {"machine": where, "torch": torch.__version__, **vars(asked), "out": None, **found})


if __name__ == "__main__":
    main()
