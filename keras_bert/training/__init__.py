"""How a model learns."""

from keras_bert.training.optimizer import AdamW, WarmupLinearDecay, create_optimizer

__all__ = ["AdamW", "WarmupLinearDecay", "create_optimizer"]
