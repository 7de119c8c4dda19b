#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""steps: what `make run` shows; scripts/run checks the input and calls it.

Boots Xen, has payload/run-steps.sh move each guest of GUEST through STEPS,
draws its memory while it moves, and ends with a table and a picture under
build/run/.  Status 0: every target was reached; 1: one was missed.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import time

import xenhost
from xenhost import BUILD, Lost, Machine, want_icount

OUT = os.path.join(BUILD, "run")
DOM0 = 1024             # MiB
SPARE = 768             # MiB for Xen itself and a device model
PAGES = 256             # in a MiB

COLUMNS = ("guest", "step", "target", "reached", "guest time", "Xen counts",
           "guest counts", "constant")
UNITS = ("", "", "MiB", "", "s", "pages", "pages", "pages")


class Step:
    """One target: where it starts and, later, what came of it."""

    def __init__(self, index, mib, start):
        self.index = index
        self.mib = mib
        self.start = start      # seconds of dom0's clock
        self.end = None
        self.verdict = None     # reached, missed or None: not tried
        self.nr = self.current = self.target = self.wanted = 0

    @property
    def took(self):
        return self.end - self.start

    def row(self, guest):
        if self.verdict is None:
            return (guest, str(self.index), str(self.mib), "not tried",
                    *["-"] * 4)
        return (guest, str(self.index) if self.index else "boot",
                str(self.mib), "yes" if self.verdict == "reached" else "NO",
                f"{self.took:.1f}" if self.index else "-", str(self.nr),
                str(self.current), str(self.nr - self.current))


class Guest:
    """What was seen of one guest."""

    def __init__(self, kind):
        self.kind = kind
        self.steps = []
        self.samples = []       # (seconds of dom0's clock, pages)
        self.trouble = []

    @property
    def zero(self):
        return self.samples[0][0] if self.samples else 0

    def curve(self):
        """(seconds since the first sample, MiB) of what Xen counts."""
        return [(t - self.zero, nr / PAGES) for t, nr in self.samples]

    def stairs(self):
        """The same for the targets."""
        points = []
        for step in self.steps:
            if step.start is None:
                continue
            at = max(step.start - self.zero, 0)
            if points:
                points.append((at, points[-1][1]))
            points.append((at, step.mib))
        if points:
            points.append((self.curve()[-1][0], points[-1][1]))
        return points

    def missed(self):
        return [step for step in self.steps if step.verdict != "reached"]


# --- drawing, all of it gnuplot's

