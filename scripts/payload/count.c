// SPDX-License-Identifier: GPL-2.0
/*
 * count - how often tracepoints and functions are passed while a command runs
 *
 *   count GROUP/EVENT | call/FUNCTION[,FUNCTION]... -- COMMAND...
 *
 * On all CPUs, by whoever; prints "event NAME COUNT" for each.  Of several
 * functions the first that the kernel has is meant; a kernel without kprobes
 * cannot count them, and nothing is said of them.
 */
#include <err.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST	8
#define CPUS	8

static bool is_call(const char *name)
{
	return !strncmp(name, "call/", 5);
}

static uint64_t event_id(const char *name)
{
	unsigned long id;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%lu", &id) != 1)
		err(1, "%s", path);
	fclose(file);
	return id;
}

/* 0: this kernel has no kprobes. */
static uint32_t kprobe_type(void)
{
	static const char path[] =
		"/sys/bus/event_source/devices/kprobe/type";
	unsigned int type;
	FILE *file;

	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%u", &type) != 1)
		err(1, "%s", path);
	fclose(file);
	return type;
}

/* The entry of the first of the functions @names that there is. */
static int open_call(const char *names, int cpu)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	char copy[128], *name, *save;
	int fd = -1;

	attr.type = kprobe_type();
	snprintf(copy, sizeof(copy), "%s", names);
	for (name = strtok_r(copy, ",", &save); name && fd < 0;
	     name = strtok_r(NULL, ",", &save)) {
		attr.kprobe_func = (uintptr_t)name;
		fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, 0);
	}
	return fd;
}

static int open_event(const char *name, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
	};
	int fd;

	if (is_call(name)) {
		fd = open_call(name + 5, cpu);
	} else {
		attr.config = event_id(name);
		fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, 0);
	}
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

int main(int argc, char **argv)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), cpu, status, i;
	int nr = 0, end;
	const char *names[MOST];
	int fds[MOST][CPUS];
	uint64_t value, sum;
	pid_t pid;

	for (end = 1; end < argc && strcmp(argv[end], "--"); end++) {
		if (nr < MOST && (kprobe_type() || !is_call(argv[end])))
			names[nr++] = argv[end];
	}
	if (!nr || end > MOST || end + 1 >= argc || cpus > CPUS)
		errx(2, "usage: count EVENT... -- COMMAND...");
	for (i = 0; i < nr; i++) {
		for (cpu = 0; cpu < cpus; cpu++)
			fds[i][cpu] = open_event(names[i], cpu);
	}
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		execvp(argv[end + 1], argv + end + 1);
		err(127, "%s", argv[end + 1]);
	}
	if (waitpid(pid, &status, 0) < 0)
		err(1, "wait");
	for (i = 0; i < nr; i++) {
		for (sum = 0, cpu = 0; cpu < cpus; cpu++) {
			if (read(fds[i][cpu], &value, sizeof(value)) !=
			    sizeof(value))
				err(1, "%s", names[i]);
			sum += value;
		}
		printf("event %s %lu\n", names[i], sum);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
