"""BertEmbedder: one vector a text."""

import contextlib

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_bert.models import TextEmbedder
from keras_bert.preprocessing import EmbeddingPreprocessor
from keras_bert.preprocessing import columns as column_lib
from keras_bert.similarity import similarities
from keras_bert.tasks.embedding_evaluation import score_examples
from keras_bert.tasks.feed import BATCH_SIZE
from keras_bert.tasks.scored_evaluation import ScoredEvaluation
from keras_bert.tasks.search import search_vectors
from keras_bert.tasks.task import setting
from keras_bert.tasks.text_task import TextTask
from keras_bert.training.cached_gradients import CachedStep
from keras_bert.training.distribution import is_tpu
from keras_bert.training.embedding_losses import DefaultEmbeddingLoss, loss_of
from keras_bert.training.multiple_negatives import MultipleNegatives

QUERY_PROMPTS, CORPUS_PROMPTS = ("query",), ("document", "passage", "corpus")  # sentence-transformers' encode_query, encode_document


@keras.saving.register_keras_serializable(package="keras_bert")
class BertEmbedder(ScoredEvaluation, TextTask):
    """Text embeddings: like texts have like vectors.

        model = BertEmbedder.from_pretrained("all-MiniLM-L6-v2")
        vectors = model.predict(["a fine film", "what a treat"])    # float32 [2, hidden_size]
        model.similarity(vectors, vectors)                          # cosines, float32 [2, 2]
        model.fit((questions, answers))                             # pairs that belong together; or with hard negatives as a third column
        model.fit((texts, others), scores)                          # how like each pair is, 0 to 1
        model.answer(["a fine film"])                               # [{"embedding": [...]}]

    An example of several texts is a tuple of columns, or in a dataset ((anchor, positive),) or ((text, other), score); `predict` gives
    float32 [examples, texts, features] for it. `evaluate` adds how well the vectors do.

    Args:
        encoder: BertEncoder.
        tokenizer: Tokenizer, or None to take only the contract.
        pooling: "mean", "max", "cls" or "pooler"; see models.TextEmbedder.
        dense: dense layers after the pooling; see models.TextEmbedder.
        normalize: scale each vector to length 1.
        prompts, default_prompt, example_prompts, truncate_dim, similarity: see EmbeddingPreprocessor.
        max_length, pad_to_multiple_of: see Task.
        text_pair: True reads two texts as one row.
        network: TextEmbedder that is there already, of this encoder; None makes one.
    """

    NETWORK = TextEmbedder
    NETWORK_OPTIONS = TextEmbedder.OPTIONS
    PREPROCESSOR = EmbeddingPreprocessor
    takes_several_texts = True  # see training.guards
    prompts, default_prompt, example_prompts = setting("prompts"), setting("default_prompt"), setting("example_prompts")
    truncate_dim, similarity_name = setting("truncate_dim"), setting("similarity")

    def __init__(
        self,
        encoder,
        tokenizer=None,
        *,
        pooling="mean",
        dense=(),
        normalize=True,
        prompts=None,
        default_prompt=None,
        example_prompts=None,
        truncate_dim=None,
        similarity="cosine",
        network=None,
        **kwargs,
    ):
        network = TextEmbedder(encoder, pooling=pooling, dense=dense, normalize=normalize) if network is None else network
        preprocessing = {"prompts": prompts, "default_prompt": default_prompt, "example_prompts": example_prompts}
        preprocessing |= {"truncate_dim": truncate_dim, "similarity": similarity, "normalize": network.normalize}
        super().__init__(network, tokenizer, preprocessing=preprocessing, **kwargs)

    def _checked(self, preprocessor):
        preprocessor = super()._checked(preprocessor)
        size = self.network.output_shape[-1]
        if preprocessor.truncate_dim is not None and preprocessor.truncate_dim > size:
            raise ValueError(f"truncate_dim={preprocessor.truncate_dim} is over the {size} features of a vector")
        return preprocessor

    def call(self, features, training=None):
        shape = ops.shape(next(iter(features.values())))
        if len(shape) == 2:
            return self.network(features, training=training)
        rows = {name: ops.reshape(part, (-1, shape[-1])) for name, part in features.items()}  # (B * texts, T)
        vectors = self.network(rows, training=training)
        return ops.reshape(vectors, (-1, shape[1], vectors.shape[-1]))

    # Training.

    def default_loss(self):
        return DefaultEmbeddingLoss()

    rows_at_once = None  # see compile

    def compile(self, optimizer="auto", loss="auto", metrics="auto", *, rows_at_once=None, **kwargs):
        """Task.compile.

        Args:
            loss: "auto": CosineRegression of pairs with scores, MultipleNegatives of examples without. Or a name in
                training.embedding_losses.LOSSES: "multiple_negatives", "cosine_regression", "triplet", "contrastive",
                "online_contrastive". Or a loss of keras_bert.training, or any of Keras of vectors and targets.
            rows_at_once: texts that are embedded at once, for batches that do not fit: see training.cached_gradients. The loss is still
                of the whole batch, all its negatives included. None: all of them.
            others: see Task.compile.
        Raises: ValueError on a value that does not fit.
        """
        if rows_at_once is not None and (isinstance(rows_at_once, bool) or int(rows_at_once) != rows_at_once or rows_at_once < 1):
            raise ValueError(f"rows_at_once={rows_at_once!r} is neither a whole number from 1 nor None")
        if rows_at_once is not None and kwargs.get("adversarial_epsilon") is not None:
            raise ValueError(f"rows_at_once={rows_at_once} with adversarial_epsilon: one of them, not both")
        if rows_at_once is not None and kwargs.get("jit_compile") is True:
            raise ValueError(f"rows_at_once={rows_at_once} with jit_compile=True: XLA does not take its loops; leave jit_compile out")
        self.rows_at_once = rows_at_once
        if rows_at_once is not None or self.distribute_strategy.num_replicas_in_sync > 1:
            if kwargs.get("jit_compile", "auto") == "auto":
                kwargs["jit_compile"] = False  # loops of rows, and what replicas tell each other in a loss, are none of XLA's
        super().compile(optimizer=optimizer, loss=loss_of(loss), metrics=metrics, **kwargs)

    def get_compile_config(self):
        return super().get_compile_config() | {"rows_at_once": self.rows_at_once}

    def replica_step(self, loss):
        return super().replica_step(loss) if self.rows_at_once is None else CachedStep(self, loss, self.rows_at_once)

    def ready(self, data, *, labelled=True, **options):
        if labelled and isinstance(data.x, tf.data.Dataset) and self._is_raw(data.x):
            data = data._replace(x=self._examples(data.x))
        return super().ready(data, labelled=labelled, **options)

    def _read(self, x, y):
        columns, targets = super()._read(x, y)
        if targets is None and len(columns) > 1 and not self.text_pair:
            targets = np.ones(len(next(iter(columns.values()))), "int32")  # no scores: see EmbeddingPreprocessor.rows
        return columns, targets

    def batches_by_length(self, elements):
        # Texts without scores are each other's negatives: those of one length would be a poor choice of them, and the questions about one
        # paragraph, which are as long as it is, would all meet.
        targets = elements.element_spec[1] if len(elements.element_spec) > 1 else None
        return super().batches_by_length(elements) and getattr(targets, "dtype", None) != tf.int32

    def training_batches(self, examples, batch_size=None, **options):
        """Task.training_batches. Examples without scores meet in random order, not by length: they are each other's negatives."""
        examples = self._examples(examples)
        if not self.text_pair and isinstance(examples.element_spec, tuple) and len(examples.element_spec) > 1:
            x, y = examples.element_spec[:2]
            self._check_negatives(len(tf.nest.flatten(x)), y.dtype == tf.int32, batch_size)
        return super().training_batches(examples, batch_size, **options)

    def _check_negatives(self, texts, is_without_scores, batch_size):
        """Raises: ValueError where there is nothing to tell a positive from. Args: texts: of an example."""
        loss = getattr(self.loss, "loss", self.loss)  # a Matryoshka's
        if texts == 2 and is_without_scores and batch_size == 1 and isinstance(loss, (DefaultEmbeddingLoss, MultipleNegatives)):
            raise ValueError(
                "a batch of 1 pair: an example alone has no negatives, and there is nothing to learn; give a greater batch_size, such as "
                "32, or a column of negatives"
            )

    def fit(self, x=None, y=None, batch_size=None, *args, validation_data=None, **kwargs):
        """TrainingModel.fit on examples of several texts, see the class; validation_data: (texts, others) or ((texts, others), scores).

        Examples without scores meet in random order, not by length, since they are each other's negatives; max_tokens_per_batch still makes
        batches of like length.
        """
        if isinstance(validation_data, tuple) and not self.text_pair and all(map(column_lib.is_text, validation_data)):
            if not isinstance(validation_data[0], tuple):
                validation_data = validation_data, None  # columns of texts: there are no scores
        is_in_memory = not isinstance(x, tf.data.Dataset) and self._is_raw(x)
        if is_in_memory and y is None and not self.text_pair:
            columns = self.preprocessor.columns(x)
            self._check_negatives(len(columns), True, min(batch_size or BATCH_SIZE, len(columns[column_lib.TEXT])))
        return super().fit(x, y, batch_size, *args, validation_data=validation_data, **kwargs)

    def scores(self, data, steps, *, batch_size, max_tokens_per_batch):
        """The scores of evaluate.

        With scores in the data: spearman, pearson. Without: recall@1, recall@5, recall@10, mrr@10, ndcg@10, of each first text among all
        others; of triplets triplet_accuracy too. So fit and Trainer have val_spearman or val_recall@1.

        Args: data: Data of raw text. steps: batches of it, or None: all. Returns: dict, see score_examples."""
        if isinstance(data.x, tf.data.Dataset):
            batches = self.labelled_batches(self._examples(data.x), steps, batch_size)
            columns = {name: [text for batch in batches for text in batch[0][name].tolist()] for name in batches[0][0]}
            targets = np.concatenate([batch[1] for batch in batches])
        else:
            columns, targets = self._read(data.x, data.y)
            rows = None if steps is None else steps * (batch_size or BATCH_SIZE)
            columns, targets = {name: column[:rows] for name, column in columns.items()}, np.asarray(targets)[:rows]
        if len(columns) < 2 or self.text_pair or targets.ndim != 1 or len(targets) < 2:
            return {}
        options = {"max_tokens_per_batch": max_tokens_per_batch} if max_tokens_per_batch else {"batch_size": batch_size}
        vectors = self.predict(columns, verbose=0, **options)
        scores = None if targets.dtype == np.int32 else targets
        return score_examples(vectors, list(columns.values()), scores, similarity=self.similarity_name)

    def _examples(self, dataset, *, labelled=True):
        """A dataset of raw text with targets: scores are float32, and int32 stands for none."""
        spec = dataset.element_spec
        if self.text_pair:
            return dataset
        parts = spec if isinstance(spec, tuple) else (spec,)
        # A tuple of strings is an example of several texts: no score is a string.
        bare = len(parts) > 1 and all(getattr(part, "dtype", None) == tf.string for part in parts)
        if not bare and len(parts) > 1:
            return dataset.map(lambda x, y, *weights: (x, y if y.dtype == tf.string else tf.cast(y, tf.float32), *weights))
        several = bare or isinstance(parts[0], (tuple, dict))
        if not several or not labelled:
            return dataset.map(lambda *texts: (texts,)) if bare else dataset

        def with_targets(*element):
            texts = element if bare else element[0]
            return texts, tf.ones_like(tf.strings.length(tf.nest.flatten(texts)[0]))

        return dataset.map(with_targets if isinstance(spec, tuple) else lambda texts: with_targets(texts))

    # Asking.

    def predict(self, x, *args, prompt=None, truncate_dim=None, **kwargs):
        """keras.Model.predict on text: vectors.

        Args:
            x: texts: float32 [texts, features]; or examples of several: float32 [examples, texts, features].
            prompt: name of the prompt that is put before each text, in place of the model's own; "" for none.
            truncate_dim: features to keep.
            others: as TrainingModel.predict.
        """
        if isinstance(x, tf.data.Dataset) and self._is_raw(x):
            x = self._examples(x, labelled=False)
        if prompt is not None and (kwargs.get("callbacks") or is_tpu(self.distribute_strategy)):
            raise ValueError(
                f"prompt={prompt!r} was given beside callbacks or on TPU, where Keras's loop takes the model's own: set default_prompt"
            )
        with self._asking({"prompt": prompt, "truncate_dim": truncate_dim}):
            vectors = super().predict(x, *args, **kwargs)
        if truncate_dim is None:
            return vectors
        # Once more where replicas shared the batches, by the model's own settings.
        return np.asarray(self._checked(self.preprocessor.with_settings(truncate_dim=truncate_dim)).cut(vectors))

    @contextlib.contextmanager
    def _asking(self, settings):
        """Have predictions of this thread take other settings of the preprocessor."""
        before = getattr(self._local, "settings", {})
        self._local.settings = before | {name: value for name, value in settings.items() if value is not None}
        try:
            yield
        finally:
            self._local.settings = before

    def _predictor(self, *, answers, **settings):
        return super()._predictor(answers=answers, **(getattr(self._local, "settings", {}) | settings))

    def similarity(self, first, second):
        """How like vectors are, by the model's similarity: cosines, unless it says otherwise.

        Args: first: float [n, features]. second: float [m, features]. Returns: float32 [n, m]; more is more alike.
        """
        return similarities(first, second, self.similarity_name)

    def semantic_search(self, queries, corpus, top_k=10, *, query_prompt=None, corpus_prompt=None, batch_size=None, backend="numpy"):
        """Find the texts of a corpus that are most like each query. Exact, in batches, whatever the size of the corpus.

            model.semantic_search(["how do I pay?"], ["Payment is by card.", "We are open daily."], top_k=1)
            # [[{"corpus_id": 0, "score": 0.61}]]

        Args:
            queries, corpus: texts, or vectors that predict gave: float [n, features].
            top_k: how many; of a smaller corpus, all.
            query_prompt, corpus_prompt: names of prompts; None: "query", and "document", "passage" or "corpus", where the model has them.
            backend: "numpy", or "faiss" where that is installed; see search.search_vectors.
        Returns: list of lists of dicts, one list a query, the best first.
        Raises: ValueError where the corpus is empty, or vectors do not fit.
        """
        query_prompt = self._first_prompt(query_prompt, QUERY_PROMPTS)
        corpus_prompt = self._first_prompt(corpus_prompt, CORPUS_PROMPTS)
        vectors = self._vectors(queries, query_prompt, batch_size), self._vectors(corpus, corpus_prompt, batch_size)
        places, scores = search_vectors(*vectors, top_k, similarity=self.similarity_name, backend=backend)
        return [
            [{"corpus_id": place, "score": score} for place, score in zip(*row, strict=True)]
            for row in zip(places.tolist(), scores.tolist(), strict=True)
        ]

    def _first_prompt(self, given, names):
        return given if given is not None else next((name for name in names if name in self.prompts), None)

    def _vectors(self, x, prompt, batch_size):
        """Texts or vectors -> vectors."""
        if isinstance(x, (list, tuple)) and not len(x):
            raise ValueError("there are no texts: the list is empty")
        return self.predict(x, batch_size=batch_size, prompt=prompt, verbose=0) if self._is_raw(x) else np.asarray(x, "float32")
