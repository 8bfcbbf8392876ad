/* The yardstick: what a loadable module costs when it is written in plain C and does nothing but echo.
 *
 * Item c.echo[...] answers its parameters joined by spaces, as bakusoku.echo does. The structures are the
 * leading, stable fields of Zabbix 3.0 to 7.x's (x86-64); Zabbix allocates them. */
#include <stdlib.h>
#include <string.h>

typedef struct {
  char* key;
  int nparam;
  char** params;
} request_t;

typedef struct {
  unsigned long long lastlogsize;
  unsigned long long ui64;
  double dbl;
  char* str;
  char* text;
  char* msg;
  void* log;
  int type;
} result_t;

typedef struct {
  char* key;
  unsigned flags;
  int (*function)(request_t*, result_t*);
  char* test_param;
} metric_t;

enum { kApiVersion = 2, kOk = 0, kFail = 1, kHasParameters = 1, kTypeString = 4 };

#define EXPORT __attribute__((visibility("default")))
EXPORT int zbx_module_api_version(void);
EXPORT int zbx_module_init(void);
EXPORT int zbx_module_uninit(void);
EXPORT metric_t* zbx_module_item_list(void);

static int echo(request_t* request, result_t* result) {
  size_t size = 1;
  for (int i = 0; i < request->nparam; ++i) size += strlen(request->params[i]) + 1;
  char* text = malloc(size);
  if (text == NULL) return kFail;
  char* end = text;
  for (int i = 0; i < request->nparam; ++i) {
    const size_t length = strlen(request->params[i]);
    if (i > 0) *end++ = ' ';
    memcpy(end, request->params[i], length);
    end += length;
  }
  *end = '\0';
  result->str = text;
  result->type |= kTypeString;
  return kOk;
}

static char key[] = "c.echo";
static char test_parameters[] = "hello,world";
static metric_t items[] = {{key, kHasParameters, echo, test_parameters}, {NULL, 0, NULL, NULL}};

int zbx_module_api_version(void) { return kApiVersion; }
int zbx_module_init(void) { return kOk; }
int zbx_module_uninit(void) { return kOk; }
metric_t* zbx_module_item_list(void) { return items; }
