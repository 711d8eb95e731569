"""From tissue to grey values: what each sequence shows of each tissue, and what the scanner adds.

Levels are relative to cerebrospinal fluid on T2 = 1 and white matter on T1 = 0.8; they follow the textbook order of
the sequences (FLAIR: fluid black, grey brighter than white, oedema brightest), not one scanner's protocol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medley.core.seeds import generator
from medley.data.cohorts.brain.plan import Scanner
from medley.data.cohorts.brain.template import Array
from medley.data.cohorts.brain.warp import Grid, smooth_noise


@dataclass(frozen=True)
class Levels:
    """Signal of each tissue in one sequence."""

    fluid: float
    grey: float
    white: float
    hyperintensity: float  # of age
    oedema: float
    solid: float  # of a core that does not enhance
    enhancing: float
    necrosis: float
    detail: float  # how much of the template's own detail it shows


LEVELS = {
    "flair": Levels(0.10, 0.60, 0.46, 0.72, 1.06, 0.97, 1.0, 0.24, -0.25),
    "t1": Levels(0.16, 0.55, 0.80, 0.62, 0.50, 0.52, 0.50, 0.30, 0.8),
    "t1c": Levels(0.16, 0.57, 0.80, 0.62, 0.51, 0.53, 1.20, 0.28, 0.8),
    "t2": Levels(1.00, 0.56, 0.40, 0.70, 0.80, 0.66, 0.64, 0.92, -0.4),
}


@dataclass(frozen=True)
class Tissue:
    """Shares of the brain's voxels, each float32 [n]; those of a lesion lie over the others."""

    fluid: Array
    grey: Array
    white: Array
    detail: Array
    hyperintensity: Array
    oedema: Array
    solid: Array
    enhancing: Array
    necrosis: Array
    texture: Array  # fine noise of unit variance that all sequences share
    patches: Array  # coarser noise likewise


def compose(tissue: Tissue, sequence: str, scanner: Scanner, contrast: float) -> Array:
    """The signal of the brain's voxels, [n]. `contrast` scales how far lesions stand off from what they replace."""
    level = LEVELS[sequence]
    rng = generator(scanner.key, "levels", sequence)
    fluid, middle, grey_to_white = level.fluid, (level.grey + level.white) / 2, level.grey - level.white
    fluid = fluid * float(rng.uniform(0.7, 1.3)) if fluid < 0.5 else fluid * float(rng.uniform(0.9, 1.1))
    grey = middle + grey_to_white / 2 * scanner.contrast
    white = middle - grey_to_white / 2 * scanner.contrast
    signal = tissue.fluid * fluid + tissue.grey * grey + tissue.white * white
    signal += np.float32(level.detail) * tissue.detail
    signal *= 1 + np.float32(0.03) * tissue.texture
    style = rng.uniform(0.92, 1.08, 5).tolist()
    style[4] = float(rng.uniform(0.75, 1.35))  # what is dead is thick or thin
    parts = (
        (tissue.hyperintensity, level.hyperintensity, style[0], 1.0, 0.03),
        (tissue.oedema, level.oedema, style[1], contrast, 0.05),
        (tissue.solid, level.solid, style[2], contrast, 0.14),
        (tissue.enhancing, level.enhancing, style[3], contrast, 0.16),
        (tissue.necrosis, level.necrosis, style[4], contrast, 0.16),
    )
    for share, value, factor, strength, uneven in parts:
        grain = 1 + np.float32(uneven) * (0.6 * tissue.texture + 0.8 * tissue.patches)
        signal += share * np.float32(strength) * (np.float32(value * factor) * grain - signal)
    return signal


def scan(signal: Array, brain: Array, sequence: str, scanner: Scanner, grid: Grid) -> Array:
    """The finished image int16 [D, H, W]: blurred, shaded, noisy, on the scanner's scale, 0 outside the brain."""
    x, y, z = scanner.blur_mm
    sigmas = [blur / size for blur, size in zip((z, y, x), grid.size_mm, strict=True)]
    signal = ndimage.gaussian_filter(signal, sigmas, truncate=3.0)
    rng = generator(scanner.key, "coil", sequence)
    shade = (0.8 * smooth_noise(rng, grid, 95.0) + 0.9 * smooth_noise(rng, grid, 48.0)) * np.float32(scanner.bias)
    signal = signal * np.exp(shade)
    signal += generator(scanner.key, "noise", sequence).standard_normal(grid.shape, np.float32) * np.float32(
        scanner.noise
    )
    signal = np.maximum(signal, 0.004) ** np.float32(scanner.gamma) * np.float32(scanner.gain)
    return np.where(brain, np.clip(np.rint(signal), 1, 32000), 0).astype(np.int16)
