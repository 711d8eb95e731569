"""How numbers are written for a reader, on the page and in the terminal: three decimals, intervals in brackets.

An interval is `[−0.021, +0.004]`: a dash between two numbers, one of which may have a minus, is read wrongly.
"""

from __future__ import annotations

from medley.evaluation.statistics import Metric

NULL = "—"  # could not be computed; what was not asked for is left empty


def number(value: float, sign: str = "") -> str:
    """Three decimals, a minus that is one, and no minus before what rounds to 0; `sign` is + for differences."""
    return f"{round(value, 3) + 0.0:{sign}.3f}".replace("-", "\N{MINUS SIGN}")


def interval(ci95: tuple[float, float], sign: str = "") -> str:
    """Both ends in brackets."""
    return f"[{number(ci95[0], sign)}, {number(ci95[1], sign)}]"


def said(metric: Metric | None, sign: str = "", between: str = " ") -> str:
    """The value and its interval; a dash where it is null, nothing where there is no such metric."""
    if metric is None:
        return ""
    if metric.value is None:
        return NULL
    return number(metric.value, sign) + ("" if metric.ci95 is None else f"{between}{interval(metric.ci95, sign)}")
