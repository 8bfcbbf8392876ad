/* Every call into a module goes through this C file, compiled without unwind tables, because Zabbix is
   written in C: an exception that leaves the module finds no frame to go on to and ends the process as it
   would there, with the words of the C++ runtime that threw it, and a recorded stack ends where the module's
   part of it ends. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

struct ZbxmodHostHistory {
  void (*write[5])(const void* rows, int count); /* float, integer, string, text, log */
};

void* zbxmod_host_call_dlopen(const char* path, int flags);
int zbxmod_host_call_number(int (*function)(void));
void* zbxmod_host_call_pointer(void* (*function)(void));
void zbxmod_host_call_timeout(void (*function)(int), int seconds);
int zbxmod_host_call_item(int (*function)(void*, void*), void* request, void* result);
struct ZbxmodHostHistory zbxmod_host_call_history(struct ZbxmodHostHistory (*function)(void));
void zbxmod_host_call_rows(void (*function)(const void*, int), const void* rows, int count);

#ifdef __cplusplus
}
#endif
