"""Near-duplicates: fits the fingerprint and its limit on half of the patients, and reports on the other half.

    python benchmarks/near_duplicates.py --data $MEDLEY_REAL_DATA [--seed 0] [--write]       recall and false pairs
    python benchmarks/near_duplicates.py --speed 200000 [--threads 2]                         the search alone

Films: nih_1000, covid_ieee8023 and covid_figure1 of the real data folder, halved by patient. Each film of the reported
half gets one planted copy of each kind; a kind's copies and all originals are one table. Recall: copies that are surely
their original (a check fails), and at least alike (a warning). False pairs: pairs between different patients that were
found alike, per 1,000 films. Then the pairs of near_duplicates.csv whose two files are present. `--write` renews
src/medley/data/checks/fingerprint.json.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import medley.data.checks
from medley.core.files import write_text
from medley.core.seeds import generator
from medley.data.checks.alignment import SAME_FILM, SURE_FILM, SURE_FRONTAL, correlate, equalise
from medley.data.checks.fingerprint import candidate_limit, candidates, describe, mirror, project, thumbnail
from medley.data.preprocess.film import read_film

SETS = ("nih_1000", "covid_ieee8023", "covid_figure1")
DIRECTIONS = 64
CROPS_PER_FILM = 6
SHRINKAGE = 0.05


def films(data: Path) -> tuple[list[Path], list[str]]:
    """Paths and patients (named with their set) of the films that are there."""
    paths, patients = [], []
    for name in SETS:
        folder = data / "cxr_labels" / name
        table = folder / ("labels.csv" if name == "nih_1000" else "metadata.csv")
        with table.open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                path = folder / row["file"]
                if path.is_file() and path not in paths:
                    paths.append(path)
                    patients.append(f"{name} {(row.get('patient_id') or row.get('patientid') or '').rstrip('abcd')}")
    return paths, patients


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float32) / 255


def scaled(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    picture = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255


def cropped(pixels: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Without these shares of the film at its top, bottom, left and right."""
    height, width = pixels.shape
    top, bottom, left, right = shares
    return pixels[int(height * top) : height - int(height * bottom), int(width * left) : width - int(width * right)]


def corner(rng: np.random.Generator) -> np.ndarray:
    top, left = rng.integers(2, size=2)
    return 0.05 * np.array([top, 1 - top, left, 1 - left])


def gamma_of(rng: np.random.Generator) -> float:
    return float(np.exp(rng.choice([-1, 1]) * rng.uniform(np.log(1.3), np.log(2.2))))


