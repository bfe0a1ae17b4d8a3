"""The line that people watch while a model trains.

     12%|███▋                          | 1200/10000, 08:31 left, loss 0.4123, accuracy 0.83, lr 2e-05, 12.3 examples/s

In a log file, where a bar that draws itself anew would leave thousands of copies, the same stands as a line every 30 seconds.
"""

import sys
import time

# In the logs, but too much for one line. Values of the validation set ("val_...") are not of this step either.
_NOT_SHOWN = ("gradient_norm", "tokens_per_second", "padding_share", "flops_per_second", "peak_share")


class ProgressBar:
    """Steps done of all, percent, time left, loss, metrics, learning rate and examples a second.

    Args:
        total_steps: optimizer updates in the whole run.
        first_step: updates done before this process began; they count as done, but not for the time left.
        enabled: False prints nothing at all, messages neither: for all workers but the chief.
        seconds: least time between two lines where the output is no terminal; the first line and the last always come.
        file: where to print; None: sys.stderr.
    Raises: ValueError where total_steps is not positive, or first_step not in 0 to total_steps.
    """

    def __init__(self, total_steps, *, first_step=0, enabled=True, seconds=30.0, file=None):
        if not total_steps >= 1:
            raise ValueError(f"total_steps={total_steps!r} is not a positive number of updates")
        if not 0 <= first_step <= total_steps:
            raise ValueError(f"first_step={first_step!r} is not in 0 to total_steps={total_steps!r}")
        self.total_steps = total_steps
        self.first_step = first_step
        self.enabled = enabled
        self.seconds = seconds
        self._file = sys.stderr if file is None else file
        self._step = self._printed_step = first_step
        self._values = {}
        self._bar = None
        self._start = time.monotonic()
        self._next_line = self._start
        # A notebook's output is no terminal, but draws a line anew as one does.
        if enabled and (self._file.isatty() or "ipykernel" in sys.modules):
            from tqdm import tqdm

            layout = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}, {remaining} left{postfix}"
            self._bar = tqdm(total=total_steps, initial=first_step, file=self._file, dynamic_ncols=True, bar_format=layout)

    def update(self, step, values=None):
        """Show a step.

        Args:
            step: updates done.
            values: dict of name to number, named as for RunLog.write; those not given stay as they were shown.
        """
        if not self.enabled:
            return
        self._values.update(values or {})
        advance, self._step = step - self._step, step
        if self._bar is not None:
            if values:
                self._bar.set_postfix_str(self._shown_values(), refresh=False)
            self._bar.update(advance)
        elif time.monotonic() >= self._next_line:
            self._print_line()

    def write(self, message):
        """Print a line, above the bar where there is one. Args: message: str."""
        if self._bar is not None:
            self._bar.write(message, file=self._file)
        elif self.enabled:
            print(message, file=self._file, flush=True)

    def close(self):
        """Leave the last state standing. A second call does nothing."""
        if self._bar is not None:
            self._bar.close()
        elif self.enabled and self._step != self._printed_step:
            self._print_line()

    def _print_line(self):
        from tqdm import tqdm

        now = time.monotonic()
        done, left = self._step - self.first_step, self.total_steps - self._step
        remaining = tqdm.format_interval((now - self._start) / done * left) if done else "?"
        share = f"{self._step / self.total_steps:.0%} {self._step}/{self.total_steps}"
        print(", ".join(filter(None, [share, f"{remaining} left", self._shown_values()])), file=self._file, flush=True)
        self._printed_step, self._next_line = self._step, now + self.seconds

    def _shown_values(self):
        values = {name: float(value) for name, value in self._values.items() if not name.startswith("val_") and name not in _NOT_SHOWN}
        rate, speed = values.pop("learning_rate", None), values.pop("examples_per_second", None)
        parts = [f"{name} {value:.4g}" for name, value in sorted(values.items(), key=lambda item: item[0] != "loss")]
        parts += [] if rate is None else [f"lr {rate:.3g}"]
        parts += [] if speed is None else [f"{speed:,.1f} examples/s"]
        return ", ".join(parts)
