"""What examples are made like."""

import dataclasses

NEXT_SENTENCE, SENTENCE_ORDER, FULL_SENTENCES = "next_sentence", "sentence_order", "full_sentences"
OBJECTIVES = (NEXT_SENTENCE, SENTENCE_ORDER, FULL_SENTENCES)
SENTENCES = ("split", "line")


@dataclasses.dataclass(frozen=True)
class ExampleSettings:
    """How documents become examples. The defaults are BERT's first phase.

    Args:
        objective: "next_sentence": google-research/bert's pairs, half of them with a second text from another document of the shard;
            "sentence_order": ALBERT's, half of them swapped; "full_sentences": consecutive sentences of one document, one text.
        max_length: tokens of an example at most, special ones included.
        short_seq_prob: share of documents whose examples are shorter than could be, to a length drawn for each; None: 0.1 for pairs, 0 for
            full sentences, where it applies to each example.
        dupe_factor: how often each document is gone through, each time with other draws. Masks are drawn later, anew in every epoch: unlike
            google-research's script this one needs no duplicates to have several masks.
        sentences: "split": lines of a document are split into sentences; "line": each line is a sentence.
        pack: put short examples together in rows of row_length.
        row_length: tokens of a packed row; None: max_length.
        length_bin: write examples of 1 to length_bin tokens to one file of the shard, those of up to 2 * length_bin to the next, and so on;
            None: one file.
        shard_megabytes: text of a shard, 10^6 bytes of UTF-8 at least but for a small corpus; the last shard may be half as large again.
        seed: int.
    Raises: ValueError where a value, or two together, cannot be used.
    """

    objective: str = NEXT_SENTENCE
    max_length: int = 128
    short_seq_prob: float | None = None
    dupe_factor: int = 1
    sentences: str = "split"
    pack: bool = False
    row_length: int | None = None
    length_bin: int | None = None
    shard_megabytes: float = 8.0
    seed: int = 0

    def __post_init__(self):
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective={self.objective!r} is none of {', '.join(OBJECTIVES)}")
        if self.sentences not in SENTENCES:
            raise ValueError(f"sentences={self.sentences!r} is none of {', '.join(SENTENCES)}")
        if self.max_length < 5:
            raise ValueError(f"max_length={self.max_length} leaves no room: [CLS] a [SEP] b [SEP] takes 5 at least")
        if self.short_seq_prob is None:
            object.__setattr__(self, "short_seq_prob", 0.0 if self.objective == FULL_SENTENCES else 0.1)
        if not 0 <= self.short_seq_prob <= 1:
            raise ValueError(f"short_seq_prob={self.short_seq_prob} is not in 0 to 1")
        if self.dupe_factor < 1:
            raise ValueError(f"dupe_factor={self.dupe_factor} is not 1 or more")
        if self.dupe_factor > 1 and self.objective == FULL_SENTENCES and not self.short_seq_prob:
            raise ValueError(
                f"dupe_factor={self.dupe_factor} would give the same full sentences again; say short_seq_prob= too, or train longer"
            )
        if self.row_length is not None and not self.pack:
            raise ValueError(f"row_length={self.row_length} is of packed rows; say pack=True")
        if self.pack and self.row_length is None:
            object.__setattr__(self, "row_length", self.max_length)
        if self.pack and self.row_length < self.max_length:
            raise ValueError(f"row_length={self.row_length} is less than max_length={self.max_length}")
        if self.length_bin is not None and self.pack:
            raise ValueError(f"length_bin={self.length_bin} sorts by length, and packed rows are all about as long; take one of the two")
        if self.length_bin is not None and self.length_bin < 1:
            raise ValueError(f"length_bin={self.length_bin} is not 1 or more")
        if not self.shard_megabytes > 0:
            raise ValueError(f"shard_megabytes={self.shard_megabytes} is not positive")

    @property
    def labels(self):
        """Whether examples are pairs, with a label."""
        return self.objective != FULL_SENTENCES
