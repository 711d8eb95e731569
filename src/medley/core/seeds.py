"""Randomness that is keyed, not carried: every draw belongs to a name, so nothing has to be saved to go on.

A generator keyed by (seed, epoch, case) gives the same draw in any process, in any order, with any number of workers.
"""

from __future__ import annotations

import hashlib

import numpy as np


def key64(*parts: object) -> int:
    """A 64-bit key of the parts: the same on every machine and in every process (Python's hash() is not)."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(*parts: object) -> np.random.Generator:
    """A numpy generator keyed by the parts."""
    return np.random.default_rng(key64(*parts))


def seed_torch(*parts: object) -> None:
    """Seed torch's global generators (dropout, initialisation) from the parts."""
    import torch  # here: the processes that draw cohorts need only `generator`, and torch takes seconds to load

    torch.manual_seed(key64(*parts) % 2**63)
