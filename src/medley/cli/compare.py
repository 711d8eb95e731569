"""`medley compare`: two systems on the same cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from medley.evaluation.compare.differences import Comparison, Difference

# by task: the averages that are read most, and of which labels and metric there is a table
_FINDINGS = ("auroc_macro", "auroc_micro", "ap_macro", "f1_macro", "ece", "brier", "ece_calibrated", "brier_calibrated")
_CLINICAL = ("clinical_f1_micro_14", "clinical_f1_macro_14", "clinical_f1_micro_13", "clinical_f1_micro_5")
_TEXT = ("bleu_1", "bleu_4", "rouge_l", "meteor", "cider_d", "chrf", "bertscore_f1")
_REPORTS = (
    *_CLINICAL,
    "laterality_accuracy",
    *(f"{of}{name}" for of in ("", "findings/", "impression/") for name in _TEXT),
)
_BRAINS = (
    *("side_lobe_f1", "laterality_accuracy", "pathology_f1", "anatomy_f1", "facts_f1_example"),
    *("lesion_balanced_accuracy", "lesion_sensitivity", "healthy_specificity", "hallucination_rate"),
    *("laterality_f1_seed", "anatomy_f1_seed", "pathology_f1_seed", *_TEXT),
)
_SHOWN = {
    "chest_findings": (_FINDINGS, "fused", "auroc"),
    "chest_report": (_REPORTS, "uncertain_1", "f1"),
    "brain_report": (_BRAINS, "pathology", "f1"),
}
_DIFFERENCE = "A − B [95 %]"


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run, a folder with a scorecard, or a scorecard.json.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The other one, scored on the same cases.")],
    bootstrap: Annotated[int, typer.Option(min=1, help="Resamples of the patients, for the intervals.")] = 1000,
    permutations: Annotated[int, typer.Option(min=1, help="Exchanges of the answers, for p.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seeds both.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write everything that was found here, as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that was found, as JSON.")] = False,
) -> None:
    """Which of two systems is better, by how much, and how surely; or a refusal that names why they cannot be compared.

    The predictions beside each scorecard are read. Protocol, cases and truth must be the same; provenance may differ.
    Every number is A minus B.
    """
    import json

    from medley.cli.progress import console, ticker
    from medley.core.files import write_json
    from medley.evaluation.compare import differences as comparing
    from medley.evaluation.compare.words import sentences

    with ticker() as tick:
        found = comparing.compare(a, b, bootstrap=bootstrap, permutations=permutations, seed=seed, tick=tick)
    words = sentences(found)
    content = {"words": words, **found.as_json()}
    if out is not None:
        write_json(out, content)
    if as_json:
        typer.echo(json.dumps(content, ensure_ascii=False))
        return
    for sentence in words:
        typer.echo(sentence)
    _print_tables(found)
    for warning in found.warnings:
        console.print(f"warning: {warning}", style="yellow")
    if out is not None:
        console.print(str(out))


def _print_tables(found: Comparison) -> None:
    """The averages that are read most, and one metric label by label; the others are in --json and --out."""
    from rich.console import Console

    from medley.core.counts import counted
    from medley.evaluation.compare.words import words_of

    shown, head, metric = _SHOWN[found.a.card.task]
    averages = _table("", "p", "least", "Holm")
    reasons: dict[str, list[str]] = {}
    heads = [name for name in found.averages if name.endswith(f"/{found.headline}")]
    elsewhere = [name for name in found.averages if name.startswith("external/")]
    for name in (*shown, *heads, *elsewhere):
        if of := found.averages.get(name):
            averages.add_row(name, *_cells(of), *_exchanged(of))
            reasons.setdefault(of.difference.error or "", []).append(name)
    delong = any(metrics[metric].delong for metrics in found.per_label[head].values())
    labels = _table(words_of(metric), "DeLong p", "Holm") if delong else _table(words_of(metric), "p", "least", "Holm")
    for label, metrics in found.per_label[head].items():
        of = metrics[metric]
        tests = (_p(of.delong.p if of.delong else None), _p(of.delong_p_holm)) if delong else _exchanged(of)
        labels.add_row(label, *_cells(of), *tests)
        reasons.setdefault(of.difference.error or "", []).append(label)
    console = Console(highlight=False, markup=False)
    for table in (averages, labels):
        console.print()
        console.print(table)
    typer.echo(
        f"\nIntervals: {counted(found.resamples, 'resample')} of the patients. p: their answers exchanged at random, "
        f"{counted(found.permutations, 'time')}, or in every way where these are fewer; least: the smallest p that "
        f"these exchanges can give; Holm: adjusted for the other tests. Seed {found.seed}."
    )
    for reason, names in reasons.items():
        if reason:
            typer.echo(f"{', '.join(names)}: {reason}")


def _table(first: str, *tests: str) -> Table:
    """Numbers stay in one line, in 80 columns too; a name may be broken."""
    from rich.table import Column, Table

    numbers = (Column(name, no_wrap=True) for name in ("A", "B", _DIFFERENCE, *tests))
    return Table(Column(first, overflow="fold"), *numbers, box=None, pad_edge=False, collapse_padding=True)


def _cells(of: Difference) -> tuple[str, str, str]:
    from medley.evaluation.scorecard.numbers import NULL, number, said

    values = (NULL if value is None else number(value) for value in (of.a, of.b))
    return next(values), next(values), said(of.difference, "+")


def _exchanged(of: Difference) -> tuple[str, str, str]:
    """p of the exchange test, the least that it could have been, and p adjusted."""
    test = of.permutation
    return _p(test.p if test else None), _p(test.smallest_p if test else None), _p(of.p_holm)


def _p(p: float | None) -> str:
    from medley.evaluation.compare.words import p_said

    return "" if p is None else p_said(p)
