"""The one negation of Medley: which words deny, hedge or neither, and how far their word reaches.

The idea is NegEx's (Chapman et al. 2001): a trigger before a finding reaches forward, a trigger after it reaches back,
and some phrases that look like a trigger are none ("no change in"). The rules of reach are ours:

- A trigger before reaches to the end of the sentence, through lists ("no pneumothorax, effusion or consolidation"),
  and stops at a word that turns ("but", "however", ";", a bracket), at a new "there is", at healthy or sick anatomy
  with its own verdict ("no effusion, heart is enlarged"), and at a comma or "and" behind which something is plainly
  there: behind a verb ("no effusion is seen, opacity at the base"), or before a size ("no effusion, small nodule"),
  unless the list goes on with "or" ("no effusion, large opacity, or nodule").
- A trigger after reaches back to the last comma, unless "or"/"and" joins the list to it ("effusion or nodule is not
  seen"), and never over a word that turns.
- A denial beats a hedge ("no evidence to suggest pneumonia").
"""

from __future__ import annotations

from medley.language.phrases import Mark, Term

PRESENT, ABSENT, PERHAPS = "present", "absent", "uncertain"

_SEEN = (
    "{seen|identified|visualized|visualised|demonstrated|present|evident|appreciated|noted|detected|found|apparent|"
    "observed|suspected|shown|visible}"
)
_CHANGE = "{change|changes|increase|worsening|progression|improvement|decrease|difference|expansion|growth|resolution}"

