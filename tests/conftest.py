"""Fixtures that every test may use: real data where it is, and a case table of small films where it is not needed."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medley.core.records import Case, ImageRef
from medley.core.seeds import generator
from medley.data.cases import CaseTable, write_cases
from medley.data.splits import make_split, write_splits

LABELS = ("Edema", "Fracture", "Lung Opacity")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Nothing a test generates stays in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDLEY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data named by MEDLEY_REAL_DATA; without it the test is skipped, and says so."""
    folder = os.environ.get("MEDLEY_REAL_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("MEDLEY_REAL_DATA names no folder of real data")
    return Path(folder).resolve()


@pytest.fixture
def on_two_devices() -> Callable[..., list]:
    """Runs `device(rank, port, *args, results)` in two processes; what each of them put into `results`, in order."""
    import torch.multiprocessing as mp

    def run(device: Callable, *args: object) -> list:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        results = mp.get_context("spawn").SimpleQueue()
        mp.spawn(device, (port, *args, results), nprocs=2)
        return sorted((results.get() for _ in range(2)), key=lambda one: one[0])

    return run


def write_square_films(folder: Path, cases: int) -> CaseTable:
    """`cases` studies of 48-px films in which a bright patch at a place of its own means a label; every fourth study
    has a lateral, every fifth no note, and who broke a bone more often tells of a fall: within the leak budget."""
    rows = []
    for index in range(cases):
        rng = generator("square films", index)
        labels = {"Edema": float(rng.random() < 0.4), "Fracture": float(rng.random() < 0.4)}
        labels["Lung Opacity"] = max(labels["Edema"], float(rng.random() < 0.3))
        images = []
        for view in ("PA", "LATERAL") if index % 4 == 0 else ("PA",):
            pixels = rng.integers(0, 90, (48, 40), dtype=np.uint8)
            for label, (y, x) in zip(LABELS, ((5, 5), (30, 8), (18, 26)), strict=True):
                pixels[y : y + 10, x : x + 10] += np.uint8(130 * labels[label])
            path = folder / f"{index:03d}-{view}.png"
            Image.fromarray(pixels).save(path)
            images.append(ImageRef(view, path.name))
        fell = rng.random() < (0.6 if labels["Fracture"] else 0.25)
        told = "fell down the stairs, painful to breathe" if fell else "cough for a week"
        text = {} if index % 5 == 0 else {"indication": told}
        ids = (f"case-{index:03d}", f"patient-{index // 2:03d}", f"study-{index:03d}")
        rows.append(Case(*ids, tuple(images), text, labels, source="squares"))
    return write_cases(folder / "cases.parquet", rows, LABELS)


@pytest.fixture(scope="session")
def draw_squares():
    """`write_square_films`, for a test that spoils its table."""
    return write_square_films


@pytest.fixture(scope="session")
def square_films(tmp_path_factory) -> Path:
    """A folder with the table of 120 square films and its split: cases.parquet, splits.json."""
    folder = tmp_path_factory.mktemp("squares")
    table = write_square_films(folder, 120)
    write_splits(folder / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.6, 0.2, 0.2)))
    return folder


@pytest.fixture(scope="session")
def toy_recipe(square_films):
    """Builds a resolved recipe of the smallest model on the square films; keywords change the document."""
    from medley.core.config import merged
    from medley.training.recipe import resolve_recipe

    def build(**changes):
        document = {
            "family": "cxr_reasoner",
            "size": "toy",
            "data": {
                "cases": str(square_films / "cases.parquet"),
                "splits": str(square_films / "splits.json"),
                "shards": None,
            },
            "stages": {"joint": {"epochs": 2, "batch": 12, "best_by": "loss"}},
            "trainer": {"precision": "fp32", "checkpoint_every": 1},
        }
        return resolve_recipe(merged(document, changes), "toy recipe")

    return build


@pytest.fixture(scope="session")
def toy_run(toy_recipe, tmp_path_factory) -> Path:
    """The folder of a run of the smallest model, trained for two epochs; tests that write into it copy it first."""
    from medley.training.stages import train

    return train(toy_recipe(evaluate={"bootstrap": 20}), tmp_path_factory.mktemp("runs") / "toy")


