// SPDX-License-Identifier: MIT
#include "bulk/partial_result.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "base/checksum/crc.h"
#include "base/checksum/digest.h"
#include "base/json/writer.h"
#include "base/log.h"
#include "base/text/ascii.h"
#include "base/text/base64.h"
#include "base/text/utf8.h"
#include "base/vectors.h"
#include "bulk/earlier_lines.h"
#include "bulk/output_names.h"

namespace photovec::bulk {
namespace {

constexpr size_t kPiece = size_t{1} << 20;

uint64_t HeaderBytes() { return NpyHeader(0, 0).size(); }
uint64_t RowsBytes(const Checkpoint& at, int columns) {
  return HeaderBytes() + static_cast<uint64_t>(at.rows) * static_cast<uint64_t>(columns) * sizeof(float);
}

Status CannotRead(const std::string& path) {
  return {errno == ENOENT ? Code::kNotFound : Code::kUnavailable,
          "cannot read " + path + ": " + std::strerror(errno)};
}

/// Reads on to an offset and brings its CRC up to there.
class CrcReader {
 public:
  CrcReader(const std::string& path, uint64_t begin)
      : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)), at_(begin), piece_(kPiece) {}

  /// False when the file ends before, or cannot be read.
  bool ReadTo(uint64_t end) {
    while (at_ < end) {
      const size_t wanted = std::min<uint64_t>(piece_.size(), end - at_);
      const ssize_t got = pread(file_.get(), piece_.data(), wanted, static_cast<off_t>(at_));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      crc_ = Crc32c({piece_.data(), static_cast<size_t>(got)}, crc_);
      at_ += static_cast<uint64_t>(got);
    }
    return at_ == end;
  }
  uint32_t crc() const { return crc_; }

 private:
  FileDescriptor file_;
  uint64_t at_;
  std::vector<uint8_t> piece_;
  uint32_t crc_ = 0;
};

/// The last checkpoint up to which the files hold what was written.
Checkpoint LastWhole(const std::string& folder, const std::vector<Checkpoint>& checkpoints, int columns) {
  CrcReader rows(folder + kRowsName, HeaderBytes());
  CrcReader lines(folder + kLinesName, 0);
  CrcReader files(folder + kFilesName, 0);
  Checkpoint whole;
  for (const Checkpoint& next : checkpoints) {
    const bool read = rows.ReadTo(RowsBytes(next, columns)) && lines.ReadTo(next.lines_bytes) &&
                      files.ReadTo(next.files_bytes);
    if (!read || rows.crc() != next.rows_crc || lines.crc() != next.lines_crc ||
        files.crc() != next.files_crc) {
      log::warn("{} is damaged behind image {}: going on from there", folder, whole.lines);
      return whole;
    }
    whole = next;
  }
  return whole;
}

}  // namespace

std::string ResultDigests::Generation() const {
  Sha256 both;
  both.Update(npy.sha256);
  both.Update(jsonl.sha256);
  return both.HexDigest().substr(0, 16);
}

Result<FileDigest> DigestFile(const std::string& path, uint64_t skip, uint32_t* crc) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return CannotRead(path);
  Sha256 hasher;
  FileDigest digest;
  std::vector<uint8_t> piece(kPiece);
  while (true) {
    const ssize_t got = read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CannotRead(path);
    if (got == 0) break;
    const std::span<const uint8_t> bytes(piece.data(), static_cast<size_t>(got));
    hasher.Update(bytes);
    const uint64_t left_out = skip > digest.bytes ? std::min<uint64_t>(skip - digest.bytes, bytes.size()) : 0;
    if (crc != nullptr) *crc = Crc32c(bytes.subspan(left_out), *crc);
    digest.bytes += bytes.size();
  }
  const auto hash = hasher.Digest();
  if (!hash) return Status(Code::kUnavailable, "SHA-256 of " + path + " failed: is OpenSSL crippled?");
  digest.sha256 = HexEncode(*hash);
  return digest;
}

Result<std::unique_ptr<PartialResult>> PartialResult::Create(const std::string& folder, const RunFacts& run,
                                                             int columns, const std::string& name_key) {
  if (mkdir(folder.c_str(), 0777) != 0) {
    return Status(Code::kUnavailable, "cannot make " + folder + ": " + std::strerror(errno));
  }
  std::unique_ptr<PartialResult> partial(new PartialResult(folder, columns, name_key));
  RETURN_IF_ERROR(partial->OpenFiles());
  ASSIGN_OR_RETURN(partial->journal_, Journal::Create(folder + kJournalName, run));
  // The names too, up to the folder that the user named.
  RETURN_IF_ERROR(SyncFolder(folder));
  RETURN_IF_ERROR(SyncFolder(FolderOf(folder)));
  RETURN_IF_ERROR(SyncFolder(FolderOf(FolderOf(folder))));
  return partial;
}

