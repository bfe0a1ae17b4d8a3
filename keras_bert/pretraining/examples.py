"""Which tokens make an example: google-research's pairs, ALBERT's, and full sentences. They are places in a flat array, not copies.

An example is a row (first_start, first_end, second_start, second_end, label) of places in TokenDocuments.ids.
"""

import itertools
from bisect import bisect_left

import numpy as np

from keras_bert.pretraining.settings import FULL_SENTENCES, NEXT_SENTENCE


def make_examples(documents, settings, draws):
    """Make the examples of a shard, in the order of its documents.

    Args: documents: TokenDocuments. settings: ExampleSettings. draws: Draws.
    Returns: int64 [examples, 5], see above; of full sentences the second text is empty, and the label 0.
    """
    if settings.objective == FULL_SENTENCES:
        examples = _full_sentences(documents, settings, draws)
    else:
        examples = _pairs(documents, settings, draws)
    return np.array(examples, "int64").reshape(-1, 5)


def _pairs(documents, settings, draws):
    """Pairs of texts.

    What is "another document" is another one of `documents`; where there is none, as in google-research's script, it is the same.
    Source: google-research/bert and albert, create_pretraining_data.py, create_instances_from_document. A chunk of sentences, and what
    follows a random start, is one span of the flat ids: its end is found by bisection.
    """
    starts = documents.sentence_starts.tolist()
    first_sentences = documents.document_starts.tolist()
    num_documents = len(first_sentences) - 1
    next_sentence = settings.objective == NEXT_SENTENCE
    max_tokens = settings.max_length - 3  # [CLS] [SEP] [SEP]
    examples = []
    for document in range(num_documents):
        sentence, end = first_sentences[document], first_sentences[document + 1]
        target = max_tokens
        if draws.uniform() < settings.short_seq_prob:
            target = 2 + draws.below(max_tokens - 1)
        while sentence < end:
            # Sentences until the target is reached, or the document ends.
            chunk_end = min(bisect_left(starts, starts[sentence] + target, sentence + 1, end), end)
            count = chunk_end - sentence
            middle = sentence + (1 if count < 2 else 1 + draws.below(count - 1))
            a_start, a_end = starts[sentence], starts[middle]
            is_random = swapped = False
            if count == 1:
                is_random = True
            elif draws.uniform() < 0.5:
                is_random, swapped = next_sentence, not next_sentence
            if is_random:
                for _ in range(10):
                    other = draws.below(num_documents)
                    if other != document:
                        break
                other_end = first_sentences[other + 1]
                b_sentence = first_sentences[other] + draws.below(other_end - first_sentences[other])
                b_start = starts[b_sentence]
                wanted = target - (a_end - a_start)
                b_end = starts[min(bisect_left(starts, b_start + wanted, b_sentence + 1, other_end), other_end)]
                sentence = middle  # what follows was not used: it begins the next example
            else:
                b_start, b_end = a_end, starts[chunk_end]
                sentence = chunk_end
            if swapped:
                a_start, a_end, b_start, b_end = b_start, b_end, a_start, a_end
            if a_end - a_start + b_end - b_start > max_tokens:
                a_start, a_end, b_start, b_end = _cut_pair(a_start, a_end, b_start, b_end, max_tokens, draws)
            examples.append((a_start, a_end, b_start, b_end, int(is_random or swapped)))
    return examples


def _cut_pair(a_start, a_end, b_start, b_end, max_tokens, draws):
    """Cut two spans to a common budget: a token at a time of the longer one, from its start or its end, as a coin says.

    In closed form: which text loses how many is given, and of a text's lost tokens a binomial share is at its start.
    Source: google-research/bert create_pretraining_data.py, truncate_seq_pair.
    """
    a_length, b_length = a_end - a_start, b_end - b_start
    half = max_tokens // 2
    a_lost = a_length - min(a_length, max(max_tokens - b_length, max_tokens - half))
    b_lost = b_length - min(b_length, max(max_tokens - a_length, half))
    a_front, b_front = draws.heads(a_lost), draws.heads(b_lost)
    return a_start + a_front, a_end - (a_lost - a_front), b_start + b_front, b_end - (b_lost - b_front)


def _full_sentences(documents, settings, draws):
    """As many full sentences of a document as have room; a sentence that has none in a whole example is cut into several.

    Source: Liu et al. 2019, RoBERTa, section 4.2, DOC-SENTENCES.
    """
    starts = documents.sentence_starts.tolist()
    first_sentences = documents.document_starts.tolist()
    max_tokens = settings.max_length - 2  # [CLS] [SEP]
    examples = []
    for begin, end in itertools.pairwise(first_sentences):
        place, last = starts[begin], starts[end]
        sentence = begin
        while place < last:
            room = max_tokens
            if settings.short_seq_prob and draws.uniform() < settings.short_seq_prob:
                room = 2 + draws.below(max_tokens - 1)
            # The last start of a sentence, or the end, within room.
            sentence = bisect_left(starts, place + room + 1, sentence, end + 1) - 1
            until = starts[sentence] if starts[sentence] > place else place + room
            examples.append((place, until, until, until, 0))
            place = until
    return examples
