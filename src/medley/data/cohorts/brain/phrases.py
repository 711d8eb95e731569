"""The words of the generated brain reports: several ways to say each thing that FLAIR shows, and that it shows not.

The manner is that of TextBraTS: what the lesion looks like and where, then oedema, necrosis and what is compressed.
Enhancement is never named, for FLAIR shows none. Few words in many orders: a tiny language model has to learn them all.
Placeholders: {place} {size} {signal} {extent} {ventricle} {mm}.
"""

from __future__ import annotations

SIZES = {"small": ("small", "focal"), "medium": ("moderate-sized", ""), "large": ("large", "extensive")}
EXTENTS = {"small": ("mild", "slight"), "medium": ("moderate", ""), "large": ("extensive", "marked")}

SIGNALS = {  # of the lesion as a whole, by whether a part of it is necrotic
    True: (
        "mixed high and low signal",
        "a mixed signal pattern",
        "uneven high and low signal",
    ),
    False: (
        "high signal",
        "increased signal",
        "fairly uniform high signal",
    ),
}

ONE = (
    "There is a {size} lesion in {place}.",
    "A {size} lesion is seen in {place}.",
    "A {size} mass is present in {place}.",
    "The lesion is located in {place}.",
    "A {size} lesion involves {place} with {signal}.",
    "The lesion area lies in {place} and shows {signal}.",
    "A {size} abnormal area with {signal} is noted in {place}.",
    "FLAIR shows a {size} mass with {signal} in {place}.",
    "A {size} space-occupying lesion with {signal} occupies {place}.",
    "In {place} there is a {size} lesion with {signal}.",
)
MANY = (
    "There are multiple lesions in {place}.",
    "Multiple lesions are seen in {place}.",
    "Several lesions with {signal} involve {place}.",
    "Multiple abnormal areas with {signal} are noted in {place}.",
    "FLAIR shows several lesions in {place}.",
    "In {place} there are multiple lesions with {signal}.",
)
SIGNAL = (
    "The lesion shows {signal} on FLAIR.",
    "On FLAIR the signal is {uneven}.",
    "The signal of the lesion is {uneven}.",
)
UNEVEN = {True: ("mixed", "uneven"), False: ("high", "uniform and high")}
CROSSES = (
    "It crosses the midline and extends into the {other} hemisphere.",
    "There is extension across the midline into the {other} hemisphere.",
    "A smaller part lies in the {other} hemisphere.",
)

EDEMA = (
    "{extent} vasogenic edema surrounds the lesion.",
    "There is {extent} surrounding edema.",
    "{extent} edema is seen in the adjacent white matter.",
    "{extent} edema is present around the lesion.",
    "The lesion is surrounded by {extent} vasogenic edema.",
    "{extent} peritumoral edema with high signal is noted.",
    "The adjacent white matter shows {extent} edema.",
)
NO_EDEMA = (
    "No surrounding edema is seen.",
    "There is no significant edema.",
    "No vasogenic edema is present.",
    "There is no evidence of edema around the lesion.",
    "The adjacent white matter shows no edema.",
)
NECROSIS = (
    "Central necrosis is seen as a low signal area.",
    "There is necrosis within the lesion.",
    "A low signal center is consistent with necrosis.",
    "The center of the lesion is necrotic.",
    "Necrosis is present inside the lesion with low signal.",
    "An area of necrosis is noted in the center.",
    "The lesion has a necrotic core.",
)
NO_NECROSIS = (
    "No necrosis is seen.",
    "There is no evidence of necrosis.",
    "The lesion shows no necrosis.",
    "No necrotic area is present.",
    "There is no necrotic core.",
)
EFFECT = (
    "There is mass effect with compression of {ventricle}.",
    "Mass effect is seen on {ventricle}.",
    "{ventricle} is compressed by mass effect.",
    "Mass effect is present and {ventricle} is narrowed.",
    "The lesion exerts mass effect and compresses {ventricle}.",
    "Compression of {ventricle} is seen.",
    "{ventricle} is compressed.",
    "Mass effect flattens the adjacent sulci and compresses {ventricle}.",
)
NO_EFFECT = (
    "There is no evidence of mass effect.",
    "No significant mass effect is seen.",
    "The ventricles are not compressed.",
    "No ventricular compression is present.",
    "There is no mass effect on the ventricles.",
)
SHIFT = (
    "There is midline shift.",
    "The midline is shifted to the opposite side.",
    "Midline shift is present.",
    "Midline structures are displaced away from the lesion.",
    "Midline shift of about {mm} mm is seen.",
    "The midline is displaced by {mm} mm.",
    "There is a midline shift of {mm} mm.",
)
NO_SHIFT = (
    "There is no midline shift.",
    "No midline shift is seen.",
    "The midline is not shifted.",
    "The midline is central.",
)
NO_EFFECT_NO_SHIFT = (
    "There is no mass effect or midline shift.",
    "No mass effect or midline shift is seen.",
    "No evidence of ventricular compression or midline shift.",
)

# A healthy report: one of the first, then some of the others, each subject once.
NORMAL = (
    "The brain is normal.",
    "Normal brain MRI.",
    "The brain parenchyma shows normal signal.",
    "Normal FLAIR signal of the brain parenchyma.",
    "No focal lesion is seen in the brain.",
    "There is no mass or focal lesion.",
    "The brain parenchyma is unremarkable.",
    "FLAIR shows no abnormal signal.",
    "Unremarkable FLAIR of the brain.",
    "No abnormal area is seen in either hemisphere.",
)
STATEMENTS = ("The examination is normal.", "This is a normal study.", "The study is unremarkable.", "Normal study.")
NORMAL_PARTS = (
    (
        "No mass or focal lesion is seen.",
        "There is no evidence of a mass.",
        "No space-occupying lesion is present.",
        "There is no focal lesion.",
    ),
    (
        "No edema is seen.",
        "There is no evidence of edema.",
        "No edema or necrosis is present.",
        "There is no edema, necrosis or mass effect.",
    ),
    (
        "The ventricles are normal in size.",
        "The ventricles and sulci are normal.",
        "The ventricles are not compressed.",
        "Normal size and shape of the ventricles.",
        "The ventricles are symmetric.",
    ),
    (
        "There is no midline shift.",
        "The midline is central.",
        "No midline shift is seen.",
        "Midline structures are in normal position.",
    ),
    (
        "The cerebellum and brainstem are normal.",
        "The cerebellum and brainstem are unremarkable.",
    ),
    (
        "Both hemispheres are symmetric.",
        "Gray and white matter are normal.",
        "Normal signal of gray and white matter.",
    ),
)
