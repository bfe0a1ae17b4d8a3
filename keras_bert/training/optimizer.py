"""AdamW and LAMB for BERT: no decay of biases and LayerNorm, one rate for each layer or head, averaged weights."""

import re

import keras
from keras import ops

from keras_bert.training import keras_internals
from keras_bert.training.schedules import SCHEDULES

tf = None
if keras.backend.backend() == "tensorflow":  # the module serves the other backends too
    import tensorflow as tf

# LayerNorm's scale and shift are "gamma" and "beta" in Keras.
NO_WEIGHT_DECAY = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable(package="keras_bert")
class AdamW(keras.optimizers.AdamW):
    """AdamW with google-research's decay, and bias correction. On TensorFlow Adam is one pass over memory; Keras writes it as some ten.

        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient ** 2
        correction = sqrt(1 - beta_2 ** t) / (1 - beta_1 ** t) in update t = 1, 2, ...
        variable = variable - rate * (correction * m / (sqrt(v) + epsilon) + weight_decay * variable)

    where rate is the learning rate times the factors below. With use_ema=True the average of a variable is updated with it,
    on the variable's own device, so that it is right under every tf.distribute strategy.

    Args:
        learning_rate: float or schedule.
        weight_decay: decoupled, per unit of rate.
        beta_1, beta_2, epsilon: google-research's values.
        bias_correction: the correction, as Keras and Kingma & Ba 2015 (section 2, "epsilon hat") have it. False is google-research's
            BERT: no correction, so that its first steps are three times as long (0.1 / sqrt(0.001)), which the warm-up takes up;
            with the correction fine-tuning is steadier (Mosbach et al. 2021, "On the stability of fine-tuning BERT").
        exclude_from_weight_decay: names of variables (the last part of their path) that do not decay.
        learning_rate_multipliers: factors of the rate by part of a variable's path, as {"crf": 100.0} for "crf/transitions";
            {"layer_0": 0.5, "bias": 2.0} both meet in "layer_0/output/bias". 0 holds a part still.
        part_schedules: learning rates of their own by part of a variable's path, floats or schedules, as {"decoder": 1e-3}; of several that
            meet in a path the last counts. Factors count besides.
        layer_decay: in 0 (not included) to 1: the rate falls by this factor from layer to layer, from the head down to the
            embeddings; see `layer_factor`.
        others: those of keras.optimizers.AdamW but amsgrad.
    Raises: ValueError naming the value that does not fit; from build, naming a multiplier or schedule that meets no variable.
    Source: google-research/bert optimization.py AdamWeightDecayOptimizer; Loshchilov & Hutter 2019.
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.01,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        *,
        bias_correction=True,
        exclude_from_weight_decay=NO_WEIGHT_DECAY,
        learning_rate_multipliers=None,
        part_schedules=None,
        layer_decay=None,
        **kwargs,
    ):
        if kwargs.get("amsgrad"):
            raise ValueError("amsgrad=True: BERT's optimizers have none; take keras.optimizers.AdamW for it")
        if layer_decay is not None and not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay={layer_decay!r} is neither in 0 (not included) to 1, nor None")
        multipliers = dict(learning_rate_multipliers or {})
        for name, factor in multipliers.items():
            if not factor >= 0:
                raise ValueError(f"learning_rate_multipliers[{name!r}]={factor!r} is not a factor of 0 or more")
        super().__init__(learning_rate, weight_decay=weight_decay, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, **kwargs)
        self.bias_correction = bias_correction
        self.excluded_names = tuple(exclude_from_weight_decay)
        self.learning_rate_multipliers = {name: float(factor) for name, factor in multipliers.items()}
        self.part_schedules = {name: _rate_at(rate) for name, rate in (part_schedules or {}).items()}
        self.layer_decay = layer_decay

    def build(self, variables):
        if not self.built:
            paths = [_path(variable) for variable in variables]
            self._check_parts(paths)
            own = [[name for name in self.part_schedules if name in path] for path in paths]
            self._own_schedules = tuple(self.part_schedules[names[-1]] if names else None for names in own)
            # By index: a reload, or a strategy's copies of a variable, change its identity and TensorFlow's name for it.
            self._decays = tuple(path[-1] not in self.excluded_names for path in paths)
            self._factors = self._rate_factors(paths)
        super().build(variables)

    def _check_parts(self, paths):
        parts = {part for path in paths for part in path}
        for argument in ("learning_rate_multipliers", "part_schedules"):
            unknown = sorted(set(getattr(self, argument)) - parts)
            if unknown:
                raise ValueError(
                    f"{argument} names {', '.join(map(repr, unknown))}, which is part of no variable's path; "
                    f"the parts are {', '.join(sorted(parts))}"
                )

    def _rate_factors(self, paths):
        factors = [1.0] * len(paths)
        if self.layer_decay is not None:
            layers = [index for path in paths if (index := _layer_index(path)) is not None]
            if not layers:
                raise ValueError(f"layer_decay={self.layer_decay!r}: no variable is of a layer_0, layer_1, ... to count from; leave it out")
            factors = [layer_factor(path, self.layer_decay, max(layers) + 1) for path in paths]
        for name, factor in self.learning_rate_multipliers.items():
            factors = [old * factor if name in path else old for old, path in zip(factors, paths, strict=True)]
        return tuple(factors)

    def update_step(self, gradient, variable, learning_rate):
        """One update of one variable. Under a strategy Keras calls it once a device, with TensorFlow's variable of that device."""
        index = keras_internals.index_of(self, variable)
        own = self._own_schedules[index]
        learning_rate = learning_rate if own is None else own(self.iterations) if callable(own) else own
        rate = ops.cast(learning_rate, variable.dtype) * self._factors[index]
        gradient = ops.cast(tf.convert_to_tensor(gradient) if tf else gradient, variable.dtype)  # dense, if it is sparse
        self._step(gradient, variable, index, rate)
        if self.use_ema:
            self._average(variable, index)

    def _step(self, gradient, variable, index, rate):
        if self._weight_decay_of(variable, index):
            # google-research decays by the value before the update. This is the same: Adam does not read the value.
            self.assign(variable, variable * (1.0 - rate * self.weight_decay))
        beta_1_power, beta_2_power = self._beta_powers(variable.dtype)
        if not tf:
            m, v = self._moments(gradient, index)
            rate = rate * ops.sqrt(1.0 - beta_2_power) / (1.0 - beta_1_power)
            return self._subtract(variable, rate, m / (ops.sqrt(v) + self.epsilon))
        m, v = keras_internals.moments_of(self, index)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(m),
            v=_handle(v),
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=rate,
            beta1=ops.cast(self.beta_1, variable.dtype),
            beta2=ops.cast(self.beta_2, variable.dtype),
            epsilon=ops.cast(self.epsilon, variable.dtype),
            grad=gradient,
        )

    def _weight_decay_of(self, variable, index):
        return self.weight_decay if self._decays[index] and keras_internals.decays(self, variable) else 0.0

    def _beta_powers(self, dtype):
        """beta ** t of both betas; 0, which corrects nothing, without bias_correction."""
        step = ops.cast(self.iterations + 1, dtype)
        return [ops.power(ops.cast(beta, dtype), step) * float(self.bias_correction) for beta in (self.beta_1, self.beta_2)]

    def _moments(self, gradient, index):
        """Update m and v. Returns: both."""
        m, v = keras_internals.moments_of(self, index)
        for moment, beta, value in ((m, self.beta_1, gradient), (v, self.beta_2, ops.square(gradient))):
            # 1 - beta in the variable's precision, as the correction has it: in update 1 they must cancel.
            self._subtract(moment, 1.0 - ops.cast(beta, gradient.dtype), moment - value)
        return m, v

    def _subtract(self, variable, rate, step):
        """variable -= rate * step, with no array between on TensorFlow."""
        if tf:
            tf.raw_ops.ResourceApplyGradientDescent(var=_handle(variable), alpha=rate, delta=step)
        else:
            self.assign_sub(variable, rate * step)

    def _apply_weight_decay(self, variables):
        """Keras calls this before the updates; here each update decays its own variable, in one pass for Keras's three."""

    # The average of the weights.

    def _average(self, variable, index):
        average = keras_internals.averages_of(self)[index]
        # The first update begins the average at the variable.
        share = ops.where(ops.equal(self.iterations, 0), 1.0, 1.0 - self.ema_momentum)
        self._subtract(average, ops.cast(share, variable.dtype), average - variable)

    def _update_model_variables_moving_average(self, trainable_variables):
        """Keras calls this after the updates, but update_step has done it."""

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        super()._backend_update_step(grads, trainable_variables, learning_rate)
        if self.use_ema:
            # A variable without a gradient has an average too: it would be 0, and end as the variable's value.
            updated = {keras_internals.index_of(self, variable) for variable in trainable_variables}
            for index, variable in enumerate(keras_internals.variables_of(self)):
                if index not in updated:
                    self._average(variable, index)

    def _overwrite_model_variables_with_average_value(self, trainable_variables):
        if not tf or tf.distribute.in_cross_replica_context():
            return super()._overwrite_model_variables_with_average_value(trainable_variables)
        # ema_overwrite_frequency: Keras would have all replicas meet inside a condition, which TensorFlow does not allow.
        for variable, average in zip(trainable_variables, keras_internals.averages_of(self), strict=True):
            tf.raw_ops.AssignVariableOp(resource=_handle(variable), value=tf.convert_to_tensor(average))

    def get_config(self):
        return super().get_config() | {
            "bias_correction": self.bias_correction,
            "exclude_from_weight_decay": list(self.excluded_names),
            "learning_rate_multipliers": dict(self.learning_rate_multipliers),
            "part_schedules": {
                name: keras.optimizers.schedules.serialize(rate) if callable(rate) else rate for name, rate in self.part_schedules.items()
            },
            "layer_decay": self.layer_decay,
        }


