"""braingemma3d: a SigLIP inflated to three dimensions reads a brain MRI; a Perceiver makes 32 tokens of it, and a Gemma
with LoRA writes the report: side, place, what the lesion is made of.  Figure and results: docs/families/braingemma3d.md

    volume -- SigLIP, inflated -- patches -- Perceiver, 2 layers -- 32 tokens -- Linear GELU Linear x scale
              (positions + depths)                ^                   |     |                  v
                                   learned latents + 3D positions     |     |     [32 image tokens, (facts), prompt]
        contrastive head -- against the report's mean state  <--------+     |                  |
        facts (labels, places)  <-------------------------------------------+       Gemma + LoRA --> report [end]

Shapes: B batch, S sequences, D H W voxels, P patches on a grid d h w, C width, K tokens, E width of words, L prompt, T
words, V vocabulary, N labels, F facts = N labels + 19 places, R regions.

Departures from the system it follows (BrainGemma3D, "Brain3D", 2026; code and page disagree, so what is meant is said):
- inflation by the centre (its page) or the average (its code); grey is the sum over colours, pixels lie in [-1, 1], and
  the pretrained table of positions is kept, with a table of depths; there depth was one number in all channels, which
  every layer norm takes away, and a column one channel of 1,152
- a Perceiver (its page) reads the patches; its code averaged runs of two slices, in which left and right are one
- the contrastive loss has heads of its own, takes equal texts as pairs, and refuses a batch of 1, which there made it 0
- every tensor that training changed is saved, the patch convolution too; the resampler learns in the last stage as well
- the image stands inside the user's turn, before the question, in one row for training, prediction and explanation
- writing is greedy; no penalty forbids to say "left" twice; a report that is cut is not told to end
- facts (labels, sides, lobes) are read off the tokens in all stages that train them; `tell_facts` tells the writer
- `size: tiny` has a stage `towers`, in which random towers learn what pretrained ones bring along, and trains the whole
  small Gemma last: adapters on one that has read few reports are not enough
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import nn

from medley.core.config import Config
from medley.core.errors import MedleyError
from medley.core.family import Family, Tower
from medley.core.files import read_json, write_json
from medley.core.labels import BRAIN_LABELS
from medley.core.records import Evidence, Prediction, Report, Study, VolumeGrid, VolumeInput, target_sections
from medley.core.stage import Objective, Rows, Stage
from medley.core.weights import load_tensors, save_tensors
from medley.decoders.causal import CausalSpec, adapt, build_causal, describe_causal, small_gemma
from medley.decoders.facts import FACT_WORDS, PLACES, REGIONS, WRITING, PlacedFacts, SeenFacts, ToldFacts, facts_of
from medley.decoders.lora import ADAPTERS
from medley.decoders.prompt import ReportWords, patient_words, report_text
from medley.encoders.published import published_config, published_counts
from medley.encoders.text import load_tokenizer, train_tokenizer
from medley.encoders.vision3d import Inflation, Vision3DSpec, build_vision3d, describe_siglip, small_siglip
from medley.encoders.volumes import VoxelStandard, stack_shares, stack_volumes, voxel_statistics
from medley.fusion.perceiver import build_compressor
from medley.fusion.projector import Projector
from medley.losses.contrastive import Grounding, contrast_sum, fact_keys, joint_contrast, pair_count, text_keys
from medley.losses.multilabel import bce, grouped_count, grouped_sum, masked_sum
from medley.losses.weighted import weighted_token_sum

StageName = Literal["towers", "contrastive", "warmup", "lora"]

_UPSTREAM: dict[str, Any] = {"inflation": "average", "depth_kernel": 2, "edges": "crop", "published_features": True}
_UPSTREAM |= {"compressor": "avgpool", "prompt": "raw", "lora_rank": 16, "lora_alpha": 32, "facts_weight": 0.0}
_UPSTREAM |= {"asked": "Generate a radiology report for this brain MRI FLAIR scan. \n", "load": "auto"}


class BrainGemma3DConfig(Config):
    """Defaults are `size: paper`."""

    preset: Literal["none", "upstream"] = "none"
    """upstream: as the code of the published system has it, where neither a field nor a small size says otherwise."""
    grid: tuple[int, int, int] = (64, 128, 128)
    """Voxels (D, H, W) that the vision tower reads: slices from below, rows from behind, columns from the left."""
    fov_mm: tuple[float, float, float] = (160.0, 240.0, 240.0)
    """Field of view (D, H, W) in millimetres, about the middle of the brain."""
    sequences: tuple[Literal["flair", "t1", "t1c", "t2"], ...] = ("flair",)
    """Which sequences are read, in this order; every study must have them."""
    standardise: Literal["grey", "voxel"] = "grey"
    """grey: one scale for all voxels, as SigLIP has it; voxel: each by its own, after slow shading is taken out."""
    vision: str | None = "google/medsiglip-448"
    """A SigLIP of the hub or a local folder, or null for a small one with random weights."""
    vision_dim: int = Field(128, multiple_of=32, gt=0)
    """Width of the small tower where `vision` is null; a head for every 64 of it."""
    vision_layers: int = Field(4, ge=1)
    """Layers of the small tower."""
    vision_patch: int = Field(8, ge=1)
    """Rows and columns of a patch of the small tower."""
    inflation: Literal["centre", "average"] = "centre"
    """Where the 2D patch kernel starts in the depth of the 3D one: in its middle, or spread over it."""
    depth_kernel: int = Field(3, ge=1)
    """Slices that a patch reads."""
    depth_stride: int = Field(1, ge=1)
    """Slices from one patch to the next; equal to `depth_kernel`, patches do not overlap."""
    slices_apart: bool = False
    """Read one slice of each `depth_stride` by itself, as a 2D tower does: the model that 3D has to be better than."""
    edges: Literal["refuse", "pad", "crop"] = "pad"
    """What happens to rows and columns that are no multiple of the patch: an error, padding, or they are left out."""
    published_features: bool = False
    """Patches as the published system makes them: grey as a mean, pixels in [0, 1], a fixed code of positions."""
    checkpointing: bool = True
    """The vision tower's layers are computed anew on the way back: less memory, a third more time."""
    compressor: Literal["perceiver", "avgpool", "grid"] = "perceiver"
    """What makes few tokens of many patches: a resampler, means of runs of patches, or means of cells."""
    tokens: int = Field(32, ge=1)
    """How many tokens the language model reads of a volume; with compressor grid, those of `cells`."""
    cells: tuple[int, int, int] = (4, 2, 4)
    """Cells (D, H, W) of compressor grid."""
    resampler_layers: int = Field(2, ge=1)
    """Layers of the resampler."""
    resampler_heads: int = Field(16, ge=1)
    """Attention heads of the resampler."""
    positions: Literal["learned", "sincos"] = "learned"
    """How the resampler is told where a patch is."""
    decoder: str | None = "google/medgemma-1.5-4b-it"
    """A causal language model of the hub or a local folder, or null for a small Gemma with words learned here."""
    decoder_dim: int = Field(128, multiple_of=32, gt=0)
    """Width of the small Gemma where `decoder` is null; a head for every 32 of it."""
    decoder_layers: int = Field(4, ge=1)
    """Layers of the small Gemma."""
    load: Literal["fp32", "bf16", "4bit", "auto"] = "bf16"
    """How the frozen weights of the language model are held; auto: 4bit where CUDA and bitsandbytes are, else bf16."""
    prompt: Literal["chat", "raw"] = "chat"
    """chat: the model's own template, the image inside the user's turn; raw: the image, then the bare prompt."""
    asked: str = "Generate a radiology report for this brain MRI FLAIR scan."
    """The prompt."""
    tell_patient: bool = False
    """Age and sex are said before the prompt, where they are known."""
    report_tokens: int = Field(256, ge=8)
    """A report is cut after this many tokens, when it is learned and when it is written."""
    beams: int = Field(1, ge=1)
    """Beams of the search when reports are written; 1 is greedy."""
    contrastive: Literal["infonce", "sigmoid"] = "infonce"
    """The loss that draws a volume to its report."""
    temperature: float = Field(0.07, gt=0)
    """Temperature of InfoNCE."""
    contrastive_dim: int = Field(256, ge=1)
    """Width in which volumes and reports are compared."""
    grounds: tuple[str, ...] = ("vision.embed.*",)
    """Globs of what stage contrastive trains of the vision tower: its patches and positions; ["vision.*"] for all."""
    lora_paths: tuple[str, ...] = (r"lm\.model\.layers\.\d+\.self_attn\.[qkvo]_proj",)
    """Module paths of the language model that get adapters: regular expressions; without any all of it is trained."""
    lora_rank: int = Field(4, ge=1)
    """Rank of the adapters."""
    lora_alpha: int = Field(8, ge=1)
    """Adapters are scaled by alpha / rank."""
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    """Dropout before the adapters."""
    released: str | None = None
    """A `projector_vis_scale.pt` of the published system to begin with."""
    fact_words: float = Field(1.0, gt=0)
    """How much more a word counts that names a side, a place, a component, or says that there is none."""
    facts_weight: float = Field(1.0, ge=0)
    """Weight of the facts read off the tokens; at 0 there are none beside the text."""
    tell_facts: bool = False
    """The writer reads those facts as more tokens."""
    rates: dict[StageName, float] = Field({"contrastive": 5e-4, "warmup": 2e-4, "lora": 2e-4})
    """Learning rate of each stage."""
    grounds_rate: float = Field(1e-4, gt=0)
    """Learning rate of `grounds` in stage contrastive."""
    writer_rate: float = Field(5e-5, gt=0)
    """Learning rate of the adapters, or of the small Gemma in the stages that train it."""
    epochs: dict[StageName, Annotated[float, Field(gt=0)]] = Field({"contrastive": 5, "warmup": 10, "lora": 15})
    """Epochs of each stage, unless the recipe says otherwise."""
    batch: dict[StageName, Annotated[int, Field(ge=1)]] = Field({"contrastive": 8, "warmup": 8, "lora": 8})
    """Studies of a batch in each stage, unless the recipe says otherwise."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        return {**_UPSTREAM, **values} if isinstance(values, Mapping) and values.get("preset") == "upstream" else values

    @model_validator(mode="after")
    def _fits(self) -> BrainGemma3DConfig:
        if not self.sequences or len(set(self.sequences)) < len(self.sequences):
            raise ValueError(f"sequences are {list(self.sequences)}; name one or more, each once")
        if self.decoder is None and self.prompt == "chat":
            raise ValueError("prompt is chat, and a small Gemma has no chat template: set it to raw")
        if self.tell_facts and not self.facts_weight:
            raise ValueError("tell_facts is true and facts_weight 0: there are no facts to tell; set one of them")
        return self

    @property
    def reads(self) -> VolumeInput:
        return VolumeInput(VolumeGrid(self.grid, self.fov_mm), self.sequences)

    @property
    def inflated(self) -> Inflation:
        edges = (self.inflation, self.depth_kernel, self.depth_stride, self.edges)
        return Inflation(*edges, published=self.published_features, apart=self.slices_apart)

    @property
    def learns_to_see(self) -> bool:
        """Whether the towers start from random weights and must first learn to see and to write."""
        return self.decoder is None and self.vision is None


_SMALL: dict[str, Any] = {"vision": None, "decoder": None, "prompt": "raw", "load": "fp32", "lora_paths": []}
_SMALL |= {"fov_mm": (160.0, 192.0, 192.0), "checkpointing": False, "edges": "refuse", "asked": "Report:"}
_TINY: dict[str, Any] = {"grid": (32, 64, 64), "depth_kernel": 8, "depth_stride": 8, "standardise": "voxel"}
_TINY |= {"resampler_heads": 4, "contrastive_dim": 64, "facts_weight": 1.5, "fact_words": 3.0, "tell_facts": True}
_TINY |= {"report_tokens": 160, "grounds_rate": 3e-4, "writer_rate": 1e-3}
_TINY |= {"rates": {"towers": 3e-3, "contrastive": 3e-4, "warmup": 1e-3, "lora": 1e-3}}
_TINY |= {"epochs": {"towers": 6.4, "contrastive": 0.35, "warmup": 0.4, "lora": 2.2}}
_TINY |= {"batch": {"towers": 16, "contrastive": 32, "warmup": 32, "lora": 16}}
_TOY: dict[str, Any] = {"grid": (8, 16, 16), "depth_kernel": 4, "depth_stride": 4, "vision_dim": 32, "vision_layers": 1}
_TOY |= {"tokens": 4, "resampler_heads": 2, "contrastive_dim": 16, "decoder_dim": 32, "decoder_layers": 1}
_TOY |= {"report_tokens": 24, "grounds_rate": 3e-3, "writer_rate": 3e-3}
_TOY |= {key: dict.fromkeys(_TINY[key], to) for key, to in (("rates", 3e-3), ("epochs", 2), ("batch", 8))}
SIZES: dict[str, dict[str, Any]] = {"paper": {}, "tiny": {**_SMALL, **_TINY}, "toy": {**_SMALL, **_TOY}}


@dataclass(frozen=True)
class Batch:
    """B studies. What is learned from is None outside training: nan where facts and places are not known, NOTHING and
    weight 0 where nothing is to be said; equal `keys_B2` are equal texts (0: none) and facts (0: not all known)."""

    volumes_BSDHW: torch.Tensor  # in [0, 1], 0 outside the brain
    prompt_BL: torch.Tensor  # tokens, and the image's places (see `decoders.prompt`)
    patches_BPC: torch.Tensor | None = None  # what the vision tower makes of the volumes, where that is known already
    facts_BF: torch.Tensor | None = None
    words_BT: torch.Tensor | None = None
    weights_BT: torch.Tensor | None = None
    keys_B2: torch.Tensor | None = None
    places_BRdhw: torch.Tensor | None = None  # in eighths of patches

    def __len__(self) -> int:
        return len(self.prompt_BL)


@dataclass(frozen=True)
class Output:
    """What was found, and questions that cost a pass and are asked only where a loss or an explanation needs them."""

    memory_BKE: torch.Tensor  # the image as the language model reads it
    prompt_BL: torch.Tensor
    tokens_BKC: torch.Tensor
    facts_BF: torch.Tensor | None  # logits, read off the tokens
    seen: tuple[torch.Tensor, torch.Tensor] | None  # the same off the patches, and maps of regions (`towers`)
    called_BF: torch.Tensor | None  # the mean of those there are: what is told and answered
    words: Callable[[str], torch.Tensor]  # logits [B, T, V] of the report, in one of the ways of `WRITING`
    rows: Callable[[], Rows]  # what the contrastive loss reads of each study
    training: bool

    def binary(self, head: str) -> torch.Tensor:
        """Log-odds of the facts beside the report: there is one head, `fused`."""
        assert self.called_BF is not None, "this model has no facts beside its text"
        return self.called_BF[:, : -len(PLACES)]


class BrainGemma3DProcessor:
    """Studies -> Batch, Output -> predictions. Holds labels, prevalence, tokenizer, and what an ordinary voxel is."""

    def __init__(
        self,
        config: BrainGemma3DConfig,
        labels: Sequence[str],
        prevalence: Mapping[str, float],
        tokenizer: Any,
        vision: Vision3DSpec,
        decoder: CausalSpec,
        voxels: Mapping[str, torch.Tensor] | None,
    ):
        self.config, self.labels, self.prevalence = config, tuple(labels), dict(prevalence)
        self.regions: tuple[str, ...] = REGIONS
        self.tokenizer, self.vision, self.decoder, self.voxels = tokenizer, vision, decoder, voxels
        depth, height, width = config.inflated.grid(config.grid, int(vision.config["patch_size"]))
        self.eighths = 2 * depth, 2 * height, 2 * width  # of patches: what maps of regions are made of
        self.image_tokens = int(np.prod(config.cells)) if config.compressor == "grid" else config.tokens
        if tokenizer is not None:  # a sketch has none
            read = self.image_tokens + config.tell_facts * (len(labels) + len(PLACES))
            self.words = ReportWords(tokenizer, config.prompt, config.asked, read, config.report_tokens)

    @classmethod
    def fit(cls, config, labels: Sequence[str], notes, prevalence: Mapping[str, float], reports, volumes=()):
        """From the training part: its reports teach the small tokenizer, its volumes what an ordinary voxel is."""
        texts = [text for text in map(report_text, reports) if text]
        if not texts:
            raise MedleyError("no study of the training part has a report to learn from")
        if config.decoder:
            tokenizer, decoder = load_tokenizer(config.decoder), describe_causal(config.decoder)
        else:
            tokenizer = train_tokenizer([*texts, config.asked], lowercase=False)
            ids = tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id
            decoder = small_gemma(len(tokenizer), *ids, config.decoder_dim, config.decoder_layers)
        small = config.vision_dim, config.vision_layers, config.vision_patch, max(config.grid[1:])
        vision = describe_siglip(config.vision) if config.vision else small_siglip(*small)
        voxels = voxel_statistics(volumes) if config.standardise == "voxel" else None
        return cls(config, labels, prevalence, tokenizer, vision, decoder, voxels)

    def __call__(self, studies: Sequence[Study], targets: Sequence[np.ndarray] | None = None) -> Batch:
        said = [patient_words(study.case) if self.config.tell_patient else "" for study in studies]
        batch = Batch(stack_volumes(studies, self.config.reads), self.words.prompts(said))
        if targets is None:
            return batch
        reports = [report_text(target_sections(study.case)) for study in studies]
        facts_BF = facts_of(studies, targets)
        return replace(
            batch,
            facts_BF=facts_BF,
            words_BT=self.words.reports(reports),
            weights_BT=self.words.weights(reports, FACT_WORDS, self.config.fact_words),
            keys_B2=torch.stack([text_keys(reports), fact_keys(facts_BF)], dim=1),
            places_BRdhw=stack_shares(studies, REGIONS, self.eighths),
        )

    def cut_words(self, note: str) -> int:
        """No note is read."""
        return len(self.tokenizer(note, verbose=False)["input_ids"])

    def evidence(self, output: Output, studies: Sequence[Study]) -> list[Evidence]:
        """Where a lesion is seen, by eighths of patches, if the towers learned that here; else nothing."""
        if output.seen is None:
            return [Evidence({}, {}) for _ in studies]
        seen_Bdhw = output.seen[1][:, REGIONS.index("lesion")].detach().float().sigmoid().cpu().numpy()
        return [Evidence({"Lesion": (seen_dhw,)}, {}) for seen_dhw in seen_Bdhw]

    def predictions(self, output: Output, studies: Sequence[Study]) -> list[Prediction]:
        """The facts beside the text; the text is written by `write_reports`."""
        ids = [(study.case.case_id, study.case.patient_id, FAMILY.task) for study in studies]
        if output.called_BF is None:
            return [Prediction(*of) for of in ids]
        p_BF, labels = output.called_BF.detach().float().sigmoid().tolist(), len(self.labels)
        scores = [dict(zip(self.labels, p_F, strict=False)) for p_F in p_BF]
        extra = [{"places": dict(zip(PLACES, p_F[labels:], strict=True))} for p_F in p_BF]
        return [Prediction(*of, scores=s, extra=e) for of, s, e in zip(ids, scores, extra, strict=True)]

    def save(self, folder: Path) -> None:
        write_json(folder / "labels.json", {"labels": list(self.labels), "prevalence": self.prevalence})
        write_json(folder / "towers.json", {"vision": vars(self.vision), "decoder": vars(self.decoder)})
        self.tokenizer.save_pretrained(folder / "tokenizer")
        if self.voxels is not None:
            save_tensors(folder / "voxels.safetensors", self.voxels, {})

    @classmethod
    def load(cls, config: BrainGemma3DConfig, folder: Path) -> BrainGemma3DProcessor:
        """The processor that `save` wrote."""
        saved, towers = read_json(folder / "labels.json"), read_json(folder / "towers.json")
        tokenizer = load_tokenizer(str(folder / "tokenizer"))
        vision, decoder = Vision3DSpec(**towers["vision"]), CausalSpec(**towers["decoder"])
        voxels = load_tensors(folder / "voxels.safetensors")[0] if config.standardise == "voxel" else None
        return cls(config, saved["labels"], saved["prevalence"], tokenizer, vision, decoder, voxels)


class BrainGemma3D(nn.Module):
    """Module names are what stages name: vision, resampler, projector, told, decoder, contrast, facts, towers."""

    def __init__(self, config: BrainGemma3DConfig, processor: BrainGemma3DProcessor, pretrained: bool = True):
        """`pretrained=False` builds every tower with random weights, for saved ones to be laid over."""
        super().__init__()
        self.config = config
        self.standard = nn.Identity() if processor.voxels is None else VoxelStandard(**processor.voxels)
        channels = len(config.sequences) * (1 if processor.voxels is None else VoxelStandard.channels)
        how = (config.grid, channels, config.inflated, pretrained)
        self.vision = build_vision3d(processor.vision, *how, checkpointing=config.checkpointing)
        dim, grid = self.vision.dim, self.vision.grid
        resampling = (config.resampler_heads, config.resampler_layers, config.positions, config.cells)
        self.resampler = build_compressor(config.compressor, dim, grid, config.tokens, *resampling)
        self.decoder = build_causal(processor.decoder, pretrained, config.load)
        adapt(self.decoder, config.lora_paths, config.lora_rank, config.lora_alpha, config.lora_dropout)
        self.projector = Projector(dim, self.decoder.dim)
        if config.released and pretrained:
            self.projector.lay_over(config.released)
        self.contrast = Grounding(dim, self.decoder.dim, config.contrastive_dim, config.contrastive, config.temperature)
        prevalence_F = torch.tensor([processor.prevalence[name] for name in processor.labels] + [0.1] * len(PLACES))
        if config.facts_weight:
            self.facts = PlacedFacts(prevalence_F, processor.image_tokens, dim)
        if config.tell_facts:
            self.told = ToldFacts(len(prevalence_F), self.decoder.dim)
        if config.learns_to_see:
            self.towers = SeenFacts(prevalence_F, grid, dim)

    def see(self, volumes_BSDHW: torch.Tensor) -> torch.Tensor:
        """Patches [B, P, C] of volumes in [0, 1]: what a frozen tower need make but once."""
        return self.vision(self.standard(volumes_BSDHW))

    def remember(self, volumes_BSDHW: torch.Tensor) -> torch.Tensor:
        """Tokens [B, K, E] of volumes in [0, 1], as the language model reads them: what an explanation perturbs."""
        return self(Batch(volumes_BSDHW, volumes_BSDHW.new_zeros(len(volumes_BSDHW), 0))).memory_BKE

    def forward(self, batch: Batch) -> Output:
        patches_BPC = self.see(batch.volumes_BSDHW) if batch.patches_BPC is None else batch.patches_BPC
        tokens_BKC = self.resampler(patches_BPC)
        facts_BF = self.facts(tokens_BKC) if self.config.facts_weight else None
        seen = self.towers(patches_BPC) if self.config.learns_to_see else None
        called_BF = facts_BF if facts_BF is None or seen is None else (facts_BF + seen[0]) / 2
        memory_BKE = self.projector(tokens_BKC)
        if self.config.tell_facts:
            told_BFE = self.told(called_BF, batch.facts_BF if self.training else None)
            memory_BKE = torch.cat([memory_BKE, told_BFE], dim=1)
        asked = partial(self._words, memory_BKE, batch), partial(self._rows, tokens_BKC, batch)
        return Output(memory_BKE, batch.prompt_BL, tokens_BKC, facts_BF, seen, called_BF, *asked, self.training)

    def _words(self, memory_BKE: torch.Tensor, batch: Batch, how: str) -> torch.Tensor:
        memory_BKE = self.told.taught(memory_BKE) if self.training and how == "told" else memory_BKE
        return self.decoder(memory_BKE, batch.prompt_BL, batch.words_BT)

    def _rows(self, tokens_BKC: torch.Tensor, batch: Batch) -> Rows:
        _, words_BT, _, keys_B2, _ = _learned(batch)
        keys = {"keys": keys_B2[:, 0], "spared": keys_B2[:, 1]}
        return {**self.contrast.rows(tokens_BKC.mean(1), self.decoder.text_states(words_BT)), **keys}


def write_reports(model: BrainGemma3D, processor: BrainGemma3DProcessor, output: Output) -> list[Report]:
    """One Report a study, greedy or by beams as the config says."""
    return processor.words.write(model.decoder, output.memory_BKE, output.prompt_BL, processor.config.beams)


def objective(weights: Mapping[str, float]) -> Objective:
    """The terms that `weights` names: one of `WRITING`, contrast, facts (of tokens), placed and patch (of patches)."""
    wanted = {name: weight for name, weight in weights.items() if weight}
    others = partial(_sums, tuple(name for name in wanted if name != "contrast"))
    return Objective(wanted, partial(_sums, tuple(wanted)), _counts, joint_contrast(others, wanted))


def _sums(terms: Sequence[str], output: Output, batch: Batch) -> dict[str, torch.Tensor]:
    facts_BF, words_BT, weights_BT, _, places_BRdhw = _learned(batch)
    found = {how: weighted_token_sum(output.words(how), words_BT, weights_BT) for how in terms if how in WRITING}
    if "facts" in terms and output.facts_BF is not None:
        found["facts"] = grouped_sum(output.facts_BF, facts_BF, facts_BF.shape[1] - len(PLACES))
    if "contrast" in terms:
        found["contrast"] = contrast_sum(output.rows(), learns=output.training)
    if output.seen is not None and "placed" in terms:
        found["placed"] = grouped_sum(output.seen[0], facts_BF, facts_BF.shape[1] - len(PLACES))
    if output.seen is not None and "patch" in terms:
        found["patch"] = masked_sum(bce, output.seen[1], places_BRdhw)
    return found


def _counts(batch: Batch) -> dict[str, torch.Tensor]:
    facts_BF, _, weights_BT, keys_B2, places_BRdhw = _learned(batch)
    facts, pairs = grouped_count(facts_BF, facts_BF.shape[1] - len(PLACES)), pair_count(keys_B2[:, 0])
    counts = {"contrast": pairs, "facts": facts, "placed": facts, "patch": (~places_BRdhw.isnan()).sum()}
    return counts | dict.fromkeys(WRITING, weights_BT.sum())


def _learned(batch: Batch) -> tuple[torch.Tensor, ...]:
    learned = batch.facts_BF, batch.words_BT, batch.weights_BT, batch.keys_B2, batch.places_BRdhw
    assert all(part is not None for part in learned), "a batch for answering has nothing to learn from"
    return learned  # type: ignore[return-value]


def stages(config: BrainGemma3DConfig, processor: BrainGemma3DProcessor) -> tuple[Stage, ...]:
    """Ground the patches in the reports; then the projector alone; then projector, tokens and adapters.

    Facts are told from the warm-up on: towers that learn to see need what words teach, and a writer that is told
    everything asks nothing of them.
    """
    tokens = ["resampler.*"] if config.compressor == "perceiver" else []
    tokens += ["facts.*"] if config.facts_weight else []
    writer = dict.fromkeys([f"decoder.{ADAPTERS}"] if config.lora_paths else ["decoder.*"], config.writer_rate)
    of_facts = {"facts": config.facts_weight}
    bridge = ["projector.*", *(["told.*"] if config.tell_facts else [])]

    def stage(name: StageName, globs: Sequence[str], more: Mapping, terms: Mapping[str, float], **how: Any) -> Stage:
        rates = {**dict.fromkeys(globs, config.rates[name]), **more}
        rest = {"batch": config.batch[name], "best_by": f"loss/{next(iter(terms))}", **how}
        return Stage(name, rates, objective(terms), config.epochs[name], weight_decay=0.01, **rest)

    grounds = dict.fromkeys(config.grounds, config.grounds_rate)
    seen = ["towers.*"] if config.learns_to_see else []
    of_seen = {"placed": config.facts_weight, "patch": 5.0} if seen else {}
    written = {"told" if config.tell_facts else "words": 1.0}
    found = (
        stage("contrastive", [*tokens, *seen, "contrast.*"], grounds, {"contrast": 1, **of_facts, **of_seen}, least=2),
        stage("warmup", bridge, {}, written),
        stage("lora", [*bridge, *tokens], writer, {**written, **of_facts}),
    )
    if not config.learns_to_see:
        return found
    writer |= {"projector.*": config.writer_rate}
    sees = ["vision.*", *seen, *tokens]
    muon = tuple(glob for glob in (*sees, *writer) if not glob.startswith(("towers.", "facts.")))
    return stage("towers", sees, writer, {"words": 1, **of_facts, **of_seen}, muon=muon, best_by="loss"), *found


def sketch(config: BrainGemma3DConfig) -> BrainGemma3DProcessor:
    """A processor with published configs for towers and no tokenizer: enough to build the model to count it."""
    vision = Vision3DSpec(config.vision, published_config(str(config.vision)))
    decoder = CausalSpec(config.decoder, published_config(str(config.decoder)))
    return BrainGemma3DProcessor(config, BRAIN_LABELS, dict.fromkeys(BRAIN_LABELS, 0.5), None, vision, decoder, None)


FAMILY = Family(
    name="braingemma3d",
    task="brain_report",
    config=BrainGemma3DConfig,
    sizes=SIZES,
    stage_names=("towers", "contrastive", "warmup", "lora"),
    reads=lambda config: config.reads,
    fit_processor=BrainGemma3DProcessor.fit,
    load_processor=BrainGemma3DProcessor.load,
    model=BrainGemma3D,
    stages=stages,
    sketch=sketch,
    reference=published_counts("braingemma3d"),
    write=write_reports,
    tower=Tower(("vision", "standard"), "volumes_BSDHW", "patches_BPC", BrainGemma3D.see),
)
