"""SentencePiece, by a trained model, in TensorFlow ops: the tokenizer of models that did not start from WordPiece."""

import base64
import os

import numpy as np
import tensorflow as tf
import tensorflow_text

from keras_bert.text.tokenizer import Tokenizer

WORD_START = "\u2581"  # begins a piece that begins a word
BASE64 = "base64:"  # begins a model written as text

# What each special piece is called, the first that the model has: BERT's way, then SentencePiece's.
_SPECIAL = {
    "PAD": ("[PAD]", "<pad>"),
    "UNK": ("[UNK]", "<unk>"),
    "CLS": ("[CLS]", "<s>"),
    "SEP": ("[SEP]", "</s>"),
    "MASK": ("[MASK]", "<mask>"),
}
_OPTIONAL = ("MASK",)  # mask_id raises KeyError without it, as everywhere
_TRAIN = "--pad_id=0 --unk_id=1 --bos_id=2 --eos_id=3 --control_symbols=[MASK]"


class SentencePieceTokenizer(Tokenizer, tf.Module):
    """Text to the ids of a SentencePiece model (Kudo and Richardson 2018).

    The model normalizes: one that shall lower-case is trained so (`--normalization_rule_name=nmt_nfkc_cf`). Bytes that are
    not UTF-8 become its unknown piece. `tokenize_with_offsets` counts the white space before a word to the word's first
    piece, as SentencePiece does, so a span may begin with it; and "▁" alone may span nothing.

    The processor is a TensorFlow resource. This tokenizer is a tf.Module that tracks it: who saves a tf.function that
    tokenizes must hold this tokenizer, or something that holds it, as an attribute of the module saved. The model's bytes
    are in the graph, then, and no file is needed beside it.

    Args: model: path of a trained .model file, or its bytes, or those in base64 behind "base64:", as get_config gives them.
    Attributes: PAD, UNK, CLS, SEP, MASK: of [PAD] or <pad>, [UNK] or <unk>, [CLS] or <s>, [SEP] or </s>, [MASK] or <mask>
        the first that the model has. A model without MASK can be used, but not for masking.
    Raises: ValueError on bytes that are no model, and naming the special pieces that a model lacks. FileNotFoundError.
    """

    ASSET = "sentencepiece.model"

    def __init__(self, model):
        tf.Module.__init__(self)
        self._model, source = _read(model)
        with tf.init_scope():  # a resource made inside a graph would live as long as that graph
            try:
                self._processor = tensorflow_text.SentencepieceTokenizer(self._model, out_type=tf.int32)
            except (tf.errors.InternalError, tf.errors.InvalidArgumentError) as error:
                raise ValueError(f"{source}: {len(self._model)} bytes that are no SentencePiece model") from error
            pieces = self._processor.id_to_string(tf.range(self._processor.vocab_size())).numpy()
        super().__init__([piece.decode("utf-8") for piece in pieces])
        missing = []
        for role, names in _SPECIAL.items():
            found = [name for name in names if name in self._ids]
            if found:
                setattr(self, role, found[0])
            elif role not in _OPTIONAL:
                missing.append(role)
        if missing:
            wanted = ", ".join(" or ".join(_SPECIAL[role]) for role in missing)
            raise ValueError(f"{source}: no {wanted} among its {len(pieces)} pieces; train the model with {_TRAIN}")

    @property
    def starts_word(self):
        special = {self.PAD, self.UNK, self.CLS, self.SEP, self.MASK}
        return np.array([piece.startswith(WORD_START) or piece in special for piece in self.vocabulary])

    def _split(self, strings, *, offsets):
        return self._processor.tokenize_with_offsets(strings) if offsets else self._processor.tokenize(strings)

    def detokenize(self, ids):
        """Join pieces into text as the model does: special pieces vanish, but the unknown one becomes " ⁇ ".

        Args: ids: int32 tf.RaggedTensor or tensor [batch, (pieces)].
        Returns: string tensor [batch].
        """
        return self._processor.detokenize(ids)

    def get_config(self):
        return {"model": BASE64 + base64.b64encode(self._model).decode("ascii")} | self.settings()

    def save_asset(self, path):
        """Write the model. Args: path: the file, named ASSET."""
        with open(path, "wb") as file:
            file.write(self._model)


def _read(model):
    """Returns: the model's bytes, and what to call it in an error."""
    if isinstance(model, (bytes, bytearray)):
        return bytes(model), "the given model"
    if isinstance(model, str) and model.startswith(BASE64):
        try:
            return base64.b64decode(model.removeprefix(BASE64), validate=True), "the given model"
        except ValueError as error:
            raise ValueError(f"the given model: {error} behind {BASE64!r}") from error
    with open(model, "rb") as file:
        return file.read(), os.fspath(model)
