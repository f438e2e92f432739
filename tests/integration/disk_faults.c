// SPDX-License-Identifier: MIT
// Preloaded into a program, this lets one of its calls that change files under a folder fail as on a full disk, or kills
// the process there. Settings, by environment:
//   FAULT_UNDER  the folder (absolute)
//   FAULT_AT     which call, 1 the first; 0: none
//   FAULT_KIND   once: this call fails; stays: and all further ones that need room (a rename or unlink needs none);
//                kill: SIGKILL before it
//   FAULT_LISTING  how many names of folders can be listed, all folders together, before that is an I/O error
//   FAULT_COUNT  a file that gets the number of calls when the program ends
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long calls = 0;

static int Under(const char* path) {
  const char* folder = getenv("FAULT_UNDER");
  return folder != NULL && path != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static int FdUnder(int fd) {
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof(path) - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return Under(path);
}

// Whether this call is to fail.
static int Fails(int needs_room) {
  const char* at_text = getenv("FAULT_AT");
  const char* kind = getenv("FAULT_KIND");
  const long at = at_text == NULL ? 0 : atol(at_text);
  pthread_mutex_lock(&lock);
  const long now = ++calls;
  pthread_mutex_unlock(&lock);
  if (at == 0 || kind == NULL || now < at) return 0;
  if (strcmp(kind, "kill") == 0) syscall(SYS_kill, getpid(), SIGKILL);
  if (now > at && (strcmp(kind, "stays") != 0 || !needs_room)) return 0;
  errno = ENOSPC;
  return 1;
}

__attribute__((destructor)) static void Report(void) {
  const char* path = getenv("FAULT_COUNT");
  if (path == NULL || calls == 0) return;
  FILE* out = fopen(path, "w");
  if (out == NULL) return;
  fprintf(out, "%ld\n", calls);
  fclose(out);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void* bytes, size_t count) {
  if (FdUnder(fd) && Fails(1)) return -1;
  return syscall(SYS_write, fd, bytes, count);
}
ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  if (FdUnder(fd) && Fails(1)) return -1;
  return REAL(pwrite)(fd, bytes, count, offset);
}
int ftruncate(int fd, off_t length) { return FdUnder(fd) && Fails(0) ? -1 : REAL(ftruncate)(fd, length); }
int fsync(int fd) { return FdUnder(fd) && Fails(1) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return FdUnder(fd) && Fails(1) ? -1 : REAL(fdatasync)(fd); }
int mkdir(const char* path, mode_t mode) { return Under(path) && Fails(1) ? -1 : REAL(mkdir)(path, mode); }
int link(const char* from, const char* to) { return Under(to) && Fails(1) ? -1 : REAL(link)(from, to); }
int unlink(const char* path) { return Under(path) && Fails(0) ? -1 : REAL(unlink)(path); }
int unlinkat(int fd, const char* path, int flags) {
  return (path[0] == '/' ? Under(path) : FdUnder(fd)) && Fails(0) ? -1 : REAL(unlinkat)(fd, path, flags);
}
int rename(const char* from, const char* to) { return Under(to) && Fails(0) ? -1 : REAL(rename)(from, to); }
struct dirent* readdir(DIR* folder) {
  static long entries = 0;
  if (getenv("FAULT_LISTING") != NULL && ++entries > atol(getenv("FAULT_LISTING"))) {
    errno = EIO;
    return NULL;
  }
  return REAL(readdir)(folder);
}
int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if ((flags & O_CREAT) != 0 && Under(path) && Fails(1)) return -1;
  return REAL(open)(path, flags, mode);
}
