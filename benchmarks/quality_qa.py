"""Answers that are parts of a context, as a task of the suite quality: BertQuestionAnswerer beside Transformers' BertForQuestionAnswering.

The rows of both are windows of BertQuestionAnswerer's preprocessor, and a loss is the mean over the rows of a batch, which holds whole
questions. Padding has no share in Transformers' loss either, see sides/transformers_qa.py. Both give logits of the same rows, of which the
preprocessor's decode makes answers. Of SQuAD 2.0 the F1 is that of the best threshold of no answer.
"""

from benchmarks import peers

NAME = "qa"
HELP = "answers as parts of a context, SQuAD's .json or .jsonl; of its own the XQuAD that examples/data holds, whose dev is the test, too"
SCORE = "F1 of SQuAD"
FILES = {
    part: str(peers.ROOT / "examples" / "data" / "xquad" / f"{name}.json.gz")
    for part, name in (("train", "train"), ("validation", "dev"), ("test", "dev"))
}
EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 16, 2e-4  # as examples/finetune_qa.py
OWN = "keras_bert_qa"
PEERS = {"transformers": "transformers_qa"}

AT_ONCE = 32  # questions decoded


def prepare(settings, options):
    """Write checkpoint and data, by a side that then ends. Returns: int: questions to train on."""
    with peers.Side("data", "keras_bert_qa_data", threads=options.threads, settings=settings) as side:
        return side.ask("run")["examples"]


def score(answers, part, settings):
    """Returns: float, SQuAD's F1; exact match is printed. Args: answers: path of a side's logits, see decode."""
    import numpy as np

    from keras_bert import BertQuestionAnswerer
    from keras_bert.data import read_squad
    from keras_bert.metrics import score_squad

    examples = read_squad(settings["files"][part])
    preprocessor = BertQuestionAnswerer.from_pretrained(settings["directory"]).preprocessor
    texts, null_scores = decode(preprocessor, examples, np.load(answers))
    scores = score_squad(examples, texts, null_scores)
    exact_match, f1 = (scores.get(f"best_{name}", scores[name]) for name in ("exact_match", "f1"))
    print(f"{part}: exact match {100 * exact_match:.2f}, F1 {100 * f1:.2f}", flush=True)
    return f1


def decode(preprocessor, examples, logits):
    """Logits to answers.

    Args:
        preprocessor: QuestionAnsweringPreprocessor. examples: SquadExamples.
        logits: float32 [tokens, 2], of start and end, of all rows of all examples, one after the other, without padding.
    Returns: two dicts of id -> text, and how much no answer is better.
    Raises: ValueError where there are logits of other rows.
    """
    import numpy as np

    texts, null_scores, first = {}, {}, 0
    for start in range(0, len(examples), AT_ONCE):
        chosen = examples[start : start + AT_ONCE]
        rows = preprocessor.rows(preprocessor.columns(chosen))
        inputs = preprocessor.pad(rows)[0]
        is_token = inputs["attention_mask"].numpy() == 1  # (rows, length)
        of_rows = np.zeros([*is_token.shape, 2], "float32")  # no answer is looked for in padding
        last = first + np.count_nonzero(is_token)
        if last > len(logits):
            break
        of_rows[is_token] = logits[first:last]
        found = preprocessor.decode(of_rows, inputs, rows)
        for example, text, null_score in zip(chosen, found["text"].numpy(), found["null_score"].numpy(), strict=True):
            texts[example.id], null_scores[example.id] = text.decode(), float(null_score)
        first = last
    if len(texts) < len(examples) or first < len(logits):
        raise ValueError(f"{len(logits)} tokens have logits, which are not those of the rows of {len(examples)} questions")
    return texts, null_scores
