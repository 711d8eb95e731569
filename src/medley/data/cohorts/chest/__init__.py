"""Generated chest films with reports, masks and truth: `generate` writes a cohort, `read_masks` reads its masks."""

from __future__ import annotations

from medley.data.cohorts.chest.cohort import VERSION, generate, read_masks

__all__ = ["VERSION", "generate", "read_masks"]
