"""Reports of brain MRI: what is there, on which side, in which lobe; what is denied is nowhere; what is healthy."""

from __future__ import annotations

import json
import time

import pytest

from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LOBES
from medley.language import brain_words
from medley.language.brain import BrainReading, in_short, read_brain

L, R = "left", "right"
P, A, U = "present", "absent", "uncertain"


def pairs(text: str) -> set[tuple[str, str]]:
    return set(read_brain(text).side_lobe)


PLACES = [
    # a side before its lobes, over a list, and behind them
    ("Lesion in the left frontal lobe.", {(L, "frontal")}),
    ("Mass in the left frontal, temporal, and parietal lobes.", {(L, "frontal"), (L, "temporal"), (L, "parietal")}),
    ("The lesion is in the frontal and parietal regions of the left hemisphere.", {(L, "frontal"), (L, "parietal")}),
    ("Lesion of the frontal lobe (right).", {(R, "frontal")}),
    ("A lesion in the temporal lobe on the right side.", {(R, "temporal")}),
    ("Lesion in the right hemisphere, particularly in the frontal lobe.", {(R, "frontal")}),
    ("The right frontal lobe and partially the parietal lobe hold a lesion.", {(R, "frontal"), (R, "parietal")}),
    ("Left frontal and right parietal metastases.", {(L, "frontal"), (R, "parietal")}),
    ("Left frontal lobe and temporal lobe of the right hemisphere hold lesions.", {(L, "frontal"), (R, "temporal")}),
    (
        "A lesion in the brainstem on both sides and the left insula.",
        {(L, "brainstem"), (R, "brainstem"), (L, "insula")},
    ),
    # how places are written
    ("Left fronto-parietal mass.", {(L, "frontal"), (L, "parietal")}),
    ("Left frontoparietal mass.", {(L, "frontal"), (L, "parietal")}),
    ("Right-sided temporo-parieto-occipital tumour.", {(R, "temporal"), (R, "parietal"), (R, "occipital")}),
    ("A lesion in the frontal/parietal region on the right.", {(R, "frontal"), (R, "parietal")}),
    ("R FRONTAL LESION.", {(R, "frontal")}),
    ("L temporal lobe lesion.", {(L, "temporal")}),
    ("Bifrontal glioma.", {(L, "frontal"), (R, "frontal")}),
    ("Bilateral frontal lesions.", {(L, "frontal"), (R, "frontal")}),
    ("Lesions in both thalami.", {(L, "deep"), (R, "deep")}),
    ("Lesion of the left basal ganglia, internal capsule and corpus callosum.", {(L, "deep")}),
    ("Right cerebellar hemisphere lesion.", {(R, "cerebellum")}),
    ("Lesion of the left side of the pons.", {(L, "brainstem")}),
    ("Lesion in the right insular cortex.", {(R, "insula")}),
    # sides and places of something else
    ("Left frontal lesion. The right lateral ventricle is compressed.", {(L, "frontal")}),
    ("Left frontal lesion with compression of the right frontal horn.", {(L, "frontal")}),
    ("Left frontal lesion. Midline shift to the right.", {(L, "frontal")}),
    ("The midline is shifted 6 mm to the right by a left frontal tumour.", {(L, "frontal")}),
    ("Left frontal lesion. The right temporal bone is normal.", {(L, "frontal")}),
    ("Lesion in the left frontal lobe with both high and low signal.", {(L, "frontal")}),
    # what is denied, spared or normal is nowhere
    ("No lesion in the left frontal lobe.", set()),
    ("The left frontal lobe shows no abnormality. Mass in the right parietal lobe.", {(R, "parietal")}),
    ("The left temporal lobe is spared. Left frontal tumour.", {(L, "frontal")}),
    ("Left frontal lesion, not extending into the parietal lobe.", {(L, "frontal")}),
    ("Left frontal lesion; the right temporal lobe is normal.", {(L, "frontal")}),
    ("Left frontal lesion. No lesion in the right hemisphere.", {(L, "frontal")}),
    ("Mass without midline shift in the left frontal lobe.", {(L, "frontal")}),
    ("No focal abnormality in the frontal, parietal, temporal or occipital lobes.", set()),
    # a lobe without a side has the report's, where it has one
    ("There is a left frontal lesion. Edema extends into the parietal lobe.", {(L, "frontal"), (L, "parietal")}),
    ("Edema in the parietal lobe. The lesion is on the right.", {(R, "parietal")}),
    (
        "Lesions in the left frontal and right temporal lobes. Edema in the parietal lobe.",
        {(L, "frontal"), (R, "temporal")},
    ),
    ("Lesion in the parietal lobe.", set()),
    ("Possible lesion in the left cerebellum.", {(L, "cerebellum")}),
]


