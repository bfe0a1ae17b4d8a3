"""BertIntentSlots: what an utterance wants, and the slots that its words fill; two heads on one encoder."""

import keras

from keras_bert.labels import check_labels
from keras_bert.models import IntentSlots
from keras_bert.preprocessing import IntentSlotsPreprocessor
from keras_bert.tasks.tagger import BertTagger


@keras.saving.register_keras_serializable(package="keras_bert")
class BertIntentSlots(BertTagger):
    """Joint intent classification and slot filling, for assistants.

        model = BertIntentSlots.from_pretrained("path/to/bert", intents=["PlayMusic", "GetWeather"], labels=["O", "B-genre", "I-genre"])
        model.fit([["play", "jazz"], ["any", "rain"]], {"intent": ["PlayMusic", "GetWeather"], "slots": [["O", "B-genre"], ["O", "O"]]})
        model.answer(["Play smooth jazz."])     # raw text, or lists of words
        # [{"intent": "PlayMusic", "intent_score": 0.99, "intent_probabilities": [0.99, 0.01],
        #   "slots": [{"text": "smooth jazz", "type": "genre", "start": 5, "end": 16, "score": 0.97, "word_start": 1, "word_end": 3}],
        #   "words": ["Play", "smooth", ...], "tags": ["O", "B-genre", ...], ...}]

    The loss is the sum of the two heads' cross-entropies (with crf=True: of the intent's, and of the sentence's tags);
    compile(loss_weights={"intent": 0.5}) weighs them. `predict` gives a dict of probabilities: "intent": float32 [utterances, intents];
    "slots": float32 [utterances, words, labels].

    An example of how heads are composed: a network with a dict of outputs (models/intent_slots.py), a preprocessor that makes targets and
    answers of both heads (preprocessing/intent_slots.py), and here a loss and metrics by the names of the outputs.

    Args:
        encoder: BertEncoder.
        labels: list of the slots' tags; the index is the tag's id. data.intent_slot_labels gives both lists of a data set.
        tokenizer: Tokenizer, or None to take only the contract and word_positions.
        intents: list of intents; the index is the intent's id.
        pooling: what the intent is read from, "mean" or "pooler"; see models.IntentSlots.
        crf, lstm_units: of the slots, see BertTagger.
        dropout: rate before each head; None takes the encoder's hidden_dropout_prob.
        max_length, pad_to_multiple_of, stride, scheme: see TaggingPreprocessor.
        network: IntentSlots that is there already, of this encoder; None makes one, by pooling, crf, lstm_units and dropout.
    """

    NETWORK = IntentSlots
    NETWORK_OPTIONS = ("labels", "intents", *IntentSlots.OPTIONS)
    NAMES = ("intents",)
    PREPROCESSOR = IntentSlotsPreprocessor

    def __init__(
        self, encoder, labels, tokenizer=None, *, intents, pooling="mean", crf=False, lstm_units=None, dropout=None, network=None, **kwargs
    ):
        labels, intents = check_labels(labels), check_intents(intents)
        if network is None:
            heads = {"pooling": pooling, "dropout": dropout, "lstm_units": lstm_units, "crf": crf}
            network = IntentSlots(encoder, len(labels), len(intents), **heads)
        if len(intents) != network.num_intents:
            raise ValueError(_other_number(intents, network))
        super().__init__(encoder, labels, tokenizer, network=network, preprocessing={"intents": intents}, **kwargs)

    @property
    def intents(self):
        """Names of the intents; new names may be set, as many."""
        return list(self.preprocessor.intents.names)

    @intents.setter
    def intents(self, names):
        names = check_intents(names)
        if len(names) != self.network.num_intents:
            raise ValueError(_other_number(names, self.network))
        self.change_settings(intents=names)

    @classmethod
    def _settings_from(cls, checkpoint, options):
        settings = super()._settings_from(checkpoint, options)
        if "intents" not in settings:
            raise ValueError(f"{checkpoint.path} names no intents; give intents=[...]")
        settings["intents"] = check_intents(settings["intents"])
        return settings | {"num_intents": len(settings["intents"])}

    def settings(self):
        return {name: value for name, value in super().settings().items() if name != "num_intents"}  # the names are counted

    def class_weights(self, class_weight):
        if class_weight is not None:
            raise ValueError(
                f"class_weight={class_weight!r}: this model has two heads; for slots there is compile(tag_weights=...), for intents give "
                "fit a sample_weight"
            )
        return None

    def default_loss(self):
        return {"intent": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "slots": super().default_loss()}

    def default_metrics(self):
        return {"intent": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")], "slots": super().default_metrics()}


def check_intents(names):
    """Returns: list of str. Raises: ValueError unless they are 2 or more different names."""
    try:
        return check_labels(names)
    except ValueError as error:
        raise ValueError(str(error).replace("labels=", "intents=", 1)) from None


def _other_number(intents, network):
    return f"{len(intents)} intents ({', '.join(intents)}) for a model of {network.num_intents}"
