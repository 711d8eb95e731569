"""The reference of the command line, written from its own help: `python -m medley.cli.reference docs/commands.md`.

Typer's `utils docs` reads help as rich markup, to which `[test.csv]` is a style that it drops, and sets trees of files
as running text. Here the help stays as it is: blocks whose lines are kept (after a \\b) become code.
"""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path

import typer

_KEPT = re.compile(r"\x08\n(.*?)(?=\n\n|\Z)", re.DOTALL)  # a block of help whose lines click keeps
_CODE = re.compile(r"(```.*?\n```|`[^`\n]+`)", re.DOTALL)


def reference() -> str:
    """Every command with its arguments and options, as Markdown."""
    from typer.cli import get_docs_for_click

    from medley.cli.main import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="medley")
    parts = _CODE.split(_KEPT.sub(_block, text))
    return "".join(part if i % 2 else escape(part, quote=False) for i, part in enumerate(parts)).strip() + "\n"


def _block(found: re.Match[str]) -> str:
    """Lines that stay as they are; a single one is a sentence."""
    lines = found[1]
    return f"```text\n{lines}\n```" if "\n" in lines else lines


if __name__ == "__main__":
    from medley.core.files import write_text

    write_text(Path(sys.argv[1]), reference())
