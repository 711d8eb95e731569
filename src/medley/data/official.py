"""Published splits whose ids are known here, so that a dataset is parted as published without a file from elsewhere.

A reader marks its cases with them; `medley split --official` says which of the published studies a table lacks. Where
the ids come from stands in the JSON file of each split.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files

from medley.core.errors import choose

PUBLISHED = {"r2gen_iu": "CXR{}"}  # name of the split -> how a number of its file becomes the study's id


@cache
def published_parts(name: str) -> Mapping[str, str]:
    """Study id -> train, dev or test. Raises MedleyError for a split whose ids are not known here."""
    study_id = choose(name, PUBLISHED, "published split")
    table = json.loads(files("medley.data").joinpath(f"{name}.json").read_text(encoding="utf-8"))
    table.pop("_note")
    return {study_id.format(number): part for part, numbers in table.items() for number in numbers}


def lacking(name: str, study_ids: Collection[str]) -> str | None:
    """What to say of published studies that are not among these; None where all are, or their ids are not known."""
    if name not in PUBLISHED:
        return None
    parts = published_parts(name)
    absent = Counter(part for study_id, part in parts.items() if study_id not in study_ids)
    if not absent:
        return None
    counts = ", ".join(f"{absent[part]} of {n} {part}" for part, n in Counter(parts.values()).items())
    return f"the table lacks {absent.total()} of the {len(parts)} studies of '{name}': {counts}"
