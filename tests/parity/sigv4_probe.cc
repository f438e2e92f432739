// SPDX-License-Identifier: MIT
// Signs what standard input says, for comparison with botocore. Lines of fields in base64, separated by
// spaces:
//   s3  ID SECRET TOKEN REGION ENDPOINT ADDRESSING SECONDS BUCKET KEY    ->  URL and headers, by tabs
//   any ID SECRET REGION SERVICE SECONDS METHOD PATH QUERY HASH NAME VALUE ...  ->  the Authorization header
#include <chrono>
#include <future>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/text/base64.h"
#include "fetch/s3/sigv4.h"
#include "fetch/s3/source.h"

namespace {

using namespace photovec;
using namespace photovec::fetch;
using Fields = std::vector<std::string>;

class NoNetwork final : public HttpCaller {
 public:
  Result<HttpAnswer> Call(const HttpCall& /*call*/) const override {
    return Status(Code::kSourceFailed, "the probe has no network");
  }
};

std::chrono::system_clock::time_point At(const std::string& seconds) {
  return std::chrono::system_clock::time_point(std::chrono::seconds(std::stoll(seconds)));
}

std::string SignS3(const Fields& f) {
  const std::map<std::string, std::string> variables = {
      {"AWS_ACCESS_KEY_ID", f.at(0)}, {"AWS_SECRET_ACCESS_KEY", f.at(1)}, {"AWS_SESSION_TOKEN", f.at(2)}};
  S3Options options;
  options.allowed_buckets = {"*"};
  options.region = f.at(3);
  options.endpoint = f.at(4);
  if (f.at(5) == "path") options.addressing = S3Options::Addressing::kPath;
  if (f.at(5) == "virtual") options.addressing = S3Options::Addressing::kVirtual;
  const auto lookup = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  auto source =
      MakeS3Source(options, std::make_shared<NoNetwork>(), lookup, [when = At(f.at(6))] { return when; });
  if (!source.ok()) return source.status().ToString();
  auto object = (*source)->Open("s3://" + f.at(7) + "/" + f.at(8));
  if (!object.ok()) return object.status().ToString();
  std::promise<SourceObject::Headers> promise;
  (*object)->Sign([&](SourceObject::Headers headers) { promise.set_value(std::move(headers)); });
  const auto headers = promise.get_future().get();
  if (!headers.ok()) return headers.status().ToString();
  std::string line = (*object)->url();
  for (const std::string& header : *headers) line += "\t" + header;
  return line;
}

std::string SignAny(const Fields& f) {
  SigV4Request request;
  request.region = f.at(2);
  request.service = f.at(3);
  request.date = SigV4Date(At(f.at(4)));
  request.method = f.at(5);
  request.path = f.at(6);
  request.query = f.at(7);
  request.payload_sha256 = f.at(8);
  for (size_t i = 9; i + 1 < f.size(); i += 2) request.headers.emplace_back(f.at(i), f.at(i + 1));
  return SigV4Authorization(request, {f.at(0), f.at(1), ""});
}

}  // namespace

int main() {
  if (!InitLogging("off").ok()) return 1;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    Fields fields;
    for (std::string word; words >> word;) {
      const auto field = Base64Decode(word == "-" ? "" : word);
      if (!field.ok()) {
        std::cerr << field.status().ToString() << "\n";
        return 1;
      }
      fields.push_back(*field);
    }
    std::cout << (kind == "s3" ? SignS3(fields) : SignAny(fields)) << "\n";
  }
  return 0;
}
