"""One large batch in small ones, for losses that compare studies with each other: cached gradients.

    1  each batch is seen without a graph; its rows (what its studies bring to the comparison) are kept
    2  the loss of all rows together, and what it asks of each row: d loss / d row
    3  each batch is seen again, now with a graph; its rows times what was asked of them lead back to the weights

(Gao et al. 2021, Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup.) The gradient is that of one
batch of all studies, and one small batch's graph is held at a time, for the price of seeing everything twice. The same
dropout is drawn both times: it is seeded by the batch.

On several devices step 2 compares the rows of all of them, once a step, however many batches each of them has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from medley.core.errors import MedleyError
from medley.core.stage import Joint, Rows


class Together:
    """The joint terms of one optimiser step."""

    def __init__(self, joint: Joint, parts: Sequence[Rows]):
        """`parts` are the rows of each batch, without a graph."""
        self.joint = joint
        self.sizes = [_length(part) for part in parts]
        self.rows = {name: _leaf(row) for name, row in all_rows(parts).items()}
        self.asked: dict[str, torch.Tensor] = {}

    def counts(self) -> dict[str, torch.Tensor]:
        """What each joint term is divided by, of this device."""
        return self.joint.counts(self.rows)

    def compare(self, weights: Mapping[str, float], counts: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The joint terms, each divided by its count; finds what their weighted sum asks of each row."""
        sums = self.joint.sums(self.rows)
        terms = {name: total / counts[name].clamp(min=1) for name, total in sums.items()}
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        leaves = {name: row for name, row in self.rows.items() if row.requires_grad}
        gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        self.asked = {name: one for name, one in zip(leaves, gradients, strict=True) if one is not None}
        return {name: term.detach() for name, term in terms.items()}

    def of_batch(self, index: int, rows: Rows) -> torch.Tensor:
        """A number whose gradient with respect to the weights is the joint terms', as far as it goes through the rows
        of this batch, which were made anew with a graph. What is of no study is asked in the last batch: devices
        exchange their gradients there."""
        start, last = sum(self.sizes[:index]), index == len(self.sizes) - 1
        found = []
        for name, asked in self.asked.items():
            if asked.ndim:
                found.append((rows[name].float() * asked[start : start + self.sizes[index]]).sum())
            elif last:
                found.append(rows[name].float() * asked)
        return torch.stack([one.to(found[0]) for one in found]).sum()


def all_rows(parts: Sequence[Rows]) -> Rows:
    """The rows of several batches as those of one; what is of no study is the same in all of them."""
    return {name: torch.cat([part[name] for part in parts]) if row.ndim else row for name, row in parts[0].items()}


def check_no_batch_norm(model: nn.Module, stage: str, batches: int) -> None:
    """Raises MedleyError where something in training mode reads a study by its batch: of small batches it makes no
    large one."""
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.training:
            raise MedleyError(
                f"stages.{stage}.accumulate is {batches}: '{name}' normalises over its batch, so that {batches} of "
                "them are not compared as one would be; set accumulate to 1, or freeze it"
            )


def _leaf(rows: torch.Tensor) -> torch.Tensor:
    """Where a gradient ends; in full precision, as it is small before it is scaled (fp16)."""
    rows = rows.detach()
    return rows.float().requires_grad_() if rows.is_floating_point() else rows


def _length(rows: Rows) -> int:
    return next(len(row) for row in rows.values() if row.ndim)