DENY_BEFORE = (
    "{no|not|without|nor|neither|never|no longer|not any|denies|lacks|lack of|absence of|negative for|free of|"
    "free from|clear of|rather than|instead of|fails to {show|reveal}}",
    "no {finding|findings|abnormality|suspicion|suggestion|indication} {of|to suggest|suggesting|suspicious for|for}",
    "{doubt|doubtful for|low {suspicion|likelihood|probability} {of|for}}",
    "{interval|complete|} {resolution of|clearing of|removal of|disappearance of}",
)
DENY_AFTER = (
    f"{{not|no longer|never}} {{definitely|clearly|definitively|well|currently|otherwise|readily|}} {_SEEN}",
    "{has|have|had} {completely|entirely|now|since|} {resolved|cleared|disappeared|been removed|been ruled out}",
    "{is|are|was|were} {now|completely|} {absent|gone|ruled out|excluded|resolved|unlikely|very unlikely|removed}",
    "{is|are|seems} {doubtful|doubted}",
    "{ruled out|unlikely|highly unlikely|none|absent|resolved}",  # before it or, if nothing is there, after it
    "{has|have} {been|} {removed|excluded}",
)
# After its finding where none follows: "possible pneumonia", "pneumonia possible".
HEDGE = ("{possible|possibly|potential|questionable|equivocal|suspected|indeterminate|?}",)
HEDGE_BEFORE = (
    "{perhaps|presumed|presumably|question of|question|suspicious for|suspicion for|suspicion of|suspect|"
    "concerning for|concern for|worrisome for|suggestive of|suggesting|suggests|suggest|potentially}",
    "{may|might|could|can} {also|well|potentially|} {represent|reflect|be|indicate|suggest|relate to|}",
    "{may|might|could} be {due to|secondary to|related to|compatible|compatible with|consistent with}",
    "{maybe|maybe due to|favor|favors|favoring|favour|favours|favouring|most suggestive of|correlate for|concern of}",
    "{{is|are|} {favored|favoured} over|more likely than}",
    "{primary|} differential {diagnosis|considerations|consideration|} {is|includes|include|includes atypical|}",
    "{cannot|can not|could not|difficult to|not} {definitely|completely|entirely|fully|} {exclude|rule out}",
    "{rule out|r/o|evaluate for|evaluation for|assess for|exclude|to exclude|if|whether|consider|considered}",
    "{history of|risk of|at risk for|mimic|mimicking|simulating}",
)
HEDGE_AFTER = (
    "{cannot|can not|could not|not|is not|are not|not entirely} {be|} {definitely|completely|entirely|} "
    "{excluded|ruled out}",
    "{is|are|also} {possible|possibly present|suspected|questionable|questioned|equivocal|considered}",
    "{would be|may be|might be|could be|should be|must be} {considered|present|possible|suspected}",
    "less likely",
)
HEDGE_BOTH = ("{versus|vs}",)
# Look like a denial and are none.
NO_TRIGGER = (
    f"{{no|without|not any}} {{radiographic|}} {{evidence of|}} "
    f"{{significant|interval|appreciable|acute|definite|substantial|}} "
    f"{{significant|interval|appreciable|acute|short interval|}} {_CHANGE} {{in|of|to|from|since|}}",
    "{not only|not just|no doubt|not necessarily|{not|not significantly|not appreciably} changed}",
    "{nearly|almost|partially|partly|incompletely|almost completely|near completely|not completely|not fully|"
    "not entirely|not yet} {resolved|cleared}",
    "{has|have} {nearly|almost|partially|partly|incompletely|almost completely|not completely|not fully|not|not yet} "
    "{resolved|cleared}",
    "{near|nearly|partial|near complete|incomplete|almost complete} {resolution|clearing} {of|}",
    "{is|are} {not significantly|not} {changed|different|increased}",
)
TURNS = (
    "{but|however|although|though|except|except for|aside from|apart from|other than|with the exception of|"
    "nevertheless|yet|despite|whereas|while|because|in addition|additionally|with|"
    "now with|demonstrating|showing|consistent with|compatible with|representing|in keeping with|due to|secondary to}",
    ";",
    "(",
    ")",
)
NEW_CLAIMS = ("there {is|are|was|were|has been|have been}", ", {this|these|it}")
VERBS = (
    "{is|are|was|were|has|have|appears|appear|remains|remain|shows|show|demonstrates|demonstrate|reveals|reveal|seen|"
    "identified|noted}",
)
LISTS = {",": ",", "and": "and", "and / or": "and", "as well as": "and"}
ALTERNATIVES = ("{or|/}",)
# What follows is there. "Likely" and "and/or" are claims, not hedges: Open-i's human coders read them so.
STANDING = (
    "{stable|unchanged|persistent|persisting|increasing|decreasing|decreased|chronic|old|healed|known|prior|residual}",
    "{likely|most likely|probable|probably}",
)


def triggers() -> list[tuple[str, Term]]:
    """Every trigger phrase with its kind, for the vocabulary that holds the findings too: one walk finds both."""
    kinds = {
        "deny_before": DENY_BEFORE,
        "deny_after": DENY_AFTER,
        "hedge": HEDGE,
        "hedge_before": HEDGE_BEFORE,
        "hedge_after": HEDGE_AFTER,
        "hedge_both": HEDGE_BOTH,
        "no_trigger": NO_TRIGGER,
        "turn": TURNS,
        "new_claim": NEW_CLAIMS,
        "colon": (":",),
        "verb": VERBS,
        "or": ALTERNATIVES,
        "standing": STANDING,
    }
    entries = [(phrase, Term(kind)) for kind, phrases in kinds.items() for phrase in phrases]
    return entries + [(phrase, Term("list", word)) for phrase, word in LISTS.items()]


_REACH_MARKS = 64  # no list is longer; a text without full stops must not take quadratic time
_ENDS_AHEAD = frozenset({"turn", "new_claim", "colon", "deny_before", "deny_after", "hedge_after"})
_ENDS_BEHIND = frozenset({"turn", "new_claim", "deny_before", "deny_after", "hedge_after"})
_ITEMS = frozenset({"finding", "abnormal", "anything"})
_AFFIRMS = frozenset({"severity", "place", "standing", "hedge", "hedge_before"})


