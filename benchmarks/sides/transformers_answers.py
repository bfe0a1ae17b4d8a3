"""Questions and their contexts to answers by Transformers on PyTorch, in float32, as its examples do it (question-answering/run_qa.py).

Contexts are cut by the fast tokenizer into windows that overlap, a batch is padded to its longest window, and of the best starts and ends
of each window the best pair over all windows is the answer, as in utils_qa.py's postprocess_qa_predictions.

Settings: model: a Transformers directory. max_length, overlap: tokens of a window, and those that it shares with the next, its `stride`.
n_best, max_answer_length. batch_sizes: of the forms, "batch_8" and so on, windows each. texts: path of a JSON list of [question, context].
"""

import collections

import latency_common
import numpy as np
import side
import torch
import transformers

MODEL_INPUTS = ("input_ids", "token_type_ids", "attention_mask")


class Windows(latency_common.LatencySide):
    libraries = ("transformers", "torch")

    def prepare(self):
        torch.set_num_threads(self.settings["threads"])
        directory = self.settings["model"]
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory, use_fast=True)
        self.model = transformers.BertForQuestionAnswering.from_pretrained(directory, dtype=torch.float32).eval()
        self.forms = {f"batch_{size}": lambda pairs, size=size: self.answer(pairs, size) for size in self.settings["batch_sizes"]}

    def run(self, request):
        if request.get("measure") == "lengths":
            windows = self.windows_of(self.texts)
            return {"lengths": [len(ids) for ids in windows["input_ids"]], "questions": windows["overflow_to_sample_mapping"]}
        return super().run(request)

    def outputs(self, request):
        """Returns: list of str, the answer to each question."""
        return [answer["text"] for batch in self.batches(request) for answer in self.forms[request["form"]](batch)]

    def answer(self, pairs, batch_size):
        """Returns: list of dicts, "text" and "score", the answer to each question."""
        windows = self.windows_of(pairs)
        starts, ends = self.logits(windows, batch_size)
        windows_of_pair = collections.defaultdict(list)
        for window, pair in enumerate(windows["overflow_to_sample_mapping"]):
            windows_of_pair[pair].append(window)
        answers = []
        for pair, (_, context) in enumerate(pairs):
            spans = [
                span
                for window in windows_of_pair[pair]
                for span in self.spans(starts[window], ends[window], windows["offset_mapping"][window], windows.sequence_ids(window))
            ]
            answers.append(self.best(spans, context))
        return answers

    def windows_of(self, pairs):
        questions, contexts = zip(*pairs)  # noqa: B905  # of any Python
        return self.tokenizer(
            list(questions),
            list(contexts),
            truncation="only_second",
            max_length=self.settings["max_length"],
            stride=self.settings["overlap"],
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )

    def logits(self, windows, batch_size):
        """Returns: two lists of arrays [tokens of the batch], of starts and of ends, one a window."""
        starts, ends = [], []
        for first in range(0, len(windows["input_ids"]), batch_size):
            batch = {name: windows[name][first : first + batch_size] for name in MODEL_INPUTS}
            with torch.inference_mode():
                outputs = self.model(**self.tokenizer.pad(batch, return_tensors="pt"))
            starts += list(outputs.start_logits.numpy())
            ends += list(outputs.end_logits.numpy())
        return starts, ends

    def spans(self, starts, ends, offsets, segments):
        """The pairs of the best starts and the best ends of a window. Returns: list of (score, first character, last but one)."""
        best_starts, best_ends = (np.argsort(logits)[: -self.settings["n_best"] - 1 : -1].tolist() for logits in (starts, ends))
        found = []
        for start in best_starts:
            for end in best_ends:
                if max(start, end) >= len(offsets) or segments[start] != 1 or segments[end] != 1:
                    continue  # padding, the question, or a special token
                if end < start or end - start + 1 > self.settings["max_answer_length"]:
                    continue
                found.append((float(starts[start] + ends[end]), offsets[start][0], offsets[end][1]))
        return found

    def best(self, spans, context):
        """Returns: dict: text and score of the best span, its share of a softmax over the n best; "" and 0 where there is none."""
        best = sorted(spans, key=lambda span: span[0], reverse=True)[: self.settings["n_best"]]
        if not best:
            return {"text": "", "score": 0.0}
        scores = np.exp(np.array([score for score, _, _ in best]) - best[0][0])
        _, start, end = best[0]
        return {"text": context[start:end], "score": float(scores[0] / scores.sum())}


side.serve(Windows)
