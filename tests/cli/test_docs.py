"""Docs that cannot rot: the command reference is what the commands say, and pages name what exists."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
import typer
from rich import markup

from medley.cli.main import _COMMANDS
from medley.cli.reference import reference
from medley.data.readers import READERS, load

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_the_command_reference_is_up_to_date():
    written = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert written == reference(), "run `make docs`"


def test_the_command_reference_loses_nothing_that_stands_in_brackets():
    """Rich reads `[test.csv]` as a style, and Markdown `<dicom_id>` as a tag and a tree of files as running text."""
    text = reference()
    for name in READERS:
        for line in load(name).HELP.splitlines():
            assert line in text, f"{name}: {line}"
    assert "  train.csv valid.csv [test.csv | test_labels.csv | groundtruth.csv]" in text
    running = re.sub(r"```.*?\n```|`[^`\n]+`", "", text, flags=re.DOTALL)
    assert not re.search(r"<\w", running)
    assert "\b" not in text


def test_no_help_of_a_command_is_read_as_markup():
    """What `--help` prints is what was written."""
    for name, (module, attribute, is_group) in _COMMANDS.items():
        if not is_group:
            made = typer.Typer(rich_markup_mode="rich")
            made.command(name)(getattr(import_module(module), attribute))
            command = typer.main.get_command(made)
            texts = [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
            for text in filter(None, texts):
                assert markup.render(text).plain == text, f"medley {name}"


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