def gnuplot(script):
    done = subprocess.run(["gnuplot"], input=script, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit("error: gnuplot: " + done.stderr.strip())
    return done.stdout


def block(name, points):
    lines = "\n".join(f"{x:.3f} {y:.2f}" for x, y in points)
    return f"${name} << END\n{lines}\nEND\n"


def resample(points, count):
    """Evenly spaced in time, so that every column of a terminal has one."""
    (first, _), (last, _) = points[0], points[-1]
    out, i = [], 0
    for n in range(count + 1):
        t = first + (last - first) * n / count
        while i < len(points) - 2 and points[i + 1][0] < t:
            i += 1
        (t0, y0), (t1, y1) = points[i], points[i + 1]
        part = (t - t0) / (t1 - t0) if t1 > t0 else 1
        out.append((t, y0 + (y1 - y0) * min(max(part, 0), 1)))
    return out


def tics(guests, top):
    """The targets are the numbers on the memory axis, where there is room."""
    out = [0]
    for mib in sorted({step.mib for guest in guests for step in guest.steps},
                      reverse=True):
        if all(abs(mib - other) >= top / 14 for other in out):
            out.append(mib)
    return "(" + ",".join(map(str, sorted(out))) + ")"


def text_chart(guest, top, width, height):
    """The chart in a terminal: '#' is the guest's memory, '=' the target."""
    curve = guest.curve()
    if len(curve) < 2:
        return []
    last = max(curve[-1][0], 10)
    text = gnuplot(
        f"set terminal dumb noenhanced nofeed size {width},{height}\n"
        f"set key off\nset border 3\nset tics nomirror out\n"
        f"set tmargin 0\nset rmargin 3\n"
        f"set xrange [0:{last}]\nset yrange [0:{top}]\n"
        f"set format x '%g s'\nset ytics {tics([guest], top)}\n" +
        block("memory", resample(curve, 2 * width)) +
        block("target", guest.stairs()) +
        "plot $memory with impulses lt 2, $target with lines lt 7\n")
    return [line.rstrip() for line in text.replace("\f", "").splitlines()
            if line.strip()]


def picture(guests, top, title, path):
    """The picture of the whole run."""
    drawn = [guest for guest in guests if len(guest.samples) > 1]
    if not drawn:
        return
    height = 30 + 280 * len(drawn)
    script = (
        f"set terminal svg noenhanced size 860,{height} "
        "font 'sans-serif,13' background '#ffffff'\n"
        f"set output '{path}'\n"
        f"set multiplot layout {len(drawn)},1 title '{title}' font ',15'\n"
        "set border 3 lc rgb '#606060'\nset tics nomirror out\n"
        "set grid ytics lc rgb '#e4e4e4' lt 1\n"
        "set ylabel 'memory (MiB)'\nset xlabel 'time (s)' offset 0,0.4\n"
        f"set yrange [0:{top}]\nset ytics {tics(drawn, top)}\n"
        "set key at graph 1,1.16 right horizontal samplen 2\n"
        "set lmargin 10\nset rmargin 4\nset tmargin 3\nset bmargin 4\n")
    for n, guest in enumerate(drawn):
        curve = guest.curve()
        marks, wrong = [], []
        script += (f"unset label\nset label '{guest.kind} guest' at graph 0,"
                   "1.1 left font ',14'\n"
                   f"set xrange [0:{curve[-1][0] * 1.03}]\n")
        for before, step in zip(guest.steps, guest.steps[1:]):
            if not step.verdict:
                continue
            good = step.verdict == "reached"
            where = step.end - guest.zero, step.nr / PAGES
            (marks if good else wrong).append(where)
            what = f"{step.took:.1f} s" if good else "missed"
            below = step.mib < before.mib and step.mib > top / 8
            script += (f"set label '{what}' at {where[0]},{where[1]} left "
                       f"offset 0.3,{-0.9 if below else 0.9} front "
                       "tc rgb '#303030'\n")
        script += (block(f"memory{n}", curve) +
                   block(f"target{n}", guest.stairs()) +
                   block(f"marks{n}", marks) + block(f"wrong{n}", wrong) +
                   f"plot $memory{n} with filledcurves y1=0 fc rgb '#cfe3f5'"
                   f" notitle, $memory{n} with lines lw 2 lc rgb '#2166ac'"
                   " title 'Xen counts',"
                   f" $target{n} with lines lw 1.5 dt 2 lc rgb '#b2182b'"
                   " title 'target'")
        if marks:
            script += (f", $marks{n} with points pt 7 ps 0.6 "
                       "lc rgb '#2166ac' title 'reached'")
        if wrong:
            script += (f", $wrong{n} with points pt 2 ps 1 lw 2 "
                       "lc rgb '#b2182b' title 'missed'")
        script += "\n"
    gnuplot(script + "unset multiplot\n")


def table(guests):
    rows = [COLUMNS, UNITS]
    for guest in guests:
        rows += [step.row(guest.kind) for step in guest.steps]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = []
    for row in rows:
        cells = [row[i].ljust(w) if i in (0, 1, 3) else row[i].rjust(w)
                 for i, w in enumerate(widths)]
        lines.append("  ".join(cells).rstrip())
    lines.insert(2, "-" * max(map(len, lines)))
    # a line between guests
    out, before = [], None
    for line in lines:
        name = line.split()[0]
        if before and name != before and before in \
                [guest.kind for guest in guests]:
            out.append("")
        out.append(line)
        before = name
    return out


# --- the terminal

class Screen:
    """What moves while the run goes on: a line, or a line and a chart, that
    is drawn over itself on a terminal; elsewhere a line now and then."""

    EVERY = 20          # seconds between two lines without a terminal

    def __init__(self):
        self.live = sys.stdout.isatty() and \
            os.environ.get("TERM", "dumb") != "dumb"
        self.colour = self.live and "NO_COLOR" not in os.environ
        self.height = 0
        self.drawn = 0

    def paint(self, line):
        if self.colour:
            line = re.sub("#+", "\033[36m\\g<0>\033[0m", line)
            line = re.sub("==+|=(?=[ #\033]|$)", "\033[1;33m\\g<0>\033[0m",
                          line)
        return line

    def room(self):
        size = shutil.get_terminal_size((80, 24))
        return min(size.columns - 1, 110), min(size.lines - 3, 18)

    def clear(self):
        if self.height:
            sys.stdout.write(f"\033[{self.height}A\r\033[J")
        self.height = 0

    def due(self):
        return time.monotonic() - self.drawn >= \
            (1 if self.live else self.EVERY)

    def show(self, line, chart=()):
        """Over what was shown last."""
        self.drawn = time.monotonic()
        if not self.live:
            print(line, flush=True)
            return
        width = self.room()[0]
        text = "".join(self.paint(row) + "\n" for row in chart)
        if self.height:
            sys.stdout.write(f"\033[{self.height}A\r\033[J")
        sys.stdout.write(line[:width] + "\n" + text)
        sys.stdout.flush()
        self.height = 1 + len(chart)

    def keep(self, line=None, chart=()):
        """The same for the last time: what comes next goes below."""
        if line is not None:
            self.show(line, chart)
        self.height = 0


class Run:
    def __init__(self, kinds, mibs):
        self.kinds = kinds
        self.mibs = mibs
        self.top = max(mibs) * 1.12
        self.guests = []
        self.guest = None
        self.screen = Screen()
        self.reports = []
        self.machine = None
        self.stage = ""
        self.started = time.monotonic()

    # --- what is heard

    def hear(self, kind, text):
        if kind in ("xen", "dom0", "guest"):
            pattern = xenhost.XEN_REPORTS if kind == "xen" else xenhost.REPORTS
            if pattern.search(text):
                self.reports.append(f"{kind}: {text.strip()}")
        elif kind == "S":
            self.stage = text
        elif kind == "deaf":
            print(f"{text}; asked again", file=sys.stderr)
        elif kind == "T" and text.startswith("not "):
            self.guest.trouble.append(text.split("ok ", 1)[1] + ": no")
        elif kind == "N":
            self.guest.trouble.append(text)
        elif kind == "D":
            self.data(*text.split())

    def data(self, what, *values):
        guest = self.guest
        if what == "sample":
            guest.samples.append((int(values[0]) / 1000, int(values[1])))
        elif what == "step":
            index, mib, start = map(int, values)
            guest.steps.append(Step(index, mib, start / 1000))
        elif what == "done":
            step = guest.steps[-1]
            step.verdict = values[2]
            step.end = step.start + int(values[3]) / 1000
            step.nr, step.current, step.target, step.wanted = \
                map(int, values[4:])
            if step.index and not self.screen.live:
                self.screen.show(self.where())

    # --- what is shown

    def where(self):
        """Where the guest stands, in a line."""
        guest = self.guest
        if not guest.steps or not guest.samples:
            return f"{guest.kind}: {self.stage or 'starting'}"
        step = guest.steps[-1]
        if not step.index:
            return f"{guest.kind}: booted with {step.mib} MiB"
        before = guest.steps[-2].mib
        line = f"{guest.kind}: {before} -> {step.mib} MiB"
        if step.verdict:
            return f"{line}: {step.verdict} after {step.took:.1f} s"
        time_now, pages = guest.samples[-1]
        return (f"{line}: holds {pages / PAGES:.0f} MiB, "
                f"{time_now - step.start:.1f} s")

    def chart(self):
        width, height = self.screen.room()
        if not self.screen.live or width < 50 or height < 10:
            return []
        chart = text_chart(self.guest, self.top, width, height)
        if chart:
            chart.append("      # MiB that Xen counts for the guest   "
                         "= target (MiB)")
        return chart

    def show(self):
        if self.screen.due():
            self.screen.show(self.where(), self.chart())

    # --- the run

    def walk(self, kind):
        """One guest through all steps."""
        guest = self.guest = Guest(kind)
        self.guests.append(guest)
        self.stage = f"starting with {self.mibs[0]} MiB"
        self.screen.show(self.where())
        self.machine.prefix = "run."
        self.machine.ask("steps", kind)
        ended = False
        while not ended:
            self.machine.pump(0.25, xenhost.SILENCE)
            ended = any(got == "E" for got, _ in self.machine.pending)
            self.machine.pending = []
            if not ended:
                self.show()

    def finish(self):
        """What the guest leaves on the terminal."""
        guest = self.guest
        for index, mib in enumerate(self.mibs):
            if index >= len(guest.steps):
                guest.steps.append(Step(index, mib, None))
        missed = len(guest.missed())
        total = len(self.mibs) - 1
        line = f"{guest.kind}: {total - missed} of {total} targets reached"
        if missed > total:
            line = f"{guest.kind}: did not come up"
        self.screen.keep(line, self.chart())

    def boot(self, image):
        self.screen.show("booting Xen and dom0 (about 10 s)")
        memory = DOM0 + max(self.mibs) + SPARE
        # dom0 has to be idle before anything is measured
        job = f"STEPS='{' '.join(map(str, self.mibs))}'\nQUIET=12"
        self.machine = Machine("run", image, hvm="hvm" in self.kinds,
                               icount=want_icount(), memory=f"{max(memory, 3072)}M",
                               dom0_memory=DOM0, job=job, on_line=self.hear)
        began = time.monotonic()
        self.machine.start()
        self.screen.keep("booting Xen and dom0: done in "
                         f"{time.monotonic() - began:.0f} s")

    def title(self):
        linux = os.environ.get("LINUX", "6.12")
        return (f"Linux {linux} under Xen, balloon driver: "
                f"{os.environ.get('DRIVER', 'new')}")

    def write(self, lines):
        with open(os.path.join(OUT, "table.txt"), "w",
                  encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        with open(os.path.join(OUT, "samples.csv"), "w", newline="",
                  encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(("guest", "seconds", "target_mib", "xen_pages"))
            for guest in self.guests:
                steps = [step for step in guest.steps if step.start]
                for t, nr in guest.samples:
                    mib = [s.mib for s in steps if s.start <= t] or [""]
                    out.writerow((guest.kind, f"{t - guest.zero:.3f}",
                                  mib[-1], nr))
        picture(self.guests, self.top, self.title(),
                os.path.join(OUT, "memory.svg"))

    def explain(self, lost):
        """What was missed, and where to look."""
        for guest in self.guests:
            for step in guest.steps:
                if step.verdict == "reached":
                    continue
                print(f"missed: {guest.kind}, "
                      f"step {step.index}, {step.mib} MiB: ", end="")
                if step.verdict is None:
                    print("not tried" if step.start is None else
                          "the machine ended in the middle of it")
                else:
                    print(f"Xen counts {step.nr} pages, {step.wanted} are "
                          f"right; the guest holds {step.current}, its "
                          f"target is {step.target}")
            for line in guest.trouble:
                print(f"  {guest.kind}: {line}")
        for report in self.reports[:10]:
            print(f"a report: {report[:150]}")
        if lost:
            print(f"the machine was lost: {lost}")
        where = os.path.relpath(os.path.join(BUILD, "log", "run"),
                                os.getcwd())
        print("look at the end of these logs:")
        for name in sorted(os.listdir(os.path.join(BUILD, "log", "run"))):
            if name != "qemu.log":
                print(f"  {where}/{name}")

    def run(self):
        image = xenhost.run_script("build-kernel")
        os.makedirs(OUT, exist_ok=True)
        for name in "table.txt", "samples.csv", "memory.svg":
            try:
                os.unlink(os.path.join(OUT, name))
            except FileNotFoundError:
                pass
        lost = None
        try:
            self.boot(image)
            for kind in self.kinds:
                self.walk(kind)
                self.finish()
        except Lost as error:
            lost = error
            if self.guest:
                self.finish()
        finally:
            if self.machine:
                self.machine.stop()
        lines = table(self.guests)
        self.write(lines)
        print("\n" + "\n".join(lines) + "\n")
        failed = lost or self.reports or len(self.guests) < len(self.kinds) \
            or any(guest.missed() for guest in self.guests)
        if failed:
            self.explain(lost)
        took = time.monotonic() - self.started
        where = os.path.relpath(OUT, os.getcwd())
        print(f"{'a target was missed' if failed else 'every target reached'}"
              f"; {took // 60:.0f} min {took % 60:.0f} s in all")
        print(f"picture: {where}/memory.svg   table: {where}/table.txt   "
              f"samples: {where}/samples.csv")
        return 1 if failed else 0


xenhost.main(lambda: Run(os.environ["GUEST"].split(),
                         list(map(int, os.environ["STEPS"].split()))).run())
