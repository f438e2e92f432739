// SPDX-License-Identifier: MIT
// A multipart/form-data body, whole and in pieces: every way of cutting it gives the same calls. Input: two
// bytes that choose the pieces, then the body, whose boundary is "b".
#include <algorithm>
#include <string>
#include <string_view>

#include "fuzz/fuzz_target.h"
#include "net/multipart.h"

namespace photovec::fuzz {
namespace {

/// Writes down what it is told; data of a part in one piece.
class Recorder final : public net::PartSink {
 public:
  Status OnPartBegin(const net::PartHead& head) override {
    Check(!open_, "parts do not nest");
    open_ = true;
    calls_ += "<" + head.name + "|" + head.filename + "|" + (head.has_filename ? "file" : "text") + "|" +
              head.content_type + ">";
    return Status::Ok();
  }
  Status OnPartData(std::string_view data) override {
    Check(open_, "data belongs to a part");
    calls_.append(data);
    bytes_ += data.size();
    return Status::Ok();
  }
  Status OnPartEnd() override {
    Check(open_, "a part that ends has begun");
    open_ = false;
    calls_ += "</>";
    return Status::Ok();
  }
  const std::string& calls() const { return calls_; }
  size_t bytes() const { return bytes_; }

 private:
  std::string calls_;
  size_t bytes_ = 0;
  bool open_ = false;
};

struct Outcome {
  std::string status;
  std::string calls;
  size_t parts = 0;
};

Outcome Run(std::string_view body, size_t first, size_t piece) {
  Recorder recorder;
  net::MultipartParser parser("b", recorder);
  Status status;
  for (size_t next = first; status.ok() && !body.empty(); next = piece) {
    const std::string_view fed = body.substr(0, std::max<size_t>(1, std::min(next, body.size())));
    body.remove_prefix(fed.size());
    status = parser.Feed(fed);
  }
  if (status.ok()) status = parser.Finish();
  Check(status.ok() || status.code() == Code::kInvalidRequest, "a wrong body is the client's");
  return {status.ToString(), recorder.calls(), parser.parts()};
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  if (size < 2) return;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Outcome whole = Run(body, body.size(), body.size());
  const Outcome pieces = Run(body, data[0], data[1]);
  Check(whole.status == pieces.status, "every way of cutting gives the same status");
  Check(whole.parts == pieces.parts, "every way of cutting gives the same parts");
  Check(whole.calls == pieces.calls || !whole.status.starts_with("ok"),
        "every way of cutting gives the same calls");
  const Result<std::string> boundary = net::MultipartParser::BoundaryOf(body);
  Check(!boundary.ok() || (!boundary->empty() && boundary->size() <= 70), "boundaries are bounded");
}
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (const std::string_view body :
       {"--b\r\nContent-Disposition: form-data; name=\"images\"; filename=\"a.jpg\"\r\nContent-Type: "
        "image/jpeg\r\n\r\npixels\r\n--b\r\nContent-Disposition: form-data; "
        "name=model\r\n\r\nclip\r\n--b--\r\n",
        "preamble\r\n--b  \r\nContent-Disposition: form-data; name=\"a\\\"b\"; "
        "filename=\"\"\r\n\r\n\r\n-\r\n--\r\n"
        "--c\r\n--b--epilogue",
        "multipart/form-data; boundary=\"b c\"", "--b--"}) {
    std::vector<uint8_t> seed = {3, 1};
    seed.insert(seed.end(), body.begin(), body.end());
    seeds.push_back(std::move(seed));
  }
  return seeds;
}

}  // namespace photovec::fuzz
