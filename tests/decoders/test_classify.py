"""Each label has a linear map of its own, and starts at its prevalence."""

from __future__ import annotations

import torch

from medley.decoders.classify import LabelwiseLinear


def test_an_untrained_head_says_the_prevalence():
    head = LabelwiseLinear(torch.tensor([0.5, 0.02, 0.9]), dim=8)
    p = head(torch.zeros(1, 3, 8)).sigmoid()[0, :, 0]
    torch.testing.assert_close(p, torch.tensor([0.5, 0.02, 0.9]))
    sure = LabelwiseLinear(torch.tensor([0.0, 1.0]), dim=8)(torch.zeros(1, 2, 8))
    assert sure.isfinite().all(), "a label that is never or always there does not start at infinity"


def test_an_untrained_head_of_three_classes_says_the_prevalence_too():
    """Of absent, present, uncertain: where uncertain is left out, present against absent is the prevalence."""
    prevalence = torch.tensor([0.05, 0.5, 0.9])
    absent, present, uncertain = LabelwiseLinear(prevalence, dim=8, outputs=3)(torch.zeros(1, 3, 8))[0].unbind(-1)
    torch.testing.assert_close((present - absent).sigmoid(), prevalence)
    assert (uncertain == 0).all()


def test_labels_do_not_see_each_others_states():
    head = LabelwiseLinear(torch.full((3,), 0.5), dim=8, outputs=2)
    states = torch.randn(2, 3, 8)
    out = head(states)
    assert out.shape == (2, 3, 2)
    states[:, 1] += 1
    changed = (head(states) - out).abs().amax(dim=(0, 2))
    assert changed[1] > 0
    assert changed[0] == changed[2] == 0
    expected = states[0, 2] @ head.weight_COD[2, 1] + head.bias_CO[2, 1]
    torch.testing.assert_close(head(states)[0, 2, 1], expected)
