"""chexquery: queries named after findings and parts of the chest read one or two films; a T5 decoder writes Findings
and Impression from what they found.                            Figure and results: docs/families/chexquery.md

    films -- SigLIP tower + LoRA --+-- whole film -------------------------------------------+
                                   |                                                         |
                                   +-- patches of all views -- 2 cross-attention layers      |
                                                                 ^             |             |
                 14 condition queries + 6 anatomical queries ----+   states of 20 queries    |
                                                                               |             |
                      auxiliary findings + maps  <---- condition states -------+             |
                                                                               |             |
    T5 decoder + LoRA  <---- 1 + 10 + 14 tokens (and the indication's words) <- gated pooling ++ what is called

Shapes: B batch, V views, H W pixels, N patches a view, P = V * N, D width, C labels, Q = C + 6 queries, R regions, M
memory tokens, T words, L words of the indication, S vocabulary.

Departures from the system it follows (CheXQuery-MedVLM, 2026; it published no result):
- the whole film is SigLIP's pooled token and all patches are kept; there the top-left patch played a class token
- two views lie side by side as keys, so a map belongs to a view; there patch i of both was mixed
- queries are taught where their part or finding lies, where masks are known; there the anatomical names were decoration
- the gate comes after the layer norms and changes what the decoder reads; there it nearly did not
- labels by name; there the labeler's columns were read in the wrong order, so that queries learned their neighbours
- section headers are given and not predicted, and a lacking section is not in the loss; there a prompt was in the loss,
  n-gram blocking forbade the headers, and placeholder sentences were targets
- beside the 10 pooled tokens the decoder reads which findings are called, and where (as in PromptMRG, Jin et al. 2024),
  in training the true ones; there what the auxiliary head said reached no word
- pre-norm attention; the cosine is a cosine, label smoothing is applied, dev loss has one definition in all stages
- `size: tiny` has a stage `towers` in which random towers learn what pretrained ones bring along: one sees, one writes
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import nn

from medley.core.config import Config
from medley.core.errors import MedleyError
from medley.core.family import Family, reads_films
from medley.core.files import read_json, write_json
from medley.core.labels import ANATOMY, CHEXPERT_14
from medley.core.records import VIEWS, Evidence, Prediction, Report, Study, target_sections
from medley.core.stage import Objective, Stage
from medley.core.weights import load_tensors, save_tensors
from medley.decoders.classify import SharedHidden
from medley.decoders.lora import ADAPTERS, add_lora
from medley.decoders.sections import NOT_SAID, SECTIONS, SMALL_HEADERS, T5_HEADERS, SectionWords
from medley.decoders.seq2seq import DecoderSpec, build_decoder, describe_decoder, small_t5
from medley.decoders.told import SIDES, ToldFindings, called_findings, told_findings
from medley.encoders.films import stack_films, stack_regions, without_a_view
from medley.encoders.pooled import build_pooled
from medley.encoders.published import published_config, published_counts
from medley.encoders.text import encode_texts, load_tokenizer, name_vectors, train_tokenizer
from medley.encoders.vision2d import VisionSpec, describe_vision
from medley.fusion.gate import GatedPooling
from medley.fusion.memory import DecoderMemory
from medley.fusion.queries import LabelQueries
from medley.fusion.views import side_by_side
from medley.losses.multilabel import bce, masked_sum
from medley.losses.regions import attention_sum, known_regions, seen_sums
from medley.losses.tokens import side_sum, token_sum

# of the system it follows; there they weighed other labels than they named
LABEL_WEIGHTS = {"Cardiomegaly": 2.0, "Pneumothorax": 2.5, "Pleural Effusion": 2.5}
LABEL_WEIGHTS |= dict.fromkeys(("Edema", "Consolidation", "Pneumonia"), 1.8)

StageName = Literal["towers", "align", "joint", "report"]


class CheXQueryConfig(Config):
    """Defaults are `size: paper`."""

    image_px: int = Field(384, ge=16)
    """Side of the square film the vision tower reads, in pixels."""
    views: Literal[1, 2] = 2
    """How many films of a study are read together; more are read in groups and averaged."""
    drop_view: float = Field(0.3, ge=0, lt=1)
    """Share of training studies of two films of which the model sees one."""
    vision: str = "google/siglip-base-patch16-384"
    """A SigLIP of the hub or a local folder, or a timm architecture, which starts from random weights."""
    vision_level: int = -1
    """Which timm feature map becomes the patches: -1 the last, -2 one step finer."""
    vision_lora: tuple[str, ...] = (r"backbone\.encoder\.layers\.\d+\.self_attn\.[qv]_proj",)
    """Module paths of the vision tower that get adapters: regular expressions of whole paths."""
    decoder: str | None = "google/flan-t5-base"
    """A T5 of the hub or a local folder, or null for a small one with words learned from the training reports."""
    decoder_dim: int = Field(128, ge=16)
    """Width of the small decoder where `decoder` is null."""
    decoder_layers: int = Field(2, ge=1)
    """Layers of the small decoder where `decoder` is null."""
    decoder_lora: tuple[str, ...] = (r"stack\.block\.\d+\.layer\.\d+\.(SelfAttention|EncDecAttention)\.[qkvo]",)
    """Module paths of the decoder that get adapters: regular expressions of whole paths."""
    lora_rank: int = Field(16, ge=1)
    """Rank of the adapters."""
    lora_alpha: int = Field(32, ge=1)
    """Adapters are scaled by alpha / rank."""
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    """Dropout before the adapters."""
    query_init: Literal["text", "random"] = "text"
    """Condition queries start from what `query_text` makes of the labels' names, or at random."""
    query_text: str = "dmis-lab/biobert-base-cased-v1.2"
    """A text encoder of the hub or a local folder, asked once, before training; as wide as `width`."""
    width: int = Field(768, ge=4)
    """Width D of queries and fusion; a multiple of `heads` and of 4."""
    heads: int = Field(8, ge=1)
    """Attention heads of queries, fusion and the small decoder."""
    query_layers: int = Field(2, ge=1)
    """Cross-attention layers in which the queries read the patches."""
    pooled: int = Field(10, ge=1)
    """Tokens that are pooled from the queries for the decoder."""
    call_at: float = Field(0.2, gt=0, lt=1)
    """From which probability on the decoder is told that a finding is there."""
    gate_dim: int = Field(512, ge=1)
    """Width of the gate's hidden layer."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in queries, fusion, auxiliary head and the small decoder."""
    sections: tuple[Literal["findings", "impression"], ...] = SECTIONS
    """What is written, in this order."""
    section_tokens: int = Field(200, ge=8)
    """A section is cut after this many tokens, when it is learned and when it is written."""
    note_tokens: int = Field(0, ge=0)
    """How many tokens of the indication the decoder reads beside the film; 0 reads none."""
    beams: int = Field(1, ge=1)
    """Beams of the search when reports are written; 1 is greedy."""
    no_repeat: int = Field(6, ge=0)
    """No run of this many tokens is written twice in a section; 0 allows it. Headers are given and stay out of it."""
    label_weights: dict[str, float] = LABEL_WEIGHTS
    """Weight of a label in the auxiliary loss; 1 where it is not named."""
    region_weight: float = Field(1.0, ge=0)
    """Weight of the maps' supervision, which counts where masks of a finding or a part of the chest are known."""
    side_weight: float = Field(1.0, ge=0)
    """Weight of the sides of findings, as the labeler reads them in the report."""
    report_findings: float = Field(0.0, ge=0)
    """Weight of the auxiliary loss in the stage `report`; at 0 the answers beside the report drift there."""
    smoothing: dict[StageName, Annotated[float, Field(ge=0, lt=1)]] = Field({"joint": 0.05, "report": 0.1})
    """Label smoothing of the words, by stage; none where a stage is not named."""
    rates: dict[StageName, float] = Field({"align": 1e-4, "joint": 3e-5, "report": 2e-5})
    """Learning rate of each stage."""
    writer_rate: float = Field(4e-3, gt=0)
    """Learning rate of the small decoder, and of what it reads through, in the stage `towers`."""
    epochs: dict[StageName, Annotated[float, Field(gt=0)]] = Field({"align": 15, "joint": 30, "report": 15})
    """Epochs of each stage, unless the recipe says otherwise."""

    @model_validator(mode="after")
    def _fits(self) -> CheXQueryConfig:
        if self.width % self.heads or self.width % 4:
            raise ValueError(f"width is {self.width}; it must be a multiple of heads, {self.heads}, and of 4")
        if self.decoder is None and self.decoder_dim % self.heads:
            raise ValueError(f"decoder_dim is {self.decoder_dim}; it must be a multiple of heads, {self.heads}")
        if not self.sections or len(set(self.sections)) < len(self.sections):
            raise ValueError(f"sections are {list(self.sections)}; name one or both, each once")
        return self

    @property
    def learns_to_see(self) -> bool:
        """Whether the towers start from random weights and must first learn to see and to write."""
        return self.decoder is None and "/" not in self.vision


