/* Preloaded into the station's processes: counts what they write below some folders, and on command kills the process
 * at the k-th such call (before it, after half of it), makes calls fail or slow, keeps what would undo everything that
 * was not synced yet, and sets the clock off. Commands stand in a file that all processes map: struct control.
 *
 *     CHAOS_CONTROL   the file, made by tests/chaos/shim.py
 *     CHAOS_BELOW     folders, with colons between
 *     CHAOS_UNDO      folder for undo logs
 *
 * Only `… -m commands run PIPELINE PROCESS` takes part; everything else is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {                /* shim.py packs the same */
    int32_t kill;               /* 1 = kill who at its k-th call */
    int32_t stride;             /* k grows by it every fourth life */
    int32_t first;              /* k of the first life */
    int32_t after_ms;           /* of every other two lives: count from that age of the process on */
    int32_t lives, kills;       /* so far */
    int32_t error;              /* errno of writing calls; 0 = none */
    int32_t delay_us;           /* of writing and syncing calls */
    int32_t undo;               /* 1 = keep undo logs */
    int32_t last_k;             /* of the last kill */
    int64_t clock_ns;           /* added to CLOCK_REALTIME */
    int64_t calls;              /* writing and syncing calls so far, of all processes */
    char who[64];               /* process name, or a * after its beginning */
};

static struct control *control;
static const char *below;
static int mine, undo_fd = -1, target, variant, counted;
static struct timespec born;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

static void name_of_process(char *name, size_t size) {
    char line[4096];
    name[0] = 0;
    int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY, 0);
    ssize_t got = fd < 0 ? 0 : syscall(SYS_read, fd, line, sizeof line - 1);
    if (fd >= 0) syscall(SYS_close, fd);
    if (got <= 0) return;
    line[got] = 0;
    int run = 0;
    const char *last = "";
    for (char *word = line; word < line + got; word += strlen(word) + 1) {
        if (!strcmp(word, "run")) run = 1;
        last = word;
    }
    if (run) snprintf(name, size, "%s", last);
}

static int is_who(const char *name) {
    size_t length = strlen(control->who);
    if (length && control->who[length - 1] == '*') return !strncmp(name, control->who, length - 1);
    return !strcmp(name, control->who);
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_CONTROL"), *undo = getenv("CHAOS_UNDO");
    char name[128], log[PATH_MAX];
    below = getenv("CHAOS_BELOW");
    name_of_process(name, sizeof name);
    if (!path || !below || !name[0]) return;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return;
    control = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (control == MAP_FAILED) { control = 0; return; }
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &born);
    if (control->kill && is_who(name)) {
        int life = __sync_fetch_and_add(&control->lives, 1);
        target = control->first + life / 4 * control->stride;
        variant = life % 4;     /* bit 0: torn; bit 1: count from after_ms on */
        mine = 1;
    }
    if (undo && control->undo) {
        snprintf(log, sizeof log, "%s/%s.%d.undo", undo, name, getpid());
        undo_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

static int path_is_below(const char *path) {
    for (const char *at = below; at && *at; ) {
        const char *end = strchrnul(at, ':');
        size_t length = end - at;
        if (!strncmp(path, at, length) && (path[length] == '/' || !path[length])) return 1;
        at = *end ? end + 1 : end;
    }
    return 0;
}

static int fd_path(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return path[0] == '/' && path_is_below(path);
}

/* undo logs: text head line, then bytes. W path offset bytes size_before length \n old bytes; S path; R new old */

static void put(const char *head, const void *bytes, size_t length) {
    struct iovec both[2] = {{(void *)head, strlen(head)}, {(void *)bytes, length}};
    syscall(SYS_writev, undo_fd, both, length ? 2 : 1);
}

static void remember(int fd, const char *path, off_t offset, size_t length) {
    char head[PATH_MAX + 128];
    struct stat status;
    if (undo_fd < 0 || syscall(SYS_fstat, fd, &status)) return;
    char *old = malloc(length ? length : 1);
    int other = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t got = other < 0 ? 0 : syscall(SYS_pread64, other, old, length, offset);
    if (other >= 0) syscall(SYS_close, other);
    if (got < 0) got = 0;
    snprintf(head, sizeof head, "W\t%s\t%lld\t%zd\t%lld\t%zu\n", path, (long long)offset, got,
             (long long)status.st_size, length);
    put(head, old, got);
    free(old);
}

static void synced(const char *path) {
    char head[PATH_MAX + 16];
    if (undo_fd < 0) return;
    snprintf(head, sizeof head, "S\t%s\n", path);
    put(head, 0, 0);
}

/* Before a call: 0 = do it; 1 = do half of it and die; -1 = fail with errno */
static int before(int writes) {
    __sync_fetch_and_add(&control->calls, 1);
    if (control->delay_us) usleep(control->delay_us);
    if (control->error && writes) { errno = control->error; return -1; }
    if (!mine || !control->kill) return 0;
    if (variant & 2) {
        struct timespec now;
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - born.tv_sec) * 1000 + (now.tv_nsec - born.tv_nsec) / 1000000 < control->after_ms) return 0;
    }
    int count = __sync_add_and_fetch(&counted, 1);
    if (count < target) return 0;
    if (count == target) {      /* more: another thread of a process that dies */
        control->last_k = target;
        __sync_fetch_and_add(&control->kills, 1);
    }
    if (writes && (variant & 1)) return 1;
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static size_t total(const struct iovec *parts, int count) {
    size_t sum = 0;
    for (int at = 0; at < count; at++) sum += parts[at].iov_len;
    return sum;
}

