"""Datasets as they lie on disk -> cases. One module a dataset, imported when it is asked for.

A reader module holds
    HELP     how to obtain the data, the tree it expects, what becomes of each column (`medley index READER --help`)
    ROOTS    folder name -> what lies there; the first is what a bare `--root DIR` means
    OPTIONS  option name -> its help; only these are given to `read`
    read(roots, csv=None, **options) -> Reading

What every reader keeps to: one Case a study with all its views (of a brain: its sequences); labels by canonical name,
1/0/-1/blank as 1, 0, -1, nan; text written from the film (findings, impression) never among the input sections; a row
that cannot be used is left out and counted by name; the part of a published split is left in `truth["official_split"] =
{split name: train|dev|test}` for `medley split --official`; boxes in `truth["boxes"] = [{"label", "image", "box"}]`,
the image by file name and the box as [x0, y0, x1, y1] in fractions of its width and height, so that a resized copy
keeps them.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from medley.core.errors import choose

READERS = {
    "chexpert": "medley.data.readers.chexpert",
    "mimic_cxr": "medley.data.readers.mimic_cxr",
    "nih_chestxray14": "medley.data.readers.nih_chestxray14",
    "openi": "medley.data.readers.openi",
    "covid_chestxray": "medley.data.readers.covid_chestxray",
    "folder": "medley.data.readers.folder",
    "textbrats": "medley.data.readers.textbrats",
    "healthy_mri": "medley.data.readers.healthy_mri",
    "brain_folder": "medley.data.readers.brain_folder",
    "join": "medley.data.readers.join",
}


def load(name: str) -> ModuleType:
    """The module of a reader; an unknown name is a MedleyError that names the nearest."""
    return importlib.import_module(choose(name, READERS, "reader"))
