"""The tables of a report scorecard's page. A cell is a value with its interval below it; none is made here."""

from __future__ import annotations

from dataclasses import replace

from medley.core.counts import counted
from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard import page, report_words
from medley.evaluation.scorecard.card import Axis, Scorecard
from medley.evaluation.scorecard.findings_headline import words_of as words_of_findings
from medley.evaluation.scorecard.numbers import NULL
from medley.evaluation.scorecard.report_headline import DELTA, report_verdicts, words_of
from medley.evaluation.scorecard.report_kinds import kind_of
from medley.evaluation.scorecard.tables import capital, cell

AUXILIARY = "auxiliary"
FINDINGS_DELTA = "fused_minus_"


def floors_table(card: Scorecard) -> str:
    """One row a floor: what it is, whether it is beaten in what is said, and what the system is above it."""
    kind = kind_of(card.task)
    verdicts = {of.metric: {one.floor: one for one in report_verdicts(card, of.metric)} for of in kind.judged}
    rows = []
    for floor, first in verdicts[kind.metric].items():
        row = [capital(first.words)]
        for of in kind.judged:
            verdict = verdicts[of.metric].get(floor)
            state = verdict.state if verdict else ""
            if of.metric == kind.metric and first.meaning:
                state += f": {first.meaning}"
            row += [capital(state), *_beside(card, floor, of.metric)]
        rows.append(row)
    heads = [head for of in kind.judged for head in (of.beaten, of.name, of.above)]
    return page.table(("Floor", *heads), rows)


def ceilings_table(card: Scorecard) -> str:
    """One row a ceiling: what it reaches, and where the system stands to it."""
    kind = kind_of(card.task)
    known = [name for name in kind.ceilings if name in card.ceilings]
    given = [*known, *(name for name in card.ceilings if name not in kind.ceilings)]
    rows = [
        [capital(words_of(name, card.task)), *(shown for of in kind.judged for shown in _beside(card, name, of.metric))]
        for name in given
    ]
    return page.table(("Ceiling", *(head for of in kind.judged for head in (of.name, "System minus it"))), rows)


def clinical_table(card: Scorecard, suffix: str) -> str:
    """Kinds of averages down, groups of labels across; `suffix` says how uncertain counts."""
    rows = []
    for name, words in report_words.F1.items():
        kind, published = ("clinical_f1_macro", "_published") if name == "{}_published" else (name, "")
        values = [cell(card.metrics.get(f"{kind}_{group}{published}{suffix}")) for group in report_words.GROUPS]
        rows.append([words, *values])
    return page.table(("", *report_words.GROUPS.values()), rows, label=report_words.UNCERTAIN[suffix])


def labels_table(card: Scorecard) -> str:
    """Finding by finding, as it is read in the reports."""
    absent = card.per_label["uncertain_0"]
    rows = []
    for label, of in card.per_label["uncertain_1"].items():
        support = f"{of.positives}\u00a0/\u00a0{of.positives + of.negatives}"
        values = [cell(of.metrics.get(name)) for name in ("f1", "precision", "recall")]
        rows.append([label, support, str(of.said), *values, cell(absent[label].metrics.get("f1"))])
    header = ("Finding", "Positive / known", "Said", "F1", "Precision", "Recall", "F1, “possible” absent")
    return page.table(header, rows, label="Finding by finding")


def text_table(card: Scorecard) -> str:
    """One row a metric, one column for all sections joined and one for each by itself."""
    prefixes = sections_of(card)
    rows = [
        [words, *(cell(card.metrics.get(prefix + name)) for prefix in prefixes)]
        for name, words in report_words.TEXT.items()
    ]
    header = ["", *("All sections" if not prefix else capital(prefix.removesuffix("/")) for prefix in prefixes)]
    return page.table(header, rows, label="Likeness of words")


