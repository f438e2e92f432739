// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "api/native.h"
#include "base/bytes.h"
#include "base/text/sizes.h"
#include "net/multipart.h"

namespace photovec::api {
namespace {

constexpr size_t kReadBytes = 128 * 1024;
constexpr size_t kMaxFieldBytes = 1024;

/// Takes the parts of an upload: a file enters the pipeline the moment its last byte is here, while later
/// ones still arrive; the fields `model` and `normalize` must come before the first file.
class UploadSink final : public net::PartSink {
 public:
  UploadSink(Exchange& exchange, NativeOptions options)
      : exchange_(exchange),
        options_(std::move(options)),
        max_file_bytes_(exchange.services.embed.max_image_bytes()),
        max_images_(static_cast<size_t>(exchange.services.embed.max_images())) {}

  Status OnPartBegin(const net::PartHead& head) override {
    data_.clear();
    too_large_ = false;
    is_file_ = head.has_filename || head.content_type.starts_with("image/");
    field_ = head.name;
    if (!is_file_) return CheckField();
    if (images_ == max_images_) {
      return {Code::kInvalidRequest,
              "the upload has more than " + std::to_string(max_images_) + " images: split it"};
    }
    ++images_;
    RETURN_IF_ERROR(Open());
    data_.reserve(expected_bytes_);
    return Status::Ok();
  }

  Status OnPartData(std::string_view data) override {
    if (is_file_) {
      // The rest of an oversized file is read and dropped: its neighbours behind it are fine.
      too_large_ = too_large_ || data_.size() + data.size() > max_file_bytes_;
      if (too_large_) {
        dropped_ += data.size() + data_.size();
        data_ = std::string();
      } else {
        data_ += data;
      }
      return Status::Ok();
    }
    if (data_.size() + data.size() > kMaxFieldBytes) {
      return {Code::kInvalidRequest, "the form field \"" + field_ + "\" is longer than 1 KiB"};
    }
    data_ += data;
    return Status::Ok();
  }

  Status OnPartEnd() override {
    if (!is_file_) return TakeField();
    pipeline::Request& request = pending_->request();
    if (too_large_) {
      exchange_.request.body.Take(std::exchange(dropped_, 0)).Release();
      request.AddFailed(
          Status(Code::kBodyTooLarge, "the image is larger than " + HumanBytes(max_file_bytes_)));
      return Status::Ok();
    }
    // Photos of one upload are alike: the next buffer is allocated once, with some room.
    expected_bytes_ = data_.size() + data_.size() / 8;
    Reservation share = exchange_.request.body.Take(data_.size());
    Expect();
    request.Add(WithReservation(Bytes::Own(std::exchange(data_, std::string())), std::move(share)));
    return Status::Ok();
  }

  size_t images() const { return images_; }
  /// Valid once there is an image.
  const pipeline::ModelView& model() const { return model_; }
  EmbedOptions embed_options() const { return {options_.normalize}; }
  PendingRequest& pending() { return *pending_; }
  const std::optional<ApiError>& special_error() const { return special_error_; }

 private:
  /// Corrects what was promised by what is still to come: one large photo is no upload of many.
  void Expect() {
    const auto length = exchange_.request.head.content_length;
    if (!length) return;
    const uint64_t rest = *length - std::min(*length, exchange_.request.body.received());
    exchange_.ticket->Expect(1 + exchange_.services.guess.More(ImageGuess::Form::kMultipart, rest));
  }

  Status Open() {
    if (pending_) return Status::Ok();
    auto model = exchange_.services.embed.FindModel(options_.model);
    if (!model.ok()) {
      special_error_ = model.error();
      return model.status();
    }
    model_ = *model;
    auto pending = PendingRequest::Open(exchange_, model_, embed_options());
    if (!pending.ok()) {
      special_error_ = pending.error();
      return pending.status();
    }
    pending_ = std::make_unique<PendingRequest>(*std::move(pending));
    return Status::Ok();
  }

  Status CheckField() const {
    if (field_ != "model" && field_ != "normalize") {
      return {Code::kInvalidRequest,
              "the form field \"" + field_.substr(0, 64) +
                  "\" is unknown, and not a file: known fields are model and normalize; "
                  "images need a file name (curl -F image=@cat.jpg)"};
    }
    if (pending_) {
      return {Code::kInvalidRequest, "the form field \"" + field_ + "\" must come before the first image"};
    }
    return Status::Ok();
  }

  Status TakeField() {
    if (field_ == "model") {
      options_.model = data_;
      return Status::Ok();
    }
    ASSIGN_OR_RETURN(options_.normalize, ParseFlag(data_, "normalize"));
    return Status::Ok();
  }

  Exchange& exchange_;
  NativeOptions options_;
  const size_t max_file_bytes_;
  const size_t max_images_;
  pipeline::ModelView model_;
  std::unique_ptr<PendingRequest> pending_;
  std::optional<ApiError> special_error_;
  std::string data_;
  std::string field_;
  size_t images_ = 0;
  size_t expected_bytes_ = 0;
  size_t dropped_ = 0;
  bool is_file_ = false;
  bool too_large_ = false;
};

net::Task<Status> ReceiveParts(Exchange& exchange, net::MultipartParser& parser) {
  StageClock clock(exchange.timing, HttpStage::kReceive);
  const auto buffer = std::make_unique_for_overwrite<uint8_t[]>(kReadBytes);
  const std::span<uint8_t> room(buffer.get(), kReadBytes);
  while (!exchange.request.body.complete()) {
    const Result<size_t> got = co_await exchange.request.body.Read(room);
    if (!got.ok()) co_return got.status();
    const Status fed = parser.Feed({reinterpret_cast<const char*>(buffer.get()), *got});
    if (!fed.ok()) co_return fed;
  }
  exchange.request.body.ReleaseRest();
  co_return parser.Finish();
}

}  // namespace

net::Task<net::Response> HandleUpload(Exchange& exchange, NativeOptions options) {
  const Result<std::string> boundary = net::MultipartParser::BoundaryOf(exchange.request.head.content_type);
  if (!boundary.ok()) co_return exchange.Error(boundary.status());
  UploadSink sink(exchange, std::move(options));
  net::MultipartParser parser(*boundary, sink);
  const Status received = co_await ReceiveParts(exchange, parser);
  if (!received.ok()) {
    co_return exchange.Error(sink.special_error().value_or(ApiError{received}));
  }
  if (sink.images() == 0) {
    co_return exchange.Error(
        Status(Code::kInvalidRequest, "the upload has no image: add one with curl -F image=@cat.jpg"));
  }
  exchange.services.guess.Learn(ImageGuess::Form::kMultipart, exchange.request.body.received(),
                                sink.images());
  const bool answered = co_await sink.pending().Await();
  if (!answered) co_return net::ClientGone();
  net::Response response = co_await NativeReply(exchange, sink.model(), sink.embed_options(), Room::kMany);
  co_return std::move(response);
}

}  // namespace photovec::api
