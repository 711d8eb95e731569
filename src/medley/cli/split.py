"""`medley split`: part the patients of a case table into train, dev and test, and save who is where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from medley.data.cases import CaseTable
    from medley.data.splits import SplitManifest

FEW_POSITIVES = 10  # below it the scorecard shows a label, and leaves it out of the macro averages


def split(
    cases: Annotated[Path, typer.Argument(help="Case table (cases.parquet).")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write (splits.json).")],
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="hash: a patient keeps its part while the data grow · stratified: rare labels reach every part.",
        ),
    ] = "hash",
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same split.")] = 42,
    official: Annotated[
        str | None, typer.Option("--official", help="The published split of this name, e.g. chexpert, r2gen_iu.")
    ] = None,
    fractions: Annotated[
        str,
        typer.Option("--fractions", help="Shares of train, dev, test; 0,0,1 makes a table that is only scored."),
    ] = "0.7,0.1,0.2",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Part the patients of a case table into train, dev and test; no patient is ever in two parts."""
    from medley.data.cases import read_cases
    from medley.data.splits import make_split, write_splits

    table = read_cases(cases)
    manifest = make_split(table, by, seed, _fractions(fractions), official)
    write_splits(out, manifest)
    _print(_summary(table, manifest, out), as_json)


def _fractions(text: str) -> list[float]:
    from medley.core.errors import MedleyError

    try:
        return [float(share) for share in text.split(",")]
    except ValueError:
        raise MedleyError(f"--fractions {text}: three numbers are needed, e.g. 0.7,0.1,0.2") from None


def _summary(table: CaseTable, manifest: SplitManifest, out: Path) -> dict[str, Any]:
    from collections import Counter

    from medley.data.stratify import stratum_of

    parts: dict[str, dict[str, Any]] = {}
    for part, ids in manifest.parts.items():
        chosen = table.pick(ids)
        parts[part] = {
            "studies": len(chosen),
            "patients": len({case.patient_id for case in chosen}),
            "positives": {label: sum(case.labels[label] == 1 for case in chosen) for label in table.labels},
            "strata": dict(Counter(sorted(filter(None, map(stratum_of, chosen))))),
        }
    positives = parts["test"]["positives"] if manifest.parts["test"] else {}  # that there is no test part is a remark
    scarce = [label for label, number in positives.items() if number < FEW_POSITIVES]
    warnings = [f"fewer than {FEW_POSITIVES} positives in test: {', '.join(scarce)}"] if scarce else []
    return {
        "out": str(out),
        "by": manifest.by,
        "seed": manifest.seed,
        "official": manifest.official,
        "digest": manifest.digest,
        "table_digest": manifest.table_digest,
        "parts": parts,
        "remarks": list(manifest.remarks),
        "warnings": warnings,
    }


def _print(summary: dict[str, Any], as_json: bool) -> None:
    import json

    from rich.console import Console
    from rich.table import Table

    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    console = Console(highlight=False, markup=False)
    how = summary["official"] or f"{summary['by']}, seed {summary['seed']}"
    console.print(f"{summary['out']}: split {summary['digest']} ({how})", soft_wrap=True)
    parts = summary["parts"]
    table = Table("", *parts, box=None, pad_edge=False)
    for what in ("studies", "patients"):
        table.add_row(what, *(str(part[what]) for part in parts.values()))
    for label in parts["test"]["positives"]:
        table.add_row(label, *(str(part["positives"][label]) for part in parts.values()))
    for stratum in sorted({name for part in parts.values() for name in part["strata"]}):
        table.add_row(stratum, *(str(part["strata"].get(stratum, 0)) for part in parts.values()))
    console.print(table)
    for remark in (*summary["remarks"], *summary["warnings"]):
        console.print(f"- {remark}", soft_wrap=True)
