"""What is true of a brain, and what a report says of it, in one form.

The truth is what the prediction's `truth` tells (a generated case knows itself, a mask tells sides and lobes), or else
what the reference text says; which of the two is decided part by part for all studies alike, and said in the protocol.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medley.core.errors import MedleyError, nearest
from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LOBES, BRAIN_SIDES
from medley.core.records import Prediction
from medley.evaluation.clinical.facts import TABLE, TEXT
from medley.language.brain import BOTH, BrainReading

PARTS = ("healthy", "sides", "lobes", "side_lobe", "components")  # keys of `Prediction.truth`

Names = frozenset[str]


def pair_name(side: str, lobe: str) -> str:
    """`left frontal`."""
    return f"{side} {lobe}"


PAIRS = tuple(pair_name(side, lobe) for lobe in BRAIN_LOBES for side in BOTH)


@dataclass(frozen=True)
class BrainFacts:
    """Of one brain; None is not known. Of a healthy one all sets are empty."""

    lesion: bool | None = None
    sides: Names | None = None  # left, right or bilateral: one of them
    lobes: Names | None = None
    side_lobe: Names | None = None  # as `pair_name` calls them
    components: Names | None = None


def told(truth: Mapping[str, Any], where: str) -> BrainFacts:
    """What a prediction's `truth` tells; what it does not is None. `where` begins every error."""
    healthy = truth.get("healthy")
    if healthy is not None and not isinstance(healthy, bool):
        raise MedleyError(f"{where}: truth 'healthy' is {healthy!r:.40}; it must be true, false or null (not known)")
    sides = _names(truth.get("sides"), BRAIN_SIDES, "sides", where, single=True)
    lobes = _names(truth.get("lobes"), BRAIN_LOBES, "lobes", where)
    components = _names(truth.get("components"), BRAIN_COMPONENTS, "components", where)
    pairs = _pairs(truth.get("side_lobe"), where)
    if healthy:
        if odd := [name for name, of in (("sides", sides), ("lobes", lobes), ("side_lobe", pairs)) if of]:
            raise MedleyError(f"{where}: truth calls the brain healthy and gives '{odd[0]}'; it is one or the other")
        if components:
            raise MedleyError(f"{where}: truth calls the brain healthy and gives 'components'; it is one or the other")
        return BrainFacts(False, frozenset(), frozenset(), frozenset(), frozenset())
    lesion = True if healthy is False or any((sides, lobes, pairs, components)) else None
    return BrainFacts(lesion, sides, lobes, pairs, components)


def said(reading: BrainReading) -> BrainFacts:
    """What a report asserts. What it does not mention is not there."""
    return BrainFacts(
        lesion=reading.says_lesion,
        sides=frozenset({reading.side} if reading.side else ()),
        lobes=frozenset(reading.lobes),
        side_lobe=frozenset(pair_name(*pair) for pair in reading.side_lobe),
        components=frozenset(reading.asserted) & frozenset(BRAIN_COMPONENTS),
    )


def true_by_text(reading: BrainReading) -> BrainFacts:
    """What a reference says is true; of a text that calls the brain neither sick nor healthy nothing is known, nor is a
    side or a lobe that a report of a lesion leaves out."""
    if reading.says_lesion:
        of = said(reading)
        return BrainFacts(True, of.sides or None, of.lobes or None, of.side_lobe or None, of.components)
    if reading.says_normal and not reading.asserted:
        return BrainFacts(False, frozenset(), frozenset(), frozenset(), frozenset())
    return BrainFacts()


def sources(truths: Sequence[BrainFacts]) -> dict[str, str]:
    """Part -> `table` where the truth of every prediction tells it, else `reference text`."""
    of_part = {"healthy": "lesion", **{part: part for part in PARTS[1:]}}
    return {
        part: TABLE if all(getattr(one, name) is not None for one in truths) else TEXT for part, name in of_part.items()
    }


def merged(table: BrainFacts, text: BrainFacts, of_part: Mapping[str, str]) -> BrainFacts:
    """Each part from where the truth of all studies comes. A brain that the table calls healthy has nothing."""
    if of_part["healthy"] == TABLE and table.lesion is False:
        return table
    picked = {part: getattr(table if of_part[part] == TABLE else text, part) for part in PARTS[1:]}
    return BrainFacts(table.lesion if of_part["healthy"] == TABLE else text.lesion, **picked)


def words_of(of_part: Mapping[str, str]) -> str:
    """For the protocol: `table`, `reference text`, or which parts come from which."""
    by_source = {source: [part for part, of in of_part.items() if of == source] for source in (TABLE, TEXT)}
    given = {source: parts for source, parts in by_source.items() if parts}
    if len(given) == 1:
        return next(iter(given))
    return "; ".join(f"{source}: {', '.join(parts)}" for source, parts in given.items())


def truth_of(prediction: Prediction) -> BrainFacts:
    """What the prediction's own `truth` tells."""
    return told(prediction.truth, f"case '{prediction.case_id}'")


def _names(value: Any, known: Collection[str], part: str, where: str, *, single: bool = False) -> Names | None:
    if value is None:
        return None
    if single and not isinstance(value, str):
        raise MedleyError(f"{where}: truth '{part}' is {value!r:.40}; it must be one of {', '.join(known)}")
    if not single and (isinstance(value, str) or not isinstance(value, list | tuple)):
        raise MedleyError(f"{where}: truth '{part}' is {value!r:.40}; it must be a list of {', '.join(known)}")
    names = [value] if single else value
    for name in names:
        if name not in known:
            raise MedleyError(f"{where}: unknown name {name!r:.40} in truth '{part}'{nearest(str(name), known)}")
    return frozenset(names)


def _pairs(value: Any, where: str) -> Names | None:
    if value is None:
        return None
    rule = f"a list of [side, lobe]: {', '.join(BRAIN_SIDES)}; {', '.join(BRAIN_LOBES)}"
    if not isinstance(value, list | tuple):
        raise MedleyError(f"{where}: truth 'side_lobe' is {value!r:.40}; it must be {rule}")
    found: set[str] = set()
    for pair in value:
        whole = isinstance(pair, list | tuple) and len(pair) == 2 and pair[0] in BRAIN_SIDES and pair[1] in BRAIN_LOBES
        if not whole:
            raise MedleyError(f"{where}: truth 'side_lobe' holds {pair!r:.40}; it must be {rule}")
        side, lobe = pair
        found |= {pair_name(each, lobe) for each in (BOTH if side == "bilateral" else (side,))}
    return frozenset(found)
