// expects: the handler takes const zbxmod::Request& and nothing else
#include "zbxmod/module.h"

#ifdef RIGHT
static int count(const zbxmod::Request& request) { return request.count(); }
#else
static int count(std::string_view text) { return static_cast<int>(text.size()); }
#endif

constexpr zbxmod::Item items[] = {zbxmod::item<count>("my.count", zbxmod::any_parameters)};
ZBXMOD_MODULE(items)
