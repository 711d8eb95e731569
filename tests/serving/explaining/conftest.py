"""The films with reports, on which it is known where six parts of the chest lie: each at one of two places."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from medley.core.labels import ANATOMY
from medley.data.cases import read_cases, write_cases
from medley.data.splits import make_split, write_splits


def place_of(part: int, index: int) -> tuple[slice, slice]:
    """Rows and columns of a film of 48 x 40 that a part covers in a case."""
    top, left = 16 * (part % 3), 4 + 14 * ((part + index) % 2)
    return slice(top, top + 16), slice(left, left + 14)


@pytest.fixture(scope="session")
def known_anatomy(report_films, tmp_path_factory) -> Path:
    """A folder with a table whose cases but every eighth have masks of their anatomy: cases.parquet, splits.json."""
    folder = tmp_path_factory.mktemp("anatomy")
    rows = []
    for index, case in enumerate(read_cases(report_films / "cases.parquet").cases):
        masks = {name: np.zeros((48, 40), bool) for name in ANATOMY}
        for part, name in enumerate(ANATOMY):
            masks[name][place_of(part, index)] = True
        np.savez(folder / f"{index}.npz", **masks)
        found = case.labels["Edema"] == 1
        if found:
            spot = np.zeros((48, 40), bool)
            spot[5:15, 5:15] = True
            np.savez(folder / f"{index}-masks.npz", Edema=spot)
        truth = {**case.truth, **({"masks": f"{index}-masks.npz"} if found else {})}
        truth |= {"anatomy": f"{index}.npz"} if index % 8 else {}
        rows.append(dataclasses.replace(case, truth=truth))
    table = write_cases(folder / "cases.parquet", rows, read_cases(report_films / "cases.parquet").labels)
    write_splits(folder / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.4, 0.3, 0.3)))
    return folder