_SMALL: dict[str, Any] = {"decoder": None, "query_init": "random", "report_findings": 0.3}
_TINY: dict[str, Any] = {"image_px": 128, "vision": "resnet10t", "vision_level": -2}
_TINY |= {"width": 128, "gate_dim": 64, "lora_rank": 32, "lora_alpha": 64, "lora_dropout": 0.0}
_TINY |= {"decoder_lora": [r"stack\.block\.\d+\.layer\.\d+\.(SelfAttention|EncDecAttention|DenseReluDense)\.\w+"]}
_TINY |= {"vision_lora": [r"backbone\.backbone\.layer[23]\.\d+\.conv2"], "section_tokens": 120}
_TINY |= {"rates": {"towers": 3e-3, "align": 1e-4, "joint": 1e-4, "report": 3e-5}}
_TINY |= {"beams": 3, "dropout": 0.0, "smoothing": {}}
_TINY |= {"epochs": {"towers": 6, "align": 0.3, "joint": 0.3, "report": 0.3}}
_TOY: dict[str, Any] = {"image_px": 48, "vision": "test_vit", "lora_rank": 4, "section_tokens": 24, "note_tokens": 8}
_TOY |= {"width": 32, "heads": 2, "gate_dim": 16, "pooled": 4}
_TOY |= {"vision_lora": [r"backbone\.backbone\.model\.blocks\.\d+\.attn\.qkv"], "decoder_dim": 32, "decoder_layers": 1}
_TOY |= {"epochs": dict.fromkeys(_TINY["epochs"], 2), "rates": dict.fromkeys(_TINY["rates"], 3e-3)}
SIZES: dict[str, dict[str, Any]] = {"paper": {}, "tiny": {**_TINY, **_SMALL}, "toy": {**_TOY, **_SMALL}}


