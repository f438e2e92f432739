// SPDX-License-Identifier: MIT
#include "experiment/store/object_reply.h"

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <ctime>
#include <utility>

#include "base/json/writer.h"
#include "base/text/utf8.h"
namespace photovec::experiment {
namespace {

namespace bjson = boost::json;

/// How each API words a failure.
struct Failure {
  int status;
  std::string_view phrase;
  std::string_view gcs_reason;
  std::string_view s3_code;
};

constexpr std::array<Failure, 7> kFailures = {{
    {400, "Bad Request", "invalid", "InvalidRequest"},
    {403, "Forbidden", "forbidden", "AccessDenied"},
    {404, "Not Found", "notFound", "NoSuchKey"},
    {405, "Method Not Allowed", "methodNotAllowed", "MethodNotAllowed"},
    {416, "Range Not Satisfiable", "requestedRangeNotSatisfiable", "InvalidRange"},
    {500, "Internal Server Error", "internalError", "InternalError"},
    {503, "Service Unavailable", "backendError", "ServiceUnavailable"},
}};

const Failure& FailureOf(int status) {
  for (const Failure& failure : kFailures) {
    if (failure.status == status) return failure;
  }
  return FailureOf(500);  // kSourceFailed (502 elsewhere): a store that cannot read its disk says 500
}

std::string_view Phrase(int status) {
  return status == 200 ? "OK" : status == 206 ? "Partial Content" : FailureOf(status).phrase;
}

std::string XmlText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out +=
          static_cast<unsigned char>(c) < 0x20 ? '?' : c;  // XML 1.0 has no way to write control characters
    }
  }
  return out;
}

struct TextBody {
  std::string_view type;
  std::string text;
};

TextBody ErrorBody(StoreApi api, const Failure& failure, const std::string& message,
                   const std::string& object) {
  const std::string name = IsValidUtf8(object) ? object : std::string();
  const std::string about = name.empty() ? message : message + ": " + name;
  if (api == StoreApi::kGcs) {
    const std::string quoted = json::String(about);
    std::string text = R"({"error":{"code":)" + std::to_string(failure.status) + R"(,"message":)" + quoted;
    text += R"(,"errors":[{"message":)" + quoted + R"(,"domain":"global","reason":")";
    text += std::string(failure.gcs_reason) + "\"}]}}\n";
    return {"application/json; charset=UTF-8", std::move(text)};
  }
  if (api == StoreApi::kS3) {
    std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>";
    text += std::string(failure.s3_code) + "</Code><Message>" + XmlText(message) + "</Message>";
    if (!name.empty()) text += "<Key>" + XmlText(name) + "</Key>";
    return {"application/xml", text + "</Error>\n"};
  }
  return {"text/plain; charset=utf-8", about + "\n"};
}

/// "2026-01-31T08:15:00.000Z", as GCS writes times.
std::string Rfc3339(int64_t ns) {
  const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);  // digits: no locale
  const std::string millis = std::to_string(ns / 1'000'000 % 1000);
  return std::string(text.data(), n) + "." + std::string(3 - millis.size(), '0') + millis + "Z";
}

std::string Generation(const StoredObject& file) {
  return std::to_string(file.identity().modified_ns / 1000);
}

std::string Metadata(const std::string& bucket, const std::string& name, const StoredObject& file) {
  const std::string generation = Generation(file);
  const std::string time = Rfc3339(file.identity().modified_ns);
  const auto text = [](std::string_view value) { return bjson::string_view(value.data(), value.size()); };
  const bjson::object object = {
      {"kind", "storage#object"},
      {"id", bucket + "/" + name + "/" + generation},
      {"name", name},
      {"bucket", bucket},
      {"generation", generation},
      {"metageneration", "1"},
      {"contentType", text(file.content_type())},
      {"storageClass", "STANDARD"},
      {"size", std::to_string(file.bytes().size())},
      {"md5Hash", file.digest().md5_base64},
      {"crc32c", file.digest().crc32c_base64},
      {"etag", file.digest().md5_hex},
      {"timeCreated", time},
      {"updated", time},
  };
  return bjson::serialize(object) + "\n";
}

