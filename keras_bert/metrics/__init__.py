"""Streaming metrics, for compile; and the official scores of what was read and predicted."""

from keras_bert.metrics.classification_report import (
    draw_label_confusions,
    format_classification,
    label_confusions,
    score_classification,
    score_multi_label,
    score_numbers,
)
from keras_bert.metrics.correlation import PearsonCorrelation
from keras_bert.metrics.embedding_score import pearson, retrieval_scores, spearman
from keras_bert.metrics.entity_report import draw_confusions, entity_confusions, format_scores, score_entities
from keras_bert.metrics.entity_score import EntityScore
from keras_bert.metrics.frame_score import FrameScore
from keras_bert.metrics.label_accuracy import LabelAccuracy
from keras_bert.metrics.label_metric import LabelMetric, adapted
from keras_bert.metrics.role_score import role_table, score_roles
from keras_bert.metrics.span_accuracy import SpanAccuracy
from keras_bert.metrics.squad_score import score_squad
from keras_bert.metrics.threshold import choose_threshold
from keras_bert.metrics.unigram_entropy import UnigramEntropy
from keras_bert.metrics.written_score import score_summaries, score_translations
from keras_bert.metrics.written_tokens import WrittenTokens
from keras_bert.similarity import SIMILARITIES, pair_similarities, similarities

__all__ = [
    "SIMILARITIES",
    "EntityScore",
    "FrameScore",
    "LabelAccuracy",
    "LabelMetric",
    "PearsonCorrelation",
    "SpanAccuracy",
    "UnigramEntropy",
    "WrittenTokens",
    "adapted",
    "choose_threshold",
    "draw_confusions",
    "draw_label_confusions",
    "entity_confusions",
    "format_classification",
    "format_scores",
    "label_confusions",
    "pair_similarities",
    "pearson",
    "retrieval_scores",
    "role_table",
    "score_classification",
    "score_entities",
    "score_multi_label",
    "score_numbers",
    "score_roles",
    "score_squad",
    "score_summaries",
    "score_translations",
    "similarities",
    "spearman",
]
