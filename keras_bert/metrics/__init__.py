"""Streaming metrics, for compile, and the field's scores of what was found."""

from keras_bert.metrics.entity_report import draw_confusions, entity_confusions, format_scores, score_entities
from keras_bert.metrics.entity_score import EntityScore
from keras_bert.metrics.label_metric import LabelMetric, adapted

__all__ = ["EntityScore", "LabelMetric", "adapted", "draw_confusions", "entity_confusions", "format_scores", "score_entities"]
