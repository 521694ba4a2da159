#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/types.h"
#include "mk/base/bytes.h"

// Kubernetes' protobuf form of the built-in API: "k8s\0" and a runtime.Unknown envelope around the message of
// the kind. Made from and turned into JSON as Kubernetes' own types would write it. Tables are built for a
// kind when it is first used; a process that never meets protobuf pays nothing. Thread-safe.
namespace mk::api {

inline constexpr std::string_view kProtobufMediaType = "application/vnd.kubernetes.protobuf";

// True if the kind has a message: built-in kinds, their lists, Status, the option kinds; no CRD, no Table.
bool has_protobuf(const Gvk& kind);

// An object with apiVersion and kind from the envelope. Zero values of fields without presence are left out,
// as Go's omitempty does, so that defaults apply. Unknown fields are skipped. Memory stays proportional to
// the body. kBadRequest for what is malformed, too deep or of no known kind.
Result<Json> decode_protobuf(std::string_view body);

// kInternalError if the kind has no message or a value does not have its field's type.
Result<std::string> encode_protobuf(const Json& object);

// A list's message, made item by item: no large document, and whoever makes it can pause between items.
class ProtobufList {
 public:
  // `metadata` is the list's ListMeta.
  static Result<ProtobufList> begin(const Gvk& list_kind, const Json& metadata);
  Result<void> add(const Json& item);
  // The whole body as pieces, to be sent in this order.
  std::vector<SharedBytes> finish();

 private:
  explicit ProtobufList(Gvk kind) : kind_(std::move(kind)) {}

  Gvk kind_;
  const void* item_field_ = nullptr;
  std::vector<SharedBytes> pieces_;
  std::size_t size_ = 0;
};

// metav1.WatchEvent as it goes over a stream: the bare message, its object in an envelope of its own. Frames
// (four bytes of big-endian length before each event) are part of the result.
Result<std::string> encode_protobuf_watch_frame(std::string_view type, const Json& object);

}  // namespace mk::api
