"""What a user can mend is a `MedleyError`: one line that says what, where, and what to do.

Anything else that is raised is our own mistake and keeps its traceback. The command line turns a `MedleyError` (and
an `OSError`) into that one line and exit code 2; batch work counts the ones of single cases and goes on.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MedleyError(ValueError):
    """Bad input, a bad recipe, or a missing part of the environment. The message is one line for the user."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


class UnreadableImage(MedleyError):
    """One image cannot be read; a batch skips its case, counts it, and goes on."""


class MissingExtra(MedleyError):
    """An optional dependency is needed for this and is not installed."""

    def __init__(self, package: str, needed_for: str, extra: str):
        super().__init__(f"{needed_for} needs the package {package}: pip install 'medley[{extra}]'")


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the most similar of `names`, or what there is to choose from."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not close:  # a wrong letter case should not hide the right name
        by_lower = {other.lower(): other for other in names}
        close = [by_lower[low] for low in difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)]
    if close:
        return f"; did you mean '{close[0]}'?"
    return "; known: " + ", ".join(sorted(names)) if names else ""


def choose(name: str, table: dict, what: str):
    """`table[name]`, or a `MedleyError` that names the nearest right name."""
    if name not in table:
        raise MedleyError(f"unknown {what} '{name}'{nearest(name, table)}")
    return table[name]


def cannot_load(what: str, name: str, error: Exception) -> MedleyError:
    """One line for a hub id or folder that cannot be loaded."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    cure = "check the id and the network, or give a local folder that save_pretrained wrote"
    return MedleyError(f"{what} '{name}' cannot be loaded ({first}); {cure}")
