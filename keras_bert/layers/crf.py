"""CRF: scores of moves from tag to tag, beside those of tags."""

import keras
from keras import ops

from keras_bert.layers.chain import Chain

RANGE = 0.1  # new scores are uniform between this and its opposite, as pytorch-crf's


@keras.saving.register_keras_serializable(package="keras_bert")
class CRF(keras.layers.Layer):
    """A linear-chain conditional random field over the words of a sentence.

    The scores of moves go out with those of tags, in one tensor, so that whatever takes what a network predicts (losses, metrics,
    replicas of a strategy, a SavedModel) has both:

        emissions [batch, words, tags]  ->  [batch, words + tags + 2, tags]: emissions, transitions [from, to], start, end

    `split_scores` takes them apart. Always float32, whatever the policy.

    Args: num_tags: tags.
    Call: emissions: [batch, words, num_tags].
    Source: Lafferty et al. 2001; Lample et al. 2016.
    """

    def __init__(self, num_tags, **kwargs):
        super().__init__(**({"dtype": "float32"} | kwargs))
        self.num_tags = num_tags

    def build(self, emissions_shape):
        new = keras.initializers.RandomUniform(-RANGE, RANGE)
        for name, shape in (("transitions", (self.num_tags, self.num_tags)), ("start", (self.num_tags,)), ("end", (self.num_tags,))):
            setattr(self, name, self.add_weight(name=name, shape=shape, dtype="float32", initializer=new.clone(), autocast=False))

    def call(self, emissions):
        moves = [ops.convert_to_tensor(part) for part in (self.transitions, self.start[None], self.end[None])]
        moves = ops.concatenate(moves, axis=0)[None]
        shape = (ops.shape(emissions)[0], self.num_tags + 2, self.num_tags)
        return ops.concatenate([ops.cast(emissions, "float32"), ops.broadcast_to(moves, shape)], axis=1)

    def compute_output_spec(self, emissions):
        batch, words, tags = emissions.shape
        return keras.KerasTensor((batch, None if words is None else words + self.num_tags + 2, tags), dtype="float32")

    def get_config(self):
        return super().get_config() | {"num_tags": self.num_tags}


def split_scores(scores, moves=None):
    """Take a CRF's output apart.

    Args: scores: float32 [batch, words + tags + 2, tags]. moves: those that may be, see Chain.barred; None: all.
    Returns: emissions: float32 [batch, words, tags]; Chain.
    """
    tags = scores.shape[-1]
    emissions = scores[:, : -(tags + 2)]
    # The same in each row; a batch may have none.
    shared = ops.sum(scores[:1, -(tags + 2) :], axis=0)
    chain = Chain(shared[tags], shared[tags + 1], shared[:tags])
    return emissions, chain if moves is None else chain.barred(moves)