@dataclass(frozen=True)
class Batch:
    """B studies. What is learned from is None outside training: `targets_BC` is nan where not known, `says_BT` is
    NOT_SAID where nothing is to be said, `told_BC2` what the labeler reads in the report (see `decoders.told`),
    `places_BVRrr` the share of a cell that a region covers; nan is unknown."""

    films_BV1HW: torch.Tensor  # in [0, 1]; zeros where there is no film
    is_lateral_BV: torch.Tensor
    is_film_BV: torch.Tensor
    note_BL: torch.Tensor
    is_note_BL: torch.Tensor
    targets_BC: torch.Tensor | None = None
    words_BT: torch.Tensor | None = None
    says_BT: torch.Tensor | None = None
    told_BC2: torch.Tensor | None = None
    places_BVRrr: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.films_BV1HW)


@dataclass(frozen=True)
class Output:
    """What was found, and questions that cost a pass and are asked only where a loss or an explanation needs them."""

    logits_BC: torch.Tensor  # of the auxiliary findings
    sides_BC4: torch.Tensor  # of where they are: none said, left, right, bilateral
    maps_BQVhw: torch.Tensor  # share of each query's attention on each patch
    gate_B: torch.Tensor  # how much the decoder hears of the whole film against what the queries found
    memory_BMD: torch.Tensor  # what the decoder reads
    is_memory_BM: torch.Tensor
    states_BQD: torch.Tensor  # what the queries found
    words: Callable[[], torch.Tensor]  # logits [B, T, S] of the report, from the film
    seen: tuple[torch.Tensor, torch.Tensor] | None  # logits [F, C] a film and [F, P, R] a patch (stage `towers`)
    training: bool

    @property
    def maps_BCVhw(self) -> torch.Tensor:
        """Those of the conditions' queries."""
        return self.maps_BQVhw[:, : self.logits_BC.shape[1]]

    def binary(self, head: str) -> torch.Tensor:
        """Log-odds [B, C] of the findings beside the report: there is one head, `fused`."""
        return self.logits_BC


