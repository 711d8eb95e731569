"""What a report tells is read by the labeler, by label and side; what is denied or left out is nothing to see."""

from __future__ import annotations

import torch

from medley.core.labels import CHEXPERT_14
from medley.core.seeds import seed_torch
from medley.decoders.told import SIDES, ToldFindings, called_findings, told_findings


def test_values_and_sides_stand_at_their_labels():
    report = {
        "findings": "Small left pleural effusion. No pneumothorax. Possible pneumonia.",
        "impression": "Left effusion.",
    }
    told_BC2 = told_findings([report, {"findings": "Normal chest."}], CHEXPERT_14)
    assert told_BC2.shape == (2, 14, 2)
    at = {name: told_BC2[0, i].tolist() for i, name in enumerate(CHEXPERT_14)}
    assert at["Pleural Effusion"] == [1, 1]
    assert at["Pneumothorax"] == [0, 0]
    assert at["Pneumonia"][0] == 2
    assert told_BC2[1, CHEXPERT_14.index("No Finding")].tolist() == [1, 0]


def test_a_finding_told_through_its_kinds_has_no_place_of_its_own():
    def told(text: str) -> dict[str, list[int]]:
        told_BC2 = told_findings([{"findings": text}], CHEXPERT_14)
        return {name: told_BC2[0, i].tolist() for i, name in enumerate(CHEXPERT_14)}

    assert told("Left lower lobe consolidation.")["Lung Opacity"] == [1, 0]
    assert told("Left lower lobe consolidation. Right opacity.")["Lung Opacity"] == [1, SIDES["right"]]
    assert not any(side for _, side in told("No consolidation on the left.").values())


def test_calls_are_what_is_likely_and_in_training_what_is_known():
    logits_BC = torch.tensor([[3.0, -3.0, 3.0]])
    sides_BC4 = torch.eye(4)[[1, 2, 3]][None]
    assert called_findings(logits_BC, sides_BC4, 0.5).tolist() == [[[1, 1], [0, 0], [1, 3]]]
    assert called_findings(logits_BC, sides_BC4, 0.01).tolist() == [[[1, 1], [1, 2], [1, 3]]]
    targets_BC = torch.tensor([[0.0, 1.0, torch.nan]])
    told_BC2 = torch.tensor([[[0, 0], [1, 1], [0, 0]]])
    assert called_findings(logits_BC, sides_BC4, 0.5, targets_BC, told_BC2).tolist() == [[[0, 0], [1, 1], [1, 3]]]


def test_columns_follow_the_names_and_not_the_position():
    report = {"findings": "Right pneumothorax."}
    names = ("Fracture", "Pneumothorax")
    assert told_findings([report], names)[0].tolist() == [[0, 0], [1, 2]]
    assert told_findings([report], names[::-1])[0].tolist() == [[1, 2], [0, 0]]


def test_only_the_token_of_what_is_told_differs():
    seed_torch("told", 0)
    tokens = ToldFindings(14, 8)
    nothing, effusion = torch.zeros(1, 14, 2, dtype=torch.long), torch.zeros(1, 14, 2, dtype=torch.long)
    effusion[0, 9] = torch.tensor([1, 2])
    moved = (tokens(nothing) - tokens(effusion)).abs().sum(-1)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == [9]
