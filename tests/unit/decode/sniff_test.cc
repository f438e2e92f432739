// SPDX-License-Identifier: MIT
#include "decode/sniff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "decode/formats/formats.h"
#include "decode/header_probe.h"
#include "testing/test_images.h"

namespace photovec::decode {
namespace {

using namespace std::string_view_literals;
using ::testing::HasSubstr;

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(Sniff, KnowsTheFourFormatsByContent) {
  EXPECT_EQ(Sniff(test::EncodeJpeg(test::MakePhoto(8, 8, 3))), Format::kJpeg);
  EXPECT_EQ(Sniff(test::EncodeWebp(test::MakePhoto(8, 8, 3), false)), Format::kWebp);
  EXPECT_EQ(Sniff(test::EncodeGif(test::MakePhoto(8, 8, 1))), Format::kGif);
  EXPECT_EQ(Sniff(Bytes("\x89PNG\r\n\x1A\n and so on")), Format::kPng);
  EXPECT_EQ(Sniff(Bytes("GIF87a")), Format::kGif);
}

TEST(Sniff, ACutSignatureCountsAsItsFormat) {
  EXPECT_EQ(Sniff(Bytes("\xFF\xD8")), Format::kJpeg);
  EXPECT_EQ(Sniff(Bytes("\x89PN")), Format::kPng);
  EXPECT_EQ(Sniff(Bytes("GIF8")), Format::kGif);
  EXPECT_EQ(Sniff(Bytes("RIFF\0\0"sv)), Format::kWebp);
  EXPECT_EQ(Sniff(Bytes("\xFF")), Format::kUnknown);
}

TEST(Sniff, NamesAreStable) {
  EXPECT_EQ(FormatName(Format::kJpeg), "jpeg");
  EXPECT_EQ(FormatName(Format::kPng), "png");
  EXPECT_EQ(FormatName(Format::kWebp), "webp");
  EXPECT_EQ(FormatName(Format::kGif), "gif");
  EXPECT_EQ(FormatName(Format::kHeif), "heif");
  EXPECT_EQ(FormatName(Format::kAvif), "avif");
  EXPECT_EQ(FormatName(Format::kUnknown), "unknown");
}

TEST(Formats, EachValueHasItsRow) {
  EXPECT_EQ(FindFormat(Format::kUnknown), nullptr);
  Format last = Format::kUnknown;
  for (const FormatEntry& entry : Formats()) {
    EXPECT_LT(last, entry.format);
    last = entry.format;
    EXPECT_FALSE(entry.title.empty());
    EXPECT_TRUE(entry.probe != nullptr && entry.decode != nullptr && entry.decoder_bytes != nullptr)
        << entry.name;
  }
}

struct Refused {
  std::string_view bytes;
  std::string_view named;
};

class SniffRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(SniffRefuses, AndSaysWhatItLooksLike) {
  const auto bytes = Bytes(GetParam().bytes);
  EXPECT_EQ(FindFormat(Sniff(bytes)), nullptr);
  const std::string message = DescribeUnsupported(bytes);
  EXPECT_THAT(message, HasSubstr(std::string(GetParam().named)));
  EXPECT_THAT(message, HasSubstr("supported are JPEG, PNG, WebP, GIF, BMP, PNM, QOI, ICO and camera raw"));
}

INSTANTIATE_TEST_SUITE_P(
    All, SniffRefuses,
    ::testing::Values(Refused{"", "empty"}, Refused{"<!DOCTYPE html><html>", "HTML"},
                      Refused{"  \n<html lang=en>", "HTML"}, Refused{"\xEF\xBB\xBF<head><HTML>", "HTML"},
                      Refused{"<svg xmlns=\"http://www.w3.org/2000/svg\">", "SVG"},
                      Refused{"<?xml version=\"1.0\"?>\n<svg>", "SVG"},
                      Refused{"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", "XML"},
                      Refused{"%PDF-1.7", "PDF"}, Refused{"BM\x36\0\0\0"sv, "BMP"},
                      Refused{"8BPS\0\1"sv, "Photoshop"}, Refused{"DDS |\0"sv, "DDS"},
                      Refused{"\x76\x2F\x31\x01\2"sv, "OpenEXR"}, Refused{"#?RADIANCE\n", "Radiance"},
                      Refused{"\0\0\2\0\0"sv, "TGA"}, Refused{"\x0A\5\1\x08"sv, "PCX"},
                      Refused{"PF\n2 2\n-1.0\n", "PFM"}, Refused{"\0\0\0\x08wide\0\0"sv, "QuickTime"},
                      Refused{"\0\0\0\x20"
                              "ftypisom"sv,
                              "MP4"},
                      Refused{"\0\0\0\x14"
                              "ftypmif3"sv,
                              "'mini' form"},
                      Refused{"%!PS-Adobe", "PostScript"}, Refused{"\0\0\0\x0CjP  \r\n"sv, "JPEG 2000"},
                      Refused{"\x1F\x8B\x08", "gzip"}, Refused{"{\"error\":1}", "JSON"},
                      Refused{"hello there", "plain text"}, Refused{"/9j/4AAQSkZJRg", "base64"},
                      Refused{"RIFF\0\0\0\0AVI LIST"sv, "AVI"},
                      Refused{"\x01\x02\x03\x04", "no known image format"}));

TEST(Exif, OrientationsOneToEightInBothByteOrders) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(ExifOrientation(test::ExifBlock(orientation, true)), orientation);
    EXPECT_EQ(ExifOrientation(test::ExifBlock(orientation, false)), orientation);
    test::Encoded prefixed = test::ExifBlock(orientation);
    const std::string_view prefix("Exif\0\0", 6);
    prefixed.insert(prefixed.begin(), prefix.begin(), prefix.end());
    EXPECT_EQ(ExifOrientation(prefixed), orientation);
  }
}