void AddLine(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

void BeginHead(ObjectReply& reply, std::string_view type, uint64_t length, Persistence persistence) {
  std::string& head = reply.head;
  head.reserve(512);
  head.append("HTTP/1.1 ").append(std::to_string(reply.status)).append(" ").append(Phrase(reply.status));
  head.append("\r\n");
  AddLine(head, "Content-Type", type);
  AddLine(head, "Content-Length", std::to_string(length));
  AddLine(head, "Connection", persistence == Persistence::kKeepAlive ? "keep-alive" : "close");
}

void AddTextBody(ObjectReply& reply, TextBody body, bool with_body) {
  reply.text = std::make_unique<const std::string>(std::move(body.text));
  if (with_body) reply.body = *reply.text;
}

void SetError(ObjectReply& reply, int status, const std::string& message, bool with_body,
              Persistence persistence) {
  reply.status = FailureOf(status).status;
  TextBody body = ErrorBody(reply.api, FailureOf(status), message, reply.object);
  BeginHead(reply, body.type, body.text.size(), persistence);
  if (reply.status == 405) AddLine(reply.head, "Allow", "GET, HEAD");
  if (reply.status == 416) {
    AddLine(reply.head, "Content-Range", "bytes */" + std::to_string(reply.file->bytes().size()));
  }
  reply.head += "\r\n";
  AddTextBody(reply, std::move(body), with_body);
}

struct Lookup {
  Status status;
  std::string bucket;
  bool metadata = false;
};

/// Fills api, object and file of the reply.
Lookup Locate(std::string_view target, ObjectFiles& files, ObjectReply& reply) {
  Lookup lookup;
  reply.api = IsGcsTarget(target) ? StoreApi::kGcs : StoreApi::kPlain;
  Result<ObjectTarget> parsed = ParseTarget(target);
  if (!parsed.ok()) {
    lookup.status = parsed.status();
    return lookup;
  }
  lookup.bucket = parsed->bucket;
  lookup.metadata = parsed->metadata;
  reply.object = std::move(parsed->path);
  Result<std::shared_ptr<const StoredObject>> found = files.Find(reply.object);
  const size_t slash = reply.object.find('/');
  const bool may_be_s3 = reply.api == StoreApi::kPlain && slash != std::string::npos && slash > 0;
  if (!found.ok() && found.status().code() == Code::kNotFound && may_be_s3 &&
      !files.IsFolder(reply.object.substr(0, slash))) {
    reply.api = StoreApi::kS3;
    lookup.bucket = reply.object.substr(0, slash);
    reply.object.erase(0, slash + 1);
    found = files.Find(reply.object);
  }
  lookup.status = found.status();
  if (found.ok()) reply.file = *std::move(found);
  return lookup;
}

void SetFile(ObjectReply& reply, const ObjectRequest& request, bool with_body, Persistence persistence) {
  const StoredObject& file = *reply.file;
  const std::string etag = "\"" + file.digest().md5_hex + "\"";
  const uint64_t size = file.bytes().size();
  // RFC 9110 §14.2: Range means something for GET only; §13.1.5: and only while If-Range still holds.
  const bool ranged = with_body && (request.if_range.empty() || request.if_range == etag);
  const ByteRange range = ParseRange(ranged ? request.range : std::string_view(), size);
  if (range.unsatisfiable) {
    SetError(reply, 416, "the object has " + std::to_string(size) + " bytes", with_body, persistence);
    return;
  }
  reply.status = range.partial ? 206 : 200;
  BeginHead(reply, file.content_type(), range.end - range.begin, persistence);
  AddLine(reply.head, "ETag", etag);
  AddLine(reply.head, "Accept-Ranges", "bytes");
  if (range.partial) {
    AddLine(reply.head, "Content-Range",
            "bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) + "/" +
                std::to_string(size));
  }
  AddLine(reply.head, "x-goog-hash",
          "crc32c=" + file.digest().crc32c_base64 + ",md5=" + file.digest().md5_base64);
  AddLine(reply.head, "x-goog-generation", Generation(file));
  reply.head += "\r\n";
  if (with_body) reply.body = file.bytes().substr(range.begin, range.end - range.begin);
}

int StatusOf(Code code) { return code == Code::kSourceFailed ? 500 : HttpStatus(code); }

}  // namespace

ObjectReply MakeObjectReply(const ObjectRequest& request, ObjectFiles& files, bool outage,
                            Persistence persistence) {
  ObjectReply reply;
  const bool with_body = request.method != "HEAD";
  const Lookup lookup = Locate(request.target, files, reply);
  if (request.method != "GET" && request.method != "HEAD") {
    SetError(reply, 405, "this store is read only: GET and HEAD", with_body, persistence);
  } else if (outage) {
    SetError(reply, 503, "an outage that --error-rate asked for", with_body, persistence);
  } else if (!lookup.status.ok()) {
    SetError(reply, StatusOf(lookup.status.code()), lookup.status.message(), with_body, persistence);
  } else if (lookup.metadata) {
    TextBody body{"application/json; charset=UTF-8", Metadata(lookup.bucket, reply.object, *reply.file)};
    BeginHead(reply, body.type, body.text.size(), persistence);
    reply.head += "\r\n";
    AddTextBody(reply, std::move(body), with_body);
  } else {
    SetFile(reply, request, with_body, persistence);
  }
  return reply;
}

ObjectReply MalformedReply(std::string_view why) {
  ObjectReply reply;
  SetError(reply, 400, "the request is not HTTP/1.1: " + std::string(why), true, Persistence::kClose);
  return reply;
}

}  // namespace photovec::experiment
