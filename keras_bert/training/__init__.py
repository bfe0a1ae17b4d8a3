"""How a model learns. Names are imported when they are first used: the optimizers need no TensorFlow, the others do."""

from keras_bert.lazy import lazy_names

_HOMES = {
    "AdamW": "keras_bert.training.optimizer",
    "ClockSchedule": "keras_bert.training.time_budget",
    "Contrastive": "keras_bert.training.pair_losses",
    "CosineRegression": "keras_bert.training.pair_losses",
    "CRFLoss": "keras_bert.training.crf_loss",
    "LabelBinaryCrossEntropy": "keras_bert.training.label_losses",
    "LabelCrossEntropy": "keras_bert.training.label_losses",
    "Lamb": "keras_bert.training.optimizer",
    "Matryoshka": "keras_bert.training.matryoshka",
    "MultipleNegatives": "keras_bert.training.multiple_negatives",
    "OnlineContrastive": "keras_bert.training.pair_losses",
    "ProfileSteps": "keras_bert.training.profiling",
    "ScoreSquaredError": "keras_bert.training.label_losses",
    "SentenceCrossEntropy": "keras_bert.training.sentence_cross_entropy",
    "SequenceCrossEntropy": "keras_bert.training.sequence_cross_entropy",
    "SpanCrossEntropy": "keras_bert.training.span_cross_entropy",
    "TimeBudget": "keras_bert.training.time_budget",
    "TokenCrossEntropy": "keras_bert.training.token_cross_entropy",
    "Trainer": "keras_bert.training.trainer",
    "TrainingModel": "keras_bert.training.model",
    "TrainingResult": "keras_bert.training.trainer",
    "Triplet": "keras_bert.training.pair_losses",
    "WarmupConstant": "keras_bert.training.schedules",
    "WarmupCosineDecay": "keras_bert.training.schedules",
    "WarmupInverseSquareRoot": "keras_bert.training.schedules",
    "WarmupLinearDecay": "keras_bert.training.schedules",
    "WarmupPolynomialDecay": "keras_bert.training.schedules",
    "create_optimizer": "keras_bert.training.optimizer",
    "get_strategy": "keras_bert.training.distribution",
    "profile": "keras_bert.training.profiling",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(globals(), _HOMES)
