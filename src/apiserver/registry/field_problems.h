#pragma once

#include "registry/context.h"

// Fields that a request has and its kind has not, or that it has twice: what strict field validation
// (fieldValidation=Strict|Warn|Ignore) makes of them.
namespace mk::apiserver {

// An error, warnings, or nothing.
Result<void> report_problems(WriteContext& context, api::FieldProblems problems);
// The same for what an apply's YAML says twice.
Result<void> report_applied_twice(WriteContext& context);
// An apply refuses fields that its kind has not, whatever the client wants of field validation.
Error undeclared_fields(const WriteContext& context, const api::FieldProblems& unknown);

// `Foo in version "v1" cannot be handled as a Foo`, before what is wrong.
std::string cannot_be_handled(const WriteContext& context);

}  // namespace mk::apiserver
