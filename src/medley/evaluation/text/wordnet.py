"""WordNet 3.0 for METEOR's synonyms: put together from Debian's packages, checked, and read through NLTK.

NLTK reads a folder `corpora/wordnet` under one of its data folders. Debian has the files (free licence of Princeton) in
`wordnet-base` and `wordnet-sense-index`, all but `lexnames`, the list of the lexicographers' files, which is written
here. Nothing is downloaded.
"""

from __future__ import annotations

import shutil
import warnings
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError
from medley.core.files import whole_folder

DEBIAN = Path("/usr/share/wordnet")
INSIDE = Path("corpora") / "wordnet"
KINDS = ("adj", "adv", "noun", "verb")
FILES = (
    *(f"{file}.{kind}" for file in ("data", "index") for kind in KINDS),
    *(f"{kind}.exc" for kind in KINDS),
    "index.sense",
    "cntlist.rev",
)
SYNONYMS = ("doctor", "physician")  # a WordNet that does not know these two for one is none

# lexnames(5WN): number, name, part of speech (1 noun, 2 verb, 3 adjective, 4 adverb)
_NOUNS = (
    "act animal artifact attribute body cognition communication event feeling food group location motive object person "
    "phenomenon plant possession process quantity relation shape state substance time"
)
_VERBS = (
    "body change cognition communication competition consumption contact creation emotion motion perception possession "
    "social stative weather"
)
_LEXNAMES = (
    ("adj.all", 3),
    ("adj.pert", 3),
    ("adv.all", 4),
    ("noun.Tops", 1),
    *((f"noun.{name}", 1) for name in _NOUNS.split()),
    *((f"verb.{name}", 2) for name in _VERBS.split()),
    ("adj.ppl", 3),
)


class WordNet:
    """What NLTK's METEOR asks of a WordNet, each word looked up once."""

    def __init__(self, reader: Any):
        self.version = str(reader.get_version())
        self.synsets = lru_cache(2**16)(reader.synsets)


def assemble_wordnet(folder: Path, source: Path = DEBIAN) -> str:
    """Make `folder` one that NLTK finds WordNet in, from Debian's files in `source`; what is there already is checked.

    Returns the WordNet's version. Raises MedleyError where files are missing, naming the packages, or do not fit.
    """
    inside = folder / INSIDE
    if not inside.is_dir():
        lacking = [name for name in FILES if not (source / name).is_file()]
        if lacking:
            raise MedleyError(
                f"{source} lacks {', '.join(lacking)} of WordNet: apt install wordnet-base wordnet-sense-index, or "
                "unpack both with dpkg -x and name the folder usr/share/wordnet in it"
            )
        with whole_folder(inside) as new:
            for name in FILES:
                shutil.copyfile(source / name, new / name)
            rows = [f"{number:02d}\t{name}\t{kind}\n" for number, (name, kind) in enumerate(_LEXNAMES)]
            (new / "lexnames").write_text("".join(rows), encoding="ascii")
    return read_wordnet(folder).version


def find_wordnet(folder: Path | None) -> WordNet | str:
    """The WordNet under `folder`, or where NLTK looks for its data; where there is none, the reason.

    Raises MedleyError for a `folder` that has none, and for a WordNet that is damaged.
    """
    if folder is not None:
        return read_wordnet(folder)
    import nltk

    for place in nltk.data.path:
        if (Path(place) / INSIDE).is_dir():
            return read_wordnet(Path(place))
    return "no WordNet: medley doctor --wordnet DIR makes one, and NLTK_DATA=DIR names it"


def read_wordnet(folder: Path) -> WordNet:
    """The WordNet under a folder, checked. Raises MedleyError naming what is wrong with it."""
    return _read(folder.resolve())


@cache
def _read(folder: Path) -> WordNet:
    inside = folder / INSIDE
    lacking = [name for name in (*FILES, "lexnames") if not (inside / name).is_file()]
    if not inside.is_dir():
        raise MedleyError(
            f"{folder} holds no WordNet ({INSIDE} in it); medley doctor --wordnet {folder} makes one there"
        )
    if lacking:
        raise MedleyError(f"{inside} lacks {', '.join(lacking)}; remove it, then medley doctor --wordnet {folder}")
    try:
        wordnet = WordNet(_reader(folder))
        names = {lemma.name() for synset in wordnet.synsets(SYNONYMS[0]) for lemma in synset.lemmas()}
    except (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        raise MedleyError(f"{inside} cannot be read as WordNet ({type(error).__name__}: {error})") from error
    if SYNONYMS[1] not in names:
        raise MedleyError(
            f"{inside} does not know {SYNONYMS[0]} and {SYNONYMS[1]} for synonyms: it is no whole WordNet"
        )
    return wordnet


def _reader(folder: Path) -> Any:
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    if str(folder) not in nltk.data.path:  # NLTK opens files under its data folders only, and opens them late
        nltk.data.path.append(str(folder))

    class English(WordNetCorpusReader):
        """Without NLTK's map between versions, which only other languages need and which looks for a second WordNet."""

        def map_wn(self, version: str = "wordnet") -> None:
            return None

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The multilingual functions")
        return English(str(folder / INSIDE), None)
