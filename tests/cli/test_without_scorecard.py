"""A family whose task has no scorecard is trained and asked, and neither scored nor explained nor in the demo."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from medley.core.errors import MedleyError
from medley.families import FAMILIES, get_family
from medley.serving.explaining.study import check_methods
from medley.serving.scoring.run import has_scorecard


@pytest.fixture
def demo_of(monkeypatch, tmp_path) -> list[str]:
    """The families that `medley demo` was told to run, none of which is run."""
    asked: list[str] = []

    def note(names, out, batch):
        asked.extend(names)
        return tmp_path / "index.html"

    monkeypatch.setattr("medley.cli.demo_run.run_demo", note)
    return asked


def test_findings_have_a_scorecard_and_reports_have_none():
    assert has_scorecard(get_family("cxr_reasoner"))
    assert not has_scorecard(get_family("chexquery"))


def test_evaluate_refuses_it_in_one_line_before_it_reads_any_data(medley, monkeypatch):
    run = SimpleNamespace(family=get_family("chexquery"))  # it has nothing else: reading more would fail
    monkeypatch.setattr("medley.serving.predictor.load", lambda *_, **__: run)
    code, printed, err = medley("evaluate", "a-run")
    assert (code, printed) == (2, "")
    assert err.splitlines() == [
        "medley: chexquery: there is no scorecard of its task, chest_report, yet; medley predict shows what it writes"
    ]


def test_the_demo_is_of_the_families_that_can_be_scored(medley, demo_of):
    code, _, err = medley("demo")
    assert code == 0, err
    assert demo_of == [name for name in FAMILIES if has_scorecard(get_family(name))]
    assert "cxr_reasoner" in demo_of
    assert "chexquery" not in demo_of


def test_the_demo_refuses_a_family_by_name_before_another_is_trained(medley, demo_of):
    code, _, err = medley("demo", "cxr_reasoner", "chexquery")
    assert (code, demo_of) == (2, [])
    assert "there is no scorecard of its task" in err


def test_a_family_that_writes_is_not_explained_yet():
    with pytest.raises(MedleyError, match="chexquery writes reports, which cannot be explained yet"):
        check_methods(SimpleNamespace(family=get_family("chexquery")), ["queries"])
