#include "calls.h"

#include <dlfcn.h>

void* zbxmod_host_call_dlopen(const char* path, int flags) { return dlopen(path, flags); }

int zbxmod_host_call_number(int (*function)(void)) { return function(); }

void* zbxmod_host_call_pointer(void* (*function)(void)) { return function(); }

void zbxmod_host_call_timeout(void (*function)(int), int seconds) { function(seconds); }

int zbxmod_host_call_item(int (*function)(void*, void*), void* request, void* result) {
  return function(request, result);
}

struct ZbxmodHostHistory zbxmod_host_call_history(struct ZbxmodHostHistory (*function)(void)) {
  return function();
}

void zbxmod_host_call_rows(void (*function)(const void*, int), const void* rows, int count) {
  function(rows, count);
}
