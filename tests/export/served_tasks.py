"""A small model of every task, and how answers are compared."""

import keras

from keras_bert import (
    BertClassifier,
    BertConfig,
    BertEmbedder,
    BertEncoder,
    BertExtractiveSummarizer,
    BertIntentSlots,
    BertMaskedLM,
    BertMultipleChoice,
    BertNextSentence,
    BertPretrainer,
    BertQuestionAnswerer,
    BertSemanticRoleLabeler,
    BertSeq2Seq,
    BertTagger,
)

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
ROLES = ["O", "B-ARG0", "I-ARG0", "B-V", "I-V", "B-ARG1", "I-ARG1"]
TASKS = {  # class, labels, options, and which of the inputs it is asked
    "tagger": (BertTagger, TAGS, {}, "texts"),
    "tagger_crf": (BertTagger, TAGS, {"crf": True}, "texts"),
    "intent_slots": (BertIntentSlots, TAGS, {"intents": ["PlayMusic", "GetWeather", "RateBook"]}, "texts"),
    "role_labeler": (BertSemanticRoleLabeler, ROLES, {}, "texts"),
    "classifier": (BertClassifier, ["negative", "positive"], {"text_pair": False}, "texts"),
    "pair_classifier": (BertClassifier, ["negative", "positive"], {"text_pair": True}, "pairs"),
    "embedder": (BertEmbedder, None, {"text_pair": False}, "texts"),
    "question_answerer": (BertQuestionAnswerer, None, {"null_threshold": -7.3, "n_best": 5}, "questions"),  # half have none
    "multiple_choice": (BertMultipleChoice, None, {}, "choices"),
    "top_labels": (
        BertClassifier,
        ["sport", "art", "war"],
        {"text_pair": False, "problem_type": "multi_label_classification", "top_k": 2},
        "texts",
    ),
    "regression": (BertClassifier, ["stars"], {"text_pair": False, "problem_type": "regression"}, "texts"),
    "masked_lm": (BertMaskedLM, None, {"text_pair": False}, "masked"),
    "next_sentence": (BertNextSentence, None, {}, "pairs"),
    "pretrainer": (BertPretrainer, None, {}, "pairs"),
    "extractive_summarizer": (BertExtractiveSummarizer, None, {"share": 0.5}, "documents"),
    "seq2seq": (BertSeq2Seq, None, {"num_beams": 2, "num_answers": 2, "max_target_length": 12, "restore_case": True}, "texts"),
}


def make(task, tokenizer):
    """A small model of random weights whose answers differ from text to text; most texts are longer than its rows of 24 pieces."""
    cls, labels, options, _ = TASKS[task]
    keras.utils.set_random_seed(3)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 64}
    encoder = BertEncoder(BertConfig(**sizes, initializer_range=0.5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    return cls(encoder, *([] if labels is None else [labels]), tokenizer, max_length=24, **options)


def nested(answer):
    """Where there are roles, each is put into its frame, as `answer` has them. Args, Returns: dict."""
    if "roles" in answer:
        answer["frames"] = [frame | {"roles": []} for frame in answer["frames"]]
        for role in answer.pop("roles"):
            answer["frames"][role.pop("frame")]["roles"].append(role)
    return answer


def assert_same(served, answered, where):
    """Numbers within 1e-5, and all else equal, down to the last part. Args: where: str, named where they differ."""
    assert type(served) is type(answered), where
    if isinstance(answered, dict):
        assert served.keys() == answered.keys(), where
        for name, value in answered.items():
            assert_same(served[name], value, f"{where}.{name}")
    elif isinstance(answered, list):
        assert len(served) == len(answered), where
        for number, pair in enumerate(zip(served, answered, strict=True)):
            assert_same(*pair, f"{where}[{number}]")
    elif isinstance(answered, float):
        assert abs(served - answered) <= 1e-5, where
    else:
        assert served == answered, where
