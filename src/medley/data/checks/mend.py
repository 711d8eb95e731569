"""`--fix`: a cleaned table beside the old one, its split, and a list of all that was dropped. Labels are never changed.

Dropped, in this order: images that cannot be read or are blank; copies of one film across parts (the copy of the
earlier part goes: train before dev before test, so that what is tested stays what it was); further exact copies under
another patient; studies that had images and have none left. With a split: the train and dev studies of patients who
are also in a later part. A new manifest keeps every other study in its part, and says what it was made from.
Left alone: pairs that a person should look at (`Pair.sure` is false), and all of a check that was accepted.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from medley.core.errors import MedleyError
from medley.core.files import write_text
from medley.core.records import Case
from medley.data.cases import CaseTable, portable, write_cases
from medley.data.checks.doctor import Examination
from medley.data.checks.duplicates import NEAR
from medley.data.checks.looks import CHANGED, Look
from medley.data.splits import PARTS, SplitManifest, write_splits

_FILES_OF_TRUTH = ("segmentation", "mask")


@dataclass(frozen=True)
class Dropped:
    """An image, or a whole study where `image` is empty."""

    case_id: str
    image: str
    why: str


@dataclass(frozen=True)
class Mended:
    """What was written: OUT, OUT.dropped.csv, and OUT.splits.json where there was a split."""

    table: CaseTable
    dropped: tuple[Dropped, ...]
    paths: tuple[Path, ...]

    def as_json(self) -> dict:
        """Counts by reason and the files."""
        reasons = Counter(one.why.partition(":")[0] for one in self.dropped)
        return {"studies": len(self.table), "dropped": dict(reasons), "files": [str(path) for path in self.paths]}


def mend(found: Examination, out: Path | str) -> Mended:
    """Write the cleaned table. Raises MedleyError where nothing would be left, or `out` is the table itself."""
    out = Path(out)
    if found.table.path is not None:
        refuse_itself(found.table.path, out)
    part_of = found.part_of or {}
    images = _unreadable(found) | _copies(found, part_of)
    studies = {} if "patients-across-parts" in found.accepted else _leaking_patients(found.table, part_of)
    kept, dropped = [], [Dropped(case_id, path, why) for (case_id, path), why in images.items()]
    for case in found.table.cases:
        left = tuple(image for image in case.images if (case.case_id, image.path) not in images)
        if case.images and not left:
            studies.setdefault(case.case_id, "no image left: all of them were dropped")
        if case.case_id in studies:
            dropped.append(Dropped(case.case_id, "", studies[case.case_id]))
        else:
            kept.append(replace(case, images=left))
    if not kept:
        raise MedleyError(f"{found.table.path}: nothing would be left; no table was written")
    listed = out.with_name(out.stem + ".dropped.csv")
    write_text(listed, _as_csv(dropped))  # first: a full disk must not leave a table without what it lacks
    folder = found.table.path.parent if found.table.path else Path()
    moved = [portable(_with_masks(case, folder, out.parent), out.parent) for case in kept]
    table = write_cases(out, moved, found.table.labels)
    paths = [out, listed]
    if found.manifest is not None:
        paths.append(out.with_name(out.stem + ".splits.json"))
        write_splits(paths[-1], _manifest(found.manifest, table, len(studies)))
    return Mended(table, tuple(dropped), tuple(paths))


def _with_masks(case: Case, old: Path, new: Path) -> Case:
    """The case with the files that its truth names, which are relative to its table's folder, as seen from another."""
    named = {name: (old / case.truth[name]).resolve() for name in _FILES_OF_TRUTH if case.truth.get(name)}
    here = new.resolve()
    seen = {n: str(path.relative_to(here) if path.is_relative_to(here) else path) for n, path in named.items()}
    return replace(case, truth={**case.truth, **seen}) if seen else case


def refuse_itself(cases: Path, out: Path) -> None:
    """MedleyError where the cleaned table would take the place of the table itself."""
    if out.resolve() == cases.resolve():
        raise MedleyError(f"--fix {out} is the table itself; name a new file")


def _unreadable(found: Examination) -> dict[tuple[str, str], str]:
    return {
        (look.case_id, look.path): f"{look.problem}: {look.reason}"
        for look in found.looks
        if look.problem and look.problem != CHANGED and f"{look.problem}-images" not in found.accepted
    }


def _copies(found: Examination, part_of: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Of one film in several parts all but those in the latest part; of exact copies between patients all but one.

    Films are one where their pixels are equal or where they are a sure pair themselves: that a film is like a second
    which is like a third makes no copy of it, and follow-ups of one patient are often alike.
    """
    identical: dict[str, list[Look]] = defaultdict(list)
    for look in found.looks:
        if look.readable:
            identical[look.pixel_sha256].append(look)
    across, between = (f"duplicates-{which}" not in found.accepted for which in ("across-parts", "between-patients"))
    gone: dict[tuple[str, str], str] = {}
    if across:
        near = [pair for pair in found.pairs if pair.kind == NEAR and pair.sure]
        groups = [group for group in identical.values() if len(group) > 1]
        groups += [identical[pair.one.pixel_sha256] + identical[pair.other.pixel_sha256] for pair in near]
        for latest in reversed(PARTS):  # what has gone for a film of test drops nothing in its turn
            for group in groups:
                left = [look for look in group if look.case_id in part_of and _key(look) not in gone]
                stays = [look for look in left if part_of[look.case_id] == latest]
                for look in left if stays else ():
                    if part_of[look.case_id] != latest:
                        gone[_key(look)] = f"copy across parts: {stays[0].path} in {latest} is the same film"
    if between:
        first: dict[tuple[str, str | None], Look] = {}
        for look in (look for group in identical.values() for look in group if _key(look) not in gone):
            part = None if across else part_of.get(look.case_id)  # copies in two parts were accepted: each has its own
            kept = first.setdefault((look.pixel_sha256, part), look)
            if found.table.by_id[kept.case_id].patient_id != found.table.by_id[look.case_id].patient_id:
                gone[_key(look)] = f"exact copy under another patient: {kept.path} has the same pixels"
    return gone


def _key(look: Look) -> tuple[str, str]:
    return look.case_id, look.path


def _leaking_patients(table: CaseTable, part_of: Mapping[str, str]) -> dict[str, str]:
    """case_id -> why, for the studies of patients who are in a later part, too."""
    order = {part: rank for rank, part in enumerate(PARTS)}
    latest: dict[str, str] = {}
    placed = [case for case in table.cases if case.case_id in part_of]
    for case in placed:
        part = part_of[case.case_id]
        if order[part] >= order[latest.get(case.patient_id, PARTS[0])]:
            latest[case.patient_id] = part
    return {
        case.case_id: f"patient in two parts: {case.patient_id} is in {latest[case.patient_id]}, too"
        for case in placed
        if part_of[case.case_id] != latest[case.patient_id]
    }


def _manifest(old: SplitManifest, table: CaseTable, studies: int) -> SplitManifest:
    """The same parts without what was dropped, for the cleaned table."""
    parts = {part: tuple(case_id for case_id in old.parts[part] if case_id in table.by_id) for part in PARTS}
    remark = f"cleaned by medley check-data from split {old.digest}: {studies} studies dropped, none moved"
    return replace(old, table_digest=table.digest, parts=parts, remarks=(*old.remarks, remark))


def _as_csv(dropped: list[Dropped]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["case_id", "image", "why"])
    rows.writerows([one.case_id, one.image, one.why] for one in dropped)
    return text.getvalue()
