"""The sentences that a model writes, each with what it was read from; and whether that points at what they name.

scores = score_sentences(predictor, source, "test")   # None where the part marks no lesion
scores.metrics["sentences/pointing_game"]             # of sentences that name a lesion which is there
scores.floors["other_sentences"]["sentences/pointing_game"]   # what the rest of the same report scores on that lesion
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from medley.core.family import to_device
from medley.data.source import Progress, Source, batches
from medley.decoders.sections import Said, SectionWords
from medley.evaluation.statistics import Metric
from medley.explain import floors, reading, score
from medley.explain.averages import mean_over_cases
from medley.explain.lesions import FOCAL
from medley.explain.reading import SentenceRead
from medley.language.labeler import label_text
from medley.serving.explaining.marked import Marked, marked_studies
from medley.serving.explaining.run import ExplanationScores
from medley.serving.predictor import Predictor

METRICS = ("pointing_game", "mass_in_mask")  # neither needs a cut
_STUDIES = 150
_BATCH = 16


@torch.inference_mode()
def sentences_of(
    predictor: Predictor, output: Any, films: Sequence[int], names: Sequence[str]
) -> list[tuple[SentenceRead, ...]]:
    """The sentences of each study of a batch's Output; `films` says how many films each has, `names` what the queries
    are called."""
    model: Any = predictor.model
    words: SectionWords = predictor.processor.words  # type: ignore[attr-defined]
    memory, is_memory = output.memory_BMD, output.is_memory_BM
    said = words.say(model.decoder, memory, is_memory, model.config.beams)
    reads = model.decoder.reads(memory, is_memory, [one.row for one in said])
    pooled_BKQ = model.fusion.looked(output.states_BQD)
    called_CQ = torch.eye(output.logits_BC.shape[1], pooled_BKQ.shape[-1])  # a call is of its own query
    looked_BNQ = torch.cat([pooled_BKQ, called_CQ.to(pooled_BKQ).expand(len(pooled_BKQ), -1, -1)], dim=1)
    looked_BKQ, maps_BQVhw = (tensor.float().cpu().numpy() for tensor in (looked_BNQ, output.maps_BQVhw))
    found = []
    for b, count in enumerate(films):
        followed = reading.Followed(
            reads[b].cpu().numpy(), looked_BKQ[b], maps_BQVhw[b, :, :count], model.config.pooled, tuple(names)
        )
        found.append(_sentences(words, said[b], followed))
    return found


def _sentences(words: SectionWords, said: Said, followed: reading.Followed) -> tuple[SentenceRead, ...]:
    confidence, found = words.report(said).confidence, []
    for section, span in said.spans.items():
        own = said.row[span]
        for run, sure in zip(words.sentences(own), confidence.get(section, ()), strict=False):
            first = span.start - 1 + run.start  # the step that says a word stands one before it in the row
            pieces = [
                (text, slice(first + piece.start, first + piece.stop)) for text, piece in words.whole_words(own[run])
            ]
            found.append(followed.sentence(section, words.text(own[run]), sure, pieces))
    return tuple(found)


def score_sentences(
    predictor: Predictor, source: Source, part: str, *, resamples: int = 1000, tick: Progress | None = None
) -> ExplanationScores | None:
    """Whether a sentence was read where the lesion lies that it rightly names, on at most 150 studies of `part`.

    Metrics: `sentences/pointing_game` and `sentences/mass_in_mask`, the mean over focal lesions that a sentence rightly
    calls present, and `trained_minus_other_sentences/...`, each against the other sentences of the same report on the
    same lesion: where that is 0, the maps tell of the film and nothing of the sentence. `facts` say how alike the maps
    of a report's sentences are. None where no study of the part has a lesion marked.
    """
    marked = marked_studies(predictor, source, part, _STUDIES)
    if not len(marked.lesions):
        return None
    values: dict[str, list[float]] = {f"sentences/{name}": [] for name in METRICS}
    beside = {f"sentences/{name}": list[float]() for name in METRICS}
    chance = floors.chance(marked.lesions)
    named_P: list[int] = []  # lesions that a sentence names
    alike = []
    for chunk in batches(range(len(marked.studies)), _BATCH):
        for s, sentences in zip(chunk, _read(predictor, marked, chunk), strict=True):
            likeness = reading.likeness([one.maps for one in sentences])
            alike += [] if likeness is None else [likeness]
            named = [label_text(one.text) for one in sentences]
            for p in marked.of_study(s):
                label = marked.lesions.labels[p]
                speaking = [n for n, of_sentence in enumerate(named) if of_sentence.get(label) == 1]
                if label not in FOCAL or not speaking or len(speaking) == len(sentences):
                    continue
                of_sentence_N = _held(marked, p, [one.maps[marked.views[s]] for one in sentences])
                rest = [n for n in range(len(sentences)) if n not in speaking]
                named_P.append(p)
                for name in METRICS:
                    values[f"sentences/{name}"].append(float(of_sentence_N[name][speaking].mean()))
                    beside[f"sentences/{name}"].append(float(of_sentence_N[name][rest].mean()))
        if tick:
            tick(f"scoring the sentences of {part}", chunk[-1] + 1, len(marked.studies))
    facts = {"lesions_named": len(named_P), "likeness": float(np.mean(alike)) if alike else None}
    if not named_P:
        nothing = Metric(None, error="no report names a focal lesion that is there, beside another sentence")
        return ExplanationScores(dict.fromkeys(values, nothing), {}, {}, {"sentences": facts}, ())
    own, other = ({name: np.array(some) for name, some in found.items()} for found in (values, beside))
    differences = {f"trained_minus_other_sentences/{name}": own[name] - other[name] for name in own}
    patients = [marked.lesions.patient_ids[p] for p in named_P]
    seed = predictor.recipe.seed
    metrics = mean_over_cases({**own, **differences}, patients, resamples=resamples, seed=seed)
    found = {
        "other_sentences": {name: float(some.mean()) for name, some in other.items()},
        "even_map": {f"sentences/{name}": float(chance[name][named_P].mean()) for name in METRICS},
    }
    return ExplanationScores(metrics, found, {}, {"sentences": facts}, _told(metrics))


@torch.inference_mode()
def _read(predictor: Predictor, marked: Marked, chunk: Sequence[int]) -> list[tuple[SentenceRead, ...]]:
    studies = [marked.studies[s] for s in chunk]
    output = predictor.model(to_device(predictor.processor(studies), predictor.device))
    return sentences_of(predictor, output, [len(study.films) for study in studies], predictor.processor.regions)


def _held(marked: Marked, p: int, maps: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """metric -> [N] of the maps of N sentences against one lesion."""
    lesions, one = marked.lesions, slice(p, p + 1)
    ids = (lesions.case_ids[one], lesions.patient_ids[one], lesions.labels[one])
    mark = score.Marks(*ids, lesions.masks_PX[one], lesions.near_PX[one])
    return {name: of_MP[:, 0] for name, of_MP in score.measure(score.read_maps(maps), mark, 0.5).items()}


def _told(metrics: dict[str, Metric]) -> tuple[str, ...]:
    over = metrics["trained_minus_other_sentences/sentences/pointing_game"]
    if over.value is None or (over.ci95 is not None and over.ci95[0] > 0):
        return ()
    return (
        f"sentences: where a sentence was read says no more of it than the rest of its report: {over.value:+.3f} in "
        "pointing_game",
    )
