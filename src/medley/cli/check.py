"""`medley check`: the conformance battery of a family, or its parameter table at paper size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer


def check(
    family: Annotated[str | None, typer.Argument(help="A family; all of them unless told.")] = None,
    size: Annotated[
        str, typer.Option(help="tiny runs the battery; paper builds the published size, without weights, and counts.")
    ] = "tiny",
    device: Annotated[str, typer.Option(help="Where the battery runs: cpu, cuda.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Hold a family to what every family must do; exit 1 where a check fails."""
    from medley.core.errors import choose
    from medley.families import FAMILIES, get_family

    choose(size, {"tiny": 1, "paper": 1}, "size")
    names = [family] if family else list(FAMILIES)
    if size == "paper":
        _show({name: _count(get_family(name)) for name in names}, _show_counts, as_json)
        return
    report = {name: _battery(get_family(name), device) for name in names}
    _show(report, _show_battery, as_json)
    if any(row["wrong"] for rows in report.values() for row in rows):
        raise typer.Exit(1)


def _show(report: dict[str, Any], show: Callable[[Any], None], as_json: bool) -> None:
    import json

    if as_json:
        typer.echo(json.dumps(report))
        return
    for name, found in report.items():
        typer.echo(name)
        show(found)


def _battery(family, device: str) -> list[dict]:
    from medley.cli.progress import console
    from medley.training.battery import CHECKS, Subject

    rows = []
    with console.status("") as status:
        for name, run in CHECKS.items():
            status.update(f"{family.name}: {name}")
            rows.append({"check": name, "what": (run.__doc__ or "").strip(), "wrong": run(Subject(family, device))})
    return rows


def _show_battery(rows: list[dict]) -> None:
    for row in rows:
        typer.secho(
            f"  {'FAIL' if row['wrong'] else 'ok':<5}{row['check']:<12}", fg="red" if row["wrong"] else None, nl=False
        )
        typer.echo(row["wrong"] or row["what"])


def _count(family) -> dict[str, list[dict]]:
    """`parts`: the parameters of each, trained in any stage or not, beside those of the system the family follows;
    `stages`: what training each of them keeps in memory, but for activations, under AdamW in mixed precision."""
    import torch

    from medley.core.config import build_config
    from medley.core.stage import rates_by_parameter

    config = build_config(family.config, family.sizes["paper"], family.name)
    processor = family.sketch(config)
    with torch.device("meta"):
        model = family.model(config, processor, pretrained=False)
    stages = {stage.name: set(rates_by_parameter(model, stage)) for stage in family.stages(config, processor)}
    trained: set[str] = set().union(*stages.values())
    rows = []
    for part, module in model.named_children():
        named = list(module.named_parameters(prefix=part))
        reference, why = family.reference.get(part, (None, ""))
        rows.append(
            {
                "part": part,
                "parameters": sum(p.numel() for _, p in named),
                "trained": sum(p.numel() for name, p in named if name in trained),
                "reference": reference,
                "why": why,
            }
        )
    return {"parts": rows, "stages": [_memory(model, name, trains) for name, trains in stages.items()]}


def _memory(model, stage: str, trains: set[str]) -> dict:
    """Bytes of one stage: a tensor's own, its gradient's, and AdamW's two running means, which are fp32."""
    named = dict(model.named_parameters())
    learning = sum(named[name].numel() for name in trains)
    weights = sum(p.numel() * p.element_size() for p in named.values())
    gradients = sum(named[name].numel() * named[name].element_size() for name in trains)
    return {"stage": stage, "trained": learning, "weights": weights, "gradients": gradients, "optimiser": 8 * learning}


def _show_counts(found: dict[str, list[dict]]) -> None:
    rows = found["parts"]
    typer.echo(f"  {'part':<16}{'parameters':>14}{'trained':>14}{'reference':>14}  why they differ")
    for row in rows:
        reference = f"{row['reference']:,}" if row["reference"] else "-"
        typer.echo(f"  {row['part']:<16}{row['parameters']:>14,}{row['trained']:>14,}{reference:>14}  {row['why']}")
    total, trained = sum(row["parameters"] for row in rows), sum(row["trained"] for row in rows)
    theirs = sum(row["reference"] or 0 for row in rows)
    typer.echo(f"  {'in all':<16}{total:>14,}{trained:>14,}{theirs:>14,}")
    typer.echo(f"  {'stage':<16}{'trained':>14}{'weights':>12}{'gradients':>12}{'optimiser':>12}{'in all':>12}")
    for stage in found["stages"]:
        kinds = [stage[kind] for kind in ("weights", "gradients", "optimiser")]
        sizes = "".join(f"{size / 2**30:>8.2f} GiB" for size in (*kinds, sum(kinds)))
        typer.echo(f"  {stage['stage']:<16}{stage['trained']:>14,}{sizes}")
    typer.echo("  activations come on top: they grow with the batch (docs/performance.md has what was measured)")
    typer.echo("  published backbones are built from memory of their configurations, checked by parameter counts")