class CheXQueryProcessor:
    """Studies -> Batch, Output -> predictions. Holds labels, prevalence, tokenizer, and what the queries start from."""

    def __init__(
        self,
        config: CheXQueryConfig,
        labels: Sequence[str],
        prevalence: Mapping[str, float],
        tokenizer: Any,
        vision: VisionSpec,
        decoder: DecoderSpec,
        start_CD: torch.Tensor | None,
    ):
        self.config, self.labels, self.prevalence = config, tuple(labels), dict(prevalence)
        self.tokenizer, self.vision, self.decoder, self.start_CD = tokenizer, vision, decoder, start_CD
        self.regions = (*self.labels, *ANATOMY)
        pad, end = int(decoder.config["pad_token_id"]), int(decoder.config["eos_token_id"])
        if tokenizer is not None:  # a sketch has none
            headers = SMALL_HEADERS if config.decoder is None else T5_HEADERS
            how = config.section_tokens, config.no_repeat
            self.words = SectionWords(tokenizer, headers, config.sections, pad, end, *how)

    @classmethod
    def fit(cls, config, labels: Sequence[str], notes, prevalence: Mapping[str, float], reports):
        """From the training part: its reports and notes teach the small tokenizer its words."""
        if config.decoder:
            tokenizer, decoder = load_tokenizer(config.decoder), describe_decoder(config.decoder)
        else:
            texts = [text for sections in reports for text in sections.values()] + [note for note in notes if note]
            if not any(section in sections for sections in reports for section in config.sections):
                raise MedleyError(f"no study of the training part has {' or '.join(config.sections)} to learn from")
            tokenizer = train_tokenizer(texts, lowercase=False, more=SMALL_HEADERS)
            sizes = (config.decoder_dim, config.decoder_layers, config.heads, config.dropout)
            decoder = small_t5(len(tokenizer), tokenizer.pad_token_id, tokenizer.sep_token_id, *sizes)
        start_CD = None
        if config.query_init == "text":
            names, length = [name.lower() for name in labels], 0.02 * config.width**0.5
            start_CD = name_vectors(config.query_text, names, config.width, length)
        return cls(config, labels, prevalence, tokenizer, describe_vision(config.vision), decoder, start_CD)

    def __call__(self, studies: Sequence[Study], targets: Sequence[np.ndarray] | None = None) -> Batch:
        films_BV1HW, views_BV, is_film_BV = stack_films(studies, self.config.image_px, self.config.views)
        is_lateral_BV = is_film_BV & (views_BV == VIEWS.index("LATERAL"))
        notes = [study.note if self.config.note_tokens else None for study in studies]
        note_BL, is_note_BL = encode_texts(self.tokenizer, notes, max(1, self.config.note_tokens))
        batch = Batch(films_BV1HW, is_lateral_BV, is_film_BV, note_BL, is_note_BL)
        if targets is None:
            return batch
        reports = [target_sections(study.case) for study in studies]
        words_BT, says_BT = self.words.rows(reports)
        places_BVRrr = stack_regions(studies, films_BV1HW.shape[1], self.regions)
        targets_BC = torch.from_numpy(np.stack(targets)).float()
        if bool((targets_BC < 0).any()):
            raise MedleyError("data.uncertain is multiclass, which chexquery does not learn; choose another policy")
        learned = {"targets_BC": targets_BC, "words_BT": words_BT, "says_BT": says_BT, "places_BVRrr": places_BVRrr}
        return Batch(**{**vars(batch), **learned, "told_BC2": told_findings(reports, self.labels)})

    def cut_words(self, note: str) -> int:
        """How many tokens of this note the model does not read."""
        return max(0, len(self.tokenizer(note, truncation=False, verbose=False)["input_ids"]) - self.config.note_tokens)

    def evidence(self, output: Output, studies: Sequence[Study]) -> list[Evidence]:
        """Where each finding's query looked. Words have no share: the indication is read by the decoder alone."""
        maps_BCVhw = output.maps_BCVhw.detach().float().cpu().numpy()
        words: dict[str, dict[str, float]] = {name: {} for name in self.labels}
        return [
            Evidence({name: tuple(maps_CVhw[c, : len(study.films)]) for c, name in enumerate(self.labels)}, words)
            for study, maps_CVhw in zip(studies, maps_BCVhw, strict=True)
        ]

    def predictions(self, output: Output, studies: Sequence[Study]) -> list[Prediction]:
        """The auxiliary findings; the text is written by `write_reports`."""
        p_BC, gate_B = output.logits_BC.detach().float().sigmoid(), output.gate_B.detach().float()
        scores_B = [dict(zip(self.labels, p_C, strict=True)) for p_C in p_BC.tolist()]
        return [
            Prediction(study.case.case_id, study.case.patient_id, FAMILY.task, scores=scores, extra={"gate": gate})
            for study, scores, gate in zip(studies, scores_B, gate_B.tolist(), strict=True)
        ]

    def save(self, folder: Path) -> None:
        write_json(folder / "labels.json", {"labels": list(self.labels), "prevalence": self.prevalence})
        write_json(folder / "towers.json", {"vision": vars(self.vision), "decoder": vars(self.decoder)})
        self.tokenizer.save_pretrained(folder / "tokenizer")
        if self.start_CD is not None:
            digest = hashlib.sha256(self.start_CD.numpy().tobytes()).hexdigest()
            facts = {"of": self.config.query_text, "labels": list(self.labels), "sha256": digest}
            save_tensors(folder / "queries.safetensors", {"start_CD": self.start_CD}, facts)

    @classmethod
    def load(cls, config: CheXQueryConfig, folder: Path) -> CheXQueryProcessor:
        """The processor that `save` wrote."""
        saved, towers = read_json(folder / "labels.json"), read_json(folder / "towers.json")
        tokenizer = load_tokenizer(str(folder / "tokenizer"))
        vision, decoder = VisionSpec(**towers["vision"]), DecoderSpec(**towers["decoder"])
        start = load_tensors(folder / "queries.safetensors")[0]["start_CD"] if config.query_init == "text" else None
        return cls(config, saved["labels"], saved["prevalence"], tokenizer, vision, decoder, start)


