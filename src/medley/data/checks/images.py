"""Image files that are not there, not whole, not a picture, or not the ones that were indexed."""

from __future__ import annotations

from collections.abc import Sequence

from medley.data.cases import CaseTable
from medley.data.checks.looks import CHANGED, CONSTANT, DAMAGED, MISSING, Look
from medley.data.checks.result import FAILED, WARNING, Check, not_applicable, verdict

_DROP = "find the files again, or drop them: --fix leaves them out"
_KINDS = (
    ("missing-images", MISSING, "every image is on disk", "images are not on disk", _DROP),
    (
        "damaged-images",
        DAMAGED,
        "every image can be decoded",
        "images are truncated, empty or cannot be decoded",
        _DROP,
    ),
    (
        "constant-images",
        CONSTANT,
        "no image is blank",
        "images have one grey value, or almost",
        "drop them: --fix leaves them out",
    ),
    (
        "changed-images",
        CHANGED,
        "the files are those that were indexed",
        "files are not those that were indexed",
        "index the data again, or find out who changed the files",
    ),
)


def check_images(table: CaseTable, looks: Sequence[Look]) -> tuple[Check, ...]:
    """Four checks, by kind of trouble, and one of studies without an image."""
    if not looks:
        names = [name for name, *_ in _KINDS] + ["studies-without-image"]
        return tuple(not_applicable(name, "the table names no image") for name in names)
    checks = []
    hashed = any(image.sha256 for case in table.cases for image in case.images)
    for name, problem, fine, wrong, todo in _KINDS:
        if problem == CHANGED and not hashed:
            checks.append(not_applicable(name, "the table has no hashes of its files (it was indexed with --no-hash)"))
            continue
        bad = [look.reason for look in looks if look.problem == problem]
        checks.append(verdict(name, bad, fine, f"{len(bad)} of {len(looks)} {wrong}", todo, FAILED))
    readable = {look.case_id for look in looks if look.readable}
    bare = [f"case {case.case_id}" for case in table.cases if case.case_id not in readable]
    checks.append(
        verdict(
            "studies-without-image",
            bare,
            "every study has an image that can be read",
            f"{len(bare)} of {len(table)} studies have no image that can be read",
            "training leaves them out; --fix drops those that named an image",
            WARNING,
        )
    )
    return tuple(checks)
