"""The decoder half of a T5 that writes sections of text from tokens that are no words: its own encoder is left out.

A report is one row of words in which each section begins with its header, a token that is given and never predicted,
and ends with the end token, which is predicted:

    read    [findings]  The  heart  is  normal.  [impression]  Normal  chest.
    say      The  heart  is  normal.  [end]        Normal  chest.  [end]

So no rule on what may be generated can forbid a header, no header is in the loss, and a section that a study lacks is
simply not in its row. Generation asks for one section after the other and gives the header itself.

Shapes: B batch, M memory tokens, T words, D width, S vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError, cannot_load

_TOGETHER = 8  # rows of like length that a CPU reads at once


@dataclass(frozen=True)
class DecoderSpec:
    """What a decoder is, before any weight is there; saved with every run as plain JSON."""

    name: str | None  # the hub id or folder it came from; None for a small one of ours
    config: Mapping[str, Any]  # the Hugging Face config of a T5


def describe_decoder(name: str) -> DecoderSpec:
    """The spec of a T5 by hub id or local folder. Raises MedleyError when its config cannot be had, or it is no T5."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name).to_dict()
    except (OSError, ValueError) as error:
        raise cannot_load("decoder", name, error) from error
    if config["model_type"] != "t5":
        kind = config["model_type"]
        raise MedleyError(f"decoder '{name}' is a {kind}, not a T5; give a T5 such as google/flan-t5-base")
    return DecoderSpec(name, config)


