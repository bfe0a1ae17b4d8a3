"""read_intent_slots: utterances with an intent and the slots that their words fill.

examples = read_intent_slots("train.jsonl.gz")     # Snips; or a folder of seq.in, seq.out and label
examples[0]                                        # (["play", "jazz", "."], ["O", "B-genre", "O"], "PlayMusic")
tags, intents = intent_slot_labels(examples)

dataset = intent_slots_dataset(examples, tags, intents)     # to train BertIntentSlots by; the others are plain lists
"""

import itertools
import os

import tensorflow as tf

from keras_bert.data.frames import arguments_of
from keras_bert.data.tables import check_text, read_rows, text_lines
from keras_bert.labels import Labels

FILES = ("seq.in", "seq.out", "label")


def read_intent_slots(source):
    """Read utterances, the slots of their words and their intents. All is checked before anything is returned.

    Args:
        source:
            path of a .jsonl file, also .gz, of lines {"intent": "PlayMusic", "data": [["play ", null], ["jazz", "genre"], [".", null]]}:
                segments of the text, each with the slot that it fills or null. A word ends at white space, and where a slot begins or
                ends: "jazz." of the example is the words "jazz" and ".", so that no character has the tag of another segment. BERT's
                tokenizer parts punctuation from words all the same. (Of Snips's 13,784 utterances to train with, 3,258 borders of slots
                stand within what white space parts; at all but one of them "." "?" "," "'" or "!" follows a slot.)
            path of a folder of three files, a line an utterance: `seq.in` its words, `seq.out` their tags, `label` its intent.
    Returns: list of (words, tags, intent): list of str; list of str as long, "O", "B-genre", "I-genre" (IOB2); str. An I- of a file that
        continues nothing begins a slot, as conlleval has it, and is given as B-.
    Raises: ValueError naming file and line of what cannot be used: an utterance without words or intent, a slot without words, another
        number of tags than of words, a tag that is none, files of different length, bytes that are not UTF-8, broken JSON, nothing at
        all. FileNotFoundError.
    Source: Snips NLU benchmark (Coucke et al. 2018); the files of slot-gated SLU (Goo et al. 2018).
    """
    if os.path.isdir(source):
        return _folder(os.fspath(source))
    return list(read_rows(source, ("data", "intent"), _example, format="jsonl"))


def intent_slot_labels(examples):
    """The labels of a data set.

    Args: examples: as read_intent_slots gives.
    Returns: (tags, intents): "O", then "B-" and "I-" of each slot, in the order of the slots' names; and the intents, in order.
    """
    slots = sorted({tag[2:] for _, tags, _ in examples for tag in tags if tag != "O"})
    return ["O", *(f"{prefix}-{slot}" for slot in slots for prefix in "BI")], sorted({intent for *_, intent in examples})


def intent_slots_dataset(examples, tags, intents):
    """The examples as a data set that BertIntentSlots takes.

    Args: examples: as read_intent_slots gives. tags, intents: lists of str, of the data set to train with; see intent_slot_labels.
    Returns: unbatched tf.data.Dataset of ({"words": string [words]}, {"intent": int32, "slots": int32 [words]}), of known cardinality.
    Raises: ValueError where there are no examples, or naming the utterance with a tag or an intent that is none of these.
    """
    if not examples:
        raise ValueError("there are no examples to make a dataset of")
    tag_labels, intent_labels = Labels(tags), Labels(intents)
    words, ids, wanted = [], [], []
    for number, (sentence, slots, intent) in enumerate(examples):
        place = f"utterance {number} ({' '.join(sentence[:8])})"
        words += sentence
        ids += [tag_labels.id_of(tag, place) for tag in slots]
        wanted.append(intent_labels.id_of(intent, place))
    lengths = [len(sentence) for sentence, *_ in examples]
    words, ids = (tf.RaggedTensor.from_row_lengths(values, lengths) for values in (tf.constant(words), tf.constant(ids, tf.int32)))
    return tf.data.Dataset.from_tensor_slices(({"words": words}, {"intent": tf.constant(wanted, tf.int32), "slots": ids}))


def _tags(length, slots):
    """IOB2 tags of `length` words. Args: slots: (name, first word, last word) each."""
    tags = ["O"] * length
    for slot, start, end in slots:
        tags[start : end + 1] = [f"B-{slot}"] + [f"I-{slot}"] * (end - start)
    return tags


# JSON lines.


def _example(place, values):
    data, intent = values
    if not isinstance(intent, str) or not intent.strip():
        raise ValueError(f"{place}: intent {intent!r} is not a name")
    if not isinstance(data, list):
        raise ValueError(f"{place}: data is a {type(data).__name__}; expected a list of [text, slot or null]")
    words, slots = [], []
    for slot, texts in itertools.groupby(enumerate(_segments(place, data)), key=_slot_of):
        text = "".join(text for _, (text, _) in texts)
        start = len(words)
        words += text.split()
        if slot[1] is not None:
            if len(words) == start:
                raise ValueError(f"{place}: the slot {slot[1]!r} is filled by {text!r}, which has no word")
            slots.append((slot[1], start, len(words) - 1))
    if not words:
        raise ValueError(f"{place}: the utterance has no words")
    return words, _tags(len(words), slots), intent.strip()


def _segments(place, data):
    for segment in data:
        is_segment = isinstance(segment, list) and len(segment) == 2
        if not is_segment or not isinstance(segment[0], str) or not (segment[1] is None or isinstance(segment[1], str)):
            raise ValueError(f"{place}: segment {segment!r} of data; expected [text, slot or null]")
        text, slot = segment
        check_text(text, place, "data")
        if slot is not None and (not slot or slot.split() != [slot]):
            raise ValueError(f"{place}: slot {slot!r} is not a name without spaces")
        yield text, slot


def _slot_of(numbered):
    """What parts segments: every slot is one of its own, and text between two slots is one text."""
    index, (_, slot) = numbered
    return (None if slot is None else index), slot


# A folder of three files.


def _folder(folder):
    paths = [os.path.join(folder, name) for name in FILES]
    examples = []
    for number, lines in enumerate(itertools.zip_longest(*map(_lines, paths)), 1):
        if None in lines:
            ended = paths[lines.index(None)]
            raise ValueError(f"{ended}: ends before line {number}, which the other files have")
        words, tags, intent = lines[0].split(), lines[1].split(), lines[2].strip()
        if not words:
            raise ValueError(f"{paths[0]}:{number}: the utterance has no words")
        if len(tags) != len(words):
            raise ValueError(f"{paths[1]}:{number}: {len(tags)} tags of {len(words)} words")
        if not intent:
            raise ValueError(f"{paths[2]}:{number}: no intent")
        try:
            examples.append((words, _tags(len(words), arguments_of(tags)), intent))
        except ValueError as error:
            raise ValueError(f"{paths[1]}:{number}: {error}") from error
    if not examples:
        raise ValueError(f"there are no examples in {folder}")
    return examples


def _lines(path):
    """Yields: the lines of a file, without the blank ones at its end."""
    blank = 0
    for line in text_lines(path):
        if not line.strip():
            blank += 1
            continue
        yield from [""] * blank
        blank = 0
        yield line
