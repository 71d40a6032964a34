/* flowforge-launch: runs one command so that nothing of it outlives it, its parent, or a request to
 * end it, and says what it cost.
 *
 *   flowforge-launch [--as BYTES] [--nofile N] [--grace SECONDS] [--parent PID] --usage FILE -- CMD [ARGS...]
 *
 * - CMD runs in a session and process group of its own, under the limits: --as is RLIMIT_AS in bytes,
 *   --nofile RLIMIT_NOFILE. Standard input, output and error are inherited.
 * - SIGINT goes to CMD's group, then SIGTERM after --grace seconds (5), then SIGKILL after as many
 *   more. SIGTERM and SIGHUP go to the group as SIGTERM, then SIGKILL after --grace seconds.
 * - When CMD ends, everything left below it is killed: its group, and what left the group or was
 *   re-parented (this process is its subreaper). So it is when the parent process dies.
 * - Then FILE is written (to a temporary name, renamed): one line of JSON with exitCode, signal,
 *   userSeconds, systemSeconds, maxResidentBytes and leftovers (processes that had to be killed).
 *
 * Exit status: CMD's own, or 128 + the signal that ended it; 127 CMD not found, 126 CMD cannot be
 * executed, 125 this program failed, with the reason on standard error.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LAUNCH_FAILED = 125, NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

struct request {
    const char *usage_file;
    long long address_space, open_files; /* -1: unlimited */
    double grace;
    pid_t parent; /* 0: whoever it is */
    char **command;
};

struct cost {
    double user, system;
    long max_resident_kib;
    int leftovers;
};

