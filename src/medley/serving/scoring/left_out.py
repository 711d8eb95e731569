"""The studies of a part that no film could be read of: counted in the scorecard's warnings, listed in skipped.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from medley.core.counts import counted
from medley.core.files import write_text
from medley.data.source import Source


def left_out_warnings(source: Source, part: str) -> tuple[str, ...]:
    """What a reader of the scores must know of the studies and the films that are not in them."""
    warnings = []
    left_out = source.left_out(part)
    if left_out:
        total = counted(len(left_out) + len(source.parts[part]), "study")
        warnings.append(f"not scored, without a readable film: {len(left_out)} of {total} of the part")
    views = source.config.views
    lacking = sum(
        any(image.view in views and image.path in source.unreadable for image in case.images)
        for case in source.parts[part]
    )
    if lacking:
        warnings.append(f"scored without a film that cannot be read: {counted(lacking, 'study')}")
    return tuple(warnings)


def write_skipped(path: Path, left_out: Mapping[str, str]) -> None:
    """case_id, reason; no study left out, no file."""
    if not left_out:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("case_id", "reason"))
    rows.writerows(left_out.items())
    write_text(path, text.getvalue())
