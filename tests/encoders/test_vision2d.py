"""Any tower is patch tokens on the grid it claims, in the order of the film, read with its own mean and std."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    ResNetConfig,
    SiglipConfig,
    SiglipVisionConfig,
    SwinConfig,
    ViTConfig,
    ViTImageProcessor,
)

from medley.core.errors import MedleyError
from medley.encoders.published import published_config
from medley.encoders.vision2d import VisionSpec, build_vision, describe_vision, sincos_2d

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
HUGGING_FACE = {
    "vit": (ViTConfig(**SMALL, image_size=48, patch_size=16), 48, (3, 3), 1),
    "siglip, without a class token": (SiglipVisionConfig(**SMALL, image_size=48, patch_size=16), 48, (3, 3), 0),
    "dino with registers": (Dinov2WithRegistersConfig(**SMALL, image_size=56, patch_size=14), 56, (4, 4), 5),
    "swin": (SwinConfig(embed_dim=12, depths=[1, 1], num_heads=[2, 2], window_size=4, image_size=64), 64, (8, 8), 0),
    "resnet": (ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"), 64, (8, 8), 0),
}


def folder_with(config, path: Path) -> str:
    """A small checkpoint as the hub holds it: weights, config and the processor's mean and std."""
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(path)
    ViTImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.25, 0.3]).save_pretrained(path)
    return str(path)


def brightest_patch(tower, y: int, x: int, px: int) -> tuple[int, int]:
    """The patch whose token changes most when one place of the film turns bright."""
    dark = torch.full((1, 1, px, px), 0.3)
    lit = dark.clone()
    step = px // tower.grid[0]
    lit[..., y * step : (y + 1) * step, x * step : (x + 1) * step] = 1.0
    with torch.no_grad():
        change = (tower.eval()(lit) - tower(dark)).norm(dim=-1)[0]
    return divmod(int(change.argmax()), tower.grid[1])


@pytest.mark.parametrize(
    ("name", "px", "grid"),
    [
        ("test_vit", 48, (3, 3)),
        ("test_resnet", 64, (2, 2)),
        ("resnet10t", 96, (3, 3)),
        ("test_convnext", 96, (3, 3)),
        ("swin_tiny_patch4_window7_224", 224, (7, 7)),
    ],
)
def test_a_timm_tower_gives_the_grid_it_claims(name, px, grid):
    tower = build_vision(describe_vision(name), px, pretrained=False).eval()
    assert tower.grid == grid
    with torch.no_grad():
        assert tower(torch.rand(1, 1, px, px)).shape == (1, grid[0] * grid[1], tower.dim)


def test_a_finer_level_of_a_cnn_has_twice_the_grid():
    spec = describe_vision("resnet10t")
    assert build_vision(spec, 96, False, level=-2).grid == (6, 6)


@pytest.mark.parametrize("kind", HUGGING_FACE)
def test_a_hugging_face_tower_gives_the_grid_it_claims(kind):
    config, px, grid, class_tokens = HUGGING_FACE[kind]
    tower = build_vision(VisionSpec("a/b", config.to_dict(), (0.5,) * 3, (0.5,) * 3), px, pretrained=False).eval()
    assert (tower.grid, tower.class_tokens) == (grid, class_tokens)
    with torch.no_grad():
        assert tower(torch.rand(2, 1, px, px)).shape == (2, grid[0] * grid[1], tower.dim)


@pytest.mark.parametrize("name", ["test_vit", "siglip, without a class token", "dino with registers", "vit"])
def test_patches_lie_row_by_row_where_the_film_was_lit(name):
    """A token too many in front (a class token taken for a patch) would shift every patch by one."""
    torch.manual_seed(3)
    if name in HUGGING_FACE:
        config, px, *_ = HUGGING_FACE[name]
        tower = build_vision(VisionSpec("a/b", config.to_dict(), (0.5,) * 3, (0.5,) * 3), px, pretrained=False)
    else:
        px = 48
        tower = build_vision(describe_vision(name), px, pretrained=False)
    for place in ((0, 0), (0, 2), (1, 0), (2, 1)):
        assert brightest_patch(tower, *place, px) == place


def test_a_grey_film_is_three_equal_channels_standardised_by_the_towers_own_numbers(tmp_path):
    config, px, *_ = HUGGING_FACE["vit"]
    name = folder_with(config, tmp_path / "vit")
    spec = describe_vision(name)
    assert spec.mean == (0.4, 0.5, 0.6)
    tower = build_vision(spec, px, pretrained=True).eval()
    film = torch.rand(1, 1, px, px)
    colour = film.expand(-1, 3, -1, -1)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    reference = AutoModel.from_pretrained(name, add_pooling_layer=False).eval()
    with torch.no_grad():
        expected = reference(pixel_values=(colour - mean) / std).last_hidden_state[:, 1:]
        torch.testing.assert_close(tower(film), expected)


def test_a_folder_gives_its_weights_and_random_ones_where_they_are_not_asked_for(tmp_path):
    config, px, *_ = HUGGING_FACE["vit"]
    spec = describe_vision(folder_with(config, tmp_path / "vit"))
    first, second = (build_vision(spec, px, pretrained=True) for _ in range(2))
    assert first.pretrained
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    random = build_vision(spec, px, pretrained=False)
    assert not random.pretrained
    assert [tuple(p.shape) for p in random.parameters()] == [tuple(p.shape) for p in first.parameters()]
    assert not torch.equal(next(random.parameters()), next(first.parameters()))


