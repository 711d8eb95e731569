"""The writer with the image in its prompt: one row for all uses; padding and company change nothing."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    LlamaConfig,
    SiglipVisionConfig,
    T5Config,
)

from medley.core.errors import MedleyError
from medley.core.seeds import seed_torch
from medley.decoders.causal import CausalDecoder, adapt, build_causal, describe_causal, small_gemma
from medley.decoders.prompt import IMAGE, NOTHING, ReportWords
from medley.encoders.text import train_tokenizer

TEXTS = ["There is a lesion in the left frontal lobe with edema.", "No lesion is seen. The brain is normal."]
IMAGE_TOKENS = 3
CHAT = (
    "{{ bos_token }}[UNK]user {{ messages[0]['content'] | trim }}[UNK]{% if add_generation_prompt %}model {% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([*TEXTS, "user model Report: woman 40-year-old"] * 5, lowercase=False)


@pytest.fixture(scope="module")
def words(tokenizer) -> ReportWords:
    return ReportWords(tokenizer, "raw", "Report:", IMAGE_TOKENS, most=16)


@pytest.fixture(scope="module")
def decoder(words) -> CausalDecoder:
    return small(words)


def small(words: ReportWords, seed: int = 0) -> CausalDecoder:
    seed_torch("causal", seed)
    made = build_causal(small_gemma(len(words.tokenizer), words.pad, words.begin, words.end, 32, 2), False).eval()
    torch.nn.init.normal_(made.lm.get_input_embeddings().weight, std=0.3)  # so that it prefers something
    return made


def memory(rows: int, dim: int = 32) -> torch.Tensor:
    seed_torch("memory", 1)
    return torch.randn(rows, IMAGE_TOKENS, dim)


@pytest.mark.parametrize("sliding", [False, True])
def test_what_precedes_the_image_is_read_once_and_gives_the_same(tokenizer, words, sliding):
    """Also where a layer attends to a window that is shorter than the row."""
    writer = small(words)
    if sliding:
        spec = small_gemma(len(tokenizer), words.pad, words.begin, words.end, 32, 2)
        kinds = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4}
        writer = build_causal(dataclasses.replace(spec, config={**spec.config, **kinds}), False).eval()
    before, image, after = [5, 6, 7], [IMAGE] * IMAGE_TOKENS, [8, 9]
    prompt_1L, images = torch.tensor([[*before, *image, *after]]), memory(4)
    said_BT = words.reports(TEXTS[:1]).expand(4, -1)
    begun = writer.begun(prompt_1L)
    assert begun is not None
    whole = writer.nll(images, prompt_1L.expand(4, -1), said_BT)
    for _ in range(2):  # reading on does not change what was read before
        assert torch.allclose(writer.nll(images, prompt_1L.expand(4, -1), said_BT, begun), whole, atol=1e-5)
    assert writer.begun(torch.tensor([[*image, *after]])) is None


def test_the_image_stands_before_a_raw_prompt_and_inside_the_users_turn_of_a_chat(tokenizer, words):
    (raw,) = words.prompts([""]).tolist()
    assert raw == [IMAGE] * IMAGE_TOKENS + [words.begin, *words.words("Report:")]
    tokenizer.chat_template, tokenizer.bos_token = CHAT, "[CLS]"
    try:
        chat = ReportWords(tokenizer, "chat", "Report:", IMAGE_TOKENS, most=16)
        (row,) = chat.prompts([""]).tolist()
    finally:
        tokenizer.chat_template, tokenizer.bos_token = None, None
    user, model = words.words("user"), words.words("model")
    assert row[0] == words.begin
    assert row.index(IMAGE) > row.index(user[0])
    assert row[row.index(IMAGE) :][:IMAGE_TOKENS] == [IMAGE] * IMAGE_TOKENS
    asked = row[row.index(IMAGE) + IMAGE_TOKENS :]
    assert asked[: len(words.words("Report:"))] == words.words("Report:"), "the question comes after the image"
    assert row[-1] == model[-1], "and the model's turn last"


def test_shorter_prompts_are_padded_on_the_left(words):
    rows = words.prompts(["", "woman 40-year-old"])
    assert rows[0, 0] == NOTHING
    assert (rows[:, -1] == words.words("Report:")[-1]).all()
    assert ((rows == IMAGE).sum(1) == IMAGE_TOKENS).all()


def test_a_report_ends_unless_it_was_cut_and_only_its_words_are_learned(words):
    rows = words.reports([TEXTS[1], " ".join(TEXTS * 3), None])
    first = rows[0][rows[0] != NOTHING].tolist()
    assert first[-1] == words.end
    assert words.text(first) == TEXTS[1]
    assert (rows[1] != NOTHING).sum() == 16
    assert words.end not in rows[1].tolist()
    assert (rows[2] == NOTHING).all()
    weights = words.weights([TEXTS[1], " ".join(TEXTS * 3), None], pattern(), 1.0)
    assert torch.equal(weights > 0, rows != NOTHING)


def pattern():
    import re

    return re.compile(r"\b(left|frontal|no|edema)\b", re.IGNORECASE)


def test_words_of_facts_weigh_more(words):
    rows, weights = words.reports(TEXTS), words.weights(TEXTS, pattern(), 3.0)
    for row, weight, said in zip(rows, weights, (["left", "frontal", "edema"], ["No"]), strict=True):
        heavy = [words.tokenizer.decode([int(word)]) for word, w in zip(row, weight, strict=True) if w == 3]
        assert "".join(part.replace("#", "").strip() for part in heavy) == "".join(said)


def test_logits_are_those_of_the_plain_model_after_the_whole_row(words, decoder):
    """Word t is said by the place before it; the first by the prompt's last."""
    memory_BKE, prompt_BL, words_BT = memory(1), words.prompts([""]), words.reports([TEXTS[0]])
    with torch.no_grad():
        logits = decoder(memory_BKE, prompt_BL, words_BT)[0]
        table = decoder.lm.get_input_embeddings()
        row = torch.cat([memory_BKE, table(prompt_BL[:, IMAGE_TOKENS:]), table(words_BT)], dim=1)
        plain = decoder.lm(inputs_embeds=row).logits[0]
    start = prompt_BL.shape[1] - 1
    assert torch.allclose(logits, plain[start : start + words_BT.shape[1]], atol=1e-5)
    nll = decoder.nll(memory_BKE, prompt_BL, words_BT)[0]
    assert torch.allclose(nll, -logits.log_softmax(-1).gather(-1, words_BT[0][:, None])[:, 0], atol=1e-5)


