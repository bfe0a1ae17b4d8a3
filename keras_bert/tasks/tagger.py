"""BertTagger: a tag for every word, and the entities that the tags mark."""

import keras

from keras_bert.labels import Labels, check_labels
from keras_bert.layers.crf import split_scores
from keras_bert.metrics.entity_score import EntityScore
from keras_bert.models import Tagger
from keras_bert.preprocessing import TaggingPreprocessor
from keras_bert.tasks.task import Task, label_names, setting
from keras_bert.training import CRFLoss, TokenCrossEntropy

# Of the rate that suits BERT's own weights: what starts from nothing must move faster. For a CRF 1e-3 to 1e-2 is usual, for an LSTM 1e-3.
RATE_FACTORS = {"crf": 100.0, "bilstm": 20.0}


@keras.saving.register_keras_serializable(package="keras_bert")
class BertTagger(Task):
    """Tagging of words: named entities, parts of speech, slots.

        model = BertTagger.from_pretrained("path/to/bert", labels=["O", "B-PER", "I-PER"], crf=True)
        model.fit([["John", "lives", "here"], ["Hello"]], [["B-PER", "O", "O"], ["O"]])
        model.answer(["Yesterday Anna Smith called."])      # raw text, or lists of words: [["Yesterday", "Anna", ...]]
        # [{"entities": [{"text": "Anna Smith", "type": "PER", "start": 10, "end": 20, "score": 0.98, "word_start": 1, "word_end": 3}],
        #   "words": ["Yesterday", "Anna", ...], "tags": ["O", "B-PER", ...], ...}]

    Sentences of any length are taken: what is over max_length is read in rows that overlap, see TaggingPreprocessor. `predict` gives
    float32 [sentences, words, labels], probabilities of the tags, 0 past a sentence's end.

    Args:
        encoder: BertEncoder.
        labels: list of tags; the index is the tag's id. keras_bert.tags.tag_names makes it of the types of entities.
        tokenizer: Tokenizer, or None to take only the contract and word_positions.
        crf: score moves from tag to tag by a CRF, whose forbidden moves are never answered; False: a softmax for each word.
        lstm_units: see models.Tagger.
        dropout: rate before the head; None takes the encoder's hidden_dropout_prob.
        max_length, pad_to_multiple_of, stride, scheme: see TaggingPreprocessor.
        network: Tagger that is there already, of this encoder; None makes one, by crf, lstm_units and dropout.
    """

    NETWORK = Tagger
    NETWORK_OPTIONS = ("labels", *Tagger.OPTIONS)
    PREPROCESSOR = TaggingPreprocessor
    stride, scheme = setting("stride"), setting("scheme")

    def __init__(
        self,
        encoder,
        labels,
        tokenizer=None,
        *,
        crf=False,
        lstm_units=None,
        dropout=None,
        stride=None,
        scheme=None,
        network=None,
        preprocessing=None,
        **kwargs,
    ):
        labels = check_labels(labels)
        network = Tagger(encoder, len(labels), dropout=dropout, lstm_units=lstm_units, crf=crf) if network is None else network
        preprocessing = {"labels": labels, "stride": stride, "scheme": scheme, "crf": network.crf} | (preprocessing or {})
        super().__init__(network, tokenizer, preprocessing=preprocessing, **kwargs)

    labels = label_names("a tagger")

    def call(self, features, training=None):
        return self.network(self.preprocessor.answer_inputs(features), training=training)

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        metrics="auto",
        *,
        tag_weights=None,
        focal_gamma=None,
        label_smoothing=0.0,
        constrained=False,
        **kwargs,
    ):
        """Task.compile, and what the task's own loss takes.

        Args:
            tag_weights: mapping of tags, by name or id, to weights from 0, for tags that are rare or common; those left out are 1. With a
                softmax a word's loss is multiplied; with a CRF the emissions of a word are, see layers.crf.LinearChain.
            focal_gamma, label_smoothing: of a softmax, see training.TokenCrossEntropy.
            constrained: bar a CRF's forbidden moves in training too, not only in answers.
        Raises: ValueError on what the head does not take.
        """
        crf = self.network.crf
        for name, given in (("focal_gamma", focal_gamma is not None), ("label_smoothing", label_smoothing != 0)):
            if crf and given:
                raise ValueError(
                    f"{name} is of a softmax over a word's tags; a CRF's loss is of whole sentences: leave it out, or crf=False"
                )
        if constrained and not crf:
            raise ValueError("constrained=True bars moves of a CRF; this tagger has none: crf=True")
        weights = None if tag_weights is None else Labels(self.labels).class_weights(tag_weights)
        self._loss_options = {
            "tag_weights": None if weights is None else [weights.get(index, 1.0) for index in range(len(self.labels))],
            "focal_gamma": focal_gamma,
            "label_smoothing": label_smoothing,
            "constrained": constrained,
        }
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def get_compile_config(self):
        weights = self._loss_options["tag_weights"]
        return super().get_compile_config() | self._loss_options | {"tag_weights": weights and dict(zip(self.labels, weights, strict=True))}

    def rate_factors(self):
        parts = {part for weight in self.network.weights for part in weight.path.split("/")}
        return {part: factor for part, factor in RATE_FACTORS.items() if part in parts}

    def class_weights(self, class_weight):
        if class_weight is not None:
            raise ValueError(f"class_weight={class_weight!r}: the classes of a tagger are tags: compile(tag_weights={class_weight!r})")
        return None

    def default_loss(self):
        options = dict(self._loss_options)
        constrained = options.pop("constrained")
        if not self.network.crf:
            return TokenCrossEntropy(len(self.labels), **options)
        return CRFLoss(len(self.labels), options["tag_weights"], allowed=self.preprocessor.moves if constrained else None)

    def default_metrics(self):
        moves = self.preprocessor.moves

        def decode(scores, mask):
            emissions, chain = split_scores(scores, allowed=moves)
            return chain.viterbi(emissions, mask)[0]

        return [EntityScore(self.labels, decode=decode if self.network.crf else None)]
