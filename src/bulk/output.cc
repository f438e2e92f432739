// SPDX-License-Identifier: MIT
#include "bulk/output.h"

#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/json/writer.h"
#include "base/text/base64.h"
#include "base/text/utf8.h"

namespace photovec::bulk {

Result<std::unique_ptr<EmbedOutput>> EmbedOutput::Create(const std::string& npy_path) {
  constexpr std::string_view kSuffix = ".npy";
  if (npy_path.size() <= kSuffix.size() || !npy_path.ends_with(kSuffix)) {
    return Status(Code::kInvalidRequest, "the output '" + npy_path + "' must be the name of a .npy file");
  }
  const std::string stem = npy_path.substr(0, npy_path.size() - kSuffix.size());
  std::unique_ptr<EmbedOutput> output(new EmbedOutput());
  ASSIGN_OR_RETURN(output->vectors_, NpyWriter::Create(npy_path));
  ASSIGN_OR_RETURN(output->lines_, AtomicFile::Create(stem + ".jsonl"));
  ASSIGN_OR_RETURN(output->meta_, AtomicFile::Create(stem + ".meta.json"));
  return output;
}

Status EmbedOutput::Add(const std::string& path, const pipeline::ItemResult& result) {
  std::string line;
  json::Writer writer(line);
  writer.BeginObject().Field("path", path);
  if (!IsValidUtf8(path)) writer.Field("path_base64", Base64Encode(AsBytes(path)));
  writer.Key("row");
  if (result.status.ok()) {
    writer.Value(vectors_->rows());
    RETURN_IF_ERROR(vectors_->Append(result.embedding));
  } else {
    writer.Null();
  }
  writer.Key("error").Error(result.status).EndObject();
  ++line_count_;
  return lines_->Append(line += '\n');
}

Status EmbedOutput::Commit(int dimensions, const std::string& meta_json) {
  RETURN_IF_ERROR(meta_->Append(meta_json));
  RETURN_IF_ERROR(lines_->Commit());
  RETURN_IF_ERROR(meta_->Commit());
  return vectors_->Commit(dimensions);  // last: who sees it finds the other two
}

}  // namespace photovec::bulk
