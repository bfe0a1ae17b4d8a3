"""A linear chain: scores of tags and of moves from tag to tag, and what follows for whole sentences. keras.ops, in float32.

    score of a path = start[y_0] + sum of emissions[t, y_t] + sum of transitions[y_t-1, y_t] + end[y_last]
    its probability = exp(score) / sum of exp(score) over all paths

Source: Lafferty et al. 2001, "Conditional random fields"; the recursions are those of Rabiner 1989, in logarithms.
"""

from typing import Any, NamedTuple

from keras import ops
from keras.backend import standardize_dtype

BARRED = -1e4  # of a move that may not be: far under every score, and finite, so that gradients are
TINY = 1e-37


class Sums(NamedTuple):
    """Logarithms of sums over paths, each less its largest, so that digits are kept over thousands of words.

    Args:
        forward: float32 [batch, words, tags]: over the paths up to each word, its emission included; in padding those of the last word.
        backward: float32 [batch, words, tags]: over the paths from each word on, its emission excluded.
        forward_shift, backward_shift: float32 [batch, words]: what each step has taken off, 0 in padding.
    """

    forward: Any
    backward: Any
    forward_shift: Any
    backward_shift: Any


class Chain:
    """Scores of moves, and the sums over paths that they give with emissions.

    Everywhere: emissions: float32 [batch, words, tags]; mask: bool [batch, words], True on words, which come before the padding, one of
    them at least in the batch's shape; tags: int32 [batch, words], of any value in padding. A sentence without words has the score and the logarithm 0.

    Args: start, end: float32 [tags]. transitions: float32 [tags from, tags to].
    """

    def __init__(self, start, end, transitions):
        self.start, self.end, self.transitions = (ops.cast(part, "float32") for part in (start, end, transitions))

    def barred(self, moves):
        """The chain without some moves. Args: moves: bool arrays start [tags], end [tags], transitions [tags, tags]: those that may be."""
        parts = (self.start, self.end, self.transitions)
        kept = [ops.where(ops.convert_to_tensor(may, "bool"), part, BARRED) for part, may in zip(parts, moves, strict=True)]
        return Chain(*kept)

    def path_score(self, emissions, tags, mask):
        """Returns: float32 [batch]."""
        emissions, tags, real = ops.cast(emissions, "float32"), ops.where(mask, tags, 0), ops.cast(mask, "float32")
        is_tag = ops.cast(ops.equal(tags[:, :, None], ops.arange(ops.shape(emissions)[2], dtype=tags.dtype)), "float32")
        is_tag = is_tag * real[:, :, None]  # (B, W, T), by which scores are chosen without a gather, whose gradient is slow
        moves = ops.einsum("bwi,bwj->bij", is_tag[:, :-1], is_tag[:, 1:])
        first, last = self._ends_of(is_tag, mask)
        return (
            ops.sum(emissions * is_tag, axis=(1, 2))
            + ops.sum(moves * self.transitions, axis=(1, 2))
            + ops.sum(first * self.start, axis=1)
            + ops.sum(last * self.end, axis=1)
        )

    def log_normalizer(self, emissions, mask):
        """The logarithm of the sum over all paths. Returns: float32 [batch].

        Its gradient is put together of the marginals, which one pass each way gives, in place of a loop's own gradient; a second
        derivative is not to be had.
        """
        emissions = ops.cast(emissions, "float32")
        still = Chain(*(ops.stop_gradient(part) for part in (self.start, self.end, self.transitions)))
        fixed = ops.stop_gradient(emissions)
        sums = still.both_ways(fixed, mask)
        marginals = _marginals(sums, mask)
        first, last = self._ends_of(marginals, mask)
        parts = (marginals, still._expected_moves(sums.forward, sums.backward + fixed, mask), first, last)
        marginals, moves, first, last = map(ops.stop_gradient, parts)
        slope = (
            ops.sum(marginals * (emissions - fixed), axis=(1, 2))
            + ops.sum(moves * (self.transitions - still.transitions), axis=(1, 2))
            + ops.sum(first * (self.start - still.start), axis=1)
            + ops.sum(last * (self.end - still.end), axis=1)
        )
        last = ops.logsumexp(sums.forward[:, -1] + still.end, axis=1)  # in padding stands what stood at the last word
        total = ops.where(ops.any(mask, axis=1), ops.sum(sums.forward_shift, axis=1) + last, 0.0)
        return ops.stop_gradient(total) + slope  # slope is 0, and has the gradient

    def log_likelihood(self, emissions, tags, mask, emission_weights=None):
        """The logarithm of the probability of paths.

        Args: emission_weights: float32 [batch, words], or None: what each word's emissions are multiplied by, in the path's score and
            in the sum over all paths alike, so that it stays the likelihood of a chain; a word of weight 0 says nothing of itself.
        Returns: float32 [batch].
        """
        if emission_weights is not None:
            emissions = ops.cast(emissions, "float32") * ops.cast(emission_weights, "float32")[:, :, None]
        return self.path_score(emissions, tags, mask) - self.log_normalizer(emissions, mask)

    def marginals(self, emissions, mask):
        """The probability of each tag at each word, over all paths. Returns: float32 [batch, words, tags], 0 in padding."""
        return _marginals(self.both_ways(ops.cast(emissions, "float32"), mask), mask)

    def viterbi(self, emissions, mask):
        """The best paths. Returns: int32 [batch, words], 0 in padding; their scores: float32 [batch]."""
        emissions = ops.cast(emissions, "float32")

        def step(best, now):
            scores, is_real, is_first = now
            best = best[:, :-1]
            through = best[:, :, None] + self.transitions  # (B, from, to)
            back = ops.cast(ops.argmax(through, axis=1), "float32")  # exact: there are not millions of tags
            new, shift = _shifted_to_zero(scores + ops.where(is_first, self.start, ops.max(through, axis=1)), is_real)
            return _beside(ops.where(is_real, new, best), shift), _beside(back, shift)

        real, first, _ = _edges(mask)
        best, steps = _scan(step, _zeros_and_one(emissions), (_time_major(emissions), real, first))
        best = best[:, :-1]
        last = ops.cast(ops.argmax(best + self.end, axis=1), "int32")
        score = ops.sum(steps[:, :, -1], axis=0) + ops.max(best + self.end, axis=1)

        def follow(tag, now):
            back, is_real = now  # the step to this word, and whether this word is one
            before = ops.cast(ops.take_along_axis(back, tag, axis=1), "int32")
            return ops.where(is_real, before, tag), tag

        _, path = _scan(follow, last[:, None], (steps[:, :, :-1], real), reverse=True)
        return ops.where(mask, ops.transpose(path[:, :, 0]), 0), ops.where(ops.any(mask, axis=1), score, 0.0)

    def span_log_probabilities(self, emissions, tags, mask, starts, ends, begins=None, closes=None):
        """The logarithm of the probability that a path has just these spans of `tags`, each by itself.

        Args:
            tags: a path. starts, ends: int32 [batch, spans], words, both included.
            begins, closes: bool arrays [tags + 1, tags + 1]: only paths count on which a span begins at its first word, by the tag before,
                and ends at its last, by the tag behind; the last index is what is beyond the sentence. None: all paths.
        Returns: float32 [batch, spans]; of padding anything.
        """
        emissions, tags = ops.cast(emissions, "float32"), ops.where(mask, tags, 0)
        sums = self.both_ways(emissions, mask)
        own, growth = _of_tags(emissions, tags), sums.forward_shift
        into, out = _of_tags(sums.forward, tags), _of_tags(sums.backward, tags)
        if begins is not None:
            into = _of_tags(self._entered(sums.forward, begins), tags) + own - growth
        if closes is not None:
            out = _of_tags(self._left(sums.backward + emissions, mask, closes), tags) - sums.backward_shift
        moves = ops.sum(ops.take(self.transitions, tags[:, :-1], axis=0) * _is_tag(tags[:, 1:], emissions), axis=2)
        # To each word from the first; less how the sums grow, so that it stays small over thousands of words.
        along = ops.cumsum(own + ops.pad(moves, [[0, 0], [1, 0]]) - growth, axis=1)
        whole = ops.logsumexp(sums.forward + sums.backward, axis=2)  # (B, W), of all paths, as seen from each word
        return _at(into - along, starts) + _at(along + out - whole, ends)

    def _entered(self, forward, begins):
        """The sums before each word's emission, over the tags before that let a span begin. Returns: float32 [batch, words, tags]."""
        may = ops.convert_to_tensor(begins, "bool")
        start = ops.where(may[-1, :-1], self.start, BARRED)
        inner = _log_matmul(_before(forward), ops.where(may[:-1, :-1], self.transitions, BARRED))
        is_first = ops.equal(ops.arange(ops.shape(forward)[1]), 0)[:, None]
        return ops.where(is_first, start, inner)

    def _left(self, onward, mask, closes):
        """The sums behind each word, over the tags behind that let a span end. Args: onward: backward and emissions. Returns: as _entered."""
        may = ops.convert_to_tensor(closes, "bool")
        end = ops.where(may[:-1, -1], self.end, BARRED)
        behind = ops.pad(onward[:, 1:], [[0, 0], [0, 1], [0, 0]])
        inner = _log_matmul(behind, ops.transpose(ops.where(may[:-1, :-1], self.transitions, BARRED)))
        return ops.where(_is_last(mask)[:, :, None], end, inner)

    def both_ways(self, emissions, mask):
        """Sums over the paths up to each word and over those from it on. Returns: Sums."""
        real, first, last = _edges(mask)
        forth, back = ops.exp(self.transitions), ops.exp(ops.transpose(self.transitions))

        def step(state, now):
            forward, onward = (part[:, :-1] for part in state)
            scores, is_real, is_first, scores_behind, is_real_behind, is_last_behind = now
            new, shift = _shifted_to_zero(scores + ops.where(is_first, self.start, _log_matmul_exp(forward, forth)), is_real)
            behind = ops.where(is_last_behind, self.end, _log_matmul_exp(onward, back))
            behind, shift_behind = _shifted_to_zero(behind, is_real_behind)
            forward = ops.where(is_real, new, forward)
            onward = ops.where(is_real_behind, behind + scores_behind, onward)
            return (_beside(forward, shift), _beside(onward, shift)), (_beside(forward, shift), _beside(behind, shift_behind))

        scores = _time_major(emissions)
        zeros = _zeros_and_one(emissions)
        flipped = tuple(ops.flip(part, axis=0) for part in (scores, real, last))
        _, (before, behind) = _scan(step, (zeros, zeros), (scores, real, first, *flipped))
        before, behind = _time_major(before), _time_major(ops.flip(behind, axis=0))
        return Sums(before[:, :, :-1], behind[:, :, :-1], before[:, :, -1], behind[:, :, -1])

    def _expected_moves(self, forward, onward, mask):
        """How often each move is made, over all paths. Returns: float32 [batch, tags, tags]."""
        moves = ops.exp(self.transitions)
        before = ops.exp(_before(forward))
        behind = ops.exp(onward - ops.max(onward, axis=2, keepdims=True))
        norm = ops.sum(ops.matmul(before, moves) * behind, axis=2, keepdims=True)  # the moves to a word are made once
        before = before / ops.maximum(norm, TINY) * _has_before(mask)
        return ops.einsum("bwi,bwj->bij", before, behind) * moves

    @staticmethod
    def _ends_of(values, mask):
        """Values at the first and at the last word, 0 where there is none. Returns: two of float32 [batch, tags]."""
        real, last = ops.cast(mask, "float32")[:, :1], ops.cast(_is_last(mask), "float32")[:, :, None]
        return values[:, 0] * real, ops.sum(values * last, axis=1)


