"""The examination: every check over one table, in the order in which a person would mend things."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medley.core.about import VERSION
from medley.core.errors import choose
from medley.data.cases import CaseTable, read_cases
from medley.data.checks.alignment import SAME_FILM, SURE_FILM, SURE_FRONTAL
from medley.data.checks.columns import check_columns
from medley.data.checks.duplicates import NAMES as DUPLICATES
from medley.data.checks.duplicates import Pair, check_duplicates, crowd_of, find_pairs, mirrored_pairs
from medley.data.checks.fingerprint import candidate_limit
from medley.data.checks.images import check_images
from medley.data.checks.looks import Look, is_volume, look_at_all
from medley.data.checks.names import check_file_names, check_headers
from medley.data.checks.parts import check_overlaps, check_split_fits, check_support, parts_of
from medley.data.checks.result import FAILED, NOT_APPLICABLE, OK, WARNING, Check, not_applicable
from medley.data.checks.rows import check_dates, check_hierarchy, check_people
from medley.data.checks.shortcuts import check_acquisition, check_source
from medley.data.checks.sides import check_sides, flips_of
from medley.data.checks.texts import check_report_in_input, check_same_text, check_text_names_labels
from medley.data.checks.volumes import dataset, geometry, masks, truth
from medley.data.checks.volumes.alike import SAME_VOLUME, SURE_VOLUME
from medley.data.splits import SplitManifest, read_splits

Progress = Callable[[str, int, int], None]
NAMES = (
    "missing-images",
    "damaged-images",
    "constant-images",
    "changed-images",
    "studies-without-image",
    *geometry.NAMES,
    masks.NAME,
    *DUPLICATES,
    "split-fits-table",
    "patients-across-parts",
    "studies-across-parts",
    "publications-across-parts",
    "same-text-across-parts",
    "label-support",
    "label-hierarchy",
    "label-columns",
    *truth.NAMES,
    "ages-and-sexes",
    "dates",
    "text-names-labels",
    "report-in-input",
    "answer-in-file-name",
    "answer-in-header",
    "source-signature",
    "acquisition-shortcut",
    *dataset.NAMES,
    "laterality-flips",
)


@dataclass(frozen=True)
class Examination:
    """All that was found. `part_of` is None without a split."""

    table: CaseTable
    manifest: SplitManifest | None
    checks: tuple[Check, ...]
    looks: tuple[Look, ...]
    pairs: tuple[Pair, ...]
    seed: int = 0
    accepted: tuple[str, ...] = ()  # names of checks whose failure somebody lives with: `--fix` leaves it, too

    @property
    def part_of(self) -> dict[str, str] | None:
        return parts_of(self.manifest) if self.manifest else None

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if check.status == FAILED]

    def as_json(self) -> dict[str, Any]:
        """Everything but the pairs, which are a table of their own."""
        statuses = (FAILED, WARNING, OK, NOT_APPLICABLE)
        drawn = sum(self.table.by_id[look.case_id].synthetic and look.volume is None for look in self.looks)
        return {
            "table": str(self.table.path),
            "table_digest": self.table.digest,
            "split_digest": self.manifest.digest if self.manifest else None,
            "studies": len(self.table),
            "images": len(self.looks),
            "medley": VERSION,
            "seed": self.seed,
            "limits": {
                "fingerprint": candidate_limit(),
                "same_film": SAME_FILM,
                "sure_film": SURE_FILM,
                "sure_frontal": SURE_FRONTAL,
                "same_volume": SAME_VOLUME,
                "sure_volume": SURE_VOLUME,
                "added_between_generated": round(crowd_of(drawn), 4),
            },
            "totals": {status: sum(check.status == status for check in self.checks) for status in statuses},
            "checks": [check.as_json() for check in self.checks],
        }


def examine(
    cases: Path | str,
    splits: Path | str | None = None,
    *,
    recipe: Path | str | None = None,
    reference: Path | str | None = None,
    accept: Sequence[str] = (),
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Run every check. A failed check named in `accept` is a warning: somebody looked, and lives with it.

    The table's own rules (unique case ids, legal label values) are `read_cases`'s, and breaking them is an error.
    Raises MedleyError where a file cannot be read or `accept` names no check.
    """
    for name in accept:
        choose(name, dict.fromkeys(NAMES), "check to accept:")
    table = read_cases(cases)
    manifest = read_splits(splits) if splits else None
    part_of = parts_of(manifest) if manifest else None
    extras = further_columns(table)
    flips = flips_of(recipe) if recipe else None
    columns = check_columns(table, reference)  # before the images: what is misspelt should not cost an hour
    workers = workers or os.cpu_count() or 1
    tick = (lambda done, of: progress("decoding images", done, of)) if progress else None
    looks = look_at_all(table, workers, tick)
    generated = frozenset(case.case_id for case in table.cases if case.synthetic)
    pairs = find_pairs(looks, workers, progress, part_of, generated)
    checks = (
        *check_images(table, looks),
        geometry.check_sequences(table, looks),
        geometry.check_geometry(looks),
        geometry.check_together_in_space(looks),
        geometry.check_brains(table, looks),
        masks.check_masks(table, looks),
        *_duplicates(looks, pairs, table, part_of),
        check_split_fits(table, manifest),
        *check_overlaps(table, part_of, extras),
        check_same_text(table, part_of),
        check_support(table, part_of),
        check_hierarchy(table),
        columns,
        truth.check_truth(table),
        truth.check_reports(table, looks),
        check_people(table),
        check_dates(table, looks, extras),
        check_text_names_labels(table),
        check_report_in_input(table),
        check_file_names(table, looks),
        check_headers(table, looks),
        check_source(table, looks, seed),
        check_acquisition(table, looks, seed),
        dataset.check_healthy_from_file(table, looks, seed),
        dataset.check_source_from_file(table, looks, seed),
        check_sides(table, mirrored_pairs(pairs), flips, noun_of(table)),
    )
    return Examination(table, manifest, _accepted(checks, accept), looks, tuple(pairs), seed, tuple(accept))


def _duplicates(
    looks: Sequence[Look], pairs: Sequence[Pair], table: CaseTable, part_of: Mapping[str, str] | None
) -> tuple[Check, ...]:
    if any(look.readable for look in looks):
        return check_duplicates(pairs, table.by_id, part_of, noun_of(table))
    return tuple(not_applicable(name, "the table has no image that can be read") for name in DUPLICATES)


def _accepted(checks: Sequence[Check], accept: Sequence[str]) -> tuple[Check, ...]:
    return tuple(
        replace(check, status=WARNING, says=f"accepted: {check.says}")
        if check.name in accept and check.status == FAILED
        else check
        for check in checks
    )


def noun_of(table: CaseTable) -> str:
    """What the table's images are called: film, volume, or image where it has both."""
    kinds = {is_volume(image) for case in table.cases for image in case.images}
    return "image" if len(kinds) > 1 else "volume" if True in kinds else "film"


def further_columns(table: CaseTable) -> dict[str, Mapping[str, Any]]:
    """case_id -> the columns that the case table may hold beside its own: a date, a publication. Nulls left out."""
    import polars as pl

    assert table.path is not None
    frame = pl.read_parquet(table.path)
    schema = {"case_id", "patient_id", "study_id", "images", "truth", "sex", "age_years", "source", "synthetic"}
    own = [name for name in frame.columns if name not in schema and not name.startswith(("text/", "label/"))]
    if not own:
        return {}
    rows = frame.select("case_id", *own).iter_rows(named=True)
    return {row["case_id"]: {name: row[name] for name in own if row[name] is not None} for row in rows}
