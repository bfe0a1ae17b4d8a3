"""Writes what both sides of a fine-tuning load: a checkpoint with a new head, and the examples as ids. A task's side says how.

Settings: files: dict of part ("train" among them) -> path. pretrained: a Transformers directory; None: random weights of `config` and
`vocabulary`. directory: where to write the checkpoint, as the peer loads it. data: where to write the examples, see quality_common: "train"
has the model inputs and labels, every other part "inputs" and what the task scores by.
"""

import json

import bert_common  # noqa: F401  # before TensorFlow
import keras

from keras_bert import BertConfig, BertEncoder, BertTokenizer, features
from keras_bert.data.tables import text_lines
from keras_bert.version import __version__


class QualityData:
    """The subclass gives write_model(settings) -> the task; train(model, path) and answered(model, path, part), dicts of the data."""

    label_padding = 0

    def __init__(self, settings):
        self.versions = {"keras_bert": __version__}
        keras.utils.set_random_seed(0)
        files, model = settings["files"], self.write_model(settings)
        train = self.train(model, files["train"])
        self.examples = len(train["labels"])
        data = {"padding": dict.fromkeys(train, 0) | {"labels": self.label_padding}, "train": train}
        data |= {part: self.answered(model, path, part) for part, path in files.items() if part != "train"}
        with open(settings["data"], "w", encoding="utf-8") as file:
            json.dump(data, file)

    def run(self, request):
        return {"examples": self.examples}


def make_model(task, settings, **options):
    """Args: task: class of tasks. options: of it. Returns: the task, on the pretrained or random encoder."""
    if settings["pretrained"]:
        return task.from_pretrained(settings["pretrained"], **options)
    encoder = BertEncoder(BertConfig(**settings["config"]))
    return task(encoder, tokenizer=BertTokenizer(settings["vocabulary"]), **options)


def inputs_of(rows):
    """Args: rows: preprocessing.Rows. Returns: dict of model input -> list of int a row."""
    inputs = {name: ragged.to_list() for name, ragged in rows.tokens.items()}
    return inputs | {features.ATTENTION_MASK: [[1] * len(ids) for ids in inputs[features.INPUT_IDS]]}


def of_examples(values, counts):
    """Args: values: a list, one a row. counts: rows of each example. Returns: list of lists, one an example."""
    values = iter(values)
    return [[next(values) for _ in range(count)] for count in counts]


def columns_of(dataset):
    """Args: dataset: unbatched tf.data.Dataset of (texts, ...). Returns: list of columns of texts, lists of str; arrays of the rest."""
    x, *others = next(dataset.batch(int(dataset.cardinality())).as_numpy_iterator())
    return [[text.decode() for text in column] for column in (x if isinstance(x, tuple) else (x,))], *others


def first_row(path):
    """Returns: list of str, the columns of a .tsv file's first line."""
    return next(iter(text_lines(path))).rstrip("\r\n").split("\t")
