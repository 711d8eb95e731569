"""A user's error is one line, and says what was probably meant."""

from __future__ import annotations

import pytest

from medley.core.errors import MedleyError, MissingExtra, UnreadableImage, choose, nearest


def test_a_message_is_one_line_whatever_is_put_into_it():
    assert str(MedleyError("a\n  b\tc ")) == "a b c"
    assert isinstance(UnreadableImage("x"), MedleyError)


def test_the_nearest_name_is_said_letter_case_aside():
    assert nearest("AUROC_MACRO", ["auroc_macro", "loss"]) == "; did you mean 'auroc_macro'?"
    assert nearest("xyz", ["b", "a"]) == "; known: a, b"
    assert nearest("xyz", []) == ""


def test_choose_takes_or_refuses_by_name():
    assert choose("a", {"a": 1}, "thing") == 1
    with pytest.raises(MedleyError, match="unknown thing 'jont'; did you mean 'joint'"):
        choose("jont", {"joint": 1}, "thing")


def test_a_missing_extra_says_how_to_get_it():
    assert str(MissingExtra("fastapi", "medley serve", "serve")) == (
        "medley serve needs the package fastapi: pip install 'medley[serve]'"
    )
