import numpy as np
import pytest

from keras_bert import BertEncoder, BertTokenizer
from keras_bert.models import Pretrainer
from keras_bert.pretraining import RECIPES, CorpusPart, Phase, segmented_continues

# Millions of weights with both heads: Turc et al. 2019, "Well-read students learn better", table 1; large as counted by Transformers.
PUBLISHED = {"tiny": 4.4, "mini": 11.3, "small": 29.1, "medium": 41.7, "base": 110.1, "large": 336.2}


def count(config):
    """Weights of a BERT with both heads, by its sizes."""
    vocabulary, hidden, feed_forward = config.vocab_size, config.hidden_size, config.intermediate_size
    embeddings = (vocabulary + config.max_position_embeddings + config.type_vocab_size + 2) * hidden
    block = 4 * (hidden + 1) * hidden + (hidden + 1) * feed_forward + (feed_forward + 1) * hidden + 4 * hidden
    heads = 2 * (hidden + 1) * hidden + 2 * hidden + vocabulary + 2 * (hidden + 1)  # pooler and transform, its norm, biases, next sentence
    return embeddings + config.num_hidden_layers * block + heads


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_sizes_are_the_published_ones(name):
    assert round(count(RECIPES[name].config(30522)) / 1e6, 1) == PUBLISHED[name]


def test_a_recipe_makes_the_network_that_was_counted():
    config = RECIPES["tiny"].config(30522)
    assert Pretrainer(BertEncoder(config, initialize=False)).count_params() == count(config)


def test_phases_are_bert_s():
    """Devlin et al. 2018, A.2: 1,000,000 updates of 256 rows, nine tenths of them of length 128, the others of 512."""
    short, long = RECIPES["base"].phases
    assert (short.length, long.length, short.batch_size, long.batch_size) == (128, 512, 256, 256)
    assert short.steps + long.steps == 1_000_000 and short.steps == 900_000


@pytest.mark.parametrize("values", [(4, 8, 10, 20), (128, 0, 10, 20), (128, 8, 0, 20), (128, 8, 10, 0)])
def test_phases_that_cannot_be(values):
    with pytest.raises(ValueError, match=r"(length=4|batch_size=0|steps=0|max_predictions=0) of a phase is not \d or more"):
        Phase(*values)


def test_parts_of_a_corpus_are_blocks_that_make_up_the_whole(tmp_path):
    (tmp_path / "corpus.txt").write_text("".join(f"text {number}\n" for number in range(95)))
    parts = {
        part: [int(text.split()[1]) for text in CorpusPart(tmp_path / "corpus.txt", documents="line", part=part, block_documents=2).read()]
        for part in ("train", "validation", "test")
    }
    assert parts["validation"] == [36, 37, 76, 77] and parts["test"] == [38, 39, 78, 79]
    assert sorted(sum(parts.values(), [])) == list(range(95))  # noqa: RUF017
    with pytest.raises(ValueError, match=r"the corpus has 95 documents, of which none is for validation: .* it takes more than 180"):
        list(CorpusPart(tmp_path / "corpus.txt", documents="line", part="validation", block_documents=10).read())
    (tmp_path / "few.txt").write_text("one\ntwo\n")
    with pytest.raises(ValueError, match=r"the corpus has 2 documents, of which none is for test: .* 20 at least are wanted, of any size"):
        list(CorpusPart(tmp_path / "few.txt", documents="line", part="test").read())


def test_chinese_words_of_ids():
    """jieba's README: 我 / 来到 / 北京 / 清华大学."""
    pytest.importorskip("jieba")
    characters = "我来到北京清华大学"
    tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, "play", "##ing"])
    ids = [2, *range(5, 14), 14, 15, 7, 3]
    marks = segmented_continues(tokenizer)(np.array(ids))
    assert marks.astype(int).tolist() == [0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 0]
