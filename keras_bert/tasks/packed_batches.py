"""Packed batches and others, for an encoder that takes one of the two."""

from keras import ops

from keras_bert import features


def for_encoder(batch, encoder):
    """A batch as an encoder takes it: a packed one takes rows of one sequence as well.

    Args: batch: dict of int32 tensors, of the contract. encoder: BertEncoder.
    Returns: the batch; for a packed encoder with position_ids, sequence_ids and first_positions.
    Raises: ValueError where the batch is packed and the encoder is not.
    """
    is_packed = features.SEQUENCE_IDS in batch
    if is_packed and not encoder.packed:
        raise ValueError(
            "the batch is packed (it has sequence_ids) and the encoder is not: its sequences would see each other. Load the model by "
            "from_pretrained(path, packed=True), or make it of BertEncoder(config, packed=True, pooler=True)"
        )
    if is_packed or not encoder.packed:
        return batch
    mask = batch[features.ATTENTION_MASK]
    positions = ops.broadcast_to(ops.arange(ops.shape(mask)[1], dtype=features.DTYPE)[None], ops.shape(mask))
    return {
        **batch,
        features.POSITION_IDS: positions,
        features.SEQUENCE_IDS: mask,
        features.FIRST_POSITIONS: ops.zeros_like(mask[:, :1]),
    }
