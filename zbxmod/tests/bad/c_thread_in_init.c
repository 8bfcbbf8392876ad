/* Starts a thread while it is loaded, and waits for it in the handler: in a forked worker it does not exist.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "../c/zabbix_module.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int asked = 0;
static int answered = 0;

static void* answer_for_ever(void* unused) {
  pthread_mutex_lock(&mutex);
  for (;;) {
    while (!asked) pthread_cond_wait(&changed, &mutex);
    asked = 0;
    answered = 1;
    pthread_cond_broadcast(&changed);
  }
  return unused;
}

MODULE_VERSION
MODULE_FUNCTION int zbx_module_init(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, answer_for_ever, NULL) != 0) return ZBX_MODULE_FAIL;
  pthread_setname_np(thread, "answerer");
  return ZBX_MODULE_OK;
}
static int item(AGENT_REQUEST* request, AGENT_RESULT* result) {
  (void)request;
  pthread_mutex_lock(&mutex);
  asked = 1;
  pthread_cond_broadcast(&changed);
  while (!answered) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  return give_text(result, "the thread's answer");
}
MODULE_ITEM(item)
