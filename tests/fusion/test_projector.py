"""The projector begins as the published one and takes its released weights, of which nothing but tensors is read."""

from __future__ import annotations

import math
import pickle

import pytest
import torch

from medley.core.errors import MedleyError
from medley.fusion.projector import Projector


def test_it_begins_small_and_its_scale_is_learned():
    projector = Projector(40, 60)
    first, last = projector.map[0], projector.map[2]
    for part in (first, last):
        bound = 0.5 * math.sqrt(6 / sum(part.weight.shape))
        assert 0.9 * bound < part.weight.abs().max() <= bound
        assert not part.bias.any()
    tokens = torch.randn(2, 3, 40)
    projector(tokens).sum().backward()
    assert projector.scale.grad.abs() > 0
    with torch.no_grad():
        before = projector(tokens)
        projector.scale.fill_(2.0)
        assert torch.allclose(projector(tokens), 2 * before)


@pytest.mark.parametrize("scale", [0.7, torch.tensor(0.7), None])
def test_a_released_projector_is_laid_over(tmp_path, scale):
    other, own = Projector(6, 8), Projector(6, 8)
    saved = {"vision_projector": other.map.state_dict(), "vis_scale": scale}
    torch.save(saved, tmp_path / "projector_vis_scale.pt")
    own.lay_over(tmp_path / "projector_vis_scale.pt")
    tokens = torch.randn(1, 2, 6)
    assert torch.allclose(own(tokens), other(tokens) * (1.0 if scale is None else 0.7))


class Spy:
    def __reduce__(self):
        return (print, ("code was run",))


def test_what_is_no_released_projector_is_one_line_and_runs_no_code(tmp_path, capsys):
    own, path = Projector(6, 8), tmp_path / "other.pt"
    with pytest.raises(MedleyError, match="does not exist"):
        own.lay_over(path)
    path.write_bytes(pickle.dumps(Spy(), 2))
    with pytest.raises(MedleyError, match="is no file of tensors"):
        own.lay_over(path)
    torch.save({"vision_projector": Spy()}, path)
    with pytest.raises(MedleyError, match="is no file of tensors"):
        own.lay_over(path)
    assert "code was run" not in capsys.readouterr().out
    torch.save({"something": torch.ones(1)}, path)
    with pytest.raises(MedleyError, match="holds no 'vision_projector'"):
        own.lay_over(path)
    torch.save({"vision_projector": Projector(6, 9).map.state_dict()}, path)
    with pytest.raises(MedleyError, match="it is of other backbones"):
        own.lay_over(path)
