"""Examples of where the system looked: of the part that is scored, one a label, and said in words."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import medley
from medley.serving.explaining.marked import marked_studies
from medley.serving.scoring import run as scoring
from medley.serving.scoring.examples import _picture, marked_examples


@pytest.fixture(scope="module")
def on_a_cohort(toy_run, tmp_path_factory):
    """The toy run (trained on other films) beside a table that marks its lesions."""
    from medley.data.cases import read_cases
    from medley.data.cohorts import cohort_of
    from medley.data.splits import make_split, write_splits

    folder = tmp_path_factory.mktemp("marked")
    cohort_of("cxr_reasoner")(folder, 12, 5, "easy", workers=1)
    table = read_cases(folder / "cases.parquet")
    write_splits(folder / "splits.json", make_split(table, fractions=(0, 0, 1)))
    predictor = medley.load(toy_run)
    return predictor, scoring.other_source(predictor, folder / "cases.parquet", folder / "splits.json", "test")


def test_each_example_is_of_another_label_and_told_in_words(on_a_cohort):
    predictor, source = on_a_cohort
    labels = ["Fracture", "Edema", "Lung Opacity"]
    examples = marked_examples(predictor, source, "test", "queries", labels)
    shown = [words.split(" (said")[0] for _, words in examples]
    assert shown
    assert shown == [label for label in labels if label in shown], "in the order asked for, none twice"
    for png, words in examples:
        assert np.asarray(Image.open(io.BytesIO(png))).std() > 1
        case_id = words.split("case ")[1].split(":")[0]
        assert source.table.by_id[case_id].labels[words.split(" (said")[0]] == 1
    assert marked_examples(predictor, source, "test", "queries", labels) == examples


def test_the_colour_lies_where_the_map_is(on_a_cohort):
    predictor, source = on_a_cohort
    marked = marked_studies(predictor, source, "test", 4)
    corner = np.zeros((4, 4), np.float32)
    corner[0, 3] = 1  # upper right
    rgb = np.asarray(Image.open(io.BytesIO(_picture(marked, 0, corner))).convert("RGB"), float)
    colour = rgb.max(-1) - rgb.min(-1)
    half = len(colour) // 2
    outline = colour[half:, :half]  # at most the lesion's outline
    assert colour[: half // 2, -half // 2 :].mean() > 3 * outline.mean()


def test_a_table_without_lesions_has_no_example(toy_run):
    predictor = medley.load(toy_run)
    assert marked_examples(predictor, scoring.own_source(predictor), "test", "queries", ["Edema"]) == ()
