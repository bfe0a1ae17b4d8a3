"""Vectors of texts, as a task of the suite quality: BertEmbedder beside SentenceTransformer, the mean of the tokens, scaled to length 1.

Pairs with scores are trained by the squared difference of cosine and score, sentence-transformers' CosineSimilarityLoss, others by multiple
negatives, its MultipleNegativesRankingLoss, in which equal texts of a batch count as negatives on both sides.
"""

import json

from benchmarks import peers

NAME = "embedding"
HELP = "vectors of texts, .tsv of pairs or triplets, or of pairs and scores; of its own the pairs of utterances that examples/data holds"
SCORE = "recall@1"
SCORED_PAIRS = "Spearman"  # what the score of pairs with scores is called
FILES = {
    part: str(peers.ROOT / "examples" / "data" / "clinc150" / f"{name}.tsv.gz")
    for part, name in (("train", "train"), ("validation", "dev"), ("test", "test"))
}
EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 32, 5e-5  # as examples/train_embedder.py
OWN = "keras_bert_embedding"
PEERS = {"sentence_transformers": "sentence_transformers_embedding"}


def prepare(settings, options):
    """Write checkpoint and data, by a side that then ends; settings["score"] is set. Returns: int: examples to train on."""
    with peers.Side("data", "keras_bert_embedding_data", threads=options.threads, settings=settings) as side:
        answer = side.ask("run")
    settings["score"] = SCORED_PAIRS if answer["scored"] else SCORE
    return answer["examples"]


def score(answers, part, settings):
    """Returns: float: Spearman's correlation of cosines and scores; or how many first texts find theirs nearest among all second ones.

    Args: answers: path of the vectors of all texts, example by example, float32 [texts, features].
    """
    import numpy as np

    from keras_bert.tasks.embedding_evaluation import score_examples

    with open(settings["data"], encoding="utf-8") as file:
        data = json.load(file)[part]
    vectors = np.load(answers)
    vectors = vectors.reshape(len(data["texts"][0]), len(data["texts"]), vectors.shape[-1])
    scores = score_examples(vectors, data["texts"], data["scores"])
    return scores["recall@1" if data["scores"] is None else "spearman"]
