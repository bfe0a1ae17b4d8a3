"""From running text to pretraining examples, and from those to batches with masks."""

from keras_bert.pretraining.beam import prepare_with_beam
from keras_bert.pretraining.chinese_words import segmented_continues
from keras_bert.pretraining.curves import draw_pretraining_curves
from keras_bert.pretraining.dataset import evaluation_batches, training_batches
from keras_bert.pretraining.embedding_scale import shrink_embeddings
from keras_bert.pretraining.filled_masks import filled_masks
from keras_bert.pretraining.held_out import CorpusPart
from keras_bert.pretraining.length_picture import draw_lengths
from keras_bert.pretraining.manifest import read_manifest
from keras_bert.pretraining.masking import Masker, MaskingSettings
from keras_bert.pretraining.packing import pack_first_fit
from keras_bert.pretraining.prepare import prepare_pretraining_data
from keras_bert.pretraining.reading import read_examples, stream_examples
from keras_bert.pretraining.recipes import FURTHER_LEARNING_RATE, FURTHER_PHASES, RECIPES, Phase, Recipe
from keras_bert.pretraining.records import parse_records, row_features
from keras_bert.pretraining.settings import ExampleSettings
from keras_bert.pretraining.streamed import streamed_batches

__all__ = [
    "FURTHER_LEARNING_RATE",
    "FURTHER_PHASES",
    "RECIPES",
    "CorpusPart",
    "ExampleSettings",
    "Masker",
    "MaskingSettings",
    "Phase",
    "Recipe",
    "draw_lengths",
    "draw_pretraining_curves",
    "evaluation_batches",
    "filled_masks",
    "pack_first_fit",
    "parse_records",
    "prepare_pretraining_data",
    "prepare_with_beam",
    "read_examples",
    "read_manifest",
    "row_features",
    "segmented_continues",
    "shrink_embeddings",
    "stream_examples",
    "streamed_batches",
    "training_batches",
]
