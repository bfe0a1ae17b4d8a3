"""Debian's chromium, headless, driven by its own protocol (DevTools) through two pipes: nothing to install besides."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time


def chromium():
    """Returns: path of the program, or None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One page.

    Args: directory: for chromium's own files. width: of the window, in pixels; a phone's under 600. dark: whether the system asks for
        dark colours.
    """

    def __init__(self, directory, *, width=1000, dark=False):
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        high = [fcntl.fcntl(pipe, fcntl.F_DUPFD, 10) for pipe in (to_read, to_write)]  # 3 and 4 may be pipes of this process

        def take_pipes():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe"]
        self._process = subprocess.Popen(
            [chromium(), *flags, f"--user-data-dir={directory}", "about:blank"],
            preexec_fn=take_pipes,
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for pipe in (to_read, to_write, *high):
            os.close(pipe)
        self._rest, self._number, self._session = b"", 0, None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def send(self, method, **parameters):
        """Returns: dict, the result. Raises: RuntimeError with chromium's message."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                got = os.read(self._from, 65536)
                if not got:
                    raise RuntimeError("chromium has ended")
                self._rest += got
            line, _, self._rest = self._rest.partition(b"\0")
            reply = json.loads(line)
            if reply.get("id") == self._number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']}")
                return reply["result"]

    def run(self, script):
        """Run JavaScript in the page. Returns: its value."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, script, seconds=60):
        """Wait until JavaScript gives what counts as true. Returns: that."""
        until = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > until:
                raise RuntimeError(f"{script} did not come true; the page: {self.run('document.body.innerText')}")
            time.sleep(0.05)
        return value

    def open(self, address):
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=address)
        self.wait("document.body && document.body.dataset.ready")

    def close(self):
        with contextlib.suppress(RuntimeError, OSError):
            self._session = None
            self.send("Browser.close")
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
