"""BertSeq2Seq: text to text, as summaries and translations are."""

import dataclasses
import functools
import warnings

import keras
import tensorflow as tf

from keras_bert import features
from keras_bert.checkpoints.networks import as_checkpoint
from keras_bert.checkpoints.warm_start import warm_started
from keras_bert.metrics.written_tokens import WrittenTokens
from keras_bert.models import Seq2Seq
from keras_bert.models.decoder import decoder_config
from keras_bert.preprocessing import Seq2SeqPreprocessor
from keras_bert.preprocessing.seq2seq import MANY_UNKNOWN, SETTINGS
from keras_bert.tasks.task import Task, setting
from keras_bert.text.serialization import tokenizer_from_config
from keras_bert.training import SequenceCrossEntropy


@keras.saving.register_keras_serializable(package="keras_bert")
class BertSeq2Seq(Task):
    """Text to text with a BERT that reads and one that writes. Transformers' EncoderDecoderModel (bert2bert).

        model = BertSeq2Seq.from_pretrained("path/to/bert")         # both sides begin with its weights; attention between them is new
        model.fit(["a long text ..."], ["its summary"])
        model.fit(dataset)                                          # of (source, target)
        model.generate(["a long text ..."])                         # ["its summary"]
        model.answer(["a long text ..."], num_beams=4)              # [{"text": "its summary", "score": -0.3}]

    `predict` gives the ids of the best answer, int32 [examples, max_target_length]. Calling the model on what `preprocess(sources,
    targets)` gives, logits, float32 [examples, target_length, vocab_size].

    Args:
        encoder: BertEncoder.
        tokenizer: Tokenizer, or None to take only the contract.
        decoder, shared: see models.Seq2Seq. from_pretrained of a checkpoint that has no decoder gives the decoder the encoder's weights, as
            far as its layers go; warm_start=False leaves it new.
        max_length: most tokens of a source; None takes 128, or max_position_embeddings where that is less. pad_to_multiple_of: see Task.
        decoder_tokenizer: Tokenizer of the targets, where they want another vocabulary; None: that of the sources.
        max_target_length: most tokens of an answer or target, [CLS] and [SEP] included; None takes 64, or the decoder's
            max_position_embeddings where that is less.
        min_target_length, num_beams, length_penalty, early_stopping, no_repeat_ngrams, num_answers, temperature, top_k, top_p, seed,
            restore_case: see preprocessing.Seq2SeqPreprocessor.
        network: Seq2Seq that is there already, of this encoder; None makes one.
    Source: Rothe et al. 2020, "Leveraging pre-trained checkpoints for sequence generation tasks".
    """

    NETWORK = Seq2Seq
    NETWORK_OPTIONS = Seq2Seq.OPTIONS
    PREPROCESSOR = Seq2SeqPreprocessor
    OWN_NONE = (*Task.OWN_NONE, "no_repeat_ngrams", "temperature", "top_k", "top_p")
    DEFAULT_TARGET_LENGTH = 64

    max_target_length, min_target_length = setting("max_target_length"), setting("min_target_length")
    num_beams, length_penalty, early_stopping = setting("num_beams"), setting("length_penalty"), setting("early_stopping")
    no_repeat_ngrams = setting("no_repeat_ngrams")
    num_answers, temperature, top_k, top_p = setting("num_answers"), setting("temperature"), setting("top_k"), setting("top_p")
    seed, restore_case, decoder_tokenizer = setting("seed"), setting("restore_case"), setting("decoder_tokenizer")

    def __init__(self, encoder, tokenizer=None, *, decoder=None, shared=False, network=None, **options):
        preprocessing = {name: options.pop(name) for name in (*SETTINGS, "decoder_tokenizer") if name in options}
        own = preprocessing.get("decoder_tokenizer")
        if isinstance(own, dict):
            own = preprocessing["decoder_tokenizer"] = tokenizer_from_config(own)
        if network is None:
            network = Seq2Seq(encoder, decoder=_for_vocabulary(encoder.config, decoder, own), shared=shared)
        if preprocessing.get("max_target_length") is None:
            preprocessing["max_target_length"] = min(self.DEFAULT_TARGET_LENGTH, network.decoder.config.max_position_embeddings)
        if network.shared and own is not None and tokenizer is not None and _pieces(own) != _pieces(tokenizer):
            raise ValueError("shared=True: one set of weights has one vocabulary; leave decoder_tokenizer out, or shared")
        super().__init__(network, tokenizer, preprocessing=preprocessing, **options)

    decoder = property(lambda self: self.network.decoder, doc="The layer that writes.")
    shared = property(lambda self: self.network.shared, doc="Whether both sides have the same weights.")

    def _checked(self, preprocessor):
        preprocessor = super()._checked(preprocessor)
        config, writes = self.network.decoder.config, preprocessor.target_tokenizer
        if preprocessor.max_target_length > config.max_position_embeddings:
            raise ValueError(
                f"max_target_length={preprocessor.max_target_length} is over the decoder's max_position_embeddings="
                f"{config.max_position_embeddings}"
            )
        if writes is not None and writes.vocabulary_size > config.vocab_size:
            raise ValueError(
                f"the targets' vocabulary has {writes.vocabulary_size} pieces but the decoder's word embedding vocab_size="
                f"{config.vocab_size} rows; give the model decoder={{'vocab_size': {writes.vocabulary_size}}}"
            )
        return preprocessor

    @classmethod
    def from_pretrained(cls, path, *, format=None, warm_start=True, decoder=None, decoder_tokenizer=None, **options):
        """Load a checkpoint.

        Args:
            decoder, decoder_tokenizer: see the class. Of a vocabulary of its own, the decoder's word embedding is new.
            warm_start: give a decoder that the checkpoint has not the weights of its encoder.
            others: see Task.from_pretrained.
        Returns, Raises, Warns: as there.
        """
        checkpoint = as_checkpoint(path, format)
        if checkpoint.network != Seq2Seq.__name__:
            decoder = _for_vocabulary(checkpoint.config, decoder, decoder_tokenizer)
            if warm_start:
                reads = options["tokenizer"] if options.get("tokenizer") is not None else checkpoint.make_tokenizer()
                own_words = decoder_tokenizer is not None and _pieces(decoder_tokenizer) != _pieces(reads)
                checkpoint = warm_started(checkpoint, decoder, own_words=own_words)
        options |= {name: value for name, value in (("decoder", decoder), ("decoder_tokenizer", decoder_tokenizer)) if value is not None}
        return super().from_pretrained(checkpoint, **options)

    # Training.

    def preprocess(self, sources, targets=None):
        """Raw text to the model's inputs.

        Args: sources, targets: string tensors, lists or arrays [batch]; without targets the decoder's inputs are [CLS] alone.
        Returns: dict of int32 tensors [batch, length].
        Raises: ValueError where the model has no vocabulary, or where sources and targets differ in number.
        """
        self._check_vocabulary()
        counts = [tf.convert_to_tensor(texts).shape[:1] for texts in (sources, targets) if texts is not None]
        if not counts[0].is_compatible_with(counts[-1]):
            raise ValueError(f"{counts[0][0]} sources but {counts[-1][0]} targets")
        inputs = self.preprocessor.pad(self.preprocessor.rows({"text": sources}, targets))[0]
        return inputs if features.DECODER_INPUT_IDS in inputs else self.preprocessor.with_start(inputs)

    def _read(self, x, y):
        columns, targets = super()._read(x, y)
        is_text = columns is not x and getattr(getattr(targets, "dtype", None), "kind", None) == "O"
        cut, unknown = self.preprocessor.measure_targets(targets) if is_text else (0, 0.0)
        if cut:
            warnings.warn(
                f"{cut} of {len(targets)} targets have more than max_target_length={self.max_target_length} tokens; they are cut. Give the "
                "model a greater max_target_length, or shorter targets",
                stacklevel=5,
            )
        if unknown > MANY_UNKNOWN:
            warnings.warn(
                f"{unknown:.0%} of the targets' tokens are [UNK], which no answer holds: their vocabulary is not of their language. Give "
                "the model a decoder_tokenizer of one that is; text.train_vocabulary learns it",
                stacklevel=5,
            )
        return columns, targets

    def compile(self, optimizer="auto", loss="auto", metrics="auto", *, label_smoothing=0.0, **kwargs):
        """Task.compile.

        Args: label_smoothing: of the task's own loss, see training.SequenceCrossEntropy. others: see Task.compile. An optimizer with
            learning_rate_multipliers={"decoder": 10.0} learns at two rates (Liu & Lapata 2019, "Text summarization with pretrained
            encoders").
        """
        self._label_smoothing = label_smoothing
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def get_compile_config(self):
        return super().get_compile_config() | {"label_smoothing": self._label_smoothing}

    def class_weights(self, class_weight):
        if class_weight is not None:
            raise ValueError(f"class_weight={class_weight!r}: a target is a text, not a class; give sample_weight instead")
        return None

    def default_loss(self):
        return SequenceCrossEntropy(self.network.decoder.config.vocab_size, self._label_smoothing)

    def default_metrics(self):
        return [WrittenTokens()]

    # Asking.

    def predicted(self, data, **options):
        inputs = keras.utils.unpack_x_y_sample_weight(data)[0]
        network = functools.partial(self.network, training=False, **(options or self.preprocessor.network_options))
        return self.predictions(self.through(network, inputs))

    def through(self, network, inputs):
        return network(inputs if features.DECODER_INPUT_IDS in inputs else self.preprocessor.with_start(inputs))

    def generate(self, x, batch_size=None, **settings):
        """The texts of `answer`.

        Args: as answer, such as num_beams=4, max_target_length=20, temperature=0.8.
        Returns: list of str; of lists of them, the best first, where num_answers is over 1.
        """
        answers = self.answer(x, batch_size, **settings)
        if settings.get("num_answers", self.num_answers) > 1:
            return [[each["text"] for each in answer["alternatives"]] for answer in answers]
        return [answer["text"] for answer in answers]


def _pieces(tokenizer):
    return None if tokenizer is None else list(tokenizer.pieces)


def _for_vocabulary(config, decoder, tokenizer):
    """The decoder's configuration, with a row for each piece of its own tokenizer. Returns: BertConfig."""
    decoder_given = decoder_config(config, decoder)
    said = decoder is not None and (not isinstance(decoder, dict) or "vocab_size" in decoder)
    if tokenizer is None or said:
        return decoder_given
    if not hasattr(tokenizer, "vocabulary_size"):
        raise TypeError(f"decoder_tokenizer is a {type(tokenizer).__name__}, {tokenizer!r:.60}; give BertTokenizer(...) of it")
    return dataclasses.replace(decoder_given, vocab_size=tokenizer.vocabulary_size)
