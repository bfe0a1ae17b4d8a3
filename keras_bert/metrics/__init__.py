"""Streaming metrics, for compile; and the official scores of what was read and predicted."""

from keras_bert.metrics.label_metric import LabelMetric, adapted
from keras_bert.metrics.role_score import role_table, score_roles

__all__ = ["LabelMetric", "adapted", "role_table", "score_roles"]
