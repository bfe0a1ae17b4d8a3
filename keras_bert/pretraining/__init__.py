"""From running text to pretraining examples."""

from keras_bert.pretraining.beam import prepare_with_beam
from keras_bert.pretraining.manifest import read_manifest
from keras_bert.pretraining.packing import pack_first_fit
from keras_bert.pretraining.prepare import prepare_pretraining_data
from keras_bert.pretraining.reading import read_examples, stream_examples
from keras_bert.pretraining.records import parse_records, row_features
from keras_bert.pretraining.settings import ExampleSettings

__all__ = [
    "ExampleSettings",
    "pack_first_fit",
    "parse_records",
    "prepare_pretraining_data",
    "prepare_with_beam",
    "read_examples",
    "read_manifest",
    "row_features",
    "stream_examples",
]