def test_the_table_of_words_is_scaled_as_the_model_scales_it(words, decoder):
    table = decoder.lm.get_input_embeddings().weight
    assert torch.allclose(decoder.embed(torch.tensor([5])), table[5] * 32**0.5, atol=1e-5)


def test_what_is_said_in_company_of_longer_prompts_is_what_is_said_alone(words, decoder):
    facts, texts = ["", "woman 40-year-old", "40-year-old woman woman"], [*TEXTS, "No lesion."]
    memory_BKE, prompt_BL, words_BT = memory(3), words.prompts(facts), words.reports(texts)
    together = decoder.nll(memory_BKE, prompt_BL, words_BT)
    for b, (fact, text) in enumerate(zip(facts, texts, strict=True)):
        alone = words.reports([text])
        nll = decoder.nll(memory_BKE[b : b + 1], words.prompts([fact]), alone)[0]
        assert torch.allclose(nll, together[b, : alone.shape[1]], atol=1e-5)
        assert not together[b, alone.shape[1] :].any()
    for beams in (1, 3):
        written = decoder.generate(memory_BKE, prompt_BL, words.end, words.pad, 10, beams)
        for b, fact in enumerate(facts):
            own = decoder.generate(memory_BKE[b : b + 1], words.prompts([fact]), words.end, words.pad, 10, beams)[0]
            assert own[0] == written[b][0]
            assert own[1] == pytest.approx(written[b][1], abs=1e-5)


def test_greedy_writing_with_its_cache_is_the_plain_loop_and_its_confidence_that_of_the_loop(words, decoder):
    memory_BKE, prompt_BL = memory(1), words.prompts([""])
    ((said, logs),) = decoder.generate(memory_BKE, prompt_BL, words.end, words.pad, 8)
    row: list[int] = []
    for word, log in zip(said, logs, strict=True):
        with torch.no_grad():
            logits = decoder(memory_BKE, prompt_BL, torch.tensor([[*row, 0]]))[0, -1]
        assert int(logits.argmax()) == word
        assert float(logits.log_softmax(-1)[word]) == pytest.approx(log, abs=1e-5)
        row.append(word)
    assert len(said) > 1


def test_a_report_is_scored_for_each_image_word_by_word(words, decoder):
    memory_BKE, said_1T, prompt_1L = memory(4), words.reports([TEXTS[0]]), words.prompts([""])
    nll = decoder.nll(memory_BKE, prompt_1L.expand(4, -1), said_1T.expand(4, -1))
    assert nll.shape == (4, said_1T.shape[1])
    assert nll.std(0).max() > 1e-3, "the image matters"
    each = [decoder.nll(memory_BKE[b : b + 1], prompt_1L, said_1T)[0] for b in range(4)]
    assert torch.allclose(nll, torch.stack(each), atol=1e-5)


def test_the_gradient_finds_its_way_to_the_image_and_not_to_padding(words, decoder):
    memory_BKE = memory(2).requires_grad_()
    words_BT = words.reports([TEXTS[0], None])
    decoder.nll(memory_BKE, words.prompts(["", ""]), words_BT).sum().backward()
    assert memory_BKE.grad[0].abs().sum() > 0
    assert not memory_BKE.grad[1].any()


def test_a_texts_state_is_the_mean_over_its_own_words_alone_or_in_company(words, decoder):
    together = decoder.text_states(words.reports([*TEXTS, None]))
    for text, state in zip(TEXTS, together, strict=False):
        assert torch.allclose(decoder.text_states(words.reports([text]))[0], state, atol=1e-5)
    assert not together[2].any()
    assert not together.requires_grad


