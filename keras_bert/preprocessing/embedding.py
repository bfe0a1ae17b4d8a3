"""EmbeddingPreprocessor: a vector a text; an example may have several texts."""

import numpy as np
import tensorflow as tf

from keras_bert.preprocessing.columns import TEXT
from keras_bert.preprocessing.text import TextPreprocessor
from keras_bert.preprocessing.text_tuples import column_name, in_order, is_texts, tuple_columns, tuple_element_columns
from keras_bert.similarity import SIMILARITIES

EMBEDDING = "embedding"
_TEXTS = "texts"  # a fact whose shape, [examples, texts], says how many texts an example has
_HASHES = 2**31 - 2


class EmbeddingPreprocessor(TextPreprocessor):
    """Texts to vectors: the answer `embedding`, float32 [batch, features]; of examples of several texts [batch, texts, features].

    The texts of an example (anchor, positive, negatives; or a pair with a score) are a row each, and stand together in a batch:
    int32 [batch, texts, length].

    Args:
        tokenizer, max_length, pad_to_multiple_of, type_vocab_size: see TextPreprocessor.
        text_pair: True: two texts are one row, as a cross-encoder reads them; False, None: a row each.
        prompts: dict of name -> what is put before a text, as {"query": "query: ", "passage": "passage: "}; None: there are none.
        default_prompt: name of that which is put before a text where nothing else is said; None: none.
        example_prompts: names of those before the first, second, ... text of an example of several; the last one goes on for those that
            follow. None: the default for all.
        truncate_dim: keep this many features of a vector, the first ones; None: all.
        normalize: whether the network gives vectors of length 1; so are cut ones then.
        similarity: how vectors are compared, one of SIMILARITIES.
    Raises: ValueError naming a value that does not fit.
    """

    def __init__(
        self,
        tokenizer,
        *,
        text_pair=None,
        prompts=None,
        default_prompt=None,
        example_prompts=None,
        truncate_dim=None,
        normalize=False,
        similarity="cosine",
        **kwargs,
    ):
        super().__init__(tokenizer, text_pair=bool(text_pair), **kwargs)
        self.prompts = _checked_prompts(prompts)
        self.default_prompt = default_prompt
        self.example_prompts = None if example_prompts is None else tuple(example_prompts)
        self.truncate_dim = truncate_dim
        self.normalize = normalize
        self.similarity = similarity
        for name in (default_prompt, *(self.example_prompts or ())):
            self._prompt(name)
        if truncate_dim is not None and (isinstance(truncate_dim, bool) or not isinstance(truncate_dim, int) or truncate_dim < 1):
            raise ValueError(f"truncate_dim={truncate_dim!r} is neither a whole number from 1 nor None")
        if similarity not in SIMILARITIES:
            raise ValueError(f"similarity={similarity!r} is not one of {', '.join(SIMILARITIES)}")

    # On the way in.

    def takes(self, x):
        return super().takes(x) if self.text_pair else is_texts(x)

    def columns(self, x):
        return super().columns(x) if self.text_pair else tuple_columns(x)

    def element_columns(self, x):
        if self.text_pair:
            return super().element_columns(x)
        ranks = {part.shape.rank for part in tf.nest.flatten(x)}
        if len(ranks) != 1 or not ranks <= {0, 1}:
            raise ValueError(f"a dataset of raw text holds text, or a tuple of texts beside a score or nothing; got elements {x}")
        return tuple_element_columns(x)

    def encode_targets(self, targets):
        """Scores of examples, or what else a loss takes, such as vectors; integers [examples, texts] number texts, see EmbeddingLoss.

        Raises: ValueError naming one that is no finite number.
        """
        if getattr(targets, "ndim", 1) == 2 and np.asarray(targets).dtype.kind == "i":
            return np.asarray(targets, "int32")
        try:
            scores = np.asarray(targets, "float32")
        except (TypeError, ValueError) as error:
            raise ValueError(f"the scores are numbers, one an example; got {targets!r:.60}") from error
        if not np.isfinite(scores).all():
            place = int(np.argwhere(~np.isfinite(scores))[0][0])
            raise ValueError(f"item {place} of the scores is {scores[place]}, which is no finite number; leave such examples out")
        return scores

    def rows(self, columns, targets=None, weights=None, *, seed=None):
        if self.text_pair:
            return super().rows(columns | {TEXT: self._prompted(columns[TEXT], 0, 1)}, targets, weights, seed=seed)
        names = list(in_order(columns))
        count = len(names)
        columns = {name: self._prompted(columns[name], index, count) for index, name in enumerate(names)}
        if count == 1:
            return super().rows(columns, targets, weights, seed=seed)
        texts = tf.stack([columns[column_name(index)] for index in range(count)], axis=1)  # (B, texts)
        rows = super().rows({TEXT: tf.reshape(texts, [-1])})
        if targets is not None and targets.dtype == tf.int32:
            # No score: what equals another text is told by its hash, so that it is not taken for a negative of it. 0 is padding's.
            targets = tf.cast(tf.strings.to_hash_bucket_fast(texts, _HASHES), tf.int32) + 1
        of_rows = [() if part is None else tf.repeat(part, count, axis=0) for part in (targets, weights)]
        counts = tf.fill([tf.shape(texts)[0]], count)
        return rows._replace(counts=counts, targets=of_rows[0], weights=of_rows[1], facts={_TEXTS: tf.zeros(tf.shape(texts), tf.int32)})

    def _prompted(self, texts, index, count):
        """Args: texts: string tensor. index: their place in the example. count: of its texts."""
        names = self.example_prompts if count > 1 and self.example_prompts else (self.default_prompt,)
        prompt = self._prompt(names[min(index, len(names) - 1)])
        return tf.strings.join([prompt, texts]) if prompt else texts

    def _prompt(self, name):
        if name in (None, ""):
            return ""
        if name not in self.prompts:
            there = ", ".join(map(repr, self.prompts)) or "none"
            raise ValueError(f"there is no prompt {name!r}; there are {there}: prompts={{name: text}}")
        return self.prompts[name]

    def pad(self, rows, *, multiple_of=None):
        inputs, targets, weights = super().pad(rows, multiple_of=multiple_of)
        if not rows.facts:
            return inputs, targets, weights
        count = rows.facts[_TEXTS].shape[1]
        count = tf.shape(rows.facts[_TEXTS])[1] if count is None else count

        def of_examples(part):
            own = [tf.shape(part)[axis] if size is None else size for axis, size in enumerate(part.shape)][1:]
            return tf.reshape(part, [-1, count, *own])

        inputs = {name: of_examples(part) for name, part in inputs.items()}
        return inputs, *(part if isinstance(part, tuple) else of_examples(part)[:, 0] for part in (targets, weights))

    def padded_lengths(self, rows, *, multiple_of=None):
        return super().padded_lengths(rows, multiple_of=multiple_of) * rows.counts  # the slots of all its texts

    # On the way out.

    def of_examples(self, predictions, inputs, rows):
        return self.cut(predictions)

    def decode(self, predictions, inputs, rows):
        return {EMBEDDING: self.cut(predictions)}

    def cut(self, vectors):
        """The first features of vectors, of length 1 again where they were. Args: vectors: [..., features]. Returns: the same."""
        if self.truncate_dim is None:
            return vectors
        vectors = vectors[..., : self.truncate_dim]
        return tf.math.l2_normalize(vectors, axis=-1, epsilon=1e-24) if self.normalize else vectors

    def get_config(self):
        prompts = None if self.example_prompts is None else list(self.example_prompts)
        names = ("default_prompt", "truncate_dim", "normalize", "similarity")
        return super().get_config() | {"prompts": dict(self.prompts), "example_prompts": prompts} | {n: getattr(self, n) for n in names}

    def with_settings(self, tokenizer=None, **changes):
        """See Preprocessor. Args: changes: also prompt: name of a prompt for this use, in place of all others; "" for none."""
        if "prompt" in changes:
            changes |= {"default_prompt": changes.pop("prompt"), "example_prompts": None}
        return super().with_settings(tokenizer, **changes)


def _checked_prompts(prompts):
    prompts = {} if prompts is None else prompts
    wrong = not isinstance(prompts, dict) or any(not isinstance(part, str) for item in prompts.items() for part in item)
    if wrong:
        raise ValueError(f"prompts={prompts!r} is no dict of names and texts, as {{'query': 'query: '}}")
    return dict(prompts)