def text_beside_table(card: Scorecard, prefix: str) -> str:
    """Likeness of words of the system, its floors and its ceilings: each value with what the system is above it."""
    judged_by = kind_of(card.task).metric
    names = [name for name in report_words.BESIDE if (of := card.metrics.get(prefix + name)) and of.value is not None]
    rows = [["The system", *(cell(card.metrics[prefix + name]) for name in names)]]
    for kind, others in (("Floor", card.floors), ("Ceiling", card.ceilings)):
        for other in (other for other, values in others.items() if judged_by in values):
            words = words_of(other, card.task)
            rows.append([f"{kind}: {words}", *(_both(card, other, prefix + name) for name in names)])
    return page.table(["", *(report_words.TEXT[name] for name in names)], rows, label="Likeness of words beside floors")


def axis_table(card: Scorecard, axis: Axis, label: str) -> str:
    """One row a subgroup: how many, and what it scores."""
    by_group = kind_of(card.task).by_group
    rows = [
        [group, str(of.studies), str(of.patients), *(cell(of.metrics.get(name)) for name in by_group)]
        for group, of in axis.groups.items()
    ]
    return page.table(["", "Studies", "Patients", *by_group.values()], rows, label=label)


def external_table(card: Scorecard) -> str:
    """One row a score of a scorer that lives elsewhere."""
    names = [name for name in card.metrics if name.startswith("external/")]
    rows = [[name.removeprefix("external/"), cell(card.metrics[name])] for name in names]
    return page.table(("Scorer / score", "Mean"), rows)


def auxiliary_card(card: Scorecard) -> Scorecard:
    """The findings beside the text as a card of findings, for the tables of such cards."""
    prefix = f"{AUXILIARY}/"
    metrics = {name.removeprefix(prefix): of for name, of in card.metrics.items() if name.startswith(prefix)}
    return replace(card, metrics=metrics, per_label={FUSED: card.per_label[AUXILIARY]}, floors={})


def auxiliary_floors_table(card: Scorecard) -> str:
    """AUROC of the findings beside the text against the floors that give findings too; nothing where none does."""
    found = [name.split("/")[1] for name in card.metrics if name.count("/") == 2 and name.startswith(f"{AUXILIARY}/")]
    rows = []
    for floor in dict.fromkeys(name for name in found if not name.startswith(FINDINGS_DELTA)):
        pair = [card.metrics.get(f"{AUXILIARY}/{of}{floor}/auroc_macro") for of in ("", FINDINGS_DELTA)]
        rows.append((capital(words_of_findings(floor)), cell(pair[0]), cell(pair[1], "+")))
    return page.table(("Floor", "AUROC", "The system is above it by"), rows) if rows else ""


def disagreement(card: Scorecard) -> list[str]:
    """How often the text says something else than the findings beside it, where that was asked."""
    facts = card.provenance.get("report_against_findings")
    if not facts:
        return []
    kinds = {"said_not_found": "said and not found", "found_and_denied": "found and denied"}
    kinds |= {"found_not_mentioned": "found and not mentioned"}
    counts = ", ".join(f"{words} {facts[key]}" for key, words in kinds.items())
    return [
        f"In {facts['flagged']} of {counted(facts['reports'], 'report')} the text and these findings differ: {counts}"
    ]


def sections_of(card: Scorecard) -> list[str]:
    """The prefixes of the sections that stand by themselves, behind that of all joined."""
    return ["", *(f"{name}/" for name in ("findings", "impression") if f"{name}/bleu_1" in card.metrics)]


def _beside(card: Scorecard, other: str, metric: str) -> list[str]:
    """What it scores, and the system minus it."""
    return [cell(card.metrics.get(f"{prefix}{other}/{metric}"), sign) for prefix, sign in (("", ""), (DELTA, "+"))]


def _both(card: Scorecard, other: str, metric: str) -> str:
    own, less = card.metrics.get(f"{other}/{metric}"), card.metrics.get(f"{DELTA}{other}/{metric}")
    if own is None or own.value is None:
        return NULL if own else ""
    return f"{cell(replace(own, ci95=None))}\nsystem {cell(less, '+')}"
