"""cxr_reasoner: a chest film is read together with the clinical note; 14 findings, each from the image alone, from the
note alone, and from both.                                     Figure and results: docs/families/cxr_reasoner.md

    films -- vision -- patches -+-- image queries -- image-only findings + maps --+
                                |                                                 |
             fusion (patches read words, words read patches) -- fused queries ----+-- findings
                                |                                                 |
    note --- text ---- words ---+-- text queries --- text-only findings + words --+

Shapes: B batch, V views, H W pixels, N patches a view, P = V * N, L words, D width, C labels, O outputs a label.

Departures from the system it follows (multimodal-cxr-reasoning, 2026):
- attention is over patches and words; there it was between two pooled vectors, which is a linear map
- a study without a note is a learned state; there it was the sentence that had meant "no positive label" in training
- the fused answer is what film and note say apart, added up as log-odds, and what the fusion finds beyond their sum;
  there one vector of both had to learn anew what each alone already tells
- one query a label gives the finding and its map; there one fused vector gave all 14
- the towers' own mean and std; no flips (they swap left and right); a study is 1-2 views, read together
- notes are never made from the labels' names: see data/notes.py
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import nn

from medley.core.config import Config
from medley.core.errors import MedleyError
from medley.core.family import Family, reads_films
from medley.core.files import read_json, write_json
from medley.core.labels import CHEXPERT_14
from medley.core.records import VIEWS, Evidence, Prediction, Study
from medley.core.stage import Objective, Stage
from medley.decoders.classify import LabelwiseLinear, prior_logits
from medley.encoders.films import stack_films
from medley.encoders.published import published_config, published_counts
from medley.encoders.text import (
    TextSpec,
    build_text,
    describe_text,
    encode_texts,
    load_tokenizer,
    small_bert,
    train_tokenizer,
    word_shares,
)
from medley.encoders.vision2d import VisionSpec, build_vision, describe_vision, sincos_2d
from medley.fusion.cross_attention import Bidirectional
from medley.fusion.evidence import LabelGate, LabelSum, drop_one
from medley.fusion.queries import LabelQueries
from medley.losses import multilabel as losses

HEADS = ("fused", "image_only", "text_only")
NO_NOTE_TOKENS = 4  # more than one, so that attention over "no note" is an attention


class HeadWeights(Config):
    """Every head learns: ablations come from one run."""

    fused: float = Field(1.0, gt=0)
    """The answer from film and note."""
    image_only: float = Field(0.5, gt=0)
    """The answer from the film alone."""
    text_only: float = Field(0.25, gt=0)
    """The answer from the note alone."""


class CxrReasonerConfig(Config):
    """Defaults are `size: paper`."""

    image_px: int = Field(224, ge=16)
    """Side of the square film the vision tower reads, in pixels."""
    views: Literal[1, 2] = 2
    """How many films of a study are read together; more are read in groups and averaged."""
    vision: str = "google/vit-base-patch16-224"
    """A timm architecture, or a Hugging Face id or local folder of a vision model."""
    vision_pretrained: bool = True
    """Whether the vision tower starts from its pretrained weights."""
    vision_level: int = -1
    """Which timm feature map becomes the patches: -1 the last, -2 one step finer."""
    text: str | None = "emilyalsentzer/Bio_ClinicalBERT"
    """A Hugging Face BERT, or null for a small one with words learned from the training notes."""
    text_dim: int = Field(128, ge=32, multiple_of=32)
    """Width of the small BERT where `text` is null."""
    text_layers: int = Field(2, ge=1)
    """Layers of the small BERT where `text` is null."""
    note_tokens: int = Field(128, ge=NO_NOTE_TOKENS)
    """A note is cut after this many tokens; the share that was cut is reported."""
    width: int = Field(768, ge=4)
    """Width D of the fusion and the queries; a multiple of `heads` and of 4."""
    heads: int = Field(8, ge=1)
    """Attention heads of fusion and queries."""
    fusion: Literal["xattn", "gated", "concat", "late"] = "xattn"
    """How image and note meet: cross-attention over tokens, a gate a label, one set of tokens, or averaged logits."""
    fusion_layers: int = Field(1, ge=1)
    """Layers of `xattn`."""
    query_layers: int = Field(1, ge=1)
    """Layers in which the label queries read the tokens."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in fusion, queries and the small BERT."""
    drop_note: float = Field(0.3, ge=0, le=1)
    """Share of training studies whose note the fusion does not see (modality dropout)."""
    drop_film: float = Field(0.1, ge=0, le=1)
    """Share of training studies whose films the fusion does not see."""
    loss: Literal["bce", "weighted", "asymmetric", "focal"] = "bce"
    """Loss per label; `weighted` weighs positives by (1 - p) / p, at most 20."""
    three_class: bool = False
    """Learn 'uncertain' as a third class (policy `multiclass`); it is dropped when probabilities are read."""
    head_weights: HeadWeights = HeadWeights()
    """Weight of each head in the loss."""
    hierarchy: float = Field(0.0, ge=0)
    """Weight of the penalty for a child that is more probable than its parent; for labels that obey the hierarchy."""
    consistency: float = Field(0.1, ge=0)
    """Weight of KL(image-only || fused) where the fusion sees no note."""
    freeze: Literal["none", "encoders", "text", "image"] = "none"
    """Towers that stay as they were loaded; only pretrained ones may."""
    encoder_rate: float = Field(2e-5, gt=0)
    """Learning rate of the towers that are not frozen."""
    rate: float = Field(1e-4, gt=0)
    """Learning rate of everything new."""
    layer_decay: float = Field(0.75, gt=0, le=1)
    """Towers: the rate of layer k of n is multiplied by this to the power n - k."""
    epochs: int = Field(10, ge=1)
    """Epochs of the stage `joint`, unless the recipe says otherwise."""

    @model_validator(mode="after")
    def _fits(self) -> CxrReasonerConfig:
        if self.width % self.heads or self.width % 4:
            raise ValueError(f"width is {self.width}; it must be a multiple of heads, {self.heads}, and of 4")
        if self.drop_note + self.drop_film > 1:
            raise ValueError(
                f"drop_note {self.drop_note} and drop_film {self.drop_film} add up to more than 1: some studies would "
                "be read without both"
            )
        if self.three_class and self.loss != "bce":
            raise ValueError(
                f"three_class learns by cross-entropy over three classes; loss is '{self.loss}': set it to bce"
            )
        random = {"vision": not self.vision_pretrained, "text": self.text is None}
        if frozen := [tower for tower in self.frozen_towers if random[tower]]:
            raise ValueError(
                f"freeze is '{self.freeze}', but the {frozen[0]} tower has random weights: it would never learn"
            )
        return self

    @property
    def frozen_towers(self) -> tuple[str, ...]:
        """Of `vision` and `text`, those that no stage trains."""
        return {"none": (), "encoders": ("vision", "text"), "text": ("text",), "image": ("vision",)}[self.freeze]


