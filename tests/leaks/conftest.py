"""The clean cohort that every leak is planted into: drawn once, with something in it for every check to look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from leaks_data import LABELS, Cohort, plant, read_film, save_png

from medley.core.records import Case, ImageRef
from medley.core.seeds import generator
from medley.data.cohorts import cohort_of
from medley.data.notes import make_notes
from medley.data.splits import make_split

STUDIES, SEED = 200, 3
HONEST_RECIPE = Path(__file__).parents[2] / "recipes" / "cxr_reasoner" / "tiny.yaml"


@pytest.fixture(scope="session")
def clean(tmp_path_factory) -> Cohort:
    """Generated films, reports and labels, with simulated notes as indications, two hospitals that differ in nothing,
    a harmless line in every film's header, and a split in thirds that gives every label support in every part."""
    folder = tmp_path_factory.mktemp("leaks")
    drawn = cohort_of("cxr_reasoner")(folder / "drawn", STUDIES, seed=SEED, px=64, workers=1)
    notes = make_notes(drawn.cases, "sim", 1.0, seed=5)

    def tidy(case: Case) -> Case:
        frontal = case.images[0]
        path = save_png(folder / "films" / Path(frontal.path).name, read_film(frontal.path), "chest radiograph")
        told = notes[case.case_id]
        return replace(
            case,
            images=(ImageRef(frontal.view, str(path)),),
            text={**case.text, **({"indication": told} if told else {})},
            labels={label: case.labels[label] for label in LABELS},
            truth={"findings": [{"label": one["label"], "side": one["side"]} for one in case.truth["findings"]]},
            source=("north", "south")[int(generator("hospital", case.patient_id).integers(2))],
        )

    table = replace(drawn, cases=tuple(map(tidy, drawn.cases)), labels=LABELS)
    parts = make_split(table, by="stratified", seed=1, fractions=(0.34, 0.33, 0.33)).parts
    return plant(folder, Cohort(folder, table, parts))


@pytest.fixture
def check_data(medley) -> Callable:
    """`medley check-data` on a cohort: (exit code, name of the check -> its row)."""

    def run(cohort: Cohort, *options: object, recipe: Path = HONEST_RECIPE) -> tuple[int, dict[str, dict]]:
        given = ("--splits", cohort.splits, "--recipe", recipe, "--workers", 1, "--json")
        code, said, err = medley("check-data", cohort.cases, *given, *options)
        assert code in (0, 1), err
        return code, {check["name"]: check for check in json.loads(said)["checks"]}

    return run
