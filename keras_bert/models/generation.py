"""Writing with a decoder: greedily, by beam search or by sampling; one loop in the graph, cached, that ends when all answers have."""

import numpy as np
from keras import ops

from keras_bert.models.beam_search import search_beams
from keras_bert.models.next_tokens import allowed_scores, empty_sequences, log_sum, sampled


def generate(decoder, source, attention_mask, start, generation):
    """Write an answer, or several, to each source.

    Args: decoder: Decoder. source: [batch, source_length, features]. attention_mask: int32 [batch, source_length]. start: int32 [batch],
        with what each answer begins. generation: Generation.
    Returns: dict of
        ids: int32 [batch, num_answers, max_length], the start first; pad_id behind the end. An answer that was cut has no end_id.
        scores: float32 [batch, num_answers], see Generation.length_penalty; the best first, but for samples.
    """
    slots = generation.num_beams if generation.temperature is None else generation.num_answers
    follow, caches = _followed(decoder, source, attention_mask, slots, generation)
    write = search_beams if generation.num_beams > 1 else _write_each
    ids, scores = write(follow, caches, start, slots, generation)
    return {"ids": ids, "scores": scores}


def _followed(decoder, source, attention_mask, slots, generation):
    """Returns: function (sequences, position, ancestors, caches) -> scores of what follows, float32 [batch, slots, pieces], and caches."""
    pieces = generation.pieces
    if generation.cached:
        ready, caches = decoder.begin(source, attention_mask, slots=slots, length=generation.max_length)

        def follow(sequences, position, ancestors, caches):
            logits, caches = decoder.step(ops.take(sequences, position, axis=2), position, ancestors, ready, caches)
            return logits[..., :pieces], caches

        return follow, caches
    source, attention_mask = (ops.repeat(part, slots, axis=0) for part in (source, attention_mask))

    def follow(sequences, position, ancestors, caches):
        so_far = ops.reshape(sequences, (-1, generation.max_length))[:, : position + 1]
        logits = decoder(so_far, source, attention_mask, training=False)[:, -1, :pieces]
        return ops.reshape(logits, (-1, slots, logits.shape[-1])), caches

    return follow, ()


def _write_each(follow, caches, start, slots, generation):
    """Each sequence by itself: the likeliest token, or a sample of the likely ones. Returns: as generate's, a pair."""
    length = generation.max_length
    sequences = empty_sequences(start, slots, generation)
    draws = np.random.default_rng(generation.seed).random((slots, length)).astype("float32")
    own = ops.arange(slots, dtype="int32")[None, :, None]
    places = ops.arange(length, dtype="int32")[None, None]

    def goes_on(count, sequences, scores, ended, caches):
        return ops.logical_and(count < length, ops.logical_not(ops.all(ended)))

    def one_more(count, sequences, scores, ended, caches):
        ancestors = ops.where(places < count, own, -1) + ops.zeros_like(sequences)
        logits, caches = follow(sequences, count - 1, ancestors, caches)
        allowed = allowed_scores(logits, sequences, count, generation)
        if generation.temperature is None:
            tokens = ops.cast(ops.top_k(allowed, 1)[1][..., 0], "int32")  # Keras's argmax looks for -0.0 first, in five passes
        else:
            tokens = sampled(allowed, ops.take(draws, count, axis=1), generation)
        gained = ops.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0] - log_sum(logits)
        tokens = ops.where(ended, generation.pad_id, tokens)
        scores = scores + ops.where(ended, 0.0, gained)
        sequences = ops.where(places == count, tokens[..., None], sequences)
        return count + 1, sequences, scores, ops.logical_or(ended, tokens == generation.end_id), caches

    nothing = ops.zeros_like(sequences[:, :, 0])
    begun = (ops.convert_to_tensor(1, "int32"), sequences, ops.cast(nothing, "float32"), nothing > 0, caches)
    _, sequences, scores, _, _ = ops.while_loop(goes_on, one_more, begun)
    return sequences, scores / written(sequences, generation) ** generation.length_penalty


def written(sequences, generation):
    """How many tokens each sequence has behind its start, its end among them. Args: int32 [..., length]. Returns: float32 [...]."""
    ends = ops.cast(sequences[..., 1:] == generation.end_id, "int32")
    before_end = ops.cumsum(ends, axis=-1) - ends == 0
    return ops.sum(ops.cast(before_end, "float32"), axis=-1)
