"""BertExtractiveSummarizer: the sentences of a document that say what is in it."""

import contextlib
import functools
import threading

import keras
import numpy as np
import tensorflow as tf

from keras_bert.metrics.written_score import score_summaries
from keras_bert.models import SentenceScorer
from keras_bert.preprocessing import ExtractivePreprocessor
from keras_bert.preprocessing.extractive import LIMITS, split_target
from keras_bert.preprocessing.text import TEXT
from keras_bert.tasks.feed import BATCH_SIZE
from keras_bert.tasks.task import Task, setting
from keras_bert.training import SentenceCrossEntropy
from keras_bert.training.averaging import averaged_weights
from keras_bert.training.distribution import untuned
from keras_bert.training.fit_data import Data
from keras_bert.training.keras_internals import is_validation_of_fit

SETTINGS = (*LIMITS, "block_trigrams", "language")


@keras.saving.register_keras_serializable(package="keras_bert")
class BertExtractiveSummarizer(Task):
    """Summaries that are sentences of the document. BertSum, of Liu & Lapata 2019.

        model = BertExtractiveSummarizer.from_pretrained("path/to/bert")
        model.fit(data.extractive_dataset([("It rained. Ann met Bob in Rome.", "Ann met Bob")]))
        model.fit(["It rained. Ann met Bob in Rome."], [[0, 1]])                # or labels of one's own, one a sentence
        model.answer(["It rained. Ann met Bob in Rome."], num_sentences=1)
        # [{"text": "Ann met Bob in Rome.", "sentence_count": 1,
        #   "sentences": [{"text": "Ann met Bob in Rome.", "start": 11, "end": 31, "score": 0.9, "index": 1}]}]

    Documents of any length are taken, in several rows where one has no room. What the options of answering do, which change nothing of
    training: see preprocessing.ExtractivePreprocessor.

    `predict` gives the probabilities of all sentences, float32 [documents, sentences], 0 past a document's last; calling the model on what
    `preprocess(documents)` gives, logits, float32 [rows, sentences].

    Args:
        encoder: BertEncoder.
        tokenizer: Tokenizer, or None to take only the contract.
        dropout: rate before the head; None takes the encoder's hidden_dropout_prob.
        max_length: most tokens of a row; None takes 512, or max_position_embeddings where that is less. pad_to_multiple_of: see Task.
        num_sentences, share, max_characters, block_trigrams, language: see preprocessing.ExtractivePreprocessor.
        network: SentenceScorer that is there already, of this encoder; None makes one.
    """

    NETWORK = SentenceScorer
    NETWORK_OPTIONS = SentenceScorer.OPTIONS
    PREPROCESSOR = ExtractivePreprocessor
    DEFAULT_LENGTH = 512
    OWN_NONE = (*Task.OWN_NONE, *LIMITS)
    num_sentences, share, max_characters = (setting(name) for name in LIMITS)
    block_trigrams, language = setting("block_trigrams"), setting("language")

    def __init__(self, encoder, tokenizer=None, *, dropout=None, network=None, **options):
        self._local = threading.local()  # fit's validation data, while it runs
        preprocessing = {name: options.pop(name) for name in SETTINGS if name in options}
        network = SentenceScorer(encoder, dropout=dropout) if network is None else network
        super().__init__(network, tokenizer, preprocessing=preprocessing, **options)

    def call(self, features, training=None):
        return self.through(functools.partial(self.network, training=training), features)

    def through(self, network, inputs):
        return network(self.preprocessor.answer_inputs(inputs))

    def class_weights(self, class_weight):
        if class_weight is not None:
            raise ValueError(f"class_weight={class_weight!r}: a sentence is chosen or not, and has no class; give sample_weight instead")
        return None

    def default_loss(self):
        return SentenceCrossEntropy()

    # Evaluation.

    def fit(self, *args, **kwargs):
        """TrainingModel.fit on documents with labels, see the class; val_rouge1, val_rouge2 and val_rougeL where there are summaries."""
        try:
            return super().fit(*args, **kwargs)
        finally:
            self._local.validation = None

    def _ready_validation(self, data, batch_size, budget):
        self._local.validation = data, {"batch_size": batch_size, "max_tokens_per_batch": budget}
        return super()._ready_validation(data, batch_size, budget)

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, *, return_dict=False, **kwargs):
        """keras.Model.evaluate: the loss, and where the data has summaries, as data.extractive_dataset's has, rouge1, rouge2 and rougeL.

        The scores are metrics.score_summaries', of the text that `answer` gives by the model's settings. Without rouge-score (extra
        `metrics`) there is the loss alone.

        Args: as TrainingModel.evaluate; return_dict: values by name; else a list, the loss first.
        """
        of_fit = is_validation_of_fit(kwargs)
        results = super().evaluate(x, y, batch_size, verbose, sample_weight, return_dict=True, **kwargs)
        options = {"batch_size": batch_size, "max_tokens_per_batch": kwargs.get("max_tokens_per_batch")}
        data, options = (getattr(self._local, "validation", None) or (None, {})) if of_fit else (Data(x, y), options)
        if data is not None and self._is_raw(data.x):
            with averaged_weights(self) if of_fit else contextlib.nullcontext():
                results |= self._rouge(data, kwargs.get("steps"), **options)
        if return_dict:
            return results
        return list(results.values()) if len(results) > 1 else results["loss"]

    def _rouge(self, data, steps, *, batch_size, max_tokens_per_batch):
        """Args: data: Data of raw text. steps: batches of it, or None: all. Returns: dict of the scores; empty without summaries."""
        if isinstance(data.x, tf.data.Dataset):
            elements, batched = self._feed.elements_of(data.x, labelled=True)
            elements = elements if batched else elements.batch(batch_size or BATCH_SIZE)
            elements = elements if steps is None else elements.take(steps)
            batches = list(elements.with_options(untuned(elements)).as_numpy_iterator())
            texts = [text for columns, *_ in batches for text in columns[TEXT].tolist()]
            targets = [target for _, part, *_ in batches for target in part]
        else:
            columns, targets = self._read(data.x, data.y)
            rows = None if steps is None else steps * (batch_size or BATCH_SIZE)
            texts, targets = columns[TEXT][:rows], targets[:rows]
        summaries = [part.decode("utf-8", "replace") for part in split_target(np.array(targets, "object"))[1].numpy()]
        if not any(summaries):
            return {}
        options = {"max_tokens_per_batch": max_tokens_per_batch} if max_tokens_per_batch else {"batch_size": batch_size}
        answers = [answer["text"] for answer in self.answer(texts, **options)]
        try:
            return score_summaries(answers, summaries, language=self.language)
        except ImportError:
            return {}
