"""The training and dev parts of an opened source, as one family's processor reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from medley.core.family import Processor
from medley.core.labels import NO_FINDING
from medley.core.records import Case, ImageRef, Prediction, Study
from medley.data.images import Augmenting
from medley.data.source import Source, batches
from medley.evaluation.selection import dev_metrics
from medley.training.features import ImageKeys, Keyed

Example = tuple[Study, np.ndarray, Hashable]  # what is read, what it should say, and what its images are called here


@dataclass(frozen=True)
class TrainingData:
    """An example is a group of images of a study that the model reads together: a film, a frontal with a lateral, or
    all sequences of a volume."""

    source: Source
    processor: Processor
    task: str
    seed: int
    batch: int
    augment: Augmenting | None
    aggregation: str
    keys: ImageKeys | None = None  # of images whose features are kept

    @cached_property
    def train(self) -> list[tuple[Case, tuple[ImageRef, ...]]]:
        return self._groups("train")

    @cached_property
    def dev(self) -> list[tuple[Case, tuple[ImageRef, ...]]]:
        return self._groups("dev")

    def _groups(self, part: str) -> list[tuple[Case, tuple[ImageRef, ...]]]:
        return [(case, group) for case in self.source.parts[part] for group in self.source.groups(case)]

    def read(self, epoch: int, example: int) -> Example:
        """A training example; its augmentation is keyed by (seed, epoch, case, place of the image in it), and a
        simulated note is told anew each epoch, as is the report of a drawn brain, which may have been mirrored before.
        """
        case, images = self.train[example]
        there = study = dataclasses.replace(self._study(case, images), note=self.source.note_told_again(case, epoch))
        if self.augment:
            study = self.source.images.augmented(there, images, self.seed, epoch, self.augment)
        mirrored = study is not there  # where features are kept, nothing else is done to it
        study = dataclasses.replace(study, case=self.source.told_again(study.case, epoch))
        return study, self.source.targets(case, self.seed), (images, mirrored)

    def _study(self, case: Case, images: Sequence[ImageRef]) -> Study:
        """With what is known of where things lie, for a family that learns from it."""
        return self.source.images.with_regions(self.source.study(case, images), self.processor.regions)

    def collate(self, examples: Sequence[Example]) -> Keyed:
        """The family's Batch of these examples, with the names of its images where their features are kept."""
        studies, targets, which = zip(*examples, strict=True)
        batch = self.processor(studies, targets)
        return Keyed(batch) if self.keys is None else self.keys(batch, which)

    def dev_batches(self, rank: int, world: int) -> Iterator[tuple[Keyed, list[Study]]]:
        """This device's share of the dev part, without augmentation."""
        for groups in batches(self.dev[rank::world], self.batch):
            studies = [self._study(case, images) for case, images in groups]
            targets = [self.source.targets(case, self.seed) for case, _ in groups]
            which = [(images, False) for _, images in groups]
            yield self.collate(list(zip(studies, targets, which, strict=True))), studies

    def predict(self, output: Any, studies: Sequence[Study]) -> list[Prediction]:
        """Predictions with the labels they are scored against."""
        return [
            dataclasses.replace(prediction, labels=self.source.known_labels(study.case))
            for prediction, study in zip(self.processor.predictions(output, studies), studies, strict=True)
        ]

    @torch.inference_mode()
    def dev_metric_names(self, model: torch.nn.Module) -> list[str]:
        """The metrics that this dev part can give, known from its labels and the heads of one batch's predictions."""
        batch, studies = next(self.dev_batches(0, 1))
        first = self.predict(model.eval()(batch.to(next(model.parameters()).device).batch), studies)[0]
        labels = {case.case_id: self.source.known_labels(case) for case, _ in self.dev}
        return sorted(self.dev_score([dataclasses.replace(first, case_id=key, labels=labels[key]) for key in labels]))

    def dev_score(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Dev metrics; films of a study that were read apart are pooled first, as the scorecard will pool them."""
        by_case: dict[str, list[Prediction]] = {}
        for prediction in predictions:
            by_case.setdefault(prediction.case_id, []).append(prediction)
        return dev_metrics([aggregate(group, self.aggregation) for group in by_case.values()], self.task)


def aggregate(group: Sequence[Prediction], how: str) -> Prediction:
    """The study's prediction from those of its groups of films: the `mean` or the `max` of each probability.

    With `max` a finding is there if any film shows it, and so there is no finding only if every film shows none: the
    least of its probabilities. Texts cannot be pooled: report and `extra` are those of the first group, which holds the
    first frontal film and the first lateral one.
    """
    if len(group) == 1:
        return group[0]
    first = group[0]

    def pooled(name: str, values: list[float]) -> float:
        return float(np.mean(values)) if how == "mean" else min(values) if name == NO_FINDING else max(values)

    def over(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return {name: pooled(name, [part[name] for part in scores]) for name in scores[0]}

    heads = {head: over([p.heads[head] for p in group]) for head in first.heads}
    return dataclasses.replace(first, scores=over([p.scores for p in group]), heads=heads)
