"""A model -> a SavedModel for TF Serving. Names are imported when they are first used."""

from keras_bert.lazy import lazy_names

_HOMES = {
    "export_saved_model": "export.saved_model",
    "publish_saved_model": "export.publish",
    "run_saved_model": "export.verify",
    "verify_saved_model": "export.verify",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(globals(), _HOMES)
