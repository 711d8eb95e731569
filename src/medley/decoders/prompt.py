"""What a causal language model reads before it writes, with the place of the image in it, and reports as its words.

    chat   <begin> <turn of the user> [image] prompt <end of turn> <turn of the model>   report <end>
    raw    [image] <begin> prompt                                                       report <end>

One row says it all: tokens, `IMAGE` where the image's tokens stand, `NOTHING` where a shorter row is padded on the
left. Training, prediction and explanation read the same rows, so the order is one setting of the model, in one place.
`chat` is the model's own template, for one that was taught to answer; `raw` is what the published system does.

Shapes: B batch, L prompt, T words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch

from medley.core.errors import MedleyError
from medley.core.records import Case, Report
from medley.decoders.sections import Said, SectionWords

IMAGE, NOTHING = -1, -2  # no tokens: an image's place, and no place
_MARK = "[[image]]"  # of the image in the text of a template
REPORT = "report"

Order = Literal["chat", "raw"]


class ReportWords(SectionWords):
    """A tokenizer, the prompt, and reports that are cut after `most` words when they are learned and written.

    A report is one section without a header; what is read off its words is read as a section's is.
    """

    def __init__(self, tokenizer: Any, order: Order, prompt: str, image_tokens: int, most: int):
        self.tokenizer, self.sections, self.headers = tokenizer, (REPORT,), {}
        self.order, self.asked, self.image_tokens = order, prompt, image_tokens
        self.most, self.no_repeat = most, 0
        self.begin = _first(tokenizer.bos_token_id, tokenizer.cls_token_id)
        end = _first(tokenizer.eos_token_id, tokenizer.sep_token_id)
        if end is None:
            raise MedleyError("the tokenizer of model.decoder has no token that ends a text; give another decoder")
        self.end = end
        self.pad = end if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        if order == "chat" and not tokenizer.chat_template:
            raise MedleyError(
                "model.prompt is chat, and the tokenizer of model.decoder has no chat template: set it to raw"
            )

    def prompts(self, facts: Sequence[str]) -> torch.Tensor:
        """prompt_BL of studies, of each of which `facts` is said before the prompt ("" says nothing)."""
        rows = [self._prompt(" ".join(part for part in (fact, self.asked) if part)) for fact in facts]
        longest = max(len(row) for row in rows)
        return torch.tensor([[NOTHING] * (longest - len(row)) + row for row in rows])

    def _prompt(self, text: str) -> list[int]:
        image = [IMAGE] * self.image_tokens
        if self.order == "raw":
            return [*image, *([] if self.begin is None else [self.begin]), *self.words(text)]
        turn = [{"role": "user", "content": f"{_MARK}{text}"}]
        before, after = self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True).split(
            _MARK
        )
        return [*self.words(before), *image, *self.words(after)]

    def reports(self, texts: Sequence[str | None]) -> torch.Tensor:
        """words_BT of reports with their end, padded on the right with NOTHING. One that is cut does not end there, and
        a study without a report has no word."""
        rows = []
        for text in texts:
            words = self.words(text) if text else []
            kept = words[: self.most]
            rows.append([*kept, self.end] if words and len(kept) == len(words) else kept)
        longest = max(1, *(len(row) for row in rows))
        return torch.tensor([[*row, *[NOTHING] * (longest - len(row))] for row in rows])

    def weights(self, texts: Sequence[str | None], said: re.Pattern[str], weight: float) -> torch.Tensor:
        """weights_BT of the words of `reports`: `weight` for those that touch what the pattern finds, 1 for the others,
        0 where there is none."""
        words_BT = self.reports(texts)
        weights_BT = (words_BT != NOTHING).float()
        if weight == 1:
            return weights_BT
        for row, text in enumerate(texts):
            spans = [match.span() for match in said.finditer(text or "")]
            for place, (start, stop) in enumerate(self.offsets(text or "")[: words_BT.shape[1]]):
                if start < stop and any(start < last and first < stop for first, last in spans):
                    weights_BT[row, place] = weight
        return weights_BT

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The first character of each word of `reports` in the text, and the one after its last; its end has none."""
        coded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return coded["offset_mapping"]

    def write(self, decoder: Any, memory_BKE: torch.Tensor, prompt_BL: torch.Tensor, beams: int) -> list[Report]:
        """What a `CausalDecoder` writes of each study, greedy for one beam."""
        found = decoder.generate(memory_BKE, prompt_BL, self.end, self.pad, self.most, beams)
        return [self.written(said, logs) for said, logs in found]

    def written(self, words: Sequence[int], logs: Sequence[float]) -> Report:
        """What was written of one study, as text with the confidence of each sentence."""
        return self.report(Said(list(words), list(logs), {REPORT: slice(0, len(words))}))


def _first(*ids: int | None) -> int | None:
    return next((one for one in ids if one is not None), None)


def report_text(sections: Mapping[str, str]) -> str | None:
    """What is written of a study as one line that ends in a full stop: its report, or findings and impression as one;
    None where it has none of them."""
    parts = (
        [sections[REPORT]] if REPORT in sections else [sections.get(name, "") for name in ("findings", "impression")]
    )
    line = " ".join(" ".join(parts).split())
    return (line if line.endswith((".", "!", "?")) else f"{line}.") if line else None


def patient_words(case: Case) -> str:
    """Age and sex, as far as they are known."""
    age = [] if math.isnan(case.age_years) else [f"{case.age_years:.0f}-year-old"]
    who = {"F": "woman", "M": "man"}.get(case.sex or "")
    return f"{' '.join(['The patient is a', *age, who or 'person'])}." if age or who else ""
