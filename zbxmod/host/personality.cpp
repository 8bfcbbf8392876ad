// The symbols that one version of Zabbix exports, as a module finds them with dlsym(RTLD_DEFAULT, ...): built
// once per version with ZABBIX = major * 100 + minor, and loaded into the global scope by zbxmod-host. No
// function here does what Zabbix's does, but the log's: a module may look for the others, not call them.
#include <cstdarg>

#define HOST_SYMBOL __attribute__((visibility("default")))

extern "C" {

// Set by zbxmod-host; not a symbol of Zabbix.
HOST_SYMBOL void (*zbxmod_host_log)(int level, const char* format, va_list arguments) = nullptr;

HOST_SYMBOL int CONFIG_TIMEOUT = 3;
HOST_SYMBOL unsigned char process_type = 0;
HOST_SYMBOL int process_num = 0;
HOST_SYMBOL int server_num = 0;
HOST_SYMBOL const char* progname = "zbxmod-host";

[[maybe_unused]] static constexpr int kLogLevel = 3;  // Zabbix's default DebugLevel, warnings

[[maybe_unused]] static void write_log(int level, const char* format, va_list arguments) {
  if (zbxmod_host_log != nullptr) zbxmod_host_log(level, format, arguments);
}

#if ZABBIX <= 300
HOST_SYMBOL int load_modules() { return -1; }
#else
HOST_SYMBOL int zbx_load_modules() { return -1; }
#endif

#if ZABBIX >= 300 && ZABBIX < 700
HOST_SYMBOL unsigned char program_type = 8;
HOST_SYMBOL __attribute__((format(printf, 2, 3))) void __zbx_zabbix_log(int level, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_log(level, format, arguments);
  va_end(arguments);
}
#endif

#if ZABBIX < 400
HOST_SYMBOL int zabbix_check_log_level(int level) { return level == 127 || level <= kLogLevel ? 0 : -1; }
#elif ZABBIX < 700
HOST_SYMBOL int zbx_log_level = kLogLevel;
#else
HOST_SYMBOL int zbx_get_log_level() { return kLogLevel; }
HOST_SYMBOL __attribute__((format(printf, 2, 3))) void zbx_log_handle(int level, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_log(level, format, arguments);
  va_end(arguments);
}
HOST_SYMBOL void zbx_log_impl(int level, const char* format, va_list arguments) {
  write_log(level, format, arguments);
}
HOST_SYMBOL int zbx_validate_item_timeout() { return -1; }
#endif

#if ZABBIX >= 504 && ZABBIX < 700
HOST_SYMBOL int zbx_get_report_nextcheck() { return -1; }
#endif

#if ZABBIX < 604
HOST_SYMBOL int process() { return -1; }
#else
HOST_SYMBOL int zbx_execute_agent_check() { return -1; }
#endif

}  // extern "C"