def _marginals(sums, mask):
    return ops.where(mask[:, :, None], ops.softmax(sums.forward + sums.backward, axis=2), 0.0)


def _shifted_to_zero(values, is_real):
    """Args: values: [batch, tags]. is_real: bool [batch, 1]. Returns: values less their largest; that, or 0 in padding: [batch, 1]."""
    largest = ops.max(values, axis=1, keepdims=True)
    return values - largest, ops.where(is_real, largest, 0.0)


def _is_last(mask):
    return ops.logical_and(mask, ops.logical_not(ops.pad(mask[:, 1:], [[0, 0], [0, 1]])))


def _edges(mask):
    """Of each word: whether it is one, is the first, is the last. Returns: three of bool [words, batch, 1]."""
    first = ops.logical_and(mask, ops.equal(ops.cumsum(ops.cast(mask, "int32"), axis=1), 1))
    return tuple(ops.transpose(part)[:, :, None] for part in (mask, first, _is_last(mask)))


def _zeros_and_one(emissions):
    """Returns: float32 zeros [batch, tags + 1], what stands beside a state being that of `_beside`."""
    return ops.pad(ops.zeros_like(emissions[:, 0]), [[0, 0], [0, 1]])


def _beside(state, shift):
    return ops.concatenate([state, shift], axis=1)