@keras.saving.register_keras_serializable(package="keras_bert")
class Lamb(AdamW):
    """LAMB, for large batches: AdamW whose step is as long, for each variable, as rate times the variable itself.

        update = m / (sqrt(v) + epsilon) + weight_decay * variable
        variable = variable - rate * (norm(variable) / norm(update)) * update

    The ratio is 1 where a norm is 0. m and v are first divided by 1 - beta ** t, unless bias_correction=False.

    Args:
        exclude_from_layer_adaptation: names of variables whose ratio is 1; None takes exclude_from_weight_decay.
        others: those of AdamW.
    Source: You et al. 2020, "Large batch optimization for deep learning", algorithm 2, which corrects, as Model Garden's LAMB
        does; google-research/albert lamb_optimizer.py does not.
    """

    def __init__(self, *args, exclude_from_layer_adaptation=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.unadapted_names = self.excluded_names if exclude_from_layer_adaptation is None else tuple(exclude_from_layer_adaptation)

    def build(self, variables):
        if not self.built:
            self._adapts = tuple(_path(variable)[-1] not in self.unadapted_names for variable in variables)
        super().build(variables)

    def _step(self, gradient, variable, index, rate):
        beta_1_power, beta_2_power = self._beta_powers(variable.dtype)
        m, v = self._moments(gradient, index)
        # Scalars instead of dividing m and v: sqrt(v / c) + epsilon = (sqrt(v) + epsilon * sqrt(c)) / sqrt(c).
        root = ops.sqrt(1.0 - beta_2_power)
        update = m / (ops.sqrt(v) + self.epsilon * root) * (root / (1.0 - beta_1_power))
        weight_decay = self._weight_decay_of(variable, index)
        if weight_decay:
            update = update + weight_decay * variable
        if self._adapts[index]:
            length, update_length = _norm(variable), _norm(update)
            adapts = ops.logical_and(length > 0, update_length > 0)
            rate = rate * ops.where(adapts, length / update_length, 1.0)
        self._subtract(variable, rate, update)

    def get_config(self):
        return super().get_config() | {"exclude_from_layer_adaptation": list(self.unadapted_names)}


def layer_factor(path, layer_decay, num_layers):
    """What layer-wise decay leaves of the learning rate: layer_decay ** (num_layers + 2 - depth).

    Depth is 0 for the embeddings, i + 1 for layer_i and num_layers + 2 for whatever stands above the encoder, so that heads
    keep the whole rate. ELECTRA has no pooler and leaves depth num_layers + 1 empty; there stands BERT's, which is pre-trained too.

    Args: path: list of the parts of a variable's path, as ["layer_3", "output", "kernel"]. layer_decay: in 0 to 1.
    Source: Clark et al. 2020; google-research/electra model/optimization.py _get_layer_lrs.
    """
    index = _layer_index(path)
    if index is not None:
        depth = index + 1
    elif any(part.startswith("embeddings") for part in path):  # ELECTRA's "embeddings_project" too
        depth = 0
    else:
        depth = num_layers + (1 if "pooler" in path else 2)
    return layer_decay ** (num_layers + 2 - depth)


def _layer_index(path):
    return next((int(match[1]) for part in path if (match := re.fullmatch(r"layer_(\d+)", part))), None)


def _rate_at(rate):
    """A learning rate as its config or as it is. Returns: float or schedule."""
    rate = keras.optimizers.schedules.deserialize(rate) if isinstance(rate, dict) else rate
    return rate if callable(rate) else float(rate)


def _path(variable):
    # TensorFlow's own variables have a name only, as "layer_3/output/kernel:0".
    return getattr(variable, "path", variable.name.split(":")[0]).split("/")


def _handle(variable):
    # Keras hands its own variable, or under a strategy TensorFlow's; in an update or a replica a copied one's handle is its own copy's.
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


def _norm(x):
    # TensorFlow's l2_loss is one pass, with no array of squares.
    return ops.sqrt(2.0 * tf.nn.l2_loss(x) if tf else ops.sum(ops.square(x)))


# What a script's --optimizer takes.
OPTIMIZERS = {"adamw": AdamW, "lamb": Lamb}


def create_optimizer(
    learning_rate=5e-5,
    *,
    total_steps,
    warmup_steps=None,
    schedule="linear",
    end_learning_rate=0.0,
    power=None,
    optimizer="adamw",
    weight_decay=0.01,
    clip_norm=1.0,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-6,
    bias_correction=True,
    layer_decay=None,
    learning_rate_multipliers=None,
    part_schedules=None,
    ema_momentum=None,
    exclude_from_weight_decay=NO_WEIGHT_DECAY,
    time_budget=None,
):
    """The optimizer that BERT is fine-tuned with; with bias_correction=False it is google-research's.

    Args:
        learning_rate: the peak; Devlin et al. tried 2e-5, 3e-5, 4e-5 and 5e-5 for BERT-base.
        total_steps: optimizer updates in the whole run: batches of an epoch times epochs.
        warmup_steps: None takes a tenth of total_steps, as google-research's run_classifier.py does.
        schedule: "linear", "polynomial", "cosine" or "constant": how the rate goes on after warm-up.
        end_learning_rate: the rate at the end, of a schedule that has one.
        power: of the polynomial schedule; None: 1.
        optimizer: "adamw", or "lamb" for batches of thousands.
        weight_decay: decoupled, per unit of learning rate.
        clip_norm: gradients are scaled down together to this global norm; None leaves them.
        beta_1, beta_2, epsilon: of Adam; google-research's values.
        bias_correction: see AdamW; False is the paper's update, google-research's.
        layer_decay: see AdamW; ELECTRA fine-tuned with 0.8 (base) and 0.9 (large). None: one rate for all layers.
        learning_rate_multipliers: see AdamW.
        part_schedules: dict of part of a variable's path -> dict of the learning_rate, the warmup_steps or both that it has of its own, as
            {"decoder": {"learning_rate": 1e-3, "warmup_steps": 100}} (Liu & Lapata 2019); None: all have one.
        ema_momentum: keep an exponential moving average of the weights with this momentum, as 0.999; None keeps none.
        exclude_from_weight_decay: names of variables that do not decay.
        time_budget: TimeBudget by whose clock the schedule goes, in place of updates; total_steps then says what warmup_steps are of.
    Returns: a Keras optimizer.
    Raises: ValueError naming the value that does not fit.
    Source: google-research/bert optimization.py create_optimizer.
    """
    for name, value, choices in (("schedule", schedule, SCHEDULES), ("optimizer", optimizer, OPTIMIZERS)):
        if value not in choices:
            raise ValueError(f"{name}={value!r} is not one of {', '.join(choices)}")
    for name, value in (("learning_rate", learning_rate), ("epsilon", epsilon)):
        if not value > 0:
            raise ValueError(f"{name}={value!r} is not positive")
    for name, value in (("beta_1", beta_1), ("beta_2", beta_2), ("ema_momentum", ema_momentum)):
        if value is not None and not 0 <= value < 1:
            raise ValueError(f"{name}={value!r} is not in 0 to 1 (1 not included)")
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay={weight_decay!r} is negative; 0 is none")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm={clip_norm!r} is neither positive nor None")
    if schedule in ("constant", "inverse_sqrt") and end_learning_rate:
        raise ValueError(f"end_learning_rate={end_learning_rate!r}: schedule={schedule!r} has none; take another schedule")
    if power is not None and schedule != "polynomial":
        raise ValueError(f"power={power!r} is of the polynomial schedule, not of schedule={schedule!r}")
    options = {} if end_learning_rate == 0 else {"end_learning_rate": end_learning_rate}
    options |= {} if power is None else {"power": power}
    warmup_steps = int(total_steps * 0.1) if warmup_steps is None else warmup_steps

    def rate_of(learning_rate=learning_rate, warmup_steps=warmup_steps):
        rate = SCHEDULES[schedule](learning_rate, total_steps, warmup_steps=warmup_steps, **options)
        if time_budget is None:
            return rate
        from keras_bert.training.time_budget import ClockSchedule  # which needs TensorFlow

        return ClockSchedule(rate, time_budget)

    return OPTIMIZERS[optimizer](
        rate_of(),
        weight_decay=weight_decay,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        bias_correction=bias_correction,
        exclude_from_weight_decay=exclude_from_weight_decay,
        learning_rate_multipliers=learning_rate_multipliers,
        part_schedules={name: rate_of(**own) for name, own in (part_schedules or {}).items()},
        layer_decay=layer_decay,
        global_clipnorm=clip_norm,
        use_ema=ema_momentum is not None,
        **({} if ema_momentum is None else {"ema_momentum": ema_momentum}),
    )
