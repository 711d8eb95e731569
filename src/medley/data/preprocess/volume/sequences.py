"""Which sequence a file is, by what its name or its header says: `BraTS20_Training_001_t1ce.nii` -> t1c."""

from __future__ import annotations

import re

UNKNOWN = "unknown"  # a file that does not say: `medley preprocess brains` takes it, a case table does not

# Tried in this order: a FLAIR is a T2 too, and a contrast T1 a T1. BraTS spells t2f, t1c, t1n, t2w since 2023.
_PATTERNS = (
    ("flair", r"flair|t2-?f|dark-?fluid|tirm"),
    ("t1c", r"t1-?w?-?(ce?|gd|gad|km|post|contrast)|(ce|gd|post)-?t1w?|t1w?-.*-(gd|gad|ce|km|post|contrast)|mr-gd"),
    ("t1", r"t1-?[nw]?|mp-?rage|bravo|spgr|mp2rage|uni-images"),
    ("t2", r"t2-?[w]?"),
)
_OTHER = re.compile(r"(^|-)(t2-?star|swi|swan|dwi|adc|trace|dti|fa|bold|asl|perf|pwi|tof|mra|ct|[a-z0-9]*map)(-|$)")
_NO_IMAGE = re.compile(r"(^|-)(seg|segm|segmentation|mask|lesions?|label|labels|gt|consensus|brainmask|roi)(-|$)")


def in_words(said: str) -> str:
    """A name in lower case, its words parted by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", said.lower()).strip("-")


def sequence_of(said: str) -> str:
    """One of SEQUENCES, or `unknown`."""
    plain = in_words(said)
    if _OTHER.search(plain):
        return UNKNOWN
    for name, pattern in _PATTERNS:
        if re.search(rf"(^|-)({pattern})(-|$)", plain):
            return name
    return UNKNOWN


def is_mask(said: str) -> bool:
    """Whether a name says that the file holds labels, not intensities."""
    return _NO_IMAGE.search(in_words(said)) is not None


def without_sequence(said: str) -> str:
    """What a name says beside its sequence, plain: `sub-01_ses-01_FLAIR` -> `sub-01-ses-01`. Files of one study share
    it."""
    plain = in_words(said)
    for _, pattern in _PATTERNS:
        if found := re.search(rf"(^|-)({pattern})(-|$)", plain):
            return f"{plain[: found.start()]}-{plain[found.end() :]}".strip("-")
    return plain
