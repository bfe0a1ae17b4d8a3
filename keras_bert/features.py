"""The batch contract: what a batch of text is called, and its types and shapes, between the packer and the encoder.

Everything is int32 and `[batch, length]`: a bool or string feature breaks `fit` under a distribution strategy.
"""

INPUT_IDS = "input_ids"  # vocabulary ids
TOKEN_TYPE_IDS = "token_type_ids"  # 0 for the first text, 1 for the second
ATTENTION_MASK = "attention_mask"  # 1 marks a real token, 0 padding

POSITION_IDS = "position_ids"  # packed batches: position inside its own sequence
SEQUENCE_IDS = "sequence_ids"  # packed batches: 1, 2, ... which sequence a token is of; 0 is padding
FIRST_POSITIONS = "first_positions"  # packed batches: where each sequence's [CLS] stands in the row, [batch, sequences]; padding is 0

MASKED_POSITIONS = "masked_positions"  # masked language modelling: which positions of the row are asked about, [batch, max_predictions]
MASKED_IDS = "masked_ids"  # what stood there
MASKED_WEIGHTS = "masked_weights"  # 1 for a real question, 0 for padding

WORD_POSITIONS = "word_positions"  # tagging: where in the row each word's first piece stands, [batch, words]; 0, which is [CLS], is padding

SENTENCE_POSITIONS = "sentence_positions"  # extractive summaries: where each sentence's [CLS] stands, [batch, sentences]; -1 is padding

DECODER_INPUT_IDS = "decoder_input_ids"  # generating: ids of the answer so far, [CLS] first, [batch, target length]; [PAD] is padding

# An example of several rows, windows or choices, is one wide row: the inputs above are [batch, parts * length], and of the parts, [batch,
# parts], 1 marks one that is there, 0 padding.
PART_MASK = "part_mask"

DTYPE = "int32"
UNPACKED = (INPUT_IDS, TOKEN_TYPE_IDS, ATTENTION_MASK)
PACKED = (*UNPACKED, POSITION_IDS, SEQUENCE_IDS)


def is_contract(features):
    """Tell whether `features` is a batch of the contract (a mapping that holds its keys) rather than raw text."""
    return hasattr(features, "keys") and set(UNPACKED) <= set(features.keys())
