"""Is this a chest film at all, which way up, frontal or lateral, usably exposed? Gates and warnings for predict.

The header decides first (modality, body part, colour). Then a multinomial logistic model looks at the picture squashed
to 8 x 8, standardised, and at five numbers of its texture, histogram and shape: classes "other", "frontal", "lateral".
It is small enough to look at: the weights and what they scored on films they had not seen stand in `quality.json`,
written by benchmarks/film_quality.py.

Measured on the half of the patients it was not fitted on: 12 of 1071 real chest films refused (1.1 %; 7 of 1045
frontal, 5 of 26 lateral, 9 of 214 of the COVID journal pictures), 1876 of 1901 other pictures refused; the view was
right on 1054 of 1059 that passed.

Its limits. It was fitted on adult frontal films, few laterals and hardly any other radiograph: a hand, knee or abdomen
film without a header may pass. Cloudy noise passes three times in ten. It knows nothing of mirrored films. A warning is
a reason to look, and silence is no proof.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from medley.data.preprocess.geometry import resize
from medley.data.preprocess.raw import FilmHeader

FILM_MODALITIES = ("CR", "DX", "DR", "RG", "XR", "SC", "OT", "")  # secondary captures of films say SC or OT
_CHEST_PARTS = ("CHEST", "THORAX", "LUNG", "RIB", "TORAX", "TORACE", "BRUST")
_MAX_COLOUR = 0.05  # mean channel spread; photographs start near 0.1, tinted scans stay below 0.03
_GRID = 8
_BLACK = 0.06
# The 0.5th and 99.5th percentiles of 2185 real chest films (benchmarks/film_quality.py prints them).
_MEDIAN_RANGE = (0.29, 0.84)
_MIN_CONTRAST = 0.2


@dataclass(frozen=True)
class Quality:
    """What a film looks like; `reasons` are sentences for the user, empty when nothing is amiss."""

    is_chest_film: bool
    chest_probability: float
    view_guess: str  # frontal, lateral or unknown
    exposure: str  # under (too white), ok, over (too black)
    clipped_black: float  # fraction of pixels at 0 and at 1
    clipped_white: float
    turned_degrees: int  # anticlockwise, as it seems to lie; 0 is upright
    inverted: bool  # black and white seem exchanged
    reasons: tuple[str, ...]


def film_quality(pixels: np.ndarray, header: FilmHeader | None = None) -> Quality:
    """Judge one film without its padding: float [H, W] in [0, 1], or uint8."""
    film = pixels.astype(np.float32) / (255 if pixels.dtype == np.uint8 else 1)
    against = header_reasons(header) if header else ()
    scores = _scores(film)
    looks_chest = 1 - scores["other"] >= _model()["threshold"]
    turned, inverted, pose_reason = (0, False, None) if looks_chest or against else _pose(film)
    exposure, exposure_reasons = _exposure(film)
    reasons = list(against)
    if not looks_chest:
        reasons.append(pose_reason or f"does not look like a chest film (probability {1 - scores['other']:.2f})")
    return Quality(
        is_chest_film=looks_chest and not against,
        chest_probability=1 - scores["other"],
        view_guess=max(("frontal", "lateral"), key=scores.__getitem__) if looks_chest else "unknown",
        exposure=exposure,
        clipped_black=float((film <= 0).mean()),
        clipped_white=float((film >= 1).mean()),
        turned_degrees=turned,
        inverted=inverted,
        reasons=(*reasons, *exposure_reasons),
    )


def header_reasons(header: FilmHeader) -> tuple[str, ...]:
    """What in the header, or in its colours, says that this is no chest film."""
    reasons = [said] if (said := other_subject(header)) else []
    if header.colour > _MAX_COLOUR:
        reasons.append("the picture is in colour")
    return tuple(reasons)


def other_subject(header: FilmHeader) -> str | None:
    """The header's own word that this is no film, or not of the chest: a reason to refuse, not only to warn."""
    if header.modality not in FILM_MODALITIES:
        return f"the header says modality {header.modality}, which is no projection film"
    if header.body_part and not any(part in header.body_part for part in _CHEST_PARTS):
        return f"the header says body part {header.body_part}"
    return None


def features(film: np.ndarray) -> np.ndarray:
    """float [H, W] in [0, 1] -> [64 + 5]: the standardised 8 x 8 picture, and texture, histogram and shape."""
    film = _trimmed(np.asarray(film, np.float32))
    grid = resize(film, _GRID, _GRID).astype(np.float64)
    grid = (grid - grid.mean()) / (grid.std() + 1e-3)
    small = resize(film, 96, 96)
    smooth = resize(resize(small, 24, 24), 96, 96)
    fine = np.log10(((small - smooth) ** 2).mean() / (small.var() + 1e-4) + 1e-5)  # share of fine detail
    share = np.histogram(small, 32, (0, 1))[0] / small.size
    entropy = -(share[share > 0] * np.log2(share[share > 0])).sum()
    return np.concatenate([grid.ravel(), [fine, fine**2, entropy, entropy**2, np.log(film.shape[0] / film.shape[1])]])


def _trimmed(film: np.ndarray) -> np.ndarray:
    """Without the black frame of collimators, padding and screenshots: the model judges by where things lie."""
    rows = np.flatnonzero(np.percentile(film, 90, axis=1) > _BLACK)
    columns = np.flatnonzero(np.percentile(film, 90, axis=0) > _BLACK)
    if len(rows) < _GRID or len(columns) < _GRID:
        return film
    return film[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@cache
def _model() -> dict:
    model = json.loads(files("medley.data.preprocess").joinpath("quality.json").read_text(encoding="utf-8"))
    return model | {"weights": np.array(model["weights"]), "bias": np.array(model["bias"])}


def _scores(film: np.ndarray) -> dict[str, float]:
    model = _model()
    logits = model["weights"] @ features(film) + model["bias"]
    odds = np.exp(logits - logits.max())
    return dict(zip(model["classes"], (odds / odds.sum()).tolist(), strict=True))


def _pose(film: np.ndarray) -> tuple[int, bool, str | None]:
    """Would it be a chest film if it were turned back, or black and white exchanged? Only a clear yes counts."""
    poses = {(quarter * 90, False): np.rot90(film, -quarter) for quarter in (1, 2, 3)} | {(0, True): 1 - film}
    chest = {pose: 1 - _scores(picture)["other"] for pose, picture in poses.items()}
    (turned, inverted), best = max(chest.items(), key=lambda item: item[1])
    if best < _model()["pose_threshold"]:
        return 0, False, None
    what = "if black and white are exchanged" if inverted else f"if turned back by {turned} degrees"
    return turned, inverted, f"does not look like a chest film, but would {what}"


def _exposure(film: np.ndarray) -> tuple[str, list[str]]:
    """By the middle half of the picture, where collimation and labels seldom reach."""
    height, width = film.shape
    middle = film[height // 4 : height - height // 4, width // 4 : width - width // 4]
    low, median, high = np.percentile(middle, (5, 50, 95))
    reasons = []
    exposure = "under" if median > _MEDIAN_RANGE[1] else "over" if median < _MEDIAN_RANGE[0] else "ok"
    if exposure != "ok":
        reasons.append(f"{exposure}-exposed: the middle of the film is {'white' if exposure == 'under' else 'black'}")
    if high - low < _MIN_CONTRAST:
        reasons.append(f"low contrast: 90 % of the middle lies within {high - low:.2f} of the grey scale")
    return exposure, reasons
