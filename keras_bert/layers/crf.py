"""CRF: a score for each tag and each move from tag to tag, so that the tags of a sentence are chosen together."""

import keras
import numpy as np
from keras import ops

from keras_bert.layers import chain


class LinearChain:
    """Scores of moves from tag to tag, and what they and emissions say of whole sentences.

    The score of a path of tags is start[first tag] + each word's emission of its tag + transitions[tag, next tag] of each move + end[last
    tag]; its probability is exp(score), divided by the sum of that over all paths. All is float32.

    Args:
        start, end: [K], scores of tags that a path starts and ends with. transitions: [K from, K to].
        allowed: bool tables of moves that a path may make: start [K], end [K], transitions [K, K], as tags.allowed_moves gives them; one
            that is None allows all, and so does None.
        constrained_training: whether log_likelihood and log_normalizer keep to the allowed moves too. Answers always do: viterbi, marginals
            and span_log_probabilities. Where no path of a sentence keeps to them, viterbi gives one of the fewest barred moves.
    Of all methods: emissions: [batch, words, K]. mask: bool or int [batch, words], 1 for words, which come first, and 0 for padding;
    None: all are words. tags: int32 [batch, words], of padding any. What emissions and tags have at padding counts nothing.
    Raises: ValueError on a table of another shape or of other values, or where no tag may start or end.
    Source: Lafferty et al. 2001, "Conditional random fields: probabilistic models for segmenting and labeling sequence data"; start and
    end scores as pytorch-crf 0.7.2.
    """

    def __init__(self, start, end, transitions, *, allowed=None, constrained_training=False):
        self.start, self.end, self.transitions = start, end, transitions
        self.num_tags = transitions.shape[0]
        shapes = {"start": (self.num_tags,), "end": (self.num_tags,), "transitions": (self.num_tags, self.num_tags)}
        tables = (None, None, None) if allowed is None else allowed
        tables = [_allowed(f"allowed {name}", table, shape) for (name, shape), table in zip(shapes.items(), tables, strict=True)]
        self.allowed_start, self.allowed_end, self.allowed_transitions = tables
        self.constrained_training = bool(constrained_training)
        for name, table in zip(shapes, tables[:2], strict=False):
            if table is not None and not table.any():
                raise ValueError(f"allowed {name} allows no tag, so there is no path")

    # To train.

    def log_normalizer(self, emissions, mask=None, *, constrained=None):
        """Logarithm of the sum of exp(score) over all paths.

        Args: constrained: over those that keep to the allowed moves; None takes constrained_training.
        Returns: float32 [batch]; 0 for a sentence without a word.
        """
        constrained = self.constrained_training if constrained is None else constrained
        emissions, real = _masked(emissions, mask)
        return chain.log_normalizer(emissions, real, *self._scores(constrained))

    def path_score(self, emissions, tags, mask=None):
        """Returns: float32 [batch], the score of a path; a barred move has the score that its weight says."""
        emissions, real = _masked(emissions, mask)
        return chain.path_scores(emissions, _tags(tags, real), real, *self._scores(False))

    def log_likelihood(self, emissions, tags, mask=None, emission_weights=None):
        """Logarithm of the probability of a path: what training raises.

        With constrained_training, a path that makes a barred move has no probability. It is then taken as one path more, beside all that
        keep to the allowed moves: its log-likelihood is finite, and so are all gradients.

        Args:
            emission_weights: [batch, words]; each word's emissions are multiplied by its weight before all else, in the score of the path
                and in the sum over paths alike, and so the gradient of its emissions is. 0 leaves a word to its neighbours; None is 1.
        Returns: float32 [batch], 0 or less; 0 for a sentence without a word.
        Source: the weights as de Lannoy et al. 2012, "Weighted conditional random fields for supervised interpatient heartbeat
            classification", has them for the class of a word, of emissions alone.
        """
        emissions = ops.cast(emissions, "float32")
        if emission_weights is not None:
            emissions = emissions * ops.cast(emission_weights, "float32")[:, :, None]
        emissions, real = _levelled(emissions, mask)
        tags = _tags(tags, real)
        weights = self._scores(False)
        score = chain.path_scores(emissions, tags, real, *weights)
        if not (self.constrained_training and self._has_barred):
            return score - chain.log_normalizer(emissions, real, *weights)
        others = chain.log_normalizer(emissions, real, *self._scores(True))
        barred = chain.path_scores(ops.zeros_like(emissions), tags, real, *self._barred())  # how many
        return ops.where(barred > 0, -ops.softplus(others - score), score - others)

    # To answer: always by allowed moves.

    def viterbi(self, emissions, mask=None):
        """The best path. Returns: int32 [batch, words], 0 at padding; float32 [batch], its score."""
        emissions, real = _masked(emissions, mask)
        return chain.best_paths(emissions, real, *self._scores(True))

    def marginals(self, emissions, mask=None):
        """Returns: float32 [batch, words, K], how probable each tag of each word is over all paths; 0 at padding."""
        emissions, real = _levelled(emissions, mask)
        told = chain.messages(emissions, real, *self._scores(True))
        return chain.tag_probabilities(told, emissions, real)

    def span_log_probabilities(self, emissions, tags, mask, span_starts, span_ends, span_mask=None, *, starts_span=None, ends_span=None):
        """How probable it is that a path has these very tags in a span, and that the span begins and ends where it does.

        Args:
            span_starts, span_ends: int32 [batch, spans], its first and its last word, in the sentence.
            span_mask: bool or int [batch, spans], 1 for spans and 0 for padding; None: all are spans.
            starts_span, ends_span: bool [K + 1, K + 1], moves from tag (row) to tag (column) that begin a span at the second word, and that
                end it at the first: a path that enters or leaves the span by another move does not count. Row K stands for what is before
                the sentence, column K for what is after it. None: any move.
        Returns: float32 [batch, spans], 0 or less; about -1e6 or less where there is no such path, and 0 at padding.
        """
        emissions, real = _levelled(emissions, mask)
        tags = _tags(tags, real)
        weights = self._scores(True)
        told = chain.messages(emissions, real, *weights)
        span_mask = ops.ones_like(span_starts) if span_mask is None else span_mask
        is_span = ops.cast(span_mask, "bool")
        first, last = (ops.where(is_span, ops.cast(places, "int32"), 0) for places in (span_starts, span_ends))
        # By probabilities of one word each, given what is before it: of a sum over the sentence, float32 would round the span's share off.
        enters = self._enters(told, emissions, tags, first, weights, _scored("starts_span", starts_span, self.num_tags))
        inside = self._inside(told, tags, real, first, last, weights)
        leaves = self._leaves(told, tags, real, last, weights, _scored("ends_span", ends_span, self.num_tags))
        return ops.where(is_span, ops.minimum(enters + inside + leaves, 0.0), 0.0)

    def _enters(self, told, emissions, tags, first, weights, starts_span):
        """How probable spans' first tags are, where they are come to by a move that begins a span. Returns: logarithms, [batch, spans]."""
        start, _, transitions = weights
        tag = chain.words_at(tags, first)  # (B, S)
        from_start = ops.take(start + starts_span[-1, :-1], tag, axis=0)
        moves = ops.take(ops.transpose(transitions + starts_span[:-1, :-1]), tag, axis=0)  # (B, S, K)
        before = ops.maximum(first - 1, 0)
        moved = ops.where(first > 0, chain.log_sum(chain.words_at(told.forward, before) + moves), from_start)
        by_any = told.forward + told.forward_shift[:, :, None] - emissions  # forward, before the word's own emission and shift
        total = chain.log_sum(by_any + told.backward)
        return moved + self._of_tags(chain.words_at(told.backward, first), tag) - chain.words_at(total, first)

    def _inside(self, told, tags, real, first, last, weights):
        """How probable the other tags of spans are, given the first. Returns: logarithms, [batch, spans]."""
        before = ops.concatenate([tags[:, :1], tags[:, :-1]], axis=1)  # of the first word anything: no span goes on there
        scores = ops.take(weights[2], before, axis=0) + told.backward  # (B, T, K)
        steps = (self._of_tags(scores, tags) - chain.log_sum(scores)) * real
        # Counted, since a barred move elsewhere in a sum would round off all the rest.
        barred = ops.cast(steps < chain.BARRED / 2, "float32")
        allowed = chain.sums_between(steps * (1.0 - barred), first, last)
        return allowed + chain.BARRED * chain.sums_between(barred, first, last)

    def _leaves(self, told, tags, real, last, weights, ends_span):
        """How probable a move that ends a span is after spans' last tags. Returns: logarithms, [batch, spans]."""
        _, _, transitions = weights
        tag = chain.words_at(tags, last)
        after = chain.words_at(told.backward, ops.minimum(last + 1, ops.shape(real)[1] - 1))  # (B, S, K)
        by_any = ops.take(transitions, tag, axis=0) + after
        ending = by_any + ops.take(ends_span[:-1, :-1], tag, axis=0)
        length = ops.cast(ops.sum(real, axis=1, keepdims=True), "int32")
        at_end = ops.take(ends_span[:-1, -1], tag, axis=0)
        return ops.where(last + 1 < length, chain.log_sum(ending) - chain.log_sum(by_any), at_end)

    def _of_tags(self, scores, tags):
        """Args: scores: [..., K]. tags: int32 [...]. Returns: [...], the score of each tag."""
        return ops.sum(ops.where(tags[..., None] == ops.arange(self.num_tags, dtype="int32"), scores, 0.0), axis=-1)

    # Weights.

    @property
    def _has_barred(self):
        return any(
            allowed is not None and not allowed.all() for allowed in (self.allowed_start, self.allowed_end, self.allowed_transitions)
        )

    def _barred(self):
        """Returns: start, end and transitions as scores have them, 1 where barred and 0 where allowed."""
        shapes = (self.num_tags,), (self.num_tags,), (self.num_tags, self.num_tags)
        tables = self.allowed_start, self.allowed_end, self.allowed_transitions
        return tuple(
            ops.convert_to_tensor(np.zeros(shape, "float32") if allowed is None else (~allowed).astype("float32"))
            for allowed, shape in zip(tables, shapes, strict=True)
        )

    def _scores(self, constrained):
        """Returns: start, end, transitions."""
        weights = tuple(ops.copy(weight) for weight in (self.start, self.end, self.transitions))  # tensors, no variables
        if not (constrained and self._has_barred):
            return weights
        return tuple(weight + chain.BARRED * barred for weight, barred in zip(weights, self._barred(), strict=True))


