"""Streaming metrics, for compile; and the official scores of what was read and predicted."""

from keras_bert.metrics.embedding_score import pearson, retrieval_scores, spearman
from keras_bert.metrics.entity_report import draw_confusions, entity_confusions, format_scores, score_entities
from keras_bert.metrics.entity_score import EntityScore
from keras_bert.metrics.frame_score import FrameScore
from keras_bert.metrics.label_metric import LabelMetric, adapted
from keras_bert.metrics.role_score import role_table, score_roles
from keras_bert.metrics.span_accuracy import SpanAccuracy
from keras_bert.metrics.squad_score import score_squad
from keras_bert.similarity import SIMILARITIES, pair_similarities, similarities

__all__ = [
    "SIMILARITIES",
    "EntityScore",
    "FrameScore",
    "LabelMetric",
    "SpanAccuracy",
    "adapted",
    "draw_confusions",
    "entity_confusions",
    "format_scores",
    "pair_similarities",
    "pearson",
    "retrieval_scores",
    "role_table",
    "score_entities",
    "score_roles",
    "score_squad",
    "similarities",
    "spearman",
]
