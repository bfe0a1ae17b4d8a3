"""Generation: how an answer is written, in plain numbers that network, preprocessor and files share."""

import dataclasses
import numbers

_LEAST = {"max_length": 2, "min_length": 2, "seed": 0}  # of lengths both ends count
_MAY_BE_NONE = ("no_repeat_ngrams", "top_k", "pieces")


@dataclasses.dataclass(frozen=True)
class Generation:
    """How an answer is written.

    Args:
        max_length: most tokens of an answer, that with which it begins and end_id included.
        end_id: the token that ends an answer; pad_id: what stands behind it.
        pieces: tokens that may be written are those below this id; None: all.
        min_length: least tokens of an answer, counted likewise.
        num_beams: sequences that a beam search goes on with; 1: no search.
        length_penalty: an answer's score is the sum of its tokens' log-probabilities, divided by their number to this power. Over 0,
            longer answers are favoured.
        early_stopping: when a beam search is done with a text. True: as many answers have ended as there are beams. False: and no beam that
            goes on has, as long as it is now, a better score than the worst of them. "never": and none can come to one.
        no_repeat_ngrams: no run of so many tokens stands twice in an answer; None: any may.
        num_answers: answers of each text: the best of the beams, or as many samples.
        temperature: sample, with logits divided by this; None: take the likeliest.
        top_k: sample from so many of the likeliest tokens; None: from all.
        top_p: sample from the likeliest tokens whose probabilities first come to this; None: from all.
        seed: of the samples. The draws are the same for each text, so that what it is answered does not hang on those beside it.
        cached: keep keys and values of what is written; False computes them anew for each token, to the same answers.
    Raises: ValueError naming the value that does not fit.
    """

    max_length: int
    end_id: int
    pad_id: int = 0
    pieces: int | None = None
    min_length: int = 2
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | str = True
    no_repeat_ngrams: int | None = None
    num_answers: int = 1
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0
    cached: bool = True

    def __post_init__(self):
        for name in ("max_length", "min_length", "num_beams", "num_answers", "no_repeat_ngrams", "top_k", "pieces", "seed"):
            value, least = getattr(self, name), _LEAST.get(name, 1)
            if value is None and name in _MAY_BE_NONE:
                continue
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
                both_ends = " ([CLS] and [SEP] count)" if name.endswith("length") else ""
                raise ValueError(f"{name}={value!r} is not a whole number from {least}{both_ends}")
        if self.min_length > self.max_length:
            raise ValueError(f"min_length={self.min_length} is over max_length={self.max_length}")
        if not _is_number(self.length_penalty):
            raise ValueError(f"length_penalty={self.length_penalty!r} is no number")
        if not isinstance(self.early_stopping, bool) and self.early_stopping != "never":
            raise ValueError(f"early_stopping={self.early_stopping!r} is neither True, nor False, nor 'never'")
        if self.pieces is not None and self.num_beams > 1 and 2 * self.num_beams > self.pieces:
            raise ValueError(f"num_beams={self.num_beams}: a search wants a vocabulary of twice as many pieces, and this has {self.pieces}")
        self._check_sampling()

    def _check_sampling(self):
        samples = self.temperature is not None
        if samples and not (_is_number(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature={self.temperature!r} is neither a positive number nor None")
        if self.top_p is not None and not (_is_number(self.top_p) and 0 < self.top_p <= 1):
            raise ValueError(f"top_p={self.top_p!r} is neither in 0 (not included) to 1, nor None")
        if not samples and (self.top_k is not None or self.top_p is not None):
            raise ValueError(f"top_k={self.top_k!r}, top_p={self.top_p!r} are of sampling: give a temperature, such as 1.0")
        if samples and self.num_beams > 1:
            raise ValueError(
                f"temperature={self.temperature!r} samples, num_beams={self.num_beams} searches: give num_beams=1, or no temperature"
            )
        if not samples and self.num_answers > self.num_beams:
            raise ValueError(
                f"num_answers={self.num_answers} of num_beams={self.num_beams}: a search gives as many answers as it has beams; give more "
                "beams, or sample by a temperature"
            )


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and abs(value) < float("inf")
