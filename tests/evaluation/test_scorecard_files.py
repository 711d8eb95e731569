"""The scorecard on disk: DESIGN's shape, read back as it was, whole, and a page that stands alone."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from medley.core.errors import MedleyError
from medley.evaluation import page
from medley.evaluation.findings import chest_findings_scorecard
from medley.evaluation.scorecard import Protocol, Scorecard, read_scorecard
from medley.evaluation.scorecard_files import write_scorecard
from medley.evaluation.thresholds import fit_thresholds

FILES = ["metrics.csv", "per_label.csv", "pr.png", "reliability.png", "roc.png", "scorecard.html", "scorecard.json"]


def card_of(predictions, **protocol) -> Scorecard:
    return chest_findings_scorecard(
        predictions,
        thresholds=None,
        protocol=Protocol(**protocol),
        provenance={"command": "score <&>"},
        floors={"thumbnail_probe": {"auroc_macro": 0.7, "auroc/Edema": 0.66}},
        bootstrap=20,
    )


class Page(HTMLParser):
    """Tags opened and closed in order, and every address that a page would load."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in ("meta", "img", "br", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_all_files_and_nothing_else(make, tmp_path: Path) -> None:
    predictions = make(60)
    card = chest_findings_scorecard(
        predictions,
        thresholds=fit_thresholds(make(60, "dev")),
        protocol=Protocol(part="test"),
        provenance={},
        floors={},
        bootstrap=20,
    )
    assert write_scorecard(card, tmp_path / "out", predictions) == tmp_path / "out" / "scorecard.html"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    content = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    shape = ["task", "protocol", "provenance", "metrics", "floors", "per_label", "subgroups", "warnings"]
    assert list(content) == shape
    assert set(content["metrics"]["auroc_macro"]) == {"value", "ci95", "n", "error"}
    assert read_scorecard(tmp_path / "out") == card
    rows = list(csv.DictReader((tmp_path / "out" / "metrics.csv").open()))
    assert {row["metric"]: row["value"] for row in rows}["auroc_macro"] == str(card.metrics["auroc_macro"].value)
    rows = list(csv.DictReader((tmp_path / "out" / "per_label.csv").open()))
    fracture = [row for row in rows if (row["label"], row["metric"], row["head"]) == ("Fracture", "f1", "fused")]
    assert fracture[0]["value"] == ""
    assert "threshold" in fracture[0]["error"]
    assert (tmp_path / "out" / "roc.png").read_bytes()[:4] == b"\x89PNG"


def test_the_page_stands_alone_and_escapes_what_comes_from_data(make, tmp_path: Path) -> None:
    evil = "<script>alert('$Edema$^')</script>"  # neither HTML nor a formula
    made = make(60, heads=("text_only",))
    predictions = [
        replace(
            p,
            scores={**p.scores, evil: p.scores["Edema"]},
            labels={**p.labels, evil: p.labels["Edema"]},
            heads={"text_only": {**p.heads["text_only"], evil: 0.5}},
        )
        for p in made
    ]
    write_scorecard(card_of(predictions, reader=evil), tmp_path, predictions)
    text = (tmp_path / "scorecard.html").read_text(encoding="utf-8")
    parsed = Page(text)
    assert parsed.open == []
    assert "script" not in parsed.tags
    assert len(parsed.loads) == 3
    assert all(address.startswith("data:image/png;base64,") for address in parsed.loads)
    assert "score &lt;&amp;&gt;" in text
    assert "0.660" in text  # the floor of the label, beside it


def test_generated_data_are_stamped(make, tmp_path: Path) -> None:
    predictions = make(40)
    for synthetic in (True, False):
        write_scorecard(card_of(predictions, synthetic=synthetic), tmp_path, predictions)
        assert ("SYNTHETIC" in (tmp_path / "scorecard.html").read_text(encoding="utf-8")) is synthetic


@pytest.mark.parametrize("n", [1, 12])
def test_a_card_of_nulls_is_written_too(make, tmp_path: Path, n: int) -> None:
    predictions = [replace(p, labels={"Edema": 1}, patient_id="one") for p in make(n)]
    card = card_of(predictions)
    write_scorecard(card, tmp_path, predictions)
    assert read_scorecard(tmp_path / "scorecard.json") == card
    assert "could not be computed" in (tmp_path / "scorecard.html").read_text(encoding="utf-8")


def test_many_labels_get_a_small_picture_each_and_the_same_card_the_same_bytes(make, tmp_path: Path) -> None:
    predictions = [
        replace(
            p,
            scores={**p.scores, **{f"Label {i}": p.scores["Edema"] for i in range(3)}},
            heads={},
        )
        for p in make(40)
    ]
    write_scorecard(card_of(predictions), tmp_path / "a", predictions)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "roc.png").write_bytes(b"of an older run")
    write_scorecard(card_of(predictions), tmp_path / "b", predictions)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_is_written_where_the_card_does_not_fit_json(make, tmp_path: Path) -> None:
    predictions = make(40)
    card = replace(card_of(predictions), subgroups={"sex": tmp_path})
    with pytest.raises(TypeError):
        write_scorecard(card, tmp_path / "out", predictions)
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_where_the_card_cannot_be_drawn(make, tmp_path: Path) -> None:
    with pytest.raises(KeyError):  # predictions of another card: our caller's mistake
        write_scorecard(
            card_of(make(40)), tmp_path / "out", [replace(p, scores={"Mass": 0.5}, heads={}) for p in make(3)]
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "is not a scorecard"),
        ("{}", "lacks task"),
        ('{"metric": {}}', "did you mean 'metrics'"),
        ("{", "is not JSON"),
        (
            '{"task": "", "protocol": {}, "provenance": {}, "metrics": {"x": {"value": 1}}, "floors": {}, '
            '"per_label": {}, "subgroups": {}, "warnings": []}',
            "score again",
        ),
    ],
)
def test_what_is_no_scorecard_is_refused(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "scorecard.json").write_text(content)
    with pytest.raises(MedleyError, match=says):
        read_scorecard(tmp_path)
    with pytest.raises(MedleyError, match="does not exist"):
        read_scorecard(tmp_path / "none.json")


def test_the_pieces_escape_and_nest() -> None:
    text = page.document(
        "a < b", page.folded("<i>", page.table(["x"], [["<td>", "1 & 2"]], caption="$title")), stamp="<b>"
    )
    parsed = Page(text + page.figure(b"png", 'say "x"') + page.bullets(["<li>"]))
    assert parsed.open == []
    assert "i" not in parsed.tags
    assert "1 &amp; 2" in text
    assert "$title" in text
    assert 'alt="say &quot;x&quot;"' in page.figure(b"png", 'say "x"')
