"""Two answers to one label are added up or go through a gate, and in training one of the two is dropped."""

from __future__ import annotations

import pytest
import torch

from medley.fusion.evidence import LabelGate, LabelSum, drop_one

B, C, D = 2, 3, 16


def test_the_sum_of_two_independent_sources_is_what_bayes_rule_says():
    """Finding y with P = 0.2; film and note are 0/1 signs, independent given y. The posterior is worked out by hand."""
    prior, film, note = 0.2, {1: 0.9, 0: 0.3}, {1: 0.6, 0: 0.1}  # P(sign is there | y)

    def posterior(*signs):
        has, has_not = prior, 1 - prior
        for sign in signs:
            has, has_not = has * sign[1], has_not * sign[0]
        return torch.tensor(has / (has + has_not)).logit()

    both = LabelSum(torch.tensor(prior).logit().view(1, 1))
    torch.nn.init.ones_(both.weight_C)
    said = both((None, posterior(film).view(1, 1, 1)), (None, posterior(note).view(1, 1, 1)))
    torch.testing.assert_close(said.squeeze(), posterior(film, note))


def test_the_sum_starts_at_half_the_note_and_learns_a_weight_for_each_label():
    prior = torch.tensor([[-1.0], [0.0], [2.0]])
    both = LabelSum(prior)
    image, text = torch.randn(B, C, 1), torch.randn(B, C, 1)
    torch.testing.assert_close(both((None, image), (None, text)), image + (text - prior) / 2)
    both((None, image), (None, text)).pow(2).sum().backward()
    assert (both.weight_C.grad != 0).all()
    assert "prior_CO" in both.state_dict(), "saved, though it is not learned"


def test_the_gate_starts_at_nine_tenths_image_whatever_it_sees():
    gate = LabelGate(D)
    image, text = torch.full((B, C, 1), 2.0), torch.full((B, C, 1), -1.0)
    out = gate((torch.randn(B, C, D), image), (torch.randn(B, C, D), text))
    torch.testing.assert_close(out, torch.full((B, C, 1), 0.9 * 2 - 0.1), atol=1e-4, rtol=0)


def test_the_gate_has_effect_and_learns_from_both_states():
    torch.manual_seed(0)
    gate = LabelGate(D)
    torch.nn.init.normal_(gate.gate.weight)
    image_logits, text_logits = torch.randn(B, C, 3), torch.randn(B, C, 3)
    image, text = torch.randn(B, C, D), torch.randn(B, C, D)
    out = gate((image, image_logits), (text, text_logits))
    share = (out - text_logits) / (image_logits - text_logits)
    assert ((share > 0) & (share < 1)).all()
    torch.testing.assert_close(share, share[..., :1].expand_as(share), msg="one gate for all outputs of a label")
    assert (gate((image, image_logits), (text + 1, text_logits)) - out).abs().max() > 1e-3
    assert (gate((image + 1, image_logits), (text, text_logits)) - out).abs().max() > 1e-3
    torch.testing.assert_close(gate((image, image_logits), (text, image_logits)), image_logits)


@pytest.mark.parametrize("kind", ["sum", "square"])
def test_the_gate_gets_a_gradient(kind):
    gate = LabelGate(D)
    out = gate((torch.randn(B, C, D), torch.randn(B, C, 1)), (torch.randn(B, C, D), torch.randn(B, C, 1)))
    (out.sum() if kind == "sum" else out.pow(2).sum()).backward()
    assert gate.gate.weight.grad.abs().max() > 0


def test_modality_dropout_drops_as_often_as_it_says_and_never_both():
    torch.manual_seed(0)
    no_note_given = torch.rand(4000) < 0.15
    no_film, no_note = drop_one(0.2, 0.3, no_note_given, training=True)
    assert not (no_film & no_note).any()
    assert not (no_film & no_note_given).any(), "a study without a note keeps its films"
    assert no_note[no_note_given].all()
    assert abs(no_film[~no_note_given].float().mean() - 0.2) < 0.02
    assert abs(no_note[~no_note_given].float().mean() - 0.3) < 0.02
    no_film, no_note = drop_one(0.2, 0.3, no_note_given, training=False)
    assert not no_film.any()
    assert torch.equal(no_note, no_note_given)