TEST(Exif, EveryIntegerTypeThatPillowTakes) {
  // Offsets of the type's low byte and of the value, in ExifBlock's two byte orders.
  const auto block = [](uint8_t type, std::vector<uint8_t> value, bool little) {
    test::Encoded exif = test::ExifBlock(1, little);
    exif[little ? 12 : 13] = type;
    std::copy(value.begin(), value.end(), exif.begin() + 18);
    return exif;
  };
  EXPECT_EQ(ExifOrientation(block(8, {6, 0, 0, 0}, true)), 6) << "SSHORT";
  EXPECT_EQ(ExifOrientation(block(8, {0, 8, 0, 0}, false)), 8);
  EXPECT_EQ(ExifOrientation(block(4, {6, 0, 0, 0}, true)), 6) << "LONG";
  EXPECT_EQ(ExifOrientation(block(9, {0, 0, 0, 5}, false)), 5) << "SLONG";
  EXPECT_EQ(ExifOrientation(block(6, {7, 0, 0, 0}, true)), 7) << "SBYTE";
  EXPECT_EQ(ExifOrientation(block(6, {3, 0, 0, 0}, false)), 3);
  EXPECT_EQ(ExifOrientation(block(13, {6, 0, 0, 0}, true)), 6) << "IFD";
  EXPECT_EQ(ExifOrientation(block(8, {0xFA, 0xFF, 0, 0}, true)), 1) << "negative";
  for (const uint8_t type : std::initializer_list<uint8_t>{1, 2, 5, 7, 10, 11, 12}) {
    EXPECT_EQ(ExifOrientation(block(type, {6, 0, 0, 0}, true)), 1) << int{type};
  }
}

TEST(Exif, BrokenBlocksMeanUpright) {
  EXPECT_EQ(ExifOrientation({}), 1);
  EXPECT_EQ(ExifOrientation(test::ExifBlock(0)), 1);
  EXPECT_EQ(ExifOrientation(test::ExifBlock(9)), 1);
  const test::Encoded good = test::ExifBlock(6);
  for (size_t size = 0; size < 20; ++size) EXPECT_EQ(ExifOrientation(test::Cut(good, size)), 1) << size;
  for (const size_t at : {size_t{0}, size_t{2}, size_t{7}, size_t{10}, size_t{12}, size_t{14}}) {
    test::Encoded bad = good;
    bad[at] = 0xEE;  // byte order, magic, offset, tag, type, count
    EXPECT_EQ(ExifOrientation(bad), 1) << at;
  }
}

}  // namespace
}  // namespace photovec::decode
