#include "mk/api/table.h"

#include "fuzz/lines.h"
#include "fuzz/target.h"
#include "mk/api/schema.h"
#include "mk/base/assert.h"

// An object of any kind as a row: one cell for each column, as it comes and as it is decoded.
MK_FUZZ_TARGET(table, input) {
  using namespace mk::api;
  auto lines = json_lines(input, 1);
  if (lines.empty()) return;
  const Gvk kind = parse_gvk(str(lines[0], "apiVersion"), str(lines[0], "kind"));
  constexpr std::int64_t kNow = 1'800'000'000;
  MK_ASSERT(table_cells(kind, lines[0], kNow).size() == table_columns(kind).size());
  const auto* type = builtin_schema().type(kind);
  FieldProblems unknown;
  if (type == nullptr || !decode(*type, lines[0], unknown).ok()) return;
  MK_ASSERT(table_cells(kind, lines[0], kNow).size() == table_columns(kind).size());
}
