"""How a scorecard is printed on the command line: its first line, the numbers, and the floors beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from medley.evaluation.scorecard.card import Scorecard
    from medley.evaluation.statistics import Metric

PRINTED = {
    "chest_findings": (
        "auroc_macro",
        "image_only/auroc_macro",
        "text_only/auroc_macro",
        "ap_macro",
        "f1_macro",
        "ece",
        "ece_if_calibrated",
        "ece_calibrated",
        "ece_calibrated_if_calibrated",
        "pointing_game",
        "trained_minus_randomised/pointing_game",
    ),
    "chest_report": (
        "clinical_f1_micro_14",
        "clinical_f1_micro_13",
        "clinical_f1_macro_14",
        "clinical_f1_micro_14_uncertain_0",
        "laterality_accuracy",
        *(f"{of}{name}" for of in ("", "findings/", "impression/") for name in ("bleu_1", "bleu_4", "rouge_l")),
        "meteor",
        "cider_d",
        "chrf",
        "bertscore_f1",
        "auxiliary/auroc_macro",
        "pointing_game",
        "anatomy_iou",
    ),
    "brain_report": (
        "side_lobe_f1",
        "laterality_accuracy",
        "pathology_f1",
        "pathology_f1_macro",
        "anatomy_f1",
        "lesion_balanced_accuracy",
        "lesion_sensitivity",
        "healthy_specificity",
        "hallucination_rate",
        "facts_f1_example",
        *("laterality_f1_seed", "anatomy_f1_seed", "pathology_f1_seed"),
        *("bleu_1", "bleu_4", "rouge_l", "meteor", "cider_d", "chrf", "bertscore_f1"),
        "auxiliary/auroc_macro",
        "pointing_game",
    ),
}


def print_scores(card: Scorecard) -> None:
    """The headline on stderr; on stdout a line a metric, and a line a floor with what is above it."""
    from medley.cli.progress import console
    from medley.evaluation.scorecard.headline import headline

    console.print(headline(card))
    elsewhere = [name for name in card.metrics if name.startswith("external/")]
    for name in (*PRINTED[card.task], *elsewhere):
        if metric := card.metrics.get(name):
            typer.echo(f"{name:<40} {_said(metric)}")
    for line in _findings_floors(card) if card.task == "chest_findings" else _report_floors(card):
        typer.echo(line.rstrip())


def _findings_floors(card: Scorecard) -> Iterator[str]:
    from medley.evaluation.scorecard.findings_headline import METRIC, ordered_floors
    from medley.evaluation.scorecard.missing import why_no_floor
    from medley.evaluation.scorecard.numbers import number

    for name in ordered_floors(card):
        floor = card.floors[name]
        value = floor.get(METRIC)
        above = card.metrics.get(f"fused_minus_{name}/{METRIC}")
        beside = f"   the system is {_said(above, '+')} above it" if above and above.value is not None else ""
        if name == "all_negative" and value is not None:  # whose other numbers look good where findings are rare
            called = ("f1_macro", "recall_macro", "specificity_macro", "accuracy_macro")
            beside = "   " + ", ".join(f"{of} {number(floor[of] or 0)}" for of in called if floor.get(of) is not None)
        shown = f"null: {why_no_floor(card, name, METRIC)}" if value is None else number(value)
        yield f"{f'floor: {name}':<40} {shown}{beside}"


def _report_floors(card: Scorecard) -> Iterator[str]:
    from medley.evaluation.scorecard.report_headline import DELTA, ordered_floors
    from medley.evaluation.scorecard.report_kinds import kind_of

    metric = kind_of(card.task).metric
    ceilings = [name for name, of in card.ceilings.items() if metric in of]
    for kind, names in (("floor", ordered_floors(card)), ("ceiling", ceilings)):
        for name in names:
            above = card.metrics[f"{DELTA}{name}/{metric}"]
            beside = f"   the system minus it {_said(above, '+')}" if above.value is not None else ""
            yield f"{f'{kind}: {name}':<40} {_said(card.metrics[f'{name}/{metric}'])}{beside}"


def _said(metric: Metric, sign: str = "") -> str:
    from medley.evaluation.scorecard.numbers import said

    return f"null: {metric.error}" if metric.value is None else said(metric, sign)
