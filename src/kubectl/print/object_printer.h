#pragma once

#include <memory>
#include <ostream>
#include <string>

#include "mk/api/json.h"
#include "mk/api/resource.h"
#include "print/jsonpath.h"
#include "print/tab_writer.h"

namespace mk::kubectl {

// -o json|yaml|name|jsonpath=...|custom-columns=...: prints objects one after the other.
class ObjectPrinter {
 public:
  virtual ~ObjectPrinter() = default;
  virtual Result<void> print(const api::Json& object, std::ostream& out) = 0;
};

struct PrinterOptions {
  std::string output;  // as given to -o
  bool no_headers = false, show_managed_fields = false;
};

// nullptr for "" and "wide": a table. `unable to match a printer suitable for the output format "x"`
// otherwise.
Result<std::unique_ptr<ObjectPrinter>> make_printer(const PrinterOptions& options);

// Keys in order, as Go prints maps.
api::Json sort_keys(const api::Json& value);
// The kind "List" that `-o json` prints for several objects.
api::Json make_list(api::JsonArray items);
// "deployment.apps/x" from an object's apiVersion and kind.
std::string type_and_name(const api::Json& object);

}  // namespace mk::kubectl