@keras.saving.register_keras_serializable(package="keras_bert")
class CRF(keras.layers.Layer):
    """The scores of moves from tag to tag, sent out with those of tags: in one tensor, so that whatever takes what a network predicts
    (losses, metrics, replicas of a strategy, a SavedModel) has both.

        emissions [batch, words, K]  ->  [batch, words + K + 2, K]: emissions, transitions [from, to], start, end

    `split_scores` takes them apart.

    Args: num_tags: K, tags.
    Call: emissions: [batch, words, K]. Returns: float32, whatever the dtype policy.
    Weights: start [K], end [K], transitions [K from, K to], float32, drawn from -0.1 to 0.1 evenly, as pytorch-crf does.
    """

    def __init__(self, num_tags, **kwargs):
        super().__init__(autocast=False, **kwargs)  # or a half-precision policy would round the emissions
        self.supports_masking = True
        if int(num_tags) != num_tags or num_tags < 1:
            raise ValueError(f"num_tags={num_tags!r} is not a whole number from 1")
        self.num_tags = int(num_tags)

    def build(self, emissions_shape):
        if emissions_shape[-1] != self.num_tags:
            raise ValueError(
                f"the emissions have shape {tuple(emissions_shape)}; a CRF of num_tags={self.num_tags} wants that many at its end"
            )

        def weight(name, shape):
            initializer = keras.initializers.RandomUniform(-0.1, 0.1)
            return self.add_weight(name=name, shape=shape, initializer=initializer, dtype="float32", autocast=False)

        self.start = weight("start", (self.num_tags,))
        self.end = weight("end", (self.num_tags,))
        self.transitions = weight("transitions", (self.num_tags, self.num_tags))

    def call(self, emissions):
        moves = [ops.convert_to_tensor(part) for part in (self.transitions, self.start[None], self.end[None])]
        shape = (ops.shape(emissions)[0], self.num_tags + 2, self.num_tags)
        return ops.concatenate([ops.cast(emissions, "float32"), ops.broadcast_to(ops.concatenate(moves, axis=0), shape)], axis=1)

    def compute_output_spec(self, emissions):
        batch, words, tags = emissions.shape
        return keras.KerasTensor((batch, None if words is None else words + self.num_tags + 2, tags), dtype="float32")

    def compute_mask(self, inputs, previous_mask=None):
        return None  # what comes out has more rows than there are words

    def chain(self, **options):
        """Returns: LinearChain of the weights. Args: options: allowed, constrained_training."""
        return LinearChain(self.start, self.end, self.transitions, **options)

    def get_config(self):
        return super().get_config() | {"num_tags": self.num_tags}


