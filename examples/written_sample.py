"""What a model writes to a sample of its validation data, at each validation: scores to choose the best by, and a few answers to read."""

import json
import os

from keras_bert.files import replaced_file

SAMPLES = "samples.jsonl"


class WrittenSample:
    """Called with a step, as Trainer's validation_scores, it writes, scores, and shows a few answers: printed, and in samples.jsonl.

    Args:
        model: BertSeq2Seq.
        pairs: sources and targets, two lists of str.
        score: function (answers, references, language=) -> dict of figures.
        language: of the targets.
        examples: how many pairs to write to, evenly over the data; all, where it has no more.
        shown: how many of them to show.
        directory: where samples.jsonl goes; None: it is another process's to write and print.
        settings: of model.generate, such as num_beams=1.
    """

    def __init__(self, model, pairs, score, *, language, examples, shown, directory, **settings):
        count = len(pairs[0])
        places = [place * count // examples for place in range(examples)] if examples < count else range(count)
        self.sources, self.targets = ([side[place] for place in places] for side in pairs)
        self.model = model
        self.score = score
        self.language = language
        self.shown = [place * len(self.sources) // shown for place in range(min(shown, len(self.sources)))]
        self.directory = directory
        self.settings = settings

    def __call__(self, step):
        rows = 1 if step is None else len(self.sources)  # before step 1, to see that it can
        answers = self.model.generate(self.sources[:rows], **self.settings)
        if step is not None and self.directory is not None:
            self._show(step, answers)
        return self.score(answers, self.targets[:rows], language=self.language)

    def _show(self, step, answers):
        path = os.path.join(self.directory, SAMPLES)
        rows = [{"source": self.sources[place], "target": self.targets[place], "answer": answers[place]} for place in self.shown]
        for row in rows:
            print("\n".join(f"  {name}: {text[:300]}" for name, text in row.items()) + "\n", flush=True)
        # Of a run that was killed after a validation and goes on from before it, that validation comes again.
        before = [row for row in read_rows(path) if row["step"] < step] if os.path.exists(path) else []
        write_rows(path, before + [{"step": step} | row for row in rows])


def read_rows(path):
    """Returns: list of dicts, one a line of JSON."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_rows(path, rows):
    """Write dicts, one a line of JSON; what was there stays until they are whole."""
    with replaced_file(path) as aside, open(aside, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
