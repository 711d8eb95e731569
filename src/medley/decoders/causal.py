"""A causal language model that writes from tokens which are no words: they stand in its prompt like words.

Any causal model of transformers will do; of one that also sees (Gemma 3) only the part that writes is kept. Image
tokens are read as words are, each after those before it.

Shapes: B batch, K image tokens, L prompt with the image, T words, E width, S vocabulary.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from medley.core.errors import MedleyError, MissingExtra, cannot_load
from medley.decoders.lora import add_lora
from medley.decoders.prompt import IMAGE, NOTHING

Load = Literal["fp32", "bf16", "4bit", "auto"]
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "4bit": torch.bfloat16}


@dataclass(frozen=True)
class CausalSpec:
    """What a language model is, before any weight is there; saved with every run as plain JSON."""

    name: str | None  # the hub id or folder it came from; None for a small one of ours
    config: Mapping[str, Any]  # the Hugging Face config of the part that writes


def describe_causal(name: str) -> CausalSpec:
    """The spec of a causal model by hub id or local folder. Raises MedleyError when its config cannot be had, or it is
    not causal."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    try:
        config = AutoConfig.from_pretrained(name).get_text_config()
    except (OSError, ValueError) as error:
        raise cannot_load("decoder", name, error) from error
    if config.is_encoder_decoder or config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        kind = config.model_type
        raise MedleyError(
            f"decoder '{name}' is a {kind}, no causal language model; give one such as google/medgemma-1.5-4b-it"
        )
    return CausalSpec(name, config.to_dict())


def small_gemma(vocab_size: int, pad: int, begin: int, end: int, dim: int, layers: int) -> CausalSpec:
    """The spec of a small Gemma 3 for a vocabulary of its own: every layer reads the whole text."""
    heads, each = dim // 32, 32
    config = {"model_type": "gemma3_text", "vocab_size": vocab_size, "hidden_size": dim, "intermediate_size": 4 * dim}
    config |= {"num_hidden_layers": layers, "layer_types": ["full_attention"] * layers, "num_attention_heads": heads}
    config |= {"num_key_value_heads": heads, "head_dim": each, "query_pre_attn_scalar": each}
    config |= {"pad_token_id": pad, "bos_token_id": begin, "eos_token_id": end, "max_position_embeddings": 2048}
    return CausalSpec(None, config)


class TiedHead(nn.Module):
    """The output map that is the table of words: one tensor of two names could not be saved."""

    def __init__(self, table: nn.Embedding):
        super().__init__()
        self._table = (table,)  # in a tuple: it is held under another name

    @property
    def weight(self) -> torch.Tensor:
        return self._table[0].weight

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return F.linear(states, self.weight)


@dataclass(frozen=True)
class Begun:
    """Keys and values of the words of a prompt that stand before its image."""

    words: int
    read: Any  # a transformers cache of one row

    def of(self, rows: int) -> Any:
        """A cache of so many rows that begin alike; the model writes on in it, so each reading has its own."""
        cache = copy.deepcopy(self.read)
        cache.batch_repeat_interleave(rows)
        return cache


