#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mk/api/types.h"

// What the wire form of a message is and which JSON field each of its fields becomes.
namespace mk::api::protobuf {

enum class Label : std::uint8_t { kOptional, kRepeated, kMap };
enum class Scalar : std::uint8_t { kString, kBytes, kInt32, kInt64, kBool, kDouble, kMessage };

// How a message looks in JSON; all but kPlain are no JSON objects of its fields.
enum class Form : std::uint8_t {
  kPlain,
  kTime,  // {seconds, nanos} <-> RFC 3339
  kMicroTime,
  kDuration,         // {duration: nanoseconds} <-> "1m30s"
  kQuantity,         // {string}
  kIntOrString,      // {type, intVal, strVal}
  kRaw,              // {raw}: JSON text (RawExtension, FieldsV1, apiextensions' JSON)
  kItems,            // {items}: a list that is the value of a map (ExtraValue, Verbs)
  kSchemaOrArray,    // {schema, jSONSchemas}
  kSchemaOrBool,     // {allows, schema}
  kSchemaOrStrings,  // {schema, property}
};

struct Message;

struct Field {
  std::string_view name;  // in JSON; lives as long as the program
  const Message* message = nullptr;
  std::uint32_t number = 0;
  Label label = Label::kOptional;
  Scalar scalar = Scalar::kString;  // of the element, or of a map's value
  bool inlined = false;             // the fields of `message` stand in the JSON of the message around it
  bool presence = false;            // zero is a value of its own, not "unset"
  bool zero_shown = false;          // the JSON form has the field even when it is zero
};

struct Message {
  std::string_view name;
  Form form = Form::kPlain;
  std::vector<Field> fields;  // sorted by number

  const Field* by_number(std::uint64_t number) const;
};

// The message of a kind, with every message it uses; nullptr when there is none.
const Message* find_message(const Gvk& kind);
// The same by the message's own name.
const Message* find_message(std::string_view name);

}  // namespace mk::api::protobuf
