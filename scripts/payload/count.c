// SPDX-License-Identifier: GPL-2.0
/*
 * count - how often a thread passes tracepoints and functions while a command runs
 *
 *   count PID GROUP/EVENT | call/FUNCTION[,FUNCTION]... -- COMMAND...
 *
 * What others do meanwhile is not counted; prints "event NAME COUNT" for each.
 * Of several functions the first that the kernel has is meant; a kernel without kprobes
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

/* in the flags of a tracepoint 8 is an interrupt and 16 a softirq */
#define NO_INTERRUPT	"!(common_flags & 24)"

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
static int open_call(const char *names, pid_t thread)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	char copy[128], *name, *save;
	int fd = -1;

	attr.type = kprobe_type();
	snprintf(copy, sizeof(copy), "%s", names);
	for (name = strtok_r(copy, ",", &save); name && fd < 0;
	     name = strtok_r(NULL, ",", &save)) {
		attr.kprobe_func = (uintptr_t)name;
		fd = syscall(SYS_perf_event_open, &attr, thread, -1, -1, 0);
	}
	return fd;
}

static int open_event(const char *name, pid_t thread)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
	};
	int fd;

	if (is_call(name)) {
		fd = open_call(name + 5, thread);
	} else {
		attr.config = event_id(name);
		fd = syscall(SYS_perf_event_open, &attr, thread, -1, -1, 0);
	}
	/* nor what an interrupt does that comes while the thread runs */
	if (fd < 0 || (!is_call(name) &&
		       ioctl(fd, PERF_EVENT_IOC_SET_FILTER, NO_INTERRUPT)))
		err(1, "%s", name);
	return fd;
}

int main(int argc, char **argv)
{
	pid_t pid, thread = argc > 1 ? atoi(argv[1]) : 0;
	int nr = 0, fds[MOST], end, status, i;
	const char *names[MOST];
	uint64_t value;

	for (end = 2; end < argc && strcmp(argv[end], "--"); end++) {
		if (nr < MOST && (kprobe_type() || !is_call(argv[end])))
			names[nr++] = argv[end];
	}
	if (thread <= 0 || !nr || end > MOST + 1 || end + 1 >= argc)
		errx(2, "usage: count PID EVENT... -- COMMAND...");
	for (i = 0; i < nr; i++)
		fds[i] = open_event(names[i], thread);
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
		if (read(fds[i], &value, sizeof(value)) != sizeof(value))
			err(1, "%s", names[i]);
		printf("event %s %lu\n", names[i], value);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
