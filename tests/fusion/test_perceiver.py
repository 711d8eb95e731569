"""Few tokens of many patches: a resampler knows where a patch lies, cells keep left and right, runs do not."""

from __future__ import annotations

import pytest
import torch

from medley.core.errors import MedleyError
from medley.core.seeds import seed_torch
from medley.fusion.perceiver import GridPooling, PerceiverResampler, RunPooling, build_compressor, sincos_3d

GRID = (4, 4, 4)


def patches(batch: int = 2, dim: int = 24) -> torch.Tensor:
    seed_torch("patches", 0)
    return torch.randn(batch, 64, dim)


def mirrored(patches_BPC: torch.Tensor) -> torch.Tensor:
    return patches_BPC.unflatten(1, GRID).flip(3).flatten(1, 3)


@pytest.mark.parametrize("kind", ["perceiver", "avgpool", "grid"])
def test_every_compressor_makes_its_tokens(kind):
    compressor = build_compressor(kind, 24, GRID, 8, heads=4, cells=(2, 2, 2))
    assert compressor.tokens == 8
    assert compressor(patches()).shape == (2, 8, 24)


@pytest.mark.parametrize("positions", ["learned", "sincos"])
def test_a_resampler_is_told_where_patches_lie_and_would_not_know_otherwise(positions):
    seed_torch("resampler", 0)
    resampler = PerceiverResampler(24, 4, 2, 8, GRID, positions).eval()
    if positions == "learned":
        torch.nn.init.normal_(resampler.position_embed_PC)
    before = resampler(patches())
    order = torch.randperm(64)
    assert not torch.allclose(before, resampler(patches()[:, order]), atol=1e-3)
    assert not torch.allclose(before, resampler(mirrored(patches())), atol=1e-3)
    resampler.position_embed_PC.data.zero_()
    assert torch.allclose(resampler(patches()), resampler(patches()[:, order]), atol=1e-5)


def test_a_layer_is_what_its_page_says():
    """latents + MHA(LN latents, [LN patches + positions; LN latents]), then + MLP(LN latents), and a last norm."""
    seed_torch("layer", 0)
    resampler = PerceiverResampler(24, 4, 1, 8, GRID)
    layer = resampler.layers[0]
    keys, values = layer.key_value.weight.chunk(2)
    attention = torch.nn.MultiheadAttention(24, 4, batch_first=True)
    with torch.no_grad():
        attention.in_proj_weight.copy_(torch.cat([layer.query.weight, keys, values]))
        attention.in_proj_bias.zero_()
        attention.out_proj.load_state_dict(layer.out.state_dict())
        latents = resampler.latents_token.expand(2, -1, -1)
        read = torch.cat(
            [layer.norm_patches(patches()) + resampler.position_embed_PC, layer.norm_latents(latents)], dim=1
        )
        latents = latents + attention(layer.norm_latents(latents), read, read)[0]
        latents = latents + layer.feed_forward(layer.norm_forward(latents))
        assert torch.allclose(resampler.norm(latents), resampler(patches()), atol=1e-5)


def test_what_a_latent_read_of_the_patches_is_a_share():
    tokens, shares = PerceiverResampler(24, 4, 2, 8, GRID).read(patches())
    assert shares.shape == (2, 8, 64)
    assert (shares >= 0).all()
    assert (shares.sum(-1) < 1).all(), "the rest was read of the latents"
    assert tokens.shape == (2, 8, 24)


def test_runs_lose_left_and_right_and_cells_keep_them():
    """The published system averages runs of two slices: a mirrored volume gives the same tokens."""
    runs, cells = RunPooling(2), GridPooling(GRID, (2, 1, 2))
    assert torch.allclose(runs(patches()), runs(mirrored(patches())), atol=1e-6)
    assert not torch.allclose(cells(patches()), cells(mirrored(patches())), atol=1e-3)
    assert torch.allclose(cells(mirrored(patches()))[:, [1, 0, 3, 2]], cells(patches()), atol=1e-6)
    assert torch.allclose(runs(patches())[:, 0], patches()[:, :32].mean(1), atol=1e-6)


def test_every_place_has_a_code_of_its_own():
    code = sincos_3d((3, 4, 5), 26)
    assert code.shape == (60, 26)
    assert len(code.unique(dim=0)) == 60
    alike = torch.nn.functional.cosine_similarity(code[:, None], code, dim=-1)
    assert (alike - torch.eye(60)).max() < 0.8, "even neighbours differ"
    with pytest.raises(MedleyError, match="needs 6 or more"):
        sincos_3d(GRID, 5)
    with pytest.raises(MedleyError, match="resampler_heads is 5"):
        PerceiverResampler(24, 5, 1, 8, GRID)
