"""Files, tensorflow-datasets and arrays -> tf.data."""

from keras_bert.data.balance import balanced, balanced_weights, label_counts, targets_of
from keras_bert.data.batching import batch_by_length, batch_by_tokens, count_batches, cut_by_tokens, with_lengths
from keras_bert.data.classification import read_classification, read_labels
from keras_bert.data.conll import conll_sentences, read_conll, read_tags, write_conll
from keras_bert.data.corpus import Corpus
from keras_bert.data.corpus_files import CorpusCounts
from keras_bert.data.embedding_examples import read_embedding_examples
from keras_bert.data.extractive import extractive_dataset, extractive_labels, sentence_scores
from keras_bert.data.frames import Frame, PropbankSentence, arguments_of, frame_tags, propbank_dataset, role_labels
from keras_bert.data.intent_slots import intent_slot_labels, intent_slots_dataset, read_intent_slots
from keras_bert.data.multiple_choice import read_multiple_choice
from keras_bert.data.parallel import read_parallel
from keras_bert.data.propbank import read_propbank, write_props
from keras_bert.data.role_examples import role_examples
from keras_bert.data.sentences import split_sentences
from keras_bert.data.squad import Answer, SquadExample, read_squad, squad_dataset
from keras_bert.data.stream import endless_batches, known_count

__all__ = [
    "Answer",
    "Corpus",
    "CorpusCounts",
    "Frame",
    "PropbankSentence",
    "SquadExample",
    "arguments_of",
    "balanced",
    "balanced_weights",
    "batch_by_length",
    "batch_by_tokens",
    "conll_sentences",
    "count_batches",
    "cut_by_tokens",
    "endless_batches",
    "extractive_dataset",
    "extractive_labels",
    "frame_tags",
    "intent_slot_labels",
    "intent_slots_dataset",
    "known_count",
    "label_counts",
    "propbank_dataset",
    "read_classification",
    "read_conll",
    "read_embedding_examples",
    "read_intent_slots",
    "read_labels",
    "read_multiple_choice",
    "read_parallel",
    "read_propbank",
    "read_squad",
    "read_tags",
    "role_examples",
    "role_labels",
    "sentence_scores",
    "split_sentences",
    "squad_dataset",
    "targets_of",
    "with_lengths",
    "write_conll",
    "write_props",
]