def split_scores(scores, **options):
    """Take what a CRF gives apart.

    Args: scores: float32 [batch, words + K + 2, K]. options: of LinearChain: allowed, constrained_training.
    Returns: emissions: float32 [batch, words, K]; LinearChain.
    """
    tags = scores.shape[-1]
    moves = ops.sum(scores[:1, -(tags + 2) :], axis=0)  # the same in each row; a batch may have none
    moves = ops.reshape(moves, (tags + 2, tags))  # a slice of unknown length has lost its shape
    return scores[:, : -(tags + 2)], LinearChain(moves[tags], moves[tags + 1], moves[:tags], **options)


def _masked(emissions, mask):
    """Returns: float32 [B, T, K], 0 at padding; float32 [B, T], 1 for words."""
    emissions = ops.cast(emissions, "float32")
    if mask is None:
        return emissions, ops.ones_like(emissions[:, :, 0])
    is_real = ops.cast(mask, "bool")
    return ops.where(is_real[:, :, None], emissions, 0.0), ops.cast(is_real, "float32")


def _levelled(emissions, mask):
    """As _masked, less the greatest emission of each word: probabilities stay the same, and sums small and so exact."""
    emissions, real = _masked(emissions, mask)
    return emissions - ops.stop_gradient(ops.max(emissions, axis=-1, keepdims=True)), real


def _tags(tags, real):
    return ops.where(real > 0, ops.cast(tags, "int32"), 0)


def _allowed(name, allowed, shape):
    """Returns: bool array, or None."""
    if allowed is None:
        return None
    array = np.asarray(allowed)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; this chain wants {shape}")
    is_bool = np.isin(array, (False, True))
    if not is_bool.all():
        raise ValueError(f"{name} holds {array[~is_bool][0]}; it says whether a tag or move is allowed, by True and False")
    return array.astype(bool)


def _scored(name, allowed, num_tags):
    """Returns: float32 [K + 1, K + 1], 0 where allowed."""
    shape = (num_tags + 1, num_tags + 1)
    allowed = np.ones(shape, bool) if allowed is None else _allowed(name, allowed, shape)
    return np.where(allowed, 0.0, chain.BARRED).astype("float32")
