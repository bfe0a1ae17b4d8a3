"""Learning rates over a run: a linear warm-up from 0 to the peak, then a decay or none."""

import math

import keras
from keras import ops


class _WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """From 0 up to a peak in warmup_steps, then down to end_learning_rate at total_steps, by a subclass's `share`.

        rate(step) = peak * step / warmup_steps                                       while step < warmup_steps
                     end + (peak - end) * share(left), where
                         left = (total_steps - step) / (total_steps - warmup_steps)   until total_steps
                     end + (peak - end) * share(0)                                    after that

    The first update happens at step 0, where google-research's warm-up also gives rate 0.

    Args:
        peak_learning_rate: the highest rate.
        total_steps: optimizer updates in the run, 1 or more.
        warmup_steps: 0 or more, at most total_steps.
        end_learning_rate: the rate at the end.
    Call: step, a number of updates done. Returns: float32 scalar.
    Raises: ValueError naming the value that does not fit.
    Source: Devlin et al. 2018, appendix A.2; google-research/bert optimization.py (whose decay also runs from step 0, so
        that its rate drops by warmup_steps / total_steps where warm-up ends; here the peak is reached).
    """

    def __init__(self, peak_learning_rate, total_steps, *, warmup_steps=0, end_learning_rate=0.0):
        if not total_steps >= 1 or int(total_steps) != total_steps:
            raise ValueError(f"total_steps={total_steps!r} is not a positive number of updates")
        if int(warmup_steps) != warmup_steps or not 0 <= warmup_steps <= total_steps:
            raise ValueError(f"warmup_steps={warmup_steps!r} is not a whole number in 0 to total_steps={total_steps!r}")
        if not 0 <= end_learning_rate <= peak_learning_rate:
            raise ValueError(f"end_learning_rate={end_learning_rate!r} is not in 0 to peak_learning_rate={peak_learning_rate!r}")
        self.peak_learning_rate = float(peak_learning_rate)
        self.total_steps = int(total_steps)
        self.warmup_steps = int(warmup_steps)
        self.end_learning_rate = float(end_learning_rate)

    def share(self, left):
        """How much of the way from the end to the peak remains. Args: left: float32 from 1 (the peak) to 0. Returns: float32."""
        raise NotImplementedError

    def __call__(self, step):
        step = ops.cast(step, "float32")
        warm = self.peak_learning_rate * step / max(self.warmup_steps, 1)
        left = ops.clip((self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1), 0.0, 1.0)
        decayed = self.end_learning_rate + (self.peak_learning_rate - self.end_learning_rate) * self.share(left)
        return ops.where(step < self.warmup_steps, warm, decayed)

    def get_config(self):
        return {
            "peak_learning_rate": self.peak_learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "end_learning_rate": self.end_learning_rate,
        }


@keras.saving.register_keras_serializable(package="keras_bert")
class WarmupLinearDecay(_WarmupSchedule):
    """Warm-up, then straight down to end_learning_rate at total_steps; arguments and source as in the base."""

    def share(self, left):
        return left


@keras.saving.register_keras_serializable(package="keras_bert")
class WarmupPolynomialDecay(_WarmupSchedule):
    """Warm-up, then down by a power of the updates that are left.

    Args: power: over 0; 1 is the straight line, more falls steeply first. Others as in WarmupLinearDecay.
    Source: google-research/bert optimization.py, whose tf.train.polynomial_decay has power 1.
    """

    def __init__(self, peak_learning_rate, total_steps, *, warmup_steps=0, end_learning_rate=0.0, power=1.0):
        super().__init__(peak_learning_rate, total_steps, warmup_steps=warmup_steps, end_learning_rate=end_learning_rate)
        if not power > 0:
            raise ValueError(f"power={power!r} is not positive: the rate would not fall")
        self.power = float(power)

    def share(self, left):
        return ops.power(left, self.power)

    def get_config(self):
        return super().get_config() | {"power": self.power}


@keras.saving.register_keras_serializable(package="keras_bert")
class WarmupCosineDecay(_WarmupSchedule):
    """Warm-up, then down by half a wave of the cosine: slow, fast, slow. Arguments as in WarmupLinearDecay.

    Source: Loshchilov & Hutter 2017, "SGDR", equation 5, without restarts.
    """

    def share(self, left):
        return 0.5 - 0.5 * ops.cos(math.pi * left)


@keras.saving.register_keras_serializable(package="keras_bert")
class WarmupConstant(_WarmupSchedule):
    """Warm-up, then the peak for good. Arguments as in WarmupLinearDecay, but there is no end_learning_rate."""

    def __init__(self, peak_learning_rate, total_steps, *, warmup_steps=0):
        super().__init__(peak_learning_rate, total_steps, warmup_steps=warmup_steps)

    def share(self, left):
        return ops.ones_like(left)

    def get_config(self):
        config = super().get_config()
        del config["end_learning_rate"]
        return config


@keras.saving.register_keras_serializable(package="keras_bert")
class WarmupInverseSquareRoot(WarmupConstant):
    """Warm-up, then down by the square root of the updates done: peak * sqrt(warmup_steps / step). Arguments as in WarmupConstant.

    Papers write rate(step) = scale * min(step ** -0.5, step * warmup_steps ** -1.5), whose peak is scale / sqrt(warmup_steps).

    Source: Vaswani et al. 2017, section 5.3; Liu & Lapata 2019, "Text summarization with pretrained encoders", section 3.2.
    """

    def __call__(self, step):
        step, peak_at = ops.cast(step, "float32"), max(self.warmup_steps, 1)
        falling = ops.sqrt(peak_at / ops.maximum(step, peak_at))
        return self.peak_learning_rate * ops.where(step < self.warmup_steps, step / peak_at, falling)


# What a script's --schedule takes.
SCHEDULES = {
    "linear": WarmupLinearDecay,
    "polynomial": WarmupPolynomialDecay,
    "cosine": WarmupCosineDecay,
    "constant": WarmupConstant,
    "inverse_sqrt": WarmupInverseSquareRoot,
}