class CheXQuery(nn.Module):
    """Module names are what stages name: vision, bridge, queries, findings, fusion, memory, decoder, towers."""

    def __init__(self, config: CheXQueryConfig, processor: CheXQueryProcessor, pretrained: bool = True):
        """`pretrained=False` builds every tower with random weights, for saved ones to be laid over."""
        super().__init__()
        self.config = config
        width, heads, dropout = config.width, config.heads, config.dropout
        from_hub = pretrained and processor.vision.config is not None
        self.vision = build_pooled(processor.vision, config.image_px, from_hub, config.vision_level, width, heads)
        if self.vision.dim != width:
            has = f"'{config.vision}' has tokens of {self.vision.dim}"
            raise MedleyError(f"model.width is {width}; {has}: set it to that")
        add_lora(self.vision, config.vision_lora, config.lora_rank, config.lora_alpha, config.lora_dropout)
        self.decoder = build_decoder(processor.decoder, pretrained)
        add_lora(self.decoder, config.decoder_lora, config.lora_rank, config.lora_alpha, config.lora_dropout)
        self.bridge = nn.ParameterDict({"views_VD": torch.randn(2, width) * 0.02})
        labels = len(processor.labels)
        self.queries = LabelQueries(labels + len(ANATOMY), width, heads, config.query_layers, dropout)
        if processor.start_CD is not None:
            self.queries.queries_CD.data[:labels] = processor.start_CD
        prevalence_C = torch.tensor([processor.prevalence[name] for name in processor.labels])
        self.findings = SharedHidden(prevalence_C, width, dropout)
        self.sides = nn.Linear(width, 1 + len(SIDES))
        self.told = ToldFindings(labels, width)
        self.fusion = GatedPooling(width, heads, config.pooled, config.gate_dim, dropout)
        self.memory = DecoderMemory(width, self.decoder.dim)
        if config.learns_to_see:
            patch = nn.Linear(width, len(processor.regions))
            self.towers = nn.ModuleDict({"film": nn.Linear(width, labels), "patch": patch})

    def forward(self, batch: Batch) -> Output:
        whole_FD, patches_FND = self.vision(batch.films_BV1HW[batch.is_film_BV])  # only real films meet the tower
        read_BV = without_a_view(batch.is_film_BV, self.config.drop_view) if self.training else batch.is_film_BV
        view_FD = self.bridge["views_VD"][batch.is_lateral_BV[batch.is_film_BV].long()]
        whole_BD, patches_BPD, is_patch_BP = side_by_side(
            whole_FD + view_FD, patches_FND + view_FD[:, None], batch.is_film_BV, read_BV
        )
        states_BQD, maps_BQP = self.queries(patches_BPD, is_patch_BP)
        of_labels_BCD = states_BQD[:, : -len(ANATOMY)]
        logits_BC, sides_BC4 = self.findings(of_labels_BCD), self.sides(of_labels_BCD)
        known = (batch.targets_BC, batch.told_BC2) if self.training else ()
        calls_BC2 = called_findings(logits_BC, sides_BC4, self.config.call_at, *known)
        tokens_BKD, gate_B = self.fusion(whole_BD, states_BQD, self.told(calls_BC2))
        memory_BMD, is_memory_BM = self._memory(tokens_BKD, calls_BC2, batch)
        learns = self.config.learns_to_see
        return Output(
            logits_BC=logits_BC,
            sides_BC4=sides_BC4,
            maps_BQVhw=maps_BQP.unflatten(-1, (-1, *self.vision.grid)),
            gate_B=gate_B,
            memory_BMD=memory_BMD,
            is_memory_BM=is_memory_BM,
            states_BQD=states_BQD,
            words=partial(self.decoder, memory_BMD, is_memory_BM, batch.words_BT),
            seen=(self.towers["film"](whole_FD), self.towers["patch"](patches_FND)) if learns else None,
            training=self.training,
        )

    def _memory(self, tokens_BKD: torch.Tensor, told_BC2: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, ...]:
        others = tokens_BKD.shape[1] - told_BC2.shape[1]  # of the last C only what is told is read: few are forgotten
        is_token_BK = nn.functional.pad(told_BC2[..., 0] > 0, (others, 0), value=True)
        note_BLE = self.decoder.embed(batch.note_BL) if self.config.note_tokens else None
        return self.memory(tokens_BKD, is_token_BK, note_BLE, batch.is_note_BL)


