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
    T5 decoder + LoRA  <---- 1 + 10 tokens (and the indication's words)  <----  gated pooling

Shapes: B batch, V views, H W pixels, N patches a view, P = V * N, D width, C labels, Q = C + 6 queries, R regions, M memory
tokens, T words, L words of the indication, S vocabulary.

Departures from the system it follows (CheXQuery-MedVLM, 2026; it published no result):
- the whole film is SigLIP's pooled token and all patches are kept; there the top-left patch played a class token
- two views lie side by side as keys, so a map belongs to a view; there patch i of one was mixed with patch i of the other
- anatomical queries are taught where their parts lie, where masks are known; there their names were decoration
- the gate comes after the layer norms and changes what the decoder reads; there it nearly did not
- labels by name; there the labeler's columns were read in the wrong order, so that queries learned their neighbours
- section headers are given and not predicted, and a lacking section is not in the loss; there a prompt was in the loss,
  n-gram blocking forbade the headers, and placeholder sentences were targets
- pre-norm attention; the cosine is a cosine, label smoothing is applied, dev loss has one definition in all stages
- `size: tiny` has a stage `towers` in which its random towers learn what pretrained ones bring along
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import nn

from medley.core.config import Config
from medley.core.errors import MedleyError
from medley.core.family import Family
from medley.core.files import read_json, write_json
from medley.core.labels import ANATOMY, CHEXPERT_14
from medley.core.records import VIEWS, Evidence, Prediction, Report, Study, target_sections
from medley.core.stage import Objective, Stage
from medley.core.weights import load_tensors, save_tensors
from medley.decoders.classify import LabelwiseLinear
from medley.decoders.lora import ADAPTERS, add_lora
from medley.decoders.seq2seq import DecoderSpec, build_decoder, describe_decoder, small_t5
from medley.encoders.films import stack_films
from medley.encoders.pooled import build_pooled
from medley.encoders.published import published_config
from medley.encoders.text import encode_texts, load_tokenizer, name_vectors, train_tokenizer
from medley.encoders.vision2d import VisionSpec, describe_vision
from medley.fusion.gate import GatedPooling
from medley.fusion.queries import LabelQueries
from medley.losses.multilabel import bce, masked_sum
from medley.losses.tokens import attention_sum, known_regions, token_sum

SECTIONS = ("findings", "impression")
HEADERS = {"small": ("[FINDINGS]", "[IMPRESSION]"), "t5": ("<extra_id_0>", "<extra_id_1>")}  # sentinels of T5 itself
NOT_SAID = -100
# of the system it follows; there they weighed other labels than they named
LABEL_WEIGHTS = {"Cardiomegaly": 2.0, "Pneumothorax": 2.5, "Pleural Effusion": 2.5}
LABEL_WEIGHTS |= {"Edema": 1.8, "Consolidation": 1.8, "Pneumonia": 1.8}


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
    lora_alpha: float = Field(32, gt=0)
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
    label_weights: dict[str, float] = LABEL_WEIGHTS
    """Weight of a label in the auxiliary loss; 1 where it is not named."""
    region_weight: float = Field(1.0, ge=0)
    """Weight of the anatomical queries' supervision, which counts where masks are known."""
    report_findings: float = Field(0.0, ge=0)
    """Weight of the auxiliary loss in the stage `report`; at 0 the answers beside the report drift there."""
    rates: dict[Literal["towers", "align", "joint", "report"], float] = {"align": 1e-4, "joint": 3e-5, "report": 2e-5}
    """Learning rate of each stage."""
    epochs: dict[Literal["towers", "align", "joint", "report"], int] = {"align": 15, "joint": 30, "report": 15}
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


_TINY = {
    "vision": "resnet10t",
    "vision_level": -2,
    "vision_lora": [r"backbone\.backbone\.layer[23]\.\d+\.conv2"],
    "decoder": None,
    "query_init": "random",
    "report_findings": 0.3,
}
SIZES: dict[str, dict[str, Any]] = {
    "paper": {},
    "tiny": {
        **_TINY,
        "image_px": 128,
        "width": 128,
        "heads": 4,
        "gate_dim": 64,
        "section_tokens": 120,
        "rates": {"towers": 1e-3, "align": 1e-3, "joint": 5e-4, "report": 3e-4},
        "epochs": {"towers": 10, "align": 8, "joint": 6, "report": 3},
    },
    "toy": {
        **_TINY,
        "image_px": 48,
        "vision": "test_vit",
        "vision_level": -1,
        "vision_lora": [r"backbone\.backbone\.model\.blocks\.\d+\.attn\.qkv"],
        "decoder_dim": 32,
        "decoder_layers": 1,
        "lora_rank": 4,
        "width": 32,
        "heads": 2,
        "gate_dim": 16,
        "pooled": 4,
        "section_tokens": 24,
        "note_tokens": 8,
        "rates": dict.fromkeys(("towers", "align", "joint", "report"), 3e-3),
        "epochs": dict.fromkeys(("towers", "align", "joint", "report"), 2),
    },
}


@dataclass(frozen=True)
class Batch:
    """B studies. What is learned from is None outside training: `targets_BC` is nan where not known, `says_BT` is
    NOT_SAID where nothing is to be said, `places_BVRhw` the share of a patch that a region covers, nan where unknown."""

    films_BV1HW: torch.Tensor  # in [0, 1]; zeros where there is no film
    is_lateral_BV: torch.Tensor
    is_film_BV: torch.Tensor
    note_BL: torch.Tensor
    is_note_BL: torch.Tensor
    targets_BC: torch.Tensor | None = None
    words_BT: torch.Tensor | None = None
    says_BT: torch.Tensor | None = None
    places_BVRhw: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.films_BV1HW)


