"""An inflated SigLIP begins as the 2D one, slice by slice, and knows depth, left and right once it has learned them."""

from __future__ import annotations

import pytest
import torch
from transformers import SiglipConfig, SiglipModel, SiglipVisionConfig, SiglipVisionModel

from medley.core.errors import MedleyError
from medley.core.seeds import seed_torch
from medley.encoders.published import published_config
from medley.encoders.vision3d import (
    Inflation,
    Vision3DSpec,
    build_vision3d,
    describe_siglip,
    inflate,
    published_positions,
    resize_table,
    small_siglip,
)

SIDE, PATCH = 32, 8
CONFIG = SiglipVisionConfig(
    hidden_size=36, num_hidden_layers=3, num_attention_heads=3, intermediate_size=64, image_size=SIDE, patch_size=PATCH
)
HOW = {
    "centre": Inflation("centre", 3, 1),
    "centre of wide kernels": Inflation("centre", 5, 2),
    "centre of tubelets": Inflation("centre", 4, 4),
    "average": Inflation("average", 2, 1),
    "average of tubelets": Inflation("average", 4, 4),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    seed_torch("siglip", 0)
    path = tmp_path_factory.mktemp("towers") / "siglip"
    model = SiglipVisionModel(CONFIG)
    torch.nn.init.normal_(model.embeddings.position_embedding.weight, std=0.5)
    model.save_pretrained(path)
    return str(path)


def tower(folder: str, how: Inflation, shape=(8, SIDE, SIDE), sequences: int = 1):
    return build_vision3d(describe_siglip(folder), shape, sequences, how, pretrained=True, pool=True).eval()


def flat(folder: str, slice_HW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the 2D tower makes of a slice as a grey picture."""
    model = SiglipVisionModel.from_pretrained(folder).eval()
    with torch.no_grad():
        out = model(pixel_values=((slice_HW - 0.5) / 0.5).expand(1, 3, -1, -1))
    return out.last_hidden_state[0], out.pooler_output[0]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("sequences", [1, 3])
def test_a_repeated_slice_gives_the_2d_towers_tokens_at_every_depth(folder, how, sequences):
    seed_torch("slice", 0)
    slice_HW = torch.rand(SIDE, SIDE)
    volume = slice_HW.expand(1, sequences, 8, SIDE, SIDE)
    model = tower(folder, HOW[how], sequences=sequences)
    with torch.no_grad():
        patches = model(volume)[0].unflatten(0, (model.grid[0], -1))
    tokens, pooled = flat(folder, slice_HW)
    assert patches.shape[1:] == tokens.shape
    assert (patches - tokens).abs().max() < 1e-5
    assert (model.pooled(patches.flatten(0, 1)[None])[0] - pooled).abs().max() < 1e-5


def test_the_kernel_is_in_the_middle_or_spread_and_grey_is_the_sum_of_colours():
    weight = torch.randn(5, 3, PATCH, PATCH)
    grey = weight.sum(1)
    centre = inflate(weight, 2, Inflation("centre", 3))
    assert torch.allclose(centre.sum(1)[:, 1], grey, atol=1e-6)
    assert not centre[:, :, [0, 2]].any()
    average = inflate(weight, 1, Inflation("average", 4))
    assert torch.allclose(average[:, 0, 3], grey / 4)
    published = inflate(weight, 1, Inflation("average", 2, published=True))
    assert torch.allclose(published[:, 0, 0], weight.mean(1) / 2)


@pytest.mark.parametrize(
    ("how", "depth", "wanted"),
    [
        (Inflation("centre", 3, 1), 8, 8),
        (Inflation("centre", 5, 2), 9, 5),
        (Inflation("average", 2, 1), 64, 65),
        (Inflation("centre", 4, 4), 8, 2),
        (Inflation("average", 2, 2), 10, 5),
        (Inflation("average", 4, 2), 8, 5),
    ],
)
def test_depth_of_the_patches(folder, how, depth, wanted):
    """(D + 2 beyond - K) // stride + 1, where K // 2 slices are added at each end unless patches lie side by side."""
    beyond = 0 if how.stride == how.kernel else how.kernel // 2
    assert (depth + 2 * beyond - how.kernel) // how.stride + 1 == wanted
    model = tower(folder, how, (depth, SIDE, SIDE))
    assert model.grid == (wanted, 4, 4)
    with torch.no_grad():
        assert model(torch.rand(2, 1, depth, SIDE, SIDE)).shape == (2, wanted * 16, model.dim)


def test_tubelets_as_one_product_are_the_convolution(folder):
    model = tower(folder, Inflation("average", 4, 4), sequences=2)
    volume = torch.rand(2, 2, 8, SIDE, SIDE)
    with torch.no_grad():
        assert torch.allclose(model.embed._convolve(volume), model.embed.patch(volume), atol=1e-5)


def test_the_order_of_slices_matters_once_depths_are_learned_and_left_and_right_always(folder):
    seed_torch("brain", 0)
    volume = torch.rand(1, 1, 8, SIDE, SIDE)
    model = tower(folder, Inflation("centre", 3, 1))

    def pooled(volume: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return model.pooled(model(volume))

    shuffled, mirrored = volume[:, :, [3, 1, 7, 0, 5, 2, 6, 4]], volume.flip(-1)
    assert torch.allclose(pooled(volume), pooled(shuffled), atol=1e-5), "at zero the tower knows no depth"
    assert not torch.allclose(pooled(volume), pooled(mirrored), atol=1e-3)
    torch.nn.init.normal_(model.embed.depth_position_embed_KD)
    assert not torch.allclose(pooled(volume), pooled(shuffled), atol=1e-3)
    assert not torch.allclose(pooled(volume), pooled(mirrored), atol=1e-3)


@pytest.mark.parametrize("depth", [8, 9, 11])
def test_slices_apart_are_the_2d_towers_own_and_do_not_see_each_other(folder, depth):
    how = Inflation("centre", 1, 2, apart=True)
    volume = torch.rand(1, 1, depth, SIDE, SIDE)
    model = tower(folder, how, (depth, SIDE, SIDE))
    patches_PC = model(volume)[0]
    read = range(1, depth, 2)
    assert model.grid == (len(read), SIDE // PATCH, SIDE // PATCH)
    for row, z in zip(patches_PC.chunk(len(read)), read, strict=True):
        assert torch.allclose(row, flat(folder, volume[0, 0, z])[0], atol=1e-5)
    with pytest.raises(MedleyError, match="set depth_kernel to 1"):
        tower(folder, Inflation("centre", 3, 1, apart=True))


def test_patches_as_published_are_its_own_convolution(folder):
    """Conv3d, padding (kernel // 2, 0, 0) with zeros, of the mean over colours spread over the kernel's depth."""
    ours = tower(folder, Inflation("average", 2, 1, "crop", published=True), (8, SIDE + 3, SIDE)).embed
    flat_OCHW = SiglipVisionModel.from_pretrained(folder).embeddings.patch_embedding
    weight = flat_OCHW.weight.mean(1)[:, None, None].expand(-1, -1, 2, -1, -1) / 2
    volumes = torch.rand(2, 1, 8, SIDE + 3, SIDE)
    theirs = torch.nn.functional.conv3d(
        volumes, weight, flat_OCHW.bias, stride=(1, PATCH, PATCH), padding=(1, 0, 0)
    ).flatten(2)
    with torch.no_grad():
        found, grid = ours(volumes)
        assert grid == (9, SIDE // PATCH, SIDE // PATCH)
        assert torch.allclose(found - published_positions(grid, 36), theirs.transpose(1, 2), atol=1e-5)


def test_the_published_code_of_depth_is_taken_away_by_the_first_norm():
    code = published_positions((4, 2, 2), 64)
    deep = code.clone()
    deep += torch.linspace(5, 9, 4).repeat_interleave(4)[:, None]
    norm = torch.nn.LayerNorm(64)
    assert torch.allclose(norm(code + 1.0), norm(deep + 1.0), atol=1e-5)


def test_tables_are_resized_for_other_grids_and_other_depths(folder):
    model = tower(folder, Inflation("centre", 3, 1), (8, 48, 24))
    assert model.grid == (8, 6, 3)
    table = SiglipVisionModel.from_pretrained(folder).embeddings.position_embedding.weight
    assert torch.equal(model.embed.position_embed_ND, resize_table(table, (4, 4), (6, 3)))
    with torch.no_grad():
        model.embed.depth_position_embed_KD.copy_(torch.arange(8.0)[:, None].expand(-1, model.dim))
        deeper = model.embed._positions((16, 6, 3), torch.zeros(1, 1, model.dim)).unflatten(0, (16, 18))
    assert (deeper[1:, 0, 0] >= deeper[:-1, 0, 0]).all()
    assert deeper[-1, 0, 0] - deeper[0, 0, 0] == pytest.approx(7, abs=0.01)


def test_what_does_not_fit_is_refused_padded_or_left_out_by_name(folder):
    with pytest.raises(
        MedleyError, match=r"a side of 36 is no multiple of the patch, 8: choose 32 or 40, or set model"
    ):
        tower(folder, Inflation("centre", 3, 1), (8, 36, SIDE))
    with pytest.raises(MedleyError, match="inflation 'centre' needs an odd kernel, or a depth_stride of 2 too"):
        tower(folder, Inflation("centre", 2, 1))
    with pytest.raises(MedleyError, match=r"a depth of 9 is no multiple of model.depth_kernel, 4"):
        tower(folder, Inflation("centre", 4, 4), (9, SIDE, SIDE))
    padded = tower(folder, Inflation("centre", 3, 1, "pad"), (4, 36, SIDE))
    cropped = tower(folder, Inflation("centre", 3, 1, "crop"), (4, 36, SIDE))
    assert (padded.grid, cropped.grid) == ((4, 5, 4), (4, 4, 4))
    seed_torch("edge", 0)
    volume = torch.rand(1, 1, 4, 36, SIDE)
    other = volume.clone()
    other[..., 33:, :] = 0
    with torch.no_grad():
        assert not torch.allclose(padded(volume), padded(other), atol=1e-3), "the last rows are read"
        assert torch.equal(cropped(volume), cropped(other)), "the last rows are left out"
        bigger = torch.nn.functional.pad(volume, (0, 0, 2, 2))
        assert torch.allclose(padded(bigger), padded(volume), atol=1e-5), "padded with what lies outside the brain"


def test_the_whole_of_a_siglip_gives_its_vision_tower(tmp_path, folder):
    seed_torch("whole", 0)
    text = {
        "hidden_size": 36,
        "num_hidden_layers": 1,
        "num_attention_heads": 3,
        "intermediate_size": 48,
        "vocab_size": 50,
    }
    SiglipModel(SiglipConfig(text_config=text, vision_config=CONFIG.to_dict())).save_pretrained(tmp_path / "whole")
    spec = describe_siglip(str(tmp_path / "whole"))
    assert spec.config["model_type"] == "siglip_vision_model"
    model = build_vision3d(spec, (8, SIDE, SIDE), 1, Inflation(), pretrained=True)
    assert model.pretrained
    assert model.head is None
    assert not any(name.startswith("head") for name, _ in model.named_parameters())
    again = build_vision3d(spec, (8, SIDE, SIDE), 1, Inflation(), pretrained=True)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_layers_computed_anew_give_the_same_gradient(folder):
    plain = build_vision3d(describe_siglip(folder), (4, SIDE, SIDE), 1, Inflation(), pretrained=True)
    spared = build_vision3d(describe_siglip(folder), (4, SIDE, SIDE), 1, Inflation(), True, checkpointing=True)
    volume = torch.rand(1, 1, 4, SIDE, SIDE)
    for model in (plain, spared):
        model(volume).square().sum().backward()
    assert torch.allclose(plain.embed.patch.weight.grad, spared.embed.patch.weight.grad, atol=1e-4)


def test_a_small_tower_and_the_published_one_are_built_from_their_configs():
    small = build_vision3d(small_siglip(32, 2, 8, 16), (8, 16, 16), 2, Inflation("centre", 4, 4), pretrained=True)
    assert not small.pretrained
    assert (small.dim, small.grid) == (32, (2, 2, 2))
    with torch.device("meta"):
        spec = Vision3DSpec("google/medsiglip-448", published_config("google/medsiglip-448"))
        paper = build_vision3d(spec, (64, 128, 128), 1, Inflation("centre", 3, 1, "pad"), pretrained=False)
    assert paper.grid == (64, 10, 10)
    assert sum(p.numel() for p in paper.encoder.parameters()) == 411_466_608


def test_what_is_no_siglip_or_nowhere_is_one_line(tmp_path):
    from transformers import ViTConfig

    ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2).save_pretrained(tmp_path / "vit")
    with pytest.raises(MedleyError, match="is a vit; give a SigLIP such as google/medsiglip-448"):
        describe_siglip(str(tmp_path / "vit"))
    with pytest.raises(MedleyError, match="cannot be loaded"):
        describe_siglip(str(tmp_path / "nothing"))


def test_the_plain_attention_of_a_small_tower_is_the_fused_one():
    seed_torch("plain", 0)
    small = build_vision3d(small_siglip(128, 2, 8, 16), (8, 16, 16), 1, Inflation("average", 4, 4), pretrained=False)
    volume = torch.rand(2, 1, 8, 16, 16)
    plain = small(volume)
    for layer in small.encoder.layers:
        layer.self_attn.config._attn_implementation = "sdpa"
    assert torch.allclose(small(volume), plain, atol=1e-5)
