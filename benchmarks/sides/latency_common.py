"""What the sides of the suite latency share: calls of a few texts each, and the clock. NumPy and the standard library only.

A request's texts: of one call. calls: of a run; the first takes the first texts of the list, the next those that follow.
"""

import time

import bert_common
import numpy as np
import side


class LatencySide:
    """Strings in, arrays or Python out. The subclass gives `prepare`, which sets `forms`: dict of name -> function of a list of texts.

    Settings: texts: path of a JSON list of strings. threads. Others are the subclass's.
    """

    def __init__(self, settings):
        self.settings = settings
        self.texts = side.read_json(settings["texts"])
        self.versions = bert_common.versions(self.libraries)
        self.prepare()

    def run(self, request):
        work, batches = self.forms[request["form"]], self.batches(request)
        start = time.perf_counter()
        results = [work(batch) for batch in batches]
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "checksum": [len(result) for result in results]}

    def outputs(self, request):
        """Returns: list of a list of numbers a text: its probabilities, or its vector."""
        rows = [row for batch in self.batches(request) for row in self.numbers(request["form"], batch)]
        return np.asarray(rows, "float64").tolist()

    def numbers(self, form, texts):
        """Returns: float array [texts, numbers] of what a form gives."""
        return self.forms[form](texts)

    def batches(self, request):
        count = request["texts"]
        return [self.texts[first : first + count] for first in range(0, count * request["calls"], count)]
