"""AdamW as BERT is trained with: linear warm-up and decay, no decay of biases and LayerNorm, gradients clipped by global norm."""

import keras
from keras import ops

# LayerNorm's scale and shift are "gamma" and "beta" in Keras.
NO_WEIGHT_DECAY = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable(package="keras_bert")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """From 0 up to a peak in warmup_steps, then straight down to end_learning_rate at total_steps.

        rate(step) = peak * step / warmup_steps                                             while step < warmup_steps
                     end + (peak - end) * (total_steps - step) / (total_steps - warmup_steps)   until total_steps
                     end                                                                    after that

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
        if not total_steps >= 1:
            raise ValueError(f"total_steps={total_steps!r} is not a positive number of updates")
        if int(warmup_steps) != warmup_steps or not 0 <= warmup_steps <= total_steps:
            raise ValueError(f"warmup_steps={warmup_steps!r} is not a whole number in 0 to total_steps={total_steps!r}")
        if not 0 <= end_learning_rate <= peak_learning_rate:
            raise ValueError(f"end_learning_rate={end_learning_rate!r} is not in 0 to peak_learning_rate={peak_learning_rate!r}")
        self.peak_learning_rate = float(peak_learning_rate)
        self.total_steps = int(total_steps)
        self.warmup_steps = int(warmup_steps)
        self.end_learning_rate = float(end_learning_rate)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        warm = self.peak_learning_rate * step / max(self.warmup_steps, 1)
        left = ops.clip((self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1), 0.0, 1.0)
        decayed = self.end_learning_rate + (self.peak_learning_rate - self.end_learning_rate) * left
        return ops.where(step < self.warmup_steps, warm, decayed)

    def get_config(self):
        return {
            "peak_learning_rate": self.peak_learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "end_learning_rate": self.end_learning_rate,
        }


@keras.saving.register_keras_serializable(package="keras_bert")
class AdamW(keras.optimizers.AdamW):
    """keras.optimizers.AdamW that still knows after a reload which variables decay, and on TensorFlow updates in one pass.

    Keras writes Adam as some ten operations, each a pass over memory; TensorFlow has it as one, with the same formula.

    Args:
        exclude_from_weight_decay: names of variables (the last part of their path) that do not decay.
        others: those of keras.optimizers.AdamW.
    """

    def __init__(self, *args, exclude_from_weight_decay=NO_WEIGHT_DECAY, **kwargs):
        super().__init__(*args, **kwargs)
        self.excluded_names = tuple(exclude_from_weight_decay)

    def build(self, variables):
        if not self.built:
            # By variable, not by Keras's var_names: on TensorFlow those are matched with names like "bias_3:0".
            self.exclude_from_weight_decay(var_list=[variable for variable in variables if variable.name in self.excluded_names])
        super().build(variables)

    def _apply_weight_decay(self, variables):
        """Keras calls this before the updates; here each update decays its own variable, in one pass for Keras's three."""

    def update_step(self, gradient, variable, learning_rate):
        if self.weight_decay and self._use_weight_decay(variable):
            variable.assign(variable * ops.cast(1.0 - learning_rate * self.weight_decay, variable.dtype))
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf  # here, so that the module serves the other backends

        index = self._get_variable_index(variable)
        dtype = tf.as_dtype(variable.dtype)
        step = ops.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=ops.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(self.epsilon, dtype),
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )

    def get_config(self):
        return super().get_config() | {"exclude_from_weight_decay": list(self.excluded_names)}


def _handle(variable):
    # Keras hands its own variable, or under a strategy TensorFlow's.
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


def create_optimizer(
    learning_rate=5e-5,
    *,
    total_steps,
    warmup_steps=None,
    weight_decay=0.01,
    clip_norm=1.0,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-6,
    exclude_from_weight_decay=NO_WEIGHT_DECAY,
):
    """The optimizer that BERT is fine-tuned with.

    Args:
        learning_rate: the peak; Devlin et al. tried 2e-5, 3e-5, 4e-5 and 5e-5 for BERT-base.
        total_steps: optimizer updates in the whole run: batches of an epoch times epochs.
        warmup_steps: None takes a tenth of total_steps, as google-research's run_classifier.py does.
        weight_decay: decoupled, per unit of learning rate.
        clip_norm: gradients are scaled down together to this global norm; None leaves them.
        beta_1, beta_2, epsilon: of Adam; google-research's values.
        exclude_from_weight_decay: names of variables that do not decay.
    Returns: a Keras optimizer.
    Raises: ValueError naming the value that does not fit.
    Source: google-research/bert optimization.py create_optimizer. Adam's bias correction is on, as in Keras; google-research
        leaves it out.
    """
    if not learning_rate > 0:
        raise ValueError(f"learning_rate={learning_rate!r} is not positive")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm={clip_norm!r} is neither positive nor None")
    schedule = WarmupLinearDecay(learning_rate, total_steps, warmup_steps=int(total_steps * 0.1) if warmup_steps is None else warmup_steps)
    return AdamW(
        schedule,
        weight_decay=weight_decay,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        global_clipnorm=clip_norm,
        exclude_from_weight_decay=exclude_from_weight_decay,
    )