static void half(int fd, const struct iovec *parts, int count, off_t offset) {
    size_t left = total(parts, count) / 2;
    for (int at = 0; at < count && left; at++) {
        size_t length = parts[at].iov_len < left ? parts[at].iov_len : left;
        ssize_t done = offset < 0 ? syscall(SYS_write, fd, parts[at].iov_base, length)
                                  : syscall(SYS_pwrite64, fd, parts[at].iov_base, length, offset);
        if (done <= 0) break;
        left -= done;
        if (offset >= 0) offset += done;
    }
    die();
}

/* Whether the real call is to be made. */
static int enter(int fd, const struct iovec *parts, int count, off_t offset) {
    char path[PATH_MAX];
    if (!control || !fd_path(fd, path)) return 1;
    int what = before(1);
    if (what < 0) return 0;
    if (undo_fd >= 0) {
        pthread_mutex_lock(&mutex);
        off_t at = offset >= 0 ? offset : syscall(SYS_lseek, fd, 0, SEEK_CUR);
        if (offset < 0 && (fcntl(fd, F_GETFL) & O_APPEND)) { struct stat s; syscall(SYS_fstat, fd, &s); at = s.st_size; }
        remember(fd, path, at, total(parts, count));
        pthread_mutex_unlock(&mutex);
    }
    if (what == 1) half(fd, parts, count, offset);
    return 1;
}

ssize_t write(int fd, const void *data, size_t size) {
    struct iovec part = {(void *)data, size};
    return enter(fd, &part, 1, -1) ? REAL(write)(fd, data, size) : -1;
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    return enter(fd, parts, count, -1) ? REAL(writev)(fd, parts, count) : -1;
}
#define PWRITE(name) ssize_t name(int fd, const void *data, size_t size, off_t offset) { \
    struct iovec part = {(void *)data, size}; \
    return enter(fd, &part, 1, offset) ? REAL(name)(fd, data, size, offset) : -1; }
PWRITE(pwrite)
PWRITE(pwrite64)
#define PWRITEV(name) ssize_t name(int fd, const struct iovec *parts, int count, off_t offset) { \
    return enter(fd, parts, count, offset) ? REAL(name)(fd, parts, count, offset) : -1; }
PWRITEV(pwritev)
PWRITEV(pwritev64)
#define PWRITEV2(name) ssize_t name(int fd, const struct iovec *parts, int count, off_t offset, int flags) { \
    return enter(fd, parts, count, offset) ? REAL(name)(fd, parts, count, offset, flags) : -1; }
PWRITEV2(pwritev2)
PWRITEV2(pwritev64v2)

#define SYNC(name) int name(int fd) { \
    char path[PATH_MAX]; \
    if (!control || !fd_path(fd, path)) return REAL(name)(fd); \
    if (before(0) < 0) return -1; \
    if (control->error == EIO) { errno = EIO; return -1; } \
    int done = REAL(name)(fd); \
    if (!done) synced(path); \
    return done; }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name) int name(int fd, off_t size) { \
    char path[PATH_MAX]; struct stat status; \
    if (!control || !fd_path(fd, path)) return REAL(name)(fd, size); \
    if (before(1) < 0) return -1; \
    if (undo_fd >= 0 && !syscall(SYS_fstat, fd, &status)) \
        remember(fd, path, size, size < status.st_size ? status.st_size - size : 0); \
    return REAL(name)(fd, size); }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

static int allocation(int fd) {
    char path[PATH_MAX];
    return control && control->error && fd_path(fd, path) ? control->error : 0;
}
int posix_fallocate(int fd, off_t offset, off_t size) {
    int error = allocation(fd);
    return error ? error : REAL(posix_fallocate)(fd, offset, size);
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
    int error = allocation(fd);
    return error ? error : REAL(posix_fallocate64)(fd, offset, size);
}

static int may_open(const char *path, int flags) {
    char whole[PATH_MAX];
    if (!control || !control->error || !(flags & (O_WRONLY | O_RDWR | O_CREAT))) return 1;
    if (control->error == ENOSPC && !(flags & O_CREAT)) return 1;
    if (!realpath(path, whole)) snprintf(whole, sizeof whole, "%s", path);
    if (!path_is_below(whole)) return 1;
    if (control->error == ENOSPC && !access(path, F_OK)) return 1;
    errno = control->error;
    return 0;
}
#define MODE(last) \
    mode_t mode = 0; \
    if (last & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, last); mode = va_arg(list, int); va_end(list); }
int open(const char *path, int flags, ...) {
    MODE(flags) return may_open(path, flags) ? REAL(open)(path, flags, mode) : -1;
}
int open64(const char *path, int flags, ...) {
    MODE(flags) return may_open(path, flags) ? REAL(open64)(path, flags, mode) : -1;
}
int openat(int at, const char *path, int flags, ...) {
    MODE(flags) return may_open(path, flags) ? REAL(openat)(at, path, flags, mode) : -1;
}

static int moved(const char *old, const char *new) {
    if (!control || !path_is_below(new)) return 1;
    if (before(0) < 0) return 0;
    if (control->error) { errno = control->error; return 0; }
    if (undo_fd >= 0) {
        char head[2 * PATH_MAX + 16];
        snprintf(head, sizeof head, "R\t%s\t%s\n", old, new);
        put(head, 0, 0);
    }
    return 1;
}
int rename(const char *old, const char *new) { return moved(old, new) ? REAL(rename)(old, new) : -1; }

int clock_gettime(clockid_t which, struct timespec *now) {
    int done = syscall(SYS_clock_gettime, which, now);
    if (!done && control && control->clock_ns && which == CLOCK_REALTIME) {
        int64_t ns = now->tv_sec * 1000000000LL + now->tv_nsec + control->clock_ns;
        now->tv_sec = ns / 1000000000LL;
        now->tv_nsec = ns % 1000000000LL;
    }
    return done;
}
