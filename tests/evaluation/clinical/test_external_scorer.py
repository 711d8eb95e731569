"""The protocol of external scorers, with a dummy that counts shared words; what breaks it is told in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.evaluation.clinical.external import Pair, run_scorer

DUMMY = """
import json, os, sys
print("a library that talks")
rows = [json.loads(line) for line in open(sys.argv[1])]
assert "PYTHONPATH" not in os.environ and "VIRTUAL_ENV" not in os.environ
with open(sys.argv[2], "w") as out:
    print(json.dumps({"scorer": "words", "version": "1"}), file=out)
    for row in reversed(rows):
        said, true = set(row["hypothesis"].split()), set(row["reference"].split())
        answer = {"scores": {"shared": len(said & true) / len(true)}} if true else {"error": "no\\nreference"}
        print(json.dumps({"case_id": row["case_id"], **answer}), file=out)
"""
PAIRS = [
    Pair("a", "p1", "no effusion", "no effusion"),
    Pair("b", "p2", "edema 😀", "no edema"),
    Pair("c", "p3", "", "mass"),
]


@pytest.fixture
def scorer(tmp_path: Path):
    """A command that runs the script given."""

    def command(script: str) -> list[str]:
        (tmp_path / "scorer.py").write_text(script)
        return [sys.executable, str(tmp_path / "scorer.py")]

    return command


def test_scores_in_the_order_of_the_pairs_with_intervals(scorer, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    got = run_scorer(scorer(DUMMY), PAIRS)
    assert (got.scorer, got.version, got.higher_is_better) == ("words", "1", True)
    assert got.scores["shared"].tolist() == [1.0, 0.5, 0.0]
    metric = got.metrics(["p1", "p2", "p3"], resamples=100, seed=0)["shared"]
    assert metric.value == pytest.approx(0.5)
    assert metric.ci95 is not None
    assert metric.ci95[0] < 0.5 < metric.ci95[1]
    weights = np.array([[2.0], [0.0], [1.0]])
    assert got.statistics()(weights)["shared"][0] == pytest.approx(2 / 3)


def test_one_report_that_fails_makes_the_metric_null(scorer) -> None:
    got = run_scorer(scorer(DUMMY), [*PAIRS, Pair("d", "p4", "x", "")])
    metric = got.metrics(["p1", "p2", "p3", "p4"], resamples=10, seed=0)["shared"]
    assert metric.value is None
    assert metric.error == "words failed for 1 report, first case 'd': no reference"


def answer(*lines: str) -> str:
    return f"import sys; open(sys.argv[2], 'w').write({chr(10).join(lines)!r})"


HEAD = '{"scorer": "x", "version": "1"}'


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("import sys; print('out of memory', file=sys.stderr); sys.exit(3)", "exit code 3: out of memory"),
        ("", "wrote no OUTPUT"),
        (answer("nonsense"), "OUTPUT line 1 is not JSON"),
        (answer("[1]"), "line 1 is no object"),
        (answer('{"case_id": "a"}'), "first line of OUTPUT"),
        (answer(HEAD, '{"case_id": "a", "scores": {"f": 1}}'), r"lacks case 'b' \(2 of 3"),
        (answer(HEAD, '{"case_id": "z", "scores": {"f": 1}}'), "'z', which INPUT has not"),
        (answer(HEAD, *['{"case_id": "a", "scores": {"f": 1}}'] * 2), "case 'a' stands twice"),
        (answer(HEAD, '{"case_id": "a", "scores": {"f": NaN}}'), "'f' is nan; it must be a finite number"),
        (answer(HEAD, '{"case_id": "a", "scores": {"f": true}}'), "'f' is True"),
        (answer(HEAD, '{"case_id": "a"}'), "neither 'scores' nor 'error'"),
        (
            answer(HEAD, '{"case_id": "a", "scores": {"f": 1}}', '{"case_id": "b", "scores": {"g": 1}}'),
            "case 'b' has the scores",
        ),
        (answer(HEAD, *(f'{{"case_id": "{c}", "error": "no GPU"}}' for c in "abc")), "failed for every report"),
    ],
)
def test_what_breaks_the_protocol_is_one_line(scorer, script: str, rule: str) -> None:
    with pytest.raises(MedleyError, match=rule) as told:
        run_scorer(scorer(script), PAIRS)
    assert "\n" not in str(told.value)


def test_commands_that_cannot_run(scorer, tmp_path: Path) -> None:
    for command, pairs, rule in (
        (["/no/such/scorer"], PAIRS, "no such command"),
        ([str(tmp_path)], PAIRS, "may not be run"),
        ([], PAIRS, "command is empty"),
        (["x"], [], "no reports"),
        (["x"], [PAIRS[0], PAIRS[0]], "stands twice among the reports"),
    ):
        with pytest.raises(MedleyError, match=rule):
            run_scorer(command, pairs)
    with pytest.raises(MedleyError, match=r"not done after 0\.2 s"):
        run_scorer(scorer("import time; time.sleep(60)"), PAIRS, timeout_s=0.2)