def write_reports(model: CheXQuery, processor: CheXQueryProcessor, output: Output) -> list[Report]:
    """One Report a study, greedy or by beams as the config says."""
    return processor.words.write(model.decoder, output.memory_BMD, output.is_memory_BM, model.config.beams)


def objective(processor: CheXQueryProcessor, weights: Mapping[str, float], smoothing: float = 0.0) -> Objective:
    """The terms that `weights` names. Smoothing is for learning: on dev `words` is the plain loss in all stages."""
    label_weights = processor.config.label_weights
    weights_C = torch.tensor([label_weights.get(name, 1.0) for name in processor.labels])
    sums = partial(_sums, tuple(weights), weights_C, smoothing)
    return Objective({name: weight for name, weight in weights.items() if weight}, sums, _counts)


def _sums(
    terms: Sequence[str], weights_C: torch.Tensor, smoothing: float, output: Output, batch: Batch
) -> dict[str, torch.Tensor]:
    targets_BC, says_BT, told_BC2, places_BVRrr = _learned(batch)
    found = {}
    if "words" in terms:
        said = smoothing if output.training else 0.0
        found["words"] = token_sum(output.words(), says_BT, says_BT != NOT_SAID, said)
    if "findings" in terms:
        weights_C = weights_C.to(output.logits_BC)
        found["findings"] = masked_sum(lambda said, true: weights_C * bce(said, true), output.logits_BC, targets_BC)
    if "regions" in terms:
        found["regions"] = attention_sum(output.maps_BQVhw, places_BVRrr)
    if "sides" in terms:
        found["sides"] = side_sum(output.sides_BC4, told_BC2)
    if output.seen is not None and "film" in terms:
        found |= seen_sums(*output.seen, targets_BC, places_BVRrr, batch.is_film_BV, output.maps_BQVhw.shape[-2:])
    return found


