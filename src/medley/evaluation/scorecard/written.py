"""Reports as they were written, beside their references: the best, the worst, and those in between.

Numbers hide what a report sounds like. Which studies are shown is decided by their rank in the F1 of single reports,
never by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medley.core.records import Prediction
from medley.evaluation.scorecard import page
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.numbers import number
from medley.evaluation.scorecard.report_kinds import KINDS
from medley.evaluation.text.sections import in_order

SHOWN = {
    "Among the best": (1.0, 0.9),
    "In the middle": (0.55, 0.45),
    "Among the worst": (0.1, 0.0),
}  # shares of the rank
INTRO = (
    "Chosen by rank in the F1 of each report's labels, not by hand. In brackets, where the system gives it: how sure "
    "it was of a sentence (geometric mean of the probabilities of its words)."
)
MOST_CHARS = 1500  # of a section; what goes on is cut, with a mark

_STOP = re.compile(r"(?<=[^\d\s]\.)\s+")  # as confidences are counted: a number's stop ("2.") ends nothing


@dataclass(frozen=True)
class Written:
    """One study: section -> text of the reference and of the system, and how its labels agree."""

    where: str  # in the ranking, in words
    case_id: str
    f1: float
    reference: Mapping[str, str]
    hypothesis: Mapping[str, str]


def written_examples(predictions: Sequence[Prediction], card: Scorecard) -> list[Written]:
    """Two of the best, of the middle and of the worst; fewer where there are fewer, none without `by_case`."""
    ranked_by = KINDS[card.task].ranked_by if card.task in KINDS else ""
    scored = [(of[ranked_by], case_id) for case_id, of in card.by_case.items() if of.get(ranked_by) is not None]
    ranked = [case_id for _, case_id in sorted(scored, key=lambda pair: (-(pair[0] or 0), pair[1]))]
    by_id, found = {one.case_id: one for one in predictions}, dict[str, Written]()
    for where, shares in SHOWN.items():
        for share in shares:
            if not ranked:
                continue
            case_id = ranked[round((1 - share) * (len(ranked) - 1))]
            one, f1 = by_id[case_id], card.by_case[case_id][ranked_by]
            said = {name: _with_confidence(text, name, one.extra) for name, text in one.hypothesis.items()}
            found.setdefault(case_id, Written(where, case_id, f1 or 0.0, one.reference, said))
    return list(found.values())


def written_section(written: Sequence[Written]) -> list[str]:
    """A heading, a sentence, and a table a study: section by section, the reference beside what was written."""
    if not written:
        return []
    body = [page.heading("What it writes"), page.paragraph(INTRO)]
    for one in written:
        body.append(page.subheading(f"{one.where}: {one.case_id}, F1 {number(one.f1)}"))
        names = in_order({*one.reference, *one.hypothesis})
        rows = [[name.capitalize(), _shown(one.reference, name), _shown(one.hypothesis, name)] for name in names]
        body.append(
            page.prose_table(("", "Reference", "Written by the system"), rows, label=f"Report of {one.case_id}")
        )
    return body


def _shown(sections: Mapping[str, str], name: str) -> str:
    text = sections.get(name, "").strip()
    return f"{text[:MOST_CHARS]} … ({len(text)} characters)" if len(text) > MOST_CHARS else text


def _with_confidence(text: str, section: str, extra: Mapping[str, Any]) -> str:
    """Each sentence with its confidence behind it, where the prediction has one for each."""
    given = extra.get("sentence_confidence")
    sure = given.get(section) if isinstance(given, Mapping) else None
    sentences = _STOP.split(text.strip())
    if not isinstance(sure, list | tuple) or len(sure) != len(sentences):
        return text
    return " ".join(f"{sentence} ({value:.2f})" for sentence, value in zip(sentences, sure, strict=True))
