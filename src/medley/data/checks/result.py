"""What a check says: a status, a count, one sentence, what to do, and the first examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OK, WARNING, FAILED, NOT_APPLICABLE = "ok", "warning", "failed", "not applicable"
MAX_EXAMPLES = 50


@dataclass(frozen=True)
class Check:
    """One row of the doctor's table. `numbers` are what the status was decided on; `count` is of things to mend."""

    name: str
    status: str
    count: int
    says: str
    todo: str = ""
    examples: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values; at most MAX_EXAMPLES examples, `count` is of all."""
        return {**vars(self), "examples": list(self.examples[:MAX_EXAMPLES]), "numbers": dict(self.numbers)}


def verdict(name: str, bad: Sequence[str], fine: str, wrong: str, todo: str, status: str = FAILED, **numbers) -> Check:
    """`ok` saying `fine` where nothing is bad; else `status`, the count, and `wrong`."""
    if not bad:
        return Check(name, OK, 0, fine, numbers=numbers)
    return Check(name, status, len(bad), wrong, todo, tuple(bad), numbers)


def not_applicable(name: str, why: str) -> Check:
    """The check has nothing to look at, and says what it would need."""
    return Check(name, NOT_APPLICABLE, 0, why)
