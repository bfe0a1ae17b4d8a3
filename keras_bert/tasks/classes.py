"""All tasks, together: whoever imports one has registered each with keras.saving."""

try:
    import tensorflow_text  # noqa: F401 - TensorFlow too
except ImportError as error:
    raise ImportError(
        f"BertClassifier and the other tasks take text and train by TensorFlow, which cannot be imported here ({error}): pip install "
        "tensorflow tensorflow-text, and set KERAS_BACKEND=tensorflow. Without it there are the networks: from_pretrained(path, "
        "cls=keras_bert.BertEncoder), or another of keras_bert.models"
    ) from error

from keras_bert.tasks.classifier import BertClassifier
from keras_bert.tasks.embedder import BertEmbedder
from keras_bert.tasks.extractive_summarizer import BertExtractiveSummarizer
from keras_bert.tasks.intent_slots import BertIntentSlots
from keras_bert.tasks.masked_lm import BertMaskedLM
from keras_bert.tasks.multiple_choice import BertMultipleChoice
from keras_bert.tasks.next_sentence import BertNextSentence
from keras_bert.tasks.pretrainer import BertPretrainer
from keras_bert.tasks.question_answerer import BertQuestionAnswerer
from keras_bert.tasks.semantic_role_labeler import BertSemanticRoleLabeler
from keras_bert.tasks.seq2seq import BertSeq2Seq
from keras_bert.tasks.tagger import BertTagger

_CLASSES = (
    BertClassifier,
    BertEmbedder,
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
TASKS = {cls.__name__: cls for cls in _CLASSES}
