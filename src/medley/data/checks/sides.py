"""A task that knows left from right, and images that are mirrored: by the recipe, or already in the data.

Medley's own augmentation never mirrors a film (`data/augment.py`), it mirrors a volume with its masks and its words
(`data/mirror.py`), and no key of a recipe changes that. What is checked is what can go wrong all the same: a key of the
recipe, ours or another trainer's, that turns flips on, and images in the table that are mirror images of others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medley.core.config import read_yaml
from medley.core.counts import counted
from medley.core.records import TARGET_SECTIONS, target_sections
from medley.data.cases import CaseTable
from medley.data.checks.duplicates import Pair
from medley.data.checks.result import FAILED, OK, WARNING, Check, not_applicable
from medley.data.checks.volumes.reading import is_brain_table, read_report
from medley.language.mentions import find_mentions

_FLIP = re.compile(r"flip|mirror", re.IGNORECASE)
_OFF = (False, None, 0, "", "false", "off", "none", "never", "no", "0")
_VERTICAL = re.compile(r"vertical|vflip", re.IGNORECASE)
_SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
_READ = 500  # texts; a data set that names no side in so many names none


def flips_of(recipe: Path | str) -> list[str]:
    """Every setting of a recipe (any YAML mapping) that mirrors films, as `name: a.b = value`; MedleyError by name."""
    return [f"{Path(recipe).name}: {line}" for line in sorted(_flips(read_yaml(recipe)))]


def check_sides(
    table: CaseTable, mirrored: Sequence[Pair], flips: Sequence[str] | None = None, noun: str = "film"
) -> Check:
    """`failed` where images (films, or what `noun` says) are mirrored and labels, truth or reports name a side. `flips`
    is None without a recipe."""
    name = "laterality-flips"
    told = _names_sides(table)
    bad = [*(flips or ()), *(str(pair) for pair in mirrored)]
    if bad and told:
        wrong = f"{told}, and {noun}s are mirrored: by {counted(len(flips or ()), 'setting')} of the recipe, "
        wrong += f"{counted(len(mirrored), noun)} here"
        todo = "turn flips off, or swap left and right in labels and texts with them (language.sides.swap_sides)"
        return Check(name, FAILED, len(bad), wrong, todo, tuple(bad))
    if bad:
        wrong = f"{noun}s are mirrored ({len(bad)}); nothing here names a side, but the body has them"
        return Check(name, WARNING, len(bad), wrong, "turn flips off: no patient looks like that", tuple(bad))
    if not told:
        return not_applicable(name, "no label, truth or report names a side")
    if flips is None:
        return not_applicable(
            name, f"{told}, and no {noun} here is mirrored; whether a recipe mirrors them: --recipe F"
        )
    return Check(name, OK, 0, f"{told}; no setting of the recipe mirrors {noun}s, and no {noun} here is mirrored")


def _names_sides(table: CaseTable) -> str:
    """What in the table names a side, in words; "" where nothing does."""
    sided = [label for label in table.labels if _SIDE.search(label.replace("_", " "))]
    if sided:
        return f"the label {sided[0]} names a side"
    for case in table.cases:
        findings = case.truth.get("findings")
        if isinstance(findings, list) and any(isinstance(one, dict) and one.get("side") for one in findings):
            return "the truth names sides"
        if case.truth.get("sides"):
            return "the truth names sides"
    read, brains = 0, is_brain_table(table)
    for case in table.cases:
        text = "\n".join(case.text[section] for section in TARGET_SECTIONS if section in case.text)
        if _SIDE.search(text):
            if brains and read_report("\n".join(target_sections(case).values())).side:
                return "the reports name sides"
            if not brains and any(mention.side in ("left", "right") for mention in find_mentions(text)):
                return "the reports name sides"
            read += 1
        if read > _READ:
            break
    return ""


def _flips(document: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """`a.b = value` of each key or listed name that mirrors films; switched-off and vertical ones are passed over."""
    for key, value in document.items():
        here = f"{path}.{key}" if path else str(key)
        yield from _flips_in(value, here, bool(_FLIP.search(str(key))) and not _VERTICAL.search(str(key)))


def _flips_in(value: Any, here: str, named: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        if not named:
            yield from _flips(value, here)
        elif any(not _is_off(one) for key, one in value.items() if not _VERTICAL.search(str(key))):
            yield f"{here} = {dict(value)}"
    elif isinstance(value, list) and not named:
        for item in value:
            if isinstance(item, str) and _FLIP.search(item) and not _VERTICAL.search(item):
                yield f"{here} has {item}"
            elif isinstance(item, Mapping):
                yield from _flips(item, here)
    elif named and not _is_off(value):
        yield f"{here} = {value}"


def _is_off(value: Any) -> bool:
    return value in _OFF or (isinstance(value, str) and value.strip().lower() in _OFF)
