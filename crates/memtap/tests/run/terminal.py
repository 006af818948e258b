"""A person at a terminal: `memtap run cat` in an interactive shell is halted with ^Z, fetched back with fg, and ended with ^C.

Usage: terminal.py MEMTAP SOURCE. Fails with what the terminal showed when something does not come.
"""

import os
import pty
import select
import sys
import time

PATIENCE_S = 60


class Terminal:
    def __init__(self):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            environment = dict(os.environ, PS1="prompt> ", TERM="dumb", LC_ALL="C", MEMTAP_LOG="warn")
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        self.shown = ""

    def type(self, text):
        os.write(self.screen, text.encode())

    def wait_for(self, text):
        """Reads until the text is shown, and forgets all up to it."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            if time.monotonic() > end or not select.select([self.screen], [], [], 1)[0] and time.monotonic() > end:
                sys.exit(f"{text!r} does not come: {self.shown!r}")
            if select.select([self.screen], [], [], 0.1)[0]:
                self.shown += os.read(self.screen, 4096).decode(errors="replace")
        self.shown = self.shown[self.shown.index(text) + len(text) :]


def main():
    memtap, source = sys.argv[1:]
    terminal = Terminal()
    terminal.wait_for("prompt> ")
    terminal.type(f"{memtap} run --source={source} -o /dev/null sh -c 'trap \"echo caught\" INT; echo begun; cat; cat'\r")
    terminal.wait_for("\nbegun")
    terminal.type("one\r")
    terminal.wait_for("one\r\none")
    terminal.type("\x1a")
    terminal.wait_for("Stopped")
    terminal.wait_for("prompt> ")
    # The shell has the terminal: a command of its own works.
    terminal.type("echo $((6*7))\r")
    terminal.wait_for("\n42")
    terminal.type("fg\r")
    terminal.wait_for("cat; cat'")
    terminal.type("two\r")
    terminal.wait_for("two\r\ntwo")
    # It ends the first cat; the shell that memtap runs catches it and goes on.
    terminal.type("\x03")
    terminal.wait_for("caught")
    terminal.type("three\r")
    terminal.wait_for("three\r\nthree")
    terminal.type("\x04")
    terminal.wait_for("prompt> ")
    terminal.type("echo status $?\r")
    terminal.wait_for("\nstatus 0")
    terminal.type("exit\r")
    os.waitpid(terminal.pid, 0)


main()
