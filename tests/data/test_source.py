"""An opened source: parts by patient, films in groups, targets under the policy, notes by regime."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from medley.core.config import build_config
from medley.core.errors import MedleyError
from medley.core.records import Case, FilmInput, ImageRef
from medley.data.cases import read_cases, write_cases
from medley.data.images.films import group_views
from medley.data.notes import make_stamped_notes, write_notes
from medley.data.shards import build_shards
from medley.data.source import DataConfig, batches, open_source
from medley.data.splits import make_split, write_splits

NAN = math.nan


def config(folder: Path, **changes) -> DataConfig:
    paths = {"cases": str(folder / "cases.parquet"), "splits": str(folder / "splits.json"), "shards": None}
    return build_config(DataConfig, {**paths, **changes}, "data")


@dataclass(frozen=True)
class View:
    view: str
    name: str = ""


def kinds(groups) -> list[tuple[str, ...]]:
    return [tuple(one.view for one in group) for group in groups]


def test_parts_share_no_patient_and_hold_every_case(square_films):
    source = open_source(config(square_films), FilmInput(48, 2))
    patients = {part: {case.patient_id for case in cases} for part, cases in source.parts.items()}
    assert not patients["train"] & patients["dev"]
    assert not (patients["train"] | patients["dev"]) & patients["test"]
    assert sum(len(cases) for cases in source.parts.values()) == 120


@pytest.mark.parametrize(
    ("views", "one", "two"),
    [
        (["PA"], [("PA",)], [("PA",)]),
        (["LATERAL", "PA"], [("PA",), ("LATERAL",)], [("PA", "LATERAL")]),
        (["LATERAL"], [("LATERAL",)], [("LATERAL",)]),
        (
            ["UNKNOWN", "LATERAL", "AP", "PA"],
            [("PA",), ("AP",), ("UNKNOWN",), ("LATERAL",)],
            [("PA", "LATERAL"), ("AP",), ("UNKNOWN",)],
        ),
        (["LATERAL", "LATERAL", "PA"], [("PA",), ("LATERAL",), ("LATERAL",)], [("PA", "LATERAL"), ("LATERAL",)]),
        ([], [], []),
    ],
)
def test_films_are_read_alone_or_a_frontal_with_a_lateral(square_films, views, one, two):
    films = [View(view) for view in views]
    assert kinds(group_views(films, 1, config(square_films).views)) == one
    assert kinds(group_views(films, 2, config(square_films).views)) == two


def test_films_of_one_view_keep_their_order(square_films):
    films = [View("PA", "first"), View("PA", "second")]
    assert [group[0].name for group in group_views(films, 2, config(square_films).views)] == ["first", "second"]


def test_views_that_are_not_wanted_are_left_out(square_films):
    source = open_source(config(square_films, views=["PA"]), FilmInput(48, 2))
    assert all(kinds(source.groups(case)) == [("PA",)] for case in source.table.cases)
    with pytest.raises(MedleyError, match="the part 'train' has no study with a film of AP"):
        open_source(config(square_films, views=["AP"]), FilmInput(48, 2))


def test_a_table_without_a_test_part_is_opened_for_training_and_refused_for_scoring(square_films, tmp_path):
    table = read_cases(square_films / "cases.parquet")
    write_splits(tmp_path / "splits.json", make_split(table, fractions=(0.8, 0.2, 0)))
    settings = config(square_films, splits=str(tmp_path / "splits.json"))
    assert open_source(settings, FilmInput(48, 2)).parts["test"] == []
    with pytest.raises(MedleyError, match="the part 'test' has no study"):
        open_source(settings, FilmInput(48, 2), needed=("test",))


def table_with(folder: Path, square_films: Path, values: list[float]) -> Path:
    films = read_cases(square_films / "cases.parquet").cases
    rows = [
        Case(f"c{i}", f"p{i}", "1", (ImageRef("PA", films[i].images[0].path),), {}, {"Edema": values[i % len(values)]})
        for i in range(40)
    ]
    table = write_cases(folder / "cases.parquet", rows, ("Edema",))
    write_splits(folder / "splits.json", make_split(table, by="hash", seed=1))
    return folder


def test_targets_follow_the_policy_and_scoring_never_takes_uncertain_for_an_answer(square_films, tmp_path):
    folder = table_with(tmp_path, square_films, [1.0, 0.0, -1.0, NAN])
    for uncertain, blank, expected, known in (
        ("ignore", "mask", [1, 0, NAN, NAN], [1, 0, None, None]),
        ("ones", "negative", [1, 0, 1, 0], [1, 0, None, 0]),
        ("zeros", "mask", [1, 0, 0, NAN], [1, 0, None, None]),
        ("multiclass", "mask", [1, 0, -1, NAN], [1, 0, None, None]),
    ):
        source = open_source(config(folder, uncertain=uncertain, blank=blank), FilmInput(48, 2))
        first = source.table.cases[:4]
        np.testing.assert_array_equal([source.targets(case, 0)[0] for case in first], expected)
        assert [source.known_labels(case)["Edema"] for case in first] == known


def test_prevalence_is_of_what_is_known(square_films, tmp_path):
    folder = table_with(tmp_path, square_films, [1.0, 0.0, -1.0, NAN])
    for uncertain in ("ignore", "multiclass"):
        source = open_source(config(folder, uncertain=uncertain), FilmInput(48, 2))
        train = [case.labels["Edema"] for case in source.parts["train"]]
        known = [value for value in train if value in (0.0, 1.0)]
        assert source.prevalence()["Edema"] == pytest.approx(sum(known) / len(known))
    nothing = table_with(tmp_path, square_films, [NAN])
    assert open_source(config(nothing), FilmInput(48, 2)).prevalence() == {"Edema": 0.5}


def test_the_notes_are_those_of_the_regime(square_films):
    none = open_source(config(square_films, notes={"regime": "none"}), FilmInput(48, 2))
    real = open_source(config(square_films), FilmInput(48, 2))
    assert set(none.notes.values()) == {None}
    case = real.table.cases[1]
    assert real.study(case, case.images).note == case.text["indication"]
    assert real.study(real.table.cases[0], real.table.cases[0].images[:1]).note is None


def test_only_simulated_notes_are_told_again(square_films, tmp_path):
    sim = {"regime": "sim", "seed": 3}
    told = open_source(config(square_films, notes=sim), FilmInput(48, 2))
    case = next(case for case in told.table.cases if told.notes[case.case_id])
    assert told.note_told_again(case, 0) == told.notes[case.case_id]
    assert len({told.note_told_again(case, telling) for telling in range(5)}) > 2
    write_notes(tmp_path / "n.jsonl", make_stamped_notes(told.table.cases, "sim", 1.0, 3))
    for notes in ({"regime": "real"}, {**sim, "reword": False}, {**sim, "file": str(tmp_path / "n.jsonl")}):
        once = open_source(config(square_films, notes=notes), FilmInput(48, 2))
        for one in once.table.cases:
            assert once.note_told_again(one, 4) == once.notes[one.case_id]


def test_a_file_of_notes_must_fit_table_and_regime(square_films, tmp_path):
    table = read_cases(square_films / "cases.parquet")
    path = tmp_path / "notes.jsonl"
    write_notes(path, make_stamped_notes(table.cases, "sim", 1.0, 3))
    source = open_source(config(square_films, notes={"regime": "sim", "file": str(path)}), FilmInput(48, 2))
    assert dict(source.notes) == dict(make_stamped_notes(table.cases, "sim", 1.0, 3).notes)
    with pytest.raises(MedleyError, match="holds notes of regime 'sim', the recipe says 'real'"):
        open_source(config(square_films, notes={"file": str(path)}), FilmInput(48, 2))
    write_notes(path, make_stamped_notes(table.cases[:5], "sim", 1.0, 3))
    with pytest.raises(MedleyError, match="lacks 115 cases"):
        open_source(config(square_films, notes={"regime": "sim", "file": str(path)}), FilmInput(48, 2))


def test_labels_can_be_chosen_by_any_of_their_names(square_films):
    source = open_source(config(square_films, labels=["lung_opacity", "EDEMA"]), FilmInput(48, 2))
    assert source.labels == ("Lung Opacity", "Edema")
    case = source.table.cases[0]
    assert source.targets(case, 0).tolist() == [case.labels["Lung Opacity"], case.labels["Edema"]]


def test_shards_and_files_give_the_same_films(square_films, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDLEY_CACHE", str(tmp_path))
    reads = FilmInput(32, 2)
    files, shards = open_source(config(square_films), reads), open_source(config(square_films, shards="auto"), reads)
    for case in files.table.cases[:6]:
        for image in case.images:
            a, b = files.images.read_film(image), shards.images.read_film(image)
            assert (a.view, a.placement) == (b.view, b.placement)
            np.testing.assert_array_equal(a.pixels, b.pixels)


def test_batches_hold_everything_once():
    assert [list(batch) for batch in batches([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]
    assert list(batches([], 3)) == []


def test_a_film_that_cannot_be_read_is_left_out_and_its_study_goes_on_with_the_rest(draw_squares, tmp_path):
    table = draw_squares(tmp_path, 40)
    write_splits(tmp_path / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.5, 0.25, 0.25)))
    (tmp_path / "000-LATERAL.png").write_bytes(b"")
    (tmp_path / "001-PA.png").write_bytes((tmp_path / "001-PA.png").read_bytes()[:60])

    source = open_source(config(tmp_path, shards="auto"), FilmInput(32, 2))

    assert {Path(path).name for path in source.unreadable} == {"000-LATERAL.png", "001-PA.png"}
    kept = {case.case_id: source.groups(case) for cases in source.parts.values() for case in cases}
    assert [[image.view for image in group] for group in kept["case-000"]] == [["PA"]]
    assert "case-001" not in kept
    assert len(kept) == 39


def test_a_part_of_which_no_film_can_be_read_says_so(tmp_path, draw_squares):
    table = draw_squares(tmp_path, 40)
    manifest = make_split(table, by="stratified", seed=1, fractions=(0.5, 0.25, 0.25))
    write_splits(tmp_path / "splits.json", manifest)
    for case in table.pick(manifest.parts["dev"]):
        for image in case.images:
            (tmp_path / Path(image.path).name).write_bytes(b"")
    with pytest.raises(MedleyError, match=r"the part 'dev' .* that can be read; first: .*is empty \(0 bytes\)"):
        open_source(config(tmp_path, shards=None), FilmInput(32, 2))


@pytest.mark.parametrize("shards", [None, "auto"])
def test_a_study_without_a_readable_film_is_left_out_by_name_and_the_rest_is_there(tmp_path, draw_squares, shards):
    table = draw_squares(tmp_path, 40)
    write_splits(tmp_path / "splits.json", make_split(table, by="stratified", seed=1))
    bad = tmp_path / "005-PA.png"
    bad.write_bytes(bad.read_bytes()[:100])
    (tmp_path / "004-LATERAL.png").write_text("no picture")  # its study keeps the other film
    source = open_source(config(tmp_path, shards=shards), FilmInput(48, 2))
    left_out = {case_id: why for part in source.manifest.parts for case_id, why in source.left_out(part).items()}
    assert set(left_out) == {"case-005"}
    assert "005-PA.png" in left_out["case-005"]
    assert sum(len(cases) for cases in source.parts.values()) == 39
    for case in (case for cases in source.parts.values() for case in cases):
        for group in source.groups(case):
            assert source.study(case, group).films


def test_a_study_of_views_that_are_not_asked_for_is_not_called_left_out(square_films):
    source = open_source(config(square_films, views=["LATERAL"]), FilmInput(48, 2))
    assert sum(len(cases) for cases in source.parts.values()) == 30
    assert all(source.left_out(part) == {} for part in source.parts)


def test_films_missing_from_given_shards_are_left_out(tmp_path, draw_squares):
    table = draw_squares(tmp_path, 40)
    write_splits(tmp_path / "splits.json", make_split(table, by="stratified", seed=1))
    build_shards(read_cases(tmp_path / "cases.parquet"), tmp_path / "shards", 48)
    (tmp_path / "007-PA.png").unlink()
    source = open_source(config(tmp_path, shards=str(tmp_path / "shards")), FilmInput(48, 2))
    (reason,) = [why for part in source.parts for why in source.left_out(part).values()]
    assert "007-PA.png is not in the shards" in reason
