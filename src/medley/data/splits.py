"""Splits by patient, saved as a manifest beside the case table that every scorecard names.

`hash`        a patient's part depends only on (seed, patient id): stable while the data grow.
`stratified`  iterative stratification over the patients' labels (`data/stratify.py`): rare labels reach every part.
`official`    the published parts that a reader left in `truth["official_split"][name]`; where a dataset publishes no
              dev part, it is drawn from train by patient hash, and the manifest says so. A table that holds only
              the published test part is scored, not trained on; one that holds train and dev is trained on, not scored.

No patient is ever in two parts: checked when a manifest is made, read, and held against a table.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medley.core.errors import MedleyError, choose, nearest
from medley.core.files import read_json, write_json
from medley.core.records import Case
from medley.core.seeds import key64
from medley.data.cases import CaseTable
from medley.data.official import lacking
from medley.data.stratify import deal, patient_positives

PARTS = ("train", "dev", "test")
FRACTIONS = (0.7, 0.1, 0.2)


@dataclass(frozen=True)
class SplitManifest:
    """Which case is in which part, how that came about, and the digest of the table that it was made for."""

    by: str  # hash | stratified | official
    seed: int
    fractions: tuple[float, float, float]  # of patients (hash) or of patients and label positives (stratified)
    table_digest: str
    parts: Mapping[str, tuple[str, ...]]  # train, dev, test -> case ids
    official: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Names the parts: two manifests with the same ids in the same parts have the same digest."""
        lines = [f"{part}\x1f{case_id}" for part in PARTS for case_id in sorted(self.parts[part])]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def make_split(
    table: CaseTable,
    by: str = "hash",
    seed: int = 42,
    fractions: Sequence[float] = FRACTIONS,
    official: str | None = None,
) -> SplitManifest:
    """Part the table's patients into train, dev and test.

    With `official`, `by` is not used, and `fractions` only where a dev part must be drawn from train. Raises
    MedleyError for fractions that do not sum to 1, an empty part, or a table without such an official split.
    """
    shares = _check_fractions(fractions)
    remarks: tuple[str, ...] = ()
    if official is not None:
        part_of, remarks = _official_parts(table, official, seed, shares)
        by = "official"
    else:
        assign = choose(by, {"hash": _by_hash, "stratified": _by_stratification}, "way to split")
        part_of = assign(table, seed, shares)
    parts = _collect(table.cases, part_of)
    wanted = [part for part, share in zip(PARTS, shares, strict=True) if share > 0]
    if official:
        wanted = ["dev"] if parts["train"] else []  # what training is stopped by, published or drawn
    empty = [part for part in wanted if not parts[part]]
    if empty:
        patients = len({case.patient_id for case in table.cases})
        raise MedleyError(f"the {empty[0]} part would be empty ({patients} patients, by {by}); try --by stratified")
    manifest = SplitManifest(by, seed, shares, table.digest, parts, official, remarks)
    check_split(manifest, table)
    return manifest


def folds(table: CaseTable, k: int, seed: int = 42, dev_fraction: float = 0.1) -> list[SplitManifest]:
    """k manifests whose test parts are a patient-grouped, stratified partition of the table.

    `dev_fraction` of the patients outside a fold's test part, stratified too, are its dev part.
    """
    patients = sorted({case.patient_id for case in table.cases})
    if not 2 <= k <= len(patients):
        raise MedleyError(f"{k} folds of {len(patients)} patients: k must be at least 2 and at most the patients")
    if not 0 <= dev_fraction < 1:
        raise MedleyError(f"dev_fraction is {dev_fraction}; it must be at least 0 and below 1")
    positives = patient_positives(table.cases, table.labels)
    test_fold = deal(positives, [1 / k] * k, "folds", k, seed)
    share = (k - 1) / k
    fractions = (share * (1 - dev_fraction), share * dev_fraction, 1 / k)
    out = []
    for fold in range(k):
        rest = {patient: counts for patient, counts in positives.items() if test_fold[patient] != fold}
        inner = deal(rest, [1 - dev_fraction, dev_fraction], "folds", k, seed, fold)
        part_of = {patient: PARTS[inner[patient]] if patient in inner else "test" for patient in positives}
        parts = _collect(table.cases, part_of)
        manifest = SplitManifest("stratified", seed, fractions, table.digest, parts, None, (f"fold {fold} of {k}",))
        check_split(manifest, table)
        out.append(manifest)
    return out


