"""Task: a network that takes raw text in fit, evaluate, predict and answer, and knows its way to disk and back."""

import functools

import keras

from keras_bert.checkpoints import native
from keras_bert.checkpoints.checkpoint import load_weights
from keras_bert.checkpoints.networks import as_checkpoint, build_network, check_vocabulary_size
from keras_bert.labels import check_labels
from keras_bert.models.network import refuse_to_quantize
from keras_bert.tasks.raw_data import RawData
from keras_bert.text.serialization import tokenizer_from_config, tokenizer_to_config
from keras_bert.training import create_optimizer
from keras_bert.training.distribution import is_tpu
from keras_bert.training.keras_internals import forget_metrics

AUTO = "auto"
LEARNING_RATE = 5e-5  # the largest that Devlin et al. 2018 (appendix A.3) tried


def setting(name):
    """A property of a task that is its preprocessor's: setting it takes effect in all that follows."""

    def change(self, value):
        self.change_settings(**{name: value})

    return property(lambda self: getattr(self.preprocessor, name), change, doc=f"The preprocessor's {name}.")


def label_names(what, *, least=2):
    """A property of a task: the names of its labels, in the order of their ids. New names may be set, as many.

    Args: what: the model, as an error names it. least: how many it must have.
    """

    def change(self, names):
        names = check_labels(names, least=least)
        if len(names) != self.network.num_labels:
            raise ValueError(f"{len(names)} labels ({', '.join(names)}) for {what} of {self.network.num_labels}")
        self.change_settings(labels=names)

    return property(lambda self: list(self.preprocessor.labels.names), change, doc="Names of the labels; new names may be set, as many.")


