"""BertExtractiveSummarizer: the sentences of a document that say what is in it."""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_bert.metrics.written_score import score_summaries
from keras_bert.models import SentenceScorer
from keras_bert.preprocessing import ExtractivePreprocessor
from keras_bert.preprocessing.extractive import LIMITS, split_target
from keras_bert.preprocessing.text import TEXT
from keras_bert.tasks.feed import BATCH_SIZE
from keras_bert.tasks.scored_evaluation import ScoredEvaluation
from keras_bert.tasks.task import Task, setting
from keras_bert.training import SentenceCrossEntropy

SETTINGS = (*LIMITS, "block_trigrams", "language")


@keras.saving.register_keras_serializable(package="keras_bert")
class BertExtractiveSummarizer(ScoredEvaluation, Task):
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

    def scores(self, data, steps, *, batch_size, max_tokens_per_batch):
        """The scores of evaluate where the data has summaries, as data.extractive_dataset's has: rouge1, rouge2 and rougeL.

        They are metrics.score_summaries', of the text that `answer` gives by the model's settings. Without rouge-score (extra `metrics`)
        there is the loss alone.

        Args: data: Data of raw text. steps: batches of it, or None: all. Returns: dict of the scores; empty without summaries."""
        if isinstance(data.x, tf.data.Dataset):
            batches = self.labelled_batches(data.x, steps, batch_size)
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