@dataclass(frozen=True)
class Output:
    """What was found, and two questions that cost a pass of the decoder and are asked only where a loss needs them."""

    logits_BC: torch.Tensor  # of the auxiliary findings
    maps_BQVhw: torch.Tensor  # share of each query's attention on each patch
    gate_B: torch.Tensor  # how much the decoder hears of the whole film against what the queries found
    memory_BMD: torch.Tensor  # what the decoder reads
    is_memory_BM: torch.Tensor
    words: Callable[[], torch.Tensor]  # logits [B, T, S] of the report, from the film
    recalled: Callable[[], torch.Tensor]  # logits [B, T, S] of the report, from half of its own words (stage `towers`)
    seen: tuple[torch.Tensor, torch.Tensor] | None  # logits [F, C] a film and [F, P, R] a patch (stage `towers`)
    training: bool


class CheXQueryProcessor:
    """Studies -> Batch, Output -> predictions. Holds label order, prevalence, tokenizer, what the queries start from."""

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
        self.image_px, self.views = config.image_px, config.views
        self.regions = (*self.labels, *ANATOMY)
        self.pad, self.end = int(decoder.config["pad_token_id"]), int(decoder.config["eos_token_id"])
        if tokenizer is not None:
            headers = HEADERS["small" if config.decoder is None else "t5"]
            self.headers = dict(zip(SECTIONS, tokenizer.convert_tokens_to_ids(list(headers)), strict=True))

    @classmethod
    def fit(cls, config, labels: Sequence[str], notes, prevalence: Mapping[str, float], reports):
        """From the training part: its reports and notes teach the small tokenizer its words."""
        if config.decoder:
            tokenizer, decoder = load_tokenizer(config.decoder), describe_decoder(config.decoder)
        else:
            texts = [text for sections in reports for text in sections.values()] + [note for note in notes if note]
            if not any(section in sections for sections in reports for section in config.sections):
                raise MedleyError(f"no study of the training part has a section {' or '.join(config.sections)} to learn")
            tokenizer = train_tokenizer(texts, lowercase=False, more=HEADERS["small"])
            sizes = (config.decoder_dim, config.decoder_layers, config.heads, config.dropout)
            decoder = small_t5(len(tokenizer), tokenizer.pad_token_id, tokenizer.sep_token_id, *sizes)
        start_CD = None
        if config.query_init == "text":
            names = [name.lower() for name in labels]
            start_CD = name_vectors(config.query_text, names, length=0.02 * config.width**0.5)
            if start_CD.shape[1] != config.width:
                raise MedleyError(
                    f"model.query_text '{config.query_text}' gives vectors of {start_CD.shape[1]}, model.width is "
                    f"{config.width}: make them equal, or set model.query_init: random"
                )
        return cls(config, labels, prevalence, tokenizer, describe_vision(config.vision), decoder, start_CD)

    def __call__(self, studies: Sequence[Study], targets: Sequence[np.ndarray] | None = None) -> Batch:
        films_BV1HW, views_BV, is_film_BV = stack_films(studies, self.config.image_px, self.config.views)
        is_lateral_BV = is_film_BV & (views_BV == VIEWS.index("LATERAL"))
        notes = [study.note if self.config.note_tokens else None for study in studies]
        note_BL, is_note_BL = encode_texts(self.tokenizer, notes, max(1, self.config.note_tokens))
        batch = Batch(films_BV1HW, is_lateral_BV, is_film_BV, note_BL, is_note_BL)
        if targets is None:
            return batch
        rows = [self._row(target_sections(study.case)) for study in studies]
        words_BT, says_BT = (_stacked([row[i] for row in rows], fill) for i, fill in enumerate((self.pad, NOT_SAID)))
        targets_BC = torch.from_numpy(np.stack(targets)).float()
        if bool((targets_BC < 0).any()):
            raise MedleyError("data.uncertain is multiclass, a third class, which chexquery does not learn; choose another")
        learned = {"targets_BC": targets_BC, "words_BT": words_BT, "says_BT": says_BT}
        return Batch(**{**vars(batch), **learned, "places_BVRhw": self._places(studies, films_BV1HW.shape[1])})

    def _row(self, sections: Mapping[str, str]) -> tuple[list[int], list[int]]:
        """The words that are read and what is to be said after each (see `decoders.seq2seq`)."""
        read: list[int] = []
        said: list[int] = []
        for section in self.config.sections:
            if section in sections:
                words = self.words(sections[section])
                kept = words[: self.config.section_tokens]
                read += [self.headers[section], *kept]
                said += [*kept, self.end if len(kept) == len(words) else NOT_SAID]
        return read or [self.pad], said or [NOT_SAID]

    def _places(self, studies: Sequence[Study], views: int) -> torch.Tensor:
        """[B, V, R, r, r] in [0, 1]; nan where not known."""
        side = max((len(m) for s in studies for film in s.films for m in film.regions.values()), default=1)
        places = torch.full((len(studies), views, len(self.regions), side, side), torch.nan)
        for b, study in enumerate(studies):
            for v, film in enumerate(study.films):
                for r, name in enumerate(self.regions):
                    if name in film.regions:
                        places[b, v, r] = torch.from_numpy(film.regions[name]).float() / 255
        return places

    def words(self, text: str) -> list[int]:
        """The tokens of a text, without any that are special."""
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def text(self, words: Sequence[int]) -> str:
        """Tokens as text: the spaces that a word-piece decoder leaves about hyphens and slashes are taken out."""
        return re.sub(r"(?<=\w) ([-/]) (?=\w)", r"\1", self.tokenizer.decode(list(words), skip_special_tokens=True)).strip()

    def cut_words(self, note: str) -> int:
        """How many tokens of this note the model does not read."""
        return max(0, len(self.tokenizer(note, truncation=False, verbose=False)["input_ids"]) - self.config.note_tokens)

    def evidence(self, output: Output, studies: Sequence[Study]) -> list[Evidence]:
        """Where each finding's query looked. Words have no share: the indication is read by the decoder alone."""
        maps_BQVhw = output.maps_BQVhw.detach().float().cpu().numpy()
        return [
            Evidence(
                {name: tuple(maps_BQVhw[b, c, : len(study.films)]) for c, name in enumerate(self.labels)},
                {name: {} for name in self.labels},
            )
            for b, study in enumerate(studies)
        ]

    def predictions(self, output: Output, studies: Sequence[Study]) -> list[Prediction]:
        """The auxiliary findings; the text is written by `write_reports`."""
        p_BC, gate_B = output.logits_BC.detach().float().sigmoid().cpu().numpy(), output.gate_B.detach().float().tolist()
        return [
            Prediction(
                study.case.case_id,
                study.case.patient_id,
                FAMILY.task,
                scores=dict(zip(self.labels, p_BC[b].tolist(), strict=True)),
                extra={"gate": gate_B[b]},
            )
            for b, study in enumerate(studies)
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


class FindingsHead(nn.Module):
    """One hidden layer for all findings, then a linear map of each label's own: its bias starts at the prevalence."""

    def __init__(self, prevalence_C: torch.Tensor, dim: int, dropout: float):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(dim, dim // 2), nn.GELU(), nn.Dropout(dropout))
        self.labels = LabelwiseLinear(prevalence_C, dim // 2)

    def forward(self, states_BCD: torch.Tensor) -> torch.Tensor:
        return self.labels(self.hidden(states_BCD))[..., 0]


class CheXQuery(nn.Module):
    """Module names are what stages name: vision, bridge, queries, findings, fusion, decoder, towers."""

    def __init__(self, config: CheXQueryConfig, processor: CheXQueryProcessor, pretrained: bool = True):
        """`pretrained=False` builds every tower with random weights, for saved ones to be laid over."""
        super().__init__()
        self.config = config
        width, heads, dropout = config.width, config.heads, config.dropout
        from_hub = pretrained and processor.vision.config is not None
        self.vision = build_pooled(processor.vision, config.image_px, from_hub, config.vision_level, width, heads)
        if self.vision.dim != width:
            raise MedleyError(f"model.width is {width}; '{config.vision}' has tokens of {self.vision.dim}: make them equal")
        add_lora(self.vision, config.vision_lora, config.lora_rank, config.lora_alpha, config.lora_dropout)
        self.decoder = build_decoder(processor.decoder, pretrained)
        add_lora(self.decoder, config.decoder_lora, config.lora_rank, config.lora_alpha, config.lora_dropout)
        self.bridge = nn.ParameterDict({"views_VD": torch.randn(2, width) * 0.02, "scale": torch.ones(())})
        labels = len(processor.labels)
        self.queries = LabelQueries(labels + len(ANATOMY), width, heads, config.query_layers, dropout)
        if processor.start_CD is not None:
            self.queries.queries_CD.data[:labels] = processor.start_CD
        prevalence_C = torch.tensor([processor.prevalence[name] for name in processor.labels])
        self.findings = FindingsHead(prevalence_C, width, dropout)
        self.fusion = GatedPooling(width, heads, config.pooled, config.gate_dim, dropout)
        if self.decoder.dim != width:
            self.bridge_memory = nn.Linear(width, self.decoder.dim)
        if has_towers_stage(config):
            self.towers = nn.ModuleDict({"film": nn.Linear(width, labels), "patch": nn.Linear(width, len(processor.regions))})

    def forward(self, batch: Batch) -> Output:
        whole_FD, patches_FND = self.vision(batch.films_BV1HW[batch.is_film_BV])  # only real films meet the tower
        whole_BD, patches_BPD, is_patch_BP = self._side_by_side(batch, whole_FD, patches_FND)
        states_BQD, maps_BQP = self.queries(patches_BPD, is_patch_BP)
        logits_BC = self.findings(states_BQD[:, : -len(ANATOMY)])
        tokens_BKD, gate_B = self.fusion(whole_BD, states_BQD)
        memory_BMD, is_memory_BM = self._memory(tokens_BKD, batch)
        views, grid = batch.films_BV1HW.shape[1], self.vision.grid
        return Output(
            logits_BC=logits_BC,
            maps_BQVhw=maps_BQP.unflatten(-1, (views, *grid)),
            gate_B=gate_B,
            memory_BMD=memory_BMD,
            is_memory_BM=is_memory_BM,
            words=partial(self.decoder, memory_BMD, is_memory_BM, batch.words_BT),
            recalled=partial(self._recalled, batch),
            seen=self._seen(whole_FD, patches_FND),
            training=self.training,
        )

    def _side_by_side(
        self, batch: Batch, whole_FD: torch.Tensor, patches_FND: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The mean of the films' whole tokens; the patches of all views in one row; and which of them are read."""
        reads_BV = _without_a_view(batch.is_film_BV, self.config.drop_view) if self.training else batch.is_film_BV
        view_FD = self.bridge["views_VD"][batch.is_lateral_BV[batch.is_film_BV].long()]
        whole_BVD = whole_FD.new_zeros(*batch.is_film_BV.shape, whole_FD.shape[-1])
        patches_BVND = patches_FND.new_zeros(*batch.is_film_BV.shape, *patches_FND.shape[1:])
        whole_BVD[batch.is_film_BV] = whole_FD + view_FD.to(whole_FD)
        patches_BVND[batch.is_film_BV] = patches_FND + view_FD[:, None].to(patches_FND)
        share_BV1 = (reads_BV / reads_BV.sum(1, keepdim=True))[..., None].to(whole_FD)
        is_patch_BP = reads_BV.repeat_interleave(patches_FND.shape[1], dim=1)
        return (whole_BVD * share_BV1).sum(1), patches_BVND.flatten(1, 2), is_patch_BP

    def _memory(self, tokens_BKD: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """What the decoder reads: the fusion's tokens at the scale of its words, and the words of the indication."""
        if self.decoder.dim != self.config.width:
            tokens_BKD = self.bridge_memory(tokens_BKD)
        tokens_BKD = tokens_BKD * self.bridge["scale"]
        is_token_BK = torch.ones(tokens_BKD.shape[:2], dtype=torch.bool, device=tokens_BKD.device)
        if not self.config.note_tokens:
            return tokens_BKD, is_token_BK
        memory_BMD = torch.cat([tokens_BKD, self.decoder.embed(batch.note_BL).to(tokens_BKD)], dim=1)
        return memory_BMD, torch.cat([is_token_BK, batch.is_note_BL], dim=1)

    def _recalled(self, batch: Batch) -> torch.Tensor:
        """The small decoder learns to write as T5 did, from text: half of a report's words, in no order, give it all."""
        assert batch.words_BT is not None and batch.says_BT is not None
        is_word_BT = batch.says_BT != NOT_SAID
        half_BT = torch.rand(is_word_BT.shape, device=is_word_BT.device) < 0.5
        if not self.training:
            half_BT = (torch.arange(is_word_BT.shape[1], device=is_word_BT.device) % 2 == 0).expand_as(is_word_BT)
        kept_BT = is_word_BT & half_BT
        kept_BT[:, 0] = True
        return self.decoder(self.decoder.embed(batch.words_BT), kept_BT, batch.words_BT)

    def _seen(self, whole_FD: torch.Tensor, patches_FND: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        if not has_towers_stage(self.config):
            return None
        return self.towers["film"](whole_FD), self.towers["patch"](patches_FND)


def _without_a_view(is_film_BV: torch.Tensor, share: float) -> torch.Tensor:
    """Of a `share` of the studies that have two films, one film is not read."""
    both_B = is_film_BV.all(1) & (is_film_BV.shape[1] > 1)
    drops_B = both_B & (torch.rand(len(is_film_BV), device=is_film_BV.device) < share)
    which_B = torch.randint(is_film_BV.shape[1], (len(is_film_BV),), device=is_film_BV.device)
    return is_film_BV & ~(drops_B[:, None] & F.one_hot(which_B, is_film_BV.shape[1]).bool())


def _stacked(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])


def has_towers_stage(config: CheXQueryConfig) -> bool:
    """Whether the towers start from random weights and must first learn to see and to write."""
    return config.decoder is None and "/" not in config.vision


def write_reports(model: CheXQuery, processor: CheXQueryProcessor, output: Output) -> list[Report]:
    """One section after the other, the whole batch at once; a sentence's confidence is the geometric mean of the
    probabilities of its words."""
    config = model.config
    rows: list[list[int]] = [[] for _ in output.memory_BMD]
    spans: list[dict[str, tuple[int, int]]] = [{} for _ in rows]
    for section in config.sections:
        prefixes = [[*row, processor.headers[section]] for row in rows]
        forbidden = [*processor.headers.values(), processor.pad]
        memory = (output.memory_BMD, output.is_memory_BM)
        said = model.decoder.generate(*memory, prefixes, forbidden, config.section_tokens, config.beams)
        rows = [[*prefix, *words] for prefix, words in zip(prefixes, said, strict=True)]
        for span, row, words in zip(spans, rows, said, strict=True):
            span[section] = (len(row) - len(words), len(row))
    logs = model.decoder.log_probabilities(output.memory_BMD, output.is_memory_BM, rows)
    reports = []
    for row, log, span in zip(rows, logs, spans, strict=True):
        texts = {section: processor.text(row[start:stop]) for section, (start, stop) in span.items()}
        sure = {
            section: _by_sentence(processor.tokenizer.convert_ids_to_tokens(row[start:stop]), log[start - 1 : stop - 1])
            for section, (start, stop) in span.items()
        }
        reports.append(Report({name: text for name, text in texts.items() if text}, sure))
    return reports


def _by_sentence(words: Sequence[str], logs: Sequence[float]) -> tuple[float, ...]:
    """The confidence of each run of words that ends in a full stop; a number's stop ("2.") ends nothing."""
    found: list[float] = []
    run: list[float] = []
    for place, (word, log) in enumerate(zip(words, logs, strict=True)):
        run.append(log)
        ends = word.endswith(".") and not (place and words[place - 1].isdigit())
        if ends or place == len(words) - 1:
            found.append(float(np.exp(np.mean(run))))
            run = []
    return tuple(found)


def objective(processor: CheXQueryProcessor, weights: Mapping[str, float], smoothing: float = 0.0) -> Objective:
    """The terms that `weights` names. Smoothing is for learning: in eval mode `words` is the plain loss in all stages."""
    label_weights = processor.config.label_weights
    weights_C = torch.tensor([label_weights.get(name, 1.0) for name in processor.labels])
    sums = partial(_sums, tuple(weights), weights_C, smoothing)
    return Objective({name: weight for name, weight in weights.items() if weight}, sums, _counts)


def _sums(
    terms: Sequence[str], weights_C: torch.Tensor, smoothing: float, output: Output, batch: Batch
) -> dict[str, torch.Tensor]:
    assert batch.targets_BC is not None and batch.says_BT is not None and batch.places_BVRhw is not None
    found = {}
    if "words" in terms:
        said = smoothing if output.training else 0.0
        found["words"] = token_sum(output.words(), batch.says_BT, batch.says_BT != NOT_SAID, said)
    if "findings" in terms:
        weighed = partial(_weighed_bce, weights_C.to(output.logits_BC))
        found["findings"] = masked_sum(weighed, output.logits_BC, batch.targets_BC)
    if "regions" in terms:
        maps_BRP = output.maps_BQVhw[:, -len(ANATOMY) :].flatten(2)
        places = _on_grid(batch.places_BVRhw[:, :, -len(ANATOMY) :], output.maps_BQVhw.shape[-2:])
        is_read_BV = output.maps_BQVhw.detach().sum((1, 3, 4)) > 0  # a view may have been dropped
        known_BVR = known_regions(places.flatten(3)) & is_read_BV[..., None]
        places_BRP = torch.where(known_BVR[..., None, None], places, 0.0).transpose(1, 2).flatten(2)
        found["regions"] = attention_sum(maps_BRP, places_BRP)
    if output.seen is not None and "recall" in terms:
        found["recall"] = token_sum(output.recalled(), batch.says_BT, batch.says_BT != NOT_SAID)
        film_FC, patch_FPR = output.seen
        targets_FC = batch.targets_BC[:, None].expand(-1, batch.is_film_BV.shape[1], -1)[batch.is_film_BV]
        found["film"] = masked_sum(bce, film_FC, targets_FC)
        places_FRhw = _on_grid(batch.places_BVRhw, output.maps_BQVhw.shape[-2:])[batch.is_film_BV]
        found["patch"] = masked_sum(bce, patch_FPR.transpose(1, 2), places_FRhw.flatten(2))
    return found


def _counts(batch: Batch) -> dict[str, torch.Tensor]:
    assert batch.targets_BC is not None and batch.says_BT is not None and batch.places_BVRhw is not None
    said = (batch.says_BT != NOT_SAID).sum()
    known_BC = ~batch.targets_BC.isnan()
    places = batch.places_BVRhw
    known_FR = ~places[batch.is_film_BV].flatten(2).isnan().any(-1)
    return {
        "words": said,
        "recall": said,
        "findings": known_BC.sum(),
        "film": (known_BC.sum(1) * batch.is_film_BV.sum(1)).sum(),
        "patch": known_FR.sum(),
        "regions": known_regions(places[:, :, -len(ANATOMY) :].flatten(3)).any(1).sum(),
    }


def _weighed_bce(weights_C: torch.Tensor, logits_BC: torch.Tensor, targets_BC: torch.Tensor) -> torch.Tensor:
    return weights_C * bce(logits_BC, targets_BC)


def _on_grid(places_BVRrr: torch.Tensor, grid: Sequence[int]) -> torch.Tensor:
    """Shares of kept cells as shares of patches: [B, V, R, h, w]."""
    return F.adaptive_avg_pool2d(places_BVRrr.flatten(0, 2)[:, None], tuple(grid)).unflatten(0, places_BVRrr.shape[:3])[:, :, :, 0]


def stages(config: CheXQueryConfig, processor: CheXQueryProcessor) -> tuple[Stage, ...]:
    """Align the queries with frozen towers; then all with adapters; then the writing alone, with frozen vision."""
    new = ["bridge*", "queries.*", "fusion.*"]
    adapters = [f"vision.{ADAPTERS}", f"decoder.{ADAPTERS}"]
    regions = {"regions": config.region_weight}
    plans: dict[str, tuple[list[str], Mapping[str, float], float]] = {
        "align": ([*new, "findings.*"], {"words": 1.0, "findings": 0.7, **regions}, 0.0),
        "joint": ([*new, "findings.*", *adapters], {"words": 1.0, "findings": 0.3, **regions}, 0.05),
        "report": ([*new, adapters[1]], {"words": 1.0, "findings": config.report_findings, **regions}, 0.1),
    }
    if has_towers_stage(config):
        seen = {"film": 1.0, "patch": 0.1, "recall": 1.0}
        plans = {"towers": (["vision.*", "decoder.*", "towers.*"], seen, 0.0), **plans}
    return tuple(
        Stage(
            name,
            dict.fromkeys(globs, config.rates[name]),
            objective(processor, weights, smoothing),
            epochs=config.epochs[name],
            best_by="loss" if name == "towers" else "loss/words",
            weight_decay=0.01,
            frozen=(ADAPTERS,) if name == "towers" else (),
        )
        for name, (globs, weights, smoothing) in plans.items()
    )


def sketch(config: CheXQueryConfig) -> CheXQueryProcessor:
    """A processor with published configs for towers and no tokenizer: enough to build the model to count it."""
    half = (0.5, 0.5, 0.5)
    vision = VisionSpec(config.vision, published_config(config.vision), mean=half, std=half)
    decoder = DecoderSpec(config.decoder, published_config(str(config.decoder)))
    return CheXQueryProcessor(config, CHEXPERT_14, dict.fromkeys(CHEXPERT_14, 0.1), None, vision, decoder, None)


# Parameters computed from the code of the system it follows; its page says 12 M, 2 M and 16 M in places.
REFERENCE = {
    "vision": (93_765_120, "theirs also carries SigLIP's text tower, with 0.6 M adapters that nothing reads"),
    "bridge": (1_181_184, "theirs mixes two views by one linear map; here they lie side by side"),
    "queries": (14_191_104, "here a norm of the keys a layer, and one after the last"),
    "findings": (295_681, "theirs: one linear map for all labels; here one a label"),
    "fusion": (3_750_000, "as there; the count there is rounded"),
    "decoder": (251_116_800, "theirs keeps T5's encoder, which nothing reads, and its adapters"),
}

FAMILY = Family(
    name="chexquery",
    task="chest_report",
    config=CheXQueryConfig,
    sizes=SIZES,
    stage_names=("towers", "align", "joint", "report"),
    fit_processor=CheXQueryProcessor.fit,
    load_processor=CheXQueryProcessor.load,
    model=CheXQuery,
    stages=stages,
    sketch=sketch,
    reference=REFERENCE,
    write=write_reports,
)
