"""What the networks of an encoder and a head have in common."""

import keras


class EncoderWithHead(keras.Model):
    """Base of the encoder's networks. A subclass builds its outputs, and names its arguments by `settings`.

    Attributes: encoder: BertEncoder.
    """

    def __init__(self, encoder, inputs, outputs, **kwargs):
        check_keywords(type(self).__name__, kwargs)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.encoder = encoder

    def settings(self):
        """Returns: dict of the constructor's arguments but the encoder, plain enough for JSON."""
        return {}

    def get_config(self):
        encoder = {"encoder": keras.saving.serialize_keras_object(self.encoder)}
        return encoder | self.settings() | {"name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        encoder = keras.saving.deserialize_keras_object(config["encoder"], custom_objects=custom_objects)
        return cls(**{**config, "encoder": encoder})


def check_keywords(class_name, keywords):
    """Raises: TypeError naming keyword arguments that are none of keras.Model's: it would swallow them, a misspelt option with them."""
    unknown = sorted(set(keywords) - {"name", "trainable"})
    if unknown:
        raise TypeError(f"{class_name} has no argument {', '.join(unknown)}")


def check_num_labels(num_labels):
    """Returns: num_labels as int. Raises: ValueError unless a whole number of 2 or more."""
    if isinstance(num_labels, bool) or int(num_labels) != num_labels or num_labels < 2:
        raise ValueError(f"num_labels={num_labels!r}: a classifier chooses between 2 labels at least")
    return int(num_labels)
