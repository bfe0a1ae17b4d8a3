import dataclasses
import gzip

import keras
import numpy as np
import pytest

from keras_bert import BertClassifier, BertEncoder, BertMaskedLM, BertTokenizer, trim_vocabulary
from keras_bert.text import WhitespaceTokenizer

TEXTS = ["a good film", "it is good , no films", "film"]


def test_outputs_stay_equal_on_text_that_needs_only_kept_words(shared_classifier):
    small = trim_vocabulary(shared_classifier, TEXTS)
    assert small.tokenizer.vocabulary == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "film", "##s", "no", "it", "is", ","]
    assert small.encoder.config.vocab_size == 13 and shared_classifier.encoder.config.vocab_size == 20
    np.testing.assert_array_equal(small.predict(TEXTS, verbose=0), shared_classifier.predict(TEXTS, verbose=0))
    assert small.settings() == shared_classifier.settings() and small.labels == shared_classifier.labels


def test_a_list_of_pieces_keeps_these(shared_classifier):
    small = trim_vocabulary(shared_classifier, ["great", "##s"])
    assert small.tokenizer.vocabulary == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "great", "##s"]
    np.testing.assert_array_equal(small.predict(["great greats"], verbose=0), shared_classifier.predict(["great greats"], verbose=0))


def test_a_corpus_in_files_and_a_count(shared_classifier, tmp_path):
    (tmp_path / "a.txt").write_text("good film\nbad\n")
    with gzip.open(tmp_path / "b.txt.gz", "wt") as file:
        file.write("good, good film")
    files = [tmp_path / "a.txt", tmp_path / "b.txt.gz"]
    assert trim_vocabulary(shared_classifier, files).tokenizer.vocabulary[5:] == ["good", "bad", "film", ","]
    assert trim_vocabulary(shared_classifier, files, min_count=2).tokenizer.vocabulary[5:] == ["good", "film"]
    assert trim_vocabulary(shared_classifier, str(files[0])).tokenizer.vocabulary[5:] == ["good", "bad", "film"]


def test_the_masked_lm_head_is_cut_too(tiny_config, tiny_tokenizer):
    model = BertMaskedLM(BertEncoder(tiny_config, pooler=False), tiny_tokenizer)
    bias = model.network.get_layer("masked_lm").bias
    bias.assign(np.arange(20))
    small = trim_vocabulary(model, TEXTS)
    kept = [tiny_tokenizer.id_of(piece) for piece in small.tokenizer.vocabulary]
    old, new = (np.asarray(m(m.preprocess(TEXTS))) for m in (model, small))
    np.testing.assert_allclose(new, old[:, :, kept], atol=1e-6)
    np.testing.assert_array_equal(small.network.get_layer("masked_lm").bias, kept)


def test_it_saves_and_loads(tiny_classifier, tmp_path):
    small = trim_vocabulary(tiny_classifier, TEXTS)
    small.save_pretrained(tmp_path / "small")
    again = BertClassifier.from_pretrained(tmp_path / "small", strict=True)
    np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), small.predict(TEXTS, verbose=0))


def test_other_tokenizers_are_trimmed_as_well(tiny_config):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{index}" for index in range(16))]
    model = BertClassifier(BertEncoder(tiny_config), ["a", "b"], WhitespaceTokenizer(words))
    small = trim_vocabulary(model, ["w3 w9 w3", "w9 w11"])
    assert small.tokenizer.vocabulary == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "w3", "w9", "w11"]
    np.testing.assert_array_equal(small.predict(["w9 w3"], verbose=0), model.predict(["w9 w3"], verbose=0))


def test_bad_arguments_are_told(tiny_classifier, tiny_config):
    with pytest.raises(ValueError, match="the list of texts or pieces is empty"):
        trim_vocabulary(tiny_classifier, [])
    with pytest.raises(ValueError, match="there is no word in the texts"):
        trim_vocabulary(tiny_classifier, ["", " "])
    with pytest.raises(ValueError, match="tokenizer is NoneType"):
        trim_vocabulary(BertClassifier(BertEncoder(tiny_config), ["a", "b"]), TEXTS)
    with pytest.raises(TypeError, match="got a BertEncoder"):
        trim_vocabulary(BertEncoder(tiny_config), TEXTS)


def test_added_tokens_stay_and_are_numbered_anew(tiny_config, tiny_tokenizer):
    keras.utils.set_random_seed(0)
    pieces = len(tiny_tokenizer.vocabulary)
    tokenizer = BertTokenizer(tiny_tokenizer.vocabulary, added_tokens=["<ent>", "</ent>"])
    config = dataclasses.replace(tiny_config, vocab_size=pieces + 8, initializer_range=0.3)  # rows behind them are padding
    model = BertClassifier(BertEncoder(config), ["a", "b"], tokenizer, text_pair=False)
    small = trim_vocabulary(model, ["a good <ent>film</ent>"])
    assert small.tokenizer.vocabulary_size == small.encoder.config.vocab_size < pieces
    assert small.tokenizer.id_of("</ent>") == small.encoder.config.vocab_size - 1
    texts = ["a good <ent>film</ent>", "<ent>", "good</ent>"]
    np.testing.assert_allclose(small.predict(texts, verbose=0), model.predict(texts, verbose=0), atol=1e-6)
