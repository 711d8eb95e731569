"""Sections of a report as words that a `SectionDecoder` reads and says, and back: the one place that knows the headers.

Shapes: B batch, T words, M memory tokens, D width.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import torch

from medley.core.records import Report
from medley.decoders.seq2seq import SectionDecoder

SECTIONS: Final = ("findings", "impression")
SMALL_HEADERS = ("[FINDINGS]", "[IMPRESSION]")  # of a tokenizer that is trained here
T5_HEADERS = ("<extra_id_0>", "<extra_id_1>")  # T5's own sentinels: no row is added to its table
NOT_SAID = -100  # where nothing is to be said


@dataclass(frozen=True)
class Said:
    """What was written of one study: the row of words with its headers, how likely each was, and the sections in it."""

    row: list[int]
    logs: list[float]  # log-probability of each word given those before it; nan for a header, which is given
    spans: Mapping[str, slice]


class SectionWords:
    """A tokenizer with its section headers; a section is cut after `most` words when it is learned and written, and no
    run of `no_repeat` words is written twice in it (0: it may)."""

    def __init__(
        self,
        tokenizer: Any,
        headers: Sequence[str],
        sections: Sequence[str],
        pad: int,
        end: int,
        most: int,
        no_repeat: int = 0,
    ):
        self.tokenizer, self.sections, self.pad, self.end = tokenizer, tuple(sections), pad, end
        self.most, self.no_repeat = most, no_repeat
        self.headers = dict(zip(SECTIONS, tokenizer.convert_tokens_to_ids(list(headers)), strict=True))

    def words(self, text: str) -> list[int]:
        """The tokens of a text, without any that are special."""
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def text(self, words: Sequence[int]) -> str:
        """Tokens as text; the spaces that a word-piece decoder leaves about hyphens and slashes are taken out."""
        written = self.tokenizer.decode(list(words), skip_special_tokens=True)
        return re.sub(r"(?<=\w) ([-/]) (?=\w)", r"\1", written).strip()

    def rows(self, reports: Sequence[Mapping[str, str]]) -> tuple[torch.Tensor, torch.Tensor]:
        """words_BT to be read and says_BT to be said after each, padded on the right; see `decoders.seq2seq`."""
        read, said = zip(*(self._row(report) for report in reports), strict=True)
        return _stacked(read, self.pad), _stacked(said, NOT_SAID)

    def _row(self, report: Mapping[str, str]) -> tuple[list[int], list[int]]:
        read: list[int] = []
        said: list[int] = []
        for section in self.sections:
            if section in report:
                words = self.words(report[section])
                kept = words[: self.most]
                read += [self.headers[section], *kept]
                said += [*kept, self.end if len(kept) == len(words) else NOT_SAID]  # a cut section did not end there
        return read or [self.pad], said or [NOT_SAID]

    def write(
        self, decoder: SectionDecoder, memory_BMD: torch.Tensor, is_memory_BM: torch.Tensor, beams: int
    ) -> list[Report]:
        """The reports of a batch, with the confidence of each sentence."""
        return [self.report(said) for said in self.say(decoder, memory_BMD, is_memory_BM, beams)]

    def say(
        self, decoder: SectionDecoder, memory_BMD: torch.Tensor, is_memory_BM: torch.Tensor, beams: int
    ) -> list[Said]:
        """One section after the other, each for the whole batch at once and with those before it in sight."""
        said = [Said([], [], {}) for _ in memory_BMD]
        forbidden = [*self.headers.values(), self.pad]
        for section in self.sections:
            prefixes = [[*one.row, self.headers[section]] for one in said]
            found = decoder.generate(
                memory_BMD, is_memory_BM, prefixes, forbidden, self.most, beams, no_repeat=self.no_repeat
            )
            said = [
                Said(
                    row=[*prefix, *words],
                    logs=[*one.logs, math.nan, *logs],
                    spans={**one.spans, section: slice(len(prefix), len(prefix) + len(words))},
                )
                for one, prefix, (words, logs) in zip(said, prefixes, found, strict=True)
            ]
        return said

    def report(self, said: Said) -> Report:
        """What was written, as text with the confidence of each sentence."""
        row, logs, spans = said.row, said.logs, said.spans
        texts = {section: self.text(row[span]) for section, span in spans.items()}
        sure = {section: self._sure(row[span], logs[span]) for section, span in spans.items()}
        return Report({name: text for name, text in texts.items() if text}, {n: sure[n] for n in texts if texts[n]})

    def _sure(self, words: Sequence[int], logs: Sequence[float]) -> tuple[float, ...]:
        """The confidence of each sentence: the geometric mean of the probabilities of its words."""
        runs = [logs[run] for run in self.sentences(words)]
        return tuple(math.exp(sum(run) / len(run)) for run in runs)

    def sentences(self, words: Sequence[int]) -> list[slice]:
        """Where sentences stand: runs of words that end in a full stop. A number's stop ("2.") ends nothing."""
        written = self.tokenizer.convert_ids_to_tokens(list(words))
        found: list[slice] = []
        start = 0
        for place, word in enumerate(written):
            ends = word.endswith(".") and not (place and written[place - 1].isdigit())
            if ends or place == len(written) - 1:
                found.append(slice(start, place + 1))
                start = place + 1
        return found

    def whole_words(self, words: Sequence[int]) -> list[tuple[str, slice]]:
        """The words of a text that stand there, each with where its pieces stand."""
        pieces = self.tokenizer.convert_ids_to_tokens(list(words))
        marked = any(piece.startswith("\u2581") for piece in pieces)  # SentencePiece marks the first piece of a word

        def goes_on(piece: str) -> bool:
            return not piece.startswith("\u2581") if marked else piece.startswith("##")

        starts = [place for place, piece in enumerate(pieces) if not place or not goes_on(piece)]
        runs = [slice(*ends) for ends in pairwise([*starts, len(pieces)])]
        return [(self.text(words[run]), run) for run in runs]


def _stacked(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])
