"""TextEmbedder: encoder and pooling, perhaps dense layers; the contract in, one vector a text out."""

import keras

from keras_bert import features
from keras_bert.layers import MaxPooling, MeanPooling, Normalize
from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead

POOLINGS = ("mean", "cls", "max", "pooler")
DENSE_ACTIVATIONS = ("linear", "tanh", "relu", "gelu", "sigmoid", "silu")  # gelu: the exact form, as Keras's and PyTorch's by default
_DENSE = {"activation": "linear", "use_bias": True, "normalize_before": False}


@keras.saving.register_keras_serializable(package="keras_bert")
class TextEmbedder(EncoderWithHead):
    """A vector a text, such that like texts have like vectors, in an encoder that was trained for it.

    Args:
        encoder: BertEncoder; with a pooler where pooling is "pooler".
        pooling: "mean" or "max" of the real tokens, "cls" (the vector of [CLS]) or "pooler" (tanh of a dense layer over that).
        dense: dense layers that follow, as a list of dicts: units, and where they differ from these, activation ("linear"; one of
            DENSE_ACTIVATIONS), use_bias (True) and normalize_before (False): scale the vector to length 1 before this layer.
        normalize: scale each vector to length 1, last of all, so that a dot product is a cosine.
    Inputs: the contract. Outputs: [batch, units of the last dense layer], or [batch, hidden_size].
    Raises: ValueError on an unknown pooling, one that the encoder cannot give, or a dense layer that is none.
    Source: Reimers & Gurevych 2019 (Sentence-BERT); Reimers & Gurevych 2020 for the dense layer.
    """

    OPTIONS = ("pooling", "dense", "normalize")

    def __init__(self, encoder, *, pooling="mean", dense=(), normalize=True, **kwargs):
        if pooling not in POOLINGS:
            raise ValueError(f"pooling={pooling!r} is not one of {', '.join(POOLINGS)}")
        if pooling == "pooler" and not encoder.pooler:
            raise ValueError("pooling='pooler' needs an encoder with a pooler; this one has pooler=False")
        dense = check_dense(dense)
        policy = encoder.dtype_policy_name
        outputs = encoder(encoder.input, first_token_only=pooling in ("cls", "pooler"))
        tokens, mask = outputs["sequence_output"], encoder.input[features.ATTENTION_MASK]
        if pooling == "mean":
            x = MeanPooling(dtype=policy, name="mean_pooling")(tokens, mask)
        elif pooling == "max":
            x = MaxPooling(dtype=policy, name="max_pooling")(tokens, mask)
        else:
            x = tokens[:, 0] if pooling == "cls" else outputs["pooled_output"]
        for index, values in enumerate(dense):
            if values["normalize_before"]:
                x = Normalize(dtype=policy, name=f"normalize_{index}")(x)
            x = keras.layers.Dense(
                values["units"],
                activation=values["activation"],
                use_bias=values["use_bias"],
                kernel_initializer=bert_initializer(encoder.config.initializer_range),
                dtype=policy,
                name=dense_name(index),
            )(x)
        if normalize:
            x = Normalize(dtype=policy, name="normalize")(x)
        super().__init__(encoder, encoder.input, x, **kwargs)
        self.pooling = pooling
        self.normalize = bool(normalize)
        self._dense = tuple(tuple(values.items()) for values in dense)  # tuples: Keras would wrap lists and dicts

    @property
    def dense(self):
        """List of dicts: the dense layers, with every key."""
        return [dict(items) for items in self._dense]

    def settings(self):
        return {"pooling": self.pooling, "dense": self.dense, "normalize": self.normalize}

    @classmethod
    def wants_pooler(cls, options):
        return options.get("pooling") == "pooler"

    @classmethod
    def fresh_parts(cls, options, theirs):
        """From the first dense layer that has another form or reads something else."""
        ours, theirs_dense = check_dense(options.get("dense", ())), check_dense(theirs.get("dense", ()))
        same = 0
        if options.get("pooling", "mean") == theirs.get("pooling", "mean"):
            while same < min(len(ours), len(theirs_dense)) and ours[same] == theirs_dense[same]:
                same += 1
        return tuple(dense_name(index) for index in range(same, len(ours)))


def dense_name(index):
    """The name of a dense layer, and of its part in checkpoints. Args: index: its place, from 0."""
    return f"dense_{index}"


def check_dense(dense):
    """Returns: list of dicts with every key. Raises: ValueError naming the layer and the key that is none, or has no such value."""
    checked = []
    for index, given in enumerate(dense or ()):
        unknown = sorted(set(given) - {"units", *_DENSE}) if isinstance(given, dict) else given
        if unknown or "units" not in given:
            raise ValueError(f"dense[{index}]={given!r} is no dict of units, {', '.join(_DENSE)}, of which units must be there")
        values = _DENSE | given
        units, activation = values["units"], values["activation"]
        if isinstance(units, bool) or not isinstance(units, int) or units < 1:
            raise ValueError(f"dense[{index}] has units={units!r}, which is not a positive whole number")
        if activation not in DENSE_ACTIVATIONS:
            raise ValueError(f"dense[{index}] has activation={activation!r}, which is not one of {', '.join(DENSE_ACTIVATIONS)}")
        checked.append(values)
    return checked
