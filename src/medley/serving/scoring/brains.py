"""Floors of reports of brains that look at volumes: the model on the mean volume, and a linear probe on a tiny one.

mean_images  every study is the mean of the training volumes: what a model says of a brain that is nobody's
probe        logistic regression on the 8x8x8 volume, for each side and lobe, each component, and a lesion at all; what
             it calls is said in plain words: what brightness at large gives away

Shapes: N studies, F voxels of a thumbnail, D H W voxels of a volume.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LOBES
from medley.core.records import Case, Prediction, Study
from medley.data.source import Source
from medley.evaluation.floors.simple import thumbnail_scores
from medley.serving.predictor import Predictor
from medley.serving.scoring.parts import Tick, predict_part

_PLACES = {"deep": "basal ganglia", "insula": "insula", "cerebellum": "cerebellum", "brainstem": "brainstem"}
_HEALTHY = "The brain parenchyma is normal. No focal lesion is seen."


def mean_volume(predictor: Predictor, own: Source, source: Source, part: str, tick: Tick = None) -> list[Prediction]:
    """The reports that the model writes of the mean training volume, one for each study of the part."""
    total, train = np.zeros(()), own.parts["train"]
    for case in train:
        volume = own.study(case, own.groups(case)[0]).volume
        assert volume is not None
        total = total + volume.voxels.astype(np.float64)
    mean = np.rint(total / len(train)).astype(np.uint8)

    def shown(study: Study) -> Study:
        assert study.volume is not None
        return dataclasses.replace(study, volume=dataclasses.replace(study.volume, voxels=mean))

    return predict_part(predictor, source, part, tick, change=shown, what="the mean volume for")


def volume_probe(own: Source, source: Source, part: str, asked: Sequence[Prediction]) -> list[Prediction]:
    """What the probe, learned on the train part, would report of each study of `asked`."""
    facts, train_NT = _facts(own.parts["train"])
    train, volumes = own.images.first_images(own.parts["train"]), source.images.first_images(source.parts[part])
    logits_NT = thumbnail_scores(train, train_NT, volumes)
    always_T = np.where(train_NT.mean(0) > 0.5, np.inf, -np.inf)  # of a fact that training never, or always, saw
    logits_NT = np.where(np.isnan(logits_NT), always_T, logits_NT)
    return [
        dataclasses.replace(one, hypothesis={"report": _said(dict(zip(facts, row, strict=True)))}, scores={}, extra={})
        for one, row in zip(asked, logits_NT.tolist(), strict=True)
    ]


def _facts(cases: Sequence[Case]) -> tuple[list[str], np.ndarray]:
    """The facts that are told apart, `lesion`, `left frontal`, `edema`, and [N, T] whether each is true."""
    names = ["lesion", *(f"{side} {lobe}" for side in ("left", "right") for lobe in BRAIN_LOBES), *BRAIN_COMPONENTS]
    rows = []
    for case in cases:
        true = {" ".join(pair) for pair in case.truth.get("side_lobe") or ()} | {*(case.truth.get("components") or ())}
        true |= set() if case.truth.get("healthy") else {"lesion"}
        rows.append([float(name in true) for name in names])
    return names, np.array(rows)


def _said(odds: Mapping[str, float]) -> str:
    """What is likelier than not, in words; where it sees a lesion and no place is likely, the likeliest."""
    if odds["lesion"] < 0:
        return _HEALTHY
    pairs = {(side, lobe): odds[f"{side} {lobe}"] for side in ("left", "right") for lobe in BRAIN_LOBES}
    sure = [pair for pair, value in pairs.items() if value >= 0] or [max(pairs, key=lambda one: pairs[one])]
    where = " and ".join(f"{side} {_PLACES.get(lobe) or f'{lobe} lobe'}" for side, lobe in sure)
    there = [name for name in BRAIN_COMPONENTS if odds[name] >= 0]
    return f"There is a lesion in the {where}." + (f" There is {' and '.join(there)}." if there else "")
