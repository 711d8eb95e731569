"""What stands in the texts: labels named in what a model reads, reports copied into notes, one text in two parts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from medley.core.labels import NO_FINDING
from medley.core.records import INPUT_SECTIONS, TARGET_SECTIONS, Case
from medley.data.cases import CaseTable
from medley.data.checks.naming import count_naming, judge_naming, named_in
from medley.data.checks.parts import NO_SPLIT
from medley.data.checks.result import FAILED, OK, WARNING, Check, not_applicable, verdict
from medley.language.mentions import PRESENT, find_mentions

COPIED_WORDS = 8  # in a row: nobody writes the same eight words before and after the film by chance
SPECIFIC_WORDS = 12
_MUCH_BOILERPLATE = 0.5  # of the test texts standing word for word in train: text scores mean little
_BOILERPLATE_CASES = 3  # so many reports of one wording, healthy or not, are a phrase book


def check_text_names_labels(table: CaseTable) -> Check:
    """Does what is written before the film name what the film shows? Findings and impression may: they are targets."""
    name = "text-names-labels"
    inputs = {case.case_id: _joined(case, INPUT_SECTIONS) for case in table.cases}
    inputs = {case_id: text for case_id, text in inputs.items() if text}
    if not inputs or not table.labels:
        return not_applicable(name, f"no text that a model reads ({', '.join(INPUT_SECTIONS)}), or no labels")
    named = {case_id: named_in(text, table.labels) for case_id, text in inputs.items()}
    examples = [
        f"case {case.case_id}: {label} is 1, and the text names it: {_short(inputs[case.case_id])}"
        for case in table.cases
        for label in sorted(named.get(case.case_id, ()))
        if case.labels.get(label) == 1
    ]
    todo = "leave that text out (notes: {regime: none}), cut the findings out of it, or use `medley notes audit`"
    return judge_naming(name, "the input text", count_naming(table.cases, named, table.labels), examples, todo)


def check_report_in_input(table: CaseTable) -> Check:
    """Is part of the report copied into the text that a model reads?"""
    name = "report-in-input"
    both = [c for c in table.cases if _joined(c, INPUT_SECTIONS) and _joined(c, TARGET_SECTIONS)]
    if not both:
        return not_applicable(name, "no study has both a text written before the film and a report")
    bad = []
    for case in both:
        shared = _runs(_joined(case, INPUT_SECTIONS)) & _runs(_joined(case, TARGET_SECTIONS))
        if shared:
            bad.append(f"case {case.case_id}: '{min(shared)}' stands in both")
    wrong = f"{len(bad)} of {len(both)} studies have {COPIED_WORDS} words of the report in their input text"
    return verdict(name, bad, "no report is copied into an input text", wrong, "cut the report out of the note")


def _runs(text: str) -> set[str]:
    words = _plain(text).split()
    return {" ".join(words[at : at + COPIED_WORDS]) for at in range(len(words) - COPIED_WORDS + 1)}


def check_same_text(table: CaseTable, part_of: Mapping[str, str] | None) -> Check:
    """One text in two parts. Wordings of healthy films and other stock phrases are counted apart from real reports."""
    name = "same-text-across-parts"
    texts: dict[str, list[tuple[str, Case]]] = defaultdict(list)
    for case in table.cases:
        for kind, sections in (("input text", INPUT_SECTIONS), ("report", TARGET_SECTIONS)):
            if plain := _plain(_joined(case, sections)):
                texts[f"{kind}: {plain}"].append((kind, case))
    if not texts:
        return not_applicable(name, "the table has no text")
    if part_of is None:
        return not_applicable(name, NO_SPLIT)
    leaks, stock = [], 0
    test = sum(part_of.get(case.case_id) == "test" for group in texts.values() for kind, case in group)
    for text, group in texts.items():
        parts = {part_of[case.case_id]: case for _, case in group if case.case_id in part_of}
        if len(parts) < 2:
            continue
        if _is_specific(text.partition(": ")[2], group):
            where = ", ".join(f"{part} (case {case.case_id})" for part, case in parts.items())
            leaks.append(f"{where}: {_short(text)}")
        elif "train" in parts:
            stock += sum(part_of.get(case.case_id) == "test" for _, case in group)
    share = stock / test if test else 0.0
    said = f"{share:.0%} of the test texts are stock phrases that stand in train, too"
    numbers = {"specific_texts": len(leaks), "stock_share_of_test": round(share, 4)}
    if leaks:
        wrong = f"{len(leaks)} texts that tell of one study stand in two parts; {said}"
        todo = "they are one study or a copied report: give them one patient_id and split again"
        return Check(name, FAILED, len(leaks), wrong, todo, tuple(leaks), numbers)
    if share > _MUCH_BOILERPLATE:
        todo = "compare text scores with the nearest-neighbour floor: most of the answer is known by heart"
        return Check(name, WARNING, stock, said, todo, (), numbers)
    return Check(name, OK, 0, f"no text that tells of one study stands in two parts; {said}", numbers=numbers)


def _is_specific(text: str, group: Sequence[tuple[str, Case]]) -> bool:
    """Long, seldom, and not of a healthy film: nobody writes it twice by chance."""
    if len(text.split()) < SPECIFIC_WORDS or len(group) >= _BOILERPLATE_CASES + 1:
        return False
    if group[0][0] == "input text":
        return True
    return any(mention.polarity == PRESENT and mention.label != NO_FINDING for mention in find_mentions(text))


def _joined(case: Case, sections: Sequence[str]) -> str:
    return "\n".join(case.text[section] for section in sections if case.text.get(section, "").strip())


def _plain(text: str) -> str:
    """Lower case words and numbers: how a text reads, whatever its blanks and points; de-identified words left out."""
    return " ".join(word for word in re.findall(r"[a-z0-9]+", text.lower()) if not re.fullmatch(r"x{3,}", word))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 90 else text[:87] + "..."
