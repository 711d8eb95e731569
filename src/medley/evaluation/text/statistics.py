"""All text metrics of one set of reports as one function of report weights.

What each report brings is read off the texts once; every resample, permutation and subgroup afterwards is a product of
two matrices. `evaluation.statistics` draws the weights: `bootstrap(found.weighted, patient_ids, …)`,
`paired_differences(first.weighted, second.weighted, …)`, `permutation_test(pooled(first, second), …)`.

An empty hypothesis is a miss and counts as one: left out, silence on the hard cases would pay. An empty reference says
nothing, so its report is left out, whatever the system.

Shapes: N reports, K columns, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np

from medley.core.errors import MedleyError
from medley.evaluation.statistics import NO_RESAMPLES, Metric, bootstrap, with_interval
from medley.evaluation.text.bertscore import Encoder, bertscore_f1
from medley.evaluation.text.bleu import LONGEST, bleu_part
from medley.evaluation.text.chrf import chrf_part
from medley.evaluation.text.cider import cider_part
from medley.evaluation.text.meteor import meteor_part
from medley.evaluation.text.ngrams import word_ngrams
from medley.evaluation.text.part import Part, mean_part
from medley.evaluation.text.rouge import coco_rouge_part, rouge_part
from medley.evaluation.text.tokens import clean, rouge_tokens, tokenizer
from medley.evaluation.text.wordnet import find_wordnet

METRICS = (
    *("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_1", "rouge_2", "rouge_l", "rouge_l_coco", "meteor"),
    *("cider", "cider_d", "chrf", "bertscore_f1"),
)
NO_ENCODER = "no encoder: BERTScore needs the folder of one"


@dataclass(frozen=True)
class TextStatistics:
    """What each of N reports brings to every metric, and what could not be computed."""

    parts: tuple[Part, ...]
    absent: Mapping[str, str]  # metric -> why it was not computed at all
    tokens: str  # the name of those of BLEU, METEOR and CIDEr
    definitions: str  # these, WordNet, encoder, for the protocol: numbers of unlike ones are not to be compared
    empty_hypotheses: int  # misses
    empty_references: int  # left out

    @cached_property
    def _columns_KN(self) -> np.ndarray:
        return np.ascontiguousarray(np.concatenate([part.columns_NK for part in self.parts], axis=1).T)

    def weighted(self, weights_NR: np.ndarray) -> dict[str, np.ndarray]:
        """Every metric under weights of the reports [N, R]: name -> values [R], nan where undefined."""
        return _of_sums(self.parts, self._columns_KN @ weights_NR)

    def metrics(self, patient_ids: Sequence[str], *, resamples: int, seed: int) -> dict[str, Metric]:
        """Every metric with its patient-clustered interval, or null with the reason; `resamples` 0 for no intervals."""
        n = len(self.parts[0].scored_N)
        if len(patient_ids) != n:
            raise MedleyError(f"text metrics: {len(patient_ids)} patient ids for {n} reports; each report needs one")
        values = self.weighted(np.ones((n, 1)))
        samples = bootstrap(self.weighted, patient_ids, resamples=resamples, seed=seed) if resamples else {}
        found = {name: Metric(None, None, 0, why) for name, why in self.absent.items()}
        for part in self.parts:
            scored = int(part.scored_N.sum())
            patients = len({patient for patient, counts in zip(patient_ids, part.scored_N, strict=True) if counts})
            for name in part.names:
                value = float(values[name][0])
                if np.isnan(value):
                    found[name] = Metric(None, None, scored, self._why(part, name))
                elif not resamples:
                    found[name] = Metric(value, None, scored, NO_RESAMPLES)
                else:
                    found[name] = with_interval(value, samples[name], n=scored, n_patients=patients)
        return {name: found[name] for name in METRICS}

    def by_report(self) -> dict[str, np.ndarray]:
        """The metrics that are means, report by report [N]; nan where the reference is empty."""
        return {name: scores for part in self.parts for name, scores in part.by_report.items()}

    def _why(self, part: Part, name: str) -> str:
        if not part.scored_N.any():
            return "no reference has a word"
        if self.empty_hypotheses == len(part.scored_N):
            return "every hypothesis is empty"
        return part.why_undefined.get(name, "no hypothesis has a token")


def text_statistics(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    tokens: str = "coco",
    wordnet: Path | None = None,
    encoder: Encoder | None = None,
) -> TextStatistics:
    """Read off what each report brings to every metric; one reference a report.

    `tokens` (`coco` or `13a`, see `tokens.py`) are those of BLEU, METEOR, CIDEr and `rouge_l_coco`. `wordnet` is a
    folder that `assemble_wordnet` made; without one METEOR takes that of NLTK's data folders, or is null. Raises
    MedleyError for lists of other lengths, for no reports, and for an unknown tokenizer.
    """
    if len(hypotheses) != len(references):
        raise MedleyError(
            f"text metrics: {len(hypotheses)} hypotheses for {len(references)} references; each report needs both"
        )
    if not len(references):
        raise MedleyError("text metrics: there are no reports to score")
    tokenize, n = tokenizer(tokens), len(references)
    texts = [clean(text) for text in (*hypotheses, *references)]
    read = [tokenize(text) for text in texts]
    has_token_N = np.array([len(words) > 0 for words in read[n:]])
    counts = list(word_ngrams(read, LONGEST))
    ours, theirs = [each[:n] for each in counts], [each[n:] for each in counts]
    stems = [rouge_tokens(text) for text in texts]
    parts = [
        bleu_part(ours, theirs, has_token_N),
        rouge_part(stems[:n], stems[n:]),
        coco_rouge_part(read[:n], read[n:]),
        cider_part(ours, theirs, has_token_N),
        chrf_part(texts[:n], texts[n:]),
    ]
    definitions = [
        f"text/1: {tokens} tokens in bleu (corpus, exp smoothing), meteor, cider, cider_d (document frequencies of all "
        f"scored references) and rouge_l_coco (beta 1.2); rouge: F1, Porter's stems; chrf: 6 characters, beta 2",
    ]
    absent = {}
    thesaurus = find_wordnet(wordnet)
    if isinstance(thesaurus, str):
        absent["meteor"] = thesaurus
    else:
        parts.append(meteor_part(read[:n], read[n:], has_token_N, thesaurus))
        definitions.append(f"meteor: WordNet {thesaurus.version}")
    if encoder is None:
        absent["bertscore_f1"] = NO_ENCODER
    else:
        scores_N = bertscore_f1(texts[:n], texts[n:], encoder)
        parts.append(mean_part({"bertscore_f1": scores_N}, np.array([bool(text.strip()) for text in texts[n:]]), {}))
        definitions.append(f"bertscore: {encoder.describe()}")
    empty = [not text.strip() for text in texts]
    return TextStatistics(tuple(parts), absent, tokens, "; ".join(definitions), sum(empty[:n]), sum(empty[n:]))


def pooled(first: TextStatistics, second: TextStatistics) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """All metrics as a function of weights [2N, R] of the first system's N reports and then the second's.

    What `permutation_test` takes. Raises MedleyError where the two were not read in one way off the same references.
    """
    if first.definitions != second.definitions:
        raise MedleyError(f"two systems are read in unlike ways: {first.definitions} | {second.definitions}")
    for one, other in zip(first.parts, second.parts, strict=True):
        if not np.array_equal(one.scored_N, other.scored_N):
            raise MedleyError("two systems have unlike references: score both against the same reports in one order")
    columns_K2N = np.concatenate([first._columns_KN, second._columns_KN], axis=1)
    return lambda weights: _of_sums(first.parts, columns_K2N @ weights)


def _of_sums(parts: Sequence[Part], sums_KR: np.ndarray) -> dict[str, np.ndarray]:
    values: dict[str, np.ndarray] = {}
    start = 0
    for part in parts:
        stop = start + part.columns_NK.shape[1]
        values |= part.of_sums(sums_KR[start:stop])
        start = stop
    return values


def versions() -> str:
    """The libraries that tokens, stems and METEOR come from, for the provenance."""
    return ", ".join(f"{package} {version(package)}" for package in ("sacrebleu", "rouge-score", "nltk"))
