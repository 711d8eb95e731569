"""Controls: what the same training gives when there is nothing to learn.

label_shuffled   the run's own recipe, trained anew with the same budget while each patient of the train and dev parts
                 has the labels of another. Films, notes and the scored part stay as they are, so it must score 0.5;
                 what it scores above that comes from somewhere else than from learning.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from medley.core.records import Case
from medley.core.seeds import generator
from medley.data.cases import write_cases
from medley.data.notes import make_stamped_notes, read_notes, write_notes
from medley.data.source import Source
from medley.data.splits import SplitManifest, write_splits
from medley.evaluation.floors.paired import SHUFFLED
from medley.serving.predictor import Predictor, load
from medley.serving.scoring.model_floors import Floors
from medley.serving.scoring.parts import Tick, predict_part
from medley.training.recipe import Recipe
from medley.training.stages import Say, train


def label_shuffled(
    predictor: Predictor, own: Source, source: Source, part: str, say: Say = lambda _: None, tick: Tick = None
) -> Floors:
    """Train the control into RUN/controls/label_shuffled (once: a finished one is read again) and answer the part.

    `own` is the data that the run was trained on, `source` what is scored.
    """
    folder = Path(predictor.facts["run"]) / "controls" / SHUFFLED
    recipe = shuffled_recipe(predictor.recipe, own, folder / "data")
    say(f"training the control {SHUFFLED} into {folder}")
    run = folder / "run"
    train(recipe, run, resume=(run / "config.yaml").is_file(), say=say, tick=tick, audit=False)
    return {SHUFFLED: predict_part(load(run, str(predictor.device)), source, part, tick, what=f"{SHUFFLED} on")}


def shuffled_recipe(recipe: Recipe, own: Source, folder: Path) -> Recipe:
    """The recipe on a copy of its table in `folder` with the labels of train and dev shuffled among their patients.

    The notes are those of the true labels (a simulated note follows the labels it is made from, and must not follow
    the shuffled ones), and the films are decoded already where the run's are.
    """
    moved = {
        case.case_id: case for part in ("train", "dev") for case in shuffle_labels(own.parts[part], part, recipe.seed)
    }
    cases = [moved.get(case.case_id, case) for case in own.table.cases]
    table = write_cases(folder / "cases.parquet", [_absolute(case) for case in cases], own.table.labels)
    parts = own.manifest.parts
    manifest = SplitManifest(own.manifest.by, own.manifest.seed, own.manifest.fractions, table.digest, parts)
    write_splits(folder / "splits.json", manifest)
    notes, regime = recipe.data.notes, recipe.data.notes.regime
    if regime not in ("none", "real"):  # these two do not depend on the labels
        made = read_notes(notes.file) if notes.file else None
        made = made or make_stamped_notes(own.table.cases, regime, notes.strength, notes.seed)
        write_notes(folder / "notes.jsonl", made)
        notes = notes.model_copy(update={"file": str(folder / "notes.jsonl")})
    shards = recipe.data.shards
    if shards == "auto":
        shards = str(own.images.store)
    change = {"cohort": None, "cases": str(folder / "cases.parquet"), "splits": str(folder / "splits.json")}
    data = recipe.data.model_copy(update={**change, "notes": notes, "shards": shards})
    return recipe.model_copy(update={"data": data, "demo": {}})  # what a demo changes is of the run's own data


def shuffle_labels(cases: Sequence[Case], *key: object) -> list[Case]:
    """The cases with each patient's labels handed to another patient; studies of one patient get those of one other.

    A patient with more studies than the other gets the other's labels over again.
    """
    by_patient: dict[str, list[Case]] = {}
    for case in cases:
        by_patient.setdefault(case.patient_id, []).append(case)
    names = sorted(by_patient)
    order = generator("shuffled labels", *key).permutation(len(names))
    given = {names[to]: by_patient[names[of]] for to, of in zip(order, [*order[1:], order[0]], strict=True)}
    out = []
    for patient, studies in by_patient.items():
        other = given[patient]
        for i, case in enumerate(studies):
            out.append(dataclasses.replace(case, labels=other[i % len(other)].labels))
    return out


def _absolute(case: Case) -> Case:
    images = tuple(dataclasses.replace(image, path=str(Path(image.path).absolute())) for image in case.images)
    return dataclasses.replace(case, images=images)