def small_t5(vocab_size: int, pad: int, end: int, dim: int, layers: int, heads: int, dropout: float) -> DecoderSpec:
    """The spec of a small T5 decoder for a vocabulary of its own, with Flan-T5's gated layers."""
    config = {"model_type": "t5", "vocab_size": vocab_size, "d_model": dim, "d_kv": dim // heads, "d_ff": 2 * dim}
    config |= {"num_decoder_layers": layers, "num_heads": heads, "feed_forward_proj": "gated-gelu"}
    config |= {"dropout_rate": dropout, "pad_token_id": pad, "eos_token_id": end, "decoder_start_token_id": pad}
    return DecoderSpec(None, {**config, "scale_decoder_outputs": False})


class _Rules:
    """What may not be said, and how likely what was said had been: transformers calls it with the words so far and the
    logits of the next, before it chooses. Rows that go on side by side are remembered; beams change places."""

    def __init__(self, forbidden: Sequence[int], end: int, start: int, least: int, no_repeat: int):
        self.forbidden, self.end, self.start, self.no_repeat = list(forbidden), end, start, no_repeat
        self.may_end = start + least  # from how many words on; what is said starts after `start` that are given
        self.chosen_LB: list[torch.Tensor] = []  # log-probabilities of the words said so far
        self.next_BS: torch.Tensor | None = None

    def __call__(self, words_BT: torch.Tensor, logits_BS: torch.Tensor) -> torch.Tensor:
        self._remember(words_BT)
        self.next_BS = logits_BS.log_softmax(-1)
        allowed_BS = logits_BS.clone()
        allowed_BS[:, self.forbidden] = -torch.inf
        if words_BT.shape[1] < self.may_end:
            allowed_BS[:, self.end] = -torch.inf
        if self.no_repeat and words_BT.shape[1] - self.start >= self.no_repeat:
            self._forbid_repeats(words_BT[:, self.start :], allowed_BS)
        return allowed_BS

    def _forbid_repeats(self, said_BT: torch.Tensor, allowed_BS: torch.Tensor) -> None:
        runs_BWn = said_BT.unfold(1, self.no_repeat, 1)
        latest_B1n = said_BT[:, None, said_BT.shape[1] + 1 - self.no_repeat :]
        again_BW = (runs_BWn[..., :-1] == latest_B1n).all(-1)
        row, place = again_BW.nonzero(as_tuple=True)
        allowed_BS[row, runs_BWn[row, place, -1]] = -torch.inf

    def _remember(self, words_BT: torch.Tensor) -> None:
        if self.next_BS is not None:
            self.chosen_LB.append(self.next_BS.gather(1, words_BT[:, -1:])[:, 0])

    def logs(self, words_BT: torch.Tensor) -> list[list[float]]:
        """Of each row the log-probabilities of what was said, also after its end."""
        self._remember(words_BT)
        return torch.stack(self.chosen_LB, dim=1).tolist()


class SectionDecoder(nn.Module):
    """A T5 decoder stack with its word table and its output map. transformers' own model does the generating."""

    def __init__(self, t5: Any, scaled: bool):
        super().__init__()
        config = t5.config
        self.stack, self.lm_head = t5.decoder, t5.lm_head
        self.dim, self.pad, self.end = int(config.d_model), int(config.pad_token_id), int(config.eos_token_id)
        config.scale_decoder_outputs = scaled
        # transformers 5 ties what Flan-T5 keeps apart; and one tensor of two names cannot be saved
        self.lm_head.weight = nn.Parameter(self.lm_head.weight.detach().clone())
        t5.shared = self.stack.embed_tokens
        self._t5 = (t5,)  # in a tuple: its parts are held above, under one name each
        self.pretrained = False  # whether from_pretrained gives the frozen part of it back

    def embed(self, words_BT: torch.Tensor) -> torch.Tensor:
        """The table's entries [B, T, D] of words: what is read instead of an encoder's states."""
        return self.stack.embed_tokens(words_BT)

    def forward(self, memory_BMD: torch.Tensor, is_memory_BM: torch.Tensor, words_BT: torch.Tensor) -> torch.Tensor:
        """Logits [B, T, S] of the word after each; padding on the right needs no mask, and what is said there means
        nothing. On a CPU rows of like length are read together: a long one does not lengthen the others' work."""
        if words_BT.device.type != "cpu":
            return self._read(memory_BMD, is_memory_BM, words_BT)
        is_word_BT = words_BT != self.pad
        longest = words_BT.shape[1]
        lengths_B = (is_word_BT * torch.arange(1, longest + 1)).amax(1).clamp(min=1)
        order_B = lengths_B.argsort()
        logits = []
        for rows in order_B.split(_TOGETHER):
            most = int(lengths_B[rows].max())
            logits_GtS = self._read(memory_BMD[rows], is_memory_BM[rows], words_BT[rows, :most])
            logits.append(nn.functional.pad(logits_GtS, (0, 0, 0, longest - most)))
        return torch.cat(logits)[order_B.argsort()]

    def _read(self, memory_BMD: torch.Tensor, is_memory_BM: torch.Tensor, words_BT: torch.Tensor) -> torch.Tensor:
        return self._t5[0](
            encoder_outputs=(memory_BMD,),
            attention_mask=is_memory_BM.long(),
            decoder_input_ids=words_BT,
            use_cache=False,
        ).logits

    @torch.inference_mode()
    def generate(
        self,
        memory_BMD: torch.Tensor,
        is_memory_BM: torch.Tensor,
        prefixes: Sequence[Sequence[int]],
        forbidden: Sequence[int],
        most: int,
        beams: int = 1,
        least: int = 1,
        no_repeat: int = 0,
    ) -> list[tuple[list[int], list[float]]]:
        """The words after each prefix, up to the end token (left out) or `most`, at least `least`, and their
        log-probabilities. Greedy, or the best of `beams`; the whole batch at once, with a cache of keys and values.
        `forbidden` are never said, and no run of `no_repeat` words is said twice (0: it may); what was said before the
        prefix ends does not count.

        Rows are padded on the left, behind a column that is never read: a T5 knows distances, not positions.
        """
        from transformers.modeling_outputs import BaseModelOutput

        longest = max(len(prefix) for prefix in prefixes) + 1
        given = [[self.pad] * (longest - len(prefix)) + list(prefix) for prefix in prefixes]
        read = [[0] * (longest - len(prefix)) + [1] * len(prefix) for prefix in prefixes]
        device = memory_BMD.device
        rules = _Rules(forbidden, self.end, longest, least, no_repeat)
        rows = self._t5[0].generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=memory_BMD),
            attention_mask=is_memory_BM.long(),
            decoder_input_ids=torch.tensor(given, device=device),
            decoder_attention_mask=torch.tensor(read, device=device),
            do_sample=False,
            num_beams=beams,
            max_new_tokens=most,
            logits_processor=[rules],
            use_cache=True,
        )
        found = []
        for row in rows[:, longest:].tolist():
            stops = [place for place, word in enumerate(row) if word in (self.end, self.pad)]
            found.append(row[: stops[0]] if stops else row)
        if beams == 1:
            logs = rules.logs(rows)
        else:  # a beam's past changes at every step: it is asked anew
            whole = [[*prefix, *words] for prefix, words in zip(prefixes, found, strict=True)]
            asked = self.log_probabilities(memory_BMD, is_memory_BM, whole)
            logs = [log[len(prefix) - 1 :] for log, prefix in zip(asked, prefixes, strict=True)]
        return [(words, log[: len(words)]) for words, log in zip(found, logs, strict=True)]

    @torch.no_grad()
    def log_probabilities(
        self, memory_BMD: torch.Tensor, is_memory_BM: torch.Tensor, rows: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """Of each row of words, the log-probability of every word but the first, given those before it."""
        longest = max(len(row) for row in rows)
        words_BT = torch.tensor([[*row, *[self.pad] * (longest - len(row))] for row in rows], device=memory_BMD.device)
        logs_BTS = self(memory_BMD, is_memory_BM, words_BT)[:, :-1].float().log_softmax(-1)
        said_BT = logs_BTS.gather(-1, words_BT[:, 1:, None])[..., 0].tolist()
        return [logs[: len(row) - 1] for logs, row in zip(said_BT, rows, strict=True)]

    @torch.no_grad()
    def reads(
        self, memory_BMD: torch.Tensor, is_memory_BM: torch.Tensor, rows: Sequence[Sequence[int]]
    ) -> list[torch.Tensor]:
        """Of each row of words, how much the step that said a word read of each memory token: [T - 1, M] for every word
        but the first, the mean over layers and heads of the cross-attention; rows sum to 1."""
        t5 = self._t5[0]
        longest = max(len(row) for row in rows)
        words_BT = torch.tensor([[*row, *[self.pad] * (longest - len(row))] for row in rows], device=memory_BMD.device)
        was = t5.config._attn_implementation  # the public setter has no getter
        t5.set_attn_implementation("eager")  # the fused kernel keeps no weights
        try:
            layers = t5(
                encoder_outputs=(memory_BMD,),
                attention_mask=is_memory_BM.long(),
                decoder_input_ids=words_BT,
                use_cache=False,
                output_attentions=True,
            ).cross_attentions
        finally:
            t5.set_attn_implementation(was)
        weights_BTM = torch.stack(layers).float().mean((0, 2))
        return [weights_TM[: len(row) - 1] for weights_TM, row in zip(weights_BTM, rows, strict=True)]


def build_decoder(spec: DecoderSpec, pretrained: bool) -> SectionDecoder:
    """The decoder of a spec, with its pretrained weights or with random ones (to lay saved weights over).

    Raises MedleyError where the weights cannot be had.
    """
    from transformers import AutoConfig, AutoModelForSeq2SeqLM
    from transformers.models.t5.modeling_t5 import T5Attention, T5DenseGatedActDense

    changes = {"num_layers": 0, "tie_word_embeddings": False}
    if spec.name is None or not pretrained:
        t5 = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(**{**spec.config, **changes}))
        if spec.name is None:  # on a CPU the fused kernel's way back and two of T5's dropouts would be half its time
            t5.set_attn_implementation("eager")
            for part in t5.modules():
                if isinstance(part, T5Attention):
                    part.dropout = 0.0
                if isinstance(part, T5DenseGatedActDense):
                    part.dropout.p = 0.0
    else:
        try:
            t5 = AutoModelForSeq2SeqLM.from_pretrained(spec.name, num_layers=0)
        except (OSError, ValueError, RuntimeError) as error:
            raise cannot_load("decoder", spec.name, error) from error
    decoder = SectionDecoder(t5, scaled=bool(spec.config.get("scale_decoder_outputs", False)))
    decoder.pretrained = spec.name is not None and pretrained
    if not decoder.pretrained:  # T5 draws the map as its table, with a deviation of 1: the first loss would be 40
        nn.init.normal_(decoder.lm_head.weight, std=decoder.dim**-0.5)
    return decoder
