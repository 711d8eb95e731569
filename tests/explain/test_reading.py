"""A place that one query looked at is where the words lie that read it; the pages have one scale for everything."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.records import Film
from medley.data.preprocess.geometry import fit
from medley.explain import reading
from medley.explain.looks import _told, looks_page
from medley.explain.reading import Look, SentenceRead, WordRead
from medley.explain.written import report_page, words_page


def film(view: str = "PA", height: int = 60, width: int = 50) -> Film:
    return Film(view, *fit(np.linspace(0, 1, height * width).reshape(height, width), 64))


def look(name: str, *maps: np.ndarray, probability: float | None = 0.7, threshold: float | None = 0.5) -> Look:
    return Look(name, probability, threshold, tuple(maps))


def at(y: int, x: int, share: float = 1.0) -> np.ndarray:
    map_hw = np.zeros((4, 4), np.float32)
    map_hw[y, x] = share
    return map_hw


def test_a_word_lies_where_the_queries_looked_that_its_pooled_tokens_read():
    """Word 0 reads pooled token 1, which reads query 2, which looks at a corner of the second film."""
    reads_TM = np.array([[0.25, 0, 0.75, 0], [1, 0, 0, 0], [0, 0.5, 0, 0.5]])  # whole film, two pooled, one of the note
    looked_KQ = np.array([[1, 0, 0], [0, 0, 1]])
    nothing = np.zeros((4, 4), np.float32)
    maps_QVhw = np.stack([[at(1, 1), nothing], [at(2, 2), nothing], [nothing, at(0, 3)]])
    maps_TVhw = reading.where_read(reads_TM, looked_KQ, maps_QVhw)
    assert maps_TVhw[0, 1, 0, 3] == pytest.approx(0.75)
    assert maps_TVhw[0].sum() == pytest.approx(0.75), "and nowhere else: the whole film has no place"
    assert maps_TVhw[1].sum() == 0
    assert maps_TVhw[2, 0, 1, 1] == pytest.approx(0.5), "what is read of the note has none either"
    assert maps_TVhw[2].sum() == pytest.approx(0.5)


def test_the_spread_is_the_share_of_places_that_is_in_effect_looked_at():
    assert look("a", np.full((4, 4), 1 / 32), np.full((4, 4), 1 / 32)).spread == pytest.approx(1)
    assert look("a", at(1, 1), np.zeros((4, 4))).spread == pytest.approx(1 / 32)
    half = look("a", np.full((4, 4), 1 / 16), np.zeros((4, 4)))
    assert half.spread == pytest.approx(0.5)
    assert half.of_films == (1, 0)


def test_even_shares_are_counted_over_all_films():
    alone, beside = reading.in_even_shares([at(0, 0)]), reading.in_even_shares([at(0, 0), np.zeros((4, 4))])
    assert alone[0].max() == pytest.approx(16)
    assert beside[0].max() == pytest.approx(32)


def test_maps_of_sentences_that_are_the_same_are_told_to_be():
    assert reading.likeness([[at(0, 0)], [2 * at(0, 0)]]) == pytest.approx(1)
    assert reading.likeness([[at(0, 0), at(1, 1)], [at(2, 2), at(3, 3)]]) == pytest.approx(0)
    assert reading.likeness([[at(0, 0)]]) is None


def test_all_panels_share_one_scale_whatever_their_maps():
    """Two looks of which one is sharp and one is nearly even: not each its own minimum and maximum."""
    sharp, dull = at(1, 1), np.full((4, 4), 1 / 16, np.float32) + at(2, 2, 0.01)
    figure = looks_page([film()], [look("Edema", sharp), look("heart", dull, probability=None)], [{}], "a case")
    heats = [image for place in figure.axes for image in place.images if image.get_cmap().name == "inferno"]
    assert len(heats) == 2
    assert {(heat.norm.vmin, heat.norm.vmax) for heat in heats} == {(1, 32)}
    sharpest, dullest = (float(np.max(heat.get_alpha())) for heat in heats)
    assert sharpest > 0.6
    assert dullest < 0.25, "what prefers nothing looks like nothing"


def test_two_views_keep_their_maps_apart_and_say_their_share():
    films = [film(), film("LATERAL")]
    figure = looks_page(films, [look("Edema", at(1, 1, 0.75), at(3, 3, 0.25))], [{}, {}], "a case")
    frontal, lateral = ([np.max(i.get_alpha()) for i in p.images if i.get_alpha() is not None] for p in figure.axes[:2])
    assert min(*frontal, *lateral) > 0
    written = " ".join(text.get_text() for text in figure.texts)
    assert "PA 75%" in written
    assert "LATERAL 25%" in written


def test_a_look_says_its_probability_and_how_it_fares_against_a_mask():
    assert _told(look("Edema", at(0, 0))) == "Edema\np 0.70 (called), spread 6%"
    known = Look("heart", None, None, (at(0, 0),), {"iou": 0.254, "pointing_game": 1.0})
    assert _told(known) == "heart\nspread 6%\nIoU 0.25, peak inside"


def test_a_mask_is_outlined_on_its_film_alone():
    mask = np.zeros((64, 64), bool)
    mask[10:30, 10:30] = True
    looks = [look("Edema", at(1, 1, 0.5), at(1, 1, 0.5))]
    figure = looks_page([film(), film("LATERAL")], looks, [{"Edema": mask}, {}], "a case")
    assert [len(place.collections) for place in figure.axes[:2]] == [1, 0]
    assert any("outline" in text.get_text() for text in figure.texts)


def sentence(text: str, note: float = 0.0) -> SentenceRead:
    words = tuple(WordRead(word, 0.25, (0.5, 0.25 - note), note) for word in text.split())
    return SentenceRead("findings", text, 0.9, words, (at(1, 1, 0.75 - note),))


def test_a_sentence_is_the_mean_of_its_words():
    words = (WordRead("No", 0.5, (0.25, 0.25), 0.0), WordRead("edema.", 0.1, (0.4, 0.1), 0.4))
    one = SentenceRead("findings", "No edema.", 0.9, words, (at(1, 1),))
    assert (one.whole, one.note, one.pooled) == pytest.approx((0.3, 0.2, 0.5))


def test_the_pages_of_a_report_hold_every_sentence_and_every_word(tmp_path):
    sentences = [sentence("The heart costs $5 and $6."), sentence("No " + "very long " * 70 + "edema.", note=0.2)]
    page = report_page([film()], sentences, "a case", 0.5)
    written = "\n".join(text.get_text() for text in page.texts)
    assert r"\$5 and \$6." in written
    assert written.replace("\n", " ").count("very long") == 70, "a sentence is not cut"
    assert "0.50 alike" in written
    assert "indication 20%" in written
    table = words_page(sentences, "a case")
    names = [label.get_text() for label in table.axes[0].get_xticklabels()]
    assert names == ["whole film", "pooled 1", "pooled 2", "indication"]
    assert len(table.axes[0].get_yticklabels()) == sum(len(one.words) for one in sentences)
    assert "indication" not in [label.get_text() for label in words_page(sentences[:1], "a").axes[0].get_xticklabels()]
    for number, figure in enumerate((page, table)):
        figure.savefig(tmp_path / f"{number}.png")
        assert figure.get_size_inches()[0] < 5, "to be read on a phone"
