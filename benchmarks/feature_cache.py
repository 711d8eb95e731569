"""What is saved where a frozen tower's features are kept? Steps a second of a cached stage and of the same uncached.

    python benchmarks/feature_cache.py [--only tiny paper head] [--repeats 3] [--precision bf16] [--quick]

Three problems, each trained as `medley train` does it (loader, StageModule, Lightning's Trainer, journal), from the
same weights over the same batches with and without `cache_features`; of augmentation only the mirror is on, in both:

    tiny    braingemma3d at size tiny, stages warmup and lora, reports of as many words as the generated cohort's
    paper   braingemma3d with a vision tower and a Gemma whose forward passes cost in the proportion of MedSigLIP-448
            over the paper's grid to MedGemma-4B over 256 words and its prompt; both proportions are counted on the meta
            device and printed. Adapters learn, as in the paper, and the Gemma stays frozen
    head    a frozen ViT-B/16 (timm) at 224 pixels and a head for 14 findings: linear on its class token, or one
            attention pool a finding over its 197 tokens

Weights are random and studies made up: the time depends on neither. A step counts from the end of the one before it to
its own, so reading and collating are in it; the first step and the last, which scores dev, are left out. `ratio` is
that of median steps, uncached over cached, its median over the repeats; `cpu` is the same of CPU seconds, which other
work on the machine disturbs less. Cached rows know their images, as from the second epoch on; `first` is the ratio
where each image is met for the first time in this process and has to be hashed, `cold` what a step costs that fills the
cache, in uncached steps. `difference` is the largest between losses of cached runs, cold and warm, and uncached ones.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import platform
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import nn

from medley.cli.progress import quiet_lightning
from medley.core.about import versions
from medley.core.config import build_config
from medley.core.family import Tower
from medley.core.files import write_json
from medley.core.labels import BRAIN_LABELS, CHEXPERT_14
from medley.core.records import Case, FilmInput, ImageRef, Prediction, Study, VolumeInput, target_sections
from medley.core.seeds import generator, seed_torch
from medley.core.stage import Objective, Stage, freeze_all_but, rates_by_parameter
from medley.data.cases import CaseTable, write_cases
from medley.data.images import Images
from medley.data.images.films import open_films
from medley.data.images.volumes import Volumes
from medley.data.policies import LabelPolicy
from medley.data.source import DataConfig, Source
from medley.data.splits import SplitManifest
from medley.families.braingemma3d import FAMILY as BRAINS
from medley.losses.multilabel import bce, masked_sum
from medley.training.curves import JOURNAL, read_journal
from medley.training.data import TrainingData
from medley.training.features import FeatureCache
from medley.training.loader import Windows
from medley.training.made_up import brain_studies, chest_studies
from medley.training.module import StageModule, StagePlan
from medley.training.recipe import TrainerConfig
from medley.training.stages import _trainer_options

BARS = {"tiny": 1.1, "paper": 2.0, "head": 50.0}
COHORT_WORDS = 32  # of a report of the generated cohort, on average
PROMPT, PAPER_WORDS = 64, 256  # of the paper's system: the image, the chat and what is asked; the longest report
VISION_DIM, VISION_LAYERS, GEMMA_DIM, GEMMA_LAYERS, WORDS = 384, 17, 768, 2, 192  # in the paper's proportion
DEEP = 4  # slices of a patch, as above
ADAPTED = [r"lm\.model\.layers\.\d+\.self_attn\.[qkvo]_proj"]
WIDTH = 768  # of a ViT-B
DEV = 2  # studies; dev is no part of what is timed


@dataclass(frozen=True)
class Problem:
    """A stage of a model whose tower is frozen, and what it reads."""

    name: str
    tower: Tower
    model: nn.Module
    stage: Stage
    data: TrainingData
    bar: float


@dataclass(frozen=True)
class Pass:
    """One run of a stage: seconds of its steps by the clock and of the CPU, and its losses."""

    wall_s: float
    cpu_s: float
    losses: np.ndarray


class Clock(L.Callback):
    """From the end of one optimiser step to the end of the next."""

    def __init__(self) -> None:
        self.at: list[tuple[float, float]] = []

    def _mark(self) -> None:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self.at.append((time.perf_counter(), time.process_time()))

    def on_train_start(self, *_: Any) -> None:
        self._mark()

    def on_train_batch_end(self, *_: Any) -> None:
        self._mark()

    def median(self) -> tuple[float, float]:
        """Seconds of a step, by the clock and of the CPU."""
        steps = np.diff(np.array(self.at), axis=0)[1:-1]
        wall_s, cpu_s = np.median(steps, axis=0)
        return float(wall_s), float(cpu_s)


def run(problem: Problem, features: FeatureCache | None, trainer: TrainerConfig, start: dict, folder: Path) -> Pass:
    """The stage from its beginning to its end."""
    model, stage = problem.model, problem.stage
    model.load_state_dict(start)
    rates = rates_by_parameter(model, stage)
    freeze_all_but(model, rates)
    data = dataclasses.replace(problem.data, keys=features.keys if features else None)
    plan = StagePlan(
        stage=stage,
        windows=Windows(len(data.train), stage.batch, 1, 1, stage.epochs, data.seed),
        rates=rates,
        folder=folder,
        seed=data.seed,
        clip=trainer.clip,
        ema=None,
        patience=None,
        checkpoint_every=10**9,
        dev_every=10**9,
        workers=trainer.workers,
        data=data,
        features=features,
        trained=set(rates),
        facts={},
    )
    clock = Clock()
    options = _trainer_options(trainer, folder) | {"callbacks": [clock], "enable_progress_bar": False}
    L.Trainer(**options, log_every_n_steps=min(10, plan.windows.steps)).fit(StageModule(model, plan, None))
    losses = [line["loss"] for line in read_journal(folder / JOURNAL) if line["part"] == "train"]
    return Pass(*clock.median(), np.array(losses))


def compare(problem: Problem, trainer: TrainerConfig, repeats: int, folder: Path) -> dict[str, object]:
    """One row of the table: the cache is filled once, then each repeat runs all ways one after the other."""
    start = copy.deepcopy(problem.model.state_dict())
    place = f"{trainer.precision}-{trainer.accelerator}"
    runs = 0

    def once(features: FeatureCache | None) -> Pass:
        nonlocal runs
        runs += 1
        return run(problem, features, trainer, start, folder / f"{problem.name.replace(' ', '-')}-{runs}")

    known = FeatureCache(problem.tower, problem.model, folder, place)
    cold = once(known)
    plain, warm, first = list[Pass](), list[Pass](), list[Pass]()
    for _ in range(repeats):
        plain.append(once(None))
        first.append(once(FeatureCache(problem.tower, problem.model, folder, place)))
        warm.append(once(known))
    images = len(list(known.keys.folder.glob("*.safetensors")))
    kept = sum(file.stat().st_size for file in known.keys.folder.glob("*.safetensors"))
    by_pass = list(zip(plain, warm, first, strict=True))
    differences = [np.abs(one.losses - two.losses).max() for one in plain for two in (cold, *warm, *first)]
    row: dict[str, object] = {"problem": problem.name, "batch": problem.stage.batch, "steps": len(cold.losses)}
    row |= {"uncached_s": median([one.wall_s for one in plain]), "cached_s": median([one.wall_s for one in warm])}
    row |= {"ratio": median([one.wall_s / two.wall_s for one, two, _ in by_pass])}
    row |= {"cpu": median([one.cpu_s / two.cpu_s for one, two, _ in by_pass])}
    row |= {"first": median([one.wall_s / three.wall_s for one, _, three in by_pass])}
    row |= {"cold": cold.wall_s / median([one.wall_s for one in plain])}
    row |= {"MB_image": kept / images / 1e6, "loss": float(plain[0].losses[-1]), "difference": float(max(differences))}
    return {**row, "bar": problem.bar, "reached": row["ratio"] >= problem.bar}  # type: ignore[operator]


def median(values: Sequence[float]) -> float:
    return float(np.median(values))


def source_of(cases: Sequence[Case], labels: tuple[str, ...], images: Images) -> Source:
    """All cases but the last ones are read in training."""
    table = CaseTable(tuple(cases), labels)
    ids = [case.case_id for case in cases]
    parts = {"train": tuple(ids[:-DEV]), "dev": tuple(ids[-DEV:]), "test": ()}
    config = DataConfig(cases="made up", splits="made up", notes={"regime": "none"})  # type: ignore[arg-type]
    manifest = SplitManifest("hash", 0, (1.0, 0.0, 0.0), table.digest, parts)
    return Source(config, table, manifest, labels, LabelPolicy(), {}, images)


# -- braingemma3d -----------------------------------------------------------------------------------------------------


def brains(name: str, changes: dict[str, Any], words: int, batch: int | None, steps: int, folder: Path) -> Iterator:
    """The stages warmup and lora of the family at size tiny with `changes`."""
    config = build_config(BRAINS.config, {**BRAINS.sizes["tiny"], "standardise": "grey", **changes}, name)
    reads = BRAINS.reads(config)
    assert isinstance(reads, VolumeInput)
    most = batch or max(config.batch["warmup"], config.batch["lora"])
    studies = [told(study, words) for study in brain_studies(most * steps + DEV, reads)]
    reports = [target_sections(study.case) for study in studies]
    processor = BRAINS.fit_processor(config, BRAIN_LABELS, [], dict.fromkeys(BRAIN_LABELS, 0.3), reports)
    seed_torch("feature cache", 0)
    model = BRAINS.model(config, processor)
    if name == "paper":
        print_proportions(model, words)
    for stage in BRAINS.stages(config, processor):
        if stage.name not in ("warmup", "lora"):
            continue
        stage = dataclasses.replace(stage, batch=batch or stage.batch, epochs=1)
        used = studies[: stage.batch * steps + DEV]
        images = volumes_of(used, reads, folder / name)
        source = source_of([with_file(study) for study in used], BRAIN_LABELS, images)
        data = TrainingData(source, processor, BRAINS.task, 0, stage.batch, augment="mirror", aggregation="mean")
        assert BRAINS.tower is not None
        yield Problem(f"{name} {stage.name}", BRAINS.tower, model, stage, data, BARS[name])


def told(study: Study, words: int) -> Study:
    """With a report of so many words, of a language of 300."""
    rng = generator("feature cache", study.case.case_id)
    syllables = [a + b for a, b in zip("bcdfghjklmnprstvw", "aeiouaeiouaeiouae", strict=True)]
    said = [syllables[i % 17] + syllables[i // 17] for i in rng.integers(0, 289, words)]
    return dataclasses.replace(study, case=dataclasses.replace(study.case, text={"report": " ".join(said)}))


def with_file(study: Study) -> Case:
    return dataclasses.replace(study.case, images=(ImageRef("flair", f"{study.case.case_id}.nii.gz"),))


def volumes_of(studies: Sequence[Study], reads: VolumeInput, store: Path) -> Volumes:
    """The store as it is left by `open_volumes`."""
    store.mkdir(parents=True, exist_ok=True)
    for study in studies:
        volume = study.volume
        assert volume is not None
        arrays = {"voxels": volume.voxels, "affine": volume.affine, "source_affine": volume.source_affine}
        np.savez(store / f"{study.case.case_id}.npz", source_shape=np.array(volume.source_shape), **arrays)
    return Volumes(reads, {f"{study.case.case_id}.nii.gz": study.case.case_id for study in studies}, {}, store)


def print_proportions(model: nn.Module, words: int) -> None:
    """Operations of a forward pass over one study, of the published system and of the one that is timed. Raises
    ValueError where their proportions are more than 10 % apart: what is timed then tells nothing of the published."""
    config = build_config(BRAINS.config, BRAINS.sizes["paper"], "paper")
    with torch.device("meta"):
        published = BRAINS.model(config, BRAINS.sketch(config), pretrained=False)
    on_meta = copy.deepcopy(model).to("meta")
    prompt = model.config.tokens + 2  # type: ignore[union-attr, operator]
    shares = dict[str, float]()
    rows = {"published": (published, PROMPT, PAPER_WORDS), "timed here": (on_meta, prompt, words)}
    for name, (one, before, said) in rows.items():
        vision, between, language = operations(one, before, said)
        print(
            f"{name}: vision {vision / 1e9:.3g} GFLOP, resampler and projector {between / 1e9:.3g}, language "
            f"{language / 1e9:.3g} ({before} + {said} words); vision : language {vision / language:.2f}",
            flush=True,
        )
        shares[name] = vision / language
    if not 0.9 < shares["timed here"] / shares["published"] < 1.1:
        raise ValueError("vision and language are not in the published proportion: mend VISION_*, GEMMA_*, DEEP")


def operations(model: Any, prompt: int, words: int) -> tuple[int, int, int]:
    """Of the vision tower, of what lies between, and of the language model; `model` is on the meta device."""
    model.eval().requires_grad_(False)
    config, lm = model.config, model.decoder.lm
    volumes = torch.zeros(1, len(config.sequences), *config.grid, device="meta")
    vision, patches = counted(lambda: model.see(volumes))
    between, _ = counted(lambda: model.projector(model.resampler(patches)))
    kind = next(lm.parameters()).dtype
    read = torch.zeros(1, prompt + words, model.decoder.dim, device="meta", dtype=kind)
    unmasked = dict.fromkeys(("full_attention", "sliding_attention"))
    options = {"use_cache": False, "logits_to_keep": words, "attention_mask": unmasked}
    return vision, between, counted(lambda: lm(inputs_embeds=read, **options))[0]


def counted(work: Callable[[], Any]) -> tuple[int, Any]:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        made = work()
    return counter.get_total_flops(), made


# -- a head on a frozen ViT -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FilmBatch:
    images_B3HW: torch.Tensor
    targets_BN: torch.Tensor
    seen: torch.Tensor | None = None


class FilmProcessor:
    """Films as a timm ViT reads them."""

    labels, regions = CHEXPERT_14, ()

    def __call__(self, studies: Sequence[Study], targets: Sequence[np.ndarray]) -> FilmBatch:
        pixels_BHW = torch.from_numpy(np.stack([study.films[0].pixels for study in studies])).float() / 127.5 - 1
        images_B3HW = pixels_BHW[:, None].expand(-1, 3, -1, -1).contiguous()
        return FilmBatch(images_B3HW, torch.from_numpy(np.stack(targets)))

    def predictions(self, output: torch.Tensor, studies: Sequence[Study]) -> list[Prediction]:
        rows = zip(studies, output.float().sigmoid().tolist(), strict=True)
        scored = [(study.case, dict(zip(self.labels, row, strict=True))) for study, row in rows]
        return [Prediction(case.case_id, case.patient_id, "chest_findings", scores=scores) for case, scores in scored]


class Probe(nn.Module):
    """A ViT-B/16 and a head on what is read off it."""

    def __init__(self, see: Callable[[Any, torch.Tensor], torch.Tensor], head: nn.Module):
        super().__init__()
        import timm

        self.vision = timm.create_model("vit_base_patch16_224", pretrained=False, num_classes=0)
        self.vision.pretrained = True  # type: ignore[assignment] # so that no run writes its 340 MB
        self.head, self.see = head, see

    def forward(self, batch: FilmBatch) -> torch.Tensor:
        return self.head(self.see(self, batch.images_B3HW) if batch.seen is None else batch.seen)


def see_tokens(model: Any, images_B3HW: torch.Tensor) -> torch.Tensor:
    """[B, T, C], the class token first."""
    return model.vision.forward_features(images_B3HW)


def see_class(model: Any, images_B3HW: torch.Tensor) -> torch.Tensor:
    """[B, C]."""
    return see_tokens(model, images_B3HW)[:, 0]


class AttentionHead(nn.Module):
    """Each finding looks where it wants, and answers by what it sees there."""

    def __init__(self, width: int, findings: int):
        super().__init__()
        self.query_NC = nn.Parameter(torch.randn(findings, width) * width**-0.5)
        self.answer_NC = nn.Parameter(torch.randn(findings, width) * width**-0.5)

    def forward(self, tokens_BTC: torch.Tensor) -> torch.Tensor:
        shares_BNT = (tokens_BTC @ self.query_NC.T).softmax(1).transpose(1, 2)
        return ((shares_BNT @ tokens_BTC) * self.answer_NC).sum(-1)


def heads(batch: int, steps: int, folder: Path) -> Iterator[Problem]:
    """Both heads, over films in shards."""
    studies = chest_studies(batch * steps + DEV, 224)
    table = write_cases(folder / "cases.parquet", [film_file(study, folder) for study in studies], CHEXPERT_14)
    ids = [case.case_id for case in table.cases]
    images = open_films(FilmInput(224, 1), ("PA",), "auto", table, ids, folder, workers=1)
    source = source_of(table.cases, CHEXPERT_14, images)
    for kind, see, head in (("linear", see_class, nn.Linear), ("attention", see_tokens, AttentionHead)):
        seed_torch("feature cache", 1)
        model = Probe(see, head(WIDTH, len(CHEXPERT_14)))
        objective = Objective({"findings": 1.0}, _film_sums, _film_counts)
        stage = Stage("head", {"head.*": 1e-3}, objective, epochs=1, batch=batch)
        data = TrainingData(source, FilmProcessor(), "chest_findings", 0, batch, "mirror", "mean")  # type: ignore[arg-type]
        yield Problem(f"head {kind}", Tower(("vision",), "images_B3HW", "seen", see), model, stage, data, BARS["head"])


def film_file(study: Study, folder: Path) -> Case:
    from PIL import Image

    path = folder / f"{study.case.case_id}.png"
    Image.fromarray(study.films[0].pixels).save(path)
    return dataclasses.replace(study.case, images=(ImageRef("PA", str(path)),))


def _film_sums(logits_BN: torch.Tensor, batch: FilmBatch) -> dict[str, torch.Tensor]:
    return {"findings": masked_sum(bce, logits_BN, batch.targets_BN)}


def _film_counts(batch: FilmBatch) -> dict[str, torch.Tensor]:
    return {"findings": (~batch.targets_BN.isnan()).sum()}


# ---------------------------------------------------------------------------------------------------------------------


def problems(only: Sequence[str], quick: bool, folder: Path) -> Iterator[Problem]:
    steps, few = (4, 4) if quick else (8, None)
    if "tiny" in only:
        yield from brains("tiny", {}, COHORT_WORDS, few, steps, folder)
    if "paper" in only:
        changes = {"vision_dim": VISION_DIM, "vision_layers": VISION_LAYERS, "decoder_dim": GEMMA_DIM}
        changes |= {"decoder_layers": GEMMA_LAYERS, "report_tokens": WORDS, "lora_paths": ADAPTED}
        changes |= {"depth_kernel": DEEP, "depth_stride": DEEP, "tell_facts": False}
        yield from brains("paper", changes, WORDS, 4, steps, folder)
    if "head" in only:
        yield from heads(few or 32, steps, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tuple(BARS), default=tuple(BARS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--workers", type=int, default=0, help="loader processes")
    parser.add_argument("--quick", action="store_true", help="small batches, one repeat: whether it runs, no figure")
    parser.add_argument("--out", type=Path)
    said = parser.parse_args()
    quiet_lightning()
    warnings.filterwarnings("ignore", message="Found .* in eval mode", module=r"lightning\.")  # frozen towers are
    machine = {"machine": platform.processor() or platform.machine(), "threads": torch.get_num_threads(), **versions()}
    if said.device == "cuda":
        machine["device"] = torch.cuda.get_device_name()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), said.precision, flush=True)
    accelerator = "gpu" if said.device == "cuda" else "cpu"
    trainer = TrainerConfig(precision=said.precision, accelerator=accelerator, workers=said.workers)
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for problem in problems(said.only, said.quick, folder):
            row = compare(problem, trainer, 1 if said.quick else said.repeats, folder)
            if not rows:
                print(" ".join(f"{name:>14}" for name in row))
            print(" ".join(f"{c:>14.4g}" if isinstance(c, float) else f"{c!s:>14}" for c in row.values()), flush=True)
            rows.append(row)
    if said.out:
        write_json(said.out, {"machine": machine, "precision": said.precision, "quick": said.quick, "rows": rows})


if __name__ == "__main__":
    main()
