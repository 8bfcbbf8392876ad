// Starts a thread while it is loaded, and waits for it in the handler: in a forked worker the thread does not
// exist.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "bad.h"

static std::mutex* mutex;
static std::condition_variable* changed;
static bool asked = false;
static bool answered = false;

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init() {
  mutex = new std::mutex;
  changed = new std::condition_variable;
  std::thread([] {
    std::unique_lock lock(*mutex);
    for (;;) {
      changed->wait(lock, [] { return asked; });
      asked = false;
      answered = true;
      changed->notify_all();
    }
  }).detach();
  return 0;
}

static int item(bad::Request*, bad::Result* result) {
  std::unique_lock lock(*mutex);
  asked = true;
  changed->notify_all();
  changed->wait(lock, [] { return answered; });
  return bad::give(result, "the thread's answer");
}
MODULE_ITEM(item)