def write_splits(path: Path | str, manifest: SplitManifest) -> None:
    """Write the manifest as JSON, whole."""
    write_json(path, _as_json(manifest))


def _as_json(manifest: SplitManifest) -> dict:
    return {
        "by": manifest.by,
        "seed": manifest.seed,
        "fractions": list(manifest.fractions),
        "table_digest": manifest.table_digest,
        "official": manifest.official,
        "remarks": list(manifest.remarks),
        "parts": {part: list(manifest.parts[part]) for part in PARTS},
        "digest": manifest.digest,
    }


def read_splits(path: Path | str, table: CaseTable | None = None) -> SplitManifest:
    """Read a manifest; with `table`, also hold it against that table (`check_split`). Raises MedleyError by name."""
    path = Path(path)
    raw = read_json(path)
    if not isinstance(raw, dict):
        raise MedleyError(f"{path} is not a split manifest; `medley split` writes one")
    for key in ("by", "seed", "fractions", "table_digest", "official", "parts", "digest"):
        if key not in raw:
            raise MedleyError(f"{path} is not a split manifest: it lacks '{key}'; `medley split` writes one")
    lists = raw["parts"].values() if isinstance(raw["parts"], dict) and set(raw["parts"]) == set(PARTS) else [None]
    if not all(isinstance(ids, list) and all(isinstance(case_id, str) for case_id in ids) for ids in lists):
        raise MedleyError(f"{path}: its parts must be {', '.join(PARTS)}, each a list of case ids")
    parts = {part: tuple(raw["parts"][part]) for part in PARTS}
    manifest = SplitManifest(
        raw["by"],
        raw["seed"],
        _check_fractions(raw["fractions"]),
        raw["table_digest"],
        parts,
        raw["official"],
        tuple(raw.get("remarks", ())),
    )
    _no_id_twice(manifest, path)
    if manifest.digest != raw["digest"]:
        raise MedleyError(
            f"{path} was changed by hand: its digest is {raw['digest']}, its parts have {manifest.digest}"
        )
    if table is not None:
        check_split(manifest, table, path)
    return manifest


def check_split(manifest: SplitManifest, table: CaseTable, path: Path | str = "the split") -> None:
    """Raises MedleyError when the manifest was made for another table or puts a patient into two parts."""
    _no_id_twice(manifest, path)
    ids = [case_id for part in PARTS for case_id in manifest.parts[part]]
    missing = [case_id for case_id in ids if case_id not in table.by_id]
    where = table.path or "the table"
    if missing:
        raise MedleyError(
            f"{path} does not fit {where}: {len(missing)} of its {len(ids)} case ids are not there, "
            f"first '{missing[0]}'; make a new split with `medley split`"
        )
    part_of: dict[str, str] = {}
    for part in PARTS:
        for case_id in manifest.parts[part]:
            patient = table.by_id[case_id].patient_id
            if part_of.setdefault(patient, part) != part:
                raise MedleyError(
                    f"{path}: patient '{patient}' is in {part_of[patient]} and in {part}; split by patient"
                )
    if manifest.table_digest != table.digest:
        raise MedleyError(
            f"{path} was made for the table {manifest.table_digest}, and {where} is {table.digest}: "
            "make a new split with `medley split` (by hash, the patients keep their parts)"
        )


def _no_id_twice(manifest: SplitManifest, path: Path | str) -> None:
    seen: dict[str, str] = {}
    for part in PARTS:
        for case_id in manifest.parts[part]:
            if case_id in seen:
                raise MedleyError(f"{path}: case '{case_id}' stands in {seen[case_id]} and in {part}")
            seen[case_id] = part