static void fail(int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("flowforge-launch: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

static double number(const char *option, const char *text) {
    char *end;
    errno = 0;
    double value = text ? strtod(text, &end) : -1;
    if (!text || errno || *end || end == text || value < 0)
        fail(LAUNCH_FAILED, "%s needs a number that is not negative, not '%s'", option, text ? text : "");
    return value;
}

static struct request parse(char **argument) {
    struct request request = {.address_space = -1, .open_files = -1, .grace = 5};
    for (argument++; *argument; argument += 2) {
        const char *option = *argument, *value = argument[1];
        if (!strcmp(option, "--")) {
            request.command = argument + 1;
            break;
        }
        if (!strcmp(option, "--as")) request.address_space = (long long)number(option, value);
        else if (!strcmp(option, "--nofile")) request.open_files = (long long)number(option, value);
        else if (!strcmp(option, "--grace")) request.grace = number(option, value);
        else if (!strcmp(option, "--parent")) request.parent = (pid_t)number(option, value);
        else if (!strcmp(option, "--usage") && value) request.usage_file = value;
        else fail(LAUNCH_FAILED, "unknown or incomplete option '%s'", option);
    }
    if (!request.usage_file || !request.command || !request.command[0])
        fail(LAUNCH_FAILED, "usage: flowforge-launch [--as BYTES] [--nofile N] [--grace SECONDS] [--parent PID] "
                            "--usage FILE -- CMD [ARGS...]");
    return request;
}

static void limit(int resource, long long value) {
    struct rlimit current;
    if (value < 0 || getrlimit(resource, &current)) return;
    rlim_t wanted = (rlim_t)value;
    if (current.rlim_max != RLIM_INFINITY && wanted > current.rlim_max) wanted = current.rlim_max;
    struct rlimit lowered = {.rlim_cur = wanted, .rlim_max = wanted};
    if (setrlimit(resource, &lowered)) _exit(LAUNCH_FAILED);
}

/* In the child. Reports a failed exec through the pipe; a successful one closes it. */
static void become(const struct request *request, pid_t launcher, int report) {
    sigset_t none;
    setsid();
    /* This process has one thread, so its death, not a thread's, is what fires the signal. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launcher) _exit(LAUNCH_FAILED);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL); /* servers ignore it, and ignoring is inherited */
    limit(RLIMIT_CORE, 0);    /* a core file would hold data */
    limit(RLIMIT_NOFILE, request->open_files);
    limit(RLIMIT_AS, request->address_space);
    execvp(request->command[0], request->command);
    int reason = errno;
    if (write(report, &reason, sizeof reason) < 0) _exit(LAUNCH_FAILED);
    _exit(reason == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* SIGKILLs every process whose parent is this one; killing them hands their own children to us. */
static int kill_children(pid_t self) {
    int killed = 0;
    DIR *proc = opendir("/proc");
    if (!proc) return 0;
    for (struct dirent *entry; (entry = readdir(proc));) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        char path[64], stat[512];
        snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0) continue;
        ssize_t length = read(file, stat, sizeof stat - 1);
        close(file);
        if (length <= 0) continue;
        stat[length] = 0;
        /* The command name may itself hold parentheses and spaces: the fields follow the last one. */
        char *fields = strrchr(stat, ')');
        char state;
        int parent;
        if (fields && sscanf(fields + 1, " %c %d", &state, &parent) == 2 && parent == self && state != 'Z' &&
            kill((pid_t)atoi(entry->d_name), SIGKILL) == 0)
            killed++;
    }
    closedir(proc);
    return killed;
}

static void add(struct cost *cost, const struct rusage *usage) {
    cost->user += (double)usage->ru_utime.tv_sec + (double)usage->ru_utime.tv_usec / 1e6;
    cost->system += (double)usage->ru_stime.tv_sec + (double)usage->ru_stime.tv_usec / 1e6;
    if (usage->ru_maxrss > cost->max_resident_kib) cost->max_resident_kib = usage->ru_maxrss;
}

/* Reaps what has ended. Returns 1 once CMD has, with its status. */
static int reap(pid_t command, int *status, struct cost *cost) {
    struct rusage usage;
    int ended = 0, one;
    for (pid_t pid; (pid = wait4(-1, &one, WNOHANG, &usage)) > 0;) {
        add(cost, &usage);
        if (pid == command) {
            *status = one;
            ended = 1;
        }
    }
    return ended;
}

/* Kills and reaps until no descendant is left. `command` may be among them. */
static void end_all(pid_t self, pid_t command, int *status, struct cost *cost, int command_ended) {
    struct rusage usage;
    kill(-command, SIGKILL);
    for (;;) {
        /* Whatever is left below a subreaper hangs on one of its children; mostly there is none. */
        siginfo_t any;
        if (waitid(P_ALL, 0, &any, WEXITED | WNOHANG | WNOWAIT) && errno == ECHILD) return;
        int killed = kill_children(self), one;
        pid_t pid = wait4(-1, &one, killed ? 0 : WNOHANG, &usage);
        if (pid < 0 && errno == ECHILD) return;
        if (pid == 0) {
            struct timespec pause = {.tv_nsec = 1000000}; /* killed before, not yet dead */
            nanosleep(&pause, NULL);
        }
        if (pid > 0) add(cost, &usage);
        if (pid == command) *status = one;
        else if (pid > 0 && command_ended && WIFSIGNALED(one) && WTERMSIG(one) == SIGKILL) cost->leftovers++;
    }
}

static void write_usage(const char *file, int status, const struct cost *cost) {
    size_t length = strlen(file) + 5;
    char *temporary = malloc(length);
    if (!temporary) fail(LAUNCH_FAILED, "out of memory");
    snprintf(temporary, length, "%s.tmp", file);
    FILE *out = fopen(temporary, "we");
    if (!out) fail(LAUNCH_FAILED, "cannot write %s: %s", temporary, strerror(errno));
    fprintf(out,
            "{\"exitCode\":%d,\"signal\":%d,\"userSeconds\":%.6f,\"systemSeconds\":%.6f,\"maxResidentBytes\":%lld,"
            "\"leftovers\":%d}\n",
            WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0, cost->user,
            cost->system, (long long)cost->max_resident_kib * 1024, cost->leftovers);
    if (fclose(out) || rename(temporary, file))
        fail(LAUNCH_FAILED, "cannot write %s: %s", file, strerror(errno));
    free(temporary);
}

int main(int count, char **arguments) {
    (void)count;
    struct request request = parse(arguments);
    pid_t self = getpid(), parent = request.parent ? request.parent : getppid();

    /* The parent's death is watched through a pidfd and not PR_SET_PDEATHSIG, which fires when the
     * *thread* that forked us ends, long before its process. Opened first, checked second: a parent
     * that died in between is noticed either way. */
    int parent_watch = (int)syscall(SYS_pidfd_open, parent, 0);
    if (getppid() != parent) fail(LAUNCH_FAILED, "process %d, which asked for the command, is gone", (int)parent);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1))
        fail(LAUNCH_FAILED, "cannot become a subreaper: %s", strerror(errno));

    sigset_t signals;
    sigemptyset(&signals);
    int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) sigaddset(&signals, wanted[i]);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int signal_queue = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    int report[2];
    if (signal_queue < 0 || pipe2(report, O_CLOEXEC))
        fail(LAUNCH_FAILED, "cannot prepare: %s", strerror(errno));

    pid_t command = fork();
    if (command < 0) fail(LAUNCH_FAILED, "cannot fork: %s", strerror(errno));
    if (command == 0) become(&request, self, report[1]);
    close(report[1]);
    /* Only CMD may hold these, or its reader and writer never see the end. */
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    int reason = 0;
    if (read(report[0], &reason, sizeof reason) == sizeof reason)
        fprintf(stderr, "flowforge-launch: cannot run '%s': %s\n", request.command[0], strerror(reason));
    close(report[0]);

    struct cost cost = {0};
    int status = 0, next = 0; /* `next`: the signal to send when `deadline` passes */
    double deadline = 0;
    struct pollfd watched[2] = {{.fd = signal_queue, .events = POLLIN}, {.fd = parent_watch, .events = POLLIN}};
    for (int ended = 0; !ended;) {
        double left = next ? deadline - now() : 1;
        /* Without pidfds (Linux < 5.3) the parent is looked at once a second. */
        poll(watched, parent_watch < 0 ? 1 : 2, left <= 0 ? 0 : (int)((left > 1 ? 1 : left) * 1000) + 1);
        struct signalfd_siginfo one;
        while (read(signal_queue, &one, sizeof one) == sizeof one) {
            if (one.ssi_signo == SIGCHLD) continue;
            int first = one.ssi_signo == SIGINT ? SIGINT : SIGTERM;
            kill(-command, first);
            int then = first == SIGINT ? SIGTERM : SIGKILL;
            if (!next || (next == SIGTERM && then == SIGKILL)) {
                next = then;
                deadline = now() + request.grace;
            }
        }
        ended = reap(command, &status, &cost);
        if (!ended && ((parent_watch >= 0 && watched[1].revents) || getppid() != parent)) {
            end_all(self, command, &status, &cost, 0);
            break;
        }
        if (!ended && next && now() >= deadline) {
            if (next == SIGKILL) {
                end_all(self, command, &status, &cost, 0);
                break;
            }
            kill(-command, next);
            next = SIGKILL;
            deadline = now() + request.grace;
        }
    }
    end_all(self, command, &status, &cost, 1);
    write_usage(request.usage_file, status, &cost);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
