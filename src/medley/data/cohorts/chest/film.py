"""From path lengths to a film: Beer-Lambert, scatter, quantum noise, the display curve, and what the room burns in.

Water-equivalent centimetres add up along the ray; the detector sees exp(-mu * cm) plus scattered light; the displayed
grey is an S-curve of the logarithm, as in digital radiography. 0 is air and black, 255 is dense and white.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medley.core.seeds import generator
from medley.data.cohorts.chest.anatomy import Scene
from medley.data.cohorts.chest.canvas import Array, blur

MU_WATER = 0.19  # 1/cm, effective for a 120 kVp beam hardened by the patient
LUNG_DENSITY = 0.27  # of water
BONE_DENSITY = 1.65  # cm of water that attenuate as 1 cm of these spongy bones


@dataclass(frozen=True)
class Exposure:
    """The physics and the room of one film: none of it depends on what the patient has."""

    brightness: float  # shift of the display curve, in units of log exposure
    latitude: float  # width of the display curve
    scatter: float  # scattered / primary
    noise: float
    blur_cm: float
    edge: float  # unsharp masking of the console
    marker: str  # L or R, "" for none
    letters: str  # burnt-in text, "" for none
    collimation: tuple[float, float, float, float]  # left, top, right, bottom, share of the film
    collimator_grey: int
    key: str  # seeds the grain


def water(scene: Scene) -> Array:
    """Water-equivalent centimetres along each ray."""
    soft = np.maximum(scene.body - scene.lung, np.minimum(scene.body, 1.0))
    in_body = np.minimum(scene.body / 2, 1)
    return soft + LUNG_DENSITY * scene.lung + (scene.vessels + BONE_DENSITY * scene.bone) * in_body + scene.extra


def expose(cm: Array, exposure: Exposure, thickness_cm: float, pitch_cm: float) -> Array:
    """uint8 film of water-equivalent `cm`; `thickness_cm` is the patient's, by which the technician sets the dose."""
    px = cm.shape[0]
    light: Array = blur(np.exp(-MU_WATER * cm), exposure.blur_cm / pitch_cm)
    reference = math.exp(-MU_WATER * 0.62 * thickness_cm)
    light = light + exposure.scatter * np.minimum(blur(np.minimum(light, reference), 3.0 / pitch_cm), reference)
    grain: Array = generator(exposure.key, "grain").standard_normal((px, px), dtype=np.float32)
    grain = blur(grain, 0.5) * 1.9
    light = light * np.exp(exposure.noise * grain * np.sqrt(np.minimum(reference / light, 6)))
    density = -np.log(light) + math.log(reference)  # 0 at the reference thickness
    if exposure.edge:
        density = density + exposure.edge * (density - blur(density, 1.0 / pitch_cm))
    grey = 1 / (1 + np.exp(-(density - exposure.brightness) / exposure.latitude))
    return np.clip(238 * grey, 0, 255).astype(np.uint8)


def burn_in(film: Array, exposure: Exposure, room: Array) -> Array:
    """Collimator borders, the side marker and letters, at places that do not depend on the patient.

    `room`: four numbers in [0, 1] that place the marker (x, y), its size and the letters.
    """
    px = film.shape[0]
    image = Image.fromarray(film)
    draw = ImageDraw.Draw(image)
    if exposure.marker:
        size = round(px * (0.045 + 0.03 * room[2]))
        column = 0.05 + 0.12 * room[0] if exposure.marker == "R" else 0.83 + 0.09 * room[0]
        draw.text((px * column, px * (0.03 + 0.2 * room[1])), exposure.marker, fill=245, font=_font(size))
    if exposure.letters:
        at = (px * (0.05 + 0.6 * room[3]), px * (0.02 + 0.05 * room[1]))
        draw.text(at, exposure.letters, fill=235, font=_font(max(6, round(px * 0.032))))
    out = np.array(image)
    left, top, right, bottom = (round(share * px) for share in exposure.collimation)
    for border in (np.s_[:, :left], np.s_[:top], np.s_[:, px - right :], np.s_[px - bottom :]):
        out[border] = exposure.collimator_grey
    return out


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
