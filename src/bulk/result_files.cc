// SPDX-License-Identifier: MIT
#include "bulk/result_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/json/reader.h"
#include "base/log.h"

namespace photovec::bulk {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMaxMetaBytes = 16 << 20;

/// One of the three files: where it is made, wanted, and kept while it is replaced.
struct Place {
  std::string made;
  std::string wanted;
  std::string replaced;
};

std::array<Place, 3> PlacesOf(const OutputNames& names) {
  const auto place = [&](const char* name, const std::string& wanted) {
    return Place{names.RunFolder() + name, wanted, names.ReplacedFolder() + name};
  };
  return {place(kRowsName, names.npy), place(kLinesName, names.jsonl), place(kMetaName, names.meta)};
}

/// lstat: a name that is a link to nowhere is there, too.
bool Exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

Status Failed(const std::string& what, const std::string& path) {
  return {Code::kUnavailable, "cannot " + what + " " + path + ": " + std::strerror(errno)};
}

bool IsFolder(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool AllInPlace(const OutputNames& names) {
  for (const Place& place : PlacesOf(names)) {
    if (Exists(place.made)) return false;
  }
  return true;
}

/// A second name for a file, or its only one where the file system knows no second names (FAT, SMB).
Status LinkOrMove(const std::string& from, const std::string& to) {
  if (unlink(to.c_str()) != 0 && errno != ENOENT) return Failed("remove", to);
  if (link(from.c_str(), to.c_str()) == 0 || rename(from.c_str(), to.c_str()) == 0) return Status::Ok();
  return Failed("keep the older", from);
}

Status PutForward(const OutputNames& names) {
  if (mkdir(names.ReplacedFolder().c_str(), 0777) != 0 && errno != EEXIST) {
    return Failed("make", names.ReplacedFolder());
  }
  // Everything that may want room on the disk first; then three renames in a row.
  for (const Place& place : PlacesOf(names)) {
    if (!Exists(place.made)) continue;  // in place already
    if (IsFolder(place.wanted)) {
      return {Code::kUnavailable, "cannot write " + place.wanted + ": a folder has that name"};
    }
    if (Exists(place.wanted)) RETURN_IF_ERROR(LinkOrMove(place.wanted, place.replaced));
  }
  for (const Place& place : PlacesOf(names)) {
    if (Exists(place.made) && rename(place.made.c_str(), place.wanted.c_str()) != 0) {
      return Failed("write", place.wanted);
    }
  }
  return SyncFolder(FolderOf(names.npy));
}

// The reverse, from any point of it.
Status PutBack(const OutputNames& names) {
  Status status;
  for (const Place& place : PlacesOf(names)) {
    const bool older = Exists(place.replaced);
    Status step;
    if (!Exists(place.made)) {
      if (older) {
        step = LinkOrMove(place.wanted, place.made);
      } else if (rename(place.wanted.c_str(), place.made.c_str()) != 0) {
        step = Failed("take back", place.wanted);
      }
    }
    if (step.ok() && older && rename(place.replaced.c_str(), place.wanted.c_str()) != 0) {
      step = Failed("put back", place.wanted);
    }
    if (status.ok()) status = step;
  }
  return status;
}

Status RemoveAll(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return {Code::kUnavailable, "cannot remove " + path + ": " + error.message()};
  return Status::Ok();
}

std::string OldFolder(const OutputNames& names) { return names.partial + "/old"; }

Result<boost::json::object> ReadMeta(const std::string& path, std::string& text) {
  auto read = ReadFile(path, kMaxMetaBytes);
  if (!read.ok()) return read.status().WithContext(path);
  text = std::move(*read);
  auto meta = json::ParseObject(text);
  if (!meta.ok()) return meta.status().WithContext(path);
  return meta;
}

boost::json::object ObjectAt(const boost::json::object& from, const char* name) {
  const boost::json::value* value = from.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : boost::json::object();
}

Status CheckFile(const std::string& path, const boost::json::object& files, const char* name,
                 FileDigest& digest) {
  const boost::json::object about = ObjectAt(files, name);
  json::FieldReader wanted(about);
  ASSIGN_OR_RETURN(digest, DigestFile(path));
  const auto bytes = wanted.Int("bytes");
  if (bytes && static_cast<uint64_t>(*bytes) == digest.bytes && wanted.String("sha256") == digest.sha256) {
    return Status::Ok();
  }
  return {Code::kChecksumMismatch,
          path + " (" + std::to_string(digest.bytes) + " bytes, SHA-256 " + digest.sha256.substr(0, 12) +
              "...) is not the file that its .meta.json names (" + std::to_string(bytes.value_or(0)) +
              " bytes, " + std::string(wanted.String("sha256").substr(0, 12)) + "...)"};
}

Result<CheckedResult> CheckAgainst(const boost::json::object& meta, const OutputNames& names) {
  const boost::json::object files = ObjectAt(meta, "files");
  json::FieldReader fields(meta);
  if (files.empty() || fields.String("generation").empty()) {
    return Status(Code::kInvalidRequest,
                  names.meta +
                      " does not say which files it belongs to (photovec 0.1 wrote such): "
                      "embed anew to have a result that can be checked");
  }
  ResultDigests digests;
  RETURN_IF_ERROR(CheckFile(names.npy, files, "npy", digests.npy));
  RETURN_IF_ERROR(CheckFile(names.jsonl, files, "jsonl", digests.jsonl));
  CheckedResult result;
  result.generation = fields.String("generation");
  result.fingerprint = fields.String("fingerprint");
  result.vectors = fields.Int("vectors").value_or(-1);
  result.inputs = fields.Int("inputs").value_or(-1);
  result.failed = fields.Int("failed").value_or(-1);
  if (digests.Generation() != result.generation || !fields.ok()) {
    return Status(Code::kChecksumMismatch,
                  names.meta + " was changed: its generation is not that of its files");
  }
  return result;
}

}  // namespace

Status PutInPlace(const OutputNames& names) {
  if (AllInPlace(names)) return SyncFolder(FolderOf(names.npy));
  const Status put = PutForward(names);
  if (put.ok()) return put;
  const Status back = PutBack(names);
  const std::string left = "; the new result lies whole in " + names.RunFolder() +
                           ", and the same command with --resume puts it in place";
  if (back.ok()) return {put.code(), put.message() + "; what was there before is as it was" + left};
  return {put.code(), put.message() + "; and the older files could not be put back (" + back.message() +
                          "): those under " + names.npy + " do not belong together" + left};
}

Result<Leftover> FindLeftover(const OutputNames& names) {
  Leftover leftover;
  if (!Exists(names.RunFolder()) && Exists(names.NextFolder() + kJournalName)) {
    RETURN_IF_ERROR(TakeNext(names));  // cut between its two steps
  }
  RETURN_IF_ERROR(RemoveAll(names.NextFolder()));
  RETURN_IF_ERROR(RemoveAll(OldFolder(names)));
  if (!Exists(names.RunFolder())) return leftover;
  auto journal = ReadJournal(names.RunFolder() + kJournalName);
  if (!journal.ok()) {
    // Killed before its first line was whole, or while it was removed: nothing to go on with. Of a newer
    // version: not ours to continue.
    log::warn("there is nothing to go on with in {}: {}", names.RunFolder(), journal.status().message());
    return leftover;
  }
  leftover.finished = journal->finished;
  if (!leftover.finished) RETURN_IF_ERROR(RemoveAll(names.ReplacedFolder()));
  leftover.journal = std::move(*journal);
  return leftover;
}

Status RemoveLeftover(const OutputNames& names) {
  RETURN_IF_ERROR(RemoveAll(names.ReplacedFolder()));
  RETURN_IF_ERROR(RemoveAll(names.NextFolder()));
  // The journal last, so that a finished run stays known as one until nothing else is left of it.
  for (const char* name : {kRowsName, kLinesName, kFilesName, kMetaName}) {
    RETURN_IF_ERROR(RemoveAll(names.RunFolder() + name));
  }
  return RemoveAll(names.RunFolder());
}

Status TakeNext(const OutputNames& names) {
  const std::string old = OldFolder(names);
  RETURN_IF_ERROR(RemoveAll(old));
  if (Exists(names.RunFolder()) && rename(names.RunFolder().c_str(), old.c_str()) != 0) {
    return Failed("move", names.RunFolder());
  }
  if (rename(names.NextFolder().c_str(), names.RunFolder().c_str()) != 0) {
    return Failed("move", names.NextFolder());
  }
  RETURN_IF_ERROR(SyncFolder(names.partial));
  return RemoveAll(old);
}

Result<CheckedResult> CheckResult(const OutputNames& names) {
  std::string text;
  ASSIGN_OR_RETURN(boost::json::object meta, ReadMeta(names.meta, text));
  while (true) {
    auto checked = CheckAgainst(meta, names);
    if (checked.ok()) return checked;
    const std::string before = std::exchange(text, "");
    ASSIGN_OR_RETURN(meta, ReadMeta(names.meta, text));
    if (text == before) return checked;
  }
}

}  // namespace photovec::bulk
