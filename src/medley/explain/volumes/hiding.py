"""Volumes with some of their supervoxels hidden, made and put to a model many at once.

Shapes: B volumes at once, S sequences, D H W voxels, X voxels of a sequence in a row, F supervoxels, R rows, K targets.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from medley.core.errors import MedleyError

Score = Callable[
    [torch.Tensor], torch.Tensor
]  # volumes [B, S, D, H, W] -> one answer a volume [B], or K of them [B, K]


class Hider:
    """One volume, its supervoxels and what is shown where they are hidden: rows of what is shown -> answers."""

    def __init__(self, score: Score, volume: torch.Tensor, baseline: torch.Tensor, pieces_DHW: np.ndarray, batch: int):
        """Raises MedleyError where volume, baseline and pieces do not fit."""
        if volume.ndim != 4 or volume.shape[1:] != pieces_DHW.shape or baseline.shape != volume.shape:
            told = f"volume {tuple(volume.shape)}, baseline {tuple(baseline.shape)}, supervoxels {pieces_DHW.shape}"
            raise MedleyError(f"{told}: these are no [S, D, H, W], [S, D, H, W] and [D, H, W] of one study")
        self.features = int(pieces_DHW.max())
        if set(np.unique(pieces_DHW)) - {0} != set(range(1, self.features + 1)) or self.features < 2:
            raise MedleyError("supervoxels are numbered 1 to F without a gap, and are two at least; 0 is background")
        self.score, self.volume, self.batch = score, volume, batch
        self.baseline = baseline.to(volume)
        self.pieces_X = torch.from_numpy(pieces_DHW.ravel().astype(np.int64)).to(volume.device)

    def volumes(self, shown_RF: np.ndarray) -> torch.Tensor:
        """[R, S, D, H, W]; the background is always as it is."""
        shown = torch.from_numpy(np.pad(shown_RF, ((0, 0), (1, 0)), constant_values=True)).to(self.pieces_X.device)
        shown_R1DHW = shown[:, self.pieces_X].view(len(shown), 1, *self.volume.shape[1:])
        return torch.where(shown_R1DHW, self.volume, self.baseline)

    def __call__(self, shown_RF: np.ndarray) -> np.ndarray:
        """float64 [R, K]. Raises MedleyError for an answer that is no finite number."""
        said = []
        with torch.inference_mode():
            for start in range(0, len(shown_RF), self.batch):
                some_BF = shown_RF[start : start + self.batch]
                answers = self.score(self.volumes(some_BF))
                if answers.shape[:1] != (len(some_BF),):
                    told = f"answers of shape {tuple(answers.shape)} to {len(some_BF)} volumes"
                    raise MedleyError(f"the model gave {told}; one for each volume is needed")
                said.append(answers.double().cpu().numpy().reshape(len(some_BF), -1))
        answers_RK = np.concatenate(said)
        if not np.isfinite(answers_RK).all():
            raise MedleyError("the model's answer to a volume with hidden supervoxels is nan or infinite")
        return answers_RK