def polarities(marks: list[Mark], verdicts: set[int]) -> dict[int, str]:
    """Index of each mark that can be denied -> "present", "absent" or "uncertain", within one sentence.

    `verdicts` are the indices of anatomy that has its own verdict in this sentence ("heart is enlarged").
    """
    denied: set[int] = set()
    hedged: set[int] = set()
    last = len(marks) - 1
    for i, mark in enumerate(marks):
        kind = mark.term.kind
        if kind == "deny_before":
            denied.update(_ahead(marks, i, verdicts))
        elif kind == "deny_after":
            denied.update(_behind(marks, i, verdicts) or _ahead(marks, i, verdicts))
        elif kind in ("hedge_before", "borderline"):
            hedged.update(_ahead(marks, i, verdicts))
        elif kind == "hedge":
            hedged.update(_ahead(marks, i, verdicts) or _behind(marks, i, verdicts))
        elif kind == "hedge_after":
            hedged.update(_behind(marks, i, verdicts) or _ahead(marks, i, verdicts))
        elif kind == "hedge_both":
            hedged.update(_ahead(marks, i, verdicts))
            hedged.update(_behind(marks, i, verdicts)[:1])
        elif kind == "or":
            hedged.update(_alternatives(marks, i))
    answer = marks[last] if marks else None
    if answer is not None and answer.term.kind == "deny_before" and marks[last - 1].term.kind == "colon":
        denied.update(_behind(marks, last, verdicts))  # "Effusion: no"
    return {
        i: ABSENT if i in denied else PERHAPS if i in hedged else PRESENT
        for i, mark in enumerate(marks)
        if mark.term.kind in _ITEMS
    }


def _ahead(marks: list[Mark], trigger: int, verdicts: set[int]) -> list[int]:
    """The items that a trigger reaches forward."""
    reached: list[int] = []
    behind_verb = False
    for i in range(trigger + 1, min(len(marks), trigger + _REACH_MARKS)):
        kind = marks[i].term.kind
        if kind in _ITEMS:
            reached.append(i)
        elif kind in _ENDS_AHEAD or i in verdicts:
            break
        elif kind == "verb":
            behind_verb = behind_verb or bool(reached)
        elif kind == "list" and reached:
            new_item = i + 1 < len(marks) and marks[i + 1].term.kind in _AFFIRMS
            if behind_verb or (new_item and not _list_goes_on(marks, i)):
                break
    return reached


def _list_goes_on(marks: list[Mark], comma: int) -> bool:
    for mark in marks[comma + 1 : comma + _REACH_MARKS]:
        if mark.term.kind == "or":
            return True
        if mark.term.kind in _ENDS_AHEAD or mark.term.kind == "verb":
            return False
    return False


def _behind(marks: list[Mark], trigger: int, verdicts: set[int]) -> list[int]:
    """The items that a trigger reaches backward, nearest first."""
    reached: list[int] = []
    joined = False
    for i in range(trigger - 1, max(-1, trigger - _REACH_MARKS), -1):
        kind = marks[i].term.kind
        if kind in _ITEMS:
            reached.append(i)
        elif kind in _ENDS_BEHIND or i in verdicts or (kind == "verb" and reached):
            break
        elif kind == "or" or (kind == "list" and marks[i].term.value == "and"):
            joined = True
        elif kind == "list" and reached and not joined:
            break
    return reached


def _alternatives(marks: list[Mark], joint: int) -> list[int]:
    """The two findings that an "or" joins directly ("atelectasis or pneumonia"): the writer does not know which."""
    before = after = None
    for i in range(joint - 1, -1, -1):
        if marks[i].term.kind == "finding":
            before = i
        if marks[i].term.kind not in ("place", "severity"):
            break
    for i in range(joint + 1, len(marks)):
        if marks[i].term.kind == "finding":
            after = i
        if marks[i].term.kind not in ("place", "severity", "standing"):
            break
    return [] if before is None or after is None else [before, after]
