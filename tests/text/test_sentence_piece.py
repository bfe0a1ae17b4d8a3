"""Against the `sentencepiece` package, on a model that it trains here."""

import io
import json

import pytest
import sentencepiece
import tensorflow as tf

from keras_bert.text.sentence_piece import SentencePieceTokenizer

CHINESE = ["我们热爱自然语言处理。", "今天天气很好，我们去公园吧。", "北京是中国的首都。", "深度学习的模型很强大！"]
ODD = [
    "",
    "  ",
    " Two  spaces ",
    "a\u3000b",
    "ﬁne １２３ café",
    "😀 日本",
    "\u2581x",
    "é\u0301 \u200b z",
    "a\x00b",
    "[CLS] <s> <pad> [MASK]",
]


def trained(lines, **options):
    """Returns: the bytes of a model."""
    model = io.BytesIO()
    options = {"vocab_size": 400, "hard_vocab_limit": False, "num_threads": 1, "minloglevel": 2, "model_type": "bpe"} | options
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=model, **options)
    return model.getvalue()


@pytest.fixture(scope="module")
def lines(review_lines):
    return review_lines[:500] + CHINESE + ODD


@pytest.fixture(scope="module")
def model(review_lines):
    # Letters seen in half of the lines only, so that some are unknown in the other.
    return trained(review_lines[:1000] + CHINESE[:2] * 20, pad_id=0, unk_id=1, bos_id=2, eos_id=3, control_symbols=["[MASK]"])


