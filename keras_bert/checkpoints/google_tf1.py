"""From google-research/bert's TF1 directories: bert_config.json, bert_model.ckpt.index and .data-*, vocab.txt."""

import os
import re

from keras_bert.checkpoints.checkpoint import Checkpoint
from keras_bert.checkpoints.rows import TRANSPOSED, Row, dense_rows, norm_rows
from keras_bert.checkpoints.tensorflow_checkpoint import TensorFlowCheckpoint, find_prefix
from keras_bert.config import BertConfig

FORMAT = "google_tf1"
CONFIG, VOCABULARY = "bert_config.json", "vocab.txt"

_OPTIMIZER = re.compile(r"(/adam_[mv](_1)?|/lamb_[mv]|/AdamWeightDecayOptimizer(_1)?|/LAMBOptimizer(_1)?|_power)$|^global_step$")
_KNOWN_ELSEWHERE = re.compile(r"bert/pooler/|cls/|output_weights$|output_bias$")


def open_checkpoint(directory):
    """Open a TF1 directory, as published or as google-research's scripts leave it after training.

    Args: directory: path.
    Returns: Checkpoint. Its network is told by the tensors: run_pretraining's, run_classifier's or run_squad's.
    Raises: ValueError naming the file that is missing or cannot be used.
    """
    config = read_config(directory)
    tensors = TensorFlowCheckpoint(find_prefix(directory))
    names = tensors.shapes
    labels, network = None, "BertEncoder"
    if "cls/predictions/output_bias" in names:
        network = "Pretrainer" if "cls/seq_relationship/output_weights" in names else "MaskedLM"
    elif "cls/squad/output_weights" in names:
        network = "SpanClassifier"
    elif "output_weights" in names:
        network = "SequenceClassifier"
        labels = [f"LABEL_{index}" for index in range(names["output_weights"][0])]  # run_classifier.py keeps their names in code
    return Checkpoint(
        path=directory,
        format=FORMAT,
        config=config,
        tensors=tensors,
        rows=tuple(rows(config)),
        network=network,
        labels=labels,
        tokenizer=find_tokenizer(directory),
        is_expected=lambda name: bool(_KNOWN_ELSEWHERE.match(name)),
        is_of_encoder=lambda name: name.startswith(("bert/encoder/", "bert/embeddings/")),
        is_optimizer=lambda name: bool(_OPTIMIZER.search(name)),
    )


def read_config(directory):
    """Returns: BertConfig of `directory`/bert_config.json. Raises: ValueError where it is not there, saying what would mend it."""
    path = os.path.join(directory, CONFIG)
    if not os.path.exists(path):
        raise ValueError(
            f"{directory} holds a TensorFlow checkpoint but no {CONFIG}: sizes and activation are not in the checkpoint. "
            "Copy the one of the model that training started from"
        )
    return BertConfig.from_json_file(path)


def find_tokenizer(directory):
    """Returns: function that makes the tokenizer of `directory`/vocab.txt, or None where there is none.

    google-research's directories do not say whether text is lower-cased; its scripts ask, and warn where the name of the model
    (uncased_L-12..., cased_L-12..., multilingual, chinese) says otherwise. Here the vocabulary tells: one that
    holds a piece with a capital letter A to Z besides [PAD] and its like is cased.
    """
    path = os.path.join(directory, VOCABULARY)
    if not os.path.exists(path):
        return None

    def make():
        from keras_bert.text import BertTokenizer, load_vocabulary

        vocabulary = load_vocabulary(path)
        return BertTokenizer(vocabulary, lower_case=not any(re.search("[A-Z]", piece) for piece in vocabulary if not piece.startswith("[")))

    return make


def rows(config):
    """The tensors of google-research's BERT."""
    result = [
        Row("embeddings/word", ("bert/embeddings/word_embeddings",)),
        Row("embeddings/position", ("bert/embeddings/position_embeddings",)),
        Row("embeddings/token_type", ("bert/embeddings/token_type_embeddings",)),
        *norm_rows("embeddings/norm", "bert/embeddings/LayerNorm/"),
    ]
    for index in range(config.num_hidden_layers):
        ours, theirs = f"layer_{index}", f"bert/encoder/layer_{index}"
        projections = [f"{theirs}/attention/self/{name}" for name in ("query", "key", "value")]
        result += [
            Row(f"{ours}/attention/qkv/kernel", tuple(f"{name}/kernel" for name in projections)),
            Row(f"{ours}/attention/qkv/bias", tuple(f"{name}/bias" for name in projections)),
            *dense_rows(f"{ours}/attention/output", f"{theirs}/attention/output/dense/"),
            *norm_rows(f"{ours}/attention_norm", f"{theirs}/attention/output/LayerNorm/"),
            *dense_rows(f"{ours}/intermediate", f"{theirs}/intermediate/dense/"),
            *dense_rows(f"{ours}/output", f"{theirs}/output/dense/"),
            *norm_rows(f"{ours}/output_norm", f"{theirs}/output/LayerNorm/"),
        ]
    return [
        *result,
        *dense_rows("pooler/dense", "bert/pooler/dense/"),
        *dense_rows("masked_lm/dense", "cls/predictions/transform/dense/"),
        *norm_rows("masked_lm/norm", "cls/predictions/transform/LayerNorm/"),
        Row("masked_lm/bias", ("cls/predictions/output_bias",)),
        *_output_rows("next_sentence", "cls/seq_relationship/"),
        *_output_rows("classifier", ""),
        *_output_rows("span", "cls/squad/"),
    ]


def _output_rows(path, name):
    return [Row(f"{path}/kernel", (f"{name}output_weights",), TRANSPOSED), Row(f"{path}/bias", (f"{name}output_bias",))]