@pytest.mark.parametrize(("text", "expected"), PLACES, ids=[text for text, _ in PLACES])
def test_a_side_is_bound_to_its_own_lobe(text: str, expected: set[tuple[str, str]]) -> None:
    assert pairs(text) == expected


FINDINGS = [
    ("Oedema and necrotic areas.", {"edema": P, "necrosis": P}),
    ("Edematous tissue with necroses.", {"edema": P, "necrosis": P}),
    ("Ring-enhancing masses.", {"enhancement": P, "lesion": P}),
    ("Nonenhancing lesion.", {"enhancement": A, "lesion": P}),
    ("The ventricles are compressed.", {"mass effect": P}),
    ("Ventricular compression.", {"mass effect": P}),
    ("The left lateral ventricle is deformed.", {"mass effect": P}),
    ("Effacement of the sulci.", {"mass effect": P}),
    ("A deformed skull.", {}),
    ("The ventricles are not compressed.", {"mass effect": A}),
    ("Ventricles and sulci are normal in size.", {"mass effect": A, "hydrocephalus": A}),
    ("Midline shift of 5 mm.", {"midline shift": P, "mass effect": P}),
    ("Midline structures are displaced.", {"midline shift": P, "mass effect": P}),
    ("No midline shift.", {"midline shift": A}),
    ("The midline is central.", {"midline shift": A}),
    (
        "No edema, necrosis, mass effect or midline shift.",
        dict.fromkeys(("edema", "necrosis", *BRAIN_COMPONENTS[3:]), A),
    ),
    ("Necrosis is not observed.", {"necrosis": A}),
    ("Ventricular compression is not evident.", {"mass effect": A}),
    ("Possible necrosis.", {"necrosis": U}),
    ("No edema. Mild edema.", {"edema": P}),
    ("No edema around the lesion.", {"edema": A, "lesion": P}),
    ("No enhancement of the extra-axial mass.", {"enhancement": A, "lesion": P}),
    ("No edema or mass.", {"edema": A, "lesion": A}),
    ("No evidence of the lesion.", {"lesion": A}),
    ("Edema: none. Midline shift: absent.", {"edema": A, "midline shift": A}),
    ("Haemorrhage and hydrocephalus.", {"hemorrhage": P, "hydrocephalus": P}),
    ("Scalp swelling. Contrast-enhanced images. Increased intracranial pressure.", {}),
    ("The signal is absent but the edges are not limited.", {}),
]


@pytest.mark.parametrize(("text", "expected"), FINDINGS, ids=[text for text, _ in FINDINGS])
def test_components_and_their_polarity(text: str, expected: dict[str, str]) -> None:
    assert read_brain(text).findings == expected


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("Left frontal lesion.", "left"),
        ("Right-sided tumour.", "right"),
        ("Lesions on both sides.", "bilateral"),
        ("Left frontal lesion and right temporal edema.", "bilateral"),
        ("Left frontal tumor crossing into the contralateral hemisphere.", "bilateral"),
        ("Left frontal tumor with ipsilateral edema.", "left"),
        ("Leftward midline shift. The left ventricle is compressed.", None),
        ("No lesion on the left.", None),
        ("Edema involves both gray and white matter of the right temporal lobe.", "right"),
    ],
)
def test_the_side_is_that_of_the_lesion(text: str, side: str | None) -> None:
    assert read_brain(text).side == side


