"""TextTask: a task that reads a text, or a pair of texts."""

from keras_bert.tasks.task import Task, setting


class TextTask(Task):
    """Base of the tasks whose preprocessor is a TextPreprocessor.

    Args:
        text_pair: whether inputs are pairs; None lets the first raw data decide.
        others: see Task.
    """

    def __init__(self, network, tokenizer, *, text_pair=None, preprocessing=None, **kwargs):
        super().__init__(network, tokenizer, preprocessing={"text_pair": text_pair} | (preprocessing or {}), **kwargs)

    text_pair = setting("text_pair")
