"""`medley doctor`: what is installed, what is missing for which extra, and which devices there are."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Environment, versions, devices, and what each extra still needs; exit 1 when the core is not whole."""
    import json

    from medley.cli.environment import examine

    found = examine()
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for title, rows in found.items():
            typer.echo(title)
            for name, value in rows.items():
                typer.echo(f"  {name:<22} {value}")
    if any(value == "missing" or "wanted" in str(value) for value in found["core"].values()):
        raise typer.Exit(1)
