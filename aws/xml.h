// Reading the XML of the "query" and "ec2" protocols (pugixml). Pure.
#pragma once

#include <pugixml.hpp>
#include <string_view>

#include "base/result.h"

namespace bakusoku::aws {

/// Parses `xml` into `document` and returns its root element, which must be called `root`. Errors: corrupt.
[[nodiscard]] Result<pugi::xml_node> load_xml(pugi::xml_document& document, std::string_view xml,
                                              const char* root);

}  // namespace bakusoku::aws