class Task(RawData):
    """Base of the models that users hold. A subclass gives the classes of network and preprocessor, and default loss and metrics.

    Args:
        network: built keras.Model from the batch contract to outputs.
        tokenizer: Tokenizer, or None: only the contract is taken then.
        max_length: most tokens of a row, special ones included; None takes the class's DEFAULT_LENGTH, or max_position_embeddings where
            that is less.
        pad_to_multiple_of: None pads to max_length always (TPU, XLA); a number to the batch's longest, rounded up to a multiple.
        preprocessing: dict of further arguments of the preprocessor.
    Raises: ValueError where Keras does not run on TensorFlow.
    """

    NETWORK = None  # of a subclass: the class of its network, one of keras_bert.models
    NETWORK_OPTIONS = ()  # of a subclass: the arguments that its network takes too
    NAMES = ()  # of a subclass: those of them that the task takes too, names of what the network counts; beside labels
    PREPROCESSOR = None  # of a subclass: the class of its preprocessor, one of keras_bert.preprocessing
    DEFAULT_LENGTH = 128  # google-research's run_classifier.py
    OWN_NONE = ("pad_to_multiple_of", "text_pair")  # arguments to which None is a value of its own

    def __init__(self, network, tokenizer, *, max_length=None, pad_to_multiple_of=4, preprocessing=None, **kwargs):
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                f"{type(self).__name__} takes text and trains by TensorFlow, but Keras runs on {keras.backend.backend()}; set "
                "KERAS_BACKEND=tensorflow, or use a network: BertEncoder, or another of keras_bert.models"
            )
        # The encoder's policy is the model's: by it Keras decides whether the loss must be scaled (float16).
        super().__init__(dtype=network.encoder.dtype_policy_name, **kwargs)
        if is_tpu(self.distribute_strategy):
            pad_to_multiple_of = None  # every shape is static there
        config = network.encoder.config
        self.network = network
        settings = {
            "max_length": min(self.DEFAULT_LENGTH, config.max_position_embeddings) if max_length is None else max_length,
            "pad_to_multiple_of": pad_to_multiple_of,
            "type_vocab_size": config.type_vocab_size,
        }
        self._take(self.PREPROCESSOR(tokenizer, **settings, **(preprocessing or {})))
        self.built = True  # the network is: nothing waits for a first batch
        self._optimizer_is_auto = False
        self._untrained = ()
        self.compile()

    def _take(self, preprocessor):
        self.preprocessor = self._checked(preprocessor)
        self.forget_functions()

    def _checked(self, preprocessor):
        """Returns: a preprocessor that fits the network. Raises: ValueError on another."""
        config = self.network.encoder.config
        if preprocessor.max_length > config.max_position_embeddings:
            raise ValueError(
                f"max_length={preprocessor.max_length} is over max_position_embeddings={config.max_position_embeddings} of the encoder"
            )
        if preprocessor.tokenizer is not None:
            check_vocabulary_size(preprocessor.tokenizer, config)
        return preprocessor

    def change_settings(self, **changes):
        """Change what the preprocessor was made with. Args: tokenizer, max_length, text_pair, ... Raises: ValueError on what cannot be."""
        self._take(self.preprocessor.with_settings(**changes))
        if "pad_to_multiple_of" in changes:
            self._recompile(optimizer=self.optimizer)  # whether lengths are static decides on XLA

    max_length, pad_to_multiple_of = (setting(name) for name in ("max_length", "pad_to_multiple_of"))
    tokenizer = setting("tokenizer")

    def __setattr__(self, name, value):
        if name in self.NETWORK_OPTIONS and not isinstance(getattr(type(self), name, None), property):
            raise AttributeError(
                f"{name} is a part of the network, which is made with it: {type(self).__name__}(encoder, ..., {name}={value!r}), or "
                f"{type(self).__name__}.from_pretrained(path, {name}={value!r})"
            )
        super().__setattr__(name, value)

    @property
    def encoder(self):
        return self.network.encoder

    @property
    def packer(self):
        return self.preprocessor.packer

    @property
    def has_blank_rows(self):
        return self.preprocessor.fills_up

    def call(self, features, training=None):
        return self.through(functools.partial(self.network, training=training), features)

    def through(self, network, inputs):
        """What a network gives for the model inputs, an example each: of an example that is several of the network's rows, joined.

        Args: network: function of the batch contract. inputs: dict of the model inputs. Returns: (nested) tensors [examples, ...].
        """
        return network(inputs)

    def predictions(self, outputs):
        """What `predict` gives of what the network gives, such as probabilities of logits. Args, Returns: (nested) tensors."""
        return outputs

    def predicted(self, data):
        """What the network predicts of the model's inputs. Returns: (nested) tensors [rows, ...]."""
        return self.predictions(super().predict_step(data))

    def predict_step(self, data):
        return self.preprocessor.of_examples(self.predicted(data), keras.utils.unpack_x_y_sample_weight(data)[0], None)

    def class_weights(self, class_weight):
        labels = getattr(self.preprocessor, "labels", None)
        if class_weight is None or labels is None:
            return class_weight
        if not self.preprocessor.chooses:
            raise ValueError(
                f"class_weight={class_weight!r}: only a choice of one label has classes; give sample_weight instead, or for several labels "
                "compile(class_weights=...)"
            )
        weights = labels.class_weights(class_weight)
        return {index: weights.get(index, 1.0) for index in range(len(labels))}  # Keras would look each label up in a shorter table

    def quantize(self, mode=None, config=None, **kwargs):
        refuse_to_quantize(self)

    # What a subclass gives.

    def default_loss(self):
        """Returns: a Keras loss."""
        raise TypeError(f"{type(self).__name__} gives no default loss")

    def default_metrics(self):
        """Returns: list of Keras metrics."""
        return []

    def rate_factors(self):
        """Factors of the learning rate for parts that start from nothing. Returns: dict, for create_optimizer."""
        return {}

    def default_weighted_metrics(self):
        """Metrics that count each target by its sample weight. Returns: as keras.Model.compile takes them, or None."""

    # Training.

    def compile(self, optimizer=AUTO, loss=AUTO, metrics=AUTO, weighted_metrics=AUTO, **kwargs):
        """TrainingModel.compile with defaults for this task.

        Args:
            optimizer: "auto" makes create_optimizer(5e-5) at each fit, with warm-up and decay over the updates of that fit.
            loss, metrics, weighted_metrics: "auto" takes the task's.
            others: those of training.TrainingModel.compile: gradient_accumulation_steps, jit_compile, ...
        """
        self._optimizer_is_auto = isinstance(optimizer, str) and optimizer == AUTO
        if self._optimizer_is_auto:
            optimizer = self._default_optimizer(total_steps=1)
        self._auto_arguments = {
            name: AUTO
            for name, value in (
                ("optimizer", optimizer),
                ("loss", loss),
                ("metrics", metrics),
                ("weighted_metrics", weighted_metrics),
            )
            if (isinstance(value, str) and value == AUTO) or (name == "optimizer" and self._optimizer_is_auto)
        }
        if isinstance(loss, str) and loss == AUTO:
            loss = self.default_loss()
        if isinstance(metrics, str) and metrics == AUTO:
            metrics = self.default_metrics()
        if isinstance(weighted_metrics, str) and weighted_metrics == AUTO:
            weighted_metrics = self.default_weighted_metrics()
        forget_metrics(self)
        # A partial, not a dict: Keras would track the metrics in a dict a second time.
        self._recompile = functools.partial(super().compile, loss=loss, metrics=metrics, weighted_metrics=weighted_metrics, **kwargs)
        self._recompile(optimizer=optimizer)
        self.forget_functions()

    def _has_static_length(self):
        return self.pad_to_multiple_of is None

    def get_compile_config(self):
        # "auto" stays "auto" in a file: the schedule of a finished fit ends at rate 0, and a later fit must not go on with it.
        return (super().get_compile_config() or {}) | self._auto_arguments

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def prepare_fit(self, count):
        """A fresh default optimizer, whose warm-up and decay fit the run that begins; the rest of the compilation stays."""
        if not self._optimizer_is_auto:
            return
        batches, epochs = count()
        total_steps = -(-batches // self.gradient_accumulation_steps) * epochs
        if total_steps < 1:
            raise ValueError("nothing to train on: the data, the epochs or steps_per_epoch come to no step")
        self.reset_metrics()  # the same metrics are compiled again, and Keras resets only those it has seen a batch with
        self._recompile(optimizer=self._default_optimizer(total_steps))

    def _default_optimizer(self, total_steps):
        return create_optimizer(LEARNING_RATE, total_steps=total_steps, learning_rate_multipliers=self.rate_factors() or None)

    # To disk and back.

    @classmethod
    def from_pretrained(cls, path, *, dtype=None, format=None, strict=False, tokenizer=None, **options):
        """Load a checkpoint.

        Args:
            path: a directory of any format in checkpoints.FORMATS, or hf://owner/name[@revision].
            dtype: Keras dtype policy of the encoder; None takes the global one.
            format: one of checkpoints.FORMATS; None tells it by the files.
            strict: raise where weights are left over (an optimizer's apart) or newly initialised.
            tokenizer: Tokenizer to use in place of the checkpoint's.
            options: arguments of the class; absent: the checkpoint's, where it is of the same task, else the defaults.
        Returns: the task; its `load_report` says what was taken, what is new and what was ignored.
        Raises: ValueError, FileNotFoundError naming what does not fit.
        Warns: where weights are newly initialised, naming them.
        """
        checkpoint = as_checkpoint(path, format)
        settings = cls._settings_from(checkpoint, options)
        network_options = {name: settings.pop(name) for name in cls.NETWORK_OPTIONS if name in settings}
        if network_options.get("labels") is not None:
            network_options["labels"] = check_labels(network_options["labels"], least=1)
        network, fresh = build_network(checkpoint, cls.NETWORK, dtype=dtype, **network_options)
        tokenizer = checkpoint.make_tokenizer() if tokenizer is None else tokenizer
        if "labels" in cls.NETWORK_OPTIONS:
            settings["labels"] = network_options.get("labels") or checkpoint.labels
        settings |= {name: network_options[name] for name in cls.NAMES}
        model = cls(network.encoder, tokenizer=tokenizer, network=network, **settings)
        model.load_report = load_weights(network, checkpoint, fresh=fresh, strict=strict)
        model._untrained = model.load_report.initialised
        return model

    @classmethod
    def _settings_from(cls, checkpoint, options):
        """What the checkpoint says of the same task, under what the user says."""
        settings = dict(checkpoint.settings) if checkpoint.task == cls.__name__ else {}
        if checkpoint.task is None and "max_length" in checkpoint.settings:  # a cross-encoder's
            settings["max_length"] = checkpoint.settings["max_length"]
        own_none = cls.OWN_NONE  # to the others None means the checkpoint's
        settings |= {name: value for name, value in options.items() if value is not None or name in own_none}
        return {name: value for name, value in settings.items() if value is not None or name in own_none}

    def settings(self):
        """What keras_bert.json says of this model, but encoder, labels and tokenizer. Returns: dict for JSON."""
        own = self.preprocessor.get_config()
        network = self.network.settings()
        return {name: network[name] for name in self.NETWORK_OPTIONS if name in network} | {
            name: value for name, value in own.items() if name not in ("labels", "problem_type", "type_vocab_size")
        }

    def save_pretrained(self, directory):
        """Write keras_bert.json, model.safetensors and the tokenizer's file.

        Args: directory: path; what it held before is kept until the new model is whole.
        """
        native.write(
            directory,
            self.network,
            task=type(self).__name__,
            settings=self.settings(),
            labels=getattr(self, "labels", None),
            tokenizer=self.tokenizer,
        )

    def get_config(self):
        config = {"encoder": keras.saving.serialize_keras_object(self.encoder)}
        if "labels" in self.NETWORK_OPTIONS:
            config["labels"] = self.labels
        tokenizer = None if self.tokenizer is None else tokenizer_to_config(self.tokenizer)
        return config | {"tokenizer": tokenizer} | self.settings() | {"name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["encoder"] = keras.saving.deserialize_keras_object(config["encoder"], custom_objects=custom_objects)
        if config["tokenizer"] is not None:
            config["tokenizer"] = tokenizer_from_config(config["tokenizer"])
        return cls(**config)
