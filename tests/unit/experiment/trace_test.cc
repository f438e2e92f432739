// SPDX-License-Identifier: MIT
#include "experiment/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "unit/experiment/record_maker.h"

namespace photovec::experiment {
namespace {

namespace bjson = boost::json;
using testing::ElementsAre;

struct Event {
  std::string phase;
  std::string name;
  int pid = 0;
  std::string track;  // of pid: a thread, or an asynchronous id
  int64_t begin = 0;
  int64_t end = 0;
  bjson::object args;
};

std::string Text(const bjson::value& value) { return std::string(value.as_string()); }

// Parses a trace; begin and end of asynchronous slices are joined, and fail the test when they do not match.
std::vector<Event> Parse(const std::string& text) {
  std::vector<Event> events;
  std::map<std::string, std::vector<size_t>> open;  // by asynchronous id, as indices of events
  const bjson::value document = bjson::parse(text);
  for (const bjson::value& value : document.as_object().at("traceEvents").as_array()) {
    const bjson::object& object = value.as_object();
    Event event;
    event.phase = Text(object.at("ph"));
    event.name = Text(object.at("name"));
    event.pid = static_cast<int>(object.at("pid").as_int64());
    if (const bjson::value* args = object.if_contains("args")) event.args = args->as_object();
    event.track =
        object.contains("id") ? "id " + Text(object.at("id")) : std::to_string(object.at("tid").as_int64());
    if (event.phase != "M") event.begin = object.at("ts").as_int64();
    if (event.phase == "X") event.end = event.begin + object.at("dur").as_int64();
    if (event.phase == "e") {
      auto& stack = open[event.track];
      EXPECT_FALSE(stack.empty()) << event.name;
      if (stack.empty()) continue;
      EXPECT_EQ(events[stack.back()].name, event.name);
      events[stack.back()].end = event.begin;
      stack.pop_back();
      continue;
    }
    if (event.phase == "b") open[event.track].push_back(events.size());
    events.push_back(std::move(event));
  }
  for (const auto& [track, stack] : open) EXPECT_TRUE(stack.empty()) << track;
  return events;
}

std::vector<Event> Slices(const std::vector<Event>& events, int pid) {
  std::vector<Event> slices;
  for (const Event& event : events) {
    if (event.pid == pid && event.phase != "M") slices.push_back(event);
  }
  return slices;
}

// Two slices of one track lie apart, or one of them inside the other.
void ExpectProperNesting(const std::vector<Event>& events) {
  std::map<std::pair<int, std::string>, std::vector<Event>> tracks;
  for (const Event& event : events) {
    if (event.phase != "M") tracks[{event.pid, event.track}].push_back(event);
  }
  for (auto& [key, slices] : tracks) {
    std::stable_sort(slices.begin(), slices.end(), [](const Event& a, const Event& b) {
      return std::pair(a.begin, -a.end) < std::pair(b.begin, -b.end);
    });
    std::vector<int64_t> ends;
    for (const Event& slice : slices) {
      EXPECT_LE(slice.begin, slice.end);
      while (!ends.empty() && ends.back() <= slice.begin) ends.pop_back();
      if (!ends.empty()) {
        EXPECT_LE(slice.end, ends.back()) << slice.name << " on " << key.second;
      }
      ends.push_back(slice.end);
    }
  }
}

std::vector<std::string> ThreadNames(const std::vector<Event>& events, int pid) {
  std::vector<std::string> names;
  for (const Event& event : events) {
    if (event.pid == pid && event.name == "thread_name") names.push_back(Text(event.args.at("name")));
  }
  return names;
}

// Two requests; their images share decoder 0 and batch 4 of stream 1.
std::vector<request_log::Record> TwoRequests() {
  std::vector<request_log::Record> records = {MakeRequest(12, 5000, 1000), MakeRequest(13, 5100, 900)};
  records[0].receive_us = 50;
  records[0].parse_us = 20;
  records[0].serialise_us = 30;
  records[0].finished_us = 906;
  records[0].items = {MakeItem({100, 110, 200, 210, 300, 320, 400, 900, 905}),
                      MakeItem({101, 111, 210, 320, 380, 390, 400, 900, 906})};
  records[1].items = {MakeItem({10, 10, 10, 290, 295, 300, 300, 800, 801}, false)};
  for (request_log::Record& record : records) {
    for (request_log::ItemRecord& item : record.items) {
      item.decoder = 0;
      item.stream = 1;
      item.batch = 4;
      item.batch_size = 3;
      item.bytes = 1000;
    }
  }
  return records;
}

TEST(Trace, DecodersShowEachImageWithItsTwoStages) {
  const auto events = Parse(TraceJson(TwoRequests(), 5000, 6000));
  ExpectProperNesting(events);
  EXPECT_THAT(ThreadNames(events, 1), ElementsAre("decoder 0"));
  std::vector<std::tuple<std::string, int64_t, int64_t>> slices;
  for (const Event& slice : Slices(events, 1)) slices.emplace_back(slice.name, slice.begin, slice.end);
  EXPECT_THAT(slices, ElementsAre(std::tuple("image", 210, 320), std::tuple("decode", 210, 300),
                                  std::tuple("preprocess", 300, 320), std::tuple("image", 320, 390),
                                  std::tuple("decode", 320, 380), std::tuple("preprocess", 380, 390),
                                  std::tuple("image", 390, 400), std::tuple("decode", 390, 395),
                                  std::tuple("preprocess", 395, 400)));
  const bjson::object args = Slices(events, 1)[3].args;
  EXPECT_EQ(args.at("request").as_int64(), 12);
  EXPECT_EQ(args.at("image").as_int64(), 1);
  EXPECT_EQ(args.at("bytes").as_int64(), 1000);
  EXPECT_EQ(Text(args.at("code")), "ok");
}

TEST(Trace, StreamsShowEachBatchOnceWithItsRequests) {
  const auto events = Parse(TraceJson(TwoRequests(), 5000, 6000));
  EXPECT_THAT(ThreadNames(events, 2), ElementsAre("stream 1"));
  const auto slices = Slices(events, 2);
  ASSERT_EQ(slices.size(), 1U);
  EXPECT_EQ(slices[0].begin, 400);
  EXPECT_EQ(slices[0].end, 900);
  EXPECT_EQ(slices[0].args.at("size").as_int64(), 3);
  EXPECT_EQ(slices[0].args.at("batch").as_int64(), 4);
  EXPECT_EQ(slices[0].args.at("requests"), bjson::parse("[12,13]"));
}

TEST(Trace, RequestsShowTheirImagesStagesNested) {
  const auto events = Parse(TraceJson(TwoRequests(), 5000, 6000));
  std::map<std::string, std::vector<std::string>> tracks;
  for (const Event& slice : Slices(events, 3)) {
    tracks[slice.track].push_back(slice.name + " " + std::to_string(slice.begin) + "-" +
                                  std::to_string(slice.end));
  }
  EXPECT_EQ(tracks.size(), 5U) << "two requests, three images";
  EXPECT_THAT(tracks["id 0"], ElementsAre("request 12 0-1000", "receive 0-50", "parse 50-70",
                                          "hand_over 906-970", "serialise 970-1000"));
  EXPECT_THAT(tracks["id 0.0"], ElementsAre("request 12 100-905", "admit_wait 100-110", "fetch 110-200",
                                            "decode_wait 200-210", "decode 210-300", "preprocess 300-320",
                                            "batch_wait 320-400", "encode 400-900", "collect 900-905"));
  EXPECT_THAT(tracks["id 1.0"], ElementsAre("request 13 110-901", "decode_wait 110-390", "decode 390-395",
                                            "preprocess 395-400", "encode 400-900", "collect 900-901"))
      << "an upload has neither admit_wait nor fetch";
}

TEST(Trace, ShowsWhatTouchesTheWindowAndNothingElse) {
  const auto records = TwoRequests();
  const auto names = [&](int64_t from, int64_t to) {
    std::vector<std::string> found;
    for (const Event& slice : Slices(Parse(TraceJson(records, from, to)), 3)) {
      if (slice.track.find('.') == std::string::npos && slice.name.starts_with("request")) {
        found.push_back(slice.name);
      }
    }
    return found;
  };
  EXPECT_THAT(names(0, 5000), ElementsAre());
  EXPECT_THAT(names(0, 5001), ElementsAre("request 12"));
  EXPECT_THAT(names(5500, 5501), ElementsAre("request 12", "request 13"));
  EXPECT_THAT(names(6000, 9000), ElementsAre());
  EXPECT_EQ(Slices(Parse(TraceJson(records, 5500, 5501)), 3).front().begin, 0) << "no time is negative";
}

TEST(Trace, ABatchMoreInFlightGetsATrackOfItsOwn) {
  auto records = TwoRequests();
  request_log::ItemRecord& next = records[0].items[1];
  next.at_us = {101, 111, 210, 320, 380, 390, 600, 950, 955};  // taken while batch 4 was in flight
  next.batch = 5;
  next.batch_size = 1;
  const auto events = Parse(TraceJson(records, 5000, 6000));
  ExpectProperNesting(events);
  EXPECT_THAT(ThreadNames(events, 2), ElementsAre("stream 1", "stream 1, 2 in flight"));
}

TEST(Trace, StreamsOfSeveralModelsAreToldApart) {
  auto records = TwoRequests();
  records[1].model = "dino \"v2\"";
  const auto events = Parse(TraceJson(records, 5000, 6000));
  EXPECT_THAT(ThreadNames(events, 2), ElementsAre("clip: stream 1", "dino \"v2\": stream 1"));
  EXPECT_EQ(Slices(events, 2).size(), 2U);
}

TEST(Trace, AFailedImageEndsWithItsStage) {
  std::vector<request_log::Record> records = {MakeRequest(1, 0, 100)};
  records[0].items = {MakeItem({10, 20, 30, 40, -1, -1, -1, -1, 95})};
  records[0].items[0].decoder = 3;
  records[0].items[0].code = "image_corrupt";
  const auto events = Parse(TraceJson(records, 0, 100));
  const auto slices = Slices(events, 1);
  ASSERT_EQ(slices.size(), 2U);
  EXPECT_EQ(slices[1].name, "decode");
  EXPECT_EQ(slices[1].end, 95);
  EXPECT_EQ(Text(slices[0].args.at("code")), "image_corrupt");
}

TEST(Trace, AServerThatMeasuresStepsShowsThemInOrder) {
  std::vector<request_log::Record> records = {MakeRequest(1, 0, 903)};
  records[0].load_decode_us = 361;
  records[0].preprocess_us = 162;
  records[0].embed_us = 292;
  records[0].items.resize(2);
  std::vector<std::string> names;
  for (const Event& slice : Slices(Parse(TraceJson(records, 0, 100)), 3)) {
    names.push_back(slice.name + " " + std::to_string(slice.begin) + "-" + std::to_string(slice.end));
  }
  EXPECT_THAT(names,
              ElementsAre("request 1 0-903", "load_decode 0-361", "preprocess 361-523", "embed 523-815"));
}

// Whatever a log says, the trace stays one that viewers take.
TEST(Trace, NonsenseInALogGivesAProperTraceStill) {
  uint64_t state = 11;
  const auto random = [&state](int64_t below) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<int64_t>((state >> 33U) % static_cast<uint64_t>(below + 1)) - 1;
  };
  std::vector<request_log::Record> records;
  for (uint64_t i = 0; i < 300; ++i) {
    request_log::Record record = MakeRequest(i, random(100'000), random(1000));
    record.receive_us = random(1500);
    record.parse_us = random(1500);
    record.serialise_us = random(1500);
    record.items.resize(static_cast<size_t>(random(5) + 1));
    for (request_log::ItemRecord& item : record.items) {
      for (int64_t& border : item.at_us) border = random(1000);
      item.decoder = static_cast<int>(random(3));
      item.stream = static_cast<int>(random(3));
      item.batch = random(50);
    }
    records.push_back(std::move(record));
  }
  const auto events = Parse(TraceJson(records, 0, 100'000));
  EXPECT_GT(events.size(), 300U);
  ExpectProperNesting(events);
  EXPECT_TRUE(Slices(Parse(TraceJson({}, 0, 100)), 3).empty());
}

}  // namespace
}  // namespace photovec::experiment
