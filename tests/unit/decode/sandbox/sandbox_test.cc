// SPDX-License-Identifier: MIT

#include <cstring>
#include <fstream>
#include <limits>
#include <set>

#include "base/clock.h"
#include "decode/sandbox/cpu_handover.h"
#include "decode/sandbox/protocol.h"
#include "decode/sandbox/respawn.h"
#include "testing/test_images_icc.h"
#include "unit/decode/sandbox/pool_fixture.h"

namespace photovec::decode::testing {
namespace {

std::vector<Encoded> VariedFiles() {
  std::vector<Encoded> files = {{}, {'G', 'I', 'F'}, {'<', 'h', 't', 'm', 'l', '>'}};
  for (uint32_t seed = 1; seed <= 36; ++seed) {
    const int width = 1 + static_cast<int>(seed * 37 % 700);
    const int height = 1 + static_cast<int>(seed * 91 % 500);
    const test::Raster photo = test::MakePhoto(width, height, seed % 5 == 0 ? 1 : 3, seed);
    test::JpegOptions options;
    options.progressive = seed % 3 == 0;
    const Encoded jpeg = test::EncodeJpeg(photo, options);
    files.push_back(jpeg);
    files.push_back(test::JpegWithExif(jpeg, test::ExifBlock(1 + static_cast<int>(seed % 8))));
    files.push_back(test::Cut(jpeg, jpeg.size() / 2));
    files.push_back(test::EncodeWebp(test::MakePhoto(width, height, 3 + static_cast<int>(seed % 2), seed),
                                     seed % 2 == 0));
    const test::Raster rgb = test::MakePhoto(width, height, 3, seed);
    files.push_back(test::EncodePng(width, height, rgb.samples, {}));
    files.push_back(test::EncodeGif(test::MakePhoto(width, height, 1, seed)));
    Encoded broken = files.back();
    broken[broken.size() / 2] ^= 0x55;
    files.push_back(broken);
  }
  for (const test::IccKind kind : {test::IccKind::kDisplayP3, test::IccKind::kAdobeRgb, test::IccKind::kTable,
                                   test::IccKind::kSrgb, test::IccKind::kMultiStage, test::IccKind::kCmyk}) {
    const Encoded profile = test::MakeIcc(kind);
    const test::Raster photo = test::MakePhoto(300, 200, 3);
    files.push_back(test::JpegWithIcc(test::EncodeJpeg(photo), profile, 2, {2, 1}));
    files.push_back(test::PngWithIcc(test::EncodePng(300, 200, photo.samples, {}), profile));
    files.push_back(test::WebpWithIcc(test::EncodeWebp(photo, false), 300, 200, profile));
  }
  const Encoded grey = test::EncodeJpeg(test::MakePhoto(300, 200, 1));
  files.push_back(test::JpegWithIcc(grey, test::MakeIcc(test::IccKind::kGrey)));
  return files;
}

TEST(Sandbox, AnswersAsAThreadDoesBitForBit) {
  const auto pool = MakePool(PoolOptions(1));
  const auto decoder = pool->MakeDecoder();
  const auto oracle = MakeInProcessDecoder();
  const std::vector<Encoded> files = VariedFiles();
  ASSERT_GT(files.size(), 200U);
  preprocess::Spec squash = preprocess::SquashVariant(SmallSpec());
  DecodeOptions exact;
  exact.jpeg_scaling = JpegScaling::kExact;
  exact.alpha = AlphaMode::kWhite;
  DecodeOptions srgb;
  srgb.color = ColorMode::kSrgb;
  DecodeOptions tight;
  tight.limits.max_pixels = 50'000;
  tight.limits.max_file_bytes = 60'000;
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string what = "file " + std::to_string(i);
    ExpectSame(DecodeWith(*decoder, files[i]), DecodeWith(*oracle, files[i]), what);
    ExpectSame(DecodeWith(*decoder, files[i], squash, exact), DecodeWith(*oracle, files[i], squash, exact),
               what);
    ExpectSame(DecodeWith(*decoder, files[i], SmallSpec(), srgb),
               DecodeWith(*oracle, files[i], SmallSpec(), srgb), what);
    ExpectSame(DecodeWith(*decoder, files[i], SmallSpec(), tight),
               DecodeWith(*oracle, files[i], SmallSpec(), tight), what);
  }
  for (const int64_t deaths : pool->stats().deaths) EXPECT_EQ(deaths, 0);
}

TEST(Sandbox, TheTrapModeFindsNoForbiddenCall) {
  DecoderPoolOptions options = PoolOptions(1);
  options.name_violations = true;
  const auto pool = MakePool(options);
  const auto decoder = pool->MakeDecoder();
  DecodeOptions srgb;
  srgb.color = ColorMode::kSrgb;
  for (const Encoded& file : VariedFiles()) {
    (void)DecodeWith(*decoder, file);
    (void)DecodeWith(*decoder, file, SmallSpec(), srgb);
  }
  EXPECT_EQ(pool->stats().violations, 0);
  EXPECT_EQ(pool->stats().restarts, 0);
}

std::string StatusOf(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(Sandbox, TheKernelConfirmsTheWalls) {
  const auto pool = MakePool(PoolOptions(1));
  for (const Layer layer : {Layer::kNoNewPrivs, Layer::kLimits, Layer::kParentDeath}) {
    EXPECT_NE(pool->layers() & LayerBit(layer), 0U) << LayerName(layer) << ": " << pool->missing_why();
  }
  const std::string status = StatusOf(pool->pids().front());
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos) << status;
  EXPECT_NE(status.find("Seccomp:\t2"), std::string::npos) << status;
  if ((pool->layers() & LayerBit(Layer::kNamespaces)) != 0) {
    EXPECT_NE(status.find("CapEff:\t0000000000000000"), std::string::npos) << status;
  }
}

bool SameCpus(const cpu_set_t& a, const cpu_set_t& b) { return CPU_EQUAL(&a, &b) != 0; }

TEST(Sandbox, BorrowsACpuForAnImageOnly) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  const auto pool = MakePool(PoolOptions(1));
  const auto decoder = pool->MakeDecoder();
  ASSERT_TRUE(DecodeWith(*decoder, Marked("")).report.ok());
  cpu_set_t mine;
  ASSERT_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
  EXPECT_TRUE(SameCpus(all, mine));
  int found = 0;
  for (const int pid : pool->pids()) {
    cpu_set_t workers;
    ASSERT_EQ(sched_getaffinity(pid, sizeof(workers), &workers), 0);
    EXPECT_TRUE(SameCpus(all, workers));
    ++found;
  }
  EXPECT_EQ(found, 2);  // one and the spare

