"""Seq2Seq: an encoder that reads and a decoder that writes; in training the contract and the answer in, logits out."""

import keras

from keras_bert import features
from keras_bert.models.decoder import Decoder, decoder_config
from keras_bert.models.generation import generate
from keras_bert.models.network import EncoderWithHead

_SHARED_SIZES = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings", "type_vocab_size")


@keras.saving.register_keras_serializable(package="keras_bert")
class Seq2Seq(EncoderWithHead):
    """Text to text: a BERT encoder and a BERT decoder with attention to what the encoder read. Transformers' EncoderDecoderModel of two.

    Args:
        encoder: BertEncoder.
        decoder: BertConfig of the decoder; or a dict of what differs from the encoder's, such as {"num_hidden_layers": 2}; None: nothing.
        shared: embeddings and blocks are one set of weights for both sides. The decoder then is of the encoder's sizes; it may have fewer
            layers, the encoder's first.
    Inputs: the contract, of the source, and decoder_input_ids, int32 [batch, target_length]: the answer up to each token that is asked for.
    Outputs: float32 [batch, target_length, vocab_size], scores of the token that follows each, before softmax.
    Call: generation=Generation(...) writes in place of that: the outputs are then generate's, and of decoder_input_ids only the first is
        read, with which each answer begins.
    Raises: ValueError where shared sides differ in size.
    Source: Rothe et al. 2020, "Leveraging pre-trained checkpoints for sequence generation tasks".
    """

    OPTIONS = ("decoder", "shared")

    def __init__(self, encoder, *, decoder=None, shared=False, **kwargs):
        config = decoder_config(encoder.config, decoder)
        if shared:
            _check_shared(encoder.config, config)
        ids = keras.Input((None,), dtype=features.DTYPE, name=features.DECODER_INPUT_IDS)
        layer = Decoder(config, shared_with=encoder if shared else None, dtype=encoder.dtype_policy_name, name="decoder")
        source = encoder(encoder.input)["sequence_output"]
        logits = layer(ids, source, encoder.input[features.ATTENTION_MASK])
        super().__init__(encoder, encoder.input | {features.DECODER_INPUT_IDS: ids}, logits, **kwargs)
        self.decoder = layer
        self.shared = bool(shared)

    def call(self, inputs, training=None, mask=None, generation=None):
        if generation is None:
            return super().call(inputs, training=training, mask=mask)
        source = self.encoder({name: inputs[name] for name in features.UNPACKED}, training=False)["sequence_output"]
        return generate(self.decoder, source, inputs[features.ATTENTION_MASK], inputs[features.DECODER_INPUT_IDS][:, 0], generation)

    def compute_output_spec(self, inputs, training=None, mask=None, generation=None):
        if generation is None:
            return super().compute_output_spec(inputs, training=training, mask=mask)
        shape = (inputs[features.INPUT_IDS].shape[0], generation.num_answers)
        ids = keras.KerasTensor((*shape, generation.max_length), dtype=features.DTYPE)
        return {"ids": ids, "scores": keras.KerasTensor(shape, dtype="float32")}

    def settings(self):
        return {"decoder": self.decoder.config.to_dict(), "shared": self.shared}


def _check_shared(encoder, decoder):
    differing = [name for name in _SHARED_SIZES if getattr(encoder, name) != getattr(decoder, name)]
    if differing:
        parts = ", ".join(f"{name} {getattr(encoder, name)} and {getattr(decoder, name)}" for name in differing)
        raise ValueError(f"shared=True, but encoder and decoder differ: {parts}; leave shared out")
    if decoder.num_hidden_layers > encoder.num_hidden_layers:
        raise ValueError(
            f"shared=True, but the decoder has num_hidden_layers={decoder.num_hidden_layers}, the encoder {encoder.num_hidden_layers}"
        )
