"""Contrastive losses: what they are, equal texts, a lone study, and the same on two devices as on one."""

from __future__ import annotations

import math

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from medley.core.errors import MedleyError
from medley.core.seeds import seed_torch
from medley.losses.contrastive import (
    NO_TEXT,
    NOT_KNOWN,
    Grounding,
    fact_keys,
    info_nce_sum,
    pair_count,
    sigmoid_sum,
    text_keys,
)


def rows(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    seed_torch("rows", seed)
    return torch.randn(count, 6), torch.randn(count, 6)


def test_info_nce_is_the_mean_of_two_cross_entropies():
    image, text = rows(5)
    logits = F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T / 0.1
    wanted = sum(F.cross_entropy(part, torch.arange(5), reduction="sum") for part in (logits, logits.T)) / 2
    assert torch.allclose(info_nce_sum(image, text, torch.arange(1, 6), 0.1), wanted, atol=1e-4)


def test_the_sigmoid_loss_is_that_of_its_paper():
    image, text = rows(4)
    logits = 10 * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T - 10
    wanted = -F.logsigmoid((2 * torch.eye(4) - 1) * logits).sum()
    assert torch.allclose(
        sigmoid_sum(image, text, torch.arange(1, 5), torch.tensor(10.0), torch.tensor(-10.0)), wanted, atol=1e-4
    )


def test_equal_texts_are_pairs_and_never_negatives():
    image, text = torch.eye(6)[:4], torch.eye(6)[:4].clone()
    text[1] = text[0]
    image[1] = image[0]
    same, different = torch.tensor([1, 1, 2, 3]), torch.arange(1, 5)
    assert info_nce_sum(image, text, same, 0.01) == pytest.approx(2 * math.log(2), abs=1e-3)  # evenly on both
    assert info_nce_sum(image, text, different, 0.01) == pytest.approx(2 * math.log(2), abs=1e-3)
    image.requires_grad_()
    info_nce_sum(image, text, same, 0.1).backward()
    apart = image.grad[0].clone()
    image.grad = None
    info_nce_sum(image, text, different, 0.1).backward()
    assert apart[0].abs() <= image.grad[0][0].abs() + 1e-6, "two healthy brains are not pushed apart"
    scale, bias = torch.tensor(10.0), torch.tensor(-5.0)
    assert sigmoid_sum(image, text, same, scale, bias) < sigmoid_sum(image, text, different, scale, bias)


def test_keys_are_of_what_is_said_and_not_of_how_it_is_typed():
    keys = text_keys(["No lesion.", " no  LESION", "A lesion.", None, ""])
    assert keys[0] == keys[1]
    assert len({int(key) for key in keys[:3]}) == 2
    assert (keys[3:] == NO_TEXT).all()
    facts = fact_keys(torch.tensor([[1.0, 0.0], [0.8, 0.3], [0.0, 0.0], [math.nan, 0.0], [math.nan, 0.0]]))
    assert facts[0] == facts[1]
    assert facts[3:].tolist() == [NOT_KNOWN] * 2
    assert len({int(key) for key in facts}) == 3


def test_a_study_without_a_text_is_in_no_pair_and_wrong_for_nobody():
    image, text = rows(4)
    keys = torch.tensor([1, 2, 3, NO_TEXT])
    for loss in (
        lambda i, t, k: info_nce_sum(i, t, k, 0.1),
        lambda i, t, k: sigmoid_sum(i, t, k, torch.tensor(5.0), torch.tensor(0.0)),
    ):
        lacking, other = loss(image, text, keys), text.clone()
        other[3] = 7.0
        assert torch.allclose(loss(image, other, keys), lacking)
    assert int(pair_count(keys)) == 3
    silent = torch.full((4,), NO_TEXT)
    image.requires_grad_()
    loss = info_nce_sum(image, text, silent, 0.1)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not image.grad.any()


def test_equal_facts_in_other_words_are_no_negatives():
    image, text = rows(3)
    keys, spared = torch.tensor([1, 2, 3]), torch.tensor([5, 5, 6])
    other = text.clone()
    other[1] = -image[0] * 9
    # of row 0, text 1 is not asked: what it is changes nothing of that row; rows 1 and 2 do ask
    with_it = info_nce_sum(image[[0, 2]], text[[0, 2]], keys[[0, 2]], 0.1)
    logits = F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T / 0.1
    kept = torch.tensor([[True, False, True], [False, True, True], [True, True, True]])
    masked = logits.masked_fill(~kept, -1e4), logits.T.masked_fill(~kept, -1e4)
    wanted = sum(F.cross_entropy(part, torch.arange(3), reduction="sum") for part in masked) / 2
    assert torch.allclose(info_nce_sum(image, text, keys, 0.1, spared), wanted, atol=1e-4)
    assert with_it < wanted
    unknown = info_nce_sum(image, text, keys, 0.1, torch.full((3,), NOT_KNOWN))
    assert torch.equal(unknown, info_nce_sum(image, text, keys, 0.1)), "what is not known is equal to nothing"


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_a_lone_study_is_refused(loss):
    grounding = Grounding(6, 6, 4, loss)
    image, text = rows(1)
    with pytest.raises(MedleyError, match=r"a batch of 1 has nothing to compare.*set stages.contrastive.batch to 8"):
        grounding(image, text, torch.tensor([1]))
    assert int(pair_count(torch.tensor([1]))) == 0


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_heads_learn_to_tell_pairs_apart(loss):
    seed_torch("grounding", 1)
    grounding = Grounding(6, 6, 8, loss)
    image, text = rows(8)
    keys = torch.arange(1, 9)
    optimizer = torch.optim.Adam(grounding.parameters(), lr=0.05)
    first = grounding(image, text, keys).item()
    for _ in range(100):
        optimizer.zero_grad()
        total = grounding(image, text, keys)
        total.backward()
        optimizer.step()
    assert total.item() < 0.3 * first
    assert all(parameter.grad is not None for parameter in grounding.parameters())
    close = F.normalize(grounding.image(image), dim=-1) @ F.normalize(grounding.text(text), dim=-1).T
    assert (close.argmax(1) == torch.arange(8)).all()


def _device(rank: int, port: int, loss: str, results) -> None:
    """One device with its part of seven rows, the last one with fewer."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    part = slice(0, 4) if rank == 0 else slice(4, 7)
    image, text = (tensor[part].requires_grad_() for tensor in rows(7))
    keys = torch.tensor([1, 2, 1, 3, 4, 1, 5])[part]
    if loss == "infonce":
        total = info_nce_sum(image, text, keys, 0.1)
    else:
        total = sigmoid_sum(image, text, keys, torch.tensor(5.0), torch.tensor(-1.0))
    total.backward()
    results.put((rank, total.item(), int(pair_count(keys)), image.grad.tolist(), text.grad.tolist()))
    dist.destroy_process_group()


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_two_devices_compare_all_rows_as_one_would(loss, on_two_devices):
    parts = on_two_devices(_device, loss)
    image, text = (tensor.requires_grad_() for tensor in rows(7))
    keys = torch.tensor([1, 2, 1, 3, 4, 1, 5])
    if loss == "infonce":
        total = info_nce_sum(image, text, keys, 0.1)
    else:
        total = sigmoid_sum(image, text, keys, torch.tensor(5.0), torch.tensor(-1.0))
    total.backward()
    assert sum(part[1] for part in parts) == pytest.approx(total.item(), rel=1e-5)
    assert sum(part[2] for part in parts) == 7
    for place, tensor in ((3, image), (4, text)):
        assert torch.allclose(torch.tensor(parts[0][place] + parts[1][place]), tensor.grad, atol=1e-5)
