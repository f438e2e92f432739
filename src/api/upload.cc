// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "api/native.h"
#include "base/growing_bytes.h"
#include "base/text/sizes.h"
#include "net/multipart.h"

namespace photovec::api {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kMaxFieldBytes = 1024;

/// Takes the parts of an upload: a file or a text enters the pipeline the moment its last byte is here, while
/// later ones still arrive; the fields `model` and `normalize` must come before the first of them.
class UploadSink final : public net::PartSink {
 public:
  UploadSink(Exchange& exchange, Upload& upload, bool may_normalize)
      : exchange_(exchange),
        upload_(upload),
        may_normalize_(may_normalize),
        max_items_(static_cast<size_t>(exchange.services.embed.max_items(exchange.dialect))) {}

  Status OnPartBegin(const net::PartHead& head) override {
    data_.Clear();
    too_large_ = false;
    field_ = head.name;
    const bool is_file = head.has_filename || head.content_type.starts_with("image/");
    kind_ = is_file ? Kind::kImage : field_ == "text" ? Kind::kText : Kind::kField;
    if (kind_ == Kind::kField) return CheckField();
    max_bytes_ = is_file ? exchange_.services.embed.max_image_bytes() : tokenize::kMaxTextBytes;
    if (upload_.is_text.size() == max_items_) {
      return {Code::kInvalidRequest,
              "the upload has more than " + std::to_string(max_items_) + " images and texts: split it"};
    }
    RETURN_IF_ERROR(Open());
    upload_.is_text.push_back(kind_ == Kind::kText);
    return is_file ? Status::Ok() : CheckTakesText(upload_.model, "the form field \"text\"");
  }

  Status OnPartData(std::string_view data) override {
    if (kind_ != Kind::kField) {
      // The rest of an oversized part is read and dropped: its neighbours behind it are fine.
      too_large_ = too_large_ || data_.size() + data.size() > max_bytes_;
      if (too_large_) {
        dropped_ += data.size() + data_.size();
        data_.Clear();
      } else {
        data_.Append(data);
      }
      return Status::Ok();
    }
    if (data_.size() + data.size() > kMaxFieldBytes) {
      return {Code::kInvalidRequest, "the form field \"" + field_ + "\" is longer than 1 KiB"};
    }
    data_.Append(data);
    return Status::Ok();
  }

  Status OnPartEnd() override {
    if (kind_ == Kind::kField) return TakeField();
    pipeline::Request& request = pending_->request();
    if (too_large_) {
      exchange_.request.body.Take(std::exchange(dropped_, 0)).Release();
      const bool text = kind_ == Kind::kText;
      request.AddFailed(
          Status(text ? Code::kInvalidRequest : Code::kBodyTooLarge,
                 (text ? "the text is longer than " : "the image is larger than ") + HumanBytes(max_bytes_)));
      return Status::Ok();
    }
    data_.Fit();
    Reservation share = exchange_.request.body.Take(data_.size());
    Expect();
    if (kind_ == Kind::kText) {
      exchange_.work.Absorb(std::move(share));
      Reservation nothing;
      AddInput(request, MakeTextInput(data_.text()), nothing);
    } else {
      request.Add(ShareBytes(std::move(data_), std::move(share)));
    }
    return Status::Ok();
  }

  /// What was promised is exact, and needs no correction.
  void SetCounted() { counted_ = true; }
  PendingRequest& pending() { return *pending_; }
  const std::optional<ApiError>& special_error() const { return special_error_; }

 private:
  enum class Kind : uint8_t { kField, kImage, kText };

  /// Corrects what was promised by what is still to come: one large photo is no upload of many.
  void Expect() {
    const auto length = exchange_.request.head.content_length;
    if (!length || counted_) return;
    const uint64_t rest = *length - std::min(*length, exchange_.request.body.received());
    exchange_.ticket->Expect(1 + exchange_.services.guess.More(ImageGuess::Form::kMultipart, rest));
  }

  Status Open() {
    if (pending_) return Status::Ok();
    auto model = exchange_.services.embed.FindModel(upload_.options.model);
    if (!model.ok()) {
      special_error_ = model.error();
      return model.status();
    }
    upload_.model = *model;
    auto pending = PendingRequest::Open(exchange_, upload_.model, EmbedOptions{upload_.options.normalize});
    if (!pending.ok()) {
      special_error_ = pending.error();
      return pending.status();
    }
    pending_ = std::make_unique<PendingRequest>(*std::move(pending));
    return Status::Ok();
  }

  Status CheckField() const {
    const bool known = field_ == "model" || (field_ == "normalize" && may_normalize_);
    if (!known) {
      return {Code::kInvalidRequest, "the form field \"" + field_.substr(0, 64) +
                                         "\" is unknown, and not a file: known fields are model" +
                                         (may_normalize_ ? ", normalize" : "") +
                                         " and text; images need a file name (curl -F image=@cat.jpg)"};
    }
    if (pending_) {
      return {Code::kInvalidRequest,
              "the form field \"" + field_ + "\" must come before the first image or text"};
    }
    return Status::Ok();
  }

  Status TakeField() {
    if (field_ == "model") {
      upload_.options.model = data_.text();
      return Status::Ok();
    }
    ASSIGN_OR_RETURN(upload_.options.normalize, ParseFlag(data_.text(), "normalize"));
    return Status::Ok();
  }

