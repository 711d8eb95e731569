"""Docs that cannot rot: the command reference is what the commands say, and pages name what exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from medley.cli.main import _COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_the_command_reference_is_up_to_date(tmp_path):
    main = ROOT / "src/medley/cli/main.py"
    command = [sys.executable, "-m", "typer", str(main), "utils", "docs", "--name", "medley", "--output"]
    subprocess.run([*command, str(tmp_path / "commands.md")], check=True, capture_output=True)
    written = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert written == (tmp_path / "commands.md").read_text(encoding="utf-8"), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_commands_recipes_and_pages_that_exist(page):
    text = page.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL))
    for command in re.findall(r"(?:^|[\s`/])medley ([a-z][a-z-]*)\b", code):
        assert command in _COMMANDS, f"medley {command}"
    for recipe in re.findall(r"recipes/\w+/\w+\.yaml", text):
        assert (ROOT / recipe).is_file(), recipe
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link
