import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading

import pytest

from keras_bert.training.progress import ProgressBar

VALUES = {"loss": 0.41234, "accuracy": 0.83, "learning_rate": 2e-5, "examples_per_second": 1234.56, "gradient_norm": 3, "val_loss": 7}


class Terminal:
    """A real terminal of 120 columns; screen() is what stands on it after carriage returns have drawn over the same line."""

    def __init__(self):
        self.reader, writer = pty.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self.file = os.fdopen(writer, "w")
        self.received = b""
        self.thread = threading.Thread(target=self.receive)  # else a full buffer would stop the writer
        self.thread.start()

    def receive(self):
        try:
            while data := os.read(self.reader, 4096):
                self.received += data
        except OSError:  # Linux's end of file
            pass

    def screen(self):
        self.file.close()
        self.thread.join()
        os.close(self.reader)
        lines = []
        for line in self.received.decode().replace("\r\n", "\n").split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return [line for line in lines if line]


def test_a_terminal_shows_one_line_drawn_anew():
    terminal = Terminal()
    bar = ProgressBar(200, file=terminal.file)
    for step in range(1, 51):
        bar.update(step, VALUES if step == 50 else None)
    bar.close()
    (line,) = terminal.screen()
    assert re.fullmatch(r" 25%\|\S+ *\| 50/200, \d\d:\d\d left, loss 0\.4123, accuracy 0\.83, lr 2e-05, 1,234\.6 examples/s", line)


def test_a_message_stands_above_the_bar_on_a_line_of_its_own():
    terminal = Terminal()
    bar = ProgressBar(2, file=terminal.file)
    bar.update(1, {"loss": 1.0})
    bar.write("checkpoint written")
    bar.update(2)
    bar.close()
    message, line = terminal.screen()
    assert message == "checkpoint written"
    assert line.startswith("100%|") and line.endswith("loss 1")


def test_a_log_file_gets_the_first_state_the_messages_and_the_last():
    file = io.StringIO()
    bar = ProgressBar(1000, file=file, seconds=3600)
    for step in range(1, 901):
        bar.update(step, {"loss": step})
        if step == 500:
            bar.write("half of it")
    bar.close()
    bar.close()
    first, message, last = file.getvalue().splitlines()
    assert re.fullmatch(r"0% 1/1000, \d\d:\d\d left, loss 1", first)
    assert message == "half of it"
    assert re.fullmatch(r"90% 900/1000, \d\d:\d\d left, loss 900", last)


def test_a_log_file_gets_a_line_after_the_seconds_have_passed(monkeypatch):
    file = io.StringIO()
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    bar = ProgressBar(110, first_step=10, file=file, seconds=30)
    for step in range(11, 21):
        now += 10.0
        bar.update(step)
    # 10 s a step, so that after step 11 there are 99 steps and 990 s to go; the ten steps of before took none of it.
    assert file.getvalue().splitlines() == [
        "10% 11/110, 16:30 left",
        "13% 14/110, 16:00 left",
        "15% 17/110, 15:30 left",
        "18% 20/110, 15:00 left",
    ]


def test_a_resumed_bar_begins_where_the_run_does():
    terminal = Terminal()
    bar = ProgressBar(10, first_step=5, file=terminal.file)
    bar.close()
    assert "50%" in terminal.screen()[0]


def test_a_notebook_is_drawn_on_like_a_terminal(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    file = io.StringIO()
    bar = ProgressBar(10, file=file)
    bar.update(10)
    bar.close()
    assert "\r" in file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_disabled_bar_prints_nothing(terminal):
    file = io.StringIO()
    file.isatty = lambda: terminal
    bar = ProgressBar(10, enabled=False, file=file)
    bar.update(3, VALUES)
    bar.write("message")
    bar.close()
    assert file.getvalue() == ""


@pytest.mark.parametrize(("total", "first", "words"), [(0, 0, "total_steps=0"), (5, 6, "first_step=6 is not in 0 to total_steps=5")])
def test_steps_that_do_not_fit_are_named(total, first, words):
    with pytest.raises(ValueError, match=words):
        ProgressBar(total, first_step=first)
