// Loaded into the sidecar with LD_PRELOAD: what the kernel answers to writes and syncs of one database, and what its wall
// clock shows, is what the test has written into a file that both have mapped.
//
//   SENDGATE_FAULTS       that file, six numbers of 64 bits as below
//   SENDGATE_FAULTS_NAME  a part of the paths that are concerned
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct told {
    _Atomic int64_t write_errno; // of each write and truncation; 0 for none
    _Atomic int64_t sync_errno;  // of each fsync and fdatasync
    _Atomic int64_t torn;        // whether the first half of what is refused is written all the same
    _Atomic int64_t ahead_s;     // how far CLOCK_REALTIME is ahead
    _Atomic int64_t writes;      // counted here: writes that failed,
    _Atomic int64_t syncs;       // and syncs
};

static struct told *told;
static const char *name;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SENDGATE_FAULTS");
    name = getenv("SENDGATE_FAULTS_NAME");
    int file = path && name ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) {
        fprintf(stderr, "faults.c: SENDGATE_FAULTS cannot be opened\n");
        _exit(99);
    }
    void *mapped = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) _exit(99);
    told = mapped;
}

static int is_ours(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, name) != NULL;
}

// What the call is to fail with, counted; 0 where it is not to.
static int fault(_Atomic int64_t *why, _Atomic int64_t *count, int fd) {
    if (!told || !*why || !is_ours(fd)) return 0;
    ++*count;
    return (int)*why;
}

#define REAL(function, ...) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))(__VA_ARGS__)

ssize_t write(int fd, const void *bytes, size_t count) {
    int why = fault(&told->write_errno, &told->writes, fd);
    if (!why) return REAL(write, fd, bytes, count);
    if (told->torn && count > 1) REAL(write, fd, bytes, count / 2);
    errno = why;
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    int why = fault(&told->write_errno, &told->writes, fd);
    if (!why) return REAL(pwrite, fd, bytes, count, at);
    if (told->torn && count > 1) REAL(pwrite, fd, bytes, count / 2, at);
    errno = why;
    return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return pwrite(fd, bytes, count, at); }

int ftruncate(int fd, off_t length) {
    int why = fault(&told->write_errno, &told->writes, fd);
    if (!why) return REAL(ftruncate, fd, length);
    errno = why;
    return -1;
}

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int fsync(int fd) {
    int why = fault(&told->sync_errno, &told->syncs, fd);
    if (!why) return REAL(fsync, fd);
    errno = why;
    return -1;
}

int fdatasync(int fd) {
    int why = fault(&told->sync_errno, &told->syncs, fd);
    if (!why) return REAL(fdatasync, fd);
    errno = why;
    return -1;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = REAL(clock_gettime, clock, at);
    if (!failed && told && clock == CLOCK_REALTIME) at->tv_sec += told->ahead_s;
    return failed;
}
