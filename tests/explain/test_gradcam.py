"""Gradient maps equal captum's, at a layer where a gradient says something, for CNNs and for ViTs."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from medley.core.errors import MedleyError
from medley.explain.gradcam import grad_cam, gradient_maps, hires_cam
from medley.explain.layers import as_grid, cam_layer, is_cnn

LABELS = torch.tensor([[2, 0], [1, 2]])  # of each study


def signed(features_FDhw: torch.Tensor, gradients_FDhw: torch.Tensor) -> torch.Tensor:
    """Grad-CAM before it is rectified, so that nothing is hidden from the comparison."""
    return grad_cam(features_FDhw, gradients_FDhw) - grad_cam(features_FDhw, -gradients_FDhw)


def captum_maps(model, layer, batch, b: int, column: int, as_channels: nn.Module | None = None) -> torch.Tensor:
    """[F, h, w] of the films of one study, by captum, what speaks against the label below 0."""
    one = batch.films_BV1HW[b : b + 1], batch.is_film_BV[b : b + 1]

    def logits(films_BV1HW: torch.Tensor) -> torch.Tensor:
        return model(type(batch)(films_BV1HW, one[1])).logits_BC

    with torch.enable_grad():
        found = LayerGradCam(logits, as_channels or layer).attribute(one[0], column)
    return found[:, 0].detach()


@pytest.mark.parametrize(("name", "level"), [("test_resnet", -1), ("resnet10t", -2), ("test_convnext", -1)])
def test_a_cnn_has_captums_maps(averager, films, name, level):
    model, batch = averager(name, 64, level), films(64)
    maps_BKVhw = gradient_maps(model, batch, LABELS, signed)
    assert is_cnn(model.vision)
    assert maps_BKVhw.shape[-2:] == model.vision.grid
    for b, views in ((0, 2), (1, 1)):
        for k in range(2):
            theirs = captum_maps(model, cam_layer(model.vision), batch, b, int(LABELS[b, k]))
            torch.testing.assert_close(maps_BKVhw[b, k, :views], theirs, rtol=1e-4, atol=1e-6)
    assert maps_BKVhw[1, :, 1].abs().max() == 0, "there is no second film"
    assert maps_BKVhw[0].abs().min() > 0


class Permuted(nn.Module):
    """The identity on [B, D, h, w]: where captum can look at a ViT's patches as channels on a grid."""

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        return patches


def test_a_vit_has_captums_maps_on_a_wrapper_that_permutes_its_tokens(averager, films):
    """Without the wrapper captum averages over the width and weighs tokens: another thing, of another shape."""
    model, batch = averager("test_vit", 32), films(32)
    norm, tower, permuted = cam_layer(model.vision), model.vision, Permuted()
    before = 1

    def through(module, inputs, tokens):
        grid = permuted(as_grid(tokens, tower)).flatten(2).transpose(1, 2)
        return torch.cat([tokens[:, :before], grid], dim=1)

    ours = gradient_maps(model, batch, LABELS, signed)
    handle = norm.register_forward_hook(through)
    theirs = captum_maps(model, norm, batch, 0, int(LABELS[0, 1]), permuted)
    handle.remove()
    torch.testing.assert_close(ours[0, 1], theirs, rtol=1e-4, atol=1e-7)
    assert ours[0].abs().min() > 0

    plain = captum_maps(model, norm, batch, 0, int(LABELS[0, 1]))
    assert plain.numel() != ours[0, 1].numel(), "captum's plain LayerGradCam gives one number a channel"


class ClassToken(nn.Module):
    """A head that reads the class token alone, as a ViT classifier does."""

    def __init__(self, vision):
        super().__init__()
        self.vision, self.head = vision, nn.Linear(vision.dim, 3)

    def forward(self, batch):
        model = self.vision.backbone.model
        images = (batch.films_BV1HW[batch.is_film_BV] - self.vision.mean) / self.vision.std
        tokens_FTD = model.forward_features(images)
        logits_FC = self.head(tokens_FTD[:, 0])

        class Read:
            def binary(self, head):
                return torch.stack([logits_FC[:2].sum(0), logits_FC[2]])

        return Read()


def test_after_the_last_attention_a_class_token_head_has_no_gradient_at_the_patches(averager, films):
    """Which is why the layer is the norm before it."""
    model, batch = ClassToken(averager("test_vit", 32).vision).eval(), films(32)
    last = model.vision.backbone.model.blocks[-1]
    assert cam_layer(model.vision) is last.norm1
    assert gradient_maps(model, batch, LABELS, hires_cam, last).abs().max() == 0
    assert gradient_maps(model, batch, LABELS, hires_cam).abs().max() > 0


def test_maps_of_a_study_do_not_depend_on_its_company(averager, films):
    model, batch = averager("test_resnet", 64), films(64)
    alone = type(batch)(batch.films_BV1HW[1:], batch.is_film_BV[1:])
    together = gradient_maps(model, batch, LABELS, hires_cam)
    torch.testing.assert_close(gradient_maps(model, alone, LABELS[1:], hires_cam)[0], together[1], rtol=1e-4, atol=1e-6)


def test_where_places_are_read_differently_only_hirescam_sees_where():
    """A head that adds the left half and takes away the right: the averaged gradient is 0 and says nothing."""
    features = torch.ones(1, 1, 2, 4)
    gradients = torch.tensor([[[[1.0, 1, -1, -1]] * 2]])
    assert grad_cam(features, gradients).max() == 0
    assert hires_cam(features, gradients)[0].tolist() == [[1, 1, 0, 0]] * 2


def test_a_finer_layer_is_finer_and_one_too_many_is_refused(averager, films):
    tower = averager("test_resnet", 64).vision
    maps = gradient_maps(averager("test_resnet", 64), films(64), LABELS, hires_cam)
    model = averager("test_resnet", 64)
    finer = gradient_maps(model, films(64), LABELS, hires_cam, cam_layer(model.vision, finer=1))
    assert finer.shape[-1] == 2 * maps.shape[-1]
    with pytest.raises(MedleyError, match="finer is 99; the vision tower has"):
        cam_layer(tower, finer=99)


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_convnext", "test_efficientnet"])
def test_the_layers_output_lies_on_the_towers_grid(averager, name):
    tower, got = averager(name, 64 if name != "test_vit" else 32).vision, []
    handle = cam_layer(tower).register_forward_hook(lambda module, inputs, output: got.append(output))
    px = 32 if name == "test_vit" else 64
    tower(torch.rand(1, 1, px, px))
    handle.remove()
    assert as_grid(got[0], tower).shape[2:] == tower.grid


def test_hugging_faces_towers_have_a_layer_too():
    from transformers import AutoConfig

    from medley.encoders.vision2d import VisionSpec, build_vision

    small = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32, "image_size": 32, "patch_size": 8}
    for kind, end in (("vit", "layernorm_before"), ("dinov2", "norm1"), ("clip_vision_model", "layer_norm1")):
        config = AutoConfig.for_model(kind, **small, **({"intermediate_size": 64} if kind != "dinov2" else {}))
        tower = build_vision(VisionSpec(f"x/{kind}", config.to_dict(), (0.5,) * 3, (0.5,) * 3), 32, False)
        (name,) = [name for name, module in tower.named_modules() if module is cam_layer(tower)]
        assert name.endswith(f".1.{end}"), "the input of the last block's attention"
