#include "openapi/document.h"

namespace mk::api {
namespace {

struct Words {
  std::string_view field, text;
};

// Each begins with the field's name as Kubernetes' documentation has it: people search for it.
constexpr Words kWords[] = {
    {"annotations",
     "Annotations is a map of keys and values that tools keep with the object; nothing is selected by them."},
    {"creationTimestamp",
     "CreationTimestamp is a timestamp of when the server made the object, in RFC 3339 and UTC. Read-only."},
    {"deletionGracePeriodSeconds",
     "Number of seconds that the object has for an orderly end before it is removed. Read-only."},
    {"deletionTimestamp",
     "DeletionTimestamp is the time at which the object will be removed; set by the server when a deletion "
     "was asked for. Read-only."},
    {"finalizers",
     "Finalizers must all be gone before the object is removed; each is taken away by the component that it "
     "names."},
    {"generateName",
     "GenerateName is a prefix from which the server makes a unique name, used when no name is given."},
    {"generation", "A number that grows with each change of what is wanted. Read-only."},
    {"labels", "Labels are keys and values by which objects are organized and selected."},
    {"managedFields",
     "ManagedFields says which manager wrote which fields; kept by the server for server-side apply."},
    {"name", "Name is unique within a namespace, and given when the object is made. It cannot be changed."},
    {"namespace",
     "Namespace is the space within which names are unique. Empty for objects of the whole cluster. It "
     "cannot be changed."},
    {"ownerReferences",
     "List of objects that this object depends on. When all of them are gone, it is collected. At most one "
     "of them is its controller."},
    {"resourceVersion",
     "An opaque value that tells versions of the object apart, for watches and for updates that must not "
     "overwrite others. Read-only."},
    {"selfLink", "Deprecated: selfLink is no longer set by the server."},
    {"uid", "UID tells this object from all others that ever had its name. Read-only."},
};

}  // namespace

void describe_metadata(Json& definitions) {
  auto* fields = definitions.if_object();
  auto* meta = fields ? fields->if_contains("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta") : nullptr;
  if (!meta) return;
  set(*meta, "description", "ObjectMeta is what every object that is kept has, whatever its kind.");
  for (const auto& [field, words] : kWords) {
    const std::string path = "properties." + std::string(field);
    if (find(*meta, path)) set(*meta, path + ".description", text(words));
  }
}

}  // namespace mk::api
