"""role_examples: sentences with predicates and roles -> a tf.data.Dataset that BertSemanticRoleLabeler trains on."""

import tensorflow as tf

from keras_bert.data.frames import propbank_dataset


def role_examples(sentences, labels):
    """propbank_dataset as a dataset, for what begins anywhere (Task.training_batches) or is shuffled and batched by its user.

    Args: sentences: PropbankSentences. labels: list of str, as role_labels gives.
    Returns: unbatched tf.data.Dataset of ({"words": string [words], "predicates": string [predicates], indexes in digits},
        int32 tf.RaggedTensor [predicates, (words)]), of known cardinality.
    Raises: ValueError where there are no sentences, or naming sentence and role that the labels lack.
    """
    columns, targets = propbank_dataset(sentences, labels)
    if not targets:
        raise ValueError("there are no sentences")

    def ragged(rows, dtype, convert):
        values = tf.constant([convert(value) for row in rows for value in row], dtype)
        return tf.RaggedTensor.from_row_lengths(values, tf.constant([len(row) for row in rows], tf.int64))

    words = ragged(columns["words"], tf.string, str)
    predicates = ragged(columns["predicates"], tf.string, str)
    roles = ragged([tags for rows in targets for tags in rows], tf.int32, int)
    roles = predicates.with_values(roles)
    return tf.data.Dataset.from_tensor_slices(({"words": words, "predicates": predicates}, roles))
