"""`medley doctor`: what is installed, what is missing for which extra, and which devices there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    wordnet: Annotated[
        Path | None, typer.Option(help="Put together in this folder the WordNet that METEOR reads, and check it.")
    ] = None,
    wordnet_source: Annotated[
        Path, typer.Option(help="Where Debian's wordnet-base and wordnet-sense-index have put theirs.")
    ] = Path("/usr/share/wordnet"),
) -> None:
    """Environment, versions, devices, and what each extra still needs; exit 1 when the core is not whole."""
    import json

    if wordnet is not None:
        from medley.evaluation.text.wordnet import assemble_wordnet

        version = assemble_wordnet(wordnet, wordnet_source)
        typer.echo(f"WordNet {version} is in {wordnet}; NLTK_DATA={wordnet} names it")
        return

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
