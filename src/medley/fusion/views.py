"""Two films of a study side by side: their patches are keys in one row, so that attention stays on a view and a place.

Shapes: B batch, V views, F films that there are, N patches a film, P = V * N, D width.
"""

from __future__ import annotations

import torch


def side_by_side(
    whole_FD: torch.Tensor, patches_FND: torch.Tensor, is_film_BV: torch.Tensor, is_read_BV: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The mean whole-film token [B, D] of the films that are read; patches [B, P, D], 0 where there is no film; and
    which of them are read [B, P]. Every study must have a film that is read."""
    whole_BVD = whole_FD.new_zeros(*is_film_BV.shape, whole_FD.shape[-1])
    patches_BVND = patches_FND.new_zeros(*is_film_BV.shape, *patches_FND.shape[1:])
    whole_BVD[is_film_BV], patches_BVND[is_film_BV] = whole_FD, patches_FND
    share_BV1 = (is_read_BV / is_read_BV.sum(1, keepdim=True))[..., None].to(whole_FD)
    is_patch_BP = is_read_BV.repeat_interleave(patches_FND.shape[1], dim=1)
    return (whole_BVD * share_BV1).sum(1), patches_BVND.flatten(1, 2), is_patch_BP