def test_no_tensor_has_two_names_and_the_table_is_the_output_map(words, decoder):
    state = decoder.state_dict()
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)
    assert decoder.lm.lm_head.weight is decoder.lm.get_input_embeddings().weight
    import copy

    twin = copy.deepcopy(decoder)
    assert twin.lm.lm_head.weight is twin.lm.get_input_embeddings().weight
    assert twin.lm.lm_head.weight is not decoder.lm.lm_head.weight


def test_adapters_are_where_their_paths_say_and_change_nothing_at_first(words):
    made = small(words)
    call = memory(1), words.prompts([""]), words.reports([TEXTS[0]])
    before = made(*call)
    found = adapt(made, [r"lm\.model\.layers\.\d+\.self_attn\.[qkvo]_proj"], 2, 4, 0.0)
    assert len(found) == 8
    assert torch.allclose(made.eval()(*call), before, atol=1e-5)
    with pytest.raises(MedleyError, match="'q_proj' matches no linear"):
        adapt(small(words), ["q_proj"], 2, 4, 0.0)
    half = build_causal(small_gemma(50, 0, 1, 2, 32, 1), False, "bf16")
    adapt(half, [r"lm\.model\.layers\.\d+\.self_attn\.q_proj"], 2, 4, 0.0)
    kinds = {("lora_" in name): parameter.dtype for name, parameter in half.named_parameters()}
    assert kinds == {False: torch.bfloat16, True: torch.float32}


LLAMA = LlamaConfig(
    vocab_size=90, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, pad_token_id=0
)
GEMMA = Gemma3Config(
    text_config={
        **small_gemma(90, 0, 1, 2, 32, 2).config,
        "layer_types": ["sliding_attention", "full_attention"],
        "sliding_window": 8,
    },
    vision_config=SiglipVisionConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=1, intermediate_size=32, image_size=16, patch_size=8
    ).to_dict(),
    mm_tokens_per_image=1,
)


@pytest.mark.parametrize("kind", ["llama", "gemma that sees"])
def test_any_causal_model_of_a_folder_is_loaded_and_of_one_that_sees_only_what_writes(tmp_path, words, kind):
    seed_torch("folder", 0)
    whole = AutoModelForCausalLM.from_config(LLAMA) if kind == "llama" else Gemma3ForConditionalGeneration(GEMMA)
    whole = whole.eval()
    whole.save_pretrained(tmp_path / "lm")
    spec = describe_causal(str(tmp_path / "lm"))
    assert spec.config["vocab_size"] == 90
    made = build_causal(spec, pretrained=True).eval()
    assert made.pretrained
    assert not any("vision" in name or "multi_modal" in name for name, _ in made.named_parameters())
    prompt_BL = torch.tensor([[NOTHING, *[IMAGE] * 3, 1, 7], [*[IMAGE] * 3, 1, 7, 8]])
    words_BT = torch.tensor([[5, 6, 7, 2], [8, 2, NOTHING, NOTHING]])
    with torch.no_grad():
        logits = made(memory(2), prompt_BL, words_BT)
        table = whole.get_input_embeddings()
        row = torch.cat([memory(2)[:1], table(torch.tensor([[1, 7, 5, 6, 7, 2]]))], dim=1)
        plain = whole(inputs_embeds=row).logits[0]
    assert torch.allclose(logits[0], plain[4:8], atol=1e-4)
    ((said, _), _) = made.generate(memory(2), prompt_BL, 2, 0, 6)
    assert 0 < len(said) <= 6
    again = build_causal(spec, pretrained=False)
    assert set(again.state_dict()) == set(made.state_dict())
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.eval()(memory(2), prompt_BL, words_BT), made(memory(2), prompt_BL, words_BT))


def test_a_model_in_training_mode_learns_with_and_without_padding(words):
    made = small(words).train()
    for facts in (["", ""], ["", "woman"]):
        nll = made.nll(memory(2), words.prompts(facts), words.reports(TEXTS))
        nll.sum().backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in made.parameters())


def test_what_cannot_be_had_is_one_line(tmp_path, monkeypatch, tokenizer):
    T5Config(d_model=16, num_layers=1).save_pretrained(tmp_path / "t5")
    with pytest.raises(MedleyError, match="is a t5, no causal language model"):
        describe_causal(str(tmp_path / "t5"))
    with pytest.raises(MedleyError, match="cannot be loaded"):
        describe_causal(str(tmp_path / "nothing"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MedleyError, match=r"model.load is 4bit, which needs a CUDA device.*set model.load to bf16"):
        build_causal(small_gemma(50, 0, 1, 2, 32, 1), False, "4bit")
    held = build_causal(small_gemma(50, 0, 1, 2, 32, 1), False, "auto")
    assert {one.dtype for one in held.parameters()} == {torch.bfloat16}, "here is no CUDA"
    with pytest.raises(MedleyError, match="has no chat template: set it to raw"):
        ReportWords(tokenizer, "chat", "Report:", 3, 16)
    spec = dataclasses.replace(small_gemma(50, 0, 1, 2, 32, 1), name=str(tmp_path / "nothing"))
    with pytest.raises(MedleyError, match="cannot be loaded"):
        build_causal(spec, pretrained=True)
