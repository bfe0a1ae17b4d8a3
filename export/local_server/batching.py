"""Batcher: rows of requests that come at the same time are answered by one call of the model.

A request waits for no other while the model is idle. What comes while it works is joined: first the row that has waited longest, then
those nearest to its length, each if the padding that it brings costs less than a call of its own, up to a budget of tokens. Under load, a
batch that is not full waits a little for more.
"""

import collections
import concurrent.futures
import contextlib
import threading
import time

import numpy as np

from export.local_server.errors import ServingError, of_exception

BYTES_PER_TOKEN = 4  # of English, with its spaces; what a tokenizer adds is 2 a text
# Characters of three bytes or more are a token each, as of Chinese and Japanese. Their first bytes are left by bytes.translate.
_NOT_WIDE = bytes(byte for byte in range(256) if byte < 0xE0)
_WIDE_BYTES = 3
# A call takes a time of its own, in which weights are read: of BERT-base on one core (AMD EPYC, float32) 45 ms, and a token 1.6 ms.
CALL_TOKENS = 28


class Batcher:
    """Joins requests.

    Args:
        max_tokens: of a batch: rows times the longest. A request of more is answered in several calls.
        max_rows: of a batch.
        wait: seconds that a batch which is not full waits for more, while requests come in faster than they are answered.
        max_length: tokens that a text has at most, since models cut them.
        max_waiting: rows that may wait; more are refused.
        workers: calls of models at the same time; TensorFlow shares the processor's cores within a call.
        observe: function (rows, tokens, seconds), called after each batch.
    """

    def __init__(
        self, *, max_tokens=8192, max_rows=256, wait=0.002, max_length=512, max_waiting=16384, workers=1, observe=lambda *figures: None
    ):
        self.max_tokens = max_tokens
        self.max_rows = max_rows
        self.wait = wait
        self.max_length = max_length
        self.max_waiting = max_waiting
        self._observe = observe
        self._parts = collections.deque()  # the oldest first
        self._change = threading.Condition()
        self._closed = False
        self._waiting = 0
        self._joined = False  # whether the last batch was of several requests
        self._threads = [threading.Thread(target=self._work, name="batcher", daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self):
        """Rows that no call has taken yet."""
        return self._waiting

    def submit(self, model, signature, inputs):
        """Args: model: LoadedModel. inputs: dict of input -> array, checked by it. Returns: concurrent.futures.Future of dict of arrays."""
        rows = model.checked(signature, inputs)
        answer = _Answer()
        if not model.joins(signature):
            parts = [_Part(answer, model, signature, inputs, None, rows, self.max_length)]
        else:
            lengths = row_lengths(inputs, self.max_length)
            parts = [
                _Part(answer, model, signature, {name: value[chosen] for name, value in inputs.items()}, chosen, len(chosen), longest)
                for chosen, longest in self._cut(lengths)
            ]
        answer.expect(parts)
        with self._change:
            if self._closed:
                raise ServingError("UNAVAILABLE", "the server is shutting down")
            if self._waiting and self._waiting + rows > self.max_waiting:
                raise ServingError("UNAVAILABLE", f"{self._waiting} texts are waiting to be answered; try again later")
            self._waiting += rows
            self._parts.extend(parts)
            self._change.notify()
        return answer.future

    def close(self):
        """Answer what waits, and take no more."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def _cut(self, lengths):
        """Yields: (indices of rows, the longest of their lengths), each within the budget, rows of like length together."""
        order = np.argsort(-lengths, kind="stable")
        start = 0
        while start < len(order):
            longest = int(lengths[order[start]])
            padding = np.cumsum(longest - lengths[order[start : start + self.max_rows]])
            alike = int(np.searchsorted(padding, CALL_TOKENS, side="right"))
            end = start + max(1, min(self.max_rows, self.max_tokens // longest, alike))
            yield order[start:end], longest
            start = end

    def _work(self):
        while True:
            with self._change:
                while not self._parts:
                    if self._closed:
                        return
                    self._change.wait()
                if self._joined and not self._closed:
                    self._wait_for_more()
                batch = self._take()
            if batch:
                self._run(batch)

    def _wait_for_more(self):
        until = time.monotonic() + self.wait
        while sum(part.rows * part.longest for part in self._parts) < self.max_tokens and (left := until - time.monotonic()) > 0:
            self._change.wait(left)

    def _take(self):
        """The oldest part and what goes with it; [] where another worker was faster. Returns: list of _Part."""
        if not self._parts:
            return []
        batch = [self._parts.popleft()]
        first = batch[0]
        rows, longest = first.rows, first.longest
        if first.chosen is not None:
            for part in sorted((part for part in self._parts if part.key == first.key), key=lambda part: abs(part.longest - first.longest)):
                joined, most = rows + part.rows, max(longest, part.longest)
                padding = joined * most - rows * longest - part.rows * part.longest
                if joined <= self.max_rows and joined * most <= self.max_tokens and padding <= CALL_TOKENS:
                    batch.append(part)
                    rows, longest = joined, most
            taken = {id(part) for part in batch}
            self._parts = collections.deque(part for part in self._parts if id(part) not in taken)
        self._waiting -= rows
        self._joined = len(batch) > 1
        return batch

    def _run(self, batch):
        began = time.monotonic()
        batch = [part for part in batch if not part.answer.given_up]
        if not batch:
            return
        try:
            for part, outputs in zip(batch, _run_joined(batch), strict=True):
                part.answer.give(part, outputs)
        except BaseException as error:
            if len(batch) > 1:  # one of them may be at fault; the others shall not suffer for it
                for part in batch:
                    self._run([part])
                return
            batch[0].answer.fail(of_exception(error))
        rows = sum(part.rows for part in batch)
        self._observe(rows, rows * max(part.longest for part in batch), time.monotonic() - began)


class _Part:
    """Rows of one request that are answered together. chosen: their places in it; None: it is not to be cut nor joined."""

    def __init__(self, answer, model, signature, inputs, chosen, rows, longest):
        self.answer = answer
        self.model = model
        self.signature = signature
        self.inputs = inputs
        self.chosen = chosen
        self.rows = rows
        self.longest = longest
        self.key = (id(model), signature, *(value.shape[1:] for _, value in sorted(inputs.items()))) if chosen is not None else None


class _Answer:
    """Waits for the parts of one request."""

    def __init__(self):
        self.future = concurrent.futures.Future()
        self._done = []
        self._lock = threading.Lock()

    @property
    def given_up(self):
        """Whether nobody waits for it any more: it failed, or the client has left."""
        return self.future.done()

    def expect(self, parts):
        self._parts = parts

    def give(self, part, outputs):
        with self._lock:
            self._done.append((part, outputs))
            complete = len(self._done) == len(self._parts)
        if complete and not self.future.done():
            self._set(lambda: self.future.set_result(_in_order(self._done)))

    def fail(self, error):
        self._set(lambda: self.future.set_exception(error))

    def _set(self, act):
        with contextlib.suppress(concurrent.futures.InvalidStateError):  # it was given up in this moment
            act()


def row_lengths(inputs, max_length):
    """About how many tokens each example has. Args: inputs: dict of input -> array [batch, ...]. Returns: int array [batch], 1 or more."""
    lengths = 0
    for value in inputs.values():
        if value.dtype == object:
            tokens = np.frompyfunc(tokens_of, 1, 1)(value).astype("int64").reshape(len(value), -1)
            lengths = lengths + (np.minimum(tokens, max_length) + 2).sum(1)
        else:
            lengths = np.maximum(lengths, int(np.prod(value.shape[1:])))
    return np.broadcast_to(np.maximum(np.asarray(lengths), 1), [len(value)])


def tokens_of(text):
    """About how many tokens a text has, told from its bytes alone. Args: text: bytes, UTF-8 or not. Returns: int."""
    if text.isascii():
        return len(text) // BYTES_PER_TOKEN
    wide = len(text.translate(None, _NOT_WIDE))
    return wide + max(0, len(text) - _WIDE_BYTES * wide) // BYTES_PER_TOKEN


def _run_joined(batch):
    """Returns: list of dict of output -> array, one a part."""
    first = batch[0]
    if len(batch) == 1:
        outputs = first.model.run(first.signature, first.inputs)
        return [outputs]
    joined = {name: np.concatenate([part.inputs[name] for part in batch]) for name in first.inputs}
    outputs = first.model.run(first.signature, joined)
    total, ends = sum(part.rows for part in batch), np.cumsum([part.rows for part in batch])
    if any(len(value) != total for value in outputs.values()):
        raise ValueError(f"{first.signature} gives another number of rows than it takes")  # each is then asked alone
    return [{name: value[end - part.rows : end] for name, value in outputs.items()} for part, end in zip(batch, ends, strict=True)]


def _in_order(done):
    """The parts of one request as one. Args: done: list of (part, outputs). Returns: dict of output -> array."""
    if len(done) == 1 and (done[0][0].chosen is None or len(done[0][0].chosen) == 1):
        return done[0][1]
    places = np.argsort(np.concatenate([part.chosen for part, _ in done]))
    return {name: _filled_up([outputs[name] for _, outputs in done])[places] for name in done[0][1]}


def _filled_up(arrays):
    """Arrays [rows, ...] as one, the shorter ones filled up with zeros or empty strings, as outputs are padded."""
    widest = np.max([array.shape[1:] for array in arrays], axis=0) if arrays[0].ndim > 1 else []
    parts = []
    for array in arrays:
        missing = [(0, 0), *((0, int(wide) - size) for wide, size in zip(widest, array.shape[1:], strict=True))]
        parts.append(np.pad(array, missing, constant_values=b"" if array.dtype == object else 0))
    return np.concatenate(parts)
