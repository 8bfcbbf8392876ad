#include "aws/xml.h"

namespace bakusoku::aws {

Result<pugi::xml_node> load_xml(pugi::xml_document& document, std::string_view xml, const char* root) {
  const pugi::xml_parse_result parsed =
      document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed) {
    return fail(ErrorKind::corrupt, "the answer is not well-formed XML: {} at byte {}", parsed.description(),
                parsed.offset);
  }
  const pugi::xml_node node = document.child(root);
  if (!node) return fail(ErrorKind::corrupt, "the answer is XML, but not a {}", root);
  return node;
}

}  // namespace bakusoku::aws