def _before(values):
    """What stands at the word before; 0 at the first. Args, Returns: [batch, words, tags]."""
    return ops.pad(values[:, :-1], [[0, 0], [1, 0], [0, 0]])


def _has_before(mask):
    """1 at words that have one before them. Returns: float32 [batch, words, 1]."""
    return ops.pad(ops.cast(mask[:, 1:], "float32"), [[0, 0], [1, 0]])[:, :, None]


def _scan(step, state, parts, **options):
    """keras.ops.scan of several tensors, bool [words, batch, 1] and float32 [words, batch, tags], as one.

    Keras 3.15's for TensorFlow takes no more than one where the number of words is not known beforehand; and what it gives of each word
    must be as many tensors as the state has, of their shapes.
    """
    widths = [part.shape[-1] for part in parts]
    bounds = [sum(widths[:index]) for index in range(1, len(widths))]

    def taken(state, now):
        split = ops.split(now, bounds, axis=-1)
        kinds = zip(split, parts, strict=True)
        return step(state, [piece > 0.5 if standardize_dtype(part.dtype) == "bool" else piece for piece, part in kinds])

    return ops.scan(taken, state, ops.concatenate([ops.cast(part, "float32") for part in parts], axis=-1), **options)


def _time_major(values):
    return ops.transpose(values, (1, 0, 2))


def _log_matmul(values, moves):
    return _log_matmul_exp(values, ops.exp(moves))


def _log_matmul_exp(values, moves):
    """log(exp(values) @ moves), by the largest; what is under it by a factor of 1e-37 is passed over."""
    largest = ops.max(values, axis=-1, keepdims=True)
    return ops.log(ops.maximum(ops.matmul(ops.exp(values - largest), moves), TINY)) + largest


def _is_tag(tags, emissions):
    return ops.cast(ops.equal(tags[:, :, None], ops.arange(ops.shape(emissions)[2], dtype=tags.dtype)), "float32")


def _of_tags(values, tags):
    return ops.squeeze(ops.take_along_axis(values, tags[:, :, None], axis=2), axis=2)


def _at(values, places):
    return ops.take_along_axis(values, places, axis=1)
