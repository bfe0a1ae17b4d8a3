"""Exports a BertClassifier for a server, and ends.

Settings: directory: of weights, see keras_bert_weights. length: most tokens of a text. exports: dict of dtype -> the model's directory,
in which the version is made.
"""

import bert_common
import side

from export import export_saved_model
from keras_bert import BertClassifier
from keras_bert.version import __version__


class SavedModels:
    def __init__(self, settings):
        self.versions = bert_common.versions(("tensorflow", "keras")) | {"keras_bert": __version__}
        model = BertClassifier.from_pretrained(settings["directory"], max_length=settings["length"], text_pair=False)
        for dtype, path in settings["exports"].items():
            # In float32 freezing gains nothing, and costs memory and time.
            export_saved_model(model, path, **({} if dtype == "float32" else {"dtype": dtype, "freeze": True}))


side.serve(SavedModels)
