#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""proof: run many scenarios and show how far they are.

  proof test       what `make test` runs: every scenario once, or with SIZE=all
                   with every type of guest; prove runs the groups of
                   scripts/scenario plan, JOBS at a time
  proof scenarios  the same without the unit tests
  proof compare    every scenario that reproduces a defect, with every driver

scripts/test and scripts/compare check the input and call this.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import xenhost
from xenhost import BUILD, SCRIPTS

# emulators at a time: each may come to need 7 GB
JOBS = 2 if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >= 15 << 30 \
    else 1
EVERY = 60              # seconds between two lines where nothing ends
KEPT = tempfile.TemporaryDirectory(prefix="proof-")     # images


def minutes(seconds):
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


class Group:
    """Scenarios that share a boot; a file of "NAME GUEST" lines."""

    def __init__(self, path):
        self.path = path
        self.label = os.path.relpath(path, BUILD).replace("/", "-")
        with open(path, encoding="utf-8") as file:
            self.members = [line.split() for line in file]

    def variants(self):
        """The images that its scenarios boot."""
        found = set()
        for name, guest in self.members:
            with open(os.path.join(SCRIPTS, "scenarios", name),
                      encoding="utf-8") as file:
                lines = [line.split() for line in file
                         if line.startswith("# Variant:")]
            variant = lines[0][2] if lines else "default"
            found |= {variant, xenhost.guest_variant(variant, guest)}
        return found


