"""What is taken of an EncoderDecoderModel's files besides its weights; tests/models/test_seq2seq.py has those."""

import json
import shutil

import pytest

from keras_bert.checkpoints import encoder_decoder


@pytest.mark.parametrize("early_stopping", [False, True, "never", None])
def test_how_to_write_is_taken_from_the_generation_config(shared, tmp_path, early_stopping):
    path = tmp_path / "theirs"
    shutil.copytree(shared / "reference" / "transformers_more" / "encoder_decoder", path)
    said = {"num_beams": 4, "length_penalty": 2.0, "no_repeat_ngram_size": 3, "max_length": 30, "min_length": 5}
    (path / "generation_config.json").write_text(json.dumps(said | {"early_stopping": early_stopping}))
    settings = encoder_decoder.open_checkpoint(path).settings
    del settings["decoder"]
    (path / "generation_config.json").write_text(json.dumps(said | {"length_penalty": 0.0, "min_length": 0, "no_repeat_ngram_size": 0}))
    neutral = encoder_decoder.open_checkpoint(path).settings
    assert neutral["length_penalty"] == 0.0 and not {"min_target_length", "no_repeat_ngrams"} & set(neutral)
    expected = {"num_beams": 4, "length_penalty": 2.0, "no_repeat_ngrams": 3, "max_target_length": 30, "min_target_length": 6}
    assert settings == expected | ({} if early_stopping is None else {"early_stopping": early_stopping})
