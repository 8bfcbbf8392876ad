// An env file: KEY=VALUE lines, such as /etc/zabbix/aws.env. Pure: text in, variables out. The values may be
// secrets, so an error names the file and the line's number and nothing of the line.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bakusoku::aws {

/// Format: `KEY=VALUE`, also `export KEY=VALUE`; blanks around both are dropped; 'single quotes' keep
/// everything, "double quotes" know \" \\ \$ \`; lines that start with # are comments, as is what follows a
/// blank and # after an unquoted value; CR LF is a line end. Nothing is expanded. A key that comes twice: the
/// later wins. Errors: invalid.
[[nodiscard]] Result<std::map<std::string, std::string, std::less<>>> parse_env_file(std::string_view text,
                                                                                     std::string_view path);

}  // namespace bakusoku::aws