Result<std::unique_ptr<PartialResult>> PartialResult::Open(const std::string& folder,
                                                           const JournalContent& journal, int columns,
                                                           const std::string& name_key) {
  std::unique_ptr<PartialResult> partial(new PartialResult(folder, columns, name_key));
  partial->saved_ = partial->now_ = LastWhole(folder, journal.checkpoints, columns);
  RETURN_IF_ERROR(partial->OpenFiles());
  // What the journal says behind it is cut, too: of bytes that are not there any more.
  const uint64_t keep = partial->now_.lines > 0 ? partial->now_.journal_end : journal.head_end;
  ASSIGN_OR_RETURN(partial->journal_, Journal::Open(folder + kJournalName, keep));
  return partial;
}

// Cuts them at now_.
Status PartialResult::OpenFiles() {
  const bool begun = now_.lines > 0;
  ASSIGN_OR_RETURN(rows_, AppendFile::Open(folder_ + kRowsName, begun ? RowsBytes(now_, columns_) : 0));
  ASSIGN_OR_RETURN(lines_, AppendFile::Open(folder_ + kLinesName, now_.lines_bytes));
  ASSIGN_OR_RETURN(files_, AppendFile::Open(folder_ + kFilesName, now_.files_bytes));
  return begun ? Status::Ok() : rows_->Append(NpyHeader(0, columns_));
}

Status PartialResult::Add(const Found& found, const pipeline::ItemResult& result) {
  std::string line;
  json::Writer writer(line);
  writer.BeginObject().Field(name_key_, found.path);
  if (!IsValidUtf8(found.path)) writer.Field(name_key_ + "_base64", Base64Encode(AsBytes(found.path)));
  writer.Key("row");
  if (result.status.ok()) {
    writer.Value(now_.rows);
    RETURN_IF_ERROR(AddRow(result.embedding));
  } else {
    writer.Null();
    ++now_.failures[std::string(result.status.name())];
  }
  writer.Key("error").Error(result.status);
  if (result.damaged()) {
    writer.Field("damaged", true).Field("rows_ok", result.rows_ok);
    ++now_.damaged;
  }
  writer.EndObject();
  line += '\n';
  RETURN_IF_ERROR(lines_->Append(line));
  now_.lines_crc = Crc32c(AsBytes(line), now_.lines_crc);
  now_.lines_bytes += line.size();
  const std::string record = FileRecord(found);
  RETURN_IF_ERROR(files_->Append(record));
  now_.files_crc = Crc32c(AsBytes(record), now_.files_crc);
  now_.files_bytes += record.size();
  ++now_.lines;
  return Status::Ok();
}

Status PartialResult::AddRow(std::span<const float> row) {
  if (row.size() != static_cast<size_t>(columns_)) {
    return {Code::kInternal, rows_->path() + ": a row of " + std::to_string(row.size()) +
                                 " floats among rows of " + std::to_string(columns_)};
  }
  const std::string_view bytes = FloatBytes(row);
  now_.rows_crc = Crc32c(AsBytes(bytes), now_.rows_crc);
  ++now_.rows;
  return rows_->Append(bytes);
}

Status PartialResult::SaveCheckpoint(int64_t milliseconds) {
  now_.milliseconds = milliseconds;
  RETURN_IF_ERROR(rows_->OverwriteAt(0, NpyHeader(now_.rows, columns_)));
  RETURN_IF_ERROR(rows_->Sync());
  RETURN_IF_ERROR(lines_->Sync());
  RETURN_IF_ERROR(files_->Sync());
  RETURN_IF_ERROR(journal_->Add(now_));
  saved_ = now_;
  return Status::Ok();
}

Result<ResultDigests> PartialResult::Seal(int64_t milliseconds) {
  RETURN_IF_ERROR(SaveCheckpoint(milliseconds));
  ResultDigests digests;
  uint32_t rows_crc = 0;
  uint32_t lines_crc = 0;
  ASSIGN_OR_RETURN(digests.npy, DigestFile(rows_->path(), HeaderBytes(), &rows_crc));
  ASSIGN_OR_RETURN(digests.jsonl, DigestFile(lines_->path(), 0, &lines_crc));
  if (rows_crc != now_.rows_crc || lines_crc != now_.lines_crc) {
    return Status(Code::kUnavailable,
                  (rows_crc != now_.rows_crc ? rows_ : lines_)->path() +
                      " does not hold what was written to it: look at the disk, and at who else "
                      "writes there; --resume goes on from what is whole");
  }
  return digests;
}

Status PartialResult::Finish(const std::string& meta_json) {
  ASSIGN_OR_RETURN(const auto meta, AtomicFile::Create(folder_ + kMetaName));
  RETURN_IF_ERROR(meta->Append(meta_json));
  RETURN_IF_ERROR(meta->Commit());
  return journal_->AddFinished();
}

}  // namespace photovec::bulk