def plan(size, directory):
    done = subprocess.run([os.path.join(SCRIPTS, "scenario"), "plan", size,
                           directory], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return [Group(path) for path in done.stdout.split()]


class Show:
    """A line for every scenario that ended, and one that moves."""

    def __init__(self, total):
        self.total = total
        self.ended = 0
        self.failed = 0
        self.stages = {}
        self.again = []
        self.started = time.monotonic()
        self.said = time.monotonic()
        self.live = sys.stderr.isatty() and \
            os.environ.get("TERM", "dumb") != "dumb"

    def line(self, text):
        print(("\r\033[K" if self.live else "") + text, file=sys.stderr,
              flush=True)
        self.said = time.monotonic()

    def status(self):
        done = f"{self.ended} of {self.total} done"
        if self.failed:
            done += f", {self.failed} failed"
        done += f", {minutes(time.monotonic() - self.started)}"
        return "; ".join([done, *self.stages.values()])

    def move(self):
        if self.live:
            width = shutil.get_terminal_size((80, 24)).columns - 1
            sys.stderr.write("\r\033[K" + self.status()[:width])
            sys.stderr.flush()
        elif time.monotonic() - self.said >= EVERY:
            self.line("  " + self.status())

    def clear(self):
        if self.live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def hear(self, event):
        if event["what"] == "stage":
            self.stages[event["group"]] = f"{event['name']}: {event['text']}"
            return
        if event["what"] == "again":
            self.again.append(event["name"])
            self.line(f"again  {event['name']}: {event['complaint']}")
            if event["text"]:
                self.show_file(event["text"])
            return
        self.stages.pop(event["group"], None)
        self.ended += 1
        self.failed += not event["good"]
        text = (f"{'ok    ' if event['good'] else 'FAILED'} {event['name']} "
                f"({event['seconds']} s)")
        if event["expected"]:
            text += ", fails as it must: " + event["complaint"] \
                if event["good"] else \
                f", {event['verdict']} where a check must fail with upstream"
        self.line(text)
        if event["text"]:
            self.show_file(event["text"])

    def show_file(self, path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                self.line("       " + line.rstrip())


def prove(groups, show, on_event=lambda event: None):
    """Run the groups; returns prove's status and what it said."""
    inside, outside = os.pipe()
    os.set_blocking(inside, False)
    env = dict(os.environ, EVENTS=str(outside))
    out = os.path.join(BUILD, "log", "prove.log")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(out, "w+", encoding="utf-8") as log:
        # a session of its own: Ctrl-C reaches us, and we end all of it
        process = subprocess.Popen(
            ["prove", "-Q", "-j", str(JOBS), "--exec",
             os.path.join(SCRIPTS, "scenario") + " group",
             *[group.path for group in groups]],
            stdin=subprocess.DEVNULL, stdout=log, env=env,
            pass_fds=(outside,), start_new_session=True)
        os.close(outside)
        rest = b""
        try:
            while True:
                try:
                    data = os.read(inside, 65536)
                    if not data:
                        break       # every scenario has closed it
                except BlockingIOError:
                    show.move()
                    time.sleep(0.3)
                    continue
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    show.hear(event)
                    on_event(event)
            status = process.wait()
        except BaseException:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            show.clear()
            print("interrupted; ending QEMU", file=sys.stderr)
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            # end of file: nobody is left
            os.set_blocking(inside, True)
            while os.read(inside, 65536):
                pass
            raise
        show.clear()
        if show.again:
            print("run or asked again, since a machine, a guest or a request "
                  f"was lost: {' '.join(dict.fromkeys(show.again))}")
        log.seek(0)
        return status, log.read().strip()


def build(groups, driver):
    """The images first, and copies of them for the whole proof: what
    somebody edits meanwhile is not what is being shown."""
    for variant in sorted(set().union(*(g.variants() for g in groups))):
        image = xenhost.run_script("build-kernel", VARIANT=variant,
                                   DRIVER=driver)
        os.environ["IMAGE_" + variant] = shutil.copy(
            image, os.path.join(KEPT.name, f"{variant}-{driver}"))
    xenhost.run_script("initramfs")


def unit_tests():
    """How many of the driver's own tests passed and failed."""
    if os.environ["DRIVER"] != "new" or os.environ["SIZE"] != "everyday":
        return 0, 0
    done = subprocess.run([os.path.join(SCRIPTS, "kunit")],
                          env=dict(os.environ, FLAVOUR="debug"), text=True,
                          stdout=subprocess.PIPE, check=False)
    words = done.stdout.split()
    try:
        passed, failed = int(words[-4]), int(words[-2])
    except (IndexError, ValueError):
        passed, failed = 0, 1       # it has said why
    if done.returncode and not failed:
        failed = 1
    print(f"unit tests: {passed} passed, {failed} failed", file=sys.stderr)
    return passed, failed


def test(units_too=True):
    started = time.monotonic()
    units, broken = unit_tests() if units_too else (0, 0)
    groups = plan(os.environ["SIZE"],
                  os.path.join(BUILD, "plan", os.environ["SIZE"]))
    build(groups, os.environ["DRIVER"])
    total = sum(len(group.members) for group in groups)
    show = Show(total)
    show.line(f"running {total} scenarios in {len(groups)} boots of Xen")
    status, said = prove(groups, show)
    print(said)
    passed = show.ended - show.failed
    good = status == 0 and passed == total > 0 and not broken
    if show.ended < total:
        print(f"{total - show.ended} of {total} scenarios did not run")
    print(("unit tests and " if units + broken else "") + "every scenario once: "
          f"{minutes(time.monotonic() - started)} in all")
    # last, and alone on its line: what a machine looks for
    print(f"{units + passed} passed, {broken + total - passed} failed")
    return 0 if good else 1


def compare():
    """The table of complaints: what each driver does about them."""
    results = {}
    drivers = os.environ["COMPARE"].split()
    status = 0
    for driver in drivers:
        os.environ["DRIVER"] = driver
        groups = plan("compare", os.path.join(BUILD, "plan",
                                              f"compare-{driver}"))
        if not groups:
            print("no scenario reproduces a defect", file=sys.stderr)
            return 1
        build(groups, driver)
        show = Show(sum(len(group.members) for group in groups))
        show.line(f"driver {driver}: {show.total} reproducers")

        def note(event, driver=driver):
            if event["what"] == "end":
                results.setdefault(event["name"], {})[driver] = event
        prove(groups, show, note)
        if show.failed or show.ended < show.total:
            status = 1
    rows = [("complaint", "scenario",
             *("ours" if driver == "new" else driver for driver in drivers))]
    for name in sorted(results):
        cells = []
        for driver in drivers:
            event = results[name].get(driver)
            if not event:
                cells.append("did not run")
            elif event["expected"] and event["verdict"] == "passes":
                cells.append("not reproduced")
            else:
                cells.append(event["verdict"])
        rows.append((complaint(name.split("/")[0]), name, *cells))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip()
             for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    text = "\n".join(lines) + "\n"
    print(text, end="")
    with open(os.path.join(BUILD, "compare.txt"), "w",
              encoding="utf-8") as file:
        file.write(text)
    return status


def complaint(name):
    with open(os.path.join(SCRIPTS, "scenarios", name),
              encoding="utf-8") as file:
        for line in file:
            if line.startswith("# Complaint:"):
                return line.split(":", 1)[1].strip()
    return ""


xenhost.main({"test": test, "scenarios": lambda: test(units_too=False),
              "compare": compare}[sys.argv[1]])
