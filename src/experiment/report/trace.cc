// SPDX-License-Identifier: MIT
#include "experiment/report/report.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/json/writer.h"
#include "experiment/analyse/critical_path.h"

namespace photovec::experiment {
namespace {

// Process ids stand for groups of tracks.
constexpr int kDecoders = 1;
constexpr int kStreams = 2;
constexpr int kRequests = 3;

struct Piece {
  std::string_view name;
  int64_t begin_us = 0;
  int64_t end_us = 0;
};

// A slice with others inside it, one after the other.
struct Slice {
  std::string name;
  int64_t begin_us = 0;
  int64_t end_us = 0;
  std::string args;  // members of a JSON object
  std::vector<Piece> pieces;
};

void AppendMember(std::string& out, std::string_view key, int64_t value) {
  if (!out.empty() && out.back() != '{') out += ',';
  ((out += '"') += key) += "\":";
  json::AppendInt(out, value);
}

// Writes events; the document is complete after Finish().
class EventWriter {
 public:
  explicit EventWriter(int64_t origin_us) : origin_us_(origin_us) {}

  void NameProcess(int pid, std::string_view name) {
    Begin("M", "process_name", pid, 0);
    out_ += R"(,"args":{"name":)" + json::String(name) + "}}";
    Begin("M", "process_sort_index", pid, 0);
    AppendMember(out_ += R"(,"args":{)", "sort_index", pid);
    out_ += "}}";
  }
  void NameThread(int pid, int tid, std::string_view name) {
    Begin("M", "thread_name", pid, tid);
    out_ += R"(,"args":{"name":)" + json::String(name) + "}}";
    Begin("M", "thread_sort_index", pid, tid);
    AppendMember(out_ += R"(,"args":{)", "sort_index", tid);
    out_ += "}}";
  }
  // A slice on a thread's track, with its pieces.
  void Complete(int pid, int tid, const Slice& slice) {
    CompleteOne(pid, tid, {slice.name, slice.begin_us, slice.end_us}, slice.args);
    for (const Piece& piece : slice.pieces) CompleteOne(pid, tid, piece, "");
  }
  // A slice on a track that is named by `id` and by the slice's name.
  void Async(int pid, std::string_view id, const Slice& slice) {
    AsyncEnd("b", pid, id, slice.name, slice.begin_us, slice.args);
    for (const Piece& piece : slice.pieces) {
      AsyncEnd("b", pid, id, piece.name, piece.begin_us, "");
      AsyncEnd("e", pid, id, piece.name, piece.end_us, "");
    }
    AsyncEnd("e", pid, id, slice.name, slice.end_us, "");
  }
  std::string Finish() && { return std::move(out_ += "\n]}\n"); }

