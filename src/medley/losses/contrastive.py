"""Images and texts that belong together lie close, all others apart: two losses over the pairs of a batch.

    InfoNCE     -1/2 [ mean over p of log softmax(v . t / tau)_p  +  the same from text to image ]    a row
    sigmoid     -sum over pairs of log sigmoid( z (s v . t + b) ),  z = 1 for a pair, -1 for any other    a row

(Radford et al. 2021, CLIP; Zhai et al. 2023, SigLIP.) Equal texts are pairs of each other's images, p all of them: a
hundred healthy brains share a sentence, and none of them is wrong for it (Yang et al. 2022, UniCL). Both are sums over
the rows of this device, against all rows of all devices; the caller divides by `pair_count` of all. Where nothing is
learned (dev) each device compares its own rows: devices need not have equally many batches of them.

Shapes: B rows here, N rows on all devices, C width.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from medley.core.errors import MedleyError
from medley.core.seeds import key64
from medley.core.stage import Joint, Rows

_NEVER = -1e4  # a logit that no softmax hears; finite, so that a row of nothing else has no nan
NO_TEXT = 0  # the key of a row that has no text: it is in no pair
NOT_KNOWN = 0  # the key of facts that are not wholly known: they are equal to none


def text_keys(texts: Sequence[str | None]) -> torch.Tensor:
    """A number [B] for each text, the same for texts that differ in case, spaces and the last stop alone."""
    plain = [" ".join((text or "").casefold().split()).rstrip(".") for text in texts]
    return torch.tensor([1 + key64("text", text) % (2**62) if text else NO_TEXT for text in plain])


def fact_keys(facts_BF: torch.Tensor) -> torch.Tensor:
    """A number [B] for each row of facts, the same for rows that are equal when rounded, in any batch; NOT_KNOWN where
    one is nan."""
    rows = facts_BF.round().tolist()
    known = [all(value == value for value in row) for row in rows]
    return torch.tensor(
        [1 + key64("facts", row) % 2**62 if whole else NOT_KNOWN for row, whole in zip(rows, known, strict=True)]
    )


def pair_count(keys_B: torch.Tensor) -> torch.Tensor:
    """How many rows of a batch are compared: those with a text, and none where there is but one row here and nowhere
    else."""
    rows = (keys_B != NO_TEXT).sum()
    return rows if len(keys_B) * _world() > 1 else torch.zeros_like(rows)


def info_nce_sum(
    image_BC: torch.Tensor,
    text_BC: torch.Tensor,
    keys_B: torch.Tensor,
    temperature: float | torch.Tensor,
    spared_B: torch.Tensor | None = None,
) -> torch.Tensor:
    """Symmetric InfoNCE of normalised rows, summed over those with a text. Rows of equal `spared_B` are no negatives of
    each other: their texts say the same in other words; NOT_KNOWN is equal to nothing.

    Raises MedleyError for a lone row.
    """
    rows = _Rows(image_BC, text_BC, keys_B, spared_B)
    found = image_BC.new_zeros(())
    for own_BC, all_NC in ((rows.image_BC, rows.texts_NC), (rows.text_BC, rows.images_NC)):
        logits_BN = (own_BC @ all_NC.T / temperature).masked_fill(rows.is_spared_BN | ~rows.is_text_N, _NEVER)
        logs_BN = logits_BN.log_softmax(-1)
        wanted_BN = rows.is_pair_BN / rows.is_pair_BN.sum(1, keepdim=True).clamp(min=1)
        found = found - torch.where(rows.is_pair_BN, wanted_BN * logs_BN, 0.0).sum() / 2
    return found


def sigmoid_sum(
    image_BC: torch.Tensor,
    text_BC: torch.Tensor,
    keys_B: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor,
    spared_B: torch.Tensor | None = None,
) -> torch.Tensor:
    """SigLIP's loss of normalised rows, summed over those with a text; `scale` and `bias` are learned and begin at 10
    and -10. Raises MedleyError for a lone row."""
    rows = _Rows(image_BC, text_BC, keys_B, spared_B)
    logits_BN = scale * (rows.image_BC @ rows.texts_NC.T) + bias
    signs_BN = torch.where(rows.is_pair_BN, 1.0, -1.0)
    counts_BN = rows.is_text_N & ~rows.is_spared_BN & (keys_B != NO_TEXT)[:, None]
    return -torch.where(counts_BN, F.logsigmoid(signs_BN * logits_BN), 0.0).sum()


class _Rows:
    """The rows of this device against those of all: which are pairs, and which are neither pair nor negative."""

    def __init__(
        self, image_BC: torch.Tensor, text_BC: torch.Tensor, keys_B: torch.Tensor, spared_B: torch.Tensor | None
    ):
        self.image_BC, self.text_BC = F.normalize(image_BC.float(), dim=-1), F.normalize(text_BC.float(), dim=-1)
        self.images_NC, self.texts_NC = from_all_devices(self.image_BC), from_all_devices(self.text_BC)
        if len(self.images_NC) < 2:
            raise MedleyError(
                "a contrastive loss compares studies, and a batch of 1 has nothing to compare: its loss is 0 and "
                "teaches nothing; set stages.contrastive.batch to 8 or more"
            )
        keys_N = from_all_devices(keys_B)
        self.is_text_N = keys_N != NO_TEXT
        self.is_pair_BN = (keys_B[:, None] == keys_N) & self.is_text_N
        self.is_spared_BN = torch.zeros_like(self.is_pair_BN)
        if spared_B is not None:
            is_equal_BN = (spared_B[:, None] == from_all_devices(spared_B)) & (spared_B != NOT_KNOWN)[:, None]
            self.is_spared_BN = is_equal_BN & ~self.is_pair_BN


def from_all_devices(rows: torch.Tensor) -> torch.Tensor:
    """The rows of all devices, one after the other; a gradient finds its way back to the device that made the row.
    Devices may hold different numbers of rows."""
    if _world() == 1:
        return rows
    counts = [torch.zeros((), dtype=torch.long, device=rows.device) for _ in range(_world())]
    dist.all_gather(counts, torch.tensor(len(rows), device=rows.device))
    sizes = [int(count) for count in counts]
    padded = torch.cat([rows, rows.new_zeros(max(sizes) - len(rows), *rows.shape[1:])])
    gathered = _Gather.apply(padded)
    return torch.cat([part[:size] for part, size in zip(gathered, sizes, strict=True)])


class _Gather(torch.autograd.Function):
    """all_gather whose way back adds up what every device asks of a row."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient[dist.get_rank()]