SIZES: dict[str, dict[str, Any]] = {
    "paper": {},
    "tiny": {
        "image_px": 128,
        "vision": "resnet10t",
        "vision_pretrained": False,
        "vision_level": -2,
        "text": None,
        "text_layers": 1,
        "note_tokens": 64,
        "width": 128,
        "heads": 4,
        "encoder_rate": 1e-3,
        "rate": 1e-3,
        "layer_decay": 1.0,
        "hierarchy": 0.1,
        "epochs": 12,
    },
    "toy": {
        "image_px": 48,
        "vision": "test_vit",
        "vision_pretrained": False,
        "text": None,
        "text_dim": 32,
        "text_layers": 1,
        "note_tokens": 16,
        "width": 16,
        "heads": 2,
        "encoder_rate": 3e-3,
        "rate": 3e-3,
        "layer_decay": 1.0,
        "hierarchy": 0.1,
        "epochs": 2,
    },
}


@dataclass(frozen=True)
class Batch:
    """B studies. `targets_BC` is nan where not known, -1 where uncertain is a class; None outside training."""

    films_BV1HW: torch.Tensor  # in [0, 1]; zeros where there is no film
    views_BV: torch.Tensor  # index into VIEWS
    is_film_BV: torch.Tensor
    words_BL: torch.Tensor
    is_word_BL: torch.Tensor  # all False for a study without a note
    targets_BC: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.films_BV1HW)