 private:
  void Begin(std::string_view phase, std::string_view name, int pid, int tid) {
    out_ += first_ ? "\n" : ",\n";
    first_ = false;
    ((out_ += R"({"ph":")") += phase) += R"(","name":)";
    out_ += json::String(name);
    AppendMember(out_, "pid", pid);
    AppendMember(out_, "tid", tid);
  }
  void End(std::string_view args) {
    if (!args.empty()) ((out_ += R"(,"args":{)") += args) += '}';
    out_ += '}';
  }
  void CompleteOne(int pid, int tid, const Piece& piece, std::string_view args) {
    Begin("X", piece.name, pid, tid);
    AppendMember(out_, "ts", piece.begin_us - origin_us_);
    AppendMember(out_, "dur", piece.end_us - piece.begin_us);
    End(args);
  }
  void AsyncEnd(std::string_view phase, int pid, std::string_view id, std::string_view name, int64_t at_us,
                std::string_view args) {
    Begin(phase, name, pid, 0);
    ((out_ += R"(,"cat":"request","id":")") += id) += '"';
    AppendMember(out_, "ts", at_us - origin_us_);
    End(args);
  }

  const int64_t origin_us_;
  bool first_ = true;
  std::string out_ = R"({"displayTimeUnit":"ms","traceEvents":[)";
};

// Cuts pieces to the slice and to what lies behind the piece before, and drops empty ones: whatever a log
// says, slices of one track must not overlap but by nesting.
void Tidy(Slice& slice) {
  slice.end_us = std::max(slice.begin_us, slice.end_us);
  int64_t at = slice.begin_us;
  for (Piece& piece : slice.pieces) {
    piece.begin_us = std::clamp(piece.begin_us, at, slice.end_us);
    piece.end_us = std::clamp(piece.end_us, piece.begin_us, slice.end_us);
    at = piece.end_us;
  }
  std::erase_if(slice.pieces, [](const Piece& piece) { return piece.begin_us == piece.end_us; });
}

// Draws one worker. It does one thing at a time, and then one track is enough; batches that are in flight at
// the same time on one stream get a track more.
int DrawWorker(EventWriter& writer, int pid, int first_tid, const std::string& name,
               std::vector<Slice>& slices) {
  std::sort(slices.begin(), slices.end(),
            [](const Slice& a, const Slice& b) { return a.begin_us < b.begin_us; });
  std::vector<int64_t> busy_until;  // by track
  for (Slice& slice : slices) {
    Tidy(slice);
    size_t lane = 0;
    while (lane < busy_until.size() && busy_until[lane] > slice.begin_us) ++lane;
    const int tid = first_tid + static_cast<int>(lane);
    if (lane == busy_until.size()) {
      busy_until.push_back(0);
      writer.NameThread(pid, tid, lane == 0 ? name : name + ", " + std::to_string(lane + 1) + " in flight");
    }
    busy_until[lane] = slice.end_us;
    writer.Complete(pid, tid, slice);
  }
  return first_tid + static_cast<int>(busy_until.size());
}

// When a border was crossed, or (an image that failed) when the image was given up instead.
int64_t EndAt(const request_log::ItemRecord& item, Border border) {
  const int64_t at = item.At(border);
  return at >= 0 ? at : item.At(Border::kCollected);
}

std::string ItemArgs(const request_log::Record& record, size_t index) {
  const request_log::ItemRecord& item = record.items[index];
  std::string args;
  AppendMember(args, "request", static_cast<int64_t>(record.id));
  AppendMember(args, "image", static_cast<int64_t>(index));
  AppendMember(args, "bytes", item.bytes);
  return args += ",\"code\":" + json::String(item.code);
}

void DrawDecoders(EventWriter& writer, const std::vector<const request_log::Record*>& records) {
  std::map<int, std::vector<Slice>> workers;
  for (const request_log::Record* record : records) {
    for (size_t i = 0; i < record->items.size(); ++i) {
      const request_log::ItemRecord& item = record->items[i];
      if (item.decoder < 0 || item.At(Border::kDecodeStart) < 0) continue;
      const auto moment = [&](int64_t at) { return record->started_us + at; };
      const int64_t begin = moment(item.At(Border::kDecodeStart));
      const int64_t decoded = moment(EndAt(item, Border::kDecodeEnd));
      const int64_t end = moment(EndAt(item, Border::kPreprocessEnd));
      workers[item.decoder].push_back(
          {"image",
           begin,
           std::max(begin, end),
           ItemArgs(*record, i),
           {{StageName(Stage::kDecode), begin, decoded}, {StageName(Stage::kPreprocess), decoded, end}}});
    }
  }
  writer.NameProcess(kDecoders, "decoders");
  int tid = 1;
  for (auto& [index, slices] : workers) {
    tid = DrawWorker(writer, kDecoders, tid, "decoder " + std::to_string(index), slices);
  }
}

struct Batch {
  int64_t begin_us = 0;
  int64_t end_us = 0;
  int size = 0;
  std::vector<uint64_t> requests;
};

Slice DrawBatch(int64_t number, const Batch& batch) {
  std::string args;
  AppendMember(args, "batch", number);
  AppendMember(args, "size", batch.size);
  args += ",\"requests\":[";
  for (size_t i = 0; i < batch.requests.size(); ++i) {
    if (i != 0) args += ',';
    json::AppendInt(args, static_cast<int64_t>(batch.requests[i]));
  }
  return {"batch of " + std::to_string(batch.size), batch.begin_us, batch.end_us, args + "]", {}};
}

void DrawStreams(EventWriter& writer, const std::vector<const request_log::Record*>& records) {
  using StreamKey = std::pair<std::string, int>;  // model, stream
  std::map<StreamKey, std::map<int64_t, Batch>> streams;
  bool several_models = false;
  for (const request_log::Record* record : records) {
    several_models = several_models || record->model != records.front()->model;
    for (const request_log::ItemRecord& item : record->items) {
      if (item.stream < 0 || item.batch < 0 || item.At(Border::kEncodeStart) < 0) continue;
      Batch& batch = streams[{record->model, item.stream}][item.batch];
      batch.begin_us = record->started_us + item.At(Border::kEncodeStart);
      batch.end_us = std::max(batch.begin_us, record->started_us + EndAt(item, Border::kEncodeEnd));
      batch.size = item.batch_size;
      if (batch.requests.empty() || batch.requests.back() != record->id) batch.requests.push_back(record->id);
    }
  }
  writer.NameProcess(kStreams, "streams");
  int tid = 1;
  for (const auto& [key, batches] : streams) {
    std::vector<Slice> slices;
    for (const auto& [number, batch] : batches) slices.push_back(DrawBatch(number, batch));
    const std::string name = "stream " + std::to_string(key.second);
    tid = DrawWorker(writer, kStreams, tid, several_models ? key.first + ": " + name : name, slices);
  }
}

// What the server did for the request as a whole. Of a server that logs whole steps only their lengths are
// known: they are drawn one after the other, as they ran.
std::vector<Piece> RequestPieces(const request_log::Record& record) {
  const int64_t begin = record.started_us;
  const int64_t end = begin + record.total_us;
  std::vector<Piece> pieces;
  if (record.MeasuredBySteps()) {
    int64_t at = begin;
    for (const PathPart& part : CriticalPath(record)) {
      if (part.name == kOtherPart) continue;
      pieces.push_back({part.name, at, at + part.us});
      at += part.us;
    }
    return pieces;
  }
  const int64_t received = begin + std::max<int64_t>(0, record.receive_us);
  pieces.push_back({"receive", begin, received});
  pieces.push_back({"parse", received, received + std::max<int64_t>(0, record.parse_us)});
  const int64_t reply = end - std::max<int64_t>(0, record.serialise_us);
  if (record.finished_us >= 0) pieces.push_back({kHandOverPart, begin + record.finished_us, reply});
  pieces.push_back({"serialise", reply, end});
  return pieces;
}

// The slices of a request and of its images have one name, so that viewers put them into one track, the
// images below each other.
void DrawRequests(EventWriter& writer, const std::vector<const request_log::Record*>& records) {
  writer.NameProcess(kRequests, "requests");
  for (size_t n = 0; n < records.size(); ++n) {
    const request_log::Record& record = *records[n];
    const std::string name = "request " + std::to_string(record.id);
    const std::string id = std::to_string(n);
    Slice slice{name, record.started_us, record.started_us + record.total_us, "", RequestPieces(record)};
    AppendMember(slice.args, "status", record.status);
    AppendMember(slice.args, "images", static_cast<int64_t>(record.items.size()));
    Tidy(slice);
    writer.Async(kRequests, id, slice);
    for (size_t i = 0; i < record.items.size(); ++i) {
      const std::vector<request_log::StageSpan> spans = record.items[i].Spans();
      if (spans.empty()) continue;
      Slice image{name,
                  record.started_us + spans.front().begin_us,
                  record.started_us + spans.back().end_us,
                  ItemArgs(record, i),
                  {}};
      for (const request_log::StageSpan& span : spans) {
        image.pieces.push_back(
            {StageName(span.stage), record.started_us + span.begin_us, record.started_us + span.end_us});
      }
      Tidy(image);
      writer.Async(kRequests, id + "." + std::to_string(i), image);
    }
  }
}

}  // namespace

std::string TraceJson(std::span<const request_log::Record> records, int64_t from_us, int64_t to_us) {
  std::vector<const request_log::Record*> shown;
  int64_t origin_us = from_us;
  for (const request_log::Record& record : records) {
    if (record.total_us < 0 || record.started_us >= to_us || record.started_us + record.total_us <= from_us) {
      continue;
    }
    shown.push_back(&record);
    origin_us = std::min(origin_us, record.started_us);
  }
  std::sort(shown.begin(), shown.end(), [](const request_log::Record* a, const request_log::Record* b) {
    return std::tie(a->started_us, a->id) < std::tie(b->started_us, b->id);
  });
  EventWriter writer(origin_us);
  DrawDecoders(writer, shown);
  DrawStreams(writer, shown);
  DrawRequests(writer, shown);
  return std::move(writer).Finish();
}

}  // namespace photovec::experiment
