"""Streaming metrics, for compile."""

from keras_bert.metrics.entity_score import EntityScore
from keras_bert.metrics.label_metric import LabelMetric, adapted

__all__ = ["EntityScore", "LabelMetric", "adapted"]
