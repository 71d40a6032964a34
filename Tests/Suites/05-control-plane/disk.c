/* A disk under flowforged that can lose power: LD_PRELOAD this, tell it which folder to watch.
 *
 * The program sees its files as always. Beside them, in FF_DISK, a second image is kept of what a disk
 * would still have after a power cut: a file's bytes as of its last fsync, a folder's names as of its
 * last fsync, and the writes since then, which may have reached the disk or not. disk.py makes the
 * image of the start and puts together what is left after a cut.
 *
 *   FF_DISK_WATCH  the folder
 *   FF_DISK        where the image is
 *   FF_DISK_LIE    set: fdatasync and fsync of the write-ahead log claim success and do nothing, which
 *                  is what `synchronous=NORMAL` would come to
 *   FF_DISK_KILL   <write|before|after>:<n>: SIGKILL before the n-th write to the write-ahead log, before
 *                  its n-th sync, or after it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define DESCRIPTORS 65536
enum { OTHER = 0, PLAIN = 1, LOG = 2 };

static char watched[PATH_MAX], image[PATH_MAX];
static size_t watched_length;
static int lies, kill_kind;
static long kill_at;
static atomic_long log_writes, log_syncs;
static unsigned char kinds[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ready;

/* Raw system calls: the image must not watch itself. */
static int raw_open(const char *path, int flags, mode_t mode) { return syscall(SYS_openat, AT_FDCWD, path, flags, mode); }
static ssize_t raw_write(int fd, const void *p, size_t n) { return syscall(SYS_write, fd, p, n); }
static ssize_t raw_pwrite(int fd, const void *p, size_t n, off_t at) { return syscall(SYS_pwrite64, fd, p, n, at); }
static int raw_close(int fd) { return syscall(SYS_close, fd); }

static void give_up(const char *what) {
    fprintf(stderr, "disk.c: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("FF_DISK_WATCH"), *place = getenv("FF_DISK"), *when = getenv("FF_DISK_KILL");
    if (!folder || !place || !realpath(folder, watched) || !realpath(place, image)) return;
    watched_length = strlen(watched);
    lies = getenv("FF_DISK_LIE") != NULL;
    if (when) {
        kill_kind = *when;
        kill_at = atol(strchr(when, ':') + 1);
    }
    ready = 1;
}

static void strike(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static int kind_of(int fd) { return ready && fd >= 0 && fd < DESCRIPTORS ? kinds[fd] : OTHER; }

static ino_t inode(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) give_up("fstat");
    return status.st_ino;
}

static void image_path(char *path, const char *part, ino_t number) {
    snprintf(path, PATH_MAX, "%s/%s/%lu", image, part, (unsigned long)number);
}

/* A write that has not been synced: offset, length (-1: cut at offset), bytes. */
static void pend(int fd, int64_t offset, const void *bytes, int64_t length) {
    char path[PATH_MAX];
    pthread_mutex_lock(&lock);
    image_path(path, "pending", inode(fd));
    int log = raw_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) give_up(path);
    int64_t head[2] = {offset, length};
    struct iovec parts[2] = {{head, sizeof head}, {(void *)bytes, length > 0 ? length : 0}};
    if (syscall(SYS_writev, log, parts, length > 0 ? 2 : 1) != (ssize_t)(sizeof head + (length > 0 ? length : 0))) give_up("pend");
    raw_close(log);
    pthread_mutex_unlock(&lock);
}

/* What was pending of the file is on the disk now. */
static void settle(int fd) {
    char from[PATH_MAX], to[PATH_MAX];
    ino_t number = inode(fd);
    image_path(from, "pending", number);
    image_path(to, "durable", number);
    int log = raw_open(from, O_RDWR | O_CLOEXEC, 0);
    int disk = raw_open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (disk < 0) give_up(to);
    if (log >= 0) {
        int64_t head[2];
        while (read(log, head, sizeof head) == sizeof head) {
            if (head[1] < 0) {
                if (syscall(SYS_ftruncate, disk, head[0]) != 0) give_up("cut");
                continue;
            }
            char *bytes = malloc(head[1] ? head[1] : 1);
            for (int64_t have = 0; have < head[1];) {
                ssize_t count = read(log, bytes + have, head[1] - have);
                if (count <= 0) give_up("read pending");
                have += count;
            }
            if (raw_pwrite(disk, bytes, head[1], head[0]) != head[1]) give_up("write durable");
            free(bytes);
        }
        if (syscall(SYS_ftruncate, log, 0) != 0) give_up("empty pending");
        raw_close(log);
    }
    raw_close(disk);
}

