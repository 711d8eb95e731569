"""A WordNet of a dozen words in the layout of WordNet 3.0's own files (wndb(5WN)), for tests without a download."""

from __future__ import annotations

from pathlib import Path

NAMES = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
SYNSETS = {
    "noun": (("doctor", "physician", "medico"), ("effusion", "gush")),
    "verb": (("doctor", "repair"),),
    "adj": (("large", "big"),),
    "adv": (("clearly", "distinctly"),),
}
HEADER = "  1 WordNet 3.0 Copyright 2006 by Princeton University, for the layout only: these words are a test's own  \n"


def write_mini_wordnet(folder: Path) -> Path:
    """The files of Debian's two packages with a handful of words in them."""
    folder.mkdir(parents=True)
    for kind, synsets in SYNSETS.items():
        data, places = HEADER, {}
        for words in synsets:
            for word in words:
                places.setdefault(word, []).append(len(data))
            listed = " ".join(f"{word} 0" for word in words)
            frames = " 00" if kind == "verb" else ""
            data += f"{len(data):08d} 04 {NAMES[kind]} {len(words):02x} {listed} 000{frames} | a test's own  \n"
        index = HEADER + "".join(
            f"{word} {NAMES[kind]} {len(at)} 0 {len(at)} 0 {' '.join(f'{place:08d}' for place in at)}  \n"
            for word, at in sorted(places.items())
        )
        (folder / f"data.{kind}").write_text(data)
        (folder / f"index.{kind}").write_text(index)
        (folder / f"{kind}.exc").write_text("")
    for name in ("index.sense", "cntlist.rev"):
        (folder / name).write_text("")
    return folder