@dataclass(frozen=True)
class Output:
    """Logits of the three heads and where the label queries looked. O is 1, or 3 with `three_class`."""

    logits: Mapping[str, torch.Tensor]  # head -> [B, C, O]
    maps_BCVhw: torch.Tensor  # share of the image queries' attention on each patch
    words_BCL: torch.Tensor  # share of the text queries' attention on each word
    no_note_B: torch.Tensor  # the fusion saw films and no note

    def binary(self, head: str) -> torch.Tensor:
        """Log-odds [B, C] of present against absent; an 'uncertain' class is dropped (Irvin et al. 2019)."""
        logits_BCO = self.logits[head].float()
        return logits_BCO[..., 0] if logits_BCO.shape[-1] == 1 else logits_BCO[..., 1] - logits_BCO[..., 0]


class CxrReasonerProcessor:
    """Studies -> Batch, Output -> predictions. Holds label order, prevalence, tokenizer; saved beside the weights."""

    regions: tuple[str, ...] = ()

    def __init__(
        self,
        config: CxrReasonerConfig,
        labels: Sequence[str],
        prevalence: Mapping[str, float],
        tokenizer: Any,
        vision: VisionSpec,
        text: TextSpec,
    ):
        self.config, self.labels, self.prevalence = config, tuple(labels), dict(prevalence)
        self.tokenizer, self.vision, self.text = tokenizer, vision, text
        most = text.config.get("max_position_embeddings", config.note_tokens)
        if config.note_tokens > most:
            raise MedleyError(f"model.note_tokens is {config.note_tokens}; the text tower reads at most {most}")

    @classmethod
    def fit(cls, config, labels: Sequence[str], notes: Sequence[str | None], prevalence: Mapping[str, float], _=()):
        """From the training part: its notes teach the small tokenizer its words. Reports, the last, are not read."""
        if config.text:
            tokenizer, text = load_tokenizer(config.text), describe_text(config.text)
        else:
            tokenizer = train_tokenizer([note for note in notes if note])
            text = small_bert(len(tokenizer), config.text_dim, config.text_layers, config.dropout)
        return cls(config, labels, prevalence, tokenizer, describe_vision(config.vision), text)

    def __call__(self, studies: Sequence[Study], targets: Sequence[np.ndarray] | None = None) -> Batch:
        films_BV1HW, views_BV, is_film_BV = stack_films(studies, self.config.image_px, self.config.views)
        notes = [study.note for study in studies]
        words_BL, is_word_BL = encode_texts(self.tokenizer, notes, self.config.note_tokens, at_least=NO_NOTE_TOKENS)
        lone_B = is_word_BL.sum(1) == 1
        if self.config.fusion == "xattn" and lone_B.any():
            case_id = studies[int(lone_B.nonzero()[0])].case.case_id
            raise MedleyError(
                f"case '{case_id}': its note is one token to this tokenizer, and attention over a lone key is none; "
                "use fusion: concat"
            )
        targets_BC = None if targets is None else torch.from_numpy(np.stack(targets)).float()
        if targets_BC is not None and not self.config.three_class and bool((targets_BC < 0).any()):
            raise MedleyError("data.uncertain is multiclass, a third class: it needs model.three_class: true")
        return Batch(films_BV1HW, views_BV, is_film_BV, words_BL, is_word_BL, targets_BC)

    def cut_words(self, note: str) -> int:
        """How many tokens of this note the model does not read."""
        return max(0, len(self.tokenizer(note, truncation=False, verbose=False)["input_ids"]) - self.config.note_tokens)

    def evidence(self, output: Output, studies: Sequence[Study]) -> list[Evidence]:
        """The image queries' attention on patches and the text queries' on words: what the answers are read from."""
        maps_BCVhw = output.maps_BCVhw.detach().float().cpu().numpy()
        found = []
        for b, study in enumerate(studies):
            maps = {name: tuple(maps_BCVhw[b, c, : len(study.films)]) for c, name in enumerate(self.labels)}
            words: dict[str, dict[str, float]] = {name: {} for name in self.labels}
            if study.note:
                shares_CL = output.words_BCL[b].detach().float().tolist()
                read = partial(word_shares, self.tokenizer, study.note, self.config.note_tokens)
                words = {name: read(shares) for name, shares in zip(self.labels, shares_CL, strict=True)}
            found.append(Evidence(maps, words))
        return found

    def predictions(self, output: Output, studies: Sequence[Study]) -> list[Prediction]:
        heads = {head: output.binary(head).sigmoid().detach().cpu().numpy() for head in HEADS}
        found = []
        for b, study in enumerate(studies):
            scores = {head: dict(zip(self.labels, p_BC[b].tolist(), strict=True)) for head, p_BC in heads.items()}
            fused, case = scores.pop("fused"), study.case
            found.append(Prediction(case.case_id, case.patient_id, FAMILY.task, scores=fused, heads=scores))
        return found

    def save(self, folder: Path) -> None:
        write_json(folder / "labels.json", {"labels": list(self.labels), "prevalence": self.prevalence})
        write_json(folder / "towers.json", {"vision": vars(self.vision), "text": vars(self.text)})
        self.tokenizer.save_pretrained(folder / "tokenizer")

    @classmethod
    def load(cls, config: CxrReasonerConfig, folder: Path) -> CxrReasonerProcessor:
        """The processor that `save` wrote."""
        saved, towers = read_json(folder / "labels.json"), read_json(folder / "towers.json")
        tokenizer = load_tokenizer(str(folder / "tokenizer"))
        vision, text = VisionSpec(**towers["vision"]), TextSpec(**towers["text"])
        return cls(config, saved["labels"], saved["prevalence"], tokenizer, vision, text)


