"""Tiny films and tables for the miniatures of datasets."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def film() -> Callable[[Path], Path]:
    """Writes an 8 x 8 image of its own (its content comes from its path), in the format of its ending."""

    def write(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.frombuffer(str(path).encode().ljust(64, b".")[-64:], np.uint8).reshape(8, 8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def table() -> Callable[..., Path]:
    """Writes a CSV: header and rows."""

    def write(path: Path, header: Sequence[str], *rows: Sequence[object]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return write
