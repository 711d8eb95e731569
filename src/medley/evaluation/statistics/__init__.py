"""What a number may still be, and whether two systems differ: intervals, paired tests, many tests at once."""

from medley.evaluation.statistics.delong import DeLongTest, delong, delong_test
from medley.evaluation.statistics.holm import holm
from medley.evaluation.statistics.intervals import (
    NO_RESAMPLES,
    Metric,
    bootstrap,
    patient_weights,
    wilson,
    with_interval,
)
from medley.evaluation.statistics.paired import PermutationTest, paired_differences, permutation_test

__all__ = [
    "NO_RESAMPLES",
    "DeLongTest",
    "Metric",
    "PermutationTest",
    "bootstrap",
    "delong",
    "delong_test",
    "holm",
    "paired_differences",
    "patient_weights",
    "permutation_test",
    "wilson",
    "with_interval",
]
