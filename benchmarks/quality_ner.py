"""Named entities, as a task of the suite quality: BertTagger beside Transformers' BertForTokenClassification, a softmax a word."""

import importlib.util
import json

from benchmarks import peers

NAME = "ner"
HELP = "named entities, CoNLL columns or .jsonl; of its own the WNUT-17 that examples/data holds"
SCORE = "F1 of entities"
FILES = {
    part: str(peers.ROOT / "examples" / "data" / "wnut17" / f"{name}.conll.gz")
    for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
}
EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 16, 2e-4  # as examples/finetune_tagger.py; MiniLM is small, and wants a higher rate than BERT-base
OWN = "keras_bert_ner"
PEERS = {"transformers": "transformers_ner"}


def prepare(settings, options):
    """Write checkpoint and data, by a side that then ends. Returns: int: sentences to train on. Raises: BenchmarkError without seqeval."""
    if importlib.util.find_spec("seqeval") is None:  # told before the measuring rather than after
        raise peers.BenchmarkError('entities are scored by seqeval: pip install -e ".[metrics]"')
    with peers.Side("data", "keras_bert_ner_data", threads=options.threads, settings=settings) as side:
        return side.ask("run")["examples"]


def score(answers, part, settings):
    """Returns: float, seqeval's F1. Args: answers: tags of each sentence of that part."""
    from keras_bert.metrics import score_entities

    with open(settings["data"], encoding="utf-8") as file:
        return score_entities(json.load(file)[part]["tags"], answers)["f1"]
