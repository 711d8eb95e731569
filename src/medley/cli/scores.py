"""How a scorecard is printed on the command line: its first line, the numbers, and the floors beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from medley.evaluation.scorecard.card import Scorecard
    from medley.evaluation.statistics import Metric

PRINTED = (
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
)


def print_scores(card: Scorecard) -> None:
    """The headline on stderr; on stdout a line a metric, and a line a floor with what is above it."""
    from medley.cli.progress import console
    from medley.evaluation.scorecard.headline import METRIC, headline, ordered_floors
    from medley.evaluation.scorecard.missing import why_no_floor
    from medley.evaluation.scorecard.numbers import number

    console.print(headline(card))
    for name in PRINTED:
        if metric := card.metrics.get(name):
            typer.echo(f"{name:<40} {_said(metric)}")
    for name in ordered_floors(card):
        floor = card.floors[name]
        value = floor.get(METRIC)
        above = card.metrics.get(f"fused_minus_{name}/{METRIC}")
        beside = f"   the system is {_said(above, '+')} above it" if above and above.value is not None else ""
        if name == "all_negative" and value is not None:  # whose other numbers look good where findings are rare
            called = ("f1_macro", "recall_macro", "specificity_macro", "accuracy_macro")
            beside = "   " + ", ".join(f"{of} {number(floor[of] or 0)}" for of in called if floor.get(of) is not None)
        shown = f"null: {why_no_floor(card, name, METRIC)}" if value is None else number(value)
        typer.echo(f"{f'floor: {name}':<40} {shown}{beside}".rstrip())


def _said(metric: Metric, sign: str = "") -> str:
    from medley.evaluation.scorecard.numbers import said

    return f"null: {metric.error}" if metric.value is None else said(metric, sign)
