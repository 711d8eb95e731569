"""The words of a report of brain MRI: what a lesion is called, what it is made of and does, where it lies, and how a
healthy brain is described.

Shorthand as in `phrases.expand`. The names of findings are `core.labels.BRAIN_COMPONENTS`, `LESION`, and what reports
name beside these (`BEYOND`): that counts against a brain that is called healthy, and is held against no truth.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from medley.core.labels import BRAIN_COMPONENTS
from medley.language import chest
from medley.language.phrases import Term, expand

LESION = "lesion"
EDEMA, NECROSIS, ENHANCEMENT, MASS_EFFECT, SHIFT = BRAIN_COMPONENTS
HYDROCEPHALUS, HERNIATION = "hydrocephalus", "herniation"


class Place(NamedTuple):
    """What a word says of where: a side, lobes, or `half`: a hemisphere, or the brain, which has sides and is no lobe.

    `side` may also be ipsilateral and contralateral, of which only the rest of the report knows the side.
    """

    side: str | None = None
    lobes: tuple[str, ...] = ()
    half: bool = False


FINDINGS: dict[str, tuple[str, ...]] = {
    LESION: (
        "{lesion|lesions|lesional|tumor|tumors|tumour|tumours|tumoral|tumoural|neoplasm|neoplasms|neoplasia|neoplastic|"
        "malignancy|malignancies}",
        "{mass|masses|mass lesion|mass lesions|mass like lesion|mass like lesions}",
        "{space occupying|intra axial|extra axial} {lesion|lesions|mass|masses|process|tumor|tumour|neoplasm}",
        "{glioma|gliomas|glioblastoma|glioblastomas|gbm|astrocytoma|astrocytomas|oligodendroglioma|oligodendrogliomas|"
        "gliomatosis|ependymoma|medulloblastoma|lymphoma|meningioma|meningiomas|schwannoma|craniopharyngioma|"
        "hemangioblastoma|haemangioblastoma|ganglioglioma|adenoma}",
        "{metastasis|metastases|metastatic|metastatic {disease|deposit|deposits|lesion|lesions}}",
        "{abnormality|abnormalities|pathology|pathologies|anomaly|anomalies}",
        "{abnormal|altered} {flair|t2|t1|} {signal|signals|signal intensity|signal intensities|intensity|intensities|"
        "focus|foci|area|areas|region|regions|tissue|finding|findings|hyperintensity|hyperintensities}",
        "{increased|elevated} {flair|t2|t1|} {signal|signals|signal intensity|intensity}",
        "signal {abnormality|abnormalities|alteration|alterations|change|changes}",
        "{pathologic|pathological|acute|significant|suspicious|focal} {finding|findings|process|processes}",
        "{hyperintensity|hyperintensities|hyper intensity|hyper intensities}",
        "{hyperintense|hyper intense|high signal|high intensity|bright} {signal|signals|area|areas|region|regions|zone|"
        "zones|focus|foci|patch|patches|spot|spots|abnormality}",
    ),
    EDEMA: ("{edema|oedema|edemas|edematous|oedematous|swelling|swollen}",),
    NECROSIS: ("{necrosis|necroses|necrotic|necrotizing|necrotising|micronecrosis|micro necrosis|micro necrotic}",),
    ENHANCEMENT: ("{enhancement|enhancements|enhancing|enhances|enhance|is enhanced|are enhanced}",),
    MASS_EFFECT: (
        "mass {effect|effects}",
        "{compression|compressive|compressed|compresses|compress|compressing}",
        "{effacement|effaced|effacing|effaces}",
        "{exert|exerts|exerting|exerted} {some|slight|mild|marked|significant|notable|a certain|} pressure",
        "{under pressure|pressure {effect|effects}|pressure on {the|} {adjacent|left|right|lateral|} "
        "{ventricle|ventricles|brain}}",
    ),
    SHIFT: (
        "{midline|mid line|subfalcine|transfalcine} {shift|shifts|shifting|displacement|deviation}",
        "{shift|shifting|displacement|deviation} of {the|} {midline|mid line|septum pellucidum|falx}",
        "{leftward|rightward|left to right|right to left} {midline|} {shift|displacement|deviation}",
        "{shift|shifted|displaced|deviated|pushed|displacement|deviation} {toward|towards|to} the "
        "{left|right|contralateral|opposite|other} {side|hemisphere|}",
        "shift {to|from} {left|right} to {left|right}",
    ),
    HYDROCEPHALUS: (
        "{hydrocephalus|ventriculomegaly|hydrocephalic}",
        "{ventricular|ventricle} {enlargement|dilatation|dilation}",
        "{enlarged|dilated} {lateral|third|fourth|} {ventricle|ventricles|ventricular system}",
    ),
    HERNIATION: (
        "{uncal|tonsillar|transtentorial|brain|cerebral|tentorial|} {herniation|herniations}",
        "{subfalcine|transfalcine} herniation",
    ),
    "hemorrhage": (
        "{hemorrhage|haemorrhage|hemorrhages|haemorrhages|hemorrhagic|haemorrhagic|bleed|bleeding|hematoma|haematoma|"
        "hematomas|microbleed|microbleeds|blood products|hemosiderin}",
    ),
    "infarct": ("{infarct|infarcts|infarction|infarctions|infarcted|ischemia|ischaemia|ischemic|ischaemic|stroke}",),
    "restricted diffusion": (
        "{restricted diffusion|diffusion restriction|reduced diffusion|diffusion abnormality|restricting diffusion}",
    ),
    "cyst": ("{cyst|cysts|cystic}",),
    "calcification": ("{calcification|calcifications|calcified}",),
    "atrophy": ("{atrophy|atrophic|volume loss|encephalomalacia|gliosis|gliotic}",),
    "white matter disease": (
        "white matter {hyperintensity|hyperintensities|lesion|lesions|disease|change|changes}",
        "{leukoaraiosis|small vessel {disease|changes|ischemic changes}|microangiopathy|microangiopathic {change|"
        "changes|disease}|demyelination|demyelinating|demyelinated}",
    ),
    "infection": ("{infection|infections|abscess|abscesses|encephalitis|ventriculitis|meningitis|cerebritis|empyema}",),
    "vascular malformation": (
        "{aneurysm|aneurysms|arteriovenous malformation|avm|vascular malformation|cavernoma|cavernomas|angioma}",
    ),
}
BEYOND = tuple(name for name in FINDINGS if name not in (LESION, *BRAIN_COMPONENTS))
# What is there is this, too; denied, it says nothing of it.
IMPLIES = {SHIFT: (MASS_EFFECT,), HERNIATION: (MASS_EFFECT,)}
# Findings that say nothing of where the lesion is: they have the side of what is pushed or wide.
OF_OTHER_SIDES = frozenset({MASS_EFFECT, SHIFT, HYDROCEPHALUS, HERNIATION, "atrophy"})
# Words that deny the finding that they hold.
DENIED: dict[str, tuple[str, ...]] = {
    ENHANCEMENT: ("{nonenhancing|non enhancing|unenhancing|un enhancing}",),
    NECROSIS: ("{nonnecrotic|non necrotic}",),
    LESION: ("{lesion|tumor|tumour|mass} free",),
}
# Said of the ventricles or the midline, a change is a finding; of anything else it is none. Word -> anatomy -> finding.
CHANGES: dict[str, dict[str, str]] = {
    "{deformation|deformed|deformity|deform|deforms|distortion|distorted|flattening|flattened|narrowing|narrowed|"
    "obliterated|obliteration|slit like}": {"ventricle": MASS_EFFECT, "sulci": MASS_EFFECT},
    "{displacement|displaced|displaces|displacing|deviation|deviated|shift|shifts|shifted|shifting|pushed}": {
        "ventricle": MASS_EFFECT,
        "midline": SHIFT,
    },
    "{enlargement|enlarged|dilatation|dilation|dilated}": {"ventricle": HYDROCEPHALUS},
}

# Look alike, and are none of it.
OTHER_THINGS = (
    "{intracranial|blood|opening|csf} pressure {on|}",
    "{spinal cord|cord|nerve|nerve root|vascular|neurovascular|optic nerve|chiasm|optic chiasm} compression",
    "{soft tissue|scalp|facial|periorbital|mucosal|bone marrow|marrow} {swelling|edema|oedema}",
    "{body|muscle|bone|birth} mass",
    "{contrast|gadolinium} enhanced",
    "{enhanced|enhancing} {image|images|scan|scans|sequence|sequences|study}",
    "{frontal|parietal|temporal|occipital|sphenoid|ethmoid} {bone|bones|sinus|sinuses|scalp|calvarium|skull|squama}",
    "temporal {evolution|resolution|stability|artery|arteries}",
    "{right|left} {handed|hand|arm|leg|foot|face|facial|hemiparesis|hemiplegia|eye|ear}",
    "cerebellopontine {angle|angles|}",
    "{crosses|crossing|across|cross|crossed} {the|} midline",
    "absent {signal|signals}",
)
# Denials of how something is spread, not of what it is.
NO_TRIGGER = (
    "{not|without} {obviously|clearly|widely|highly|prominently|particularly|very|} {concentrated|centralized|"
    "centralised|localized|localised|limited|confined|restricted|uniform|uniformly|homogeneous|pronounced}",
    "{no|without} {clear|obvious|significant|any|} {concentration|boundary|boundaries|borders|margins}",
)
SPARED_BEFORE = ("{sparing|spares|spare} {of|}",)
SPARED_AFTER = ("{is|are|} {spared|uninvolved|unaffected}", "{is|are|was|were} not {involved|affected|invaded}")

# Anatomy that reports call normal or not -> the group of states that it can be in.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "ventricle": (
        "{lateral|third|fourth|3rd|4th|} {ventricle|ventricles}",
        "ventricular {system|systems|structures|structure|space|spaces|area|areas|size|caliber|calibre|morphology|"
        "configuration|volume|shape|region|regions|}",
        "{frontal|temporal|occipital|anterior|posterior|inferior} {horn|horns}",
        "{trigone|trigones|periventricular}",
    ),
    "sulci": (
        "{sulci|sulcus|sulcal|gyri|gyral|cistern|cisterns|basal cisterns|subarachnoid {space|spaces}}",
        "{extra axial|csf} {space|spaces}",
    ),
    "midline": ("{midline|mid line|midline {structure|structures}|septum pellucidum|falx|interhemispheric fissure}",),
    "brain": (
        "{brain|cerebral|} parenchyma",
        "{brain|cerebrum|whole brain|encephalon|parenchymal}",
        "{brain|cerebral|neural} {tissue|tissues|region|regions|area|areas}",
        "{gray|grey} {and white|white|} matter",
        "{mri|mr|mr imaging|magnetic resonance imaging|flair} {brain|study|examination|exam|scan|volume|image|images|"
        "sequence|}",
        "{study|examination|exam|scan|imaging}",
        "signal {intensity|intensities|characteristics|pattern}",
    ),
}
NORMAL_DENIES = {"ventricle": (MASS_EFFECT, HYDROCEPHALUS), "sulci": (MASS_EFFECT,), "midline": (SHIFT,)}
# What is normal so; of the midline also what is where it should be.
NORMAL_STATES: dict[str, str | None] = {
    "{normal|unremarkable|intact|preserved|healthy|maintained|within normal limits|within the normal limits|"
    "within normal range|wnl}": None,
    "normal in {size|appearance|signal|morphology|configuration|size and morphology|size and configuration}": None,
    "{of|} normal {size|appearance|morphology|configuration|size and morphology|size and configuration}": None,
    "{of|} normal {flair|t2|t1|} signal {intensity|intensities|characteristics|}": None,
    "{symmetric|symmetrical}": None,
    "{central|centered|centred|in place|in position|undisplaced|nondisplaced|non displaced}": "midline",
}
# Words near a statement of normality that leave something out of it.
SOME_ONLY = frozenset(
    {"otherwise", "elsewhere", "rest", "remaining", "remainder", "other", "additional", "further", "new", "second"}
    | {"surrounding", "adjacent", "nearby", "compared", "unlike", "contralateral", "residual", "recurrent"}
    | {"resolution", "resolved", "clearing", "cleared", "removal", "removed", "disappearance", "previously"}
)
# Words before "normal" that make it a normal part of the brain beside something else: "compared to normal brain".
BESIDE_NORMAL = frozenset({"to", "from", "than", "into", "the", "of", "between", "near"})
# Words behind it that leave it with what it is said of; any other is what is normal: "shows a normal cortical ribbon".
BEHIND_NORMAL = frozenset(
    {"with", "without", "in", "on", "for", "at", "throughout", "and", "or", "as", "to", "of", "by"}
)
BEHIND_NORMAL |= {"anatomy", "findings", "appearances", "intensity", "intensities", "today"}

_LOBES: dict[str, str] = {
    "frontal": "{frontal|prefrontal|precentral|premotor|orbitofrontal|frontobasal|motor cortex}",
    "parietal": "{parietal|postcentral|supramarginal|precuneus|angular gyrus|sensory cortex}",
    "temporal": "{temporal|hippocampus|hippocampal|parahippocampal|amygdala|mesiotemporal}",
    "occipital": "{occipital|calcarine|cuneus}",
    "insula": "{insula|insular|insulae}",
    "deep": "{basal ganglia|basal ganglion|thalamus|thalami|thalamic|internal {capsule|capsules}|corpus callosum|"
    "callosum|callosal|splenium|caudate|caudate nucleus|putamen|lentiform nucleus|globus pallidus|striatum|"
    "deep {gray|grey} {matter|nuclei}|deep nuclei}",
    "cerebellum": "{cerebellum|cerebellar|vermis|vermian|cerebellar {hemisphere|hemispheres}}",
    "brainstem": "{brainstem|brain stem|pons|pontine|midbrain|medulla|medulla oblongata|mesencephalon|"
    "cerebral {peduncle|peduncles}}",
}
_JOINED = {"fronto": "frontal", "parieto": "parietal", "temporo": "temporal", "occipito": "occipital"}
_ENDS = {"parietal": "parietal", "temporal": "temporal", "occipital": "occipital", "insular": "insula", "basal": None}
_BOTH = {"frontal": "frontal", "parietal": "parietal", "temporal": "temporal", "occipital": "occipital"}
_BOTH |= {"thalamic": "deep", "cerebellar": "cerebellum"}
SIDES = {
    "{left|left sided|left side|leftsided|lt}": "left",
    "{right|right sided|right side|rightsided|rt}": "right",
    "{bilateral|bilaterally|bihemispheric|both sides|either side|left and right|right and left}": "bilateral",
    "{ipsilateral|ipsilaterally}": "ipsilateral",
    "{contralateral|contralaterally}": "contralateral",
}
HALVES = "{cerebral|} {hemisphere|hemispheres|hemispheric}"


def places() -> dict[str, Place]:
    """Every word for a place; `fronto-parietal` names two lobes, `bifrontal` a lobe on both sides."""
    found = {phrase: Place(lobes=(lobe,)) for lobe, shorthand in _LOBES.items() for phrase in expand(shorthand)}
    for (start, first), (end, last) in product(_JOINED.items(), _ENDS.items()):
        if first != last:
            both = Place(lobes=(first, last) if last else (first,))
            found |= {f"{start}{end}": both, f"{start} {end}": both}
        for middle, between in _JOINED.items():
            if last and len({first, between, last}) == 3:
                three = Place(lobes=(first, between, last))
                found |= {f"{start}{a}{middle}{b}{end}": three for a in ("", " ") for b in ("", " ")}
    for word, lobe in _BOTH.items():
        found |= {f"bi{word}": Place("bilateral", (lobe,)), f"bi {word}": Place("bilateral", (lobe,))}
    found |= {phrase: Place(side) for shorthand, side in SIDES.items() for phrase in expand(shorthand)}
    return found | {phrase: Place(half=True) for phrase in expand(HALVES)}


def vocabulary() -> list[tuple[str, Term]]:
    """Every phrase of this page with what it is.

    Kinds: finding, denied, change, other, subject, normal, place, both, letter, severity; and, for the negation,
    no_trigger, deny_before, deny_after.
    """
    entries = [(phrase, Term("finding", (name,))) for name, phrases in FINDINGS.items() for phrase in phrases]
    entries += [(phrase, Term("denied", (name,))) for name, phrases in DENIED.items() for phrase in phrases]
    entries += [(phrase, Term("change", by_group)) for phrase, by_group in CHANGES.items()]
    entries += [(phrase, Term("other")) for phrase in OTHER_THINGS]
    entries += [(phrase, Term("subject", group)) for group, phrases in SUBJECTS.items() for phrase in phrases]
    entries += [(phrase, Term("normal", group)) for phrase, group in NORMAL_STATES.items()]
    entries += [(phrase, Term("place", place)) for phrase, place in places().items()]
    entries += [("both", Term("both")), ("l", Term("letter", "left")), ("r", Term("letter", "right"))]
    entries += [(phrase, Term("severity", severity)) for phrase, severity in chest.SEVERITIES.items()]
    entries += [(phrase, Term("no_trigger")) for phrase in NO_TRIGGER]
    entries += [(phrase, Term("deny_before")) for phrase in SPARED_BEFORE]
    entries += [(phrase, Term("deny_after")) for phrase in SPARED_AFTER]
    return entries
