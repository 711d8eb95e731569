"""Labels are names: aliases, letter case, the hierarchy, and what counts as known."""

from __future__ import annotations

import math

import pytest

from medley.core import labels
from medley.core.errors import MedleyError


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Effusion", "Pleural Effusion"),
        ("pleural_effusion", "Pleural Effusion"),
        ("PLEURAL  EFFUSION", "Pleural Effusion"),
        ("Pleural_Thickening", "Pleural Thickening"),
        ("no findings", "No Finding"),
        ("pulmonary oedema", "Edema"),
        ("Scapula alata", "Scapula alata"),
    ],
)
def test_one_spelling(written, name):
    assert labels.canonical(written) == name


def test_aliases_and_hierarchy_speak_of_known_labels():
    known = {*labels.CHEXPERT_14, *labels.NIH_14}
    assert set(labels.ALIASES.values()) <= known
    assert set(labels.HIERARCHY) | {p for ps in labels.HIERARCHY.values() for p in ps} <= known
    assert len(set(labels.CHEXPERT_14)) == len(set(labels.NIH_14)) == 14
    assert set(labels.CHEXPERT_5) < set(labels.CHEXPERT_14)


def test_an_unknown_label_names_the_nearest():
    assert labels.require_labels(["effusion", "edema"], labels.CHEXPERT_14, "x") == ["Pleural Effusion", "Edema"]
    with pytest.raises(MedleyError, match=r"here: unknown label 'Edemma'; did you mean 'Edema'\?"):
        labels.require_labels(["Edemma"], labels.CHEXPERT_14, "here")


def test_hierarchy_breaks_only_where_the_parent_is_known_to_be_absent():
    broken = labels.hierarchy_breaks({"Edema": 1, "Lung Opacity": 0})
    assert broken == [("Edema", "Lung Opacity")]
    for parent in (1, -1, math.nan):
        assert labels.hierarchy_breaks({"Edema": 1, "Lung Opacity": parent}) == []
    assert labels.hierarchy_breaks({"Edema": -1, "Lung Opacity": 0}) == []


def test_known_is_present_or_absent():
    assert [labels.is_known(v) for v in (1.0, 0.0, labels.UNCERTAIN, labels.NOT_KNOWN)] == [True, True, False, False]
