"""BertSemanticRoleLabeler: who did what to whom, when and where: the predicates of a sentence, and the roles of words to each."""

import keras

from keras_bert.labels import check_labels
from keras_bert.layers.crf import split_scores
from keras_bert.metrics.frame_score import FrameScore
from keras_bert.models import RoleLabeler
from keras_bert.preprocessing import RoleLabelingPreprocessor
from keras_bert.tasks.tagger import RATE_FACTORS
from keras_bert.tasks.task import Task, label_names, setting
from keras_bert.training import CRFLoss, TokenCrossEntropy

ROLES, PREDICATES, FRAMES = "roles", "predicates", "frames"


@keras.saving.register_keras_serializable(package="keras_bert")
class BertSemanticRoleLabeler(Task):
    """Semantic role labelling in PropBank's way.

        labels = data.role_labels(sentences)                                # "O", "B-ARG0", "I-ARG0", ...
        model = BertSemanticRoleLabeler.from_pretrained("path/to/bert", labels=labels)
        model.fit(*data.propbank_dataset(sentences, labels))
        model.answer(["We go to the party."])                               # raw text: predicates are found
        model.answer({"words": [["We", "go", "home"]], "predicates": [[1]]})     # predicates are given
        # [{"words": ["We", "go", "home"], "word_count": 3, "frame_count": 1, "role_count": 3,
        #   "frames": [{"predicate": "go", "predicate_word": 1, "start": 3, "end": 5, "score": 1.0,
        #               "roles": [{"role": "ARG0", "text": "We", "start": 0, "end": 2, "score": 0.98, "word_start": 0, "word_end": 1},
        #                         ...]}]}]

    A predicate's row is the sentence with its word marked by token types, so that a sentence of three predicates is four rows: one to find
    them. What is longer than max_length, what a reply of the exported model looks like, and what `predict` gives: see
    RoleLabelingPreprocessor. The two heads train together, the loss being the sum of both means over words (compile(loss_weights=...)).
    "f1" of a run is that of arguments, given the predicates; "predicate_f1" that of finding them.

    Args:
        encoder: BertEncoder.
        labels: list of IOB2 tags of roles; the index is the tag's id. keras_bert.data.role_labels makes it of sentences.
        tokenizer: Tokenizer, or None to take only the contract and word_positions.
        crf: score moves from tag to tag by a CRF; False: a softmax for each word. Answers keep to IOB2 with both.
        dropout: rate before the heads; None takes the encoder's hidden_dropout_prob.
        max_length, pad_to_multiple_of, stride, predicate_segment, threshold: see RoleLabelingPreprocessor.
        network: RoleLabeler that is there already, of this encoder; None makes one, by crf and dropout.
    """

    NETWORK = RoleLabeler
    NETWORK_OPTIONS = ("labels", *RoleLabeler.OPTIONS)
    PREPROCESSOR = RoleLabelingPreprocessor
    stride, predicate_segment, threshold = (setting(name) for name in ("stride", "predicate_segment", "threshold"))

    def __init__(
        self,
        encoder,
        labels,
        tokenizer=None,
        *,
        crf=False,
        dropout=None,
        stride=None,
        predicate_segment=False,
        threshold=0.5,
        network=None,
        **kwargs,
    ):
        labels = check_labels(labels)
        network = RoleLabeler(encoder, len(labels), dropout=dropout, crf=crf) if network is None else network
        preprocessing = {"labels": labels, "stride": stride, "crf": network.crf}
        preprocessing |= {"predicate_segment": predicate_segment, "threshold": threshold}
        super().__init__(network, tokenizer, preprocessing=preprocessing, **kwargs)

    labels = label_names("a role labeller")

    def call(self, features, training=None):
        return self.network(self.preprocessor.answer_inputs(features), training=training)

    def answer(self, x, batch_size=None, *, max_tokens_per_batch=None, **settings):
        """As Task.answer; each frame has its roles. Args, Returns, raises: as there, see the class."""
        return [_nested(answer) for answer in super().answer(x, batch_size, max_tokens_per_batch=max_tokens_per_batch, **settings)]

    def rate_factors(self):
        return {"crf": RATE_FACTORS["crf"]} if self.network.crf else {}

    def class_weights(self, class_weight):
        if class_weight is not None:
            raise ValueError(f"class_weight={class_weight!r}: a role labeller has two losses; compile with losses of your own")
        return None

    def default_loss(self):
        loss = CRFLoss if self.network.crf else TokenCrossEntropy
        return {ROLES: loss(len(self.labels)), PREDICATES: TokenCrossEntropy(2)}

    def default_metrics(self):
        moves = self.preprocessor.moves

        def decode(scores, mask):
            emissions, chain = split_scores(scores, allowed=moves)
            return chain.viterbi(emissions, mask)[0]

        roles = FrameScore(self.labels, decode=decode if self.network.crf else None, name="role_score")
        return {ROLES: [roles], PREDICATES: [FrameScore(["O", "B"], prefix="predicate_", name="predicate_score")]}


def _nested(answer):
    """Roles that stand one after the other, to those of each frame. Args, Returns: dict, as `answer` gives."""
    frames = [frame | {ROLES: []} for frame in answer[FRAMES]]
    for role in answer[ROLES]:
        frames[role.pop("frame")][ROLES].append(role)
    return {name: value for name, value in answer.items() if name not in (FRAMES, ROLES)} | {FRAMES: frames}
