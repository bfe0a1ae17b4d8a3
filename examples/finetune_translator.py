"""Fine-tune any BERT to translate.

    python examples/finetune_translator.py --train train.tsv --validation dev.tsv --output_dir out
    python examples/finetune_translator.py --train train.en train.zh --validation dev.en dev.zh --decoder_vocabulary zh.txt --language zh
    python examples/finetune_translator.py --train memory.tmx --columns en zh --decoder_vocabulary zh.txt --language zh

    python examples/split_pairs.py --pairs pairs.tsv --vocabulary_size 5000 --output_dir pairs     # such files out of one

Both sides begin with the checkpoint's weights, but for a decoder with a vocabulary of its own, whose word embedding is new: a language with
letters that the checkpoint's vocabulary lacks wants one. The best model is chosen by chrF of what it writes to a sample of --validation.
Start the same command again to go on with a run that was stopped or killed. OUT holds run.json, log.jsonl, tensorboard/,
training_curves.png, samples.jsonl (some answers of each validation), checkpoints/, and at the end model/ (load it by
keras_bert.from_pretrained, serve it by `python -m export --model OUT/model`), report.json, and what was written to --validation and --test.

Scores are by sacrebleu, the baseline by scikit-learn (pip install keras3-bert[metrics]). The last line printed is one JSON object:
validation_bleu, validation_chrf, and test_..., from 0 to 100; test_baselines, of the target of the training source that is most like;
examples_seen, source_tokens_seen, target_tokens_seen; cut_sources and cut_targets, which have over --max_length and --max_target_length
tokens; batch_size, steps, best_step, train_seconds, resumed_from, interrupted, ...
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

from writing import add_flags, train_and_score
from writing_baselines import translation_baselines

from keras_bert.metrics import score_translations


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # New weights between the sides, and often a new word embedding, want a higher rate and more epochs than a classifier.
    defaults = {"columns": ("0", "1"), "max_length": 64, "max_target_length": 64, "language": "en"}
    add_flags(parser, epochs=10, batch_size=32, learning_rate=3e-4, **defaults)
    train_and_score(parser.parse_args(), score_translations, chosen_by="chrf", baselines=baselines)


def baselines(pairs, train, *, language):
    return translation_baselines(*pairs, *train, score_translations, language=language)


if __name__ == "__main__":
    main()
