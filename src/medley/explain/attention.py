"""Where the label queries looked: their attention over patches, brought back to the film.

Attention says what was read, not why it mattered: a map is evidence only as far as it is scored against known lesions.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F


def upsample(map_hw: np.ndarray, px: int) -> np.ndarray:
    """A patch map [h, w] as float32 [px, px], bilinear, scaled to a largest value of 1 (all zeros stay zeros)."""
    map_11hw = torch.from_numpy(np.ascontiguousarray(map_hw, dtype=np.float32))[None, None]
    big = F.interpolate(map_11hw, size=(px, px), mode="bilinear", align_corners=False)[0, 0].numpy()
    return big / big.max() if big.max() > 0 else big


def salience(map_hw: np.ndarray, px: int) -> np.ndarray:
    """How far the attention on each place exceeds an even share, as float32 [px, px] in [0, 1], to be looked at.

    0 is an even share or less; 1 is the peak, or three even shares where the peak is lower, so that a map that prefers
    nothing looks like nothing.
    """
    shares = np.asarray(map_hw, dtype=np.float32) * np.size(map_hw) / max(float(np.sum(map_hw)), 1e-12)
    above = np.clip(shares - 1, 0, None)
    peak = max(float(above.max()), 2.0)
    return upsample(above, px) * float(above.max()) / peak
