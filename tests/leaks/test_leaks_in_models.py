"""Systems that do not look: `medley evaluate` takes the image away, and its first line says what that changed.

In place of a trained model stands one whose skill is known: it answers from what it is shown, a film and a note, and
never from the case. Everything else is what a user runs.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from leaks_data import LABELS, Cohort, evidence, probabilities

import medley as toolkit
from medley.core.records import Prediction, Study
from medley.data.source import PARTS
from medley.evaluation.fitted.calibration import fit_calibration
from medley.evaluation.fitted.thresholds import fit_thresholds
from medley.evaluation.scorecard.findings_headline import METRIC
from medley.serving.predictor import Predictor
from medley.serving.scoring import run as scoring
from medley.serving.scoring.parts import predict_part

NOTHING = dict.fromkeys(LABELS, 0.0)
Read = Callable[[Study], Mapping[str, float]]  # log-odds


@pytest.fixture(scope="module")
def trained(clean: Cohort, toy_recipe, tmp_path_factory) -> Path:
    """A run on the clean cohort, for a model to be replaced in."""
    from medley.training.stages import train

    data = {"cases": str(clean.cases), "splits": str(clean.splits)}
    recipe = toy_recipe(data=data, stages={"joint": {"epochs": 1}}, evaluate={"bootstrap": 100})
    return train(recipe, tmp_path_factory.mktemp("runs") / "replaced")


@pytest.fixture
def run(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture(scope="module")
def what_is_known(trained) -> tuple[dict[bytes, dict[str, float]], dict[str, dict[str, float]]]:
    """What films and notes have in them: pixels -> the labels behind them, note -> the mean labels of its patients."""
    source = scoring.own_source(toolkit.load(trained))
    films, notes = {}, defaultdict(list)
    for case in (case for part in PARTS for case in source.parts[part]):
        study = source.study(case, [source.images.first(case)])
        films[study.films[0].pixels.tobytes()] = dict(case.labels)
        if study.note:
            notes[study.note].append([case.labels[label] for label in LABELS])
    return films, {note: dict(zip(LABELS, np.mean(rows, axis=0), strict=True)) for note, rows in notes.items()}


@pytest.fixture
def film(what_is_known) -> Read:
    """A reader of films: AUROC 0.86 on those that were taken, no idea of a black one."""
    films, _ = what_is_known

    def read(study: Study) -> Mapping[str, float]:
        pixels = study.films[0].pixels.tobytes()
        return evidence(f"film {pixels.hex()}", films[pixels], 1.5) if pixels in films else NOTHING

    return read


@pytest.fixture
def note(what_is_known) -> Read:
    """A reader of notes."""
    _, notes = what_is_known
    return lambda study: evidence(f"note {study.note}", notes[study.note], 1.5) if study.note else NOTHING


@pytest.fixture
def answering(monkeypatch) -> Callable:
    """Every Predictor answers by `fused`, with these heads beside it."""

    def install(fused: Callable[[Study], dict[str, float]], **heads: Read) -> None:
        def predictions(self: Predictor, studies: Sequence[Study], write: bool = True) -> list[Prediction]:
            return [
                Prediction(
                    study.case.case_id,
                    study.case.patient_id,
                    "chest_findings",
                    scores=fused(study),
                    heads={name: probabilities(read(study)) for name, read in heads.items()},
                )
                for study in studies
            ]

        monkeypatch.setattr(Predictor, "predictions", predictions)

    return install


@pytest.fixture
def evaluate(medley, run) -> Callable[[], tuple[dict, str]]:
    """`medley evaluate`: the scorecard and its first line."""

    def call() -> tuple[dict, str]:
        code, _, err = medley("evaluate", run)
        assert code == 0, err
        return json.loads((run / "evaluation" / "scorecard.json").read_text()), err

    return call


def sentence(said: str, begin: str) -> str:
    """The sentences of the first line that begin so; empty where there is none."""
    return ". ".join(one for one in said.replace("\n", " ").split(". ") if one.startswith(begin))


BEATS, DOES_NOT = "By more than its interval it beats", "It does not beat"


def test_a_system_that_looks_beats_every_floor(answering, evaluate, film, note):
    answering(lambda study: probabilities(film(study), note(study)), image_only=film, text_only=note)
    card, said = evaluate()
    for floor in ("the note alone", "itself on black images", "itself on another patient's images", "without the note"):
        assert floor in sentence(said, BEATS)
    assert not any(words in said for words in (DOES_NOT, "it is worse", "Nothing is known", "Whether it beats"))
    assert card["metrics"]["f1_macro"]["value"] > 0.5
    assert all(warning.startswith("subgroups by") for warning in card["warnings"]), "66 studies make small ones"


def test_an_image_blind_model(answering, evaluate, note):
    """It has no head that would show it: taking the film away changes nothing."""
    answering(lambda study: probabilities(note(study)))
    card, said = evaluate()
    assert card["metrics"][METRIC]["value"] > 0.7
    for floor in ("black_images", "shuffled_images"):
        assert card["metrics"][f"fused_minus_{floor}/{METRIC}"]["value"] == 0
    lost = sentence(said, DOES_NOT)
    assert "itself on black images" in lost
    assert "so its score does not come from the image" in lost
    assert "itself on another patient's images" in lost
    assert "itself without the note" in sentence(said, BEATS)


def test_a_text_only_model(answering, evaluate, note):
    """Its answer moves a little with the film, at random: the note alone scores as well."""
    healthy_or_not = dict.fromkeys(LABELS, 0.5)

    def glance(study: Study) -> Mapping[str, float]:
        return evidence(f"glance {study.films[0].pixels.tobytes().hex()}", healthy_or_not, 0.2)

    answering(lambda study: probabilities(glance(study), note(study)), image_only=glance, text_only=note)
    card, said = evaluate()
    lost = sentence(said, DOES_NOT)
    assert "the note alone" in lost
    assert "so the image adds nothing that these studies can show" in lost
    assert "itself on black images" in lost
    assert card["metrics"][METRIC]["value"] > 0.7


def test_a_run_whose_thresholds_were_tuned_on_test(answering, evaluate, run, film, note):
    answering(lambda study: probabilities(film(study), note(study)), image_only=film, text_only=note)
    predictor = toolkit.load(run)
    test = predict_part(predictor, scoring.own_source(predictor), "test")
    for name, fitted in (("thresholds", fit_thresholds(test)), ("calibration", fit_calibration(test))):
        record = fitted.model_copy(update={"weights": predictor.facts["weights"]})
        (run / f"{name}.json").write_text(json.dumps(record.to_json()))
    card, _ = evaluate()
    patients = len({line.patient_id for line in test})
    for metric, what in (("f1_macro", "thresholds"), ("mcc_macro", "thresholds"), ("ece_calibrated", "calibration")):
        assert card["metrics"][metric]["value"] is None
        assert f"{what} fitted on {patients} of the {patients} scored patients" in card["metrics"][metric]["error"]
    assert card["metrics"][METRIC]["value"] > 0.85
    assert any("fitted on" in warning for warning in card["warnings"])
