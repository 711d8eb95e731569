"""Many tests at once: among twenty true nulls one comes out below 0.05, so the p-values of a table are adjusted."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from medley.core.errors import MedleyError

Name = TypeVar("Name", bound=Hashable)


def holm(p_values: Mapping[Name, float | None]) -> dict[Name, float | None]:
    """Holm's step-down adjustment (Holm 1979): at most 5 % of tables have a true null with an adjusted p below 0.05.

    The k-th smallest of m is multiplied by m - k + 1, and no p falls below one smaller than it. A test that could not
    be made is None, stays None, and does not count towards m. Raises MedleyError, naming the test, for a p that is no
    probability.
    """
    for name, p in p_values.items():
        if p is not None and not 0 <= p <= 1:
            raise MedleyError(f"Holm: the p of {name} is {p}; it must lie in 0 … 1, or be None where there was no test")
    made = sorted((p, place, name) for place, (name, p) in enumerate(p_values.items()) if p is not None)
    adjusted: dict[Name, float | None] = dict.fromkeys(p_values)
    highest = 0.0
    for k, (p, _, name) in enumerate(made):
        highest = max(highest, min(1.0, (len(made) - k) * p))
        adjusted[name] = highest
    return adjusted
