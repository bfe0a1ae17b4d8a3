"""What a model puts in the place of a few masks, to look at while it trains."""

import numpy as np

from keras_bert import features


def filled_masks(model, batch, tokenizer, *, count=4, top_k=3, around=8):
    """Show the first masked tokens of some rows, what stood there, and what the model thinks.

        ... the capital of [MASK] is a city ... france -> england 0.31, france 0.22, it 0.05

    Args:
        model: BertPretrainer or BertMaskedLM. batch: features, targets and weights, of evaluation_batches; its first rows are taken.
        tokenizer: whose pieces the ids are. count: rows. top_k: guesses. around: pieces shown before and after.
    Returns: list of str.
    """
    x, targets, weights = batch
    logits = model({name: value[:count] for name, value in x.items()})
    if isinstance(logits, dict):
        logits, targets, weights = (part["mlm_logits"] for part in (logits, targets, weights))
    logits = np.asarray(logits)[:, :, : tokenizer.vocabulary_size]
    lines = []
    for row in range(len(logits)):
        if not weights[row][0]:
            continue
        ids, slot = np.asarray(x[features.INPUT_IDS][row]), 0
        masked = [place for place in range(int(np.sum(weights[row]))) if ids[x[features.MASKED_POSITIONS][row][place]] == tokenizer.mask_id]
        slot = masked[0] if masked else 0
        position = int(x[features.MASKED_POSITIONS][row][slot])
        shown = [tokenizer.pieces[piece] for piece in ids[max(0, position - around) : position + around + 1] if piece != tokenizer.pad_id]
        likely = np.exp(logits[row, slot] - logits[row, slot].max())
        likely /= likely.sum()
        guesses = ", ".join(f"{tokenizer.pieces[piece]} {likely[piece]:.2f}" for piece in np.argsort(-likely)[:top_k])
        lines.append(f"... {' '.join(shown).replace(' ##', '')} ... {tokenizer.pieces[int(targets[row][slot])]} -> {guesses}")
    return lines
