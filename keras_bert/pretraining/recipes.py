"""How to pretrain a BERT from random weights: its size, and its phases.

recipe = RECIPES["small"]
model = BertPretrainer(BertEncoder(recipe.config(tokenizer.vocabulary_size)), tokenizer)
"""

import dataclasses

from keras_bert.config import BertConfig


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of a run with rows of one length.

    Args: length: tokens of a row. batch_size: rows of an update. steps: updates. max_predictions: masked tokens of a sequence at most.
    Raises: ValueError naming the value that cannot be.
    """

    length: int
    batch_size: int
    steps: int
    max_predictions: int

    def __post_init__(self):
        for name, least in (("length", 5), ("batch_size", 1), ("steps", 1), ("max_predictions", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} of a phase is not {least} or more")


# Devlin et al. 2018, appendix A.2: 256 rows an update, 1,000,000 updates, nine tenths of them on rows of 128. google-research/bert's README
# has 20 predictions of 128 tokens; 0.15 * 512 are 77.
BERT_PHASES = (Phase(128, 256, 900_000, 20), Phase(512, 256, 100_000, 77))


# To go on from a checkpoint. google-research/bert's README, "Pre-training with BERT" and "Pre-training tips and caveats": rows of 128, 32
# of them an update, 10,000 updates or more, and a smaller rate than that of random weights, such as 2e-5.
FURTHER_PHASES = (Phase(128, 32, 10_000, 20),)
FURTHER_LEARNING_RATE = 2e-5


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Sizes and training of a BERT.

    Args:
        num_hidden_layers, hidden_size, num_attention_heads: as BertConfig. The feed-forward layers are 4 times hidden_size.
        phases: of Phase, one after the other, with one schedule over all.
        learning_rate: the peak. warmup_steps: updates up to it. weight_decay: of AdamW.
        vocabulary_size: of a vocabulary that is learned.
        dropout: of hidden vectors and attention.
        pack: put short examples together in one row.
        shrink_embeddings: at the end, see pretraining.shrink_embeddings.
    """

    num_hidden_layers: int
    hidden_size: int
    num_attention_heads: int
    phases: tuple = BERT_PHASES
    learning_rate: float = 1e-4
    warmup_steps: int = 10_000
    weight_decay: float = 0.01
    vocabulary_size: int = 30_522
    dropout: float = 0.1
    pack: bool = False
    shrink_embeddings: bool = False

    def config(self, vocab_size):
        """Args: vocab_size: rows of the word embedding. Returns: BertConfig."""
        return BertConfig(
            vocab_size=vocab_size,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            intermediate_size=4 * self.hidden_size,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
            max_position_embeddings=max(512, *(phase.length for phase in self.phases)),
        )


# Sizes: google-research/bert README, and its table of 24 smaller models (Turc et al. 2019, "Well-read students learn better").
RECIPES = {
    "tiny": Recipe(2, 128, 2),
    "mini": Recipe(4, 256, 4),
    "small": Recipe(4, 512, 8),
    "medium": Recipe(8, 512, 8),
    "base": Recipe(12, 768, 12),
    "large": Recipe(24, 1024, 16),
    # For some 10 MB of text and half an hour of two CPU cores. No dropout: no text is seen often enough to be learned by heart. A network
    # learns first how frequent each piece is, and stays there long; short rows, in which attention has less to choose from, and few pieces
    # get it from there sooner.
    "half_hour": Recipe(
        3,
        256,
        4,
        phases=(Phase(32, 64, 7_000, 5), Phase(128, 16, 3_000, 20)),
        learning_rate=1e-3,
        warmup_steps=100,
        vocabulary_size=4_000,
        dropout=0.0,
        pack=True,
        shrink_embeddings=True,
    ),
}
