"""Sums and maxima over all paths through a chain of tags: what a CRF is computed by, as plain functions of tensors.

Everything stays in logarithms, so that barred moves and sentences of thousands of words neither overflow nor vanish: at each word the
greatest score is taken out, and kept as that word's shift. Both directions run in one loop, of a few small operations a word. The
gradient of the sum is written by hand, since the two directions together are the gradient: half the time that automatic differentiation
of the one direction takes (32 sentences of 40 words, 13 tags, as a graph on a CPU).

Shapes: B sentences, T words, K tags. Scores are float32. `real` is 1 for words, which come first, and 0 for padding.
Source: Rabiner 1989, "A tutorial on hidden Markov models and selected applications in speech recognition", sections III.A to III.B and
V.A (scaling); Lafferty et al. 2001, "Conditional random fields".
"""

from typing import NamedTuple

from keras import ops

# Of a move that is not allowed. Finite, so that no gradient is NaN; more than the emissions of a sentence of thousands of words differ.
BARRED = -1e6
_FAR = 1e30


class Messages(NamedTuple):
    """What each word is told from both sides.

    Args:
        forward: [B, T, K], log-sum over all beginnings of a path that stand at a tag at a word, its emission included, less the shifts of
            all words up to there.
        forward_shift: [B, T].
        backward: [B, T, K], the same of all ends of a path, this word's emission included again, less the shifts from there on.
        backward_shift: [B, T].
    """

    forward: object
    forward_shift: object
    backward: object
    backward_shift: object


def log_sum(scores):
    """Logarithm of the sum of exponentials over the last axis, of finite scores."""
    greatest = ops.max(scores, axis=-1, keepdims=True)
    return ops.log(ops.sum(ops.exp(scores - greatest), axis=-1)) + greatest[..., 0]


def words_at(x, places):
    """Args: x: [B, T, ...]. places: int32 [B, S], words of each sentence. Returns: [B, S, ...]."""
    batch, words = ops.shape(x)[0], ops.shape(x)[1]
    firsts = ops.arange(batch, dtype="int32")[:, None] * words
    flat = ops.reshape(x, (-1, *x.shape[2:]))
    return ops.take(flat, places + firsts, axis=0)


def sums_between(x, first, last):
    """Sums over the words after `first`, up to `last`. Args: x: [B, T]. first, last: int32 [B, S]. Returns: [B, S].

    They are differences of running sums; that of multiples of 1/1024 is exact up to 16,384, and the rest is small, so that a long way to
    `first` rounds nothing off.
    """
    coarse = ops.round(x * 1024.0) / 1024.0
    running = [ops.cumsum(part, axis=1) for part in (coarse, x - coarse)]
    return sum(words_at(each, last) - words_at(each, first) for each in running)


def last_words(real):
    """Returns: [B, T], 1 at each sentence's last word."""
    return real - ops.concatenate([real[:, 1:], ops.zeros_like(real[:, :1])], axis=1)


def messages(emissions, real, start, end, transitions):
    """Forward and backward sums.

    Args: emissions: [B, T, K], of padding anything finite. real: [B, T]. start, end: [K]. transitions: [K from, K to].
    Returns: Messages; what stands at padding means nothing, and is finite.
    """
    words = ops.shape(emissions)[1]
    places = ops.arange(words, dtype="int32")[None, :]
    lengths = ops.cast(ops.sum(real, axis=1), "int32")[:, None]
    # Backwards from its own last word; padding stays where it is, so that the same turns it back.
    turned = ops.where(places < lengths, lengths - 1 - places, places)  # (B, T)
    both = ops.transpose(ops.stack([emissions, words_at(emissions, turned)]), (2, 0, 1, 3))  # (T, 2, B, K)
    tables = ops.stack([ops.transpose(transitions), transitions])[:, None]  # (2, 1, K to, K from)

    def step(carry, emission):
        scores = carry[0] + emission
        shift = ops.max(scores, axis=-1, keepdims=True)
        scores = scores - shift
        return (log_sum(scores[:, :, None, :] + tables), shift), (scores, shift)

    batch, tags = ops.shape(emissions)[0], transitions.shape[0]
    before = ops.broadcast_to(ops.stack([start, end])[:, None], (2, batch, tags))
    _, (scores, shifts) = ops.scan(step, (before, ops.zeros((2, batch, 1), dtype="float32")), both)
    scores, shifts = ops.transpose(scores, (1, 2, 0, 3)), ops.transpose(shifts[..., 0], (1, 2, 0))  # (2, B, T, K), (2, B, T)
    return Messages(scores[0], shifts[0], words_at(scores[1], turned), words_at(shifts[1], turned))


def log_total(told, real, end):
    """Logarithm of the sum over all paths. Args: told: Messages. Returns: [B]; 0 where a sentence has no word."""
    last = last_words(real)
    at_last = ops.sum(told.forward * last[:, :, None], axis=1)  # (B, K)
    return ops.sum(last, axis=1) * log_sum(at_last + end) + ops.sum(told.forward_shift * real, axis=1)


def tag_probabilities(told, emissions, real):
    """Args: told: Messages. Returns: [B, T, K], which sum to 1 at a word and are 0 at padding."""
    return ops.softmax(told.forward + told.backward - emissions, axis=-1) * real[:, :, None]


