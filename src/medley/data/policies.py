"""What a model learns from a label that is uncertain (-1) or blank (nan): a policy, per label, chosen by the recipe.

Irvin et al. 2019 (CheXpert) compare, for uncertain: ignore (no loss), zeros, ones, multiclass (a third class). Pham
et al. 2021 smooth: ones becomes uniform in [0.55, 0.85], zeros uniform in [0, 0.3]: nobody learns to be sure.
Blank means "never mentioned": `negative`, as the labeler's authors train (chexpert-labeler issue 9), or `mask`.
The case table keeps -1 and nan apart, so that this stays a choice; the scorecard prints `describe()`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medley.core.errors import MedleyError, choose, nearest
from medley.core.labels import UNCERTAIN, canonical
from medley.core.seeds import generator

MASKED = math.nan
THIRD_CLASS = -1.0

_UNCERTAIN = {
    "ignore": MASKED,
    "zeros": 0.0,
    "ones": 1.0,
    "multiclass": THIRD_CLASS,
}
_SMOOTH = {"smooth_zeros": (0.0, 0.3), "smooth_ones": (0.55, 0.85)}  # uniform in; Pham et al. 2021
_BLANK = {"mask": MASKED, "negative": 0.0}
DEFAULT = "default"


@dataclass(frozen=True)
class LabelPolicy:
    """`uncertain`: one policy for all labels, or {"default": ..., label: ...}; `blank`: mask or negative.

    Neutral as it stands: what is not known is masked. Raises MedleyError for an unknown policy, naming the nearest.
    """

    uncertain: str | Mapping[str, str] = "ignore"
    blank: str = "mask"
    _by_label: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        choose(self.blank, _BLANK, "policy for blank labels")
        given = {DEFAULT: self.uncertain} if isinstance(self.uncertain, str) else dict(self.uncertain)
        if DEFAULT not in given:
            raise MedleyError("the policies for uncertain labels need a 'default' beside: " + ", ".join(given))
        for label, policy in given.items():
            choose(policy, {**_UNCERTAIN, **_SMOOTH}, f"policy for uncertain labels ({label})")
        by_label = {label if label == DEFAULT else canonical(label): policy for label, policy in given.items()}
        if len(by_label) < len(given):
            raise MedleyError(f"a label stands twice among the policies: {', '.join(given)}")
        object.__setattr__(self, "_by_label", by_label)

    def of(self, label: str) -> str:
        """The policy for the uncertain values of one label."""
        return self._by_label.get(label, self._by_label[DEFAULT])

    def check(self, labels: Sequence[str]) -> None:
        """Raises MedleyError when a policy names a label that the table lacks."""
        for label in self._by_label:
            if label != DEFAULT and label not in labels:
                raise MedleyError(f"a label policy names '{label}', which the table lacks{nearest(label, labels)}")

    def describe(self) -> str:
        """One line for the protocol of a scorecard: equal lines mean equal policies."""
        rest = sorted((label, policy) for label, policy in self._by_label.items() if label != DEFAULT)
        own = [f"{label}: {policy}" for label, policy in rest if policy != self._by_label[DEFAULT]]
        return f"uncertain {', '.join([self._by_label[DEFAULT], *own])}; blank {self.blank}"


# What most CheXpert winners train on (LibAUC and others): ones where "possible" mostly turns out true.
CHEXPERT_POLICY = LabelPolicy({DEFAULT: "zeros", "Edema": "ones", "Atelectasis": "ones"}, blank="negative")


def apply(
    case_labels: Mapping[str, float], label_names: Sequence[str], policy: LabelPolicy, seed: int, case_id: str
) -> np.ndarray:
    """Targets of one case, float32 [labels]: in [0, 1], nan where masked, and -1 for the third class of `multiclass`.

    A smoothed target is drawn once for (seed, case, label): the same in every epoch, worker and order.
    """
    policy.check(label_names)
    targets_L = np.empty(len(label_names), np.float32)
    for index, name in enumerate(label_names):
        value = case_labels.get(name, math.nan)
        if math.isnan(value):
            value = _BLANK[policy.blank]
        elif value == UNCERTAIN:
            chosen = policy.of(name)
            if chosen in _SMOOTH:
                value = generator("policy", seed, case_id, name).uniform(*_SMOOTH[chosen])
            else:
                value = _UNCERTAIN[chosen]
        elif value not in (0.0, 1.0):
            raise MedleyError(f"case '{case_id}': label '{name}' is {value}; it must be 1, 0, -1 (uncertain) or nan")
        targets_L[index] = value
    return targets_L