class CxrReasoner(nn.Module):
    """Module names are what stages name: vision, text, bridge, fusion, queries, heads."""

    def __init__(self, config: CxrReasonerConfig, processor: CxrReasonerProcessor, pretrained: bool = True):
        """`pretrained=False` builds every tower with random weights, for saved ones to be laid over."""
        super().__init__()
        self.config = config
        width, heads, dropout = config.width, config.heads, config.dropout
        pretrained_vision = pretrained and config.vision_pretrained
        self.vision = build_vision(processor.vision, config.image_px, pretrained_vision, config.vision_level)
        if config.fusion == "xattn" and math.prod(self.vision.grid) < 2:
            raise MedleyError(
                f"vision '{config.vision}' gives one patch at {config.image_px} px: xattn needs two or more; raise "
                "model.image_px"
            )
        self.text = build_text(processor.text, pretrained)
        self.bridge = nn.ParameterDict(
            {
                "view_VD": torch.randn(len(VIEWS), width) * 0.02,
                "no_note_KD": torch.randn(NO_NOTE_TOKENS, width) * 0.02,
            }
        )
        if config.fusion != "late":  # which has nothing to hide films from
            self.bridge["no_film_D"] = nn.Parameter(torch.randn(width) * 0.02)
        self.bridge_patches = nn.Sequential(nn.Linear(self.vision.dim, width), nn.LayerNorm(width))
        self.bridge_words = nn.Sequential(nn.Linear(self.text.dim, width), nn.LayerNorm(width))
        self.register_buffer("position_ND", sincos_2d(self.vision.grid, width), persistent=False)

        if config.fusion == "xattn":
            self.fusion = Bidirectional(width, heads, config.fusion_layers, dropout)

        labels, outputs = len(processor.labels), 3 if config.three_class else 1
        prevalence_C = torch.tensor([processor.prevalence[name] for name in processor.labels])
        late = config.fusion == "late"
        names = [head for head in HEADS if not (late and head == "fused")]
        self.queries = nn.ModuleDict(
            {head: LabelQueries(labels, width, heads, config.query_layers, dropout) for head in names}
        )
        prior_C = {"fused": torch.full_like(prevalence_C, 0.5)}  # it adds to answers that hold the prevalence already
        self.heads = nn.ModuleDict(
            {head: LabelwiseLinear(prior_C.get(head, prevalence_C), width, outputs) for head in names}
        )
        if config.fusion == "gated":
            self.evidence: nn.Module = LabelGate(width)
        elif not late:
            self.evidence = LabelSum(prior_logits(prevalence_C, outputs))

    def forward(self, batch: Batch) -> Output:
        patches_BPD, is_patch_BP = self._patches(batch)
        words_BLD, is_word_BL, has_note_B = *self._words(batch), batch.is_word_BL.any(1)
        image_BCD, maps_BCP = self.queries["image_only"](patches_BPD, is_patch_BP)
        text_BCD, shares_BCL = self.queries["text_only"](words_BLD, is_word_BL)
        image, text = (image_BCD, self.heads["image_only"](image_BCD)), (text_BCD, self.heads["text_only"](text_BCD))
        logits = {"image_only": image[1], "text_only": text[1]}

        no_film_B, no_note_B = drop_one(self.config.drop_film, self.config.drop_note, ~has_note_B, self.training)
        if self.config.fusion == "late":
            logits["fused"] = (image[1] + text[1]) / 2
        else:
            patches_BPD = torch.where(no_film_B[:, None, None], self.bridge["no_film_D"].to(patches_BPD), patches_BPD)
            words_BLD, is_word_BL = self._without_note(words_BLD, is_word_BL, no_note_B)
            if self.config.fusion == "xattn":
                patches_BPD, words_BLD, *_ = self.fusion(patches_BPD, words_BLD, is_patch_BP, is_word_BL)
            tokens_BKD = torch.cat([patches_BPD, words_BLD], dim=1)
            together_BCD, _ = self.queries["fused"](tokens_BKD, torch.cat([is_patch_BP, is_word_BL], dim=1))
            if self.training:  # each head learns its own job; of a trained model, gradients explain the whole answer
                image, text = tuple(part.detach() for part in image), tuple(part.detach() for part in text)
            apart_BCO = torch.where(no_note_B[:, None, None], image[1], self.evidence(image, text))
            apart_BCO = torch.where(no_film_B[:, None, None], text[1], apart_BCO)
            logits["fused"] = apart_BCO + self.heads["fused"](together_BCD)

        views, grid = batch.films_BV1HW.shape[1], self.vision.grid
        return Output(
            logits=logits,
            maps_BCVhw=maps_BCP.unflatten(-1, (views, *grid)),
            words_BCL=shares_BCL,
            no_note_B=no_note_B & ~no_film_B,
        )

    def _patches(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens of all views in one row, and which of them are of a real film. Only real films meet the tower."""
        seen_FND = self.bridge_patches(self.vision(batch.films_BV1HW[batch.is_film_BV]))
        seen_FND = seen_FND + self.position_ND + self.bridge["view_VD"][batch.views_BV[batch.is_film_BV]][:, None]
        patches_BVND = seen_FND.new_zeros(*batch.is_film_BV.shape, *seen_FND.shape[1:])
        patches_BVND[batch.is_film_BV] = seen_FND
        is_patch_BP = batch.is_film_BV.repeat_interleave(seen_FND.shape[1], dim=1)
        return patches_BVND.flatten(1, 2), is_patch_BP

    def _words(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Word tokens; a study without a note gets the learned tokens of that state."""
        read_BL = batch.is_word_BL.clone()
        read_BL[:, 0] = True  # an empty row would make nan; what it says is replaced below
        words_BLD = self.bridge_words(self.text(batch.words_BL, read_BL))
        return self._without_note(words_BLD, batch.is_word_BL, ~batch.is_word_BL.any(1))

    def _without_note(self, words_BLD: torch.Tensor, is_word_BL: torch.Tensor, no_note_B: torch.Tensor):
        """Rows of `no_note_B` hold the learned state in their first tokens and nothing else."""
        learned_LD = nn.functional.pad(self.bridge["no_note_KD"], (0, 0, 0, words_BLD.shape[1] - NO_NOTE_TOKENS))
        is_learned_L = torch.arange(words_BLD.shape[1], device=words_BLD.device) < NO_NOTE_TOKENS
        words_BLD = torch.where(no_note_B[:, None, None], learned_LD.to(words_BLD), words_BLD)
        return words_BLD, torch.where(no_note_B[:, None], is_learned_L, is_word_BL)


def objective(config: CxrReasonerConfig, processor: CxrReasonerProcessor) -> Objective:
    """The label loss of each head, the hierarchy penalty and the consistency of "no note" with the image alone."""
    weights: dict[str, float] = dict(config.head_weights)  # type: ignore[arg-type]
    if losses.hierarchy_pairs(processor.labels):
        weights["hierarchy"] = config.hierarchy
    if config.fusion != "late":  # whose fused answer is the average with the note's, note or no note
        weights["consistency"] = config.consistency
    prevalence = [processor.prevalence[name] for name in processor.labels]
    per_label = losses.three_class if config.three_class else losses.per_label(config.loss, prevalence)
    sums, counts = partial(_sums, per_label, processor.labels), partial(_counts, processor.labels)
    return Objective({name: weight for name, weight in weights.items() if weight}, sums, counts)


def _sums(per_label: Callable, labels: Sequence[str], output: Output, batch: Batch) -> dict[str, torch.Tensor]:
    assert batch.targets_BC is not None
    terms = {}
    for head in HEADS:
        logits = output.logits[head] if per_label is losses.three_class else output.binary(head)
        terms[head] = losses.masked_sum(per_label, logits, batch.targets_BC)
    terms["hierarchy"] = losses.hierarchy_penalty(output.binary("fused"), labels)
    kl_BC = losses.bernoulli_kl(output.binary("fused"), output.binary("image_only"))
    terms["consistency"] = (kl_BC * output.no_note_B[:, None]).sum()
    return terms


def _counts(labels: Sequence[str], batch: Batch) -> dict[str, torch.Tensor]:
    assert batch.targets_BC is not None
    known = (~batch.targets_BC.isnan()).sum()
    studies = torch.tensor(len(batch), device=known.device)
    pairs = studies * max(1, len(losses.hierarchy_pairs(labels)))
    return {**dict.fromkeys(HEADS, known), "hierarchy": pairs, "consistency": studies * len(labels)}


def stages(config: CxrReasonerConfig, processor: CxrReasonerProcessor) -> tuple[Stage, ...]:
    """One stage: everything learns, the towers slowly or not at all."""
    rates = {f"{tower}.*": config.encoder_rate for tower in ("vision", "text") if tower not in config.frozen_towers}
    rates |= dict.fromkeys(("bridge*", "queries.*", "heads.*"), config.rate)
    if config.fusion == "xattn":
        rates["fusion.*"] = config.rate
    if config.fusion != "late":
        rates["evidence.*"] = config.rate
    return (
        Stage(
            "joint",
            rates,
            objective(config, processor),
            epochs=config.epochs,
            best_by="auroc_macro",
            layer_decay=config.layer_decay,
        ),
    )


def sketch(config: CxrReasonerConfig) -> CxrReasonerProcessor:
    """A processor with published configs for towers and no tokenizer: enough to build the model to count it."""
    half = (0.5, 0.5, 0.5)
    vision = VisionSpec(config.vision, published_config(config.vision), mean=half, std=half)
    text = TextSpec(config.text, published_config(str(config.text)))
    return CxrReasonerProcessor(config, CHEXPERT_14, dict.fromkeys(CHEXPERT_14, 0.1), None, vision, text)


FAMILY = Family(
    name="cxr_reasoner",
    task="chest_findings",
    config=CxrReasonerConfig,
    sizes=SIZES,
    stage_names=("joint",),
    reads=reads_films,
    fit_processor=CxrReasonerProcessor.fit,
    load_processor=CxrReasonerProcessor.load,
    model=CxrReasoner,
    stages=stages,
    sketch=sketch,
    reference=published_counts("cxr_reasoner"),
)
