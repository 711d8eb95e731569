"""NAME=VALUE: how an option that is repeated names what it gives."""

from __future__ import annotations

from collections.abc import Sequence


def named(option: str, statements: Sequence[str], example: str) -> dict[str, str]:
    """NAME=VALUE of an option that is repeated, read. Raises MedleyError for what is none, or a name twice."""
    from medley.core.errors import MedleyError

    found: dict[str, str] = {}
    for statement in statements:
        name, equals, value = statement.partition("=")
        if not equals or not name.isidentifier() or not value:
            raise MedleyError(f"{option} {statement}: it must be NAME=..., as in {example}")
        if name in found:
            raise MedleyError(f"{option} {statement}: '{name}' is given twice")
        found[name] = value
    return found
