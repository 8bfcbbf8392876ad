// A whole module: example.echo[text] answers with the text.
#include <string_view>

#include "zbxmod/module.h"

namespace {

std::string_view echo(std::string_view text) { return text; }

constexpr zbxmod::Item items[] = {
    zbxmod::item<echo>("example.echo", zbxmod::text("text").may_be_empty()).test("hello"),
};

}  // namespace

ZBXMOD_MODULE(items)
