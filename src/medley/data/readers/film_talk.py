"""Where a clinical note begins to describe the film: the last guard between what was known before and what was seen.

Headers part a report into its sections (`sections`), but dictation forgets them: `INDICATION: cough` and, a line below,
`The lungs are clear. No effusion.` Those words would be an input that gives its own target away, so an input section
ends at its first sentence that declares what the film shows. A sentence does that when it

- denies a finding or calls anatomy normal (`No effusion`), or
- says of a finding or a device what only a reader of the film says (`is seen`, `remains`, `terminates`, `there is`).

It stays when it asks (`evaluate for pneumothorax`), or tells of the patient or another day (`history of CHF`, `lungs
are clear to auscultation`, `CT showed a nodule`). A finding by itself may be either; it goes only with a sentence
behind it that declares. The words of the findings and their negation are those of `medley.language`.
"""

from __future__ import annotations

import re

from medley.core.labels import NO_FINDING
from medley.language.mentions import ABSENT, find_mentions
from medley.language.sentences import split_sentences


def _words(*lines: str) -> re.Pattern[str]:
    """Any of the words (patterns parted by blanks, `_` for a blank inside one), whole and in any letter case."""
    patterns = [word.replace("_", " ") for line in lines for word in line.split()]
    return re.compile(rf"(?<!\w)({'|'.join(patterns)})(?!\w)", re.IGNORECASE)


_ASKS = _words(
    r"r/o f/u (rule|ruling)_out (re-?)?eval\w* assess\w* follow\w* please check\w* query confirm verify look(ing)?_for",
    r"monitor(ing)?(?!_leads?) question concern suspicion suspected clearance surveillance placement",
    r"cause_of source_of change_in any whether if",
)
_TELLS = _words(
    r"h/o [ps]/p history hx pmh known prior previous(ly)? recent(ly)? last ago yesterday outside osh old_films?",
    r"status[_-]post diagnos\w+ admitted admission present(s|ed|ing)_(with|to|for) complain\w* den(ies|ied|ying)",
    r"reports auscultation surgery treated antibiotics? symptom\w* pain cough fever dyspnea ct mri pet ultrasound",
    r"pre-?op\w* male female man woman m f boy girl gentleman lady patient pt year[_-]old y/?o mother father",
)
# Another day and the patient are named in descriptions too: these words are taken out before `_TELLS` is asked.
_COMPARES = _words(
    r"(to|from|with|on|than|since)_(the_|a_)?(prior|previous|last)(_(study|exam(ination)?|films?|radiographs?|ct))?",
    r"patient('s)?_(is_)?(\w+ly_)?(rotat|position|motion|habitus)\w*",
)
_ANATOMY = _words(
    r"lungs? hearts? cardiac cardiomediastin\w+ mediastin\w+ hil(a|um|ar) silhouettes? trachea airways? aort(a|ic)",
    r"diaphragms? hemidiaphragms? costophrenic thorax hemithorax granulomas? granulomatous bony bones osseous",
    r"osteophytes? vasculature vascularity spine sternotomy cabg soft_tissues?",
    r"(views?|radiographs?|examination|films?|images?|projections?)_(of_)?(the_)?chest",
    r"chest_(views?|radiographs?|examination|films?)",
)
_SHOWN = _words(
    r"is are was were has (?<!to_)have had been there again seen noted shows? showing demonstrat\w+ reveals? suggests?",
    r"remains? appears? persists? projects? terminates? overl(ies|ie|ying) represents? compared_(to|with) comparison",
    r"unchanged stable interval grossly normal clear unremarkable tortuous tortuosity hyperexpanded hyperinflated",
    r"tip_(in|at|over)",
)
_NEW_LINE = re.compile(r"\n[ \t]*(?=[A-Z])")


def before_the_film(text: str) -> str:
    """`text` up to the first sentence that declares what the film shows; all of it where none does."""
    pieces = _pieces(text)
    for number, (start, piece) in enumerate(pieces):
        if not _declares(piece):
            continue
        while number and _may_belong(pieces[number - 1][1], first=number == 1):
            number -= 1
            start = pieces[number][0]
        return text[:start].rstrip()
    return text


def _pieces(text: str) -> list[tuple[int, str]]:
    """(start, words) of the sentences; a line that begins with a capital begins one, a wrapped line or not."""
    pieces = []
    for sentence in split_sentences(text):
        start = sentence.start
        for line in _NEW_LINE.finditer(text, sentence.start, sentence.end):
            pieces.append((start, text[start : line.start()]))
            start = line.end()
        pieces.append((start, text[start : sentence.end]))
    return pieces


def _asks_or_tells(sentence: str) -> bool:
    return bool("?" in sentence or _ASKS.search(sentence) or _TELLS.search(_COMPARES.sub(" ", sentence)))


def _declares(sentence: str) -> bool:
    if _asks_or_tells(sentence):
        return False
    mentions = find_mentions(sentence)
    if any(mention.polarity == ABSENT or mention.label == NO_FINDING for mention in mentions):
        return True
    return bool((mentions or _ANATOMY.search(sentence)) and _SHOWN.search(sentence))


def _may_belong(sentence: str, first: bool) -> bool:
    """Whether a bare finding before a declaration is one more. The first may be what the film was asked for, unless it
    has a side, a zone or a size."""
    if _asks_or_tells(sentence):
        return False
    mentions = find_mentions(sentence)
    if first:
        return any(mention.side or mention.zone or mention.severity for mention in mentions)
    return bool(mentions or _ANATOMY.search(sentence))