def _world() -> int:
    """Devices whose rows are compared."""
    learns = dist.is_available() and dist.is_initialized() and torch.is_grad_enabled()
    return dist.get_world_size() if learns else 1


class Grounding(nn.Module):
    """Heads that bring images and texts into one space, and the loss there. They are of this loss alone: what a
    language model reads of an image need not look like the states that it ends a text with."""

    def __init__(
        self, image_dim: int, text_dim: int, dim: int, loss: Literal["infonce", "sigmoid"], temperature: float = 0.07
    ):
        super().__init__()
        self.image, self.text = nn.Linear(image_dim, dim), nn.Linear(text_dim, dim)
        self.temperature = temperature
        self.own = nn.ParameterDict()
        if loss == "sigmoid":
            self.own = nn.ParameterDict({"log_scale": torch.tensor(10.0).log(), "bias": torch.tensor(-10.0)})

    def rows(self, image_BI: torch.Tensor, text_BE: torch.Tensor) -> Rows:
        """What `contrast_sum` reads of each study beside its keys, and what the loss learned for itself."""
        rows = {"image": self.image(image_BI.float()), "text": self.text(text_BE.float())}
        if not self.own:
            return {**rows, "temperature": torch.tensor(self.temperature)}
        return {**rows, "scale": self.own["log_scale"].exp(), "bias": self.own["bias"]}

    def forward(
        self, image_BI: torch.Tensor, text_BE: torch.Tensor, keys_B: torch.Tensor, spared_B: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The loss, summed over the rows that have a text. Raises MedleyError for a lone row."""
        spared = {} if spared_B is None else {"spared": spared_B}
        return contrast_sum({**self.rows(image_BI, text_BE), "keys": keys_B, **spared})


def contrast_sum(rows: Rows, learns: bool = True) -> torch.Tensor:
    """The loss of `Grounding.rows`, their `keys` and whom they spare (`spared`), of one batch or several, summed over
    the rows that have a text. A lone row, such as the last one of a dev part, has none where nothing is learned from
    it; else it raises MedleyError."""
    if not learns and not int(pair_count(rows["keys"])):
        return rows["image"].new_zeros(())
    told = rows["image"], rows["text"], rows["keys"]
    if "scale" in rows:
        return sigmoid_sum(*told, rows["scale"], rows["bias"], rows.get("spared"))
    return info_nce_sum(*told, rows["temperature"], rows.get("spared"))


def joint_contrast(others: Callable[[Any, Any], dict[str, torch.Tensor]], terms: Collection[str]) -> Joint | None:
    """How the term `contrast`, if it is one of `terms`, is that of several batches: `output.rows()` are what
    `contrast_sum` reads, and `others` the sums of the other terms."""
    return Joint(_rows, _sums, _counts, others) if "contrast" in terms else None


def _rows(output: Any, batch: Any) -> Rows:
    return output.rows()


def _sums(rows: Rows) -> dict[str, torch.Tensor]:
    return {"contrast": contrast_sum(rows)}


def _counts(rows: Rows) -> dict[str, torch.Tensor]:
    return {"contrast": pair_count(rows["keys"])}
