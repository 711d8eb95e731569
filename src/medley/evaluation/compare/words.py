"""What a comparison found, in words: which system is better in what, and what the data cannot tell."""

from __future__ import annotations

from collections.abc import Mapping

from medley.core.counts import counted
from medley.evaluation.clinical.scores import LATERALITY
from medley.evaluation.compare.record import Comparison, Difference, Key
from medley.evaluation.scorecard.numbers import interval, number, said
from medley.evaluation.scorecard.report_words import GROUPS, TEXT
from medley.evaluation.scorecard.words import PER_LABEL

LOWER = ("ece", "brier", "ece_calibrated", "brier_calibrated", "hallucination_rate")  # less is better
LEVEL = 0.05
NAMED = 8  # of many differences, those with the smallest p
REPORTS = {name: words.removesuffix(" (0 … 10)") for name, words in TEXT.items()} | {LATERALITY: "laterality accuracy"}
BRAIN = {
    "laterality_f1": "laterality F1",
    "anatomy_f1": "lobe F1",
    "side_lobe_f1": "side and lobe F1",
    "pathology_f1": "pathology F1",
    "facts_f1_example": "F1 of facts by report",
    "healthy_specificity": "healthy specificity",
    "lesion_sensitivity": "lesion sensitivity",
    "lesion_balanced_accuracy": "balanced accuracy of lesion or healthy",
    "hallucination_rate": "hallucination rate",
}
BRAIN_FORMS = {  # longer endings first
    "_seed_lesion_only": "{} as BrainGemma3D counts, lesions alone",
    "_seed_healthy_only": "{} as BrainGemma3D counts, healthy alone",
    "_seed": "{} as BrainGemma3D counts",
    "_macro": "macro {}",
    "_lesion_only": "{}, lesions alone",
    "_healthy_only": "{}, healthy alone",
}
_CLINICAL = "clinical_f1_"
WITHOUT_NORMAL = "clinical_f1_micro_13"  # the headline of reports counts No Finding, which a normal report always says
FORMS = {
    "_macro": "macro {}",
    "_micro": "micro {}",
    "_chexpert5": "{} of CheXpert's five",
    "_calibrated": "{} after calibration",
}


def sentences(found: Comparison) -> list[str]:
    """The test that was named beforehand; then what is left of the other tests after Holm's adjustment."""
    if found.identical:
        return ["A and B give every case the same answer: there is nothing to tell apart."]
    headline = found.headline
    lines = [f"{verdict(found.averages[headline], headline)} {_cases(found)}"]
    if WITHOUT_NORMAL in found.averages:
        lines.append(verdict(found.averages[WITHOUT_NORMAL], WITHOUT_NORMAL))
    for family, tests in found.families.items():
        lines.append(_others(family, {_named(key): (key.metric, of) for key, of in tests}, found))
    for name, of in found.averages.items():
        head, _, metric = name.rpartition("/")
        if head and metric == headline:
            lines.append(f"Head {head}: {verdict(of, metric)}")
    return [sentence for sentence in lines if sentence]


def verdict(of: Difference, metric: str) -> str:
    """One difference: the better system, by how much with its interval, and p; or that the data cannot tell."""
    words, difference = words_of(metric), of.difference
    if difference.value is None or of.a is None or of.b is None:
        return f"A and B cannot be compared in {words}: {difference.error}."
    values = f"A {number(of.a)}, B {number(of.b)}"
    if difference.ci95 is None:
        return f"In {words} A − B is {said(difference, '+')}, with {difference.error} ({values})."
    low, high = difference.ci95
    p = _p(of)
    if low <= 0 <= high:
        return f"The data cannot tell A and B apart in {words}: A − B is {said(difference, '+')}{p} ({values})."
    better, worse = _better(difference.value, metric)
    low, high = sorted((abs(low), abs(high)))
    doubt = (
        ", which the permutation test does not bear out" if of.permutation and (of.permutation.p or 0) > LEVEL else ""
    )
    by = f"{number(abs(difference.value))} {interval((low, high))}"
    return f"{better} is better than {worse} in {words} by {by}{p}{doubt} ({values})."


