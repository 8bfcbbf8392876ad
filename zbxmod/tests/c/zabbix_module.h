/* Zabbix's module interface for the C modules here, written down from its documentation. Every host allocates
   the two structures; these members exist in all of them from 3.0 on. */
#ifndef ZABBIX_MODULE_H
#define ZABBIX_MODULE_H

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { ZBX_MODULE_OK = 0, ZBX_MODULE_FAIL = -1, SYSINFO_RET_OK = 0, SYSINFO_RET_FAIL = 1 };
enum { CF_HAVEPARAMS = 1 };
enum { AR_UINT64 = 1, AR_DOUBLE = 2, AR_STRING = 4, AR_TEXT = 8, AR_MESSAGE = 32 };

typedef struct {
  char* key;
  int nparam;
  char** params;
  unsigned long long lastlogsize;
  int mtime;
} AGENT_REQUEST;

typedef struct {
  unsigned long long lastlogsize;
  unsigned long long ui64;
  double dbl;
  char* str;
  char* text;
  char* msg;
  void* log;
  int type;
  int mtime;
} AGENT_RESULT;

typedef struct {
  char* key;
  unsigned flags;
  int (*function)(AGENT_REQUEST*, AGENT_RESULT*);
  char* test_param;
} ZBX_METRIC;

#define MODULE_FUNCTION __attribute__((visibility("default")))

/* 3.0 takes only API version 1, later ones only 2; which it is shows in the name of one of the host's
 * functions. */
static int host_api_version(void) { return dlsym(RTLD_DEFAULT, "zbx_load_modules") != NULL ? 2 : 1; }

static inline int give_text(AGENT_RESULT* result, const char* text) {
  result->text = strdup(text);
  result->type |= AR_TEXT;
  return SYSINFO_RET_OK;
}

static inline int give_message(AGENT_RESULT* result, const char* text) {
  result->msg = strdup(text);
  result->type |= AR_MESSAGE;
  return SYSINFO_RET_FAIL;
}

#define MODULE_VERSION \
  MODULE_FUNCTION int zbx_module_api_version(void) { return host_api_version(); }
#define MODULE_INIT \
  MODULE_FUNCTION int zbx_module_init(void) { return ZBX_MODULE_OK; }
#define MODULE_ITEM(function)                                                                      \
  static ZBX_METRIC items[] = {{"bad.item", CF_HAVEPARAMS, function, "1"}, {NULL, 0, NULL, NULL}}; \
  MODULE_FUNCTION ZBX_METRIC* zbx_module_item_list(void) { return items; }

#endif
