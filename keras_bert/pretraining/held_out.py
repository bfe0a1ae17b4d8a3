"""A corpus in parts: one to train on, and two that are held out."""

import dataclasses

from keras_bert.data.corpus import Corpus

PARTS = ("train", "validation", "test")
_BLOCKS = 20  # of each so many, one is for validation and one for test: 5 % each


@dataclasses.dataclass(frozen=True)
class CorpusPart(Corpus):
    """The documents of one part. Neighbours stand together: texts often go on with the text before them, and would give it away.

        CorpusPart("texts", documents="line", part="validation", block_documents=50)

    Args:
        others: see Corpus.
        part: "train", "validation" or "test": of 20 blocks in a row the first 18, the next, and the last.
        block_documents: documents of a block.
    Raises: ValueError where an argument cannot be used; and while it is read, where the part has no document.
    """

    part: str = "train"
    block_documents: int = 50

    def __post_init__(self):
        super().__post_init__()
        if self.part not in PARTS:
            raise ValueError(f"part={self.part!r} is none of {', '.join(PARTS)}")
        if self.block_documents < 1:
            raise ValueError(f"block_documents={self.block_documents} is not 1 or more")

    def read(self, counts=None):
        number = -1
        is_empty = True
        for number, document in enumerate(super().read(counts)):
            if self._part_of(number) == self.part:
                is_empty = False
                yield document
        if is_empty:
            least = self.block_documents * (_BLOCKS - 1 if self.part == "validation" else _BLOCKS)
            raise ValueError(
                f"the corpus has {number + 1} documents, of which none is for {self.part}: in blocks of block_documents="
                f"{self.block_documents} it takes more than {least - self.block_documents}; "
                + ("take smaller blocks" if number >= least // self.block_documents - 1 else f"{_BLOCKS} at least are wanted, of any size")
            )

    def _part_of(self, number):
        block = number // self.block_documents % _BLOCKS
        return "test" if block == _BLOCKS - 1 else "validation" if block == _BLOCKS - 2 else "train"

    def settings(self):
        return super().settings() | {"part": self.part, "block_documents": self.block_documents}
