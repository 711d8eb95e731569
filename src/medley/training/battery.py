"""The conformance battery: what every family must do, checked on its smallest size with made-up studies.

`medley check FAMILY` runs it, and so do the tests. Each check is a function of a `Subject` that returns what is wrong,
or None; none of them knows a family.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from medley.core.config import build_config
from medley.core.errors import MedleyError
from medley.core.family import Family, Processor, to_device
from medley.core.records import FilmInput, ImageInput, Study, target_sections
from medley.core.seeds import seed_torch
from medley.core.stage import Stage, freeze_all_but, rates_by_parameter, set_modes
from medley.training.checkpoint import load_weights, save_weights
from medley.training.made_up import NOTES, labels_for, made_up_studies

_GRADIENT_STEPS = 16


@dataclass(frozen=True)
class Subject:
    """A family at its toy size, with studies to read."""

    family: Family
    device: str = "cpu"
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # to the toy config

    @cached_property
    def config(self) -> Any:
        return build_config(self.family.config, {**self.family.sizes["toy"], **self.changes}, self.family.name)

    @cached_property
    def reads(self) -> ImageInput:
        return self.family.reads(self.config)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return labels_for(self.reads)

    @cached_property
    def processor(self) -> Processor:
        studies = made_up_studies(self.reads, 40)
        reports = [target_sections(study.case) for study in studies]
        prevalence = dict.fromkeys(self.labels, 0.3)
        volumes = [study.volume for study in studies if study.volume is not None]
        more = [volumes] if volumes else []
        return self.family.fit_processor(self.config, self.labels, list(NOTES) * 20, prevalence, reports, *more)

    def studies(self, count: int, views: int = 1, px: int | None = None) -> list[Study]:
        return made_up_studies(self.reads, count, views, px, self.processor.regions)

    def model(self, seed: int = 0) -> nn.Module:
        seed_torch("battery", seed)
        return self.family.model(self.config, self.processor).to(self.device)

    def stages(self) -> tuple[Stage, ...]:
        return self.family.stages(self.config, self.processor)

    def batch(self, studies: Sequence[Study]) -> Any:
        targets = [np.array([study.case.labels[name] for name in self.labels], np.float32) for study in studies]
        return to_device(self.processor(studies, targets), self.device)

    def reports(self, model: nn.Module, studies: Sequence[Study]) -> list[Mapping[str, str]]:
        """What the family writes of each study; of one that does not write, what is there already."""
        if self.family.write is None:
            return [target_sections(study.case) for study in studies]
        with torch.inference_mode():
            output = model.eval()(self.batch(studies))
            return [report.sections for report in self.family.write(model, self.processor, output)]

    def scores(self, model: nn.Module, studies: Sequence[Study]) -> list[dict[str, float]]:
        with torch.inference_mode():
            output = model.eval()(self.batch(studies))
        return [dict(p.scores) for p in self.processor.predictions(output, studies)]


def stage_step(
    subject: Subject,
    model: nn.Module,
    stage: Stage,
    batch: Any,
    steps: int = 1,
    rate: float = 1e-3,
    first: int = 0,
) -> list[float]:
    """`steps` optimiser steps of a stage; returns the losses. Gradients of the last step are left in place."""
    rates = rates_by_parameter(model, stage)
    freeze_all_but(model, rates)
    set_modes(model)
    trained = [p for name, p in model.named_parameters() if name in rates]
    optimizer = torch.optim.AdamW(trained, lr=rate)
    losses = []
    for step in range(first, first + steps):
        seed_torch("battery step", step)
        optimizer.zero_grad()
        sums, counts = stage.objective.sums(model(batch), batch), stage.objective.counts(batch)
        terms = [weight * sums[name] / counts[name] for name, weight in stage.objective.weights.items()]
        loss = torch.stack(terms).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def builds(subject: Subject) -> str | None:
    """The model reads one and several studies, with fewer and more views, with and without a note."""
    for views in range(1, _most_views(subject) + 1):
        for studies in (subject.studies(1, views), subject.studies(5, views, px=48)):
            for scores in subject.scores(subject.model(), studies):
                if not all(math.isfinite(p) and 0 <= p <= 1 for p in scores.values()):
                    return f"scores are not probabilities: {scores}"
    return None


def _most_views(subject: Subject) -> int:
    return subject.reads.views if isinstance(subject.reads, FilmInput) else 1


def gradients(subject: Subject) -> str | None:
    """Every parameter that a stage names gets a gradient, and no other changes."""
    for stage in subject.stages():
        model = subject.model()
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        named, reached = set(rates_by_parameter(model, stage)), set()
        batch = subject.batch(subject.studies(8))
        for step in range(_GRADIENT_STEPS):  # a part that dropout switches on and off needs more than one
            stage_step(subject, model, stage, batch, first=step)
            reached |= {name for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
        if named - reached:
            return f"stage '{stage.name}': '{min(named - reached)}' is named and gets no gradient"
        changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        if changed - named:
            return f"stage '{stage.name}': '{min(changed - named)}' is not named and was trained"
    return None


def overfits(subject: Subject) -> str | None:
    """Four samples are learned by heart: each stage ends far below where an untrained model begins, every label ranks
    those that have it first, and a family that writes gives each its own report."""
    studies = subject.studies(4)
    model = subject.model()
    for stage in subject.stages():
        untrained = stage_step(subject, subject.model(), stage, subject.batch(studies))[0]
        learned = stage_step(subject, model, stage, subject.batch(studies), steps=150, rate=3e-3)[-1]
        if learned > 0.5 * untrained:
            return f"stage '{stage.name}': the loss on four samples went from {untrained:.3f} to {learned:.3f} only"
    scores = subject.scores(model, studies)
    for name in subject.labels:
        by_truth: dict[float, list[float]] = {0.0: [], 1.0: []}
        for study, row in zip(studies, scores, strict=True):
            by_truth[study.case.labels[name]].append(row[name])
        if all(by_truth.values()) and min(by_truth[1.0]) <= max(by_truth[0.0]):
            return f"after overfitting, '{name}' does not rank those that have it first: {by_truth}"
    for study, written in zip(studies, subject.reports(model, studies), strict=True):
        for section, text in target_sections(study.case).items():
            if text != written.get(section):
                return f"after overfitting, {study.case.case_id}'s {section} is '{written.get(section)}', not '{text}'"
    return None


def company(subject: Subject) -> str | None:
    """A sample alone equals itself padded in company of longer notes and more views."""
    model = subject.model()
    alone = subject.studies(1)
    others = subject.studies(4, _most_views(subject))[1:]
    padded = subject.scores(model, [*alone, *others])[0]
    for name, p in subject.scores(model, alone)[0].items():
        if abs(p - padded[name]) > 1e-5:
            return f"{name} is {p:.6f} alone and {padded[name]:.6f} in company"
    return None


def round_trip(subject: Subject) -> str | None:
    """Weights and processor saved and loaded give bitwise equal scores."""
    model, studies = subject.model(), subject.studies(3)
    before = subject.scores(model, studies)
    with tempfile.TemporaryDirectory() as folder:
        subject.processor.save(Path(folder))
        save_weights(Path(folder), model, {name for name, _ in model.named_parameters()}, {"family": "toy"})
        processor = subject.family.load_processor(subject.config, Path(folder))
        again = subject.family.model(subject.config, processor, pretrained=False).to(subject.device)
        load_weights(Path(folder), again)
        with torch.inference_mode():
            output = again.eval()(to_device(processor(studies), subject.device))
        after = [dict(p.scores) for p in processor.predictions(output, studies)]
    return None if before == after else f"scores differ after a round trip: {before[0]} against {after[0]}"


def same_seed(subject: Subject) -> str | None:
    """The same seed gives the same losses, another seed others."""
    batch = subject.batch(subject.studies(4))
    runs = [stage_step(subject, subject.model(seed), subject.stages()[0], batch, steps=3) for seed in (1, 1, 2)]
    if runs[0] != runs[1]:
        return f"two runs of one seed differ: {runs[0]} and {runs[1]}"
    return "another seed gives the same losses" if runs[0] == runs[2] else None


def columns(subject: Subject) -> str | None:
    """Each column is its label's: a label learned as always present is the one that scores high."""
    chosen = subject.labels[-2]
    studies = [
        dataclasses.replace(
            study,
            case=dataclasses.replace(study.case, labels={name: float(name == chosen) for name in subject.labels}),
        )
        for study in subject.studies(4)
    ]
    model = subject.model()
    for stage in subject.stages():
        stage_step(subject, model, stage, subject.batch(studies), steps=80, rate=3e-3)
    scores = subject.scores(model, studies)[0]
    if tuple(scores) != subject.labels:
        return f"scores are keyed {tuple(scores)}, the labels are {subject.labels}"
    best = max(scores, key=lambda name: scores[name])
    return None if best == chosen else f"'{chosen}' was taught and '{best}' scores highest"


def misspelt(subject: Subject) -> str | None:
    """A config key and a parameter glob that are misspelt raise, and the message names what was meant."""
    key = next(iter(subject.family.sizes["toy"]))
    try:
        build_config(subject.family.config, {key + "x": 1}, "check")
        return f"the unknown config key '{key}x' was taken"
    except MedleyError as error:
        if key not in str(error):
            return f"the message for '{key}x' does not name '{key}': {error}"
    stage = subject.stages()[0]
    for globs in ({"no_such_part.*": 1e-3}, {**stage.rates, "*": 1e-3}):
        try:
            rates_by_parameter(subject.model(), dataclasses.replace(stage, rates=globs))
            return f"the globs {sorted(globs)} were taken"
        except MedleyError:
            continue
    return None


def stage_names(subject: Subject) -> str | None:
    """The names in the family's literal are the stages it has."""
    names = tuple(stage.name for stage in subject.stages())
    return None if names == subject.family.stage_names else f"{names} against {subject.family.stage_names}"


_CHECKS = (builds, stage_names, gradients, overfits, company, round_trip, same_seed, columns, misspelt)
CHECKS: dict[str, Callable[[Subject], str | None]] = {check.__name__: check for check in _CHECKS}