  // While an image is on its way both are on one CPU.
  {
    CpuHandover handover(pool->pids().front());
    ASSERT_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
    EXPECT_EQ(CPU_COUNT(&mine), 1);
    cpu_set_t workers;
    ASSERT_EQ(sched_getaffinity(pool->pids().front(), sizeof(workers), &workers), 0);
    EXPECT_TRUE(SameCpus(mine, workers));
    handover.Sent();
    ASSERT_EQ(sched_getaffinity(pool->pids().front(), sizeof(workers), &workers), 0);
    EXPECT_TRUE(SameCpus(all, workers));
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
  EXPECT_TRUE(SameCpus(all, mine));
}

/// CPU time of the idle workers, the spare included.
Clock::duration CpuOf(DecoderPool& pool) {
  Clock::duration total{};
  for (const int pid : pool.pids()) {
    const auto used = ProcessCpuTime(pid);
    EXPECT_TRUE(used.has_value()) << pid;
    total += used.value_or(Clock::duration{});
  }
  return total;
}

TEST(Sandbox, CountsTheCpuTimeOfItsImages) {
  const auto pool = MakePool(PoolOptions(1));
  const auto decoder = pool->MakeDecoder();
  const Clock::duration at_start = CpuOf(*pool);
  const Clock::duration before = pool->stats().cpu;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(DecodeWith(*decoder, Marked("", 1)).report.ok());
  const Clock::duration counted = pool->stats().cpu - before;
  const Clock::duration used = CpuOf(*pool) - at_start;
  EXPECT_GT(counted, used / 2);
  EXPECT_LE(counted, used);
}

TEST(Sandbox, IsRecycledWhenItIsOld) {
  DecoderPoolOptions options = PoolOptions(1);
  options.recycle_images = 3;
  const auto pool = MakePool(options);
  const auto decoder = pool->MakeDecoder();
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(DecodeWith(*decoder, Marked("")).report.ok());
  EXPECT_GE(pool->stats().restarts, 2);
  for (const int64_t deaths : pool->stats().deaths) EXPECT_EQ(deaths, 0);
}

TEST(Protocol, AWorkerIsBelievedOnlyWhatCanBeTrue) {
  const Encoded jpeg = Marked("");
  const preprocess::Spec spec = SmallSpec();
  std::vector<uint8_t> out(spec.slot_bytes());
  DecodeJob job;
  job.encoded = jpeg;
  job.spec = &spec;
  job.out = out;
  const TimePoint sent = Clock::now();
  const Result<DecodeReport> truth = MakeInProcessDecoder()->Decode(job);
  ASSERT_TRUE(truth.ok());
  const ReplyMessage honest = MakeReplyMessage(truth, 5);
  const auto believed = [&](const ReplyMessage& reply, size_t bytes = sizeof(ReplyMessage)) {
    std::vector<uint8_t> raw(sizeof(reply) + 1);
    std::memcpy(raw.data(), &reply, sizeof(reply));
    raw.resize(bytes);
    return CheckReply(raw, job, 5, sent).believed;
  };
  EXPECT_TRUE(believed(honest));
  EXPECT_FALSE(believed(honest, sizeof(honest) - 1));
  EXPECT_FALSE(believed(honest, sizeof(honest) + 1));
  EXPECT_FALSE(believed(honest, 0));
  const auto with = [&](auto change) {
    ReplyMessage reply = honest;
    change(reply);
    return believed(reply);
  };
  EXPECT_FALSE(with([](ReplyMessage& r) { r.magic = 0; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.version = 9; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.profile = 1; }));
  EXPECT_FALSE(with([](ReplyMessage& r) {
    r.damaged = 1;
    r.rows_ok = 1;
  }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.rows_ok = 1; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.own_jpeg_decoder = 2; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.sequence = 4; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.width = 0; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.height = 65'536; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.width = r.height = 40'000; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.orientation = 9; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.scale_denominator = 3; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.decoded_at_ns = 1; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.message_bytes = 1; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.code = static_cast<int32_t>(Code::kUnauthorized); }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.code = -1; }));
  EXPECT_FALSE(with([](ReplyMessage& r) {
    r.code = static_cast<int32_t>(Code::kImageCorrupt);
    r.message_bytes = kMaxMessageBytes + 1;
  }));
  EXPECT_TRUE(with([](ReplyMessage& r) { r.code = static_cast<int32_t>(Code::kImageCorrupt); }));
  // Asked for colours, it may say what it did with the profile; nothing else.
  job.options.color = ColorMode::kSrgb;
  EXPECT_TRUE(with([](ReplyMessage& r) { r.profile = static_cast<int32_t>(ProfileUse::kIgnored); }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.profile = static_cast<int32_t>(ProfileUse::kIgnored) + 1; }));
  EXPECT_FALSE(with([](ReplyMessage& r) { r.profile = -1; }));

  job.options.damaged = DamagedMode::kTolerant;
  const auto damaged = [&](int32_t rows) {
    return with([&](ReplyMessage& r) {
      r.damaged = 1;
      r.rows_ok = rows;
    });
  };
  EXPECT_TRUE(damaged(1));
  EXPECT_FALSE(damaged(0));
  EXPECT_FALSE(damaged(1 << 20));

  // It may want more than it was granted, within the limits, and nothing else then.
  job.granted = {1'000, DecodeCost::kPlainCpuMs};
  const auto wants = [&](const DecodeCost& cost, auto change) {
    DecodeReport report;
    report.wants = cost;
    ReplyMessage reply = MakeReplyMessage(report, 5);
    change(reply);
    return believed(reply);
  };
  const auto nothing_else = [](ReplyMessage&) {};
  EXPECT_TRUE(wants({1'001, 0}, nothing_else));
  EXPECT_TRUE(wants({1, DecodeCost::kPlainCpuMs + 1}, nothing_else));
  EXPECT_FALSE(wants({1'000, DecodeCost::kPlainCpuMs}, nothing_else)) << "it has as much";
  EXPECT_FALSE(wants({job.options.limits.max_decoder_bytes + 1, 0}, nothing_else));
  EXPECT_FALSE(wants({1'001, job.options.limits.max_cpu_s * int64_t{1'000}}, nothing_else));
  EXPECT_FALSE(wants({1'001, 0}, [](ReplyMessage& r) { r.wants_cpu_ms = -1; }));
  EXPECT_FALSE(wants({1'001, 0}, [](ReplyMessage& r) { r.width = 1; }));
  EXPECT_FALSE(wants({1'001, 0}, [](ReplyMessage& r) { r.message_bytes = 1; }));
  job.granted = {DecodeCost::kUnlimited, DecodeCost::kUnlimited};
  EXPECT_FALSE(wants({1'001, 0}, nothing_else));
}

TEST(Protocol, AHelloIsOfThisVersionAndPrintable) {
  const auto accepted = [](auto change) {
    Hello hello;
    hello.layers = kAllLayers;
    hello.why_bytes = 4;
    std::memcpy(hello.why.data(), "none", 4);
    change(hello);
    const auto* bytes = reinterpret_cast<const uint8_t*>(&hello);
    return CheckHello({bytes, sizeof(hello)}).ok();
  };
  EXPECT_TRUE(accepted([](Hello&) {}));
  EXPECT_FALSE(accepted([](Hello& h) { h.version = 1; }));
  EXPECT_FALSE(accepted([](Hello& h) { h.layers = kAllLayers + 1; }));
  EXPECT_FALSE(accepted([](Hello& h) { h.why_bytes = 257; }));
  // It goes into the log, where it must not begin a line of its own.
  EXPECT_FALSE(accepted([](Hello& h) { h.why[1] = '\n'; }));
  EXPECT_TRUE(accepted([](Hello& h) { h.why[4] = '\n'; }));
}

TEST(Protocol, AJobArrivesAsItWasSent) {
  preprocess::Spec spec = SmallSpec();
  const Encoded jpeg = Marked("");
  DecodeJob job;
  job.encoded = jpeg;
  job.spec = &spec;
  job.options.color = ColorMode::kSrgb;
  job.options.alpha = AlphaMode::kWhite;
  job.options.jpeg_scaling = JpegScaling::kExact;
  job.options.limits.max_cpu_s = 7;
  job.granted = {123, 456};
  const JobMessage message = MakeJobMessage(job, 1);
  preprocess::Spec read_spec;
  const size_t slot = spec.slot_bytes();
  const Result<DecodeJob> read = ReadJobMessage(message, jpeg.size(), slot, &read_spec);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->options.color, ColorMode::kSrgb);
  EXPECT_EQ(read->options.alpha, AlphaMode::kWhite);
  EXPECT_EQ(read->options.jpeg_scaling, JpegScaling::kExact);
  EXPECT_EQ(read->options.limits.max_cpu_s, 7);
  EXPECT_EQ(read->granted.bytes, 123);
  EXPECT_EQ(read->granted.cpu_ms, 456);
  EXPECT_EQ(read_spec.crop, spec.crop);
  const auto refused = [&](auto change) {
    JobMessage other = message;
    change(other);
    return !ReadJobMessage(other, jpeg.size(), slot, &read_spec).ok();
  };
  EXPECT_TRUE(refused([](JobMessage& m) { m.version = 1; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.color = 2; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.alpha = -1; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.mode = 4; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.filter = 0; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.rounding = 2; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.jpeg_decoder = 2; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.damaged = 2; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.encoded_bytes += 1; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.out_bytes += 1; }));
  EXPECT_TRUE(refused([](JobMessage& m) { m.crop = std::numeric_limits<int32_t>::max(); }));
}

TEST(Quarantine, RemembersForItsTermAndIsBounded) {
  Quarantine quarantine;
  const Encoded evil = {1, 2, 3};
  const Encoded same_size = {1, 2, 4};
  EXPECT_FALSE(quarantine.Find(evil));
  quarantine.Add(evil, Code::kDecodeTimeout);
  EXPECT_EQ(quarantine.Find(evil), Code::kDecodeTimeout);
  EXPECT_FALSE(quarantine.Find(same_size));
  for (size_t i = 0; i < Quarantine::kMaxEntries; ++i) {
    quarantine.Add(Encoded{9, static_cast<uint8_t>(i), static_cast<uint8_t>(i >> 8), 0},
                   Code::kDecoderCrashed);
  }
  EXPECT_EQ(quarantine.size(), Quarantine::kMaxEntries);
  EXPECT_FALSE(quarantine.Find(evil)) << "the oldest goes first";

  Quarantine brief(Clock::duration::zero());
  brief.Add(evil, Code::kDecoderCrashed);
  EXPECT_FALSE(brief.Find(evil));
}

TEST(Quarantine, SipHashEqualsTheReference) {
  // The vectors of the paper's appendix: key 00..0f, input 00..0e.
  Encoded input;
  for (uint8_t i = 0; i < 15; ++i) input.push_back(i);
  EXPECT_EQ(SipHash(input, 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL), 0xa129ca6149be45e5ULL);
}

TEST(Respawn, IsAtOnceUntilManyDie) {
  Respawn respawn(1);
  const TimePoint now = Clock::now();
  for (size_t i = 0; i < Respawn::kFreeDeaths; ++i) respawn.DiedOnImage(now);
  EXPECT_LE(respawn.next(), now);
  respawn.DiedOnImage(now);
  EXPECT_GT(respawn.next(), now);
  EXPECT_LE(respawn.next(), now + Respawn::kFirstPause) << "bad photos never stop decoding for long";
}

TEST(Respawn, WaitsLongerEachTimeAWorkerCannotStart) {
  Respawn respawn(1);
  const TimePoint now = Clock::now();
  TimePoint last = now;
  for (int i = 0; i < 12; ++i) {
    respawn.FailedToStart(now);
    EXPECT_GE(respawn.next(), last);
    last = respawn.next();
  }
  EXPECT_GE(last, now + Respawn::kLongestPause / 2);
  EXPECT_LE(last, now + Respawn::kLongestPause);
}

}  // namespace
}  // namespace photovec::decode::testing