def all_at_once(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A little of everything, and squashed to 224 x 224 as data sets are passed on."""
    film = cropped(film, rng.uniform(0, 0.05, 4)) ** gamma_of(rng)
    film = 1 - film if rng.random() < 0.5 else film
    return jpeg(scaled(film, 224, 224), 60)


Copy = Callable[[np.ndarray, np.random.Generator], np.ndarray]
COPIES: dict[str, Copy] = {
    "JPEG again, quality 20-80": lambda film, rng: jpeg(film, int(rng.integers(20, 81))),
    "resized to 25-80 %": lambda film, rng: scaled(film, *(int(side * rng.uniform(0.25, 0.8)) for side in film.shape)),
    "5 % crop, 2.5 % of each side": lambda film, rng: cropped(film, np.full(4, 0.025)),
    "5 % crop at a corner": lambda film, rng: cropped(film, corner(rng)),
    "5 % crop of each side": lambda film, rng: cropped(film, np.full(4, 0.05)),
    "gamma 0.45-0.77 or 1.3-2.2": lambda film, rng: film ** gamma_of(rng),
    "inverted": lambda film, rng: 1 - film,
    "mirrored": lambda film, rng: film[:, ::-1],
    "all at once": all_at_once,
}


def fit(descriptions: np.ndarray, crops: np.ndarray, owners: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Directions [143, K] of greatest between-film over within-film variance, orthogonal to `means` [M, 143]."""
    basis = np.linalg.qr(means.T)[0]
    free = np.linalg.svd(np.eye(len(basis)) - basis @ basis.T)[0][:, : len(basis) - means.shape[0]]
    errors = (crops - descriptions[owners]) @ free
    within = errors.T @ errors / len(errors)
    within += np.eye(len(within)) * SHRINKAGE * np.trace(within) / len(within)
    between = np.cov((descriptions @ free).T)
    whiten = np.linalg.inv(np.linalg.cholesky(within))
    values, vectors = np.linalg.eigh(whiten @ between @ whiten.T)
    return free @ whiten.T @ vectors[:, np.argsort(-values)[:DIRECTIONS]]


class Sample:
    """Thumbnails of films, of their planted copies and of random crops to fit on: each film is decoded once."""

    def __init__(self, paths: list[Path], use: str, seed: int, kinds: dict[str, Copy] = COPIES):
        self.paths = paths
        thumbs, crops = [], []
        copies: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
        for path in paths:
            film = read_film(path).pixels
            thumbs.append(thumbnail(film))
            rng = generator("near duplicates", use, seed, path.name)
            for kind, make in kinds.items():
                copies[kind].append(thumbnail(make(film, rng)))
            for _ in range(CROPS_PER_FILM if use == "fit" else 0):
                crops.append(thumbnail(cropped(film, rng.uniform(0, 0.06, 4))))
        self.thumbs = np.stack(thumbs)
        self.copies = {kind: np.stack(made) for kind, made in copies.items()}
        self.crops = np.stack(crops) if crops else None

    def directions(self, data: Path) -> np.ndarray:
        """Fisher's directions [143, 64] of this sample, orthogonal to its mean frontal and mean lateral film."""
        described = describe(equalise(self.thumbs))
        lateral = np.array([is_lateral(path, data) for path in self.paths])
        means = np.stack([described[~lateral].mean(0), described[lateral].mean(0)])
        owners = np.repeat(np.arange(len(described)), CROPS_PER_FILM)
        found = fit(described, describe(equalise(self.crops)), owners, means)
        return np.round(found.astype(float) / np.abs(found).max(), 4)


def search(thumbs: np.ndarray, directions: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Candidate pairs [P, 2] and their aligned correlations."""
    described = describe(equalise(thumbs))
    plain, mirrored = project(described, directions), project(mirror(described), directions)
    pairs, negative, turned = candidates(plain, mirrored, limit)
    return pairs, correlate(thumbs, pairs, negative, turned)


def accuracy(data: Path, seed: int, write: bool) -> None:
    """Fit, tune and report, each film decoded once."""
    paths, patients = films(data)
    names = np.unique(patients)
    first = set(names[generator("near duplicates", "halves", seed).random(len(names)) < 0.5])
    mine = np.array([patient in first for patient in patients])
    known = known_pairs(data)

    fitted = Sample([path for path, yes in zip(paths, mine, strict=True) if yes], "fit", seed)
    directions = fitted.directions(data)
    limit = tune(fitted, directions, np.array(patients)[mine], known)
    print(
        f"fitted on {len(fitted.paths)} films of {len(first)} patients, seed {seed}: candidates from product {limit} on"
    )
    if write:
        values = {
            "candidate_limit": limit,
            "fitted_by": f"benchmarks/near_duplicates.py, seed {seed}",
            "directions": directions.tolist(),
        }
        write_text(Path(medley.data.checks.__file__).parent / "fingerprint.json", json.dumps(values) + "\n")

    held = Sample([path for path, yes in zip(paths, mine, strict=True) if not yes], "report", seed)
    owner = np.array(patients)[~mine]
    print(f"reported on {len(held.paths)} films of {len(names) - len(first)} other patients")
    print(f"{'planted copy':32s} sure    alike   candidates had it  false pairs between patients")
    lateral = np.array([is_lateral(path, data) for path in held.paths])
    for kind, copies in held.copies.items():
        report(kind, held, copies, owner, lateral, directions, limit, known)
    whole = Sample(paths, "csv", seed, kinds={})
    pairs, agreement = search(whole.thumbs, directions, limit)
    found = {frozenset(paths[row] for row in pair): value for pair, value in zip(pairs, agreement, strict=True)}
    for pair in known:
        value = found.get(pair, float("nan"))
        verdict = "found" if value >= SAME_FILM else "MISSED"
        print(f"near_duplicates.csv: {verdict} ({value:.3f}) {' = '.join(sorted(path.name for path in pair))}")


def known_pairs(data: Path) -> set[frozenset[Path]]:
    """The pairs of near_duplicates.csv whose two files are here."""
    folder = data / "cxr_labels"
    with (folder / "near_duplicates.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            [folder / row[f"set_{ab}"] / "images" / row[f"file_{ab}"] for ab in "ab"] for row in csv.DictReader(file)
        ]
    return {frozenset(pair) for pair in rows if all(path.is_file() for path in pair)}


def tune(sample: Sample, directions: np.ndarray, owner: np.ndarray, known: set) -> float:
    """The candidates' limit from the fitted half: below the lowest per cent of each kind of copy."""
    own = project(describe(equalise(sample.thumbs)), directions)
    products = []
    for kind, copies in sample.copies.items():
        described = describe(equalise(copies))
        product = (own * project(mirror(described) if kind == "mirrored" else described, directions)).sum(1)
        pairs = np.arange(2 * len(copies)).reshape(2, -1).T
        turned = np.full(len(copies), kind == "mirrored")
        agreement = correlate(np.concatenate([sample.thumbs, copies]), pairs, product < 0, turned)
        products.append(np.quantile(np.abs(product), 0.01))
        print(
            f"  {kind:32s} lowest per cent: product {products[-1]:.3f}, correlation {np.quantile(agreement, 0.01):.3f}"
        )
    pairs, agreement = search(sample.thumbs, directions, 0.45)
    apart = owner[pairs[:, 0]] != owner[pairs[:, 1]]
    apart &= [frozenset(sample.paths[row] for row in pair) not in known for pair in pairs]
    strangers = float(agreement[apart].max())
    print(f"  strangers: correlation at most {strangers:.3f} in {apart.sum()} pairs of product 0.45 and above")
    limit = np.floor(20 * (min(products) - 0.1)) / 20  # a tenth of slack: other makers, other crops
    return round(float(limit), 2)


def report(
    kind: str,
    sample: Sample,
    copies: np.ndarray,
    owner: np.ndarray,
    lateral: np.ndarray,
    directions: np.ndarray,
    limit: float,
    known: set,
) -> None:
    """Originals and one kind's copies as one table: how many copies are sure, how many at least alike; false pairs."""
    count = len(sample.thumbs)
    pairs, agreement = search(np.concatenate([sample.thumbs, copies]), directions, limit)
    planted = pairs[:, 1] - pairs[:, 0] == count
    same = agreement >= SAME_FILM
    sure = agreement >= np.where(lateral[pairs % count].any(1), SURE_FILM, SURE_FRONTAL)
    apart = owner[pairs[:, 0] % count] != owner[pairs[:, 1] % count]
    apart &= [frozenset(sample.paths[row % count] for row in pair) not in known for pair in pairs]
    false = same & apart
    recall = [len(np.unique(pairs[planted & which][:, 0])) / count for which in (sure, same)]
    proposed = len(np.unique(pairs[planted][:, 0])) / count
    print(
        f"{kind:32s} {recall[0]:.4f}  {recall[1]:.4f}  {proposed:.4f}             "
        f"{false.sum()} = {1000 * false.sum() / (2 * count):.2f} / 1,000",
        flush=True,
    )
    for pair, value in zip(pairs[false], agreement[false], strict=True):
        print(f"    false: {' = '.join(sample.paths[row % count].name for row in pair)} ({value:.3f})")


def is_lateral(path: Path, data: Path) -> bool:
    if "nih_1000" in path.parts:
        return False
    with (path.parents[1] / "metadata.csv").open(encoding="utf-8", errors="replace", newline="") as file:
        return any(row["file"].endswith(path.name) and row["view"] == "L" for row in csv.DictReader(file))


def speed(count: int, threads: int) -> None:
    """The search among `count` fingerprints as crowded as films', against a popcount of their signs as 256 bits."""
    rng = generator("near duplicates", "speed", count)
    spread = np.exp(-np.arange(DIRECTIONS, dtype=np.float32) / 18)
    prints = rng.standard_normal((count, DIRECTIONS), dtype=np.float32) * spread
    prints[-500:] = prints[:500] + 0.1 * spread * rng.standard_normal((500, DIRECTIONS), dtype=np.float32)
    prints /= np.linalg.norm(prints, axis=1, keepdims=True)
    sample = np.abs(prints[:2000] @ prints[2000:4000].T)
    print(f"{count} fingerprints, {(sample >= candidate_limit()).mean():.1e} of strangers' pairs above the limit")
    mirrored = prints * np.where(np.arange(DIRECTIONS) % 2, -1, 1).astype(np.float32)
    wall, cpu = time.perf_counter(), time.process_time()
    pairs, _, _ = candidates(prints, mirrored, candidate_limit(), threads)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    hits = int((pairs[:, 1] - pairs[:, 0] == count - 500).sum())
    print(f"mirror images too, {threads} threads: {wall:.0f} s, {cpu:.0f} s of CPU")
    print(f"{len(pairs)} pairs, {hits} of 500 planted")
    bits = prints @ rng.standard_normal((DIRECTIONS, 256), dtype=np.float32) > 0
    words = np.packbits(bits, axis=1).view(np.uint64)
    rows, columns = words[:512], words[:16384]
    cpu = time.process_time()
    for start in range(0, len(columns), 2048):
        distance = np.zeros((len(rows), 2048), np.uint16)
        for word in range(words.shape[1]):
            distance += np.bitwise_count(rows[:, None, word] ^ columns[None, start : start + 2048, word])
        np.flatnonzero(distance < 60)
    each = (time.process_time() - cpu) / (len(rows) * len(columns))
    print(f"256 signs by popcount: {each * 1e9:.2f} ns of CPU a pair, {each * count**2:.0f} s for the same")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("MEDLEY_REAL_DATA"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--speed", type=int)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.speed:
        speed(arguments.speed, arguments.threads)
    elif arguments.data:
        accuracy(Path(arguments.data), arguments.seed, arguments.write)
    else:
        parser.error("--data, or MEDLEY_REAL_DATA, must name the folder of real data")
