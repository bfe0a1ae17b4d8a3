"""What the networks of an encoder and a head have in common."""

import keras


class EncoderWithHead(keras.Model):
    """Base of the encoder's networks. A subclass builds its outputs, names its arguments by `settings`, and says how it is made of a
    checkpoint: by OPTIONS, LABELLED, wants_pooler, fresh_parts and from_options.

    Attributes: encoder: BertEncoder.
    """

    OPTIONS = ()  # of a subclass: arguments that a checkpoint may give, beside the encoder and num_labels
    LIKE = ()  # of a subclass: names of other networks with the same head, of whose checkpoints it takes the head too
    OWN = ()  # of a subclass: layers that other networks have under the same name, trained on something else
    LABELLED = ()  # of a subclass that takes num_labels: the layers with a score a label, which fit those labels alone

    def __init__(self, encoder, inputs, outputs, **kwargs):
        check_keywords(type(self).__name__, kwargs)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.encoder = encoder

    @classmethod
    def options_from(cls, settings):
        """Of what a checkpoint of this network says (dict), the arguments of this class. Returns: dict."""
        return {name: settings[name] for name in cls.OPTIONS if name in settings}

    @classmethod
    def wants_pooler(cls, options):
        """Whether the encoder needs a pooler. Args: options: dict of arguments. Returns: bool."""
        return False

    @classmethod
    def fresh_parts(cls, options, theirs):
        """Layers of a checkpoint that are not to be taken although they are there: they were trained on something else.

        Args: options: arguments of the network to be made. theirs: those of the network that was saved; absent: the defaults.
        Returns: tuple of names, as "classifier". Other labels are not looked at here: see LABELLED.
        """
        return ()

    @classmethod
    def from_options(cls, encoder, options, num_labels=None):
        """Make the network. Args: encoder: BertEncoder. options: dict of arguments. num_labels: where LABELLED. Returns: cls."""
        return cls(encoder, num_labels, **options) if cls.LABELLED else cls(encoder, **options)

    def settings(self):
        """Returns: dict of the constructor's arguments but the encoder, plain enough for JSON."""
        return {}

    def quantize(self, mode=None, config=None, **kwargs):
        refuse_to_quantize(self)

    def get_config(self):
        encoder = {"encoder": keras.saving.serialize_keras_object(self.encoder)}
        return encoder | self.settings() | {"name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        encoder = keras.saving.deserialize_keras_object(config["encoder"], custom_objects=custom_objects)
        return cls(**{**config, "encoder": encoder})


def refuse_to_quantize(model):
    """Raises: NotImplementedError, before anything is changed: Keras would quantize the heads alone, and could not load the result."""
    raise NotImplementedError(
        f"{type(model).__name__} cannot be quantized yet: its attention and feed-forward layers have no integer products. For a smaller "
        'model, take bfloat16: export_saved_model(model, directory, dtype="bfloat16"), or load it with dtype="bfloat16"'
    )


def check_keywords(class_name, keywords):
    """Raises: TypeError naming keyword arguments that are none of keras.Model's: it would swallow them, a misspelt option with them."""
    unknown = sorted(set(keywords) - {"name", "trainable"})
    if unknown:
        raise TypeError(f"{class_name} has no argument {', '.join(unknown)}")


def check_num_labels(num_labels, *, least=2):
    """Returns: num_labels as int. Raises: ValueError unless a whole number of `least` or more."""
    if isinstance(num_labels, bool) or int(num_labels) != num_labels or num_labels < least:
        needs = "a classifier chooses between 2 labels at least" if least == 2 else "a text gets one score at least"
        raise ValueError(f"num_labels={num_labels!r}: {needs}")
    return int(num_labels)
