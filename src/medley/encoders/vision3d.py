"""A SigLIP that reads volumes: its patch convolution is inflated to three dimensions, its layers stay as they are.

    volumes [B, S, D, H, W] in [0, 1]  ->  patches [B, P, C], P = d * h * w, slice by slice, row by row

    W1[o]       = sum over colours c of W2[o, c]      grey is three equal colours: their weights add up
    centre      W3[o, s, k] = W1[o] / S at k = K // 2, else 0     starts as the 2D tower, slice by slice
    average     W3[o, s, k] = W1[o] / (S K)                       starts as the 2D tower of K slices' mean

(Carreira & Zisserman 2017, I3D; Arnab et al. 2021, ViViT, central frame initialisation.) Positions are the pretrained
table, resized to the patches of a slice and the same in every slice, and a learned table of depths that starts at 0. So
a volume of one repeated slice gives at every depth the tokens that the 2D tower gives of that slice: a softmax over
copies is the softmax over one of them. Slices beyond the ends are copies of the last.

Shapes: B batch, S sequences, D H W voxels, K depth of the kernel, P patches, C width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from medley.core.errors import MedleyError, cannot_load
from medley.encoders.pretrained import load_backbone

Grid = tuple[int, int, int]
_PLAIN = "medley_plain"


@dataclass(frozen=True)
class Vision3DSpec:
    """What a tower is, before any weight is there; saved with every run as plain JSON."""

    name: str | None  # the hub id or folder it came from; None for a small one of ours
    config: Mapping[str, Any]  # the Hugging Face config of a SigLIP's vision tower


@dataclass(frozen=True)
class Inflation:
    """How a patch convolution becomes one of volumes, and what is done where patches do not fit.

    Stride = kernel gives tubelets side by side; any other stride lets kernels reach over the ends by half of one.
    `published` is what the system does that BrainGemma3D's authors trained: grey as the mean over colours, pixels in
    [0, 1] as they are, slices of 0 beyond the ends, and in place of all tables a fixed code of positions. `apart` is
    no inflation to speak of: each row of patches in depth is read by itself, as a 2D tower reads slice after slice.
    """

    how: Literal["centre", "average"] = "centre"
    kernel: int = 3
    stride: int = 1
    edges: Literal["refuse", "pad", "crop"] = "refuse"
    published: bool = False
    apart: bool = False

    def check(self) -> None:
        """Raises MedleyError where there is no centre to put the weights on, or slices apart would be blended."""
        if self.apart and (self.kernel > 1 or self.published):
            raise MedleyError("model.slices_apart: a slice has no depth; set depth_kernel to 1 and no preset")
        if self.how == "centre" and self.kernel % 2 == 0 and self.stride != self.kernel:
            raise MedleyError(
                f"model.depth_kernel is {self.kernel}: inflation 'centre' needs an odd kernel, or a depth_stride of "
                f"{self.kernel} too, whose patches do not overlap"
            )

    @property
    def beyond(self) -> int:
        """Slices that are added at each end."""
        return 0 if self.stride == self.kernel else self.kernel // 2  # none, too, of slices apart

    def grid(self, shape: Grid, patch: int) -> Grid:
        """The patches (d, h, w) of a volume. Raises MedleyError where they do not fit and `edges` does not say how."""
        self.check()
        depth, *sides = shape
        deep = (depth + 2 * self.beyond - self.kernel) // self.stride + 1
        if self.apart:
            deep = len(range(self.stride // 2, depth, self.stride))
        if deep < 1 or (self.stride == self.kernel and depth % self.kernel and self.edges != "crop"):
            raise MedleyError(f"model.grid: a depth of {depth} is no multiple of model.depth_kernel, {self.kernel}")
        for side in sides:
            if side % patch and self.edges == "refuse":
                down, up = side // patch * patch, math.ceil(side / patch) * patch
                fits = f"{down} or {up}" if down else f"{up}"
                raise MedleyError(
                    f"model.grid: a side of {side} is no multiple of the patch, {patch}: choose {fits}, or set "
                    "model.edges to pad or crop"
                )
        across = [math.ceil(side / patch) if self.edges == "pad" else side // patch for side in sides]
        return deep, across[0], across[1]


class InflatedPatches(nn.Module):
    """The patch convolution of a SigLIP, inflated, and the positions of its patches."""

    def __init__(self, embeddings: Any, shape: Grid, sequences: int, inflation: Inflation):
        """`embeddings` are those of a SiglipVisionModel; `shape` the voxels (D, H, W) that are read."""
        super().__init__()
        flat = embeddings.patch_embedding
        self.side, self.inflation = int(flat.kernel_size[0]), inflation
        self.grid = inflation.grid(shape, self.side)
        kernel = (inflation.kernel, self.side, self.side)
        self.patch = nn.Conv3d(sequences, flat.out_channels, kernel, stride=(inflation.stride, self.side, self.side))
        with torch.no_grad():
            self.patch.weight.copy_(inflate(flat.weight, sequences, inflation))
            self.patch.bias.copy_(flat.bias)  # type: ignore[union-attr]
        if not inflation.published:
            table_ND = embeddings.position_embedding.weight.detach()
            side = math.isqrt(len(table_ND))
            resized = resize_table(table_ND, (side, side), self.grid[1:])
            self.position_embed_ND = nn.Parameter(resized.clone())
            if not inflation.apart:
                self.depth_position_embed_KD = nn.Parameter(torch.zeros(self.grid[0], table_ND.shape[1]))

    def forward(self, volumes_BSDHW: torch.Tensor) -> tuple[torch.Tensor, Grid]:
        """Patches [B, P, C] with their positions, and their grid; of any number of slices, the tables resized."""
        volumes_BSDHW = self._fit(volumes_BSDHW)
        if not self.inflation.published:
            volumes_BSDHW = (volumes_BSDHW - 0.5) / 0.5  # as SigLIP reads pixels
        patches_BCdhw = self._convolve(volumes_BSDHW)
        depth, height, width = patches_BCdhw.shape[2:]
        grid = (depth, height, width)
        patches_BPC = patches_BCdhw.flatten(2).transpose(1, 2)
        return patches_BPC + self._positions(grid, patches_BPC), grid

    def _fit(self, volumes_BSDHW: torch.Tensor) -> torch.Tensor:
        """Rows and columns that make whole patches: padded evenly with 0, which is outside the brain, or the last
        ones left out. Slices beyond the ends are copies; as published they are 0."""
        *_, height, width = volumes_BSDHW.shape
        _, rows, columns = self.inflation.grid(_shape(volumes_BSDHW), self.side)
        more = [columns * self.side - width, rows * self.side - height]
        if self.inflation.edges == "crop":
            volumes_BSDHW = volumes_BSDHW[..., : height + more[1], : width + more[0]]
        elif any(more):
            sizes = [size for missing in more for size in (missing // 2, missing - missing // 2)]
            volumes_BSDHW = F.pad(volumes_BSDHW, sizes)
        if beyond := self.inflation.beyond:
            mode = "constant" if self.inflation.published else "replicate"
            volumes_BSDHW = F.pad(volumes_BSDHW, (0, 0, 0, 0, beyond, beyond), mode=mode)
        return volumes_BSDHW

    def _convolve(self, volumes_BSDHW: torch.Tensor) -> torch.Tensor:
        """The convolution. Where patches do not overlap it is one product of matrices: its way back through a 3D
        convolution takes most of a small tower's time on a CPU."""
        weight, (stride, side, _) = self.patch.weight, self.patch.stride
        if self.inflation.apart:
            volumes_BSDHW, stride = volumes_BSDHW[:, :, stride // 2 :: stride], 1
        elif stride != weight.shape[2]:
            return self.patch(volumes_BSDHW)
        sizes = [size // step for size, step in zip(volumes_BSDHW.shape[2:], (stride, side, side), strict=True)]
        whole = volumes_BSDHW[:, :, : sizes[0] * stride]
        cut = whole.unflatten(4, (sizes[2], side)).unflatten(3, (sizes[1], side)).unflatten(2, (sizes[0], stride))
        cells_BPN = cut.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)
        patches_BPC = F.linear(cells_BPN, weight.flatten(1), self.patch.bias)
        return patches_BPC.transpose(1, 2).unflatten(2, sizes)

    def _positions(self, grid: Grid, like: torch.Tensor) -> torch.Tensor:
        depth, height, width = grid
        if self.inflation.published:
            return published_positions(grid, like.shape[-1]).to(like)
        in_slice_ND = resize_table(self.position_embed_ND, self.grid[1:], (height, width))
        if self.inflation.apart:
            return in_slice_ND.repeat(depth, 1)
        of_depth_KD: torch.Tensor = self.depth_position_embed_KD
        if depth != self.grid[0]:
            of_depth_KD = F.interpolate(of_depth_KD.T[None], size=depth, mode="linear", align_corners=False)[0].T
        return (of_depth_KD[:, None] + in_slice_ND[None]).flatten(0, 1)


class Vision3D(nn.Module):
    """The layers of a SigLIP over the patches of a volume; `dim` is the width C, `grid` the patches' (d, h, w)."""

    def __init__(
        self, backbone: Any, shape: Grid, sequences: int, inflation: Inflation, pool: bool, checkpointing: bool = False
    ):
        super().__init__()
        self.embed = InflatedPatches(backbone.embeddings, shape, sequences, inflation)
        self.encoder, self.post_layernorm = backbone.encoder, backbone.post_layernorm
        self.head = backbone.head if pool else None
        self.dim, self.grid = int(backbone.config.hidden_size), self.embed.grid
        self.checkpointing = checkpointing
        self.pretrained = False  # whether from_pretrained gives the frozen part of it back

    def __setstate__(self, state: Any) -> None:
        """A process that is spawned for another device is handed a model that it did not build."""
        register_plain_attention()
        super().__setstate__(state)

    def forward(self, volumes_BSDHW: torch.Tensor) -> torch.Tensor:
        """Patches [B, P, C] after the last norm, of volumes in [0, 1]."""
        tokens_BPC, (depth, *_) = self.embed(volumes_BSDHW)
        apart = self.embed.inflation.apart
        if apart:
            tokens_BPC = tokens_BPC.unflatten(1, (depth, -1)).flatten(0, 1)  # a slice is an image of the batch
        for layer in self.encoder.layers:
            if self.checkpointing and tokens_BPC.requires_grad:  # a tower whose patches alone learn is in eval mode
                tokens_BPC = checkpoint(layer, tokens_BPC, None, use_reentrant=False)
            else:
                tokens_BPC = layer(tokens_BPC, None)
        if apart:
            tokens_BPC = tokens_BPC.unflatten(0, (-1, depth)).flatten(1, 2)
        return self.post_layernorm(tokens_BPC)

    def pooled(self, patches_BPC: torch.Tensor) -> torch.Tensor:
        """SigLIP's own summary [B, C] of the patches, by its attention pool."""
        if self.head is None:
            raise ValueError("this tower was built without its pool")
        return self.head(patches_BPC)


def inflate(weight_OCHW: torch.Tensor, sequences: int, inflation: Inflation) -> torch.Tensor:
    """The kernel [O, S, K, H, W] that a patch convolution [O, C, H, W] becomes."""
    inflation.check()
    grey_OHW = weight_OCHW.mean(1) if inflation.published else weight_OCHW.sum(1)
    deep = torch.zeros(len(grey_OHW), sequences, inflation.kernel, *grey_OHW.shape[1:]).to(weight_OCHW)
    if inflation.how == "centre":
        deep[:, :, inflation.kernel // 2] = grey_OHW[:, None] / sequences
    else:
        deep += grey_OHW[:, None, None] / (sequences * inflation.kernel)
    return deep


def resize_table(table_ND: torch.Tensor, was: tuple[int, int], wanted: tuple[int, int]) -> torch.Tensor:
    """A table of positions of `was` rows and columns, bicubic, for `wanted`."""
    if was == wanted:
        return table_ND
    image = table_ND.T.unflatten(1, was)[None]
    return F.interpolate(image, size=wanted, mode="bicubic", align_corners=False)[0].flatten(1).T


def published_positions(grid: Grid, dim: int) -> torch.Tensor:
    """The fixed code [P, C] of BrainGemma3D: depth the same in all channels, which every layer norm takes away again,
    rows in the first channel alone, columns in the second."""
    depth, height, width = (torch.linspace(-1, 1, size) for size in grid)
    code = torch.zeros(*grid, dim)
    code += depth[:, None, None, None]
    code[..., 0] += height[:, None]
    code[..., 1] += width
    return code.flatten(0, 2)


def _shape(volumes_BSDHW: torch.Tensor) -> Grid:
    depth, height, width = volumes_BSDHW.shape[2:]
    return depth, height, width


def describe_siglip(name: str) -> Vision3DSpec:
    """The spec of a SigLIP by hub id or local folder. Raises MedleyError when it cannot be had, or is none."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise cannot_load("vision", name, error) from error
    config = getattr(config, "vision_config", config)
    if config.model_type != "siglip_vision_model":
        raise MedleyError(f"vision '{name}' is a {config.model_type}; give a SigLIP such as google/medsiglip-448")
    return Vision3DSpec(name, config.to_dict())


def small_siglip(dim: int, layers: int, patch: int, side: int) -> Vision3DSpec:
    """The spec of a small SigLIP for slices of `side` pixels, to start from random weights; heads are 64 wide."""
    config = {"model_type": "siglip_vision_model", "hidden_size": dim, "intermediate_size": 4 * dim}
    config |= {"num_hidden_layers": layers, "num_attention_heads": max(1, dim // 64), "patch_size": patch}
    return Vision3DSpec(None, {**config, "image_size": max(patch, side // patch * patch)})


def plain_attention(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: None, scaling: float, **_: Any
) -> tuple[torch.Tensor, None]:
    """Attention without mask or dropout in three operations, in the precision at hand, as transformers calls it: on a
    CPU the fused kernel's way back was half of a training step of a small tower."""
    shares = ((query * scaling) @ key.transpose(-1, -2)).softmax(-1)
    return (shares @ value).transpose(1, 2), None


def register_plain_attention() -> None:
    """Make it known to transformers in this process."""
    from transformers import AttentionInterface

    AttentionInterface.register(_PLAIN, plain_attention)


def build_vision3d(
    spec: Vision3DSpec,
    shape: Grid,
    sequences: int,
    inflation: Inflation,
    pretrained: bool,
    pool: bool = False,
    checkpointing: bool = False,
) -> Vision3D:
    """The tower of a spec, with its pretrained weights or random ones; with `pool` it keeps SigLIP's attention pool.

    Raises MedleyError where the weights cannot be had or the patches do not fit the grid.
    """
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(**spec.config)
    config.vision_use_head = pool
    pretrained = pretrained and spec.name is not None
    backbone: Any
    if pretrained:
        assert spec.name is not None
        backbone = load_backbone("vision", spec.name, config=config)
    else:
        backbone = AutoModel.from_config(config)
    if spec.name is None:
        register_plain_attention()
        backbone.set_attn_implementation(_PLAIN)
    tower = Vision3D(backbone, shape, sequences, inflation, pool, checkpointing)
    tower.pretrained = pretrained
    return tower
