"""Streaming metrics, for compile."""

from keras_bert.metrics.label_metric import LabelMetric, adapted

__all__ = ["LabelMetric", "adapted"]