def _check_fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    try:
        values = [float(value) for value in fractions]
    except (TypeError, ValueError):
        values = []
    if len(values) != len(PARTS) or min(values) < 0 or not math.isclose(sum(values), 1, abs_tol=1e-6):
        said = ",".join(str(value) for value in fractions) if isinstance(fractions, list | tuple) else fractions
        raise MedleyError(
            f"fractions {said}: three shares of train, dev, test are needed that sum to 1, e.g. 0.7,0.1,0.2, or 0,0,1 "
            "for a table that is only scored"
        )
    return values[0], values[1], values[2]


def _collect(cases: Sequence[Case], part_of: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {part: tuple(c.case_id for c in cases if part_of.get(c.patient_id) == part) for part in PARTS}


def _hash_share(seed: int, patient_id: str) -> float:
    """A number in [0, 1) that belongs to the patient."""
    return key64("split", seed, patient_id) / 2**64


def _by_hash(table: CaseTable, seed: int, fractions: Sequence[float]) -> dict[str, str]:
    part_of = {}
    for patient in {case.patient_id for case in table.cases}:
        share = _hash_share(seed, patient)
        part_of[patient] = PARTS[0] if share < fractions[0] else PARTS[1 if share < fractions[0] + fractions[1] else 2]
    return part_of


def _by_stratification(table: CaseTable, seed: int, fractions: Sequence[float]) -> dict[str, str]:
    dealt = deal(patient_positives(table.cases, table.labels), fractions, "stratified", seed)
    return {patient: PARTS[index] for patient, index in dealt.items()}


def _official_parts(
    table: CaseTable, name: str, seed: int, fractions: Sequence[float]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """patient -> part as published. Cases without the mark are in no part. A missing dev part is drawn from train."""
    marked = {case.case_id: case.truth.get("official_split", {}) for case in table.cases}
    known = sorted({key for parts in marked.values() for key in parts})
    if name not in known:
        hint = nearest(name, known) if known else "; its reader found none"
        raise MedleyError(f"{table.path or 'the table'} carries no official split '{name}'{hint}")
    part_of: dict[str, str] = {}
    for case in table.cases:
        part = marked[case.case_id].get(name)
        if part is None:
            continue
        if part not in PARTS:
            raise MedleyError(f"case '{case.case_id}': official part '{part}'; it must be {', '.join(PARTS)}")
        if part_of.setdefault(case.patient_id, part) != part:
            both = f"{part_of[case.patient_id]} and {part}"
            raise MedleyError(f"official split '{name}' puts patient '{case.patient_id}' into {both}")
    unmarked = sorted({case.patient_id for case in table.cases} - set(part_of))
    remarks = []
    if unmarked:
        remarks.append(f"{len(unmarked)} patients are in no part of '{name}', first '{unmarked[0]}': left out")
    if said := lacking(name, {case.study_id for case in table.cases}):
        remarks.append(said)
    held = set(part_of.values())
    if held == {"train", "dev"}:
        remarks.append(f"the table holds no test part of '{name}': it can be trained on, not scored")
    elif "test" not in held:
        raise MedleyError(f"the table holds no test part of the official split '{name}'; index that part too")
    if "train" not in held:
        remarks.append(f"the table holds no train part of '{name}': it can be scored, not trained on")
    elif "dev" not in held:
        if fractions[0] + fractions[1] == 0:
            raise MedleyError(
                f"'{name}' publishes no dev part: fractions must give train and dev a share to draw it by"
            )
        share = fractions[1] / (fractions[0] + fractions[1])
        for patient, part in part_of.items():
            if part == "train" and _hash_share(seed, patient) < share:
                part_of[patient] = "dev"
        remarks.append(f"'{name}' publishes no dev part: {share:.3f} of the train patients are dev, by hash")
    return part_of, tuple(remarks)