def words_of(metric: str) -> str:
    """The name of a metric for a reader: `auroc_macro` is macro AUROC."""
    if metric.startswith(_CLINICAL):
        return _of_clinical(metric)
    if metric in BRAIN:
        return BRAIN[metric]
    for suffix, form in BRAIN_FORMS.items():
        if metric.endswith(suffix) and metric.removesuffix(suffix) in BRAIN:
            return form.format(BRAIN[metric.removesuffix(suffix)])
    words = {**PER_LABEL, **REPORTS, "ece": "calibration error", "brier": "Brier score"}
    for suffix, form in FORMS.items():
        if metric.endswith(suffix):
            base = metric.removesuffix(suffix)
            of = words.get(base, base)
            return form.format(of if of[:2].isupper() else of.lower())
    return words.get(metric, metric)


def _of_clinical(metric: str) -> str:
    """`clinical_f1_macro_5_uncertain_0` is macro clinical F1 (CheXpert's five), uncertain as absent."""
    average, group, *rest = metric.removeprefix(_CLINICAL).split("_")
    words = "clinical F1 by report" if average == "example" else f"{average} clinical F1"
    words += f" ({GROUPS[group]})"
    words += ", rare ones too" if "published" in rest else ""
    return words + (", uncertain as absent" if "uncertain" in rest else "")


def _named(key: Key) -> str:
    return words_of(key.metric) if key.label is None else f"{words_of(key.metric)} of {key.label}"


def _others(what: str, tests: Mapping[str, tuple[str, Difference]], found: Comparison) -> str:
    """Which of many tests are left after Holm's adjustment."""
    made = [of for _, of in tests.values() if of.p_holm is not None]
    if not made:
        return ""
    left = [
        (of.p_holm, words, metric, of.difference.value)
        for words, (metric, of) in tests.items()
        if of.p_holm is not None and of.p_holm < LEVEL and of.difference.value
    ]
    better: dict[str, list[str]] = {"A": [], "B": []}
    for _, words, metric, difference in sorted(left, key=lambda test: test[0]):
        better[_better(difference, metric)[0]].append(f"{words} ({number(difference, '+')})")
    adjusted = f"among {counted(len(made), 'test')} of {what}, adjusted by Holm"
    parts = [f"{name} is better in {_few(names)}" for name, names in better.items() if names]
    sentence = f"{_capital(adjusted)}: {'; '.join(parts) or 'no difference that these data can show'}."
    exact = any(of.permutation and of.permutation.exact for of in made)
    if (least := len(made) / (found.permutations + 1)) > LEVEL and not exact:
        more = round(len(made) / LEVEL)
        sentence += (
            f" No p among them can be below {least:.2f} with {counted(found.permutations, 'exchange')}: "
            f"ask for more than {more} (--permutations)."
        )
    return sentence


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _cases(found: Comparison) -> str:
    studies, patients = len(found.a.predictions), len(set(found.a.patient_ids))
    return f"{counted(studies, 'study')} of {counted(patients, 'patient')}."


def _better(difference: float, metric: str) -> tuple[str, str]:
    return ("A", "B") if (difference > 0) != (metric in LOWER) else ("B", "A")


def _p(of: Difference) -> str:
    if of.permutation is None or of.permutation.p is None:
        return ""
    p, least = of.permutation.p, of.permutation.smallest_p or 0.0
    limit = f"these exchanges can give no less than {p_said(least)}"
    if least == 1:
        limit = "no exchange changes anything"
    elif p == least:
        limit = "the smallest that these exchanges can give"
    elif least > LEVEL:
        limit = f"no exchange of so few patients gives less than {p_said(least)}"
    return f", p = {p_said(p)}, {limit}"


def p_said(p: float) -> str:
    """Two digits that mean something."""
    return f"{p:.2f}" if p >= 0.1 else f"{p:.2g}"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
