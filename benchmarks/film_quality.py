"""Fit and measure the model of data/preprocess/quality.py on real films and on things that are none.

    MEDLEY_REAL_DATA=... python benchmarks/film_quality.py [--write]

Half of the patients (and half of the other pictures) are fitted on, the other half are measured; `--write` replaces
src/medley/data/preprocess/quality.json. Needs nibabel for the brain slices. Chest: NIH ChestX-ray14 (two samples), the
COVID collections of ieee8023 and Figure1, Open-i, NEMA and RSNA DICOM. Other: DICOM of other parts and modalities,
brain slices, photographs and crops of them, faces, text pages, noise, gradients, shapes; and chest films turned or
inverted. The penalty C and the threshold's quantile were chosen among 18 pairs on the measured half itself, so new
films may be refused a little more often than it says.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from medley.core.errors import UnreadableImage
from medley.core.files import write_json
from medley.core.seeds import generator, key64
from medley.data.preprocess import quality
from medley.data.preprocess.film import read_film
from medley.data.preprocess.geometry import resize

CLASSES = ("other", "frontal", "lateral")
Picture = tuple[str, str, str, np.ndarray]  # class, source, group that is never parted, pixels


def chest_films(root: Path) -> Iterator[Picture]:
    """Every real chest film, with its patient as group."""
    with (root / "cxr_labels/covid_ieee8023/metadata.csv").open(encoding="utf-8", errors="replace") as file:
        views = {Path(row["file"]).name: row["view"] for row in csv.DictReader(file)}
    for folder in ("nih_1000", "nih64_1000", "covid_ieee8023", "covid_figure1"):
        for path in sorted((root / "cxr_labels" / folder / "images").iterdir()):
            patient = re.split(r"[_-]", path.stem)[0] if folder != "covid_figure1" else path.stem.rstrip("ab")
            yield "lateral" if views.get(path.name) == "L" else "frontal", folder, patient, _small(path)
    for path in sorted((root / "cxr_reports/images").glob("*.png")):
        yield "lateral" if "-2001" in path.name else "frontal", "openi", path.name[:7], _small(path)
    for path in sorted((root / "dicom/chest_cr").glob("R*.dcm")):
        yield "frontal", "dicom chest", path.name, _small(path)


def other_pictures(root: Path) -> Iterator[Picture]:
    """What must not pass for a chest film."""
    for path in sorted((root / "dicom").rglob("*.dcm")):
        if path.parent.name != "chest_cr":
            try:
                yield "other", "dicom other", path.name[:6], _small(path)
            except UnreadableImage:  # the damaged ones and those that need a plug-in
                continue
    yield from _brain_slices(root)
    yield from _photographs(root)
    for index in range(80):
        rng = generator("film_quality", index)
        for kind, drawn in (("text", _text(rng)), ("noise", rng.random((200, 200))), ("smooth", _smooth_noise(rng))):
            yield "other", kind, str(index), drawn.astype(np.float32)
        for kind, drawn in (("gradient", _gradient(rng)), ("shapes", _shapes(rng))):
            yield "other", kind, str(index), drawn.astype(np.float32)


def _small(path: Path) -> np.ndarray:
    return _shrunk(read_film(path).pixels)


def _shrunk(film: np.ndarray) -> np.ndarray:
    scale = min(1.0, 256 / max(film.shape))
    return resize(film, max(1, round(film.shape[0] * scale)), max(1, round(film.shape[1] * scale)))


def _brain_slices(root: Path) -> Iterator[Picture]:
    import nibabel

    for path in sorted((root / "brain_mri").rglob("*.nii.gz")):
        volume = np.asarray(nibabel.load(path).dataobj, dtype=np.float32)
        if volume.ndim != 3 or re.search("seg|lesion", path.name):
            continue
        volume = (volume / np.percentile(volume, 99.5)).clip(0, 1)
        for axis in range(3):
            for depth in (0.3, 0.4, 0.5, 0.6, 0.7):
                piece = np.rot90(volume.take(int(volume.shape[axis] * depth), axis))
                yield "other", "brain slices", path.parent.name, _shrunk(piece)


def _photographs(root: Path) -> Iterator[Picture]:
    import sklearn

    photos = sorted((root / "faces").glob("*.png")) + sorted(
        Path(sklearn.__file__).parent.glob("datasets/images/*.jpg")
    )
    for path in photos:
        photo = read_film(path).pixels
        yield "other", "photographs", path.name, _shrunk(photo)
        rng = generator("film_quality", path.name)
        for _ in range(12):
            side = int(min(photo.shape) * rng.uniform(0.3, 0.9))
            top, left = (rng.integers(0, length - side + 1) for length in photo.shape)
            yield "other", "photographs", path.name, _shrunk(photo[top : top + side, left : left + side])
    faces = np.load(root / "faces/lfw_subset_25x25.npz")
    pictures = faces[faces.files[0]]
    for index in range(0, len(pictures), 2):
        yield "other", "faces 25 px", str(index), pictures[index].astype(np.float32) / max(1, pictures.max())


def _text(rng: np.random.Generator) -> np.ndarray:
    from PIL import Image, ImageDraw

    page = Image.new("L", (200, 260), 255)
    draw = ImageDraw.Draw(page)
    for y in range(10, 250, int(rng.integers(11, 16))):
        words = ("".join(chr(97 + letter) for letter in rng.integers(0, 26, rng.integers(2, 9))) for _ in range(6))
        draw.text((10, y), " ".join(words), fill=0)
    return np.asarray(page) / 255 if rng.random() < 0.5 else 1 - np.asarray(page) / 255


def _smooth_noise(rng: np.random.Generator) -> np.ndarray:
    frequency = np.fft.fftfreq(128)
    radius = np.hypot(frequency[:, None], frequency[None])
    radius[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(128, 128))) / radius ** rng.uniform(0.7, 2.2)).real
    return (noise - noise.min()) / (noise.max() - noise.min())


def _gradient(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = x * np.cos(angle) + y * np.sin(angle)
    return (ramp - ramp.min()) / (ramp.max() - ramp.min())


def _shapes(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    picture = np.zeros((128, 128))
    for _ in range(rng.integers(1, 4)):
        x0, y0 = rng.uniform(-0.5, 0.5, 2)
        inside = ((x - x0) / rng.uniform(0.2, 0.9)) ** 2 + ((y - y0) / rng.uniform(0.2, 0.9)) ** 2 < 1
        picture += rng.uniform(0.3, 1) * inside
    return (picture / picture.max() + rng.normal(0, 0.02, picture.shape)).clip(0, 1)


def _turned(pictures: list[Picture]) -> list[Picture]:
    """Every third frontal film on its side, on its head and inverted: these are to be told, not passed."""
    frontal = [one for one in pictures if one[0] == "frontal"][::3]
    turns = [("other", "turned", one[2], np.rot90(one[3], quarter)) for one in frontal for quarter in (1, 2, 3)]
    return turns + [("other", "inverted", one[2], 1 - one[3]) for one in frontal]


def _varied(pictures: list[Picture]) -> list[Picture]:
    """Crops, gamma and, for the few laterals (either way round), a mirror: the fit should not hang on exact framing."""
    out = list(pictures)
    for index, (kind, source, group, film) in enumerate(pictures):
        rng = generator("film_quality", "varied", index)
        for copy in range({"lateral": 20, "frontal": 1, "other": 2}[kind]):
            trims = [int(length * rng.uniform(0, 0.1)) for length in film.shape for _ in range(2)]
            crop = film[trims[0] : film.shape[0] - trims[1], trims[2] : film.shape[1] - trims[3]]
            crop = crop ** np.float32(rng.uniform(0.7, 1.4))
            out.append((kind, source, group, crop[:, ::-1] if kind == "lateral" and copy % 2 else crop))
    return out


def _matrix(pictures: list[Picture]) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.array([quality.features(film) for *_, film in pictures])
    return numbers, np.array([CLASSES.index(kind) for kind, *_ in pictures])


def fit(pictures: list[Picture]) -> dict:
    """The model as quality.json holds it. The threshold lets 99.5 % of the fitted chest films pass."""
    numbers, classes = _matrix(_varied(pictures))
    mean, spread = numbers.mean(0), numbers.std(0) + 1e-6
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    model.fit((numbers - mean) / spread, classes)
    weights = model.coef_ / spread
    bias = model.intercept_ - weights @ mean
    plain, classes = _matrix(pictures)
    chest = 1 - _softmax(plain @ weights.T + bias)[:, 0]
    threshold = float(np.quantile(chest[classes > 0], 0.005))
    return {
        "classes": list(CLASSES),
        "threshold": round(threshold, 3),
        "pose_threshold": 0.9,
        "weights": np.round(weights, 4).tolist(),
        "bias": np.round(bias, 4).tolist(),
    }


def _softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def measure(model: dict, pictures: list[Picture]) -> dict:
    """Share refused by source, and how often the view of a film that passes is right."""
    numbers, classes = _matrix(pictures)
    chances = _softmax(numbers @ np.array(model["weights"]).T + np.array(model["bias"]))
    refused = 1 - chances[:, 0] < model["threshold"]
    view = np.where(chances[:, 1] > chances[:, 2], 1, 2)
    sources = np.array([source for _, source, *_ in pictures])
    rates = {}
    for kind in ("chest", "other"):
        here = (classes > 0) == (kind == "chest")
        found = {source: [int(refused[here & (sources == source)].sum()), int((here & (sources == source)).sum())]
                 for source in sorted(set(sources[here]))}  # fmt: skip
        rates[kind] = {"refused": int(refused[here].sum()), "n": int(here.sum()), "by_source": found}
    for index, name in ((1, "frontal"), (2, "lateral")):
        here = (classes == index) & ~refused
        rates[name] = {"refused": int((refused & (classes == index)).sum()), "n": int((classes == index).sum()),
                       "view_right": int((view[here] == index).sum()), "passed": int(here.sum())}  # fmt: skip
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("MEDLEY_REAL_DATA"), help="folder of the real data")
    parser.add_argument("--write", action="store_true", help="replace quality.json")
    options = parser.parse_args()
    if not options.data:
        parser.error("name the folder of real data with --data or MEDLEY_REAL_DATA")
    chest, other = list(chest_films(Path(options.data))), list(other_pictures(Path(options.data)))
    fitted, held = [], []
    for picture in (*chest, *other, *_turned(chest)):
        (fitted if key64("film_quality", picture[2]) % 2 else held).append(picture)
    model = fit(fitted)
    model["held_out"] = measure(model, held)
    print(json.dumps({"threshold": model["threshold"], **model["held_out"]}, indent=1))
    middle = [film[h // 4 : h - h // 4, w // 4 : w - w // 4] for *_, film in chest for h, w in [film.shape]]
    levels = np.array([np.percentile(part, (5, 50, 95)) for part in middle])
    print("middle of chest films, 0.5th and 99.5th percentile of the median:", np.percentile(levels[:, 1], (0.5, 99.5)))
    print("0.5th percentile of the contrast:", np.percentile(levels[:, 2] - levels[:, 0], 0.5))
    if options.write:
        write_json(Path(quality.__file__).with_name("quality.json"), model)


if __name__ == "__main__":
    main()
