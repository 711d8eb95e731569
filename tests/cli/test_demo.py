"""`medley demo` is of every family, and its page holds what each can say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import medley as toolkit
from medley.families import FAMILIES


@pytest.fixture
def demo_of(monkeypatch, tmp_path) -> list[str]:
    """The families that `medley demo` was told to run, none of which is run."""
    asked: list[str] = []

    def note(names, out, batch):
        asked.extend(names)
        return tmp_path / "index.html"

    monkeypatch.setattr("medley.cli.demo_run.run_demo", note)
    return asked


def test_the_demo_is_of_every_family(medley, demo_of):
    code, _, err = medley("demo")
    assert code == 0, err
    assert demo_of == list(FAMILIES)


def test_a_misspelt_family_is_refused_before_another_is_trained(medley, demo_of):
    code, _, err = medley("demo", "cxr_reasoner", "chexqery")
    assert (code, demo_of) == (2, [])
    assert "did you mean 'chexquery'?" in err


def test_the_page_shows_what_was_written_beside_the_true_report(medley, report_run, tmp_path, monkeypatch):
    run = Path(shutil.copytree(report_run, tmp_path / "chexquery"))
    recipe = toolkit.load(run).recipe
    monkeypatch.setattr("medley.training.recipe.load_recipe", lambda *_, **__: recipe)
    code, printed, err = medley("demo", "chexquery", "--out", tmp_path, "--batch", 1)
    assert code == 0, err
    page = Path(printed.strip()).read_text(encoding="utf-8")
    assert page.count("Written by the model") == page.count("The true report") == 1
    assert "Against its floors" in page
    assert "Clinical F1" in page
    assert page.index("The true report") < page.index("Written by the model"), "in the order that a phone names them"
    shown = sorted(path.stem for path in (run / "cases").glob("*.png"))
    assert len(shown) == 1
    source = {case.case_id: case for case in cases_of(run)}
    for case_id in shown:
        assert source[case_id].text["findings"] in page


def cases_of(run: Path):
    from medley.serving.scoring.run import own_source

    return own_source(toolkit.load(run)).table.cases
