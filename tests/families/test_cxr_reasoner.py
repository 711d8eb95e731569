"""What the family claims of itself: "no note" is a state, films have places, no modality is dropped with the other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from medley.core.config import build_config
from medley.core.errors import MedleyError
from medley.core.records import Film, Study
from medley.families.cxr_reasoner import (
    FAMILY,
    HEADS,
    NO_NOTE_TOKENS,
    CxrReasonerConfig,
    CxrReasonerProcessor,
    objective,
)
from medley.training.battery import Subject, stage_step
from medley.training.made_up import chest_studies

PX = 48


def subject(**changes) -> Subject:
    return Subject(FAMILY, changes=changes)


def with_note(study: Study, note: str | None) -> Study:
    return dataclasses.replace(study, note=note)


def with_film(study: Study, pixels: np.ndarray, view: str = "PA") -> Study:
    return dataclasses.replace(study, films=(Film(view, pixels, study.films[0].placement),))


@pytest.fixture(scope="module")
def one() -> Study:
    return chest_studies(1, PX)[0]


@pytest.fixture(scope="module", params=["xattn", "gated", "concat", "late"])
def fused(request):
    s = subject(fusion=request.param)
    return s, s.model().eval()


def output(s: Subject, model, studies):
    with torch.no_grad():
        return model(s.processor(studies))


def test_no_note_is_a_state_and_not_an_empty_note(fused, one):
    s, model = fused
    batch = s.processor([with_note(one, None), with_note(one, "")])
    assert batch.is_word_BL.any(1).tolist() == [False, True]
    none, empty = s.scores(model, [with_note(one, None), with_note(one, "")])
    assert none != empty
    assert output(s, model, [with_note(one, None), with_note(one, "")]).no_note_B.tolist() == [True, False]


def test_without_a_note_the_words_in_the_batch_have_no_say(fused, one):
    """A long note of another study in the batch only pads; the state of "no note" is the same."""
    s, model = fused
    alone = s.scores(model, [with_note(one, None)])[0]
    beside = s.scores(model, [with_note(one, None), with_note(one, "cough " * 12)])[0]
    assert alone == pytest.approx(beside, abs=1e-6)


def test_every_fusion_has_all_heads_and_the_image_head_never_reads_the_note(fused, one):
    s, model = fused
    a, b = (output(s, model, [with_note(one, note)]) for note in ("cough and fever", "fell from a ladder"))
    assert set(a.logits) == set(HEADS)
    assert all(logits.shape == (1, 14, 1) for logits in a.logits.values())
    assert torch.equal(a.logits["image_only"], b.logits["image_only"])
    assert not torch.equal(a.logits["text_only"], b.logits["text_only"])
    assert not torch.equal(a.logits["fused"], b.logits["fused"])
    other_film = with_film(with_note(one, "cough and fever"), np.zeros((PX, PX), np.uint8))
    c = output(s, model, [other_film])
    assert torch.equal(a.logits["text_only"], c.logits["text_only"])
    assert not torch.equal(a.logits["image_only"], c.logits["image_only"])


def test_late_fusion_is_the_average(one):
    s = subject(fusion="late")
    out = output(s, s.model().eval(), [one])
    torch.testing.assert_close(out.logits["fused"], (out.logits["image_only"] + out.logits["text_only"]) / 2)


def test_maps_and_word_shares_are_attentions_of_the_two_answers(fused):
    s, model = fused
    out = output(s, model, chest_studies(4, PX, views=2))
    assert out.maps_BCVhw.shape == (4, 14, 2, 3, 3)
    torch.testing.assert_close(out.maps_BCVhw.sum((2, 3, 4)), torch.ones(4, 14))
    torch.testing.assert_close(out.words_BCL.sum(-1), torch.ones(4, 14))


@pytest.mark.parametrize("fusion", ["xattn", "concat"])
def test_the_fused_answer_is_the_sum_of_the_two_and_what_the_fusion_adds(one, fusion):
    s = subject(fusion=fusion)
    model = s.model().eval()
    with torch.no_grad():
        model.heads["fused"].weight_COD.zero_()  # nothing beyond the sum
        model.evidence.weight_C.uniform_(0.2, 1.0)
        model.bridge["no_note_KD"].normal_()
    prior = torch.logit(torch.tensor([s.processor.prevalence[name] for name in s.processor.labels]), eps=0.01)
    with_and_without = [with_note(one, "fever and a bad cough"), with_note(one, None)]
    out = output(s, model, with_and_without)
    fused, image, text = (out.binary(head) for head in HEADS)
    torch.testing.assert_close(fused[0], image[0] + model.evidence.weight_C * (text[0] - prior))
    torch.testing.assert_close(fused[1], image[1], msg="no note, no evidence of it")
    assert (text[1] - prior).abs().max() > 1e-3, "though the text head answers something there"


def test_a_new_model_says_the_prevalence_once(fused):
    s, model = fused
    prior = torch.logit(torch.tensor([s.processor.prevalence[name] for name in s.processor.labels]), eps=0.01)
    apart = output(s, model, chest_studies(4, PX)).binary("fused") - prior
    assert apart.abs().mean() < 0.35


def test_the_place_of_a_bright_patch_moves_the_map(one):
    s = subject()
    model = s.model().eval()
    with torch.no_grad():
        model.queries["image_only"].queries_CD.normal_(std=3)
    maps = []
    for corner in ((0, 0), (32, 32)):
        pixels = np.full((PX, PX), 40, np.uint8)
        pixels[corner[0] : corner[0] + 16, corner[1] : corner[1] + 16] = 250
        maps.append(output(s, model, [with_film(one, pixels)]).maps_BCVhw[0, :, 0])
    change = (maps[0] - maps[1]).abs().mean(0)
    assert change.max() > 1e-3
    lit = change[0, 0] + change[2, 2]
    assert lit > change.sum() - lit, "what changed is where the patch was and where it went"


def test_a_view_that_is_masked_equals_a_view_that_is_not_there(one):
    s = subject()
    model = s.model().eval()
    batch = s.processor(chest_studies(3, PX, views=2))
    first = dataclasses.replace(
        batch, films_BV1HW=batch.films_BV1HW[:, :1], views_BV=batch.views_BV[:, :1], is_film_BV=batch.is_film_BV[:, :1]
    )
    masked = dataclasses.replace(batch, is_film_BV=batch.is_film_BV & torch.tensor([True, False]))
    with torch.no_grad():
        a, b, both = model(first), model(masked), model(batch)
    torch.testing.assert_close(a.logits["fused"], b.logits["fused"])
    assert (b.maps_BCVhw[:, :, 1] == 0).all()
    assert (both.logits["image_only"] - a.logits["image_only"]).abs().max() > 1e-4


def test_the_view_is_told_to_the_model(one):
    s = subject()
    pa, lateral = s.scores(s.model(), [one, with_film(one, one.films[0].pixels, "LATERAL")])
    assert pa != lateral


@pytest.mark.parametrize("fusion", ["xattn", "gated", "concat"])
def test_what_is_dropped_has_no_say_in_the_fused_answer(one, fusion):
    """In training mode, with the only randomness the dropping itself."""
    notes = [with_note(one, note) for note in ("cough and fever", "fell from a ladder")]
    films = [with_note(with_film(one, np.full((PX, PX), grey, np.uint8)), "cough") for grey in (20, 200)]
    for dropped, kept, changes in ((notes, films, {"drop_note": 1.0}), (films, notes, {"drop_film": 1.0})):
        s = subject(fusion=fusion, dropout=0.0, **{"drop_note": 0.0, "drop_film": 0.0, **changes})
        model = s.model().train()
        fused = [output(s, model, [study]).logits["fused"] for study in (*dropped, *kept)]
        torch.testing.assert_close(fused[0], fused[1])
        assert (fused[2] - fused[3]).abs().max() > 1e-4


def test_dropping_everything_is_refused():
    with pytest.raises(MedleyError, match=r"drop_note 0\.7 and drop_film 0\.6 add up to more than 1"):
        build_config(CxrReasonerConfig, {"drop_note": 0.7, "drop_film": 0.6}, "x")


@pytest.mark.parametrize("width", [130, 30])
def test_a_width_that_does_not_divide_is_refused_by_name(width):
    with pytest.raises(MedleyError, match=f"width is {width}; it must be a multiple of heads, 4, and of 4"):
        build_config(CxrReasonerConfig, {"width": width, "heads": 4}, "x")


def test_a_note_longer_than_the_text_tower_reads_is_refused_by_name():
    with pytest.raises(MedleyError, match=r"model.note_tokens is 600; the text tower reads at most 512"):
        _ = subject(note_tokens=600).processor


def test_labels_keep_the_order_of_the_table():
    config = build_config(CxrReasonerConfig, FAMILY.sizes["toy"], "x")
    labels = ("Zebra", "Edema", "Apple")
    processor = FAMILY.fit_processor(config, labels, ["cough"], {"Zebra": 0.9, "Edema": 0.5, "Apple": 0.1})
    model = FAMILY.model(config, processor).eval()
    with torch.no_grad():
        out = model(processor(chest_studies(1, PX)))
    prediction = processor.predictions(out, chest_studies(1, PX))[0]
    assert tuple(prediction.scores) == labels
    assert prediction.scores["Zebra"] > prediction.scores["Edema"] > prediction.scores["Apple"], "as prevalent as told"


def test_the_processor_reads_a_film_as_shares_of_full_scale(one):
    s = subject()
    pixels = np.zeros((PX, PX), np.uint8)
    pixels[0, 0] = 255
    batch = s.processor([with_film(one, pixels)])
    assert batch.films_BV1HW[0, 0, 0, 0, 0] == 1
    assert batch.films_BV1HW.sum() == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: dataclasses.replace(s, films=()), "has 0 films, the model reads 1 to 2"),
        (lambda s: dataclasses.replace(s, films=s.films * 3), "has 3 films, the model reads 1 to 2"),
        (lambda s: with_film(s, np.zeros((PX, 20), np.uint8)), "wanted 48 x 48"),
    ],
)
def test_a_study_that_cannot_be_read_is_named(one, change, said):
    with pytest.raises(MedleyError, match=f"'toy-0'.*{said}"):
        subject().processor([change(one)])


def test_an_uncertain_target_needs_its_third_class(one):
    targets = [np.full(14, -1.0, np.float32)]
    with pytest.raises(MedleyError, match=r"data.uncertain is multiclass.*needs model.three_class: true"):
        subject().processor([one], targets)
    assert (subject(three_class=True).processor([one], targets).targets_BC == -1).all()


def test_three_class_probabilities_leave_uncertain_out():
    s = subject(three_class=True)
    model = s.model().eval()
    out = output(s, model, chest_studies(2, PX))
    logits = out.logits["fused"]
    expected = logits[..., :2].softmax(-1)[..., 1]
    scores = s.processor.predictions(out, chest_studies(2, PX))[0].scores
    torch.testing.assert_close(torch.tensor(list(scores.values())), expected[0].float())


def test_a_long_note_is_cut_and_the_cut_is_counted():
    processor = subject().processor
    assert processor.cut_words("cough") == 0
    long = "cough " * 1000
    assert processor.cut_words(long) == 1000 + 2 - 16
    assert processor([with_note(chest_studies(1, PX)[0], long)]).words_BL.shape == (1, 16)


def test_word_shares_are_of_the_words_as_written():
    s = subject()
    studies = [with_note(chest_studies(1, PX)[0], "Cough, fever; COUGH zzzq")]
    evidence = s.processor.evidence(output(s, s.model().eval(), studies), studies)[0]
    shares = evidence.words["Edema"]
    assert set(shares) == {"cough", ",", "fever", ";", "zzzq"}
    assert 0 < sum(shares.values()) < 1, "the marks of beginning and end have the rest"
    assert (
        s.processor.evidence(output(s, s.model().eval(), studies), [with_note(studies[0], None)])[0].words["Edema"]
        == {}
    )


def test_evidence_has_a_map_for_each_film_that_is_there():
    s = subject()
    studies = [*chest_studies(1, PX), *chest_studies(1, PX, views=2)]
    evidence = s.processor.evidence(output(s, s.model().eval(), studies), studies)
    assert [len(e.maps["Edema"]) for e in evidence] == [1, 2]


def test_consistency_pulls_only_where_there_is_no_note(one):
    s = subject(consistency=1.0, drop_note=0.0, drop_film=0.0)
    terms = objective(s.config, s.processor)
    model = s.model().eval()
    for note, expected in (("cough", False), (None, True)):
        batch = s.batch([with_note(one, note)])
        with torch.no_grad():
            value = terms.sums(model(batch), batch)["consistency"]
        assert bool(value > 1e-9) is expected


def test_a_table_without_parents_has_no_hierarchy_term():
    config = build_config(CxrReasonerConfig, FAMILY.sizes["toy"], "x")
    processor = FAMILY.fit_processor(config, ("Edema", "Fracture"), [], {"Edema": 0.5, "Fracture": 0.5})
    assert "hierarchy" not in objective(config, processor).weights
    assert "hierarchy" in objective(config, subject().processor).weights


def test_no_notes_at_all_still_trains():
    """Regime `none`: the tokenizer learned no word, and every study is without a note."""
    config = build_config(CxrReasonerConfig, FAMILY.sizes["toy"], "x")
    s = subject()
    processor = CxrReasonerProcessor.fit(config, s.processor.labels, [None] * 9, s.processor.prevalence)
    studies = [with_note(study, None) for study in chest_studies(4, PX)]
    targets = [np.array(list(study.case.labels.values()), np.float32) for study in studies]
    model = FAMILY.model(config, processor)
    batch = processor(studies, targets)
    assert batch.words_BL.shape[1] == NO_NOTE_TOKENS
    losses = stage_step(s, model, FAMILY.stages(config, processor)[0], batch, steps=12, rate=3e-3)
    assert losses[-1] < losses[0]


def test_a_frozen_tower_stays_as_it_was_loaded_and_a_random_one_may_not_be_frozen(tmp_path):
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    ViTModel(ViTConfig(**small, image_size=PX, patch_size=16)).save_pretrained(tmp_path)
    ViTImageProcessor().save_pretrained(tmp_path)
    s = subject(vision=str(tmp_path), vision_pretrained=True, freeze="image")
    model, (stage,) = s.model(), s.stages()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    stage_step(s, model, stage, s.batch(chest_studies(4, PX)), steps=2)
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"text", "bridge", "bridge_patches", "bridge_words", "fusion", "queries", "heads", "evidence"}
    for freeze, tower in (("encoders", "vision"), ("image", "vision"), ("text", "text")):
        with pytest.raises(MedleyError, match=f"the {tower} tower has random weights"):
            subject(freeze=freeze).config  # noqa: B018


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"heads": 0}, "'heads' input should be greater than or equal to 1"),
        ({"query_layers": 0}, "'query_layers'"),
        ({"dropout": 2.0}, "'dropout'"),
        ({"rate": -1.0}, "'rate' input should be greater than 0"),
        ({"layer_decay": -1.0}, "'layer_decay'"),
        ({"note_tokens": 1}, "'note_tokens'"),
        ({"text_dim": 100}, "'text_dim' input should be a multiple of 32"),
        ({"head_weights": {"fused": 0.0}}, "'head_weights.fused' input should be greater than 0"),
        ({"head_weights": {"fuse": 1.0}}, "unknown key 'head_weights.fuse'; did you mean 'fused'?"),
        ({"three_class": True, "loss": "focal"}, "three_class learns by cross-entropy over three classes"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(changes, said):
    with pytest.raises(MedleyError) as caught:
        subject(**changes).config  # noqa: B018
    assert said in str(caught.value)


def test_a_note_of_one_token_is_no_key_to_attend_to(one):
    """A tokenizer that adds no special tokens makes one key of one word; softmax over it is 1 whatever the query."""
    s = subject()
    s.processor.tokenizer._tokenizer.post_processor = None
    with pytest.raises(MedleyError, match=r"case 'toy-0': its note is one token .* use fusion: concat"):
        s.processor([with_note(one, "cough")])
    with pytest.raises(MedleyError, match="gives one patch at 16 px"):
        subject(vision="test_resnet", image_px=16).model()