@ops.custom_gradient
def log_normalizer(emissions, real, start, end, transitions):
    """Logarithm of the sum over all paths. Args: as messages. Returns: [B]; 0 where a sentence has no word."""
    told = messages(emissions, real, start, end, transitions)

    def gradient(*slopes, upstream=None):
        slope = slopes[0] if upstream is None else upstream  # (B,)
        chosen = tag_probabilities(told, emissions, real) * slope[:, None, None]
        at_last = chosen * last_words(real)[:, :, None]
        moves = _expected_moves(told, emissions, real, transitions, slope)
        return chosen, ops.zeros_like(real), ops.sum(chosen[:, :1], axis=(0, 1)), ops.sum(at_last, axis=(0, 1)), moves

    return log_total(told, real, end), gradient


def _expected_moves(told, emissions, real, transitions, slope):
    """How often each move is made, in the mean over all paths. Args: slope: [B], weights of the sentences. Returns: [K from, K to]."""
    # The sum over both tags of a pair of words; what moves to a tag is what forward has there before its emission.
    moved = told.forward + told.forward_shift[:, :, None] - emissions
    after = told.backward - log_sum(moved + told.backward)[:, :, None]
    after = ops.where(real[:, :, None] > 0, after, BARRED)
    before, after = ops.transpose(told.forward, (1, 0, 2)), ops.transpose(after, (1, 0, 2))  # (T, B, K)

    def add(word, total):
        pairs = ops.exp(before[word - 1][:, :, None] + transitions + after[word][:, None, :])  # (B, K from, K to)
        return total + ops.sum(pairs * slope[:, None, None], axis=0)

    return ops.fori_loop(1, ops.shape(emissions)[1], add, ops.zeros_like(transitions))


def best_paths(emissions, real, start, end, transitions):
    """The path of the greatest score, by Viterbi's algorithm; of equal ones that of lower tags at the end.

    Args: as messages.
    Returns: int32 [B, T], 0 at padding; float32 [B], its score, 0 where a sentence has no word.
    """
    tags = transitions.shape[0]
    backwards = ops.transpose(transitions)  # (K to, K from)

    def step(carry, emission):
        scores = carry[0] + emission  # (B, K)
        shift = ops.max(scores, axis=-1, keepdims=True)
        scores = scores - shift
        return (ops.max(scores[:, None, :] + backwards, axis=-1), shift), (scores, shift)

    batch = ops.shape(emissions)[0]
    before = (ops.broadcast_to(start[None], (batch, tags)), ops.zeros((batch, 1), dtype="float32"))
    _, (scores, shifts) = ops.scan(step, before, ops.transpose(emissions, (1, 0, 2)))

    # One tag more, K, for padding and for what follows the last word; at padding it beats all others, at words it is beaten.
    is_real = ops.transpose(real) > 0  # (T, B)
    padding = ops.where(is_real, -_FAR, _FAR)[:, :, None]
    following = ops.pad(ops.concatenate([backwards, end[None]], axis=0), ((0, 0), (0, 1)))  # (K + 1 following, K + 1)
    numbers = ops.arange(tags + 1, dtype="int32")

    def step_back(tag, scores):
        scores = scores + ops.take(following, tag, axis=0)
        is_best = scores >= ops.max(scores, axis=-1, keepdims=True)
        tag = ops.min(ops.where(is_best, numbers, tags), axis=-1)
        return tag, tag

    last_tag = ops.full((batch,), tags, dtype="int32")
    _, path = ops.scan(step_back, last_tag, ops.concatenate([scores, padding], axis=-1), reverse=True)
    path = ops.where(is_real, path, 0)
    last = ops.transpose(last_words(real))  # (T, B)
    at_last = ops.sum(scores * last[:, :, None], axis=0)
    score = ops.sum(last, axis=0) * ops.max(at_last + end, axis=-1) + ops.sum(shifts[:, :, 0] * ops.transpose(real), axis=0)
    return ops.transpose(path), score


def path_scores(emissions, tags, real, start, end, transitions):
    """Score of one path a sentence. Args: tags: int32 [B, T], of padding any; others: as messages. Returns: [B]."""
    at_words, moves = path_parts(emissions, tags, real, transitions)
    first, last = tags[:, :1], last_words(real)
    at_ends = ops.take(start, first, axis=0) * real[:, :1] + ops.sum(ops.take(end, tags, axis=0) * last, axis=1, keepdims=True)
    return ops.sum(at_words + moves, axis=1) + at_ends[:, 0]


def path_parts(emissions, tags, real, transitions):
    """Returns: [B, T], the emission of each word's tag; [B, T], the score of the move to it, 0 at the first word. 0 at padding."""
    count = transitions.shape[0]
    # By comparison, not as a product with ones and zeros, which some accelerators round.
    is_tag = tags[:, :, None] == ops.arange(count, dtype="int32")
    at_words = ops.sum(ops.where(is_tag, emissions, 0.0), axis=-1) * real
    moves = ops.take(ops.reshape(transitions, (-1,)), tags[:, :-1] * count + tags[:, 1:], axis=0) * real[:, 1:]
    return at_words, ops.concatenate([ops.zeros_like(real[:, :1]), moves], axis=1)
