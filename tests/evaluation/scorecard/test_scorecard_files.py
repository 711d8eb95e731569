"""The scorecard on disk: DESIGN's shape, read back as it was, whole, and a page that stands alone."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from medley.core.errors import MedleyError
from medley.evaluation.findings.scorecard import chest_findings_scorecard
from medley.evaluation.fitted.calibration import fit_calibration
from medley.evaluation.fitted.thresholds import fit_thresholds
from medley.evaluation.floors.paired import paired_floors, with_floors
from medley.evaluation.floors.simple import all_negative_floor
from medley.evaluation.predictions.arrays import head_tables
from medley.evaluation.scorecard import page
from medley.evaluation.scorecard.body import scorecard_body, scorecard_page, stamps
from medley.evaluation.scorecard.card import LabelScores, Protocol, Scorecard, read_scorecard
from medley.evaluation.scorecard.files import write_scorecard
from medley.evaluation.scorecard.headline import headline
from medley.evaluation.scorecard.pictures import finding_pictures
from medley.evaluation.scorecard.words import LEAKY
from medley.evaluation.statistics import Metric

TABLES, PICTURES = (
    ["metrics.csv", "per_label.csv"],
    ["floors.png", "labels.png", "pr.png", "reliability.png", "roc.png"],
)
FILES = sorted([*TABLES, *PICTURES, "scorecard.html", "scorecard.json"])


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
        loads = [value for name, value in attrs if name in ("src", "href", "action", "data")]
        self.loads += [address for address in loads if not address.startswith("#")]  # a place on this page
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
    shape = ["task", "protocol", "provenance", "metrics", "floors", "ceilings", "per_label"]
    shape += ["subgroups", "warnings"]
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
    assert len(parsed.loads) == len(PICTURES)
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
    card = replace(card_of(predictions), provenance={"run": tmp_path})
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
        "a < b", page.folded("<i>", page.table(["x"], [["<td>", "1 & 2"]], label="$title")), stamps=["<b>"]
    )
    parsed = Page(text + page.figure(b"png", 'say "x"') + page.bullets(["<li>"]))
    assert parsed.open == []
    assert "i" not in parsed.tags
    assert "1 &amp; 2" in text
    assert "$title" in text
    assert 'alt="say &quot;x&quot;"' in page.figure(b"png", 'say "x"')


def scored_card(make) -> tuple[Scorecard, list]:
    """A card with all that a page can show: floors, subgroups, calibration, maps, and a label without cases."""
    predictions = [
        replace(p, group={"sex": "FM"[i % 2], "age_years": 30.0 + i % 60, "view": "PA", "source": "one"})
        for i, p in enumerate(make(240))
    ]
    dev = make(240, "dev")
    card = chest_findings_scorecard(
        predictions,
        thresholds=fit_thresholds(dev),
        calibration=fit_calibration(dev),
        protocol=Protocol(reader="a test", part="test", notes="none"),
        provenance={"explanations": {"method": "queries", "chosen_on": "dev", "lesions": 9, "studies": 5}},
        floors={"all_negative": all_negative_floor(*labels_of(predictions))},
        bootstrap=40,
    )
    blind = [replace(p, scores=p.heads["text_only"], heads={}) for p in predictions]
    card = with_floors(card, paired_floors(predictions, {"black_images": blind}, bootstrap=40), {"no_note": "none has"})
    pointing = {"pointing_game": Metric(0.8, (0.7, 0.9), 9)}
    maps = {"Edema": LabelScores(9, 0, 0, None, pointing)}
    return replace(
        card,
        metrics={**card.metrics, **pointing, "trained_minus_randomised/pointing_game": Metric(0.5, (0.4, 0.6), 9)},
        floors={**card.floors, "randomised": {"pointing_game": 0.123}},
        per_label={**card.per_label, "explanation": maps},
    ), predictions


def labels_of(predictions) -> tuple:
    table = head_tables(predictions)["fused"]
    return table.labels_NL, table.names


def test_the_page_answers_in_order_and_shows_what_the_card_holds(make) -> None:
    card, predictions = scored_card(make)
    text = scorecard_page(card, finding_pictures(predictions, card), [(b"png", "Edema: where it looked")])
    parsed = Page(text)
    assert parsed.open == []
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert headings == [
        "What it was tested on",
        "Against its floors",
        "On average",
        "Label by label",
        "Can its probabilities be believed?",
        "For whom is it better or worse?",
        "Where it looked",
        "Before you quote a number",
        "What could not be computed, and why",
        "How it was measured",
    ]
    assert text.index("AUROC 0.9") < text.index("What it was tested on"), "the first line in words"
    assert "Itself on black images" in text
    assert "the floor no_note is missing: none has" in text
    assert "By sex: F 120, M 120" in text
    assert "By source: one 240" in text
    assert "<h3>By source" not in text, "one group is no comparison"
    assert "Floor: A network with random weights" in text
    assert "0.123" in text
    assert "the maps follow what it learned" in text
    assert len(parsed.loads) == len(PICTURES) + 1
    assert len(re.findall(r'<img [^>]*alt="[^"]+"', text)) == len(parsed.loads), "every picture is told in words"
    fracture = card.per_label["fused"]["Fracture"].metrics["f1"]
    assert fracture.value is None
    assert str(fracture.error) in text


def test_a_leaky_system_is_stamped(make) -> None:
    card, _ = scored_card(make)
    assert not stamps(card)
    assert stamps(replace(card, provenance={"leaky": True})) == [LEAKY]
    assert "LEAKY" in scorecard_page(replace(card, provenance={"leaky": True}), {})


def test_the_page_of_a_leak_says_what_is_not_beaten(make) -> None:
    card, predictions = scored_card(make)
    same = with_floors(card, paired_floors(predictions, {"black_images": predictions}, bootstrap=40), {})
    assert "itself on black images (0.9" in headline(same)
    assert "so its score does not come from the image" in headline(same)
    assert "Not beaten: its score does not come from the image" in scorecard_page(same, {})


def test_two_cards_on_one_page_have_their_own_anchors(make) -> None:
    card, _ = scored_card(make)
    text = "".join(scorecard_body(card, {}, anchor=name) for name in ("a", "b"))
    assert re.findall(r'id="(\w+)"', text) == ["a", "b"]
    assert re.findall(r'href="#(\w+)"', text) == ["a", "b"]


def test_a_control_that_scores_is_a_leak(make) -> None:
    card, predictions = scored_card(make)
    blind = [replace(p, scores=dict.fromkeys(p.scores, 0.5), heads={}) for p in predictions]
    for lines, leaks in ((predictions, True), (blind, False)):
        found = with_floors(card, paired_floors(predictions, {"label_shuffled": lines}, bootstrap=40), {})
        assert any("trained on shuffled labels the system scores" in line for line in found.warnings) is leaks
