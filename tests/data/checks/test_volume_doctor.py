"""The data doctor on brain volumes: a clean cohort raises nothing, and each planted fault is found by its own check."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medley.core.records import ImageRef
from medley.data.brain_sides import find_midplane
from medley.data.cases import read_cases, write_cases
from medley.data.checks.doctor import NAMES, examine
from medley.data.preprocess.volume.nifti import read_nifti, write_nifti
from medley.language.swap import swap_report

FILMS_ONLY = ("source-signature", "acquisition-shortcut")


@pytest.fixture(scope="module")
def report(brains):
    return examine(brains / "cohort/cases.parquet", brains / "splits.json", workers=1)


def by_name(examination) -> dict:
    return {check.name: check for check in examination.checks}


def test_a_clean_cohort_of_brains_raises_nothing_and_hides_nothing(report):
    checks = by_name(report)
    assert tuple(checks) == NAMES
    trouble = {name: check.says for name, check in checks.items() if check.status in ("failed", "warning")}
    assert set(trouble) <= {"label-support"}, trouble  # 60 studies cannot have ten of each in each part
    for name in (*FILMS_ONLY, "looks-like-a-brain"):
        assert (checks[name].status, bool(checks[name].says)) == ("not applicable", True)
    for name in ("damaged-images", "missing-sequences", "volume-geometry", "sequences-in-one-space", "brain-truth"):
        assert checks[name].status == "ok"
    assert checks["masks-fit-volumes"].numbers["masks"] == 60
    assert checks["masks-fit-volumes"].numbers["darker_than_the_other_side"] <= 3  # by shading alone
    assert checks["report-fits-truth"].numbers["compared"] == 60
    assert checks["label-columns"].numbers["columns_checked"] == 5


def test_films_are_told_that_these_checks_are_of_volumes(clean):
    checks = by_name(examine(clean / "cohort/cases.parquet", workers=1))
    for name in ("missing-sequences", "volume-geometry", "masks-fit-volumes", "brain-truth", "healthy-from-file"):
        assert checks[name].status == "not applicable"
        assert checks[name].says


class Spoilt:
    """A copy of some studies of the cohort, whose files and rows a test changes."""

    def __init__(self, brains: Path, folder: Path, count: int = 12):
        self.folder = folder
        table = read_cases(brains / "cohort/cases.parquet")
        root = (brains / "cohort").resolve()
        self.labels = table.labels
        self.cases = []
        for case in table.cases[:count]:
            truth = {**case.truth, "segmentation": str(root / case.truth["segmentation"])}
            self.cases.append(replace(case, truth=truth))

    def path(self, row: int, view: str = "flair") -> Path:
        return Path(next(image.path for image in self.cases[row].images if image.view == view))

    def give(self, row: int, path: Path, view: str = "flair") -> None:
        rest = tuple(image for image in self.cases[row].images if image.view != view)
        self.cases[row] = replace(self.cases[row], images=(ImageRef(view, str(path)), *rest))

    def change(self, row: int, **changes) -> None:
        self.cases[row] = replace(self.cases[row], **changes)

    def truth(self, row: int, **changes) -> None:
        self.change(row, truth={**self.cases[row].truth, **changes})

    def row_of(self, side: str) -> int:
        return next(row for row, case in enumerate(self.cases) if case.truth.get("sides") == side)

    def healthy_row(self) -> int:
        return next(row for row, case in enumerate(self.cases) if case.truth["healthy"])

    def write(self) -> Path:
        write_cases(self.folder / "cases.parquet", self.cases, self.labels)
        return self.folder / "cases.parquet"

    def checks(self) -> dict:
        return by_name(examine(self.write(), workers=1))


@pytest.fixture
def spoilt(brains, tmp_path) -> Spoilt:
    return Spoilt(brains, tmp_path)


def test_files_that_cannot_be_read_are_counted_by_kind_and_leave_their_study_short(spoilt):
    whole = spoilt.path(0)
    raw = read_nifti(whole)
    folder = spoilt.folder
    (folder / "cut.nii.gz").write_bytes(whole.read_bytes()[:3000])
    (folder / "tail.nii").write_bytes(gzip.decompress(whole.read_bytes())[:-5000])
    nib.save(nib.Nifti1Image(np.stack([raw.values] * 3, -1), raw.affine), folder / "four.nii.gz")
    holes = raw.values.copy()
    holes[3:5, 3, 3] = np.nan
    write_nifti(folder / "holes.nii.gz", holes, raw.affine)
    write_nifti(folder / "flat.nii.gz", np.full(raw.values.shape, 7, np.int16), raw.affine)
    for row, name in enumerate(("cut.nii.gz", "tail.nii", "four.nii.gz", "holes.nii.gz", "flat.nii.gz", "gone.nii.gz")):
        spoilt.give(row, folder / name)
    spoilt.change(6, images=(replace(spoilt.cases[6].images[0], sha256="0" * 64), *spoilt.cases[6].images[1:]))
    checks = spoilt.checks()
    assert [
        (checks[f"{kind}-images"].status, checks[f"{kind}-images"].count)
        for kind in ("missing", "damaged", "constant", "changed")
    ] == [
        ("failed", 1),
        ("failed", 4),
        ("failed", 1),
        ("failed", 1),
    ]
    told = " ".join(checks["damaged-images"].examples)
    for words in ("cut off", "4D volume of 3", "2 of", "NaN or infinite"):
        assert words in told
    assert checks["studies-without-image"].status == "ok"  # each has its T1 still
    short = checks["missing-sequences"]
    assert (short.status, short.count) == ("warning", 6)
    assert "lacks flair (flair cannot be read)" in short.examples[0]


def test_sequences_that_lack_or_lie_elsewhere(spoilt):
    spoilt.change(0, images=spoilt.cases[0].images[:1])
    raw = read_nifti(spoilt.path(1, "t1"))
    moved = raw.affine.copy()
    moved[0, 3] += 90
    write_nifti(spoilt.folder / "moved.nii.gz", raw.values.astype(np.int16), moved)
    spoilt.give(1, spoilt.folder / "moved.nii.gz", "t1")
    checks = spoilt.checks()
    assert "lacks t1" in checks["missing-sequences"].examples[0]
    assert (checks["sequences-in-one-space"].status, checks["sequences-in-one-space"].count) == ("failed", 1)
    assert "co-register" in checks["sequences-in-one-space"].todo


def test_headers_that_cannot_be_trusted(spoilt):
    raw = read_nifti(spoilt.path(0))
    write_nifti(spoilt.folder / "lost.nii.gz", raw.values.astype(np.int16), np.eye(4))
    spoilt.change(0, images=(ImageRef("flair", str(spoilt.folder / "lost.nii.gz")),))
    thick = raw.affine @ np.diag([1, 1, 1.6, 1])
    write_nifti(spoilt.folder / "thick.nii.gz", raw.values.astype(np.int16), thick)
    spoilt.change(1, images=(ImageRef("flair", str(spoilt.folder / "thick.nii.gz")),))
    check = spoilt.checks()["volume-geometry"]
    assert check.status == "warning"
    said = "\n".join(check.examples)
    assert "identity" in said
    assert "thick.nii.gz: voxels of" in said


def test_an_egg_of_noise_is_no_brain_and_a_generated_brain_is_not_asked(spoilt):
    x, y, z = np.indices((44, 40, 44))
    inside = ((x - 22) / 6) ** 2 + ((y - 20) / 18) ** 2 + ((z - 22) / 20) ** 2 < 1
    noise = np.where(inside, np.random.default_rng(0).integers(200, 900, inside.shape), 0).astype(np.int16)
    path = spoilt.folder / "egg.nii.gz"
    write_nifti(path, noise, np.diag([5.0, 5.0, 5.0, 1.0]))
    spoilt.change(0, synthetic=False, images=(ImageRef("flair", str(path)),), truth={"healthy": True})
    checks = spoilt.checks()
    assert checks["looks-like-a-brain"].status == "failed"
    assert "egg.nii.gz is no brain that can be recognised" in checks["looks-like-a-brain"].examples[0]
    assert checks["looks-like-a-brain"].numbers["generated"] == 11


def masked(spoilt: Spoilt, row: int, name: str, change) -> None:
    raw = read_nifti(spoilt.cases[row].truth["segmentation"], labels=True)
    values, affine = change(raw.values.astype(np.uint8), raw.affine.copy())
    write_nifti(spoilt.folder / name, values, affine)
    spoilt.truth(row, segmentation=str(spoilt.folder / name))


def test_masks_that_do_not_fit(spoilt):
    ill = [row for row, case in enumerate(spoilt.cases) if not case.truth["healthy"]]
    masked(spoilt, ill[0], "grid.nii.gz", lambda v, a: (v, a @ np.diag([1.1, 1, 1, 1])))
    masked(spoilt, ill[1], "labels.nii.gz", lambda v, a: (v * 5, a))
    masked(spoilt, ill[2], "nothing.nii.gz", lambda v, a: (v * 0, a))
    masked(spoilt, ill[3], "away.nii.gz", lambda v, a: (v[2:], a + np.array([[0, 0, 0, 200.0], *[[0.0] * 4] * 3])))
    spoilt.truth(ill[4], segmentation=str(spoilt.folder / "gone.nii.gz"))
    check = spoilt.checks()["masks-fit-volumes"]
    said = "\n".join(check.examples)
    assert check.status == "failed"
    assert "grid.nii.gz has the size of" in said
    assert "holds the label" in said
    assert "nothing.nii.gz marks nothing, and the study is said to have a lesion" in said
    assert "away.nii.gz: 100% of the lesion lie outside the brain" in said
    assert "gone.nii.gz does not exist" in said


def test_a_mask_on_the_other_side_contradicts_the_truth(spoilt):
    row = spoilt.row_of("left")

    def mirror(values, affine):
        axis = int(np.argmax(np.abs(affine[0, :3])))
        return np.flip(values, axis), affine

    masked(spoilt, row, "other.nii.gz", mirror)
    check = spoilt.checks()["masks-fit-volumes"]
    assert check.status == "failed"
    assert "other.nii.gz lies on the right, and the truth says left" in check.examples[0]


def test_where_most_masks_are_mirrored_the_images_say_so_though_the_truth_agrees(brains, tmp_path):
    """Truth and masks may have been mirrored together; what is bright on FLAIR was not."""
    spoilt = Spoilt(brains, tmp_path, 40)
    for row, case in enumerate(spoilt.cases):
        if case.truth["healthy"]:
            continue
        flair = read_nifti(spoilt.path(row))
        raw = read_nifti(case.truth["segmentation"], labels=True)
        plane = find_midplane(flair.values > 0, flair.affine)
        index = np.indices(raw.values.shape).reshape(3, -1).T
        points = index @ raw.affine[:3, :3].T + raw.affine[:3, 3]
        points -= 2 * plane.right_mm(points)[:, None] * np.asarray(plane.normal)
        back = np.linalg.inv(raw.affine)
        there = np.rint(points @ back[:3, :3].T + back[:3, 3]).astype(int)
        inside = ((there >= 0) & (there < raw.values.shape)).all(1)
        turned = np.zeros(raw.values.shape, np.uint8)
        turned.reshape(-1)[inside] = raw.values[tuple(there[inside].T)]
        path = spoilt.folder / f"turned-{row}.nii.gz"
        write_nifti(path, turned, raw.affine)
        spoilt.change(row, truth={"healthy": False, "segmentation": str(path)}, text={})
    check = spoilt.checks()["masks-fit-volumes"]
    assert check.status == "failed"
    assert "lesions are darker than the same place on the other side" in check.examples[0]


def test_truth_that_cannot_be(spoilt):
    left, healthy = spoilt.row_of("left"), spoilt.healthy_row()
    spoilt.truth(healthy, sides="left")
    spoilt.change(healthy, labels={**spoilt.cases[healthy].labels, "Edema": 1.0, "Lesion": 0.0})
    spoilt.truth(left, side_lobe=[["right", "frontal"]], lobes=["frontal"], shift_mm=70.0)
    other = next(row for row, case in enumerate(spoilt.cases) if row != left and not case.truth["healthy"])
    spoilt.truth(other, shares=[["left", "frontal", 0.8], ["left", "deep", 0.7]])
    spoilt.truth(other, sides="middle", volumes_ml={"edema": 30.0, "whole": 12.0})
    checks = spoilt.checks()
    said = "\n".join(checks["brain-truth"].examples)
    assert checks["brain-truth"].status == "failed"
    for words in (
        "it is healthy, and Edema is 1",
        "it is healthy, and has sides",
        "sides is left, and all of side_lobe is right",
        "shifted by 70 mm",
        "sides is 'middle'",
        "the lobes' shares of its lesion are 0.8, 0.7",
        "its parts have 30 ml, the whole lesion 12",
    ):
        assert words in said, words
    assert checks["label-hierarchy"].status == "failed"
    assert "Edema is 1, its parent Lesion is 0" in checks["label-hierarchy"].examples[0]


def test_one_report_of_the_wrong_side_is_a_slip_and_many_are_a_mirrored_table(spoilt):
    sided = [row for row, case in enumerate(spoilt.cases) if case.truth.get("sides") in ("left", "right")]
    spoilt.change(sided[0], text=swap_report(spoilt.cases[sided[0]].text))
    one = spoilt.checks()["report-fits-truth"]
    assert (one.status, one.count) == ("warning", 1)
    assert "and the report says" in one.examples[0]
    for row in sided[1:]:
        spoilt.change(row, text=swap_report(spoilt.cases[row].text))
    many = spoilt.checks()["report-fits-truth"]
    assert (many.status, many.count) == ("failed", len(sided))


def test_a_report_is_held_against_the_mask_where_the_truth_is_silent(spoilt):
    row = spoilt.row_of("right")
    mask = spoilt.cases[row].truth["segmentation"]
    spoilt.change(
        row, truth={"healthy": False, "segmentation": mask}, text={"report": "A lesion in the left frontal lobe."}
    )
    check = spoilt.checks()["report-fits-truth"]
    assert "the lesion is on the right, and the report says left" in check.examples[0]
    spoilt.change(spoilt.healthy_row(), text={"report": "A lesion in the left frontal lobe."})
    said = "\n".join(spoilt.checks()["report-fits-truth"].examples)
    assert "it is healthy, and the report tells of lesion" in said


def test_fix_drops_what_cannot_be_read_and_masks_are_found_from_the_new_folder(brains, tmp_path, medley):
    """The truth names masks relative to the table; a table in another folder names them from there."""
    table = read_cases(brains / "cohort/cases.parquet")
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"\x1f\x8b cut")
    first = table.cases[0]
    images = (ImageRef("flair", str(broken)), *first.images[1:])
    path = brains / "cohort/spoilt.parquet"
    write_cases(path, [replace(first, images=images), *table.cases[1:6]], table.labels)
    code, said, _ = medley("check-data", path, "--workers", "1", "--fix", tmp_path / "new/fixed.parquet")
    path.unlink()
    assert code == 1
    assert "dropped: 1 x damaged" in said
    fixed = read_cases(tmp_path / "new/fixed.parquet")
    assert [image.view for image in fixed.cases[0].images] == ["t1"]
    check = by_name(examine(tmp_path / "new/fixed.parquet", workers=1))["masks-fit-volumes"]
    assert (check.status, check.numbers["masks"]) == ("ok", 6)