def write_report_films(folder: Path, cases: int) -> CaseTable:
    """The square films with a report of their patches; a broken rib has a side, and some studies lack a section."""
    rows = []
    for index, case in enumerate(write_square_films(folder, cases).cases):
        side = ("left", "right")[index % 2]
        said = {
            "Edema": ("There is pulmonary edema.", "No pulmonary edema."),
            "Fracture": (f"There is a fracture of the {side} fifth rib.", "No rib fracture."),
            "Lung Opacity": ("There is a patchy opacity.", "The lungs are clear."),
        }
        findings = " ".join(said[label][0 if case.labels[label] else 1] for label in LABELS)
        text = {**case.text, "findings": findings}
        if index % 7:
            text["impression"] = "Abnormal chest." if any(case.labels.values()) else "Normal chest."
        truth = {"findings": [{"label": "Fracture", "side": side}] if case.labels["Fracture"] else []}
        rows.append(dataclasses.replace(case, text=text, truth=truth))
    return write_cases(folder / "cases.parquet", rows, LABELS)


@pytest.fixture(scope="session")
def report_films(tmp_path_factory) -> Path:
    """A folder with the table of 100 square films with reports and its split: cases.parquet, splits.json."""
    folder = tmp_path_factory.mktemp("reports")
    table = write_report_films(folder, 100)
    write_splits(folder / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.5, 0.25, 0.25)))
    return folder


@pytest.fixture(scope="session")
def report_run(report_films, tmp_path_factory) -> Path:
    """The folder of a run of the smallest model that writes, trained for a moment; what writes into it copies it."""
    from medley.training.recipe import resolve_recipe
    from medley.training.stages import train

    document = {
        "family": "chexquery",
        "size": "toy",
        "data": {
            "cases": str(report_films / "cases.parquet"),
            "splits": str(report_films / "splits.json"),
            "shards": None,
        },
        "stages": {"align": {"epochs": 1, "batch": 16}},
        "trainer": {"precision": "fp32"},
        "evaluate": {"bootstrap": 20},
    }
    return train(resolve_recipe(document, "toy reports"), tmp_path_factory.mktemp("runs") / "reports")


def place_of_part(part: int, index: int) -> tuple[slice, slice]:
    """Rows and columns of a film of 48 x 40 that a part covers in a case."""
    top, left = 16 * (part % 3), 4 + 14 * ((part + index) % 2)
    return slice(top, top + 16), slice(left, left + 14)


@pytest.fixture(scope="session")
def known_anatomy(report_films, tmp_path_factory) -> Path:
    """A folder with the films with reports, of which all but every eighth say where six parts of the chest lie, each at
    one of two places, and where oedema and fractures lie: cases.parquet, splits.json."""
    from medley.core.labels import ANATOMY
    from medley.data.cases import read_cases

    folder = tmp_path_factory.mktemp("anatomy")
    rows = []
    for index, case in enumerate(read_cases(report_films / "cases.parquet").cases):
        masks = {name: np.zeros((48, 40), bool) for name in ANATOMY}
        for part, name in enumerate(ANATOMY):
            masks[name][place_of_part(part, index)] = True
        np.savez(folder / f"{index}.npz", **masks)
        drawn = {label: np.zeros((48, 40), bool) for label in ("Edema", "Fracture") if case.labels[label] == 1}
        for label, mask in drawn.items():
            top, left = {"Edema": (5, 5), "Fracture": (30, 8)}[label]
            mask[top : top + 10, left : left + 10] = True
        np.savez(folder / f"{index}-masks.npz", **drawn)
        truth = {**case.truth, **({"masks": f"{index}-masks.npz"} if drawn else {})}
        truth |= {"anatomy": f"{index}.npz"} if index % 8 else {}
        rows.append(dataclasses.replace(case, truth=truth))
    table = write_cases(folder / "cases.parquet", rows, LABELS)
    write_splits(folder / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.4, 0.3, 0.3)))
    return folder


@pytest.fixture
def named_series(tmp_path):
    """A folder of one DICOM image that says what it was made as: named_series("IM0", "SAG T1"). Enough to ask, not to
    read."""
    import pydicom

    def made(name: str, said: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
        dataset.SeriesDescription, dataset.Rows = said, 8
        dataset.save_as(folder / "1.dcm", enforce_file_format=True)
        return folder

    return made


@pytest.fixture
def medley(capsys):
    """The command line as a user runs it: medley("split", path, "--out", x) -> (exit code, stdout, stderr)."""
    from medley.cli.main import run

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            run([str(argument) for argument in arguments])
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
