"""A user at a terminal: stops `memtap run cat` in an interactive shell with ^Z, resumes it with
fg, and ends it with ^C.

Usage: terminal.py MEMTAP SOURCE. Fails with the content of the terminal if expected text does not
appear.
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

    def sees(self, text, patience_s):
        """Reads until the text appears, and discards everything up to it."""
        end = time.monotonic() + patience_s
        while text not in self.shown:
            if time.monotonic() > end:
                return False
            if select.select([self.screen], [], [], 0.1)[0]:
                self.shown += os.read(self.screen, 4096).decode(errors="replace")
        self.shown = self.shown[self.shown.index(text) + len(text) :]
        return True

    def wait_for(self, text):
        if not self.sees(text, PATIENCE_S):
            sys.exit(f"{text!r} does not come: {self.shown!r}")

    def insist(self, typed, answer):
        """Types repeatedly: after ^Z or ^C the terminal discards its input, possibly with a delay."""
        for _ in range(PATIENCE_S // 3):
            self.type(typed)
            if self.sees(answer, 3):
                return
        sys.exit(f"{answer!r} does not come: {self.shown!r}")


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
    # The shell controls the terminal again: its own command works.
    # An empty line is typed until it is not discarded any more: a late one harms nothing.
    terminal.insist("\r", "prompt> ")
    terminal.type("echo $((6*7))\r")
    terminal.wait_for("\n42")
    terminal.type("fg\r")
    terminal.wait_for("cat; cat'")
    terminal.type("two\r")
    terminal.wait_for("two\r\ntwo")
    # ^C ends the first cat. The shell that memtap runs catches the signal and continues.
    terminal.type("\x03")
    terminal.wait_for("caught")
    terminal.insist("three\r", "three\r\nthree")
    terminal.type("\x04")
    terminal.wait_for("prompt> ")
    terminal.type("echo status $?\r")
    terminal.wait_for("\nstatus 0")
    terminal.type("exit\r")
    os.waitpid(terminal.pid, 0)


main()
