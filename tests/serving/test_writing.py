"""Answers of a model that writes."""

from __future__ import annotations
import medley

def test_x(report_run):
    print(medley.load(report_run).facts)
