"""Fine-tune any BERT to summarize.

    python examples/finetune_summarizer.py --train train.jsonl --columns document summary --validation dev.jsonl --output_dir out
    python examples/finetune_summarizer.py --train train.tsv --validation dev.tsv --no_repeat_ngrams 3 --restore_case

Of a document its first --max_length tokens are read. Both sides begin with the checkpoint's weights. The best model is chosen by ROUGE-L of
what it writes to a sample of --validation. Start the same command again to go on with a run that was stopped or killed. OUT holds what that
of finetune_translator.py does.

Scores are by rouge-score (pip install keras3-bert[metrics]). The last line printed is one JSON object: validation_rouge1, _rouge2 and
_rougeL, and test_..., from 0 to 100; test_baselines, of the document's first sentence, of that cut to the mean length of a summary, and of
its one sentence with the best ROUGE-L; the rest as of finetune_translator.py.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

from writing import add_flags, train_and_score
from writing_baselines import summary_baselines

from keras_bert.metrics import score_summaries


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {"columns": ("0", "1"), "max_length": 256, "max_target_length": 64, "language": "en"}
    add_flags(parser, epochs=5, batch_size=32, learning_rate=3e-4, **defaults)
    train_and_score(parser.parse_args(), score_summaries, chosen_by="rougeL", baselines=baselines)


def baselines(pairs, train, *, language):
    return summary_baselines(*pairs, train[1], score_summaries, language=language)


if __name__ == "__main__":
    main()