  Exchange& exchange_;
  Upload& upload_;
  const bool may_normalize_;
  const size_t max_items_;
  std::unique_ptr<PendingRequest> pending_;
  std::optional<ApiError> special_error_;
  GrowingBytes data_;
  std::string field_;
  Kind kind_ = Kind::kField;
  size_t max_bytes_ = 0;
  size_t dropped_ = 0;
  bool too_large_ = false;
  bool counted_ = false;
};

/// Counts images and texts of a form, as UploadSink tells them apart.
class CountingSink final : public net::PartSink {
 public:
  Status OnPartBegin(const net::PartHead& head) override {
    const bool is_file = head.has_filename || head.content_type.starts_with("image/");
    counts.images += is_file ? 1 : 0;
    counts.texts += !is_file && head.name == "text" ? 1 : 0;
    in_model_ = !is_file && head.name == "model";
    return Status::Ok();
  }
  Status OnPartData(std::string_view data) override {
    if (in_model_) model += data;
    return Status::Ok();
  }
  Status OnPartEnd() override { return Status::Ok(); }

  ItemCounts counts;
  std::string model;

 private:
  bool in_model_ = false;
};

/// The whole of a short form, and a place in line for exactly what is in it; what is wrong with it, the
/// parser says
/// afterwards. Errors: of the body, and a refusal.
net::Task<Result<std::string, ApiError>> ReceiveCounted(Exchange& exchange, const std::string& boundary,
                                                        const Upload& upload) {
  StageClock clock(exchange.timing, HttpStage::kReceive);
  std::string form(kParsedFirstWithTexts, '\0');
  size_t have = 0;
  while (!exchange.request.body.complete() && have < form.size()) {
    const std::span<uint8_t> room(reinterpret_cast<uint8_t*>(form.data()) + have, form.size() - have);
    const Result<size_t> got = co_await exchange.request.body.Read(room);
    if (!got.ok()) co_return ApiError{got.status()};
    have += *got;
  }
  form.resize(have);
  CountingSink counter;
  const bool whole = net::MultipartParser(boundary, counter).Feed(form).ok();
  const auto model =
      exchange.services.embed.FindModel(counter.model.empty() ? upload.options.model : counter.model);
  if (whole && model.ok() && counter.counts.images + counter.counts.texts > 0) {
    if (auto refused = exchange.Admit(*model, counter.counts, false)) co_return *std::move(refused);
  }
  co_return std::move(form);
}

/// \param begin what was received already.
net::Task<Status> ReceiveParts(Exchange& exchange, net::MultipartParser& parser, const Upload& upload,
                               std::string_view begin) {
  StageClock clock(exchange.timing, HttpStage::kReceive);
  size_t paid_items = 0;
  const auto buffer = std::make_unique_for_overwrite<uint8_t[]>(kReadBytes);
  const std::span<uint8_t> room(buffer.get(), kReadBytes);
  while (!begin.empty() || !exchange.request.body.complete()) {
    std::string_view piece = std::exchange(begin, {});
    if (piece.empty()) {
      const Result<size_t> got = co_await exchange.request.body.Read(room);
      if (!got.ok()) co_return got.status();
      piece = {reinterpret_cast<const char*>(buffer.get()), *got};
    }
    const Status fed = parser.Feed(piece);
    if (!fed.ok()) co_return fed;
    const size_t items = upload.is_text.size() - std::exchange(paid_items, upload.is_text.size());
    if (items == 0) continue;
    const Status room = co_await exchange.PayFor(items, upload.model);
    if (!room.ok()) co_return room;
  }
  exchange.request.body.ReleaseRest();
  co_return parser.Finish();
}

}  // namespace

net::Task<std::optional<net::Response>> ReceiveUpload(Exchange& exchange, Upload& upload,
                                                      bool may_normalize) {
  const Result<std::string> boundary = net::MultipartParser::BoundaryOf(exchange.request.head.content_type);
  if (!boundary.ok()) co_return exchange.Error(boundary.status());
  UploadSink sink(exchange, upload, may_normalize);
  net::MultipartParser parser(*boundary, sink);
  std::string counted;
  if (exchange.ticket == nullptr && CountedFirst(exchange.request.head)) {
    Result<std::string, ApiError> form = co_await ReceiveCounted(exchange, *boundary, upload);
    if (!form.ok()) co_return exchange.Error(form.error());
    counted = *std::move(form);
    if (exchange.ticket != nullptr) sink.SetCounted();
  }
  const Status received = co_await ReceiveParts(exchange, parser, upload, counted);
  if (!received.ok()) {
    co_return exchange.Error(sink.special_error().value_or(ApiError{received}));
  }
  if (upload.is_text.empty()) {
    co_return exchange.Error(
        Status(Code::kInvalidRequest, "the upload has no image: add one with curl -F image=@cat.jpg"));
  }
  // Texts tell nothing of how long images are.
  if (std::find(upload.is_text.begin(), upload.is_text.end(), true) == upload.is_text.end()) {
    exchange.services.guess.Learn(ImageGuess::Form::kMultipart, exchange.request.body.received(),
                                  upload.is_text.size());
  }
  const bool answered = co_await sink.pending().Await();
  if (!answered) co_return net::ClientGone();
  co_return std::nullopt;
}

}  // namespace photovec::api