def test_ids_equal_the_package_eagerly_in_tf_data_and_in_a_saved_model(lines, model, tmp_path):
    expected = sentencepiece.SentencePieceProcessor(model_proto=model).encode(lines)
    assert any(1 in row for row in expected)
    tokenizer = SentencePieceTokenizer(model)
    assert tokenizer.tokenize(lines).to_list() == expected

    dataset = tf.data.Dataset.from_tensor_slices(lines).batch(128).map(tokenizer.tokenize, num_parallel_calls=2)
    assert [row for batch in dataset for row in batch.to_list()] == expected

    module = tf.Module()
    module.tokenizer = tokenizer  # as the class says: what is saved must hold it
    module.tokenize = tf.function(
        lambda text: tokenizer.tokenize(text).to_tensor(-1), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    tf.saved_model.save(module, str(tmp_path / "saved"))
    dense = tf.saved_model.load(str(tmp_path / "saved")).tokenize(tf.constant(lines)).numpy()
    assert [[id_ for id_ in row if id_ >= 0] for row in dense.tolist()] == expected


def test_what_does_not_hold_the_tokenizer_cannot_be_saved(model, tmp_path):
    tokenizer = SentencePieceTokenizer(model)
    module = tf.Module()
    module.tokenize = tf.function(lambda text: tokenizer.tokenize(text).to_tensor(), input_signature=[tf.TensorSpec([None], tf.string)])
    with pytest.raises(AssertionError, match="untracked"):
        tf.saved_model.save(module, str(tmp_path / "saved"))


def test_offsets_equal_the_package_on_english_and_chinese_lines(lines, model):
    encodings = sentencepiece.SentencePieceProcessor(model_proto=model).encode(lines, return_type="proto")
    tokenizer = SentencePieceTokenizer(model)
    in_tf_data = next(iter(tf.data.Dataset.from_tensors(lines).map(tokenizer.tokenize_with_offsets)))
    for ids, starts, ends in (tokenizer.tokenize_with_offsets(lines), in_tf_data):
        assert (ids.dtype, starts.dtype, ends.dtype) == (tf.int32, tf.int64, tf.int64)
        rows = zip(lines, encodings, ids.to_list(), starts.to_list(), ends.to_list(), strict=True)
        for line, encoding, *row in rows:
            assert list(zip(*row, strict=True)) == [(piece.id, piece.begin, piece.end) for piece in encoding.pieces]
            surfaces = [line.encode()[start:end].decode() for start, end in zip(*row[1:], strict=True)]
            assert surfaces == [piece.surface for piece in encoding.pieces]


def test_vocabulary_and_special_pieces_are_the_models(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    tokenizer = SentencePieceTokenizer(model)
    assert tokenizer.vocabulary == [processor.id_to_piece(id_) for id_ in range(processor.get_piece_size())]
    assert (tokenizer.PAD, tokenizer.UNK, tokenizer.CLS, tokenizer.SEP, tokenizer.MASK) == ("<pad>", "<unk>", "<s>", "</s>", "[MASK]")
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id) == (0, 1, 2, 3)
    assert tokenizer.mask_id == processor.piece_to_id("[MASK]") == 4


def test_berts_names_come_before_sentencepieces(review_lines):
    symbols = ["[CLS]", "[SEP]", "[PAD]"]
    tokenizer = SentencePieceTokenizer(
        trained(review_lines[:200], pad_id=0, unk_id=1, bos_id=2, eos_id=3, control_symbols=symbols, vocab_size=150)
    )
    assert (tokenizer.PAD, tokenizer.UNK, tokenizer.CLS, tokenizer.SEP) == ("[PAD]", "<unk>", "[CLS]", "[SEP]")
    with pytest.raises(KeyError, match=r"'\[MASK\]' is not in the vocabulary"):
        _ = tokenizer.mask_id


def test_a_model_without_special_pieces_is_told_what_it_lacks_and_the_options_named_mend_it(review_lines, tmp_path):
    path = tmp_path / "bare.model"
    path.write_bytes(trained(review_lines[:200], bos_id=-1, eos_id=-1, vocab_size=150))  # SentencePiece has no padding unless asked
    with pytest.raises(ValueError, match=r"bare\.model: no \[PAD\] or <pad>, \[CLS\] or <s>, \[SEP\] or </s> among its 150") as told:
        SentencePieceTokenizer(path)
    options = dict(option.removeprefix("--").split("=") for option in str(told.value).split(" train the model with ")[1].split())
    tokenizer = SentencePieceTokenizer(trained(review_lines[:200], vocab_size=150, **options))
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("junk", [b"", b"no model", b"\x00" * 100])
def test_bytes_that_are_no_model_are_refused(junk, tmp_path):
    with pytest.raises(ValueError, match=f"the given model: {len(junk)} bytes that are no SentencePiece model"):
        SentencePieceTokenizer(junk)
    (tmp_path / "junk.model").write_bytes(junk)
    with pytest.raises(ValueError, match=r"junk\.model: \d+ bytes that are no SentencePiece model"):
        SentencePieceTokenizer(tmp_path / "junk.model")


def test_broken_base64_and_a_missing_file_are_told():
    with pytest.raises(ValueError, match=r"the given model: .* behind 'base64:'"):
        SentencePieceTokenizer("base64:***")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        SentencePieceTokenizer("nowhere.model")


def test_words_start_at_the_mark_and_at_special_pieces(model):
    tokenizer = SentencePieceTokenizer(model)
    starts = dict(zip(tokenizer.vocabulary, tokenizer.starts_word.tolist(), strict=True))
    assert starts["\u2581the"] and starts["\u2581"] and starts["<s>"] and starts["<unk>"] and starts["[MASK]"]
    assert not starts["e"] and not starts["我"]


def test_detokenize_equals_the_package(lines, model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    ids = processor.encode(lines)
    tokenizer = SentencePieceTokenizer(model)
    assert tokenizer.detokenize(tf.ragged.constant(ids, tf.int32)).numpy().tolist() == [text.encode() for text in processor.decode(ids)]
    padded = [[2, *ids[0], 3, 0, 0]]
    assert tokenizer.detokenize(tf.constant(padded)).numpy().tolist() == [processor.decode(ids[0]).encode()]


def test_bytes_that_are_not_utf8_are_unknown_as_in_the_package(model):
    texts = [b"good \xff film", b"cut \xe4\xbd", b"\xff"]
    expected = sentencepiece.SentencePieceProcessor(model_proto=model).encode(texts)
    tokenizer = SentencePieceTokenizer(model)
    assert tokenizer.tokenize(texts).to_list() == expected
    assert tokenizer.tokenize_with_offsets([b"\xff"])[2].to_list()[0][-1] == 1


def test_made_again_from_config_and_from_its_asset(model, tmp_path):
    tokenizer = SentencePieceTokenizer(model)
    tokenizer.save_asset(tmp_path / tokenizer.ASSET)
    assert (tmp_path / "sentencepiece.model").read_bytes() == model
    config = json.loads(json.dumps(tokenizer.get_config()))
    for again in (SentencePieceTokenizer(**config), SentencePieceTokenizer(tmp_path / "sentencepiece.model", **tokenizer.settings())):
        assert again.tokenize(["good film"]).to_list() == tokenizer.tokenize(["good film"]).to_list()
        assert again.get_config() == tokenizer.get_config()


def test_a_tokenizer_made_while_a_graph_is_traced_outlives_it(model):
    made = []

    @tf.function(autograph=False)
    def traced(text):
        made.append(SentencePieceTokenizer(model))
        return made[-1].tokenize(text).to_tensor()

    expected = [sentencepiece.SentencePieceProcessor(model_proto=model).encode("good film")]
    assert traced(tf.constant(["good film"])).numpy().tolist() == expected
    assert made[-1].tokenize(["good film"]).to_list() == expected