def test_the_vision_half_of_a_siglip_checkpoint_is_read_without_its_head(tmp_path):
    vision = {**SMALL, "image_size": 48, "patch_size": 16}
    text = {**SMALL, "vocab_size": 99, "max_position_embeddings": 16, "projection_size": 32}
    name = folder_with(SiglipConfig(text_config=text, vision_config=vision), tmp_path / "siglip")
    tower = build_vision(describe_vision(name), 48, pretrained=True)
    whole = AutoModel.from_pretrained(name)
    kernel = whole.vision_model.embeddings.patch_embedding.weight
    assert any(torch.equal(p, kernel) for p in tower.parameters() if p.shape == kernel.shape)
    tower(torch.rand(1, 1, 48, 48)).pow(2).sum().backward()
    assert all(p.grad is not None for p in tower.parameters()), "no pooling head that nobody reads"


def test_the_probe_leaves_running_statistics_alone():
    tower = build_vision(describe_vision("test_resnet"), 64, pretrained=False)
    tracked = [buffer for name, buffer in tower.named_buffers() if name.endswith("num_batches_tracked")]
    assert tracked
    assert all(int(buffer) == 0 for buffer in tracked)


def test_what_cannot_be_had_is_one_line_that_says_what_to_do(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MedleyError, match=r"vision 'resnet10' is not a timm architecture; did you mean 'resnet10t'\?"):
        describe_vision("resnet10")
    with pytest.raises(MedleyError, match=r"vision 'nobody/nothing' cannot be loaded .* give a local folder"):
        describe_vision("nobody/nothing")
    config, px, *_ = HUGGING_FACE["vit"]
    name = folder_with(config, tmp_path / "vit")
    spec = describe_vision(name)
    weights = tmp_path / "vit" / "model.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    with pytest.raises(MedleyError, match="cannot be loaded"):
        build_vision(spec, px, pretrained=True)
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MedleyError, match="cannot be loaded"):
        build_vision(spec, px, pretrained=True)
    (tmp_path / "vit" / "preprocessor_config.json").unlink()
    with pytest.raises(MedleyError, match="cannot be loaded"):
        describe_vision(name)


def test_an_image_size_that_the_tower_does_not_read_is_named():
    config, *_ = HUGGING_FACE["vit"]
    spec = VisionSpec("a/b", config.to_dict(), (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(MedleyError, match=r"model\.image_px is 64; 'a/b' reads 48 px: set it to that"):
        build_vision(spec, 64, pretrained=False)
    with pytest.raises(MedleyError, match=r"model\.image_px is 50, which 'test_vit' does not read"):
        build_vision(describe_vision("test_vit"), 50, pretrained=False)


def test_the_position_code_tells_every_place_apart():
    code = sincos_2d((3, 5), 16)
    assert code.shape == (15, 16)
    distances = torch.cdist(code, code) + torch.eye(15) * 9
    assert distances.min() > 1e-2
    swapped = sincos_2d((5, 3), 16).view(5, 3, 16).transpose(0, 1).reshape(15, 16)
    torch.testing.assert_close(code, torch.cat([swapped[:, 8:], swapped[:, :8]], 1), msg="rows and columns are alike")
    with pytest.raises(MedleyError, match="width is 18; the 2-D position code needs a multiple of 4"):
        sincos_2d((2, 2), 18)


def test_published_configs_count_as_published_and_unknown_ones_name_the_nearest():
    config = published_config("google/vit-base-patch16-224")
    with torch.device("meta"):
        tower = build_vision(VisionSpec("google/vit-base-patch16-224", config, (0.5,) * 3, (0.5,) * 3), 224, False)
    assert sum(p.numel() for p in tower.parameters()) == 85_798_656  # 86,389,248 with its pooler
    assert tower.grid == (14, 14)
    with pytest.raises(MedleyError, match="did you mean 'google/vit-base-patch16-224'"):
        published_config("google/vit-base-patch16")


def test_the_film_decides_the_tokens():
    tower = build_vision(describe_vision("test_vit"), 48, pretrained=False).eval()
    rng = np.random.default_rng(0)
    films = torch.from_numpy(rng.random((2, 1, 48, 48), dtype=np.float32))
    with torch.no_grad():
        tokens = tower(films)
    assert (tokens[0] - tokens[1]).abs().max() > 1e-3


UNREAD = {
    "a mask token": Dinov2Config(**SMALL, image_size=56, patch_size=14),
    "the norm of a pooler": CLIPVisionConfig(**SMALL, image_size=48, patch_size=16),
}


@pytest.mark.parametrize("what", UNREAD)
def test_what_no_patch_depends_on_is_saved_and_never_trained(what, tmp_path):
    """Every parameter of the tower gets a gradient; the rest stays in the checkpoint, as it was loaded."""
    config = UNREAD[what]
    name = folder_with(config, tmp_path / "tower")
    tower = build_vision(describe_vision(name), config.image_size, pretrained=True)
    tower(torch.rand(1, 1, config.image_size, config.image_size)).sum().backward()
    assert all(parameter.grad is not None for parameter in tower.parameters())
    published = AutoModel.from_pretrained(name)
    whole = published.state_dict()
    aside = dict(tower.backbone.named_buffers()).keys() & dict(published.named_parameters()).keys()
    assert aside, "this architecture has a parameter that no patch reads"
    assert all(torch.equal(tower.backbone.state_dict()[key], whole[key]) for key in aside)
