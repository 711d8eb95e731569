"""The gate changes what the decoder reads, and two views lie side by side."""

from __future__ import annotations

import torch

from medley.core.seeds import seed_torch
from medley.fusion.gate import GatedPooling
from medley.fusion.views import side_by_side


def test_another_gate_gives_other_tokens_on_both_sides():
    seed_torch("gate", 0)
    fusion = GatedPooling(16, 2, 10, 8, 0.0).eval()
    whole_BD, states_BQD, beside_BND = torch.randn(2, 16), torch.randn(2, 20, 16), torch.randn(2, 14, 16)
    tokens, gate_B = fusion(whole_BD, states_BQD, beside_BND)
    assert tokens.shape == (2, 25, 16)
    assert torch.allclose(tokens[:, 11:], beside_BND)
    assert torch.allclose(gate_B, torch.tensor(0.5))
    low, _ = fusion(whole_BD, states_BQD, beside_BND, torch.tensor([0.1, 0.1]))
    high, _ = fusion(whole_BD, states_BQD, beside_BND, torch.tensor([0.9, 0.9]))
    assert torch.allclose(high[:, 0], 9 * low[:, 0], atol=1e-5)
    assert torch.allclose(low[:, 1:], 9 * high[:, 1:], atol=1e-5)
    assert not torch.allclose(low / low.norm(), high / high.norm(), atol=0.1)  # no later norm could undo it


def test_a_missing_view_is_no_key_and_has_no_say():
    whole_FD, patches_FND = torch.randn(3, 4), torch.randn(3, 2, 4)
    is_film_BV = torch.tensor([[True, True], [True, False]])
    whole_BD, patches_BPD, is_patch_BP = side_by_side(whole_FD, patches_FND, is_film_BV, is_film_BV)
    assert is_patch_BP.tolist() == [[True] * 4, [True, True, False, False]]
    assert torch.allclose(whole_BD, torch.stack([whole_FD[:2].mean(0), whole_FD[2]]))
    assert torch.equal(patches_BPD[0], patches_FND[:2].flatten(0, 1))
