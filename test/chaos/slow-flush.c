/* Loaded before libc (LD_PRELOAD): every fsync and fdatasync takes as many milliseconds longer as
   the file TWOTICK_SLOW_FLUSH_FILE says at that moment. No such file, no number: no longer. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void dawdle(void) {
  const char *path = getenv("TWOTICK_SLOW_FLUSH_FILE");
  char text[16] = "";
  int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  long ms = length > 0 ? strtol(text, NULL, 10) : 0;
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (ms > 0 && nanosleep(&left, &left) != 0) { /* a signal came: the rest of it */
  }
}

int fsync(int file) {
  dawdle();
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

int fdatasync(int file) {
  dawdle();
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