class CausalDecoder(nn.Module):
    """A causal model with the image in its prompt. transformers' own model does the generating."""

    def __init__(self, lm: Any, pretrained: bool):
        super().__init__()
        if lm.lm_head.weight is lm.get_input_embeddings().weight:
            lm.lm_head = TiedHead(lm.get_input_embeddings())
        self.lm = lm
        config = lm.config
        self.dim = int(config.hidden_size)
        self.begin: int | None = config.bos_token_id
        self.pretrained = pretrained  # whether from_pretrained gives the frozen part of it back
        self._takes_types = "token_type_ids" in inspect.signature(lm.forward).parameters

    def embed(self, words: torch.Tensor) -> torch.Tensor:
        """The words' entries in the table, scaled as the model scales them."""
        return self.lm.get_input_embeddings()(words)

    def prompt(self, memory_BKE: torch.Tensor, prompt_BL: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embedded prompts [B, L, E] with the image in its places, and which places are read [B, L]."""
        is_image_BL = prompt_BL == IMAGE
        read_BLE = self.embed(prompt_BL.clamp(min=0))
        return read_BLE.masked_scatter(is_image_BL[..., None], memory_BKE.to(read_BLE)), prompt_BL != NOTHING

    @torch.no_grad()
    def begun(self, prompt_1L: torch.Tensor) -> Begun | None:
        """What a prompt holds before its image, read once for all images; None where the image comes first."""
        before = int((prompt_1L[0] == IMAGE).int().argmax())
        if not before:
            return None
        read = self.lm.base_model(inputs_embeds=self.embed(prompt_1L[:, :before]), use_cache=True)
        return Begun(before, read.past_key_values)

    def forward(
        self, memory_BKE: torch.Tensor, prompt_BL: torch.Tensor, words_BT: torch.Tensor, begun: Begun | None = None
    ) -> torch.Tensor:
        """Logits [B, T, S] of each of `words_BT` (NOTHING on the right), given the prompt and the words before it. What
        has `begun` is not read again; the prompts must be the one that it is of."""
        prompt_BLE, is_prompt_BL = self.prompt(memory_BKE, prompt_BL)
        words = words_BT.shape[1]
        before_BT = words_BT[:, :-1]
        read_BNE = torch.cat([prompt_BLE, self.embed(before_BT.clamp(min=0))], dim=1)
        is_read_BN = torch.cat([is_prompt_BL, before_BT != NOTHING], dim=1)
        options: dict[str, Any] = {"attention_mask": None}
        if not bool(is_prompt_BL.all()):  # padding on the right is never read: a causal model needs no mask for it
            options = {"attention_mask": is_read_BN.long(), "position_ids": _positions(is_read_BN)}
        if self._takes_types:  # without them some models refuse to train; 0 is text, which is causal
            options["token_type_ids"] = torch.zeros(is_read_BN.shape, dtype=torch.long, device=is_read_BN.device)
        options["use_cache"] = False
        if begun is not None:
            read_BNE = read_BNE[:, begun.words :]
            options |= {"use_cache": True, "past_key_values": begun.of(len(read_BNE))}
        logits_BNS = self.lm(inputs_embeds=read_BNE, logits_to_keep=words, **options).logits
        return logits_BNS[:, -words:][:, -words:]

    @torch.no_grad()
    def text_states(self, words_BT: torch.Tensor) -> torch.Tensor:
        """The mean of the last states [B, E] over the words of a text that stands alone; 0 for one without a word."""
        is_word_BT = words_BT != NOTHING
        row_BN = words_BT.clamp(min=0)
        if self.begin is not None:
            row_BN = F.pad(row_BN, (1, 0), value=self.begin)
        states_BNE = self.lm.base_model(inputs_embeds=self.embed(row_BN), use_cache=False).last_hidden_state
        states_BTE = states_BNE[:, -words_BT.shape[1] :].float() * is_word_BT[..., None]
        return states_BTE.sum(1) / is_word_BT.sum(1, keepdim=True).clamp(min=1)

    @torch.inference_mode()
    def generate(
        self, memory_BKE: torch.Tensor, prompt_BL: torch.Tensor, end: int, pad: int, most: int, beams: int = 1
    ) -> list[tuple[list[int], list[float]]]:
        """The words after each prompt, up to `end` (left out) or `most`, and their log-probabilities: greedy, or the
        best of `beams`; the whole batch at once, with a cache of keys and values."""
        read_BLE, is_read_BL = self.prompt(memory_BKE, prompt_BL)
        chosen = _Chosen()
        rows = self.lm.generate(
            inputs_embeds=read_BLE,
            attention_mask=is_read_BL.long(),
            do_sample=False,
            num_beams=beams,
            max_new_tokens=most,
            eos_token_id=sorted({end, *self._ends()}),
            pad_token_id=pad,
            logits_processor=[chosen],
            use_cache=True,
        )
        ends = {end, *self._ends()}
        found = []
        for row in rows.tolist():
            stops = [place for place, word in enumerate(row) if word in ends]
            found.append(row[: stops[0]] if stops else row)
        if beams == 1:
            logs = chosen.logs(rows)
        else:  # a beam's past changes at every step: it is asked anew
            nll_BT = self.nll(memory_BKE, prompt_BL, _padded(found, rows.device))
            logs = (-nll_BT).tolist()
        return [(words, log[: len(words)]) for words, log in zip(found, logs, strict=True)]

    def _ends(self) -> list[int]:
        """Tokens beside the tokenizer's own that end what this model writes, such as the end of its turn in a chat."""
        told = self.lm.generation_config.eos_token_id
        return [] if told is None else [told] if isinstance(told, int) else list(told)

    def nll(
        self, memory_BKE: torch.Tensor, prompt_BL: torch.Tensor, words_BT: torch.Tensor, begun: Begun | None = None
    ) -> torch.Tensor:
        """The negative log-probability [B, T] of each word, given the prompt and the words before it; 0 for NOTHING."""
        logits_BTS = self(memory_BKE, prompt_BL, words_BT, begun)
        wanted_BT = words_BT.masked_fill(words_BT == NOTHING, -100)
        return F.cross_entropy(logits_BTS.float().transpose(1, 2), wanted_BT, reduction="none")


def build_causal(spec: CausalSpec, pretrained: bool, load: Load = "fp32") -> CausalDecoder:
    """The model of a spec, with its pretrained weights or with random ones (to lay saved weights over).

    Of `load`, auto is 4bit where a CUDA device and bitsandbytes are, and bf16, which is the more exact, otherwise.
    Raises MedleyError where the weights cannot be had, or 4 bits are asked for where no CUDA device is.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    if load == "auto":
        load = "4bit" if torch.cuda.is_available() and find_spec("bitsandbytes") else "bf16"
    if load == "4bit":
        _check_4bit()
    if spec.name is None or not pretrained:
        lm = AutoModelForCausalLM.from_config(AutoConfig.for_model(**spec.config), dtype=_TYPES[load])
        if spec.name is None:  # on a CPU the fused kernel's way back takes longer than all else of its attention
            lm.set_attn_implementation("eager")
        return CausalDecoder(lm, False)
    return CausalDecoder(_writing_part(_loaded(spec.name, load)), True)


def _loaded(name: str, load: Load) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    options: dict[str, Any] = {"dtype": _TYPES[load]}
    if load == "4bit":
        kind = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
        options["quantization_config"] = BitsAndBytesConfig(**kind, bnb_4bit_compute_dtype=torch.bfloat16)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(name, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise cannot_load("decoder", name, error) from error
    lm, found = loaded
    if lacking := sorted(found["missing_keys"]):
        raise MedleyError(
            f"decoder '{name}' lacks {len(lacking)} tensors of its own architecture, first '{lacking[0]}': it is no "
            "whole checkpoint; save it again with save_pretrained"
        )
    return lm


def _writing_part(lm: Any) -> Any:
    """The language model alone of one that also sees: nothing else of it would be read, or may be adapted."""
    from transformers import AutoModelForCausalLM

    text = lm.config.get_text_config()
    if text is lm.config:
        return lm
    with torch.device("meta"):  # no weights of its own: they are put in
        alone = AutoModelForCausalLM.from_config(text)
    alone.base_model_prefix = "model"
    alone.model, alone.lm_head = lm.model.language_model, lm.lm_head
    alone.generation_config = lm.generation_config
    return alone


def _check_4bit() -> None:
    if not torch.cuda.is_available():
        raise MedleyError("model.load is 4bit, which needs a CUDA device, and none is here: set model.load to bf16")
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise MissingExtra("bitsandbytes", "model.load: 4bit", "gpu") from error


def adapt(decoder: CausalDecoder, paths: Sequence[str], rank: int, alpha: int, dropout: float) -> list[str]:
    """LoRA in the modules of these paths, in fp32 whatever the model is in: steps of bf16 weights would round to 0."""
    adapted = add_lora(decoder, paths, rank, alpha, dropout) if paths else []
    for name, parameter in decoder.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    return adapted


class _Chosen:
    """How likely each word was before it was chosen: transformers calls it with the words so far and the logits of the
    next. Rows that go on side by side are remembered; beams change places."""

    def __init__(self) -> None:
        self.chosen_LB: list[torch.Tensor] = []
        self.next_BS: torch.Tensor | None = None

    def __call__(self, words_BT: torch.Tensor, logits_BS: torch.Tensor) -> torch.Tensor:
        self._remember(words_BT)
        self.next_BS = logits_BS.float().log_softmax(-1)
        return logits_BS

    def _remember(self, words_BT: torch.Tensor) -> None:
        if self.next_BS is not None:
            self.chosen_LB.append(self.next_BS.gather(1, words_BT[:, -1:])[:, 0])

    def logs(self, words_BT: torch.Tensor) -> list[list[float]]:
        """Of each row the log-probabilities of what was said, also after its end."""
        self._remember(words_BT)
        return torch.stack(self.chosen_LB, dim=1).tolist()


def _positions(is_read_BN: torch.Tensor) -> torch.Tensor:
    return (is_read_BN.long().cumsum(1) - 1).clamp(min=0)


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> torch.Tensor:
    longest = max(1, *(len(row) for row in rows))
    return torch.tensor([[*row, *[NOTHING] * (longest - len(row))] for row in rows], device=device)
