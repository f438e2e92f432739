// SPDX-License-Identifier: MIT
// Who is asked which way is up, in which order, for every container.
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

#include "decode/header_probe.h"
#include "testing/heif_builder.h"
#include "testing/test_images.h"

namespace photovec::decode {
namespace {

using test::Encoded;

Encoded ToBytes(std::string_view text) { return {text.begin(), text.end()}; }
Encoded operator+(Encoded a, const Encoded& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::string Attribute(int value) {
  return "<rdf:Description tiff:Orientation=\"" + std::to_string(value) + "\"/>";
}
std::string Element(int value) {
  return "<rdf:Description><tiff:Orientation>" + std::to_string(value) +
         "</tiff:Orientation></rdf:Description>";
}

Encoded Deflated(const Encoded& bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  Encoded out(size);
  EXPECT_EQ(compress(out.data(), &size, bytes.data(), static_cast<uLong>(bytes.size())), Z_OK);
  out.resize(size);
  return out;
}

Encoded Jpeg(const std::string& xmp, const Encoded& exif = {}) {
  Encoded jpeg = test::EncodeJpeg(test::MakePhoto(32, 16, 3));
  if (!exif.empty()) jpeg = test::JpegWithExif(jpeg, exif);
  const Encoded body = ToBytes(std::string("http://ns.adobe.com/xap/1.0/") + '\0' + xmp);
  const size_t length = body.size() + 2;
  const Encoded head = {0xFF, 0xE1, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)};
  return test::Insert(jpeg, 2, head + body);
}

Encoded PngWith(const Encoded& chunk, bool behind = false) {
  const test::Raster photo = test::MakePhoto(32, 16, 3);
  const Encoded png = test::EncodePng(32, 16, photo.samples, {});
  return test::Insert(png, behind ? png.size() - 12 : 33, chunk);
}

Encoded Text(std::string_view type, std::string_view key, const Encoded& text) {
  Encoded data = ToBytes(key);
  data.push_back(0);
  if (type == "iTXt") data = data + Encoded{0, 0, 0, 0};
  if (type == "zTXt") data.push_back(0);
  return test::PngChunk(type, data + (type == "zTXt" ? Deflated(text) : text));
}

Encoded Webp(const std::string& xmp, const Encoded& exif) {
  const Encoded still = test::EncodeWebp(test::MakePhoto(32, 16, 3), true);
  Encoded webp = test::WebpWithExif(still, 32, 16, exif);
  Encoded chunk = ToBytes("XMP ");
  const std::string even = xmp.size() % 2 == 0 ? xmp : xmp + " ";
  for (int shift = 0; shift < 32; shift += 8) chunk.push_back(static_cast<uint8_t>(even.size() >> shift));
  webp = webp + chunk + ToBytes(even);
  const size_t riff = webp.size() - 8;
  for (size_t i = 0; i < 4; ++i) webp[4 + i] = static_cast<uint8_t>(riff >> (8 * i));
  return webp;
}

/// \param quarters of `irot`; below 0: there is none.
Encoded Avif(const std::string& xmp, const Encoded& exif, int quarters = -1, bool av1 = true) {
  test::HeifBuilder builder;
  if (av1) builder.brands = test::AvifBrands();
  const uint32_t image = builder.AddCoded(test::FakeHeifPart(32, 16, av1));
  if (quarters >= 0) builder.AddRotation(image, quarters);
  if (!exif.empty()) builder.Refer("cdsc", builder.AddItem("Exif", Encoded{0, 0, 0, 0} + exif), {image});
  if (!xmp.empty()) builder.Refer("cdsc", builder.AddXmp(xmp), {image});
  return builder.Build();
}

int Of(const Encoded& file) {
  const Result<ImageHeader> header = ProbeHeader(file);
  EXPECT_TRUE(header.ok()) << header.status().ToString();
  return header.ok() ? header->orientation : 0;
}

/// An EXIF block that says another thing.
Encoded OtherExif() {
  Encoded exif = test::ExifBlock(6);
  exif[10] = 0x0F;  // the tag: the camera's maker
  return exif;
}

TEST(Orientation, BothFormsOfXmpCountWhereExifSaysNothing) {
  for (int value = 1; value <= 8; ++value) {
    for (const std::string& xmp : {Attribute(value), Element(value)}) {
      const Encoded text = ToBytes(xmp);
      EXPECT_EQ(Of(Jpeg(xmp)), value) << xmp;
      EXPECT_EQ(Of(Jpeg(xmp, OtherExif())), value) << xmp;
      EXPECT_EQ(Of(Webp(xmp, OtherExif())), value) << xmp;
      EXPECT_EQ(Of(Avif(xmp, {})), value) << xmp;
      for (const bool behind : {false, true}) {
        for (const std::string_view type : {"iTXt", "zTXt", "tEXt"}) {
          EXPECT_EQ(Of(PngWith(Text(type, "XML:com.adobe.xmp", text), behind)), value) << xmp << type;
        }
      }
      Encoded deflated = ToBytes(std::string("XML:com.adobe.xmp\0\1\0en\0key\0", 27));
      EXPECT_EQ(Of(PngWith(test::PngChunk("iTXt", deflated + Deflated(text)))), value) << xmp;
    }
  }
}

TEST(Orientation, ExifIsAskedFirst) {
  const std::string xmp = Attribute(6);
  for (const int exif : {1, 3, 8}) {
    EXPECT_EQ(Of(Jpeg(xmp, test::ExifBlock(exif))), exif);
    EXPECT_EQ(Of(Webp(xmp, test::ExifBlock(exif))), exif);
    const Encoded chunks =
        test::PngChunk("eXIf", test::ExifBlock(exif)) + Text("iTXt", "XML:com.adobe.xmp", ToBytes(xmp));
    EXPECT_EQ(Of(PngWith(chunks)), exif);
  }
  EXPECT_EQ(Of(Jpeg(xmp, test::ExifBlock(9))), 1) << "a value that there is not is said, too";
  EXPECT_EQ(Of(Jpeg("tiff:Orientation=\"9\"")), 1);
  EXPECT_EQ(Of(Jpeg("tiff:Orientation='6'")), 1);
  EXPECT_EQ(Of(Jpeg("tiff:Orientation <tiff:Orientation>3")), 3);
  EXPECT_EQ(Of(Jpeg(Attribute(8) + Attribute(3))), 8);
  EXPECT_EQ(Of(Jpeg("")), 1);
}

TEST(Orientation, OfAvifAndHeic) {
  EXPECT_EQ(Of(Avif(Attribute(6), test::ExifBlock(3))), 1) << "EXIF's is overruled by there being no irot";
  EXPECT_EQ(Of(Avif(Attribute(6), OtherExif())), 6);
  EXPECT_EQ(Of(Avif(Attribute(6), {}, 1)), 1) << "turned by irot";
  EXPECT_EQ(Of(Avif(Attribute(6), {}, -1, false)), 1) << "no HEIC is turned by XMP";
}

TEST(Orientation, OldTextOfExifInPng) {
  const Encoded exif = test::ExifBlock(6);
  std::string hex = "\nexif\n      26\n";
  for (const uint8_t byte : exif) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
    if (hex.size() % 37 == 0) hex += '\n';
  }
  for (const std::string_view type : {"tEXt", "zTXt"}) {
    const Encoded raw = Text(type, "Raw profile type exif", ToBytes(hex));
    EXPECT_EQ(Of(PngWith(raw)), 6) << type;
    EXPECT_EQ(Of(PngWith(raw + test::PngChunk("eXIf", test::ExifBlock(8)))), 8) << type;
    EXPECT_EQ(Of(PngWith(Text("iTXt", "XML:com.adobe.xmp", ToBytes(Attribute(3))) + raw)), 6) << type;
  }
}

TEST(Orientation, TextsCostLittle) {
  // A text of 100 MB in 100 KB is not looked at, and neither is the tenth text.
  const Encoded bomb = Text("zTXt", "XML:com.adobe.xmp", Encoded(4 << 20, ' '));
  EXPECT_EQ(Of(PngWith(bomb)), 1);
  Encoded many;
  for (int i = 0; i < 10; ++i)
    many = many + Text("tEXt", "XML:com.adobe.xmp", ToBytes(Attribute(i < 9 ? 3 : 6)));
  EXPECT_EQ(Of(PngWith(many)), 3);
  Encoded broken = Text("zTXt", "XML:com.adobe.xmp", ToBytes(Attribute(6)));
  broken[broken.size() - 8] ^= 0x55;
  EXPECT_EQ(Of(PngWith(broken)), 1);
}

}  // namespace
}  // namespace photovec::decode
