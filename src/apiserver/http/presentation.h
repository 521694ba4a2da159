#pragma once

#include "http/call.h"
#include "registry/lister.h"

// Other forms of objects and lists than their own bytes: metav1.Table and PartialObjectMetadata.
namespace mk::apiserver {

api::Json present_object(const Call& call, const api::Object& object);
// A whole list as one document, for what is not plain JSON.
api::Json present_list(const Call& call, const ListResult& list);
// The list in protobuf. kInternalError for a kind without such a form.
rt::Task<Result<std::vector<SharedBytes>>> protobuf_list_chunks(const api::ResourceInfo& resource,
                                                                const ListResult& list);
// A list as its items' shared bytes between a head and a tail.
std::vector<SharedBytes> list_chunks(const api::ResourceInfo& resource, const ListResult& list);

}  // namespace mk::apiserver