/* The names that a folder has now are on the disk. */
static void settle_names(int fd) {
    char path[PATH_MAX], fresh[PATH_MAX + 8];
    image_path(path, "names", inode(fd));
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int again = syscall(SYS_openat, fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *folder = again < 0 ? NULL : fdopendir(again);
    int list = raw_open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (!folder || list < 0) give_up("names");
    for (struct dirent *entry; (entry = readdir(folder));) {
        char line[NAME_MAX + 40];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        int length = snprintf(line, sizeof line, "%lu %s\n", (unsigned long)entry->d_ino, entry->d_name);
        if (raw_write(list, line, length) != length) give_up("names");
    }
    closedir(folder);
    raw_close(list);
    if (syscall(SYS_rename, fresh, path) != 0) give_up("names");
}

static int sync_of(int fd, int call) {
    int kind = kind_of(fd), error = 0;
    if (kind == OTHER) return syscall(call, fd);
    if (kind == LOG) {
        long number = atomic_fetch_add(&log_syncs, 1) + 1;
        if (kill_kind == 'b' && number == kill_at) strike();
        if (lies) {
            if (kill_kind == 'a' && number == kill_at) strike();
            return 0;
        }
    }
    /* The real sync is left out: the image says what is durable, and the test is faster. */
    pthread_mutex_lock(&lock);
    struct stat status;
    if (fstat(fd, &status) != 0) error = -1;
    else if (S_ISDIR(status.st_mode)) settle_names(fd);
    else settle(fd);
    pthread_mutex_unlock(&lock);
    if (kind == LOG && kill_kind == 'a' && atomic_load(&log_syncs) == kill_at) strike();
    return error;
}

static void opened(int fd, const char *path, int flags, int existed) {
    char link[64], real[PATH_MAX];
    if (!ready || fd < 0 || fd >= DESCRIPTORS) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, real, sizeof real - 1);
    if (length <= 0) return;
    real[length] = 0;
    if (strncmp(real, watched, watched_length) != 0 || (real[watched_length] != '/' && real[watched_length] != 0)) {
        kinds[fd] = OTHER;
        return;
    }
    size_t size = strlen(real);
    /* The shared-memory index is not on the disk's mind: SQLite makes it anew. */
    if (size > 4 && !strcmp(real + size - 4, "-shm")) return;
    kinds[fd] = size > 4 && !strcmp(real + size - 4, "-wal") ? LOG : PLAIN;
    if ((flags & O_CREAT) && !existed) {
        /* Its inode may have been another file's. */
        char old[PATH_MAX];
        pthread_mutex_lock(&lock);
        image_path(old, "durable", inode(fd));
        syscall(SYS_unlink, old);
        image_path(old, "pending", inode(fd));
        syscall(SYS_unlink, old);
        pthread_mutex_unlock(&lock);
    }
    if ((flags & O_TRUNC) && existed) pend(fd, 0, NULL, -1);
    (void)path;
}

static int open_at(int folder, const char *path, int flags, mode_t mode) {
    int existed = ready && (flags & O_CREAT) ? syscall(SYS_faccessat, folder, path, F_OK) == 0 : 1;
    int fd = syscall(SYS_openat, folder, path, flags, mode);
    opened(fd, path, flags, existed);
    return fd;
}

#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) { MODE(flags, flags) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, flags) return open_at(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags, flags) return open_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags, flags) return open_at(folder, path, flags, mode); }

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS) kinds[fd] = OTHER;
    return raw_close(fd);
}

static void before_write(int fd) {
    if (kind_of(fd) == LOG && atomic_fetch_add(&log_writes, 1) + 1 == kill_at && kill_kind == 'w') strike();
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset) {
    before_write(fd);
    ssize_t count = raw_pwrite(fd, bytes, length, offset);
    if (count > 0 && kind_of(fd)) pend(fd, offset, bytes, count);
    return count;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return write_at(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return write_at(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!kind_of(fd)) return raw_write(fd, bytes, length);
    before_write(fd);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    struct stat status;
    if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &status) == 0) offset = status.st_size;
    ssize_t count = raw_write(fd, bytes, length);
    if (count > 0) pend(fd, offset, bytes, count);
    return count;
}

static int cut(int fd, off_t length) {
    int result = syscall(SYS_ftruncate, fd, length);
    if (result == 0 && kind_of(fd)) pend(fd, length, NULL, -1);
    return result;
}
int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

int fsync(int fd) { return sync_of(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_of(fd, SYS_fdatasync); }

/* SQLite may make room first; without it, it writes zeros, which are seen. */
int posix_fallocate(int fd, off_t offset, off_t length) { return kind_of(fd) ? EINVAL : (syscall(SYS_fallocate, fd, 0, offset, length) ? errno : 0); }
int fallocate(int fd, int mode, off_t offset, off_t length) {
    if (kind_of(fd)) { errno = EOPNOTSUPP; return -1; }
    return syscall(SYS_fallocate, fd, mode, offset, length);
}
