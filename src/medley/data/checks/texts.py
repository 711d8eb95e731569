"""What stands in the texts: labels named in what a model reads, reports copied into notes, one text in two parts."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medley.core.counts import counted
from medley.core.labels import NO_FINDING
from medley.core.records import INPUT_SECTIONS, TARGET_SECTIONS, Case
from medley.data.cases import CaseTable
from medley.data.checks.naming import count_naming, judge_naming, named_in
from medley.data.checks.parts import NO_SPLIT
from medley.data.checks.result import FAILED, OK, WARNING, Check, not_applicable, verdict
from medley.data.checks.volumes.reading import is_brain_table, read_report
from medley.data.splits import PARTS
from medley.language.mentions import PRESENT, find_mentions
from medley.language.near_text import near_twins, similarity

COPIED_WORDS = 8  # in a row: nobody writes the same eight words before and after the film by chance
SPECIFIC_WORDS = 12  # a text of so many words, word for word
NEAR_WORDS, SURE_NEAR_WORDS = 20, 40  # nearly the same: looked for, and sure
NEAR = 0.75  # similarity of runs of three words: one word of 23 changed, one added to 19, two of 44 changed
_FEW_TEXTS, _WORDS_A_TENFOLD = 3000, 20  # up to so many texts the lengths above are sure; ten times as many: 20 more
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
        return not_applicable(name, "no study has both a text written before the image and a report")
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


@dataclass(frozen=True)
class _Copy:
    """One text, or two that are nearly one, in two parts. `sure` where it is too long to be so by chance."""

    line: str
    sure: bool
    nearly: bool


def check_same_text(table: CaseTable, part_of: Mapping[str, str] | None) -> Check:
    """One text in two parts, word for word or nearly. Wordings of healthy films and other stock phrases are counted
    apart from real reports; what is short for so large a table is to be looked at, and no failure."""
    name = "same-text-across-parts"
    kinds = {"input text": INPUT_SECTIONS, "report": TARGET_SECTIONS}
    texts = {kind: _by_wording(table.cases, sections) for kind, sections in kinds.items()}
    if not any(texts.values()):
        return not_applicable(name, "the table has no text")
    if part_of is None:
        return not_applicable(name, NO_SPLIT)
    copies: list[_Copy] = []
    brains = is_brain_table(table)
    stock = test = 0
    for kind, groups in texts.items():
        specific = {text: group for text, group in groups.items() if _is_specific(kind, text, group, brains)}
        copies += _copies(specific, part_of)
        for text, group in groups.items():
            tested = sum(part_of.get(case.case_id) == "test" for case in group)
            test += tested
            if text not in specific and any(part_of.get(case.case_id) == "train" for case in group):
                stock += tested
    share = stock / test if test else 0.0
    said = f"{share:.0%} of the test texts are stock phrases that stand in train as well"
    sure = [copy for copy in copies if copy.sure]
    look = [copy.line for copy in copies if not copy.sure]
    nearly = sum(copy.nearly for copy in sure)
    numbers = {
        "word_for_word": len(sure) - nearly,
        "nearly": nearly,
        "to_look_at": len(look),
        "stock_share_of_test": round(share, 4),
    }
    if sure:
        wrong = f"{counted(len(sure), 'text')} of one study in two parts ({len(sure) - nearly} word for word, {nearly} "
        wrong += f"nearly){f', and {len(look)} more to look at' if look else ''}; {said}"
        todo = "they are one study or a copied report: give them one patient_id and split again"
        return Check(name, FAILED, len(sure), wrong, todo, (*(copy.line for copy in sure), *look), numbers)
    if look:
        wrong = f"{counted(len(look), 'text')} in two parts may be copied, none surely: they are short; {said}"
        todo = "look at these: one patient under two ids, a copied report, or two that were worded alike?"
        return Check(name, WARNING, len(look), wrong, todo, tuple(look), numbers)
    if share > _MUCH_BOILERPLATE:
        todo = "compare text scores with the nearest-neighbour floor: most of the answer is known by heart"
        return Check(name, WARNING, stock, said, todo, (), numbers)
    return Check(name, OK, 0, f"no text that tells of one study stands in two parts; {said}", numbers=numbers)


def _by_wording(cases: Sequence[Case], sections: Sequence[str]) -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if plain := _plain(_joined(case, sections)):
            groups[plain].append(case)
    return dict(groups)


def _is_specific(kind: str, text: str, group: Sequence[Case], brains: bool) -> bool:
    """Long, seldom, and not of a healthy patient: nobody writes it twice by chance."""
    if len(text.split()) < SPECIFIC_WORDS or len(group) > _BOILERPLATE_CASES:
        return False
    if kind == "input text":
        return True
    if brains:
        return read_report(_joined(group[0], TARGET_SECTIONS)).says_lesion
    return any(mention.polarity == PRESENT and mention.label != NO_FINDING for mention in find_mentions(text))


def _copies(specific: Mapping[str, Sequence[Case]], part_of: Mapping[str, str]) -> Iterator[_Copy]:
    """Those word for word, then those nearly so."""
    # pairs grow with the square of the texts, and chance with the pairs: a larger table takes longer texts to be sure
    longer = _WORDS_A_TENFOLD * max(0.0, math.log10(max(1, len(specific)) / _FEW_TEXTS))
    where = {
        text: {part_of[c.case_id]: c.case_id for c in group if c.case_id in part_of} for text, group in specific.items()
    }
    words = {text: text.split() for text in specific}
    for text, parts in where.items():
        if len(parts) > 1:
            found = ", ".join(f"{part} (case {parts[part]})" for part in PARTS if part in parts)
            yield _Copy(f"{found}: {_short(text)}", len(words[text]) >= SPECIFIC_WORDS + longer, nearly=False)
    long = {
        part: {text: words[text] for text, parts in where.items() if part in parts and len(words[text]) >= NEAR_WORDS}
        for part in PARTS
    }
    for place, earlier in enumerate(PARTS):
        later = {text: w for part in PARTS[place + 1 :] for text, w in long[part].items() if text not in long[earlier]}
        for text, twin in near_twins(later, long[earlier], NEAR):
            part = next(part for part in PARTS[place + 1 :] if part in where[text])
            alike = similarity(words[text], words[twin])
            found = f"{earlier} (case {where[twin][earlier]}), {part} (case {where[text][part]})"
            sure = min(len(words[text]), len(words[twin])) >= SURE_NEAR_WORDS + longer
            yield _Copy(f"{found}, nearly ({alike:.2f}): {_short(text)}", sure, nearly=True)


def _joined(case: Case, sections: Sequence[str]) -> str:
    return "\n".join(case.text[section] for section in sections if case.text.get(section, "").strip())


def _plain(text: str) -> str:
    """Lower case words and numbers: how a text reads, whatever its blanks and points; de-identified words left out."""
    return " ".join(word for word in re.findall(r"[a-z0-9]+", text.lower()) if not re.fullmatch(r"x{3,}", word))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 90 else text[:87] + "..."
