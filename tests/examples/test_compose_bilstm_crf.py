"""examples/compose_bilstm_crf.py as users start it, with a tiny encoder."""

import json
import os
import sys

import keras
import pytest

from keras_bert import BertConfig, BertEncoder, BertMaskedLM, BertTokenizer


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("--train_encoder",)])
def test_layers_of_ones_own_on_an_encoder(root, fresh_python, uncased_vocabulary, tmp_path, flags):
    keras.utils.set_random_seed(3)
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64)
    BertMaskedLM(BertEncoder(config), BertTokenizer(uncased_vocabulary)).save_pretrained(tmp_path / "bert")
    sentences = ["John B-PER\nruns O\n", "we O\nmet O\nMary B-PER\nLee I-PER\n", "it O\nrains O\n"] * 8
    (tmp_path / "train.conll").write_text("\n".join(sentences))
    command = [sys.executable, root / "examples" / "compose_bilstm_crf.py", "--pretrained", tmp_path / "bert", *flags]
    command += ["--train", tmp_path / "train.conll", "--test", tmp_path / "train.conll"]
    command += ["--epochs", 40, "--batch_size", 8, "--lstm_units", 8]
    done = fresh_python.run(list(map(str, command)), env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["test_f1"] == 1.0 and figures["sentences"] == 400
    # By hand: LSTMs of 8 units each way on 16 features, a dense layer to the 3 tags, and the CRF's moves.
    own = 2 * 4 * 8 * (16 + 8 + 1) + (16 + 1) * 3 + (9 + 3 + 3)
    encoder = (30522 + 64 + 2) * 16 + 2 * 16 + 4 * 17 * 16 + 2 * 16 + 17 * 32 + 33 * 16 + 2 * 16
    pooler = 17 * 16
    assert figures["trained_parameters"] in ((own,) if not flags else (own + encoder, own + encoder + pooler))
