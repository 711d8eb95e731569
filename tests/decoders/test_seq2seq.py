"""The decoder without encoder: what is read and said, and generation that is the same alone and in company."""

from __future__ import annotations

import pytest
import torch

from medley.core.errors import MedleyError
from medley.core.seeds import seed_torch
from medley.decoders.lora import add_lora
from medley.decoders.sections import NOT_SAID, SMALL_HEADERS, SectionWords
from medley.decoders.seq2seq import build_decoder, small_t5
from medley.encoders.text import train_tokenizer

TEXTS = ["The heart is normal. No pleural effusion.", "1. Left-sided pacemaker. 2. Cardiomegaly."]


@pytest.fixture(scope="module")
def words() -> SectionWords:
    tokenizer = train_tokenizer(TEXTS * 5, lowercase=False, more=SMALL_HEADERS)
    pad, end = tokenizer.pad_token_id, tokenizer.sep_token_id
    return SectionWords(tokenizer, SMALL_HEADERS, ("findings", "impression"), pad, end, most=20)


@pytest.fixture(scope="module")
def decoder(words):
    seed_torch("decoder", 0)
    return build_decoder(small_t5(len(words.tokenizer), words.pad, words.end, 32, 2, 2, 0.1), False).eval()


def memory(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    seed_torch("memory", 0)
    return torch.randn(rows, 5, 32), torch.ones(rows, 5, dtype=torch.bool)


def test_headers_are_read_and_never_said_and_a_lacking_section_is_not_there(words):
    read, said = words.rows([{"findings": TEXTS[0], "impression": "Normal."}, {"impression": TEXTS[1]}, {}])
    headers = set(words.headers.values())
    assert not headers & set(said.flatten().tolist())
    assert read[0, 0] == words.headers["findings"]
    assert read[1, 0] == words.headers["impression"]
    assert words.headers["findings"] not in read[1].tolist()
    assert (said[2] == NOT_SAID).all()
    first = said[0][said[0] != NOT_SAID].tolist()
    assert first.count(words.end) == 2
    assert words.text(first[: first.index(words.end)]) == TEXTS[0]


def test_a_section_that_is_cut_is_not_told_to_end_there(words):
    read, said = words.rows([{"findings": TEXTS[0] * 9}])
    assert read.shape[1] == 1 + words.most
    assert words.end not in said[0].tolist()


def test_text_keeps_case_and_hyphens(words):
    assert words.text(words.words(TEXTS[1])) == TEXTS[1]


def test_generation_in_company_of_longer_prefixes_is_that_alone(words, decoder):
    memory_BMD, is_memory_BM = memory(3)
    prefixes = [[words.headers["findings"]], words.words(TEXTS[0]), words.words("No effusion")]
    for beams in (1, 3):
        together = decoder.generate(memory_BMD, is_memory_BM, prefixes, [words.pad], most=9, beams=beams)
        for b, prefix in enumerate(prefixes):
            alone = decoder.generate(memory_BMD[b : b + 1], is_memory_BM[:1], [prefix], [words.pad], 9, beams)[0]
            assert alone[0] == together[b][0]
            assert alone[1] == pytest.approx(together[b][1], abs=1e-5)
            (logs,) = decoder.log_probabilities(memory_BMD[b : b + 1], is_memory_BM[:1], [[*prefix, *alone[0]]])
            assert alone[1] == pytest.approx(logs[len(prefix) - 1 :], abs=1e-5)


def test_greedy_generation_with_its_cache_is_the_plain_loop(words, decoder):
    memory_BMD, is_memory_BM = memory(1)
    row = [words.headers["findings"]]
    ((said, _),) = decoder.generate(memory_BMD, is_memory_BM, [row], [words.pad], most=8)
    for place, word in enumerate(said):
        logits = decoder(memory_BMD, is_memory_BM, torch.tensor([row]))[0, -1]
        logits[[words.pad, *([words.end] if place == 0 else [])]] = -torch.inf
        assert int(logits.argmax()) == word
        row.append(word)


def test_exactly_so_many_words_none_of_them_forbidden(words, decoder):
    forbidden = [words.pad, *words.headers.values()]
    for beams in (1, 2):
        said = decoder.generate(
            *memory(2), [[words.headers["findings"]]] * 2, forbidden, most=12, beams=beams, least=12
        )
        assert [len(row) for row, _ in said] == [12, 12]
        assert not {word for row, _ in said for word in row} & {*forbidden, words.end}


@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("no_repeat", [1, 2, 3])
def test_no_run_of_words_is_said_twice_and_what_was_given_does_not_count(words, decoder, beams, no_repeat):
    given = [[words.headers["findings"]], [words.headers["impression"], *words.words(TEXTS[0])]]
    forbidden = [words.pad, *words.headers.values()]

    def asked(no_repeat: int) -> list[list[int]]:
        found = decoder.generate(*memory(2), given, forbidden, 24, beams, least=24, no_repeat=no_repeat)
        return [row for row, _ in found]

    def runs(row: list[int]) -> list[tuple[int, ...]]:
        return [tuple(row[place : place + no_repeat]) for place in range(len(row) - no_repeat + 1)]

    assert any(len(set(runs(row))) < len(runs(row)) for row in asked(0))  # random weights go round in circles
    for row in asked(no_repeat):
        assert len(row) == 24
        assert len(set(runs(row))) == len(runs(row))
    if no_repeat == 1:
        assert set(asked(1)[1]) & set(given[1]), "words of the prefix were forbidden too"


def test_headers_are_never_generated_and_every_section_is_written(words, decoder):
    reports = words.write(decoder, *memory(2), beams=1)
    for report in reports:
        assert set(report.sections) == {"findings", "impression"}
        assert not any(header in text for text in report.sections.values() for header in SMALL_HEADERS)
        assert all(0 < p <= 1 for section in report.confidence.values() for p in section)


def test_the_number_of_a_list_ends_no_sentence(words):
    said = words.words("1. Left-sided pacemaker. 2. Cardiomegaly.")
    assert len(words._sure(said, [-0.5] * len(said))) == 2


def test_no_tensor_has_two_names(decoder):
    assert len({tensor.data_ptr() for tensor in decoder.state_dict().values()}) == len(decoder.state_dict())


def test_lora_changes_nothing_at_first_and_adapts_what_was_named(words):
    spec = small_t5(len(words.tokenizer), words.pad, words.end, 32, 1, 2, 0.0)
    decoder = build_decoder(spec, False).eval()
    before = decoder(*memory(1), torch.tensor([[5, 6, 7]]))
    adapted = add_lora(decoder, [r"stack\.block\.\d+\.layer\.0\.SelfAttention\.[qv]"], 4, 8, 0.0)
    assert adapted == [f"stack.block.0.layer.0.SelfAttention.{name}" for name in "qv"]
    after = decoder.eval()(*memory(1), torch.tensor([[5, 6, 7]]))
    assert torch.allclose(before, after, atol=1e-5)  # + 0 leaves the value and may change the kernel: rounding
    with pytest.raises(MedleyError, match=r"no_such.*matches no"):
        add_lora(decoder, ["no_such.*"], 4, 8, 0.0)


def test_what_a_step_read_is_a_share_of_what_there_is_to_read(decoder):
    memory_BMD, is_memory_BM = memory(2)
    is_memory_BM[1, 3:] = False
    rows = [[5, 6, 7, 8], [5, 6, 7]]
    before = decoder.log_probabilities(memory_BMD, is_memory_BM, rows)
    reads = decoder.reads(memory_BMD, is_memory_BM, rows)
    assert [tuple(one.shape) for one in reads] == [(3, 5), (2, 5)]
    for one in reads:
        assert torch.allclose(one.sum(-1), torch.ones(len(one)), atol=1e-5)
    assert reads[1][:, 3:].max() == 0, "what is not there is not read"
    (alone,) = decoder.reads(memory_BMD[1:], is_memory_BM[1:], rows[1:])
    assert torch.allclose(alone, reads[1], atol=1e-5)
    assert decoder.log_probabilities(memory_BMD, is_memory_BM, rows) == before, "the kernel is the one it was"


def test_a_step_reads_what_its_query_asks_for(decoder):
    """Two memory tokens change places: what was read of them goes with them."""
    memory_BMD, is_memory_BM = memory(1)
    moved = memory_BMD.clone()
    moved[:, [0, 4]] = memory_BMD[:, [4, 0]]
    (first,), (second,) = (decoder.reads(one, is_memory_BM, [[5, 6, 7]]) for one in (memory_BMD, moved))
    assert torch.allclose(first[:, [4, 1, 2, 3, 0]], second, atol=1e-5)
    assert not torch.allclose(first[:, 0], first[:, 4], atol=1e-3)


def test_sentences_and_words_lie_where_they_were_said(words):
    text = "1. Left-sided pacemaker. The heart is normal"
    row = words.words(text)
    assert [words.text(row[run]) for run in words.sentences(row)] == ["1. Left-sided pacemaker.", "The heart is normal"]
    whole = words.whole_words(row)
    assert [run.stop for _, run in whole[:-1]] == [run.start for _, run in whole[1:]], "every piece is in one word"
    assert {"heart", "normal", "pacemaker"} <= {word for word, _ in whole}
    unknown = words.words("cardiomegalies")  # which the tokenizer cuts into pieces
    assert len(unknown) > 1
    assert [word for word, _ in words.whole_words(unknown)] == ["cardiomegalies"]
    assert words.whole_words([]) == []


def test_rows_read_in_groups_of_like_length_say_what_each_says_alone(words, decoder):
    read, said = words.rows([{"findings": TEXTS[index % 2][: 8 + 2 * index]} for index in range(19)])
    memory_BMD, is_memory_BM = memory(19)
    together = decoder(memory_BMD, is_memory_BM, read)
    for row in range(19):
        most = int((said[row] != NOT_SAID).nonzero().max()) + 1
        alone = decoder(memory_BMD[row : row + 1], is_memory_BM[row : row + 1], read[row : row + 1, :most])
        assert torch.allclose(together[row, :most], alone[0], atol=1e-5)
