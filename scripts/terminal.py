#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""terminal: the user's terminal on dom0's second serial port.

scripts/shell checks the input and calls it.  Ctrl-A x ends the machine,
Ctrl-A Ctrl-A is one Ctrl-A for dom0, all else goes there as it is.
"""

import os
import selectors
import shutil
import sys
import termios
import tty

import xenhost
from xenhost import Lost, Machine

ESCAPE = 1              # Ctrl-A


class Keys:
    """What the user types, less what is meant for us."""

    def __init__(self):
        self.escaped = False

    def take(self, data):
        """The bytes for dom0, and whether the user wants to end."""
        out = bytearray()
        for byte in data:
            if self.escaped:
                self.escaped = False
                if byte in b"xX":
                    return bytes(out), True
                out.append(byte)
            elif byte == ESCAPE:
                self.escaped = True
            else:
                out.append(byte)
        return bytes(out), False


def talk(machine):
    """Until dom0's shell ends, or the user wants to."""
    keys = Keys()
    ended = False
    port = machine.com2.sock

    def typed():
        nonlocal ended
        data = os.read(0, 4096)
        out, ended = keys.take(data) if data else (b"", True)
        if out:
            port.sendall(out)

    def said():
        data = port.recv(65536)
        if not data:
            raise Lost("QEMU ended")
        while data:
            data = data[os.write(1, data):]

    machine.selector.register(0, selectors.EVENT_READ, typed)
    machine.selector.register(port, selectors.EVENT_READ, said)
    while not ended and not machine.halted:
        machine.pump(1)


def main():
    size = shutil.get_terminal_size((80, 24))
    image = xenhost.run_script("build-kernel")
    guests = os.environ["GUEST"]
    term = os.environ.get("TERM", "vt100")
    job = (f"SHELL_JOB='{guests}'\nROWS={size.lines}\nCOLS={size.columns}\n"
           f"SHELL_TERM='{term if term.replace('-', '').isalnum() else ''}'")

    def hear(kind, text):
        # Xen says that when dom0 is down
        if kind == "xen" and ("Domain 0 shutdown" in text or
                              "Domain 0 halted" in text):
            machine.halted = True

    print("booting Xen and dom0 (about 10 s)", file=sys.stderr)
    # a person's time is the clock's
    with Machine("shell", image, hvm="hvm" in guests, shell=True,
                 icount=False, job=job, on_line=hear) as machine:
        machine.halted = False
        saved = termios.tcgetattr(0)
        tty.setraw(0)
        try:
            machine.start()
            talk(machine)
        except Lost:
            # the machine powered off faster than Xen's line came
            pass
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
    print("\nthe machine was ended; its logs are in "
          f"{os.path.relpath(machine.dir, os.getcwd())}", file=sys.stderr)
    return 0


xenhost.main(main)
