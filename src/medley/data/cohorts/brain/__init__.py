"""Generated brain MRI with reports, masks and truth: `generate` writes a cohort, `retell` tells a report anew."""

from __future__ import annotations

from medley.data.cohorts.brain.cohort import VERSION, generate
from medley.data.cohorts.brain.reports import retell, write_report

__all__ = ["VERSION", "generate", "retell", "write_report"]
