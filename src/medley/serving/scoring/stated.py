"""What a scorecard states of itself: the protocol, which two scorecards must share, and where this one comes from."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medley.core.about import VERSION
from medley.core.files import sha256
from medley.core.records import VolumeInput
from medley.data.policies import LabelPolicy
from medley.data.source import NotesConfig, Source
from medley.evaluation.scorecard.card import Protocol
from medley.serving.predictor import Predictor


def protocol_of(predictor: Predictor, source: Source, part: str) -> Protocol:
    """What is measured when this part of the source is scored. How the run was trained is not in it."""
    config, how = source.config, predictor.recipe.evaluate.aggregation
    reader = config.cohort and f"generated cohort {config.cohort}, difficulty {config.difficulty}"
    if isinstance(predictor.reads, VolumeInput):
        read = f"one volume a study; sequences {', '.join(predictor.reads.sequences)}"
    else:
        read = f"{how} over the films of a study; views {', '.join(config.views)}"
        read += "; the report is of the films that are read together first" if predictor.writes else ""
    return Protocol(
        reader=reader or "+".join(sorted({case.source for case in source.table.cases})),
        table=source.table.digest,
        split=source.manifest.digest,
        part=part,
        label_policy=LabelPolicy("ignore", config.blank).describe(),
        notes=_notes(config.notes),
        aggregation=read,
        synthetic=all(case.synthetic for case in source.table.cases),
    )


def _notes(config: NotesConfig) -> str:
    """The regime of the notes, and what they were drawn with where they were."""
    from medley.data.notes import read_notes

    strength, seed = config.strength, config.seed
    if config.file is not None:
        read = read_notes(config.file)
        strength, seed = read.strength, read.seed
    said = {"sim": f"sim, strength {strength:g}, seed {seed}", "seed_leaky": f"seed_leaky, seed {seed}"}
    return said.get(config.regime, config.regime)


def provenance_of(predictor: Predictor, command: str, predictions: Path) -> dict[str, Any]:
    """Which run, command, weights and machine made the file of predictions, and what the run was trained on."""
    import numpy
    import torch

    return {
        "command": command,
        "run": predictor.facts["run"],
        "weights": predictor.facts["weights"],
        "predictions": sha256(predictions)[:16],
        "trained_label_policy": predictor.facts["label_policy"],
        "trained_notes": predictor.facts["note_regime"],
        "notes_audit": predictor.facts["notes_audit"],
        "leaky": predictor.facts["leaky"],
        "reads": asdict(predictor.reads),
        "training_seed": predictor.recipe.seed,
        "medley": VERSION,
        "versions": f"python {platform.python_version()}, torch {torch.__version__}, numpy {numpy.__version__}",
        "machine": f"{platform.machine()}, {platform.system()}, {os.cpu_count()} cores, {predictor.device.type}",
    }