def _counts(batch: Batch) -> dict[str, torch.Tensor]:
    targets_BC, says_BT, told_BC2, places_BVRrr = _learned(batch)
    said = (says_BT != NOT_SAID).sum()
    known_BC = ~targets_BC.isnan()
    known_FR = ~places_BVRrr[batch.is_film_BV].flatten(2).isnan().any(-1)
    return {
        "words": said,
        "sides": (told_BC2[..., 0] == 1).sum(),
        "findings": known_BC.sum(),
        "film": (known_BC.sum(1) * batch.is_film_BV.sum(1)).sum(),
        "patch": known_FR.sum(),
        "regions": known_regions(places_BVRrr.flatten(3)).any(1).sum(),
    }


def _learned(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    learned = batch.targets_BC, batch.says_BT, batch.told_BC2, batch.places_BVRrr
    assert all(part is not None for part in learned), "a batch for answering has nothing to learn from"
    return learned  # type: ignore[return-value]


def stages(config: CheXQueryConfig, processor: CheXQueryProcessor) -> tuple[Stage, ...]:
    """Align the queries with frozen towers; then all with adapters; then the writing alone, with frozen vision."""
    new = ["bridge.*", "queries.*", "fusion.*", "memory.*", "told.*"]
    adapters = [f"vision.{ADAPTERS}", f"decoder.{ADAPTERS}"]
    more = {"regions": config.region_weight, "sides": config.side_weight}

    def stage(name: StageName, globs: list[str], findings: float) -> Stage:
        learned = objective(processor, {"words": 1.0, "findings": findings, **more}, config.smoothing.get(name, 0.0))
        rates = dict.fromkeys(globs, config.rates[name])
        return Stage(name, rates, learned, config.epochs[name], best_by="loss/words", weight_decay=0.01)

    found = [
        stage("align", [*new, "findings.*", "sides.*"], 0.7),
        stage("joint", [*new, "findings.*", "sides.*", *adapters], 0.3),
        stage("report", [*new, adapters[1]], config.report_findings),
    ]
    if not config.learns_to_see:
        return tuple(found)
    seen = ["vision.*", "towers.*", "bridge.*", "queries.*", "findings.*", "sides.*"]
    rates = dict.fromkeys(seen, config.rates["towers"])
    told = dict.fromkeys(["decoder.*", "fusion.*", "memory.*", "told.*"], config.writer_rate)
    learned = objective(processor, {"film": 1.0, "patch": 1.0, "findings": 1.0, **more, "words": 1.0})
    muon, epochs = ("vision.*", "queries.*", "fusion.*", "decoder.stack.*"), config.epochs["towers"]
    towers = Stage("towers", {**rates, **told}, learned, epochs, weight_decay=0.01, muon=muon, frozen=(ADAPTERS,))
    return towers, *found


def sketch(config: CheXQueryConfig) -> CheXQueryProcessor:
    """A processor with published configs for towers and no tokenizer: enough to build the model to count it."""
    vision = VisionSpec(config.vision, published_config(config.vision), mean=(0.5,) * 3, std=(0.5,) * 3)
    decoder = DecoderSpec(config.decoder, published_config(str(config.decoder)))
    return CheXQueryProcessor(config, CHEXPERT_14, dict.fromkeys(CHEXPERT_14, 0.1), None, vision, decoder, None)


FAMILY = Family(
    name="chexquery",
    task="chest_report",
    config=CheXQueryConfig,
    sizes=SIZES,
    stage_names=("towers", "align", "joint", "report"),
    reads=reads_films,
    fit_processor=CheXQueryProcessor.fit,
    load_processor=CheXQueryProcessor.load,
    model=CheXQuery,
    stages=stages,
    sketch=sketch,
    reference=published_counts("chexquery"),
    write=write_reports,
)
