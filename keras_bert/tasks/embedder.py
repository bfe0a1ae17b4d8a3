"""BertEmbedder: one vector a text."""

import keras

from keras_bert.models import TextEmbedder
from keras_bert.preprocessing import EmbeddingPreprocessor
from keras_bert.tasks.text_task import TextTask


@keras.saving.register_keras_serializable(package="keras_bert")
class BertEmbedder(TextTask):
    """Text embeddings: like texts have like vectors, in a checkpoint that was trained for it.

        model = BertEmbedder.from_pretrained("all-MiniLM-L6-v2")
        vectors = model.predict(["a fine film", "what a treat"])    # float32 [2, hidden_size]
        vectors @ vectors.T                                         # cosines, where normalize is True
        model.answer(["a fine film"])                               # [{"embedding": [...]}]

    Args:
        encoder: BertEncoder.
        tokenizer: Tokenizer, or None to take only the contract.
        pooling: "mean", "max", "cls" or "pooler"; see models.TextEmbedder.
        dense: dense layers after the pooling; see models.TextEmbedder.
        normalize: scale each vector to length 1.
        max_length, pad_to_multiple_of, text_pair: see TextTask.
        network: TextEmbedder that is there already, of this encoder; None makes one.
    It has no loss of its own yet: to train it, compile with one.
    """

    NETWORK = TextEmbedder
    NETWORK_OPTIONS = TextEmbedder.OPTIONS
    PREPROCESSOR = EmbeddingPreprocessor

    def __init__(self, encoder, tokenizer=None, *, pooling="mean", dense=(), normalize=True, network=None, **kwargs):
        network = TextEmbedder(encoder, pooling=pooling, dense=dense, normalize=normalize) if network is None else network
        super().__init__(network, tokenizer, **kwargs)

    def default_loss(self):
        return None