@pytest.mark.parametrize(
    "text",
    [
        "No focal abnormality is identified in the brain parenchyma.",
        "Unremarkable FLAIR MRI of the brain.",
        "The brain parenchyma appears normal with no evidence of focal lesion, edema or mass effect.",
        "Brain parenchyma shows normal signal intensity without mass lesion.",
        "No abnormality of the brain.",
        "INDICATION: left frontal tumour. FINDINGS: Normal brain.",
        "No abnormal area is seen in either hemisphere.",
    ],
)
def test_a_statement_of_normality_makes_a_healthy_report(text: str) -> None:
    reading = read_brain(text)
    assert reading.says_normal
    assert reading.says_healthy
    assert not reading.says_lesion
    assert not read_brain(text.rstrip(".")).says_healthy, "a text that is cut off is none"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "😀 😀.",
        "脑实质未见异常。",
        "the of the of the of.",
        "No edema. No necrosis. No compression.",
        "The ventricles are normal in size.",
        "No lesion in the left frontal lobe.",
        "The left frontal lobe is normal.",
        "Otherwise normal brain.",
        "No other abnormality.",
        "The remaining brain parenchyma is unremarkable.",
        "Low signal compared to normal brain tissue.",
        "Interval resolution of the lesion.",
        "Not a normal brain.",
    ],
)
def test_what_only_lacks_a_lesion_is_no_statement_of_normality(text: str) -> None:
    assert not read_brain(text).says_healthy


def test_one_lesion_beside_normality_is_no_healthy_report() -> None:
    reading = read_brain("Normal brain. There is a small lesion in the left frontal lobe.")
    assert (reading.says_normal, reading.says_lesion, reading.says_healthy) == (True, True, False)
    assert not read_brain("Normal brain. Old infarct.").says_healthy, "what no truth knows of counts too"


def test_the_seeds_example_is_read_as_a_reader_would() -> None:
    text = (
        "The lesion area is in the frontal and parietal regions of the left hemisphere with mixed signal intensities "
        "of varying levels and speckled high-intensity signal areas. Edema is primarily concentrated in the peripheral "
        "regions of the left frontal and parietal lobes. Necrosis is observed in some lesion areas. Ventricular "
        "compression is mild deformation of the ventricles, suggesting pressure effects of the lesions."
    )
    reading = read_brain(text)
    assert reading.side == "left"
    assert reading.side_lobe == ((L, "frontal"), (L, "parietal"))
    assert set(reading.asserted) == {"lesion", "edema", "necrosis", "mass effect"}
    assert not reading.says_normal


def test_every_name_is_found_under_its_own_name() -> None:
    for name in (*BRAIN_COMPONENTS, *brain_words.BEYOND):
        assert read_brain(f"There is {name}.").findings.get(name) == P, name
    for lobe in BRAIN_LOBES:
        word = "basal ganglia" if lobe == "deep" else lobe
        assert read_brain(f"Lesion in the left {word}.").side_lobe == ((L, lobe),)


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "😀 no 😀 edema", "no " * 5000 + "edema", "lesion" * 3000, "\n" * 500]
)
def test_odd_texts_are_read_without_a_crash(text: str) -> None:
    assert isinstance(read_brain(text), BrainReading)


def test_time_grows_with_length_not_with_its_square() -> None:
    for words in ("left frontal ", "no edema, small ", "ventricles deformed and ", "normal brain ", "both ", "left, "):
        start = time.process_time()
        read_brain(words * (60_000 // len(words)))
        assert time.process_time() - start < 5, words


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Normal brain parenchyma. No focal lesion.", "a healthy brain; no lesion"),
        (
            "Lesion in the left frontal and parietal lobes with edema. No midline shift.",
            "left frontal, left parietal; lesion, edema; no midline shift",
        ),
        ("Possible necrosis on the right.", "right; perhaps necrosis"),
        ("Lorem ipsum.", "nothing that could be read"),
    ],
)
def test_a_reading_in_short_and_as_json(text, short):
    said = read_brain(text).as_json()
    assert in_short(json.loads(json.dumps(said))) == short
