"""NextSentence: encoder, pooler and two scores, of whether the second text follows the first; the contract in, logits out."""

import keras

from keras_bert.layers.initializers import bert_initializer
from keras_bert.models.network import EncoderWithHead


@keras.saving.register_keras_serializable(package="keras_bert")
class NextSentence(EncoderWithHead):
    """Whether the second text of a pair follows the first.

    Args: encoder: BertEncoder with a pooler.
    Inputs: the contract.
    Outputs: float32 [batch, 2], before softmax; 0: the second text follows, 1: it is a random one.
    Raises: ValueError where the encoder has no pooler.
    Source: Devlin et al. 2018, section 3.1; google-research/bert run_pretraining.py get_next_sentence_output.
    """

    def __init__(self, encoder, **kwargs):
        check_has_pooler(encoder)
        pooled = encoder(encoder.input, first_token_only=True)["pooled_output"]
        super().__init__(encoder, encoder.input, next_sentence_head(encoder)(pooled), **kwargs)

    @classmethod
    def wants_pooler(cls, options):
        return True


def check_has_pooler(encoder):
    """Raises: ValueError where the next-sentence head would have nothing to read."""
    if not encoder.pooler:
        raise ValueError("the next-sentence head reads the pooled output; this encoder has pooler=False (MaskedLM needs none)")


def next_sentence_head(encoder):
    """The layer of the two scores. Call: pooled_output: [..., hidden_size]. Returns: float32 [..., 2]."""
    return keras.layers.Dense(
        2, kernel_initializer=bert_initializer(encoder.config.initializer_range), dtype="float32", name="next_sentence"
    )
