"""A model -> a SavedModel for TF Serving."""

from export.saved_model import export_saved_model
from export.verify import run_saved_model, verify_saved_model

__all__ = ["export_saved_model", "run_saved_model", "verify_saved_model"]
