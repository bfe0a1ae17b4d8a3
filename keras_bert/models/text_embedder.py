"""TextEmbedder: encoder and pooling; the contract in, one vector a text out."""

import keras

from keras_bert import features
from keras_bert.layers import MaxPooling, MeanPooling, Normalize
from keras_bert.models.network import EncoderWithHead

POOLINGS = ("mean", "cls", "max", "pooler")


@keras.saving.register_keras_serializable(package="keras_bert")
class TextEmbedder(EncoderWithHead):
    """A vector a text, such that like texts have like vectors, in an encoder that was trained for it.

    Args:
        encoder: BertEncoder; with a pooler where pooling is "pooler".
        pooling: "mean" or "max" of the real tokens, "cls" (the vector of [CLS]) or "pooler" (tanh of a dense layer over that).
        normalize: scale each vector to length 1, so that a dot product is a cosine.
    Inputs: the contract. Outputs: [batch, hidden_size].
    Raises: ValueError on an unknown pooling, or one that the encoder cannot give.
    Source: Reimers & Gurevych 2019 (Sentence-BERT).
    """

    def __init__(self, encoder, *, pooling="mean", normalize=True, **kwargs):
        if pooling not in POOLINGS:
            raise ValueError(f"pooling={pooling!r} is not one of {', '.join(POOLINGS)}")
        if pooling == "pooler" and not encoder.pooler:
            raise ValueError("pooling='pooler' needs an encoder with a pooler; this one has pooler=False")
        policy = encoder.dtype_policy_name
        outputs = encoder(encoder.input, first_token_only=pooling in ("cls", "pooler"))
        tokens, mask = outputs["sequence_output"], encoder.input[features.ATTENTION_MASK]
        if pooling == "mean":
            pooled = MeanPooling(dtype=policy, name="mean_pooling")(tokens, mask)
        elif pooling == "max":
            pooled = MaxPooling(dtype=policy, name="max_pooling")(tokens, mask)
        else:
            pooled = tokens[:, 0] if pooling == "cls" else outputs["pooled_output"]
        if normalize:
            pooled = Normalize(dtype=policy, name="normalize")(pooled)
        super().__init__(encoder, encoder.input, pooled, **kwargs)
        self.pooling = pooling
        self.normalize = bool(normalize)

    def settings(self):
        return {"pooling": self.pooling, "normalize": self.normalize}
