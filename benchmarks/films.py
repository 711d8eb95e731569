"""How fast do films come? Decoding 1024 px JPEGs, shards, TorchXRayVision's dataset class, and our trainer, in one run.

    python benchmarks/films.py [--films 256] [--px 128] [--out films.json]

Every row turns the same JPEG files into float tensors [64, 1, px, px] in one process on one thread, without
augmentation unless the row says so; best of three passes over all films, the page cache warm. The films are drawn
(noise with the falling spectrum of radiographs, quality 90, about 215 kB each), so that anyone can run it. The peer is
optional: `pip install torchxrayvision`, best into an environment of its own; without it its row is null and says why.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from medley.core.files import sha256, write_json
from medley.core.records import Case, FilmInput, ImageRef
from medley.core.seeds import generator
from medley.data.cases import CaseTable, write_cases
from medley.data.preprocess.film import load_film
from medley.data.shards import build_shards, open_shards

BATCH = 64
FILM_PX = 1024
LABELS = ("Cardiomegaly", "Edema")


def draw_films(folder: Path, count: int, seed: int) -> CaseTable:
    """Noise of amplitude 1/f at FILM_PX, as greyscale JPEG, and its case table; half of the studies in each label."""
    frequency = np.fft.rfft2(np.zeros((FILM_PX, FILM_PX))).shape
    radius = np.hypot(np.fft.fftfreq(FILM_PX)[:, None], np.fft.rfftfreq(FILM_PX)[None])
    radius[0, 0] = 1
    cases = []
    for index in range(count):
        rng = generator("films", seed, index)
        film = np.fft.irfft2(rng.normal(size=frequency) * np.exp(2j * np.pi * rng.random(frequency)) / radius**1.4)
        film = (film - film.min()) / (film.max() - film.min())
        path = folder / f"film{index:05d}.jpg"
        Image.fromarray((film * 255).astype(np.uint8)).save(path, quality=90)
        image = ImageRef("PA", str(path), sha256(path))
        labels = {name: float(rng.integers(2)) for name in LABELS}
        cases.append(Case(f"c{index}", f"p{index}", f"s{index}", (image,), {"indication": "cough and fever"}, labels))
    return write_cases(folder / "cases.parquet", cases, LABELS)


def batched(read: Callable[[int], np.ndarray], count: int) -> Callable[[], None]:
    """One pass over all films in batches of float tensors [B, 1, px, px] in [0, 1]."""

    def one_pass() -> None:
        for start in range(0, count, BATCH):
            films = np.stack([read(index) for index in range(start, min(start + BATCH, count))])
            torch.from_numpy(films)[:, None].float().div_(255)

    return one_pass


def peer(table: CaseTable, folder: Path, px: int) -> Callable[[], None]:
    """TorchXRayVision's dataset class for NIH files, with its own crop and resize, and torch's collation."""
    import torchxrayvision as xrv
    from torchvision.transforms import Compose

    columns = ["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Sex"]
    with (folder / "nih.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*columns, "View Position"])
        for index, case in enumerate(table.cases):
            rows.writerow([Path(case.images[0].path).name, "No Finding", 0, index, 50, "F", "PA"])
    transform = Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(px)])
    dataset = xrv.datasets.NIH_Dataset(str(folder), csvpath=str(folder / "nih.csv"), transform=transform)
    assert len(dataset) == len(table)

    def one_pass() -> None:
        for start in range(0, len(dataset), BATCH):
            films = [dataset[index]["img"] for index in range(start, min(start + BATCH, len(dataset)))]
            torch.from_numpy(np.stack(films))

    return one_pass


def trainer(
    table: CaseTable, folder: Path, shards: Path | None, px: int, learn: bool
) -> tuple[Callable[[], None], int]:
    """The trainer's own loader over the train part: film, note, targets, augmentation, the family's batch.

    Where `learn`, also the forward and backward pass and the optimiser of the tiny cxr_reasoner. Returns the pass and
    how many films it reads.
    """
    from medley.core.stage import rates_by_parameter
    from medley.data.source import DataConfig, open_source
    from medley.data.splits import make_split, write_splits
    from medley.families import get_family
    from medley.training.data import TrainingData
    from medley.training.loader import Windows, step_loader

    write_splits(folder / "splits.json", make_split(table))
    where = {"cases": str(table.path), "splits": str(folder / "splits.json"), "shards": str(shards) if shards else None}
    source = open_source(DataConfig(**where), FilmInput(px, 2))
    family = get_family("cxr_reasoner")
    config = family.config(**{**family.sizes["tiny"], "image_px": px})
    notes = [source.notes.get(case.case_id) for case in source.parts["train"]]
    processor = family.fit_processor(config, source.labels, notes, source.prevalence())
    data = TrainingData(source, processor, family.task, seed=0, batch=BATCH, augment="full", aggregation="mean")
    windows = Windows(len(data.train), BATCH, 1, 1, 1, 0)

    def read_only() -> None:
        for _ in step_loader(windows, 0, 0, 0, data.read, data.collate):
            pass

    if not learn:
        return read_only, len(data.train)
    model = family.model(config, processor)
    stage = family.stages(config, processor)[0]
    rates = rates_by_parameter(model, stage)
    optimizer = torch.optim.AdamW([one for name, one in model.named_parameters() if name in rates], lr=1e-5)

    def one_pass() -> None:
        for window in step_loader(windows, 0, 0, 0, data.read, data.collate):
            for batch in (part.batch for part in window):
                sums, counts = stage.objective.sums(model(batch), batch), stage.objective.counts(batch)
                weights = stage.objective.weights
                optimizer.zero_grad()
                terms = [weights[name] * sums[name] / counts[name].clamp(min=1) for name in weights]
                torch.stack(terms).sum().backward()
                optimizer.step()

    return one_pass, len(data.train)


def films_per_second(one_pass: Callable[[], None], films: int, passes: int = 3) -> float:
    one_pass()  # pages, caches and lazy imports
    seconds = []
    for _ in range(passes):
        start = time.perf_counter()
        one_pass()
        seconds.append(time.perf_counter() - start)
    return films / min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=256)
    parser.add_argument("--px", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the result as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        result = measure(Path(scratch), options.films, options.px, options.seed)
    print(f"{'row':58s} {'films/s':>10s} {'x decoding':>11s}")
    for name, row in result["rows"].items():
        numbers = f"{row['films_per_s']:10.0f} {row['times_decoding']:11.1f}" if row["films_per_s"] else row["error"]
        print(f"{name:58s} {numbers}")
    print(json.dumps({name: value for name, value in result.items() if name != "rows"}))
    if options.out:
        write_json(options.out, result)


def measure(folder: Path, count: int, px: int, seed: int) -> dict:
    table = draw_films(folder, count, seed)
    images = [case.images[0] for case in table.cases]
    start = time.perf_counter()
    build_shards(table, folder / "shards", px)
    built = time.perf_counter() - start
    shards = open_shards(folder / "shards")
    decoding = films_per_second(batched(lambda index: load_film(images[index].path, px).pixels, count), count)
    rows: dict[str, float | str] = {
        "decode 1024 px JPEG files": decoding,
        "read shards": films_per_second(batched(lambda index: shards.film(images[index]).pixels, count), count),
    }
    name = "TorchXRayVision NIH_Dataset on the same files"
    try:
        rows[name] = films_per_second(peer(table, folder, px), count)
    except ImportError as error:
        rows[name] = f"null: torchxrayvision is not installed ({error})"
    for learn, what in ((False, "loader with augmentation"), (True, "whole step, tiny cxr_reasoner")):
        for source, label in ((folder / "shards", "shards"), (None, "files")):
            one_pass, films = trainer(table, folder, source, px, learn)
            rows[f"our trainer, {what}, from {label}"] = films_per_second(one_pass, films)
    return {
        "rows": {
            name: {"films_per_s": None, "times_decoding": None, "error": value}
            if isinstance(value, str)
            else {"films_per_s": round(value, 1), "times_decoding": round(value / decoding, 2), "error": None}
            for name, value in rows.items()
        },
        "films": count,
        "film_px": FILM_PX,
        "mean_file_kb": round(float(np.mean([Path(image.path).stat().st_size for image in images])) / 1000, 1),
        "px": px,
        "batch": BATCH,
        "seed": seed,
        "shards_built_in_s": round(built, 2),
        "command": " ".join([Path(sys.executable).name, *sys.argv]),
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": sys.version[:6],
        },
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "pillow": Image.__version__},
    }


if __name__ == "__main__":
    main()
