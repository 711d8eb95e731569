"""A run folder, read for answering: its weights, what was fitted for exactly these weights, and what it says of itself.

A training that has not finished is refused unless it is asked for. Thresholds and calibration carry the digest of the
weights whose scores they were fitted on; those of other weights are not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from medley.core.config import read_yaml
from medley.core.errors import MedleyError
from medley.core.family import Family, Processor
from medley.core.files import read_json, sha256
from medley.core.weights import WEIGHTS, read_facts, resolve
from medley.evaluation.fitted.calibration import Calibration
from medley.evaluation.fitted.thresholds import Thresholds
from medley.families import get_family
from medley.training.checkpoint import STATE, progress_of, rebuild, stage_folder
from medley.training.recipe import Recipe, family_config, resolve_recipe

NO_THRESHOLDS = "this run has no thresholds (medley evaluate fits them on its dev part): bands are read against 0.5"


@dataclass(frozen=True)
class OpenRun:
    """What a run folder holds. `unfitted` says why there are no thresholds, where there are none."""

    family: Family
    recipe: Recipe
    processor: Processor
    model: nn.Module
    thresholds: Thresholds | None
    calibration: Calibration | None
    unfitted: str
    facts: dict[str, Any]


def open_run(run: str | Path, unfinished: bool = False) -> OpenRun:
    """The run of a folder or a hub id. Raises MedleyError naming what is missing; see `predictor.load`."""
    folder = resolve(run)
    if not (folder / "config.yaml").is_file():
        raise MedleyError(f"{folder} holds no config.yaml: it is no run of `medley train`")
    document = read_yaml(folder / "config.yaml")
    _check_family(folder, document.get("family"))
    recipe = resolve_recipe(document, str(folder / "config.yaml"))
    family = get_family(recipe.family)
    config = family_config(recipe, family)
    if not (folder / "processor").is_dir():
        raise MedleyError(f"{folder} holds no processor: its training did not begin; run medley train again")
    processor = family.load_processor(config, folder / "processor")
    stages = [stage_folder(folder, number, name) for number, name in enumerate(recipe.stages, start=1)]
    stopped = _where_it_stopped(stages)
    if stopped and not unfinished:
        raise MedleyError(
            f"{folder}: training has not finished: {stopped}; go on with medley train … --resume, or take its best "
            "weights so far with --unfinished (in Python: unfinished=True)"
        )
    stage = next((one for one in reversed(stages) if (one / WEIGHTS).is_file()), stages[-1])
    model, weights = rebuild(family, config, processor, stage)
    digest = sha256(stage / WEIGHTS)[:16]
    thresholds, calibration, unfitted = _fitted(folder, digest)
    data = read_json(folder / "data.json")
    facts = {
        "run": str(folder),
        "family": family.name,
        "medley": weights["medley"],
        "weights": digest,
        "stage": weights["stage"],
        "finished": stopped is None,
        "trained_on_synthetic": data["synthetic"],
        "note_regime": data["notes"]["regime"],
        "notes_audit": notes_audit(folder),
        "leaky": data.get("leaky", False),  # its notes gave the labels away; runs from before the audit do not say
        "label_policy": data["label_policy"],
        "anatomy_known": data.get("anatomy_known"),  # training studies that show where parts of the body lie
        "masks_known": data.get("masks_known"),  # … and where findings lie
        "hierarchy_holds": data.get("hierarchy_holds", True),
    }
    return OpenRun(family, recipe, processor, model, thresholds, calibration, unfitted, facts)


def _check_family(folder: Path, family: Any) -> None:
    """Refuse weights that a model of another family left in this folder, before anything is read by their names."""
    for weights in sorted(folder.glob(f"*/{WEIGHTS}")) if family is not None else ():
        of = read_facts(weights).get("family", family)
        if of != family:
            raise MedleyError(
                f"{weights} is of the family {of}, and the run's config.yaml says {family}: weights of one family are "
                "not read by another; name the run that they belong to"
            )


def _where_it_stopped(stages: list[Path]) -> str | None:
    """Where the training of these stages stands; None where it is done, and where it left nothing at all."""
    begun = [
        number for number, stage in enumerate(stages, 1) if (stage / WEIGHTS).is_file() or (stage / STATE).is_file()
    ]
    if not begun:
        return None
    number, stage = begun[-1], stages[begun[-1] - 1]
    at = f"stage {number} of {len(stages)} ({stage.name})"
    if (stage / STATE).is_file():
        progress = progress_of(stage / STATE)
        return f"{at} stands at step {progress.step} of {progress.steps}"
    return None if number == len(stages) else f"{at} is the last that left weights"


def _fitted(folder: Path, weights: str) -> tuple[Thresholds | None, Calibration | None, str]:
    """Thresholds and calibration, which are fitted together, or why there are none of these weights."""
    thresholds = calibration = None
    if (path := folder / "thresholds.json").is_file():
        thresholds = Thresholds.from_json(read_json(path), str(path))
    if (path := folder / "calibration.json").is_file() and (content := read_json(path)) is not None:
        calibration = Calibration.from_json(content, str(path))
    for name, fitted in (("thresholds", thresholds), ("calibration", calibration)):
        if fitted is not None and fitted.weights not in ("", weights):
            return (
                None,
                None,
                (
                    f"{name}.json was fitted for weights {fitted.weights}, this run has {weights}: it is not used, and "
                    "bands are read against 0.5; medley evaluate fits it anew"
                ),
            )
    return thresholds, calibration, NO_THRESHOLDS


def notes_audit(folder: Path) -> str:
    """What the audit before training said of the run's notes: passed, not made, nothing to audit, or what failed."""
    if not (folder / "audit.json").is_file():
        return "not made"
    verdict = read_json(folder / "audit.json")
    if verdict["failed"]:
        return f"failed check {', '.join(map(str, verdict['failed']))}"
    return "passed" if verdict["passed"] else "no check could be made"
