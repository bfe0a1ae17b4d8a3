"""Signals that ask a run to stop."""

import signal
import threading


class StopSignals:
    """SIGTERM and SIGINT end the run after the step that is being made; a second one ends it at once."""

    def __init__(self, model):
        self.model = model
        self.received = None
        self._before = {}

    @property
    def name(self):
        return "another worker" if self.received is None else signal.Signals(self.received).name

    def __enter__(self):
        self.model.stop_requested = False
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def _receive(self, number, frame):
        self._restore()
        self.received = number
        self.model.stop_requested = True

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __exit__(self, *error):
        self._restore()
