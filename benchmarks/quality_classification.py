"""Classes of texts, as a task of the suite quality: BertClassifier beside Transformers' BertForSequenceClassification, by the pooler."""

import json

from benchmarks import peers

NAME = "classification"
HELP = "classes of texts, .tsv of label, text and perhaps a second text; of its own the film reviews that examples/data holds"
SCORE = "accuracy"
FILES = {
    part: str(peers.ROOT / "examples" / "data" / "sentence_polarity" / f"{name}.tsv.gz")
    for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
}
EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 32, 5e-5  # as examples/finetune_classifier.py
OWN = "keras_bert_classification"
PEERS = {"transformers": "transformers_classification"}


def prepare(settings, options):
    """Write checkpoint and data, by a side that then ends. Returns: int: texts to train on."""
    with peers.Side("data", "keras_bert_classification_data", threads=options.threads, settings=settings) as side:
        return side.ask("run")["examples"]


def score(answers, part, settings):
    """Returns: float, the share that is right. Args: answers: label of each text of that part."""
    with open(settings["data"], encoding="utf-8") as file:
        labels = json.load(file)[part]["labels"]
    return sum(answer == label for answer, label in zip(answers, labels, strict=True)) / len(labels)
