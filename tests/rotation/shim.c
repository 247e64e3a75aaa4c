/*
 * Kills a process before the N-th of its calls that change a file within a folder: preloaded with LD_PRELOAD, with N
 * in KILL_BEFORE and the folder in KILL_WITHIN. It says on standard error which call that was.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name)                                                                                                     \
    static __typeof__(name) *real;                                                                                     \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static const char *within;
static long last;
static long seen;

__attribute__((constructor)) static void begin(void)
{
    const char *before = getenv("KILL_BEFORE");
    within = getenv("KILL_WITHIN");
    last = before ? atol(before) : 0;
}

/* A relative path is within: the process is started in the folder. */
static void at_path(const char *call, const char *path)
{
    if (last <= 0 || !within || !path) return;
    if (path[0] == '/' && strncmp(path, within, strlen(within)) != 0) return;
    long now = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    if (now < last) return;
    if (now == last) {
        dprintf(STDERR_FILENO, "killed before %s of %s\n", call, path);
        kill(getpid(), SIGKILL);
    }
    for (;;) pause(); /* nothing comes after it, from no thread */
}

/* A process that ends does not wait for its threads: what they do last is seen all the same. */
__attribute__((destructor)) static void end(void)
{
    if (last > 0) usleep(100 * 1000);
}

/* Opening a file that is there changes nothing. */
static void at_opening(const char *call, const char *path, int flags)
{
    if (flags & O_TRUNC || (flags & O_CREAT && access(path, F_OK) != 0)) at_path(call, path);
}

static void at_file(const char *call, int file)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = last > 0 ? readlink(link, path, sizeof path - 1) : -1;
    if (length <= 0 || path[0] != '/') return; /* a pipe, a socket */
    path[length] = 0;
    at_path(call, path);
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                                      \
        va_end(rest);                                                                                                  \
        at_opening(#name, path, flags);                                                                                \
        return real(path, flags, mode);                                                                                \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                   \
    int name(int folder, const char *path, int flags, ...)                                                             \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                                                      \
        va_end(rest);                                                                                                  \
        at_opening(#name, path, flags);                                                                                \
        return real(folder, path, flags, mode);                                                                        \
    }
OPENAT(openat)
OPENAT(openat64)

#define ON_FILE(type, name, parameters, ...)                                                                           \
    type name parameters                                                                                               \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        at_file(#name, file);                                                                                          \
        return real(__VA_ARGS__);                                                                                      \
    }
ON_FILE(ssize_t, write, (int file, const void *from, size_t count), file, from, count)
ON_FILE(ssize_t, writev, (int file, const struct iovec *from, int count), file, from, count)
ON_FILE(ssize_t, pwrite, (int file, const void *from, size_t count, off_t at), file, from, count, at)
ON_FILE(ssize_t, pwrite64, (int file, const void *from, size_t count, off64_t at), file, from, count, at)
ON_FILE(int, fsync, (int file), file)
ON_FILE(int, fdatasync, (int file), file)
ON_FILE(int, ftruncate, (int file, off_t length), file, length)
ON_FILE(int, ftruncate64, (int file, off64_t length), file, length)
ON_FILE(int, fallocate, (int file, int mode, off_t at, off_t length), file, mode, at, length)
ON_FILE(int, fallocate64, (int file, int mode, off64_t at, off64_t length), file, mode, at, length)
ON_FILE(int, posix_fallocate, (int file, off_t at, off_t length), file, at, length)
ON_FILE(int, posix_fallocate64, (int file, off64_t at, off64_t length), file, at, length)

#define ON_PATH(name, parameters, ...)                                                                                 \
    int name parameters                                                                                                \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        at_path(#name, path);                                                                                          \
        return real(__VA_ARGS__);                                                                                      \
    }
ON_PATH(unlink, (const char *path), path)
ON_PATH(unlinkat, (int folder, const char *path, int flags), folder, path, flags)
ON_PATH(rename, (const char *from, const char *path), from, path)
ON_PATH(renameat, (int old, const char *from, int folder, const char *path), old, from, folder, path)
ON_PATH(link, (const char *from, const char *path), from, path)
ON_PATH(linkat, (int old, const char *from, int folder, const char *path, int flags), old, from, folder, path, flags)
ON_PATH(symlink, (const char *from, const char *path), from, path)
